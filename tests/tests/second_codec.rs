//! RTP in the second of two agreed codecs (RFC 3264 §5.1): heard, on calls out and on late offers.

use std::time::Duration;

use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_phones::{Answering, Codec, Offer};

/// Which codec the far end's answer lists first, and which it sends.
const CASES: [(Codec, Codec); 2] = [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)];

#[test]
fn callee_who_sends_the_second_codec_is_heard() {
    for (first, second) in CASES {
        let mut world = World::build().start();
        let [anna] = world.phones(["anna"]);
        let dora = world.callee("dora", "14165550199", |phone| {
            phone.answering = Answering::After(Duration::from_secs(2));
            (phone.codec, phone.speaks) = (first, Some(second));
        });
        world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
        world.press(anna, "4165550199#").run_for(ms(200));
        world.wait_for("dora answers", secs(10), |world| world.is_up(dora));
        world.run_for(secs(6)).talk(dora).talk(anna).run_for(secs(4));
        assert!(world.hears(anna, tone(dora)), "{first:?} first, {second:?} sent");
        assert!(world.hears(dora, tone(anna)), "{first:?} first, {second:?} sent");
        world.finish();
    }
}

#[test]
fn late_answer_with_the_second_codec_is_heard() {
    for (first, second) in CASES {
        let mut world = World::build().start();
        let [anna] = world.phones(["anna"]);
        let ben = world.phone_with("ben", |phone| {
            phone.offer = Offer::Late;
            (phone.codec, phone.speaks) = (first, Some(second));
        });
        world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
        world.talk(ben).run_for(secs(3));
        assert!(world.hears(anna, tone(ben)), "{first:?} first, {second:?} sent");
        world.finish();
    }
}
