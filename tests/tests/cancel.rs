//! Calls that are taken back.

use bridge_tests::sim::{Disk, World, ms, secs};
use partyline_cdr_record::{CloseReason, ReleaseBy};
use partyline_phones::{Command, Ending};

#[test]
fn call_taken_back_before_its_answer_has_a_record_without_one() {
    // The disk is slow, and the answer waits for it.
    let slow = Disk::Writes { from: secs(3), to: secs(3) };
    let mut world = World::build().disk(slow).start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna).run_for(secs(1)).tell(anna, Command::Cancel).run_for(secs(10));
    assert_eq!(world.ending(anna), Some(Ending::Cancelled));
    let records = world.finish();
    let leg = records.leg(world.call_id(anna));
    assert_eq!((leg.answered_at, leg.duration_ms, leg.sip_status), (None, 0, Some(487)));
    assert_eq!(leg.close_reason, Some(CloseReason::Normal));
    assert_eq!(leg.release_by, Some(ReleaseBy::Caller));
}

#[test]
fn cancel_at_any_moment_leaves_one_closed_record_and_no_call() {
    // From before the INVITE arrives to after the answer is back: every crossing.
    for after in (0..120).step_by(3) {
        let mut world = World::build().without_audio().start();
        let [anna] = world.phones(["anna"]);
        world.dial(anna).run_for(ms(after)).hang_up(anna).run_for(secs(40));
        assert_eq!(world.node().calls(), 0, "{after} ms");
        assert!(world.ending(anna).is_some(), "{after} ms");
        let records = world.finish();
        let leg = records.leg(world.call_id(anna));
        let phone_says = world.call(anna).answered_at.is_some();
        // Who crossed the answer was answered, and for an instant.
        assert!(phone_says || leg.duration_ms < 200, "{after} ms: {}", leg.duration_ms);
    }
}
