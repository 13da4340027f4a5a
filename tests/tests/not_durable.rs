//! No call without its record on disk.

use bridge_tests::sim::{Disk, MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{CloseReason, FeatureCode};
use partyline_phones::Ending;

const WORKS: Disk = Disk::Writes { from: ms(2), to: ms(6) };

#[test]
fn disk_that_refuses_refuses_the_call() {
    let mut world = World::build().disk(Disk::Refuses(ms(5))).start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.dial(anna).run_for(secs(2));
    assert_eq!(world.ending(anna), Some(Ending::Refused(503)));
    let sip = String::from_utf8_lossy(world.uttered()).to_ascii_lowercase();
    assert!(sip.contains("retry-after"), "the caller is told when to come back");
    world.set_disk(WORKS).run_for(secs(3)).join(ben, MODERATOR);
    let records = world.finish();
    let leg = records.leg(world.call_id(anna));
    assert_eq!((leg.sip_status, leg.answered_at), (Some(503), None));
    assert_eq!(leg.close_reason, Some(CloseReason::Internal));
}

#[test]
fn answer_waits_for_the_disk() {
    let mut world = World::build().disk(Disk::Hangs).start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(5));
    assert_eq!(world.call(anna).answered_at, None);
    assert_eq!(world.journal().written().len(), 0);
    world.set_disk(WORKS).run_for(secs(1));
    assert!(world.is_up(anna));
    let states: Vec<_> = world.journal().written().to_vec();
    assert!(states.len() >= 2, "open and answered: {states:?}");
    world.finish();
}

#[test]
fn disk_that_fails_during_calls_loses_no_record() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.set_disk(Disk::Refuses(ms(5)));
    world.press(ben, "*6").run_for(secs(5)).press(ben, "*6").run_for(secs(5));
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)), "those who are up talk on");
    world.hang_up(ben).run_for(secs(5));
    assert!(world.journal().refused() > 3);
    world.set_disk(WORKS).run_for(secs(5));
    let records = world.finish();
    let leg = records.leg(world.call_id(ben));
    let codes = records.events_of(leg);
    assert!(codes.contains(&FeatureCode::MuteSelf) && codes.contains(&FeatureCode::UnmuteSelf));
}
