//! Generated stories of a conference against the model of rooms: the same rosters, mutes and events.
//!
//! `tests/tests/rooms.kept` has the stories that failed once, shrunk; they are played first. `make
//! soak-rooms` plays 100,000 others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use bridge_tests::sim::rooms::Story;
use partyline_cdr_record::FeatureCode;

const KEPT: &str = "tests/rooms.kept";
/// Stories in every run of the tests, and in the soak.
const FEW: u64 = 200;
const MANY: u64 = 100_000;

fn kept() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT)
}

/// Events that a story can leave, each of which some story must.
const EVENTS: [FeatureCode; 44] = [
    FeatureCode::RecordStart,
    FeatureCode::RecordStop,
    FeatureCode::RecordPause,
    FeatureCode::RecordResume,
    FeatureCode::MuteSelf,
    FeatureCode::UnmuteSelf,
    FeatureCode::MuteAll,
    FeatureCode::UnmuteAll,
    FeatureCode::MuteByModerator,
    FeatureCode::UnmuteByModerator,
    FeatureCode::Lock,
    FeatureCode::Unlock,
    FeatureCode::LockKnock,
    FeatureCode::LockReject,
    FeatureCode::LockAdmit,
    FeatureCode::DialoutStart,
    FeatureCode::RollCall,
    FeatureCode::RollCallPublic,
    FeatureCode::Count,
    FeatureCode::LectureMode,
    FeatureCode::HandRaise,
    FeatureCode::HandLower,
    FeatureCode::QaOpen,
    FeatureCode::QaClose,
    FeatureCode::SecurityOn,
    FeatureCode::SecurityOff,
    FeatureCode::SecurityOk,
    FeatureCode::ReferenceSet,
    FeatureCode::EndConference,
    FeatureCode::Kick,
    FeatureCode::Help,
    FeatureCode::Breakout,
    FeatureCode::Promote,
    FeatureCode::AnnounceMode,
    FeatureCode::AutoContinueOn,
    FeatureCode::AutoContinueOff,
    FeatureCode::NoInput,
    FeatureCode::AuthDenied,
    FeatureCode::JoinFull,
    FeatureCode::HoldTimeout,
    FeatureCode::AloneTimeout,
    FeatureCode::Consent,
    FeatureCode::ConferenceStart,
    FeatureCode::FarEndResume,
];

/// Plays the stories of these seeds; one that fails is shrunk, kept and told.
fn play(seeds: std::ops::Range<u64>) {
    let mut seen = BTreeSet::new();
    for seed in seeds {
        let story = Story::of(seed);
        if let Ok(events) = story.play() {
            seen.extend(events);
        } else {
            let story = story.shrunk();
            let fault = story.play().unwrap_err();
            let mut file = File::options().append(true).create(true).open(kept()).unwrap();
            writeln!(file, "{story}").unwrap();
            panic!("seed {seed}: {fault}\nkept as\n{story}");
        }
    }
    let missing: Vec<_> = EVENTS.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no story has {missing:?}");
}

#[test]
fn stories_that_failed_once_fail_no_more() {
    let kept = std::fs::read_to_string(kept()).unwrap();
    for line in kept.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let story: Story = line.parse().unwrap();
        assert_eq!(story.to_string(), line, "it is read as it was written");
        if let Err(fault) = story.play() {
            panic!("{fault}\n{story}");
        }
    }
}

#[test]
fn two_hundred_stories_come_out_as_the_model_says() {
    play(0..FEW);
}

#[test]
#[ignore = "the soak: make soak-rooms"]
fn a_hundred_thousand_stories_come_out_as_the_model_says() {
    play(1_000_000..1_000_000 + MANY);
}
