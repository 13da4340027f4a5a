//! Calls whose keys come by DTLS (RFC 5763): both ends hear each other over networks that lose and
//! swap, in every role, and nobody is heard who is not the one that was signalled. Handshakes of the
//! bridge and of the phones are of one library; Debian's baresip is the other opinion (`make interop`).

use std::net::SocketAddr;
use std::time::Duration;

use bridge_tests::sim::{Link, Loss, MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::CloseReason;
use partyline_control::{Cause, HandshakeFailure, Trunk};
use partyline_model::HandshakeFault;
use partyline_phones::{Answering, Command, Encryption, Ending, Event, Faults, Offer, PhoneId};
use partyline_sip::sdp::{KeyExchange, SdpError, SrtpPolicy};

/// The carrier under another policy.
fn policy(srtp: SrtpPolicy, keys: KeyExchange) -> impl FnOnce(&mut Vec<Trunk>) {
    move |trunks| (trunks[0].srtp, trunks[0].srtp_keys) = (srtp, keys)
}

fn world(srtp: SrtpPolicy, keys: KeyExchange) -> World {
    World::build().trunks(policy(srtp, keys)).start()
}

fn phone(world: &mut World, name: &str, encryption: Encryption) -> PhoneId {
    world.phone_with(name, |phone| phone.encryption = encryption)
}

fn assert_hear_each_other(world: &World, all: &[PhoneId]) {
    for (&id, &other) in all.iter().flat_map(|id| all.iter().map(move |other| (id, other))) {
        let heard =
            if id == other { world.lacks(id, tone(id)) } else { world.hears(id, tone(other)) };
        assert!(heard, "{id:?} of {other:?}");
    }
}

#[test]
fn keys_come_by_handshake_beside_keys_in_sdp_and_none() {
    let mut world = world(SrtpPolicy::Preferred, KeyExchange::Sdes);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let ben = phone(&mut world, "ben", Encryption::Required);
    let carl = phone(&mut world, "carl", Encryption::Off);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).join(carl, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(ben).talk(carl).run_for(secs(7));
    let all = [anna, ben, carl];
    assert_eq!(all.map(|id| world.phone(id).is_encrypted()), [true, true, false]);
    assert_hear_each_other(&world, &all);
    let counts = world.node().handshake_counts();
    assert_eq!(counts.done, 1);
    world.finish();
}

#[test]
fn handshakes_get_through_where_a_tenth_is_lost_and_some_come_twice() {
    for seed in 1..=6 {
        let link = Link { loss: Loss::Random(100), ..Link::BAD };
        let build = World::build().seed(seed).link(link);
        let mut world = build.trunks(policy(SrtpPolicy::Required, KeyExchange::Dtls)).start();
        let anna = phone(&mut world, "anna", Encryption::Dtls);
        let ben = phone(&mut world, "ben", Encryption::Dtls);
        world.dial(anna).dial(ben).run_for(secs(12));
        for id in [anna, ben] {
            assert!(world.is_up(id) && world.phone(id).is_encrypted(), "seed {seed}: {id:?}");
        }
        assert_eq!(world.node().handshake_counts().done, 2);
        assert_eq!(world.handshake_failures(), []);
        world.finish();
    }
}

#[test]
fn the_bridge_offers_fingerprints_and_waits_for_whoever_answers() {
    use Encryption::{Dtls, Off, Offered, Required};
    use SrtpPolicy::{Preferred, Required as Always};
    for (srtp, encryption, wanted) in [
        (Always, Dtls, (true, true)),
        (Preferred, Dtls, (true, true)),
        (Preferred, Off, (true, false)),
        (Preferred, Offered, (true, false)),
        (Always, Required, (false, false)),
        (Always, Off, (false, false)),
    ] {
        let mut world = world(srtp, KeyExchange::Dtls);
        let anna = phone(&mut world, "anna", Dtls);
        let dora = world.callee("dora", "14165550199", |phone| {
            phone.answering = Answering::After(Duration::from_secs(2));
            phone.encryption = encryption;
        });
        world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
        world.press(anna, "4165550199#").run_for(secs(14));
        let up = world.is_up(dora);
        if up {
            world.talk(dora).talk(anna).run_for(secs(4));
            assert_hear_each_other(&world, &[anna, dora]);
        }
        assert_eq!((up, world.phone(dora).is_encrypted()), wanted, "{srtp:?} {encryption:?}");
        world.finish();
    }
}

#[test]
fn a_late_offer_of_ours_has_a_fingerprint() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Dtls);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let ben = world.phone_with("ben", |phone| {
        (phone.offer, phone.encryption) = (Offer::Late, Encryption::Dtls);
    });
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(ben).run_for(secs(3));
    assert_hear_each_other(&world, &[anna, ben]);
    world.finish();
}

#[test]
fn hold_and_refresh_keep_the_keys_of_the_handshake() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Sdes);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let ben = phone(&mut world, "ben", Encryption::Dtls);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(ben).run_for(secs(2));
    world.tell(ben, Command::Hold).run_for(secs(7));
    assert!(world.saw(ben, &Event::ReinviteAnswered { status: 200 }));
    assert!(world.lacks(anna, tone(ben)));
    // Silence makes the bridge offer anew, what runs already.
    world.skip(secs(120)).run_for(secs(2));
    assert!(world.is_up(ben));
    world.tell(ben, Command::Resume).talk(ben).talk(anna).run_for(secs(5));
    assert_hear_each_other(&world, &[anna, ben]);
    assert_eq!(world.node().handshake_counts().done, 2, "one for each call, and no more");
    world.finish();
}

#[test]
fn another_certificate_in_a_re_invite_makes_another_handshake() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Sdes);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let ben = phone(&mut world, "ben", Encryption::Dtls);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.tell(ben, Command::Renew).run_for(secs(1));
    assert!(world.saw(ben, &Event::ReinviteAnswered { status: 200 }));
    assert_eq!(world.node().handshake_counts().done, 3);
    world.talk(ben).talk(anna).run_for(secs(4));
    assert_hear_each_other(&world, &[anna, ben]);
    world.finish();
}

/// A phone that describes a private address, with SIP and sound from a public one.
fn behind_nat(world: &mut World, name: &str) -> PhoneId {
    world.phone_with(name, |phone| {
        phone.encryption = Encryption::Dtls;
        phone.described = Some("192.168.1.20:4000".parse().expect("an address"));
        phone.sip_address = "198.51.100.77:5060".parse().expect("an address");
        phone.rtp_address = "198.51.100.77:4000".parse().expect("an address");
    })
}

#[test]
fn a_phone_behind_a_nat_begins_the_handshake_and_its_role_stays() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Sdes);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let nina = behind_nat(&mut world, "nina");
    world.join(anna, MODERATOR).join(nina, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(nina).run_for(secs(3));
    assert_hear_each_other(&world, &[anna, nina]);
    world.tell(nina, Command::Hold).run_for(secs(2));
    world.tell(nina, Command::Resume).run_for(secs(1));
    assert_eq!(world.node().handshake_counts().done, 2, "one for each call, and no more");
    // Another handshake is begun by the same end, since nothing else would come through.
    world.tell(nina, Command::Renew).run_for(secs(2));
    assert_eq!(world.node().handshake_counts().done, 3);
    assert_eq!(world.handshake_failures(), []);
    world.talk(anna).talk(nina).run_for(secs(3));
    assert_hear_each_other(&world, &[anna, nina]);
    world.finish();
}

#[test]
fn a_phone_that_moves_behind_a_nat_begins_its_next_handshake() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Sdes);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let nina = world.phone_with("nina", |phone| {
        phone.encryption = Encryption::Dtls;
        phone.sip_address = "198.51.100.77:5060".parse().expect("an address");
        phone.rtp_address = "198.51.100.77:4000".parse().expect("an address");
    });
    world.join(anna, MODERATOR).join(nina, PARTICIPANT).run_for(secs(4));
    let inside = "192.168.1.20:4000".parse().expect("an address");
    world.tell(nina, Command::Name(inside)).run_for(secs(2));
    assert_eq!(world.node().handshake_counts().done, 3);
    world.talk(anna).talk(nina).run_for(secs(3));
    assert_hear_each_other(&world, &[anna, nina]);
    world.finish();
}

/// What became of a call in whose phone does something wrong, and how it was put down.
fn fail(faults: Faults) -> (Duration, HandshakeFailure, CloseReason) {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Dtls);
    let anna = world.phone_with("anna", |phone| {
        (phone.encryption, phone.faults) = (Encryption::Dtls, faults);
    });
    world.dial(anna).run_for(secs(20));
    assert!(!world.is_up(anna), "the call is over");
    assert_eq!(world.ending(anna), Some(Ending::ByThem));
    let call = world.phone(anna).call().expect("a call");
    let lasted = call.ended_at.expect("over") - call.answered_at.expect("answered");
    let received = world.phone(anna).received();
    assert_eq!((received.packets, received.garbage), (0, 0), "nothing was sent to it");
    let failures = world.handshake_failures().to_vec();
    let [failure] = failures.as_slice() else { panic!("once: {failures:?}") };
    let counts = world.node().handshake_counts();
    assert_eq!((counts.done, counts.failed(failure.fault)), (0, 1));
    let call_id = world.call_id(anna).to_owned();
    let reason = world.finish().reason(&call_id);
    (lasted, failure.clone(), reason)
}

#[test]
fn a_certificate_that_was_not_signalled_ends_the_call_before_any_sound() {
    let faults = Faults { wrong_fingerprint: true, ..Faults::default() };
    let (lasted, failure, reason) = fail(faults);
    assert!(lasted < secs(1), "{lasted:?}");
    assert_eq!(failure.fault, HandshakeFault::Fingerprint);
    assert_eq!(failure.trunk.as_deref(), Some("carrier"));
    assert!(failure.fault.to_string().contains("a=fingerprint"));
    assert_eq!(reason, CloseReason::NoMedia);
}

#[test]
fn a_far_end_without_a_handshake_is_let_go_after_ten_seconds() {
    let faults = Faults { no_handshake: true, ..Faults::default() };
    let (lasted, failure, reason) = fail(faults);
    assert!((secs(9)..secs(11)).contains(&lasted), "{lasted:?}");
    assert_eq!((failure.fault, reason), (HandshakeFault::TimedOut, CloseReason::NoMedia));
}

#[test]
fn a_callee_has_time_to_begin_again_what_it_began_before_its_answer() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Dtls);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    let dora = world.callee("dora", "14165550199", |phone| {
        phone.answering = Answering::After(Duration::from_secs(2));
        phone.encryption = Encryption::Dtls;
        phone.faults = Faults { no_handshake: true, ..Faults::default() };
    });
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(secs(60));
    let call = world.phone(dora).call().expect("a call");
    let lasted = call.ended_at.expect("over") - call.answered_at.expect("answered");
    assert!((secs(34)..secs(36)).contains(&lasted), "{lasted:?}");
    let faults: Vec<_> = world.handshake_failures().iter().map(|failure| failure.fault).collect();
    assert_eq!(faults, [HandshakeFault::TimedOut]);
    world.finish();
}

#[test]
fn a_trunk_without_encryption_takes_no_offer_of_dtls_and_says_what_to_set() {
    let mut world = World::build().start();
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    world.dial(anna).run_for(secs(2));
    assert_eq!(world.ending(anna), Some(Ending::Refused(488)));
    let causes: Vec<_> = world.refusals().iter().map(|refusal| refusal.cause).collect();
    assert_eq!(causes, [Cause::Description(SdpError::OnlyEncrypted)]);
    world.finish();
}

#[test]
fn strangers_on_the_port_neither_stop_a_handshake_nor_get_an_answer() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Dtls);
    let anna = phone(&mut world, "anna", Encryption::Dtls);
    world.dial(anna).run_for(ms(400));
    let port = world.port_of(anna).expect("the leg has a port");
    let stranger = "10.66.0.9:4444".parse().expect("an address");
    // What looks like the first message of a handshake, and noise that begins like one.
    for length in [60, 200, 1_400] {
        let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0];
        hello.resize(length, 7);
        for _ in 0..50 {
            world.throw_at_port(stranger, port, &hello);
        }
    }
    world.run_for(secs(4));
    assert!(world.phone(anna).is_encrypted());
    assert_eq!(world.media_sent_to(stranger), 0);
    world.finish();
}

#[test]
fn an_alert_that_anybody_can_write_ends_no_call() {
    let mut world = world(SrtpPolicy::Required, KeyExchange::Dtls);
    let anna = world.phone_with("anna", |phone| {
        phone.encryption = Encryption::Dtls;
        phone.faults = Faults { no_handshake: true, ..Faults::default() };
    });
    world.dial(anna).run_for(ms(400));
    let port = world.port_of(anna).expect("the leg has a port");
    let neighbour = SocketAddr::new(world.phone(anna).config().rtp_address.ip(), 9_000);
    // Fatal, handshake_failure.
    world.throw_at_port(neighbour, port, &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]);
    world.run_for(secs(5));
    assert!(world.is_up(anna));
    assert_eq!(world.node().handshake_counts().alerts, 1);
    world.run_for(secs(10));
    let faults: Vec<_> = world.handshake_failures().iter().map(|failure| failure.fault).collect();
    assert_eq!(faults, [HandshakeFault::TimedOut]);
    world.finish();
}
