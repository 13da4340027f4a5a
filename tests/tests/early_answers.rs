//! Callees that describe their sound before they answer, plainly or with PRACK, and no more in
//! their 200; and those that change their mind in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bridge_tests::sim::{Link, Loss, MODERATOR, World, ms, secs, tone};
use partyline_phones::{Answering, Codec, EarlyAnswer, Ending, Event, PhoneId};

const NUMBER: &str = "14165550199";

/// Anna dials Dora, who rings for 2 s.
fn anna_dials(seed: u64, early: EarlyAnswer, link: Link) -> (World, PhoneId, PhoneId) {
    let mut world = World::build().seed(seed).start();
    let [anna] = world.phones(["anna"]);
    let dora = world.callee("dora", NUMBER, |phone| {
        phone.answering = Answering::After(secs(2));
        phone.early = early;
    });
    world.set_link(dora, link).join(anna, MODERATOR).run_for(secs(4));
    world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    (world, anna, dora)
}

fn statuses(world: &World, phone: PhoneId, of: impl Fn(&Event) -> Option<u16>) -> Vec<u16> {
    world.phone(phone).log().iter().filter_map(|entry| of(&entry.event)).collect()
}

fn pracks(world: &World, phone: PhoneId) -> Vec<u16> {
    statuses(world, phone, |event| {
        if let Event::PrackReceived { status } = event { Some(*status) } else { None }
    })
}

#[test]
fn callee_that_described_itself_before_its_answer_is_heard_and_hears() {
    let cases = [
        (EarlyAnswer::Plain, 0, "PCMU"),
        (EarlyAnswer::Reliable, 2, "PCMU"),
        (EarlyAnswer::Renewed(Codec::Pcma), 2, "PCMA"),
    ];
    for (early, count, codec) in cases {
        let (mut world, anna, dora) = anna_dials(1, early, Link::GOOD);
        world.wait_for("dora answers", secs(10), |world| world.is_up(dora));
        world.run_for(secs(6)).talk(anna).talk(dora).run_for(secs(4));
        assert!(world.hears(anna, tone(dora)) && world.hears(dora, tone(anna)), "{early:?}");
        assert_eq!(pracks(&world, dora), vec![200; count], "{early:?}");
        let updates = statuses(&world, dora, |event| {
            if let Event::ReinviteAnswered { status } = event { Some(*status) } else { None }
        });
        let renews = matches!(early, EarlyAnswer::Renewed(_));
        assert_eq!(updates, vec![200; usize::from(renews)], "{early:?}");
        // The BYE comes after the PRACKs' numbers, or it would not be taken.
        world.press(anna, "*3").run_for(secs(4));
        assert_eq!(world.ending(dora), Some(Ending::ByThem), "{early:?}");
        let records = world.finish();
        let quality = records.dialled(NUMBER).quality.clone().unwrap();
        assert_eq!(&*quality.codec, codec, "{early:?}");
    }
}

#[test]
fn reliable_progress_comes_through_a_line_that_loses_and_doubles() {
    let bad = Link { loss: Loss::Random(200), duplicate_per_mille: 200, ..Link::BAD };
    let (mut up, mut lost, mut doubled) = (0, 0, 0);
    for seed in 1..=30 {
        let early =
            if seed % 2 == 0 { EarlyAnswer::Reliable } else { EarlyAnswer::Renewed(Codec::Pcma) };
        let (mut world, anna, dora) = anna_dials(seed, early, bad);
        world.run_for(secs(35));
        let talks = world.is_up(dora);
        up += u32::from(talks);
        if talks {
            assert_eq!(world.room_of(anna), world.room_of(dora), "seed {seed}");
            let taken = pracks(&world, dora).iter().filter(|status| **status == 200).count();
            assert_eq!(taken, 2, "seed {seed}: each once");
            world.press(anna, "*3").run_for(secs(40));
        }
        lost += world.carried().lost;
        doubled += world.carried().doubled;
        let records = world.finish();
        assert_eq!(records.dialled(NUMBER).answered_at.is_some(), talks, "seed {seed}");
    }
    assert!(up >= 28, "{up} of 30 talk");
    assert!(lost > 1000 && doubled > 1000, "{lost} {doubled}");
}

#[test]
fn caller_takes_back_a_call_whose_prack_is_under_way() {
    for after in [0, 30, 60, 100, 300] {
        let mut world = World::build().start();
        let [anna] = world.phones(["anna"]);
        let dora = world.callee("dora", NUMBER, |phone| {
            phone.answering = Answering::RingForever;
            phone.early = EarlyAnswer::Reliable;
        });
        world.set_link(dora, Link { delay_ms: 50, ..Link::GOOD });
        world.join(anna, MODERATOR).run_for(secs(4));
        world.press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
        world.wait_for("dora rings", secs(10), |world| !world.phone(dora).calls().is_empty());
        world.run_for(ms(after)).hang_up(anna).run_for(secs(5));
        assert_eq!(world.ending(dora), Some(Ending::Cancelled), "{after} ms");
        let records = world.finish();
        assert_eq!(records.dialled(NUMBER).answered_at, None);
    }
}
