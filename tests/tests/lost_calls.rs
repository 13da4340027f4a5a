//! Far ends of a run that crashed are sent BYE by the next one, from what the journal holds.

use std::collections::BTreeMap;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs};
use partyline_cdr_record::{DialogRecord, LegState, Record};
use partyline_model::Uuid;
use partyline_phones::{Answering, Ending};

const NUMBER: &str = "14165550199";

/// The dialogs in the journal that were not told.
fn dialogs(world: &World) -> BTreeMap<Uuid, DialogRecord> {
    let mut open = BTreeMap::new();
    for record in world.journal().written() {
        if let Record::Dialog(dialog) = record {
            if dialog.told {
                open.remove(&dialog.leg_id);
            } else {
                open.insert(dialog.leg_id, (**dialog).clone());
            }
        }
    }
    open
}

#[test]
fn every_far_end_that_is_up_gets_its_bye_in_both_directions() {
    let mut world = World::build().without_audio().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    let dora = world.callee("dora", NUMBER, |phone| phone.answering = Answering::After(secs(2)));
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.wait_for("dora answers", secs(20), |world| world.is_up(dora));
    world.run_for(secs(2));
    let lost = dialogs(&world);
    assert_eq!(lost.len(), 4, "each answered leg has one");
    let mut before = 0;
    let answered_first = world.journal().written().iter().all(|record| match record {
        Record::Leg(leg) if leg.state == LegState::Answered => {
            before += 1;
            true
        }
        Record::Dialog(_) => before > 0,
        Record::Leg(_) | Record::Conference(_) | Record::Feature(_) | Record::Tick(_) => true,
    });
    assert!(answered_first);

    world.hang_up_lost(lost.into_values().collect()).run_for(secs(2));
    for phone in [anna, ben, carl, dora] {
        assert_eq!(world.ending(phone), Some(Ending::ByThem), "{phone:?}");
    }
    assert_eq!(world.node().lost_calls_told(), 4);
    assert_eq!(dialogs(&world).len(), 4, "a BYE may have to be repeated");
    world.run_for(secs(32));
    assert_eq!(dialogs(&world).len(), 0, "the next start need not tell them again");
    // This bridge did have the calls.
    world.drain().run_for(secs(60));
    world.finish();
}

#[test]
fn a_call_that_ends_in_time_leaves_nobody_to_be_told() {
    let mut world = World::build().without_audio().start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4)).hang_up(anna).run_for(secs(2));
    let leg = dialogs(&world).into_keys().next();
    let records = world.finish();
    assert_eq!(leg, Some(records.leg(world.call_id(anna)).leg_id));
    assert!(records.leg(world.call_id(anna)).is_closed(), "its closing takes the dialog along");
}
