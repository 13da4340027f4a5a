//! Going down for service.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::CloseReason;
use partyline_dialplan::Prompt;
use partyline_phones::Ending;

#[test]
fn callers_are_told_and_let_go_and_nobody_comes_in() {
    let mut world = World::build().start();
    let [anna, ben, carl, dave] = world.phones(["anna", "ben", "carl", "dave"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).dial(carl).run_for(secs(4));
    world.drain();
    world.dial(dave).run_for(secs(1));
    assert_eq!(world.ending(dave), Some(Ending::Refused(503)));
    world.run_for(secs(20));
    for phone in [anna, ben, carl] {
        assert_eq!(world.ending(phone), Some(Ending::ByThem));
        assert_eq!(world.times_played(phone, Prompt::DrainNotice), 1);
    }
    assert!(world.is_drained());
    let records = world.finish();
    for phone in [anna, ben, carl, dave] {
        assert_eq!(records.reason(world.call_id(phone)), CloseReason::Drain);
    }
}

#[test]
fn empty_bridge_is_drained_at_once() {
    let mut world = World::build().start();
    world.drain();
    assert!(world.is_drained());
    world.finish();
}
