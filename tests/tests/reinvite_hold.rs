//! A caller puts the conference on hold and comes back.

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, secs, tone};
use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_phones::{Audio, Command, Event};

#[test]
fn held_conference_hears_nothing_of_the_holder() {
    let mut world = World::build().start();
    let [anna, ben, carl] = world.phones(["anna", "ben", "carl"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.talk(ben).talk(carl).run_for(secs(3));
    assert!(world.hears(anna, tone(ben)));
    world.tell(ben, Command::Hold).run_for(secs(7));
    assert!(world.saw(ben, &Event::ReinviteAnswered { status: 200 }));
    assert!(world.lacks(anna, tone(ben)) && world.hears(anna, tone(carl)));
    assert!(world.room_of(ben).is_some(), "still in the conference");
    assert_eq!(world.times_played(anna, Prompt::CallerOnHold), 1, "the moderator is told");
    assert_eq!(world.times_played(carl, Prompt::CallerOnHold), 0, "and nobody else");
    world.tell(ben, Command::Resume).run_for(secs(4));
    assert!(world.hears(anna, tone(ben)) && world.hears(ben, tone(carl)), "back again");
    assert!(world.lacks(ben, tone(ben)));
    let call_id = world.call_id(ben).to_owned();
    let records = world.finish();
    let leg_id = records.leg(&call_id).leg_id;
    assert_eq!(records.legs().len(), 3, "a re-INVITE makes no leg");
    for code in [FeatureCode::FarEndHold, FeatureCode::FarEndResume] {
        let of: Vec<_> = records.of_kind(code).iter().map(|event| event.leg_id).collect();
        assert_eq!(of, [leg_id], "{code}");
    }
}

#[test]
fn hour_on_hold_keeps_the_leg() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.tell(ben, Command::Hold).run_for(secs(2)).skip(secs(3600)).run_for(secs(2));
    assert!(world.is_up(ben));
    // It was asked whether it is there, each minute: its answers are no news.
    assert_eq!(world.times_played(anna, Prompt::CallerOnHold), 1);
    world.tell(ben, Command::Resume).talk(ben).tell(anna, Command::Say(Audio::Silence));
    world.run_for(secs(5));
    assert!(world.hears(anna, tone(ben)));
    world.finish();
}
