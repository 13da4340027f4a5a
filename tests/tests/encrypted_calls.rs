//! Calls whose sound is encrypted (SRTP, with keys in SDP): who is let in by which policy, and that
//! both ends hear each other. The phones have an SRTP of their own.

use std::time::Duration;

use bridge_tests::sim::{Link, MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_control::{Cause, Trunk};
use partyline_phones::{Answering, Command, Encryption, Ending, Event, Offer, PhoneId};
use partyline_sip::sdp::{SdpError, SrtpPolicy};

/// The carrier under another policy.
fn policy(srtp: SrtpPolicy) -> impl FnOnce(&mut Vec<Trunk>) {
    move |trunks| trunks[0].srtp = srtp
}

fn phone(world: &mut World, name: &str, encryption: Encryption) -> PhoneId {
    world.phone_with(name, |phone| phone.encryption = encryption)
}

fn is_encrypted(world: &World, id: PhoneId) -> bool {
    world.phone(id).is_encrypted()
}

#[test]
fn encrypted_and_plain_callers_hear_each_other() {
    let mut world = World::build().trunks(policy(SrtpPolicy::Preferred)).start();
    let anna = phone(&mut world, "anna", Encryption::Required);
    let ben = phone(&mut world, "ben", Encryption::Offered);
    let carl = phone(&mut world, "carl", Encryption::Off);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(ben).talk(carl).run_for(secs(7));
    let all = [anna, ben, carl];
    assert_eq!(all.map(|id| is_encrypted(&world, id)), [true, true, false]);
    for (id, other) in all.into_iter().flat_map(|id| all.map(|other| (id, other))) {
        let heard =
            if id == other { world.lacks(id, tone(id)) } else { world.hears(id, tone(other)) };
        assert!(heard, "{id:?} of {other:?}");
    }
    for id in all {
        let received = world.phone(id).received();
        assert!(received.rtcp > 0 && received.garbage == 0, "{received:?}");
    }
    world.finish();
}

#[test]
fn encrypted_sound_survives_a_network_that_loses_and_swaps() {
    let mut world = World::build().trunks(policy(SrtpPolicy::Required)).link(Link::BAD).start();
    let anna = phone(&mut world, "anna", Encryption::Required);
    let ben = phone(&mut world, "ben", Encryption::Required);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(6));
    world.talk(anna).talk(ben).run_for(secs(4));
    assert!(world.hears(anna, tone(ben)) && world.hears(ben, tone(anna)));
    world.finish();
}

#[test]
fn an_offer_that_the_policy_does_not_take_is_refused_and_says_what_to_set() {
    for (srtp, encryption, cause, said) in [
        (SrtpPolicy::Off, Encryption::Required, SdpError::OnlyEncrypted, "set srtp of the trunk"),
        (SrtpPolicy::Required, Encryption::Off, SdpError::NotEncrypted, "offer RTP/SAVP"),
    ] {
        let mut world = World::build().trunks(policy(srtp)).start();
        let anna = phone(&mut world, "anna", encryption);
        world.dial(anna).run_for(secs(2));
        assert_eq!(world.ending(anna), Some(Ending::Refused(488)), "{srtp:?}");
        let causes: Vec<_> = world.refusals().iter().map(|refusal| refusal.cause).collect();
        assert_eq!(causes, [Cause::Description(cause)]);
        assert!(world.refusals()[0].advice().contains("srtp = \"preferred\""));
        let sent = String::from_utf8_lossy(world.uttered()).into_owned();
        assert!(sent.contains("Warning: 302 192.0.2.1 ") && sent.contains(said), "{sent}");
        world.finish();
    }
    // Off looks at no keys: what may be plain is.
    let mut world = World::build().start();
    let anna = phone(&mut world, "anna", Encryption::Offered);
    world.join(anna, MODERATOR).run_for(secs(3));
    assert!(world.is_up(anna) && !is_encrypted(&world, anna));
    world.finish();
}

#[test]
fn a_late_offer_of_ours_is_encrypted() {
    for (srtp, encryption) in
        [(SrtpPolicy::Required, Encryption::Required), (SrtpPolicy::Preferred, Encryption::Offered)]
    {
        let mut world = World::build().trunks(policy(srtp)).start();
        let anna = phone(&mut world, "anna", Encryption::Required);
        let ben = world.phone_with("ben", |phone| {
            (phone.offer, phone.encryption) = (Offer::Late, encryption);
        });
        world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
        world.talk(anna).talk(ben).run_for(secs(3));
        assert!(is_encrypted(&world, ben), "{srtp:?}");
        assert!(world.hears(anna, tone(ben)) && world.hears(ben, tone(anna)), "{srtp:?}");
        world.finish();
    }
}

#[test]
fn hold_and_resume_go_on_under_the_same_keys() {
    let mut world = World::build().trunks(policy(SrtpPolicy::Required)).start();
    let anna = phone(&mut world, "anna", Encryption::Required);
    let ben = phone(&mut world, "ben", Encryption::Required);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(ben).run_for(secs(2));
    world.tell(ben, Command::Hold).run_for(secs(7));
    assert!(world.saw(ben, &Event::ReinviteAnswered { status: 200 }));
    assert!(world.lacks(anna, tone(ben)));
    // Silence makes the bridge offer anew, what runs already.
    world.skip(secs(120)).run_for(secs(2));
    assert!(world.is_up(ben));
    world.tell(ben, Command::Resume).talk(ben).talk(anna).run_for(secs(5));
    assert!(world.hears(anna, tone(ben)), "the bridge understands ben");
    assert!(world.hears(ben, tone(anna)), "ben understands the bridge");
    assert_eq!(world.phone(ben).received().garbage, 0);
    world.finish();
}

/// Anna has Dora called: whether Dora is up, and whether encrypted.
fn dial_out(srtp: SrtpPolicy, encryption: Encryption) -> (bool, bool) {
    let mut world = World::build().trunks(policy(srtp)).start();
    let wanted = if srtp == SrtpPolicy::Off { Encryption::Off } else { Encryption::Required };
    let anna = phone(&mut world, "anna", wanted);
    let dora = world.callee("dora", "14165550199", |phone| {
        phone.answering = Answering::After(Duration::from_secs(2));
        phone.encryption = encryption;
    });
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(ms(200));
    world.run_for(secs(14));
    let up = world.is_up(dora);
    if up {
        world.talk(dora).talk(anna).run_for(secs(4));
        assert!(world.hears(anna, tone(dora)), "{srtp:?} {encryption:?}");
        assert!(world.hears(dora, tone(anna)), "{srtp:?} {encryption:?}");
    }
    let encrypted = is_encrypted(&world, dora);
    world.finish();
    (up, encrypted)
}

#[test]
fn calls_out_are_encrypted_as_the_policy_has_it() {
    use SrtpPolicy::{Off, Preferred, Required};
    for (srtp, encryption, wanted) in [
        (Required, Encryption::Required, (true, true)),
        (Required, Encryption::Offered, (true, true)),
        (Required, Encryption::Off, (false, false)),
        (Preferred, Encryption::Offered, (true, true)),
        (Preferred, Encryption::Off, (true, false)),
        (Off, Encryption::Offered, (true, false)),
        (Off, Encryption::Required, (false, false)),
    ] {
        assert_eq!(dial_out(srtp, encryption), wanted, "{srtp:?} {encryption:?}");
    }
}
