//! What callers can hear: the embedded prompts, the hold music, and the brands' own welcomes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use partyline_dialplan::{Language, Prompt, library};
use partyline_media::{AudioLibrary, Clip};
use partyline_model::AudioId;

/// The clips, and which of them welcomes for which brand.
pub(super) struct Sounds {
    pub(super) library: AudioLibrary,
    pub(super) brands: BTreeMap<String, AudioId>,
}

impl Sounds {
    /// Decodes the prompts, and `NAME.flac` in `brands` for a dial-in number whose welcome is
    /// `NAME`. Read once: a new brand needs a new start.
    pub(super) fn load(brands: &Path) -> anyhow::Result<Self> {
        let mut clips = Vec::new();
        for clip in library::load(Language::EnUs)? {
            clips.push(Clip::new(clip.rate, clip.samples)?);
        }
        let mut names = BTreeMap::new();
        let mut files: Vec<_> = fs::read_dir(brands)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read the folder {}", brands.display()))?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "flac"))
            .collect();
        files.sort();
        for (file, id) in files.iter().zip(Prompt::COUNT..) {
            let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            clips.push(brand(file)?);
            names.insert(name.to_owned(), AudioId(id));
        }
        let library = AudioLibrary::new(clips, Clip::hold_music());
        Ok(Self { library, brands: names })
    }
}

fn brand(file: &Path) -> anyhow::Result<Clip> {
    let about =
        || format!("{}: a welcome is FLAC, mono, 16 bits, 8 or 16 kHz, up to 60 s", file.display());
    let clip = library::load_brand(&fs::read(file).with_context(about)?).with_context(about)?;
    Clip::new(clip.rate, clip.samples).with_context(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_gets_the_first_clip_after_the_prompts() {
        let folder = tempfile::tempdir().unwrap();
        let welcome =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../dialplans/prompts/en-US/welcome.flac");
        fs::copy(welcome, folder.path().join("acme.flac")).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a sound").unwrap();
        let sounds = Sounds::load(folder.path()).unwrap();
        let id = AudioId(Prompt::COUNT);
        assert_eq!(sounds.brands, BTreeMap::from([("acme".to_owned(), id)]));
        let neutral = sounds.library.clip(Prompt::Welcome.audio()).unwrap();
        assert_eq!(sounds.library.clip(id).unwrap().samples(), neutral.samples());
    }

    #[test]
    fn a_brand_that_is_no_flac_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("acme.flac"), "RIFF").unwrap();
        let error = Sounds::load(folder.path()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("acme.flac") && error.contains("8 or 16 kHz"), "{error}");
    }
}
