//! How conferences and the service end, and what records then say.

mod common;

use std::collections::BTreeMap;

use common::{Disk, FarEnd, MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{CloseReason, FeatureCode, Quality, ReleaseBy, Text};
use partyline_conference::{EndKind, Input, Output};
use partyline_dialplan::Prompt;
use partyline_directory::StartsWith;
use partyline_model::{CallId, Time};

fn conference(world: &mut World) -> (CallId, CallId) {
    let moderator = world.join(MODERATOR);
    let other = world.join(PARTICIPANT);
    world.run(secs(2));
    world.forget_heard();
    (moderator, other)
}

#[test]
fn star_99_ends_for_all_after_a_confirmation_and_a_farewell() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.press(moderator, "*99");
    assert_eq!(world.heard(moderator), [Prompt::EndConfirm]);
    world.press(moderator, "1");
    assert_eq!(world.heard(other), [Prompt::ConferenceEnded]);
    assert!(!world.is_over(other));
    // The farewell is half a second here.
    world.run(ms(500));
    for call in [moderator, other] {
        assert!(world.leg(call).hung_up.is_some());
        let record = world.record(call);
        assert_eq!(record.close_reason, Some(CloseReason::EndedByModerator));
        assert_eq!(record.release_by, Some(ReleaseBy::Moderator));
    }
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!(conference.close_reason, Some(CloseReason::EndedByModerator));
    assert_eq!(conference.host_leg, Some(world.record(moderator).leg_id));
}

#[test]
fn star_99_without_confirmation_ends_nothing() {
    for keys in ["*992", "*99"] {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        world.press(moderator, keys);
        world.run(ms(5_500));
        assert_eq!(world.heard(moderator).last(), Some(&Prompt::Cancelled));
        world.run(secs(10));
        assert!(!world.is_over(moderator) && !world.is_over(other));
    }
}

#[test]
fn a_farewell_whose_end_is_not_reported_takes_six_seconds() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.press(moderator, "*991");
    // No media plane says when: only the core's own deadlines count.
    let begin = world.now;
    while let Some(at) = world.bridge.poll_timeout().filter(|_| !world.is_over(other)) {
        world.now = at;
        world.input(Input::Timeout);
    }
    assert_eq!(world.now.since(begin), secs(6));
}

#[test]
fn a_large_conference_is_hung_up_in_groups_of_fifty() {
    let mut world = World::with(|setup| setup.conference.max_legs = 500);
    let moderator = world.join(MODERATOR);
    let others: Vec<CallId> = (0..129).map(|_| world.join(PARTICIPANT)).collect();
    world.press(moderator, "*991");
    world.log.clear();
    world.run(secs(10));
    let mut groups: BTreeMap<Time, usize> = BTreeMap::new();
    for (at, output) in &world.log {
        if matches!(output, Output::Hangup { .. }) {
            *groups.entry(*at).or_default() += 1;
        }
    }
    assert_eq!(groups.values().copied().collect::<Vec<_>>(), [50, 50, 30]);
    let times: Vec<_> = groups.keys().collect();
    assert!(times.windows(2).all(|pair| pair[1].since(*pair[0]) == ms(100)));
    for call in others {
        assert_eq!(world.reason(call), CloseReason::EndedByModerator);
    }
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!((conference.peak_legs, conference.leg_count), (130, 130));
}

#[test]
fn who_calls_while_a_conference_ends_comes_into_a_new_one() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.far_end = FarEnd::Polite;
    let late = world.call();
    world.run(secs(1));
    world.press(moderator, "*991");
    world.press(late, MODERATOR);
    world.run(secs(10));
    assert!(world.mix(late).is_some() && world.is_over(moderator));
    let sessions: std::collections::BTreeSet<_> =
        world.conference_records().iter().map(|c| c.conf_id).collect();
    assert_eq!(sessions.len(), 2);
}

#[test]
fn two_minutes_after_the_last_moderator_hung_up_it_ends() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    let third = world.join(PARTICIPANT);
    world.run(secs(1));
    world.forget_heard();
    world.bye(moderator);
    assert_eq!(world.heard(other), [Prompt::ModeratorLeftEndingTwoMinutes]);
    world.run(secs(119));
    assert!(!world.is_over(other));
    world.run(secs(2));
    assert_eq!(world.reason(other), CloseReason::EndedByModerator);
    assert_eq!(world.reason(third), CloseReason::EndedByModerator);
}

#[test]
fn a_moderator_who_returns_keeps_it_going() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.bye(moderator);
    world.run(secs(100));
    let again = world.join(MODERATOR);
    assert_eq!(world.mix(again), world.mix(other));
    world.run(secs(300));
    assert!(!world.is_over(other) && !world.is_over(again));
}

#[test]
fn a_participant_may_join_while_it_ends() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.bye(moderator);
    world.run(secs(10));
    let late = world.join(PARTICIPANT);
    assert_eq!(world.mix(late), world.mix(other));
    world.run(secs(120));
    assert!(world.is_over(late));
}

#[test]
fn with_auto_continue_it_goes_on_without_a_moderator() {
    let mut world = World::with(|setup| setup.conference.ends_with_moderator = false);
    let (moderator, other) = conference(&mut world);
    let third = world.join(PARTICIPANT);
    world.forget_heard();
    world.bye(moderator);
    assert_eq!(world.heard(other), [Prompt::ToneLeave, Prompt::ModeratorLeftContinues]);
    world.run(secs(600));
    assert!(!world.is_over(other) && !world.is_over(third));
}

#[test]
fn one_of_two_moderators_may_leave() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.join(MODERATOR);
    world.run(secs(1));
    world.forget_heard();
    world.bye(moderator);
    assert_eq!(world.heard(other), [Prompt::ToneLeave]);
    world.run(secs(300));
    assert!(!world.is_over(other));
}

#[test]
fn a_moderator_lost_by_the_network_has_five_minutes() {
    for kind in [EndKind::Timeout, EndKind::Transport, EndKind::NoMedia] {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        let third = world.join(PARTICIPANT);
        world.run(secs(1));
        world.forget_heard();
        world.end(moderator, kind);
        world.run(secs(179));
        assert!(!world.heard(other).contains(&Prompt::ModeratorLeftEndingTwoMinutes));
        world.run(secs(120));
        assert_eq!(world.heard(other), [Prompt::ModeratorLeftEndingTwoMinutes]);
        assert!(!world.is_over(other) && !world.is_over(third));
        world.run(secs(2));
        assert!(world.is_over(other) && world.is_over(third));
    }
}

#[test]
fn a_moderator_whose_media_fell_silent_is_lost_too() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    world.join(PARTICIPANT);
    let since = world.now;
    world.run(secs(60));
    world.forget_heard();
    world.input(Input::MediaSilent { call: moderator, since });
    assert_eq!(world.heard(other), [Prompt::ToneLeave]);
    world.run(secs(200));
    assert_eq!(world.heard(other), [Prompt::ModeratorLeftEndingTwoMinutes]);
}

#[test]
fn a_conference_is_warned_and_ends_after_its_longest_duration() {
    let mut world = World::with(|setup| setup.config.max_duration = secs(3_600));
    let (moderator, other) = conference(&mut world);
    world.run(secs(50 * 60));
    assert_eq!(world.heard(other), [Prompt::EndingInTenMinutes]);
    world.run(secs(9 * 60));
    assert_eq!(world.heard(other), [Prompt::EndingInOneMinute]);
    world.run(secs(62));
    assert_eq!(world.reason(moderator), CloseReason::MaxDuration);
    assert_eq!(world.reason(other), CloseReason::MaxDuration);
}

// Drain.

#[test]
fn draining_tells_everybody_and_closes_every_record() {
    let mut world = World::new();
    let (moderator, other) = conference(&mut world);
    let typing = world.call();
    world.run(secs(1));
    world.input(Input::Drain);
    for call in [moderator, other, typing] {
        assert_eq!(world.heard(call).last(), Some(&Prompt::DrainNotice));
    }
    assert!(!world.drained);
    let refused = world.call();
    assert_eq!(world.leg(refused).refused_with, Some(503));
    world.run(secs(10));
    for call in [moderator, other, typing, refused] {
        assert_eq!(world.reason(call), CloseReason::Drain);
    }
    assert!(world.drained);
}

#[test]
fn draining_ends_who_waits_for_a_moderator() {
    let mut world = World::new();
    let waiting = world.join(PARTICIPANT);
    world.input(Input::Drain);
    assert_eq!(world.heard(waiting).last(), Some(&Prompt::DrainNotice));
    world.run(secs(2));
    assert_eq!(world.reason(waiting), CloseReason::Drain);
    assert!(world.drained);
}

#[test]
fn draining_refuses_a_call_whose_answer_is_on_its_way_to_disk() {
    let mut world = World::new();
    world.disk = Disk::Hangs;
    let call = world.call();
    world.input(Input::Drain);
    world.disk_says(true);
    assert_eq!(world.leg(call).refused_with, Some(503));
    assert!(!world.drained);
    world.disk_says(true);
    assert!(world.drained);
}

#[test]
fn everybody_is_hung_up_on_at_once_when_nobody_is_waited_for() {
    for drained_first in [false, true] {
        let mut world = World::new();
        let (moderator, other) = conference(&mut world);
        let typing = world.call();
        world.run(secs(1));
        world.press(moderator, "*114165550199#");
        let callee = world.dialled();
        if drained_first {
            world.input(Input::Drain);
        }
        world.disk = Disk::Hangs;
        let unanswered = (!drained_first).then(|| world.call());
        world.input(Input::EndNow);
        for call in [moderator, other, typing, callee] {
            assert!(world.leg(call).hung_up.is_some() && world.is_over(call), "{call}");
        }
        let unanswered = unanswered.map(|call| world.leg(call).refused_with);
        assert!(unanswered.is_none_or(|refused| refused == Some(503)));
        assert!(!world.drained, "no record is on disk");
        world.disk = Disk::Works;
        world.disk_says(true);
        world.run(secs(5));
        assert!(world.drained);
        for call in [moderator, other, typing] {
            assert_eq!(world.reason(call), CloseReason::Drain);
        }
        let refused = world.call();
        assert_eq!(world.leg(refused).refused_with, Some(503));
    }
}

#[test]
fn an_empty_bridge_is_drained_at_once_and_once() {
    let mut world = World::new();
    world.input(Input::Drain);
    world.input(Input::Drain);
    world.run(secs(5));
    assert_eq!(world.outputs(|o| *o == Output::Drained), 1);
}

// Records.

#[test]
fn times_in_the_conference_add_up() {
    let mut world = World::new();
    let other = world.join(PARTICIPANT);
    world.run(secs(30));
    let moderator = world.join(MODERATOR);
    world.run(secs(100));
    world.bye(other);
    world.run(secs(20));
    world.bye(moderator);
    let (a, b) = (world.record(other), world.record(moderator));
    assert!(a.hold_ms >= 30_000 && a.conf_ms >= 100_000 && b.conf_ms >= 120_000);
    assert!(a.hold_ms + a.conf_ms <= a.duration_ms);
    assert!(a.invited_at <= a.answered_at.unwrap() && a.answered_at < a.joined_at);
    assert!(a.joined_at < a.left_at && a.left_at <= a.disconnected_at);
    let conference = world.conference_records().last().copied().cloned().unwrap();
    assert_eq!(conference.leg_ms_total, a.conf_ms + b.conf_ms);
    assert_eq!((conference.peak_legs, conference.leg_count), (2, 2));
    assert_eq!((a.conf_id, b.conf_id), (Some(conference.conf_id), Some(conference.conf_id)));
    assert!(conference.mono_ms >= a.hold_ms + b.conf_ms);
    assert_eq!(conference.name.as_str(), "Weekly");
}

#[test]
fn the_record_of_a_conference_closes_after_those_of_its_legs() {
    let mut world = World::new();
    let (moderator, _) = conference(&mut world);
    world.press(moderator, "*991");
    world.run(secs(5));
    let last = world.records.last();
    assert!(matches!(last, Some(partyline_cdr_record::Record::Conference(c)) if c.is_closed()));
}

#[test]
fn measurements_that_come_late_make_one_more_revision() {
    let quality =
        || Box::new(Quality { codec: Text::new("PCMU"), rx_packets: 50, ..Quality::default() });
    let mut world = World::new();
    let call = world.call();
    world.run(secs(1));
    world.input(Input::Stats { call, quality: quality() });
    let silent = world.call();
    world.run(secs(1));
    world.bye(call);
    assert_eq!(world.record(call).quality, Some(*quality()));
    world.bye(silent);
    assert_eq!(world.record(silent).quality, None);
    let rev = world.record(silent).rev;
    world.input(Input::Stats { call: silent, quality: quality() });
    world.input(Input::Stats { call: silent, quality: quality() });
    let last = world.leg_records().last().copied().cloned().unwrap();
    assert_eq!((last.rev, &last.quality), (rev + 1, &Some(*quality())));
    assert!(last.is_closed());
    world.run(secs(2));
    world.input(Input::Stats { call, quality: quality() });
    assert_eq!(world.leg_records().last().map(|leg| leg.rev), Some(rev + 1));
}

#[test]
fn a_bye_in_any_phase_of_a_conference_closes_each_leg_once() {
    let script = "*6*#*4150#*4*92507#*1*14165550199#*3**99";
    for stop in 0..=script.len() {
        let mut world = World::with(|s| s.conference.starts_with = StartsWith::FirstCaller);
        let moderator = world.join(MODERATOR);
        let other = world.join(PARTICIPANT);
        world.press(moderator, &script[..stop]);
        world.bye(moderator);
        world.bye(moderator);
        world.run(secs(10));
        world.bye(other);
        world.run(secs(10));
        let calls: Vec<CallId> = world.legs.keys().copied().collect();
        for call in calls {
            world.record(call);
        }
        assert_eq!(world.bridge.calls() + world.bridge.conferences(), 0, "after {stop} keys");
        assert_eq!(world.codes().iter().filter(|&&c| c == FeatureCode::Leave).count(), 2);
    }
}
