//! The committed corpus, and thousands of mutations of it, the same in every run.

mod mutator;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mutator::Mutator;
use partyline_fuzzing::{TARGETS, Target};

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The corpus of a target, in the order of its names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut folders = vec![fuzz_folder().join("corpus").join(name)];
    if matches!(name, "sip_message" | "sip_stream") {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/rfc4475"));
    }
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder of seeds"));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("readable").path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("readable"));
    paths.into_iter().map(read).collect()
}

/// Keeps the input that a target panicked on, and says where.
struct Witness<'a> {
    name: &'a str,
    from: &'a str,
    input: &'a [u8],
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.crash", self.name));
            // The panic is what matters; without the file there is still its seed.
            let kept = fs::write(&path, self.input).map(|()| path.display().to_string());
            eprintln!("{} broke on a child of {}; input: {kept:?}", self.name, self.from);
        }
    }
}

fn run(target: &Target, from: &str, input: &[u8]) {
    let _witness = Witness { name: target.name, from, input };
    (target.run)(input);
}

/// Runs the corpus of a target and `mutations` of it.
fn replay(name: &str, mutations: usize) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let corpus = corpus(name);
    assert!(corpus.len() >= 2, "{name} has no corpus to speak of");
    for (from, input) in &corpus {
        run(target, from, input);
    }
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| &input[..]).collect();
    let mut mutator = Mutator::new(name);
    for n in 0..mutations {
        let (from, seed) = &corpus[n % corpus.len()];
        let input = mutator.mutate(seed, &inputs);
        run(target, from, &input);
    }
}

macro_rules! replays {
    ($($name:ident $mutations:literal)+) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), $mutations);
            }
        )+

        #[test]
        fn every_target_is_replayed_and_has_a_program() {
            let replayed = BTreeSet::from([$(stringify!($name)),+]);
            let targets: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(replayed, targets);
            let files = fs::read_dir(fuzz_folder().join("fuzz_targets")).expect("programs");
            let names = files.map(|file| file.expect("readable").path());
            let programs: BTreeSet<String> = names
                .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
                .collect();
            assert_eq!(programs, targets.iter().map(|&name| name.to_owned()).collect());
            let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("a manifest");
            for name in targets {
                let program = fuzz_folder().join("fuzz_targets").join(format!("{name}.rs"));
                let text = fs::read_to_string(program).expect("a program");
                assert!(text.contains(&format!("partyline_fuzzing::{name}(data)")), "{name}");
                assert!(manifest.contains(&format!("\"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

// How many mutations take a second or two without optimisation.
replays! {
    sip_message 2000
    sip_stream 300
    sip_endpoint 1000
    sip_auth 2000
    sip_register 2000
    sip_identity 2000
    sdp 4000
    rtp_packet 1000
    rtcp 1000
    telephone_event 1000
    dtmf 500
    dial_plan 2000
    dialled_number 4000
    prompt_flac 2000
    conference_inputs 300
    cdr_record 4000
    cdr_journal 2000
    deck 1000
    wav_file 300
    packet_capture 1000
}
