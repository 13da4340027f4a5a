//! A 200 OK that is not acknowledged.

use bridge_tests::sim::{Link, Loss, MODERATOR, World, ms, secs};
use partyline_cdr_record::CloseReason;
use partyline_phones::{Ending, Faults};

#[test]
fn caller_who_never_acknowledges_is_given_up_and_not_charged() {
    let mut world = World::build().start();
    let anna = world
        .phone_with("anna", |phone| phone.faults = Faults { no_ack: true, ..Faults::default() });
    world.dial(anna).run_for(secs(30));
    assert!(world.is_up(anna));
    world.run_for(secs(5));
    assert_eq!(world.ending(anna), Some(Ending::ByThem), "after 64 T1");
    let records = world.finish();
    let leg = records.leg(world.call_id(anna));
    assert_eq!(leg.close_reason, Some(CloseReason::NoAck));
    assert!(!leg.is_billable(), "{} ms are billed", leg.duration_ms);
    assert_eq!(leg.conf_id, None);
}

#[test]
fn lost_ack_is_sent_again_for_each_repeated_answer() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.dial(anna);
    world.wait_for("answered", secs(2), |world| world.is_up(anna));
    // The ACK has just left; what follows it is lost for a second.
    world.set_link(anna, Link { loss: Loss::All, ..Link::GOOD }).run_for(ms(1200));
    world.set_link(anna, Link::GOOD).run_for(secs(6));
    assert!(world.is_up(anna));
    world.press(anna, MODERATOR).run_for(secs(4));
    assert!(world.room_of(anna).is_some());
    world.finish();
}

#[test]
fn lost_bye_is_repeated() {
    let mut world = World::build().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(2));
    world.set_link(anna, Link { loss: Loss::All, ..Link::GOOD });
    world.hang_up(anna).run_for(ms(1200)).set_link(anna, Link::GOOD).run_for(secs(5));
    assert_eq!(world.node().calls(), 0);
    let records = world.finish();
    assert_eq!(records.reason(world.call_id(anna)), CloseReason::Normal);
}
