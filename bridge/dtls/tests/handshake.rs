//! Two ends that make handshakes over a network that loses, repeats and delays.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use partyline_dtls::{Certified, PATIENCE};
use partyline_model::{
    DtlsRole, Fingerprint, FingerprintHash, Handshake, HandshakeFault, HandshakeOutput, Handshakes,
    SrtpKey, Time,
};
use proptest::prelude::*;

/// One way.
const DELAY: Duration = Duration::from_millis(20);

/// What became of an end.
#[derive(Debug, Default)]
struct Outcome {
    keys: Vec<(SrtpKey, SrtpKey)>,
    failed: Option<HandshakeFault>,
    ignored: usize,
    sent: usize,
    octets: usize,
}

/// Two ends, the active one first.
struct Pair {
    ends: [Box<dyn Handshake>; 2],
    outcomes: [Outcome; 2],
    /// Datagrams under way: when they come, and to whom.
    under_way: Vec<(Time, usize, Box<[u8]>)>,
    /// When it begins.
    now: Time,
}

impl Pair {
    /// Each knows the other by these fingerprints.
    fn new(ends: &mut [Certified; 2], known: [Vec<Fingerprint>; 2]) -> Self {
        let [active, passive] = ends;
        let begin =
            |end: &mut Certified, role, theirs: &[Fingerprint]| end.begin(Time::ZERO, role, theirs);
        Self {
            ends: [
                begin(active, DtlsRole::Active, &known[0]),
                begin(passive, DtlsRole::Passive, &known[1]),
            ],
            outcomes: Default::default(),
            under_way: Vec::new(),
            now: Time::ZERO,
        }
    }

    /// Goes on until nothing is left to happen, or for 30 s. `fate` says of each datagram how many
    /// of it come.
    fn run(&mut self, mut fate: impl FnMut(&[u8]) -> usize) -> Time {
        let mut now = self.now;
        loop {
            let ends = self.ends.iter_mut().zip(&mut self.outcomes);
            for (place, (end, outcome)) in ends.enumerate() {
                while let Some(output) = end.poll_output() {
                    match output {
                        HandshakeOutput::Send(datagram) => {
                            outcome.sent += 1;
                            outcome.octets += datagram.len();
                            for copy in 0..fate(&datagram) {
                                let at = now + DELAY * u32::try_from(copy + 1).unwrap();
                                self.under_way.push((at, 1 - place, datagram.clone()));
                            }
                        }
                        HandshakeOutput::Keys { ours, theirs } => outcome.keys.push((ours, theirs)),
                        HandshakeOutput::Ignored => outcome.ignored += 1,
                        HandshakeOutput::Failed(fault) => {
                            assert_eq!(outcome.failed.replace(fault), None, "said once");
                        }
                    }
                }
            }
            let timers = self.ends.iter().filter_map(|end| end.poll_timeout());
            let next = timers.chain(self.under_way.iter().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|&next| next < Time::from_secs(30)) else { return now };
            now = now.max(next);
            let (due, later) = self.under_way.drain(..).partition(|(at, ..)| *at <= now);
            self.under_way = later;
            let due: Vec<(Time, usize, Box<[u8]>)> = due;
            for (_, to, datagram) in due {
                self.ends[to].handle_datagram(now, &datagram);
            }
            for end in &mut self.ends {
                if end.poll_timeout().is_some_and(|at| at <= now) {
                    end.handle_timeout(now);
                }
            }
        }
    }

    fn assert_agreed(&self) {
        let [active, passive] = &self.outcomes;
        assert_eq!((active.failed, passive.failed), (None, None));
        let [(ours, theirs)] = &active.keys[..] else { panic!("keys once: {active:?}") };
        assert_eq!(passive.keys, [(theirs.clone(), ours.clone())]);
        assert_ne!(ours, theirs);
    }
}

fn two() -> [Certified; 2] {
    [Certified::new().unwrap(), Certified::new().unwrap()]
}

fn known(ends: &[Certified; 2]) -> [Vec<Fingerprint>; 2] {
    [vec![ends[1].fingerprint().clone()], vec![ends[0].fingerprint().clone()]]
}

fn other() -> Fingerprint {
    Fingerprint::new(FingerprintHash::Sha256, &[7; 32]).unwrap()
}

#[test]
fn two_ends_agree_on_keys_in_three_round_trips_and_few_octets() {
    let mut ends = two();
    let known = known(&ends);
    let mut pair = Pair::new(&mut ends, known);
    let ended = pair.run(|_| 1);
    pair.assert_agreed();
    assert!(ended <= Time::ZERO + DELAY * 6, "{ended:?}");
    let [active, passive] = &pair.outcomes;
    for outcome in [active, passive] {
        assert!(outcome.sent <= 8 && outcome.octets <= 3_000, "{outcome:?}");
    }
}

#[test]
fn a_certificate_that_was_not_signalled_gives_no_keys_to_anybody() {
    for liar in 0..2 {
        let mut ends = two();
        let mut known = known(&ends);
        known[1 - liar] = vec![other()];
        let mut pair = Pair::new(&mut ends, known);
        pair.run(|_| 1);
        let deceived = &pair.outcomes[1 - liar];
        assert_eq!(deceived.failed, Some(HandshakeFault::Fingerprint));
        assert!(pair.outcomes.iter().all(|outcome| outcome.keys.is_empty()), "liar {liar}");
    }
}

#[test]
fn one_of_several_fingerprints_is_enough_and_none_is_not() {
    let mut ends = two();
    let mut both = known(&ends);
    both[0].insert(0, other());
    let mut pair = Pair::new(&mut ends, both);
    pair.run(|_| 1);
    pair.assert_agreed();
    let mut none = known(&ends);
    none[0].clear();
    let mut pair = Pair::new(&mut ends, none);
    pair.run(|_| 1);
    assert_eq!(pair.outcomes[0].failed, Some(HandshakeFault::Fingerprint));
}

#[test]
fn a_far_end_that_says_nothing_is_given_up_after_ten_seconds() {
    let mut ends = two();
    let known = known(&ends);
    let mut pair = Pair::new(&mut ends, known);
    let ended = pair.run(|_| 0);
    let [active, passive] = &pair.outcomes;
    assert_eq!(active.failed, Some(HandshakeFault::TimedOut));
    assert!(ended <= Time::ZERO + PATIENCE, "{ended:?}");
    assert!(active.sent <= 6, "{active:?}");
    // Who waits has nothing to time: whoever drives it does that.
    assert_eq!((passive.failed, passive.sent), (None, 0));
}

/// What anybody can write: a fatal alert, `handshake_failure`.
const FORGED: [u8; 15] = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];

#[test]
fn alerts_that_anybody_can_write_end_no_handshake() {
    for place in 0..2 {
        let mut ends = two();
        let known = known(&ends);
        let mut pair = Pair::new(&mut ends, known);
        for millis in (0..200).step_by(5) {
            pair.under_way.push((Time::from_millis(millis), place, FORGED.into()));
        }
        pair.run(|_| 1);
        pair.assert_agreed();
        assert_eq!(pair.outcomes[place].ignored, 40);
    }
}

#[test]
fn who_waits_half_a_minute_for_the_first_message_takes_it() {
    let mut ends = two();
    let known = known(&ends);
    let mut pair = Pair::new(&mut ends, known.clone());
    let late = Time::from_secs(25);
    pair.ends[0] = ends[0].begin(late, DtlsRole::Active, &known[0]);
    let end = &mut pair.ends[1];
    for second in 0..25 {
        let now = Time::from_secs(second);
        if end.poll_timeout().is_some_and(|at| at <= now) {
            end.handle_timeout(now);
        }
    }
    pair.now = late;
    pair.run(|_| 1);
    pair.assert_agreed();
}

#[test]
fn the_last_flight_is_sent_again_when_it_was_lost() {
    let mut ends = two();
    let known = known(&ends);
    let mut pair = Pair::new(&mut ends, known);
    let mut finished = 0;
    // The passive end's last flight begins with a change of cipher (20); the active one's holds one
    // as well, behind its certificate (22) or in a datagram of its own.
    pair.run(|datagram| {
        let is_last = datagram.first() == Some(&20) && datagram.len() < 200;
        finished += usize::from(is_last);
        usize::from(!is_last || finished > 2)
    });
    pair.assert_agreed();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn handshakes_survive_loss_and_repetition(fates in proptest::collection::vec(0..4usize, 60)) {
        let mut ends = two();
        let known = known(&ends);
        let mut pair = Pair::new(&mut ends, known);
        // A quarter is lost, a quarter comes twice, until the network recovers. Three that are lost in
        // a row are sent again within 7 s; more may end a handshake for good.
        let (mut fates, mut lost) = (fates.into_iter().take(12), 0);
        pair.run(|_| match fates.next() {
            Some(0) if lost < 3 => {
                lost += 1;
                0
            }
            Some(1) => 2,
            Some(_) | None => 1,
        });
        pair.assert_agreed();
    }

    #[test]
    fn no_datagram_breaks_more_than_its_handshake(
        changes in proptest::collection::vec((0..12usize, any::<u16>(), any::<u8>()), 1..8),
        active in any::<bool>(),
    ) {
        let mut ends = two();
        let known = known(&ends);
        let mut pair = Pair::new(&mut ends, known);
        let mut count = 0;
        let role = usize::from(!active);
        let mut spoilt = Vec::new();
        pair.run(|datagram| {
            for (_, place, octet) in changes.iter().filter(|(which, ..)| *which == count) {
                let mut datagram = datagram.to_vec();
                let length = datagram.len();
                datagram[usize::from(*place) % length] = *octet;
                spoilt.push(datagram);
            }
            count += 1;
            1
        });
        pair.assert_agreed();
        // To an end that is done, and to one that begins.
        let mut fresh = ends[role].begin(Time::ZERO, if active { DtlsRole::Active } else { DtlsRole::Passive }, &[]);
        for datagram in spoilt {
            pair.ends[role].handle_datagram(Time::from_secs(40), &datagram);
            fresh.handle_datagram(Time::ZERO, &datagram);
        }
        while let Some(output) = fresh.poll_output() {
            let keys = matches!(output, HandshakeOutput::Keys { .. });
            prop_assert!(!keys);
        }
    }
}
