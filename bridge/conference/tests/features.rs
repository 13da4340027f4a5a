//! Star codes in the conference, their rules and their events.

mod common;

use common::{Disk, LISTENER, MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{
    Actor, DenyReason, FeatureCode, FeatureDetail, Outcome, ReferenceSource,
};
use partyline_conference::{Input, Output, Talk};
use partyline_dialplan::star::{Menu, Profile};
use partyline_dialplan::{Prompt, say};
use partyline_directory::ReferenceNumber;
use partyline_model::{CallId, RecordingId, Role, Time};

/// A moderator and a participant who have heard everything so far.
fn two(world: &mut World) -> (CallId, CallId) {
    let moderator = world.join(MODERATOR);
    let participant = world.join(PARTICIPANT);
    world.run(secs(2));
    world.forget_heard();
    (moderator, participant)
}

#[test]
fn star_six_mutes_and_opens_and_says_the_new_state() {
    let mut world = World::new();
    let (_, call) = two(&mut world);
    assert_eq!(world.leg(call).talk, Some(Talk::Open));
    world.press(call, "*6");
    assert_eq!((world.leg(call).talk, world.heard(call)), (Some(Talk::Muted), vec![Prompt::Muted]));
    world.run(secs(1));
    world.press(call, "*6");
    assert_eq!(
        (world.leg(call).talk, world.heard(call)),
        (Some(Talk::Open), vec![Prompt::Unmuted])
    );
    assert_eq!(world.event(FeatureCode::MuteSelf).pattern.as_str(), "*6");
    assert_eq!(world.event(FeatureCode::UnmuteSelf).outcome, Outcome::Ok);
}

#[test]
fn the_same_code_within_500_ms_is_one_key_press() {
    let mut world = World::new();
    let (_, call) = two(&mut world);
    world.press(call, "*6*6");
    assert_eq!(world.leg(call).talk, Some(Talk::Muted));
    world.event(FeatureCode::MuteSelf);
}

#[test]
fn bare_digits_do_nothing_and_are_counted() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    let before = world.log.len();
    world.press(call, "1234567890#ABCD");
    assert_eq!(world.log.len(), before);
    world.bye(call);
    assert_eq!(world.leg(call).summary.as_ref().map(|s| s.stray_digits), Some(15));
    assert!(!world.is_over(moderator));
}

#[test]
fn a_begun_code_is_dropped_in_silence_after_three_seconds() {
    let mut world = World::new();
    let (moderator, _) = two(&mut world);
    world.press(moderator, "*9");
    world.run(ms(3_001));
    world.press(moderator, "9");
    assert!(world.heard(moderator).is_empty());
    world.press(moderator, "*9");
    world.run(ms(2_900));
    world.press(moderator, "9");
    assert_eq!(world.heard(moderator), [Prompt::EndConfirm]);
}

#[test]
fn an_unknown_code_is_refused_aloud() {
    let mut world = World::new();
    let (moderator, _) = two(&mut world);
    world.press(moderator, "*90");
    assert_eq!(world.heard(moderator), [Prompt::UnknownCode]);
}

#[test]
fn codes_are_those_of_the_profile_and_the_record_quotes_them() {
    let mut world = World::with(|setup| {
        let profile = r##"
            name = "ours"
            moved = { "*4" = "record", "*6" = "mute" }
            [moderator]
            "*2" = "record"
            "*4" = "end"
            "*1" = "mute"
            "*#" = "count"
            "**" = "help"
            [participant]
            "*1" = "mute"
            "*4" = "count"
            "*#" = "count"
            "**" = "help"
            [listener]
            "*#" = "count"
            "**" = "help"
        "##;
        setup.profiles.add(profile).unwrap();
        setup.profiles.choose("ours").unwrap();
    });
    let (moderator, call) = two(&mut world);
    world.press(moderator, "*4");
    assert_eq!(world.heard(moderator), [Prompt::EndConfirm]);
    world.run(secs(6));
    assert_eq!(world.event(FeatureCode::EndConference).pattern.as_str(), "*4");
    world.press(moderator, "*21");
    assert_eq!(world.event(FeatureCode::RecordStart).pattern.as_str(), "*2");
    world.press(call, "*1");
    assert_eq!(world.event(FeatureCode::MuteSelf).pattern.as_str(), "*1");
    world.press(call, "*4");
    assert_eq!(world.event(FeatureCode::Count).pattern.as_str(), "*4");
    world.forget_heard();
    world.press(call, "*6");
    assert_eq!(world.heard(call), [Prompt::UnknownCode]);
}

#[test]
fn star_pound_counts() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(call, "*#");
    assert_eq!(world.heard(call), [Prompt::CountThereAre, Prompt::Two, Prompt::CountPeople]);
    assert_eq!(world.event(FeatureCode::Count).detail, FeatureDetail::Count(2));
    assert!(world.heard(moderator).is_empty());
}

#[test]
fn star_star_reads_the_codes_of_the_role() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(call, "**");
    world.press(moderator, "**");
    assert_eq!(world.heard(call), say::help(&Profile::spectel(), Menu::Room(Role::Participant)));
    assert_eq!(world.heard(moderator), say::help(&Profile::spectel(), Menu::Room(Role::Moderator)));
}

#[test]
fn a_participant_is_refused_what_is_a_moderators_and_it_is_recorded() {
    let codes = [
        ("*4", FeatureCode::RecordStart),
        ("*1", FeatureCode::DialoutStart),
        ("*91", FeatureCode::ReferenceSet),
        ("*92", FeatureCode::SecurityOn),
        ("*99", FeatureCode::EndConference),
    ];
    for role in [PARTICIPANT, LISTENER] {
        for (keys, code) in codes {
            // *9 is a code of participants, and fires before its second digit.
            if keys.starts_with("*9") {
                continue;
            }
            let mut world = World::new();
            world.join(MODERATOR);
            let call = world.join(role);
            world.forget_heard();
            world.press(call, keys);
            assert_eq!(world.heard(call), [Prompt::ModeratorOnly], "{keys}");
            let event = world.event(code);
            assert_eq!((event.outcome, event.denied), (Outcome::Denied, Some(DenyReason::Role)));
            assert_eq!(event.pattern.as_str(), keys);
        }
    }
}

#[test]
fn what_the_account_has_not_bought_is_refused_and_recorded() {
    let codes = [
        ("*4", FeatureCode::RecordStart, Prompt::RecordingDenied),
        ("*1", FeatureCode::DialoutStart, Prompt::DialBarred),
        ("*91", FeatureCode::ReferenceSet, Prompt::NotAvailableYet),
        ("*92", FeatureCode::SecurityOn, Prompt::SecurityNotAllowed),
    ];
    for (keys, code, prompt) in codes {
        let mut world = World::with(|setup| setup.account.entitlements = Default::default());
        let (moderator, _) = two(&mut world);
        world.press(moderator, keys);
        assert_eq!(world.heard(moderator), [prompt], "{keys}");
        assert_eq!(world.event(code).denied, Some(DenyReason::Entitlement));
    }
}

// Recording.

#[test]
fn star_four_records_after_a_confirmation_and_all_are_told() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(moderator, "*4");
    assert_eq!(world.heard(moderator), [Prompt::RecordConfirm]);
    assert_eq!(world.outputs(|o| matches!(o, Output::Record { .. })), 0);
    world.press(moderator, "1");
    assert_eq!(world.outputs(|o| matches!(o, Output::Record { .. })), 1);
    assert_eq!(world.heard(call), [Prompt::RecordingStarted]);
    assert_eq!(world.codes().iter().filter(|&&c| c == FeatureCode::Consent).count(), 2);
    world.run(secs(10));
    world.press(moderator, "*4");
    assert_eq!(world.heard(call), [Prompt::RecordingStopped]);
    assert_eq!(world.outputs(|o| matches!(o, Output::StopRecord { .. })), 1);
    let length = world.event(FeatureCode::RecordStop).detail.clone();
    assert_eq!(length, FeatureDetail::Millis(10_100));
    world.bye(moderator);
    world.bye(call);
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!(conference.recording_ms, 10_100);
    let file = conference.recording_ref.unwrap();
    assert_eq!(file.as_str(), format!("{}-1.wav", conference.conf_id));
}

#[test]
fn star_four_without_confirmation_is_cancelled() {
    for keys in ["*42", "*4"] {
        let mut world = World::new();
        let (moderator, call) = two(&mut world);
        world.press(moderator, keys);
        world.run(ms(5_600));
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::Cancelled));
        assert_eq!(world.outputs(|o| matches!(o, Output::Record { .. })), 0);
        assert_eq!(world.event(FeatureCode::RecordStart).outcome, Outcome::Failed);
        assert!(world.heard(call).is_empty());
    }
}

#[test]
fn who_joins_a_recorded_conference_is_told_before() {
    let mut world = World::new();
    let (moderator, _) = two(&mut world);
    world.press(moderator, "*41");
    let late = world.join(PARTICIPANT);
    assert_eq!(world.heard(late).last(), Some(&Prompt::RecordingNotice));
    assert_eq!(world.mix(late), None);
    world.run(secs(1));
    assert!(world.mix(late).is_some());
    assert_eq!(world.codes().iter().filter(|&&c| c == FeatureCode::Consent).count(), 3);
}

#[test]
fn a_recording_that_fails_is_told_and_the_call_goes_on() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(moderator, "*41");
    world.forget_heard();
    world.input(Input::RecordingFailed { recording: RecordingId(77) });
    assert!(world.heard(call).is_empty());
    world.input(Input::RecordingFailed { recording: RecordingId(1) });
    assert_eq!(world.heard(call), [Prompt::RecordingFailed]);
    let stop = world.event(FeatureCode::RecordStop);
    assert_eq!(stop.outcome, Outcome::Failed);
    assert!(stop.actor == Actor::System && stop.is_of_session(), "no leg is blamed");
    assert!(world.mix(moderator).is_some() && world.mix(call).is_some());
    assert_eq!(world.outputs(|o| matches!(o, Output::StopRecord { .. })), 0);
}

#[test]
fn a_recording_ends_with_its_conference() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(moderator, "*41");
    world.run(secs(7));
    world.bye(moderator);
    world.bye(call);
    assert_eq!(world.outputs(|o| matches!(o, Output::StopRecord { .. })), 1);
    assert_eq!(world.conference_records().last().unwrap().recording_ms, 7_000);
    let stop = world.event(FeatureCode::RecordStop);
    assert!(stop.actor == Actor::System && stop.is_of_session(), "nobody was there to do it");
    assert_eq!((stop.feature_seq, &stop.detail), (1, &FeatureDetail::Millis(7_000)));
    let start = world.event(FeatureCode::RecordStart);
    assert_eq!((start.actor, start.role), (Actor::Leg, Some(Role::Moderator)));
}

// Reference number.

#[test]
fn star_91_reads_back_and_sets_the_reference() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
    let moderator = world.join(MODERATOR);
    world.press(moderator, "#");
    world.run(secs(2));
    world.forget_heard();
    world.press(moderator, "*91");
    assert_eq!(world.heard(moderator), [Prompt::EnterReference]);
    world.press(moderator, "4471#");
    let read_back = [
        Prompt::YouEntered,
        Prompt::Four,
        Prompt::Four,
        Prompt::Seven,
        Prompt::One,
        Prompt::AcceptOrReenter,
    ];
    assert_eq!(world.heard(moderator), read_back);
    world.press(moderator, "2");
    assert_eq!(world.heard(moderator), [Prompt::EnterReference]);
    world.press(moderator, "12#1");
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::ReferenceSaved));
    world.bye(moderator);
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!(conference.reference_number.unwrap().as_str(), "12");
    assert_eq!(conference.reference_source, ReferenceSource::StarCode);
    let event = world.event(FeatureCode::ReferenceSet);
    assert_eq!(event.pattern.as_str(), "*91");
}

#[test]
fn silence_accepts_the_reference_after_five_seconds() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
    let moderator = world.join(MODERATOR);
    let asked = [Prompt::FirstPerson, Prompt::EnterReferenceOrSkip];
    assert_eq!(world.heard(moderator)[2..], asked);
    assert!(world.mix(moderator).is_some(), "nobody waits for an optional answer");
    world.press(moderator, "4471#");
    // The read-back has six prompts.
    world.run(ms(3_000 + 4_999));
    assert!(!world.codes().contains(&FeatureCode::ReferenceSet));
    world.run(ms(1));
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::ReferenceSaved));
    let event = world.event(FeatureCode::ReferenceSet);
    let FeatureDetail::Reference { value: Some(value), previous: None } = &event.detail else {
        panic!("a first reference")
    };
    assert_eq!(value.as_str(), "4471");
    world.bye(moderator);
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!(conference.reference_source, ReferenceSource::Join);
}

#[test]
fn a_second_moderator_is_not_asked_for_the_reference_again() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Required));
    let first = world.join(MODERATOR);
    world.press(first, "4471#1");
    let second = world.join(MODERATOR);
    assert!(world.mix(second).is_some());
}

#[test]
fn an_optional_reference_may_be_skipped_by_pound_by_silence_or_by_a_star_code() {
    for (keys, heard) in [("#", None), ("", None), ("*6", Some(Prompt::Muted))] {
        let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
        let guest = world.join(PARTICIPANT);
        world.forget_heard();
        let moderator = world.join(MODERATOR);
        // The conference has begun with the moderator's passcode.
        assert!(world.mix(moderator).is_some() && world.mix(guest) == world.mix(moderator));
        assert_eq!(world.heard(guest)[..2], [Prompt::ToneChime, Prompt::ConferenceStarting]);
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::EnterReferenceOrSkip));
        world.forget_heard();
        world.press(moderator, keys);
        world.run(secs(30));
        assert_eq!(world.heard(moderator), heard.into_iter().collect::<Vec<_>>(), "{keys:?}");
        assert!(world.heard(guest).is_empty(), "the question is private");
        // Asked once: what is pressed later is a star code again.
        world.press(moderator, "*#");
        assert_eq!(world.heard(moderator)[0], Prompt::CountThereAre, "{keys:?}");
        world.bye(moderator);
        world.bye(guest);
        assert!(!world.codes().contains(&FeatureCode::ReferenceSet));
    }
}

#[test]
fn an_optional_reference_that_cannot_be_one_is_asked_for_again() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
    let moderator = world.join(MODERATOR);
    world.press(moderator, "123456789012345678901#");
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::EnterReferenceOrSkip));
    world.press(moderator, "12#1");
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::ReferenceSaved));
    let second = world.join(MODERATOR);
    assert!(!world.heard(second).contains(&Prompt::EnterReferenceOrSkip), "there is one already");
}

#[test]
fn without_a_required_reference_there_is_no_way_in() {
    let mut world = World::with(|setup| setup.reference(ReferenceNumber::Required));
    let moderator = world.join(MODERATOR);
    world.press(moderator, "###");
    assert_eq!(world.heard(moderator).last(), Some(&Prompt::Goodbye));
    world.run(secs(1));
    assert!(world.is_over(moderator));
    let participant = world.join(PARTICIPANT);
    assert_eq!(world.heard(participant).last(), Some(&Prompt::WaitingForModerator));
}

#[test]
fn star_91_by_star_or_by_silence_changes_nothing_and_pound_removes() {
    for (keys, wait, prompt) in [
        ("*91*", ms(0), Prompt::ReferenceUnchanged),
        ("*91", secs(20), Prompt::ReferenceUnchanged),
        ("*91#", ms(0), Prompt::ReferenceCleared),
    ] {
        let mut world = World::with(|setup| setup.reference(ReferenceNumber::Optional));
        let moderator = world.join(MODERATOR);
        world.press(moderator, "4471#1");
        world.press(moderator, keys);
        world.run(wait);
        assert!(world.heard(moderator).contains(&prompt), "{keys}");
        world.bye(moderator);
        let conference = world.conference_records().last().copied().cloned().unwrap();
        assert_eq!(conference.reference_number.is_some(), prompt == Prompt::ReferenceUnchanged);
    }
}

// Events.

#[test]
fn events_of_a_session_are_numbered_without_gaps() {
    let mut world = World::new();
    let (moderator, call) = two(&mut world);
    world.press(call, "*6*4");
    world.press(moderator, "*41*#");
    world.run(secs(1));
    world.press(moderator, "*991");
    world.run(secs(10));
    let conf_id = world.conference_records()[0].conf_id;
    let numbers: Vec<u64> =
        world.events().iter().filter(|e| e.conf_id == Some(conf_id)).map(|e| e.conf_seq).collect();
    assert!(numbers.len() > 8);
    assert_eq!(numbers, (1..=u64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
}

#[test]
fn a_record_that_the_disk_refuses_does_not_stop_the_conference() {
    let mut world = World::new();
    let (_, call) = two(&mut world);
    world.disk = Disk::Fails;
    world.press(call, "*6");
    assert_eq!(world.leg(call).talk, Some(Talk::Muted));
    world.disk = Disk::Works;
    world.run(secs(2));
    world.event(FeatureCode::MuteSelf);
}

#[test]
fn an_hour_of_random_keys_of_a_participant_says_nothing_in_public() {
    let mut world = World::new();
    let (_, call) = two(&mut world);
    let before = world.outputs(|o| matches!(o, Output::PlayMix { .. }));
    let mut state = 1u64;
    for _ in 0..3_600 {
        // Knuth's MMIX generator: any spread of keys will do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = b"0123456789*#****"[usize::try_from(state >> 60).unwrap()];
        world.press(call, &char::from(key).to_string());
        world.run(ms(950));
    }
    assert_eq!(world.outputs(|o| matches!(o, Output::PlayMix { .. })), before);
    assert!(world.mix(call).is_some());
}

#[test]
fn a_dialogue_that_hanging_up_cuts_off_leaves_its_event_as_failed() {
    let dialogues = [
        ("*1", FeatureCode::DialoutStart),
        ("*11416", FeatureCode::DialoutStart),
        ("*3", FeatureCode::Breakout),
        ("*4", FeatureCode::RecordStart),
        ("*91", FeatureCode::ReferenceSet),
        ("*9142#", FeatureCode::ReferenceSet),
        ("*92", FeatureCode::SecurityOn),
        ("*924711#", FeatureCode::SecurityOn),
        ("*97", FeatureCode::Kick),
        ("*99", FeatureCode::EndConference),
    ];
    for (keys, code) in dialogues {
        let mut world = World::with(|setup| {
            setup.account.entitlements.reference_number = ReferenceNumber::Optional;
        });
        let (moderator, _) = two(&mut world);
        world.run(secs(40));
        world.press(moderator, keys);
        world.bye(moderator);
        let event = world.event(code);
        assert_eq!((event.outcome, event.actor), (Outcome::Failed, Actor::Leg), "{keys}");
        assert_eq!(event.pattern.as_str(), &keys[..event.pattern.as_str().len()], "{keys}");
    }
}

#[test]
fn a_promotion_that_hanging_up_cuts_off_leaves_its_event_as_failed() {
    let mut world = World::new();
    let (_, participant) = two(&mut world);
    world.press(participant, "*34829");
    world.bye(participant);
    let event = world.event(FeatureCode::Promote);
    assert_eq!((event.outcome, event.pattern.as_str()), (Outcome::Failed, "*3"));
}

#[test]
fn who_hangs_up_while_calling_somebody_drops_him_by_his_record() {
    let mut world = World::new();
    let (moderator, _) = two(&mut world);
    world.press(moderator, "*114165550123#");
    world.run(secs(1));
    let start = world.event(FeatureCode::DialoutStart).target_leg;
    world.bye(moderator);
    let dropped = world.event(FeatureCode::DialoutDropped);
    assert!(start.is_some());
    assert_eq!((dropped.target_leg, dropped.leg_id), (start, world.record(moderator).leg_id));
}

#[test]
fn pound_ends_what_a_leg_is_told() {
    let mut world = World::new();
    let (_, participant) = two(&mut world);
    world.press(participant, "**");
    let stops = |world: &World| {
        let stop = |logged: &&(Time, Output)| matches!(logged.1, Output::StopPlay { call } if call == participant);
        world.log.iter().filter(stop).count()
    };
    let before = stops(&world);
    world.press(participant, "7");
    assert_eq!(stops(&world), before);
    world.press(participant, "#");
    assert_eq!(stops(&world), before + 1);
}

#[test]
fn a_dialogue_that_the_end_cuts_off_leaves_its_event_as_failed() {
    let mut world = World::new();
    let (moderator, _) = two(&mut world);
    let other = world.join(MODERATOR);
    world.run(secs(2));
    world.press(other, "*4");
    world.press(moderator, "*991");
    world.run(secs(10));
    let event = world.event(FeatureCode::RecordStart);
    assert_eq!((event.outcome, event.leg_id), (Outcome::Failed, world.record(other).leg_id));
}
