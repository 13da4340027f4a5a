//! What it costs to protect and to unprotect 20 ms of G.711, for each suite: `cargo run --release -p
//! partyline-srtp --example cost`. Under callgrind with a suite's place as its argument, one suite
//! is run alone, so that its instructions can be counted.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]

use std::hint::black_box;
use std::time::Instant;

use partyline_srtp::{MAX_TRAILER, Protector, SrtpKey, SrtpSuite, Unprotector};

const HEADER: usize = 12;
const PACKET: usize = HEADER + 160;
const ROUNDS: u32 = 100_000;

/// Nanoseconds of a packet, protected and unprotected.
fn measure(suite: SrtpSuite, rounds: u32) -> (u128, u128) {
    let key = SrtpKey::new(suite, &vec![7; suite.master_len()]).expect("as long as it says");
    let (mut near, mut far) = (Protector::new(&key), Unprotector::new(&key));
    let mut packet = [0x55; PACKET + MAX_TRAILER];
    packet[..2].copy_from_slice(&[0x80, 0]);
    let (mut protecting, mut unprotecting) = (0, 0);
    for n in 0..rounds {
        packet[2..4].copy_from_slice(&n.to_be_bytes()[2..]);
        let start = Instant::now();
        let len = near.protect_rtp(black_box(&mut packet), PACKET).expect("numbers grow");
        let between = Instant::now();
        let plain = far.unprotect_rtp(black_box(&mut packet[..len])).expect("it was sealed");
        protecting += (between - start).as_nanos();
        unprotecting += between.elapsed().as_nanos();
        assert_eq!(plain, PACKET);
    }
    (protecting / u128::from(rounds), unprotecting / u128::from(rounds))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next().and_then(|place| place.parse().ok());
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    for (place, suite) in SrtpSuite::ALL.into_iter().enumerate() {
        if only.is_none_or(|only: usize| only == place) {
            let (protect, unprotect) = measure(suite, rounds);
            println!("{:24} protect {protect:5} ns, unprotect {unprotect:5} ns", suite.name());
        }
    }
}
