//! The way in: welcome, passcode, room.

use std::time::Duration;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{CloseReason, FeatureCode, LegState, ReleaseBy};
use partyline_dialplan::Prompt;
use partyline_model::{PasscodeId, Role};
use partyline_phones::{Codec, Ending, Offer};

#[test]
fn caller_hears_the_welcome_and_joins_by_passcode() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.dial(anna).run_for(secs(6));
    assert!(world.heard_prompt(anna, Prompt::Welcome, Duration::ZERO), "by ear");
    world.press(anna, MODERATOR).run_for(secs(3));
    world.join(ben, PARTICIPANT).run_for(secs(4));
    assert!(world.room_of(anna).is_some() && world.room_of(anna) == world.room_of(ben));
    world.talk(anna).talk(ben).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)) && world.lacks(ben, tone(ben)));
    assert!(world.hears(anna, tone(ben)) && world.lacks(anna, tone(anna)));
    assert!(world.echoes_listened_for() > 0, "the invariant had something to hold");
    world.hang_up(ben).run_for(secs(1));
    let records = world.finish();
    let leg = records.leg(world.call_id(ben));
    assert_eq!(leg.state, LegState::Closed);
    assert_eq!(
        (leg.close_reason, leg.release_by),
        (Some(CloseReason::Normal), Some(ReleaseBy::Caller))
    );
    assert_eq!(leg.access_code_role, Some(Role::Participant));
    assert_eq!(leg.access_codes[0].passcode, PasscodeId(12));
    assert_eq!(leg.conf_id, records.leg(world.call_id(anna)).conf_id);
    let codes = records.events_of(leg);
    let wanted = [FeatureCode::AuthOk, FeatureCode::Join, FeatureCode::Leave];
    assert!(wanted.iter().all(|code| codes.contains(code)), "{codes:?}");
    let quality = leg.quality.as_ref().expect("the figures of the media plane come after the end");
    assert_eq!((&*quality.codec, quality.ptime_ms, quality.lost), ("PCMU", 20, 0));
    let sent = u64::from(world.phone(ben).rtp_sent());
    assert!(quality.rx_packets.abs_diff(sent) <= 2, "{} of {sent}", quality.rx_packets);
    assert!(quality.tx_packets.abs_diff(world.phone(ben).received().packets) <= 2);
    let talk_time = world.call(ben).talk_time().unwrap();
    let billed = Duration::from_millis(leg.duration_ms);
    assert!(billed.abs_diff(talk_time) <= Duration::from_millis(20), "{billed:?} {talk_time:?}");
}

#[test]
fn late_offer_and_pcma_join_as_well() {
    let mut world = World::build().start();
    let anna = world.phone_with("anna", |phone| phone.offer = Offer::Late);
    let ben = world.phone_with("ben", |phone| phone.codec = Codec::Pcma);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(anna).run_for(secs(3));
    assert!(world.hears(ben, tone(anna)));
    world.finish();
}

#[test]
fn digits_typed_ahead_of_the_prompt_count_and_silence_it() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna);
    world.wait_for("answered", secs(2), |world| world.is_up(anna));
    world.press(anna, MODERATOR).run_for(secs(4));
    assert!(world.room_of(anna).is_some());
    assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 0);
    world.finish();
}

#[test]
fn first_digit_ends_the_prompt() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(ms(1500)).press(anna, MODERATOR).run_for(secs(3));
    assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 1);
    assert!(world.room_of(anna).is_some(), "although the prompt would still be playing");
    // The rest of the digits are typed into silence.
    assert!(world.phone(anna).silent(ms(2000), ms(3000)), "the first digit did not stop it");
    world.finish();
}

#[test]
fn passcode_without_pound_is_taken_four_seconds_after_its_last_digit() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3)).press(anna, MODERATOR.trim_end_matches('#'));
    world.run_for(secs(5));
    assert!(world.room_of(anna).is_none());
    world.run_for(secs(2));
    assert!(world.room_of(anna).is_some());
    world.finish();
}

#[test]
fn three_wrong_passcodes_end_the_call() {
    let mut world = World::build().start();
    let [mallory] = world.phones(["mallory"]);
    world.dial(mallory).run_for(secs(3));
    for wrong in ["111111#", "222222#", "333333#"] {
        assert!(world.is_up(mallory));
        world.press(mallory, wrong).run_for(secs(4));
    }
    world.run_for(secs(15));
    assert_eq!(world.ending(mallory), Some(Ending::ByThem));
    assert_eq!(world.times_played(mallory, Prompt::PasscodeInvalid), 2);
    assert_eq!(world.times_played(mallory, Prompt::GoodbyeCheckPasscode), 1);
    let records = world.finish();
    let leg = records.leg(world.call_id(mallory));
    assert_eq!((leg.close_reason, leg.auth_failures), (Some(CloseReason::AuthReject), 3));
    assert_eq!((leg.conf_id, leg.joined_at, leg.access_codes.len()), (None, None, 0));
    assert_eq!(records.conferences().len(), 0);
}

#[test]
fn second_try_lets_the_caller_in() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(3)).press(anna, "111111#").run_for(secs(4));
    world.press(anna, MODERATOR).run_for(secs(4));
    assert!(world.room_of(anna).is_some());
    let records = world.finish();
    assert_eq!(records.leg(world.call_id(anna)).auth_failures, 1);
}

#[test]
fn silent_caller_is_asked_three_times_and_hung_up() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(90));
    assert_eq!(world.ending(anna), Some(Ending::ByThem));
    assert_eq!(world.times_played(anna, Prompt::EnterPasscode), 3);
    assert_eq!(world.times_played(anna, Prompt::NoPasscodeHeard), 2);
    let records = world.finish();
    assert_eq!(records.reason(world.call_id(anna)), CloseReason::AuthReject);
    assert_eq!(records.of_kind(FeatureCode::NoInput).len(), 3);
}

#[test]
fn occupied_port_is_passed_over() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    // One in three: that all eight that are tried are among them happens once in 6,561 times.
    for port in (20_000..30_000).step_by(6) {
        world.occupy_port(port);
    }
    for _ in 0..20 {
        world.join(anna, MODERATOR);
        let port = world.port_of(anna).expect("a port");
        assert!((20_000..30_000).contains(&port) && !(port - 20_000).is_multiple_of(6), "{port}");
        world.hang_up(anna).run_for(secs(2));
    }
    world.finish();
}

#[test]
fn caller_from_an_unknown_address_is_refused_without_a_record() {
    let mut world = World::build().start();
    let eve = world.phone_with("eve", |phone| {
        phone.sip_address = "172.16.0.9:5060".parse().unwrap();
        phone.rtp_address = "172.16.0.9:4000".parse().unwrap();
    });
    world.dial(eve).run_for(secs(2));
    assert_eq!(world.ending(eve), Some(Ending::Refused(403)));
    assert_eq!(world.finish().all().len(), 0);
}

#[test]
fn number_that_is_nobodys_is_refused_with_a_record() {
    let mut world = World::build().start();
    let eve = world.phone_with("eve", |phone| phone.to = "+14165550000".to_owned());
    world.dial(eve).run_for(secs(2));
    assert_eq!(world.ending(eve), Some(Ending::Refused(404)));
    let records = world.finish();
    let leg = records.leg(world.call_id(eve));
    assert_eq!((leg.close_reason, leg.sip_status), (Some(CloseReason::NotFound), Some(404)));
    assert_eq!((leg.answered_at, leg.duration_ms), (None, 0));
}
