//! The invariants of the world notice what they are there for: a check that cannot fail is none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bridge_tests::sim::assertions::{Watch, check_records};
use bridge_tests::sim::{MODERATOR, PARTICIPANT, Records, World, ms, secs, tone};
use partyline_cdr_record::{LegState, Record};
use partyline_media::{Codec, Command, Direction, Formats, InBand, LegConfig, Rtcp, Signalling};
use partyline_model::{LegKey, MixId};

#[test]
#[should_panic(expected = "hears himself")]
fn echo_is_noticed() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    // Ben talks with Anna's voice.
    world.talk(anna).talk_with(ben, tone(anna)).run_for(secs(4));
    world.finish();
}

#[test]
#[should_panic(expected = "was not called")]
fn world_that_is_not_finished_is_noticed() {
    World::build().start();
}

fn leg(number: u32) -> Command {
    let config = Box::new(LegConfig {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive: Formats::new(0, Codec::Pcmu),
        telephone_event: None,
        remote: "10.0.0.1:4000".parse().expect("an address"),
        networks: Box::default(),
        signalling: Signalling::Acknowledged,
        rtcp: Rtcp::Mux,
        direction: Direction::SendRecv,
        ptime_ms: 20,
        in_band: InBand::Off,
        srtp: None,
        dtls: false,
        ssrc: 1,
        first_sequence: 1,
        first_timestamp: 1,
        cname: Box::from(*b"x"),
    });
    Command::Start { leg: LegKey(number), config }
}

#[test]
fn leg_in_two_rooms_and_command_after_the_end_are_noticed() {
    let join = |room| Command::Join { leg: LegKey(1), room: MixId(room) };
    let leave = Command::Leave { leg: LegKey(1) };
    let close = Command::Close { leg: LegKey(1) };
    let stories = [
        (vec![leg(1), join(1), leave.clone(), join(2)], true),
        (vec![leg(1), join(1), join(2)], false),
        (vec![leg(1), join(1), close.clone(), leave], true),
        (vec![leg(1), close, join(1)], false),
        (vec![leg(1), leg(1)], false),
    ];
    for (number, (commands, sound)) in stories.into_iter().enumerate() {
        let seen = catch_unwind(|| {
            let mut watch = Watch::default();
            for command in &commands {
                watch.command(ms(1), command);
            }
        });
        assert_eq!(seen.is_ok(), sound, "story {number}");
    }
}

/// The journal of a call of two.
fn journal() -> Vec<Record> {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.press(ben, "*6").run_for(secs(3));
    world.finish().all().to_vec()
}

#[test]
fn record_that_is_lost_or_written_twice_is_noticed() {
    let journal = journal();
    check_records(&Records::new(journal.clone()));
    for place in 0..journal.len() {
        let mut lost = journal.clone();
        lost.remove(place);
        // The figures that come after the end are the one thing that a leg can be without.
        let is_late = matches!(&journal[place], Record::Leg(leg) if is_after_the_end(&journal, leg.rev, place));
        let seen = catch_unwind(AssertUnwindSafe(|| check_records(&Records::new(lost))));
        assert_eq!(seen.is_ok(), is_late, "without record {place}");
        let mut twice = journal.clone();
        twice.push(journal[place].clone());
        let seen = catch_unwind(AssertUnwindSafe(|| check_records(&Records::new(twice))));
        assert!(seen.is_err(), "record {place} twice");
    }
}

fn is_after_the_end(journal: &[Record], rev: u16, place: usize) -> bool {
    let Record::Leg(late) = &journal[place] else { return false };
    journal.iter().any(|record| {
        matches!(record, Record::Leg(leg) if leg.leg_id == late.leg_id
            && leg.rev < rev && leg.state == LegState::Closed)
    })
}

#[test]
fn closed_record_that_changes_is_noticed() {
    let mut journal = journal();
    let closed = journal.iter().find_map(|record| match record {
        Record::Leg(leg) if leg.state == LegState::Closed => Some(leg.clone()),
        Record::Leg(_)
        | Record::Conference(_)
        | Record::Feature(_)
        | Record::Dialog(_)
        | Record::Tick(_) => None,
    });
    let mut changed = closed.expect("a leg ended");
    let last = journal
        .iter()
        .filter(|record| matches!(record, Record::Leg(leg) if leg.leg_id == changed.leg_id));
    changed.rev = u16::try_from(last.count()).expect("few");
    changed.duration_ms += 1;
    journal.push(Record::Leg(changed));
    let seen = catch_unwind(AssertUnwindSafe(|| check_records(&Records::new(journal))));
    assert!(seen.is_err());
}
