//! Sound files of 16-bit mono: WAV and FLAC of 8 or 16 kHz in (the latter halved), WAV of 8 kHz out.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Samples at 8 kHz of a 16-bit mono WAV or FLAC of 8 or 16 kHz.
///
/// # Errors
/// When the file cannot be read or is of another kind.
pub fn read_sound(path: &Path) -> Result<Vec<i16>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("cannot use {}", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Vec<i16>> {
    let (rate, samples) =
        if bytes.starts_with(b"fLaC") { parse_flac(bytes)? } else { parse_wav(bytes)? };
    match rate {
        8000 => Ok(samples),
        16_000 => Ok(halve(&samples)),
        other => bail!("{other} Hz; 8000 or 16000 is needed"),
    }
}

fn parse_flac(bytes: &[u8]) -> Result<(u32, Vec<i16>)> {
    let mut reader = claxon::FlacReader::new(bytes)?;
    let info = reader.streaminfo();
    ensure!(info.channels == 1, "{} channels; one is needed", info.channels);
    ensure!(info.bits_per_sample == 16, "{} bits; 16 are needed", info.bits_per_sample);
    let samples = reader.samples().map(|sample| Ok(i16::try_from(sample?)?));
    Ok((info.sample_rate, samples.collect::<Result<_>>()?))
}

fn parse_wav(bytes: &[u8]) -> Result<(u32, Vec<i16>)> {
    ensure!(bytes.len() >= 12, "too short for a sound file");
    ensure!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WAVE", "neither WAV nor FLAC");
    let (mut rest, mut rate) = (&bytes[12..], None);
    while let Some((head, after)) = rest.split_at_checked(8) {
        let length = usize::try_from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]))?;
        let chunk = &after[..length.min(after.len())];
        match &head[..4] {
            b"fmt " => rate = Some(parse_format(chunk)?),
            b"data" => {
                let pairs = chunk.chunks_exact(2);
                let samples = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
                return Ok((rate.context("data before format")?, samples));
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        rest = after.get(length + length % 2..).unwrap_or(&[]);
    }
    bail!("no data in it")
}

fn parse_format(chunk: &[u8]) -> Result<u32> {
    ensure!(chunk.len() >= 16, "short format chunk");
    let word = |place: usize| u16::from_le_bytes([chunk[place], chunk[place + 1]]);
    // 0xFFFE: the extensible form, whose sub-format is PCM whenever the rest fits.
    ensure!(matches!(word(0), 1 | 0xFFFE), "not PCM");
    ensure!(word(2) == 1, "{} channels; one is needed", word(2));
    ensure!(word(14) == 16, "{} bits; 16 are needed", word(14));
    Ok(u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]))
}

/// Every second sample after a low pass of seven taps (half-band, 32nds).
fn halve(samples: &[i16]) -> Vec<i16> {
    const TAPS: [(isize, i32); 5] = [(-3, -1), (-1, 9), (0, 16), (1, 9), (3, -1)];
    let at = |place: usize, shift: isize| {
        place.checked_add_signed(shift).and_then(|place| samples.get(place)).copied().unwrap_or(0)
    };
    let filter = |place: usize| {
        let sum: i32 = TAPS.iter().map(|&(shift, tap)| i32::from(at(place, shift)) * tap).sum();
        i16::try_from((sum / 32).clamp(-32_768, 32_767)).expect("held to the range")
    };
    (0..samples.len()).step_by(2).map(filter).collect()
}

/// Writes 8 kHz mono.
///
/// # Errors
/// When the file cannot be written or would be longer than a WAV file can be.
pub fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    let length = u32::try_from(samples.len() * 2)?;
    let mut bytes = Vec::with_capacity(44 + samples.len() * 2);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&length.checked_add(36).context("too long")?.to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for word in [16_u32, 0x0001_0001, 8000, 16_000, 0x0010_0002] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&length.to_le_bytes());
    for sample in samples {
        bytes.extend_from_slice(&sample.to_le_bytes());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_file_is_read_back() {
        let path = std::env::temp_dir().join(format!("phones-wav-{}.wav", std::process::id()));
        let samples = crate::sine(440.0, -10.0, 801);
        write_wav(&path, &samples).unwrap();
        let back = read_sound(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(back, samples);
    }

    #[test]
    fn halving_keeps_a_voice_tone_and_drops_what_would_alias() {
        // 16 kHz samples: a tone made for 8 kHz sounds at twice its frequency.
        let voice = halve(&crate::sine(250.0, -10.0, 16_000));
        let level = crate::analysis::tone_level(&voice[..8000], 500.0);
        assert!((level + 10.0).abs() < 0.3, "{level}");
        let alias = halve(&crate::sine(3700.0, -10.0, 16_000));
        assert!(crate::analysis::tone_level(&alias[..8000], 600.0) < -30.0);
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        assert!(parse(b"RIFF").is_err());
        assert!(parse(b"fLaC and no more").is_err());
        assert!(parse(b"RIFF....WAVEfmt \x02\0\0\0\x01\0").is_err());
        let error = parse(b"not a sound file at all").unwrap_err();
        assert_eq!(error.to_string(), "neither WAV nor FLAC");
    }
}
