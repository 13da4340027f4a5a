//! Noise on every port while people talk: nothing is harmed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use bridge_tests::sim::dice::Dice;
use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_phones::PhoneId;

fn address(dice: &mut Dice) -> SocketAddr {
    let host = u8::try_from(dice.below(250) + 1).unwrap();
    let port = u16::try_from(1024 + dice.below(60_000)).unwrap();
    SocketAddr::from(([10, 66, 0, host], port))
}

/// A request that looks like SIP, with some bytes changed.
fn broken_sip(dice: &mut Dice) -> Vec<u8> {
    let methods = ["INVITE", "BYE", "ACK", "CANCEL", "OPTIONS", "INFO", "REGISTER", "\u{fffd}"];
    let method = methods[usize::try_from(dice.below(8)).unwrap()];
    let tag = dice.next_u64();
    let mut bytes = format!(
        "{method} sip:conference@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.66.0.1;branch=z9hG4bK{tag}\r\n\
         From: <sip:x@10.66.0.1>;tag={tag}\r\nTo: <sip:conference@192.0.2.1>\r\nCall-ID: {tag}\r\n\
         CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes();
    // The method or the version is always hit: no noise is a call.
    bytes[0] = 0x80;
    for _ in 0..dice.below(20) {
        let place = usize::try_from(dice.below(u64::try_from(bytes.len()).unwrap())).unwrap();
        bytes[place] = dice.bytes(1)[0];
    }
    bytes
}

#[test]
fn talkers_are_heard_through_noise_on_every_port() {
    let mut world = World::build().start();
    let [anna, ben] = world.phones(["anna", "ben"]);
    world.join(anna, MODERATOR).join(ben, PARTICIPANT).run_for(secs(4));
    world.talk(anna).talk(ben);
    let mut dice = Dice::new(99, 0);
    for _ in 0..3000 {
        let length = usize::try_from(dice.below(1500)).unwrap();
        let bytes = dice.bytes(length);
        let (from, message) = (address(&mut dice), broken_sip(&mut dice));
        world.throw_at_sip(from, &bytes).throw_at_sip(from, &message);
        for phone in [anna, ben] {
            throw_at_media(&mut world, phone, &mut dice, &bytes);
        }
        world.run_for(ms(2));
    }
    assert!(world.hears(ben, tone(anna)) && world.hears(anna, tone(ben)));
    assert!(world.lacks(ben, tone(ben)));
    world.hang_up(ben).run_for(secs(1));
    assert_eq!(world.phone(anna).call().unwrap().ending, None);
    let records = world.finish();
    assert_eq!(records.legs().len(), 2, "noise is no call");
    let counters = world.node().endpoint().counters();
    assert!(counters.iter().map(|(_, count)| count).sum::<u64>() > 3000, "and it is counted");
}

/// From a stranger, and from the phone's own address.
fn throw_at_media(world: &mut World, phone: PhoneId, dice: &mut Dice, bytes: &[u8]) {
    let Some(port) = world.port_of(phone) else { panic!("the call is up") };
    let stranger = address(dice);
    let own = world.phone(phone).config().rtp_address;
    world.throw_at_port(stranger, port, bytes).throw_at_port(stranger, port + 1, bytes);
    world.throw_at_port(own, port, &bytes[..bytes.len().min(40)]);
}
