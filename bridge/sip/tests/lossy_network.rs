//! Two endpoints call each other over a network that loses, doubles and delays datagrams.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use common::{Counting, addr, dial};
use partyline_model::{IdSource, Time};
use partyline_sip::{
    Config, Described, Dial, DialogId, EndKind, Endpoint, Event, Hangup, Output, Rejection,
    Reliability,
};

const CALLER: &str = "192.0.2.1:5060";
const CALLEE: &str = "203.0.113.5:5060";

/// What one side saw of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    answered: u32,
    confirmed: u32,
    /// Whether it was answered by the description of a reliable response.
    early: bool,
    ended: Option<EndKind>,
    ends: u32,
}

struct Net {
    now: Time,
    sides: [Endpoint; 2],
    seen: [BTreeMap<DialogId, Seen>; 2],
    wire: BTreeMap<(Time, u64), (usize, Vec<u8>)>,
    chance: Counting,
    lost: u32,
    sequence: u64,
}

impl Net {
    fn new(seed: u128) -> Self {
        let side = |at: &str, seed| {
            let mut config = Config::new(addr(at));
            config.extensions.reliability = Reliability::Offer;
            Endpoint::new(config, Box::new(Counting(seed)))
        };
        Self {
            now: Time::ZERO,
            sides: [side(CALLER, seed), side(CALLEE, seed + 1000)],
            seen: [BTreeMap::new(), BTreeMap::new()],
            wire: BTreeMap::new(),
            chance: Counting(seed),
            lost: 0,
            sequence: 0,
        }
    }

    /// Three in ten are lost, one in ten comes twice, each takes 1 to 300 ms.
    fn send(&mut self, to: usize, payload: &[u8]) {
        let roll = self.chance.next_u128() % 10;
        let copies = match roll {
            0..3 => 0,
            3 => 2,
            _ => 1,
        };
        self.lost += u32::from(copies == 0);
        for _ in 0..copies {
            let delay = u64::try_from(self.chance.next_u128() % 300).expect("small");
            self.sequence += 1;
            let at = self.now + Duration::from_millis(1 + delay);
            self.wire.insert((at, self.sequence), (to, payload.to_vec()));
        }
    }

    fn settle(&mut self) {
        let mut events = VecDeque::new();
        for side in 0..2 {
            while let Some(output) = self.sides[side].poll_output() {
                match output {
                    Output::Resolve(resolve) => panic!("{} is no address", resolve.hop),
                    Output::Failed(_) => {}
                    Output::Transmit(transmit) => {
                        let to = usize::from(transmit.flow.remote == addr(CALLEE));
                        assert!(to != side, "nobody sends to himself");
                        self.send(to, &transmit.payload);
                    }
                    Output::Event(event) => events.push_back((side, event)),
                }
            }
        }
        let any = !events.is_empty();
        for (side, event) in events {
            self.heed(side, event);
        }
        if any {
            self.settle();
        }
    }

    fn heed(&mut self, side: usize, event: Event) {
        let now = self.now;
        match event {
            Event::Invite(call) => {
                self.seen[side].entry(call.dialog).or_default();
                let is_from = |user: &str| call.callers.iter().any(|one| one.forms == [user]);
                let refuse = is_from("refuse");
                if is_from("early") {
                    let early = b"v=0 early".to_vec();
                    self.sides[side].progress(now, call.dialog, early).expect("it waits");
                    self.sides[side].ring(now, call.dialog).expect("it waits");
                }
                let done = if refuse {
                    let busy = partyline_sip::message::Status::BUSY_HERE;
                    self.sides[side].reject(now, call.dialog, Rejection::new(busy))
                } else {
                    self.sides[side].answer(now, call.dialog, b"v=0 answer".to_vec())
                };
                done.expect("it waits");
            }
            Event::Answered { dialog, described } => {
                let seen = self.seen[side].entry(dialog).or_default();
                seen.answered += 1;
                seen.early = described == Some(Described::Answer(b"v=0 early".to_vec().into()));
            }
            Event::Confirmed { dialog, .. } => {
                self.seen[side].entry(dialog).or_default().confirmed += 1;
            }
            Event::Ended { dialog, ended } => {
                let seen = self.seen[side].entry(dialog).or_default();
                seen.ended = Some(ended.kind);
                seen.ends += 1;
            }
            Event::Ringing { .. }
            | Event::EarlyOffer { .. }
            | Event::Terms { .. }
            | Event::Reinvite { .. }
            | Event::Refresh { .. }
            | Event::Reinvited { .. }
            | Event::Refer { .. }
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. }
            | Event::Digit { .. }
            | Event::DigitSent { .. }
            | Event::Responded { .. }
            | Event::Suspect { .. }
            | Event::Refused(_) => {}
        }
    }

    fn run(&mut self, secs: u64) {
        let until = self.now + Duration::from_secs(secs);
        loop {
            self.settle();
            let wire = self.wire.keys().next().map(|(at, _)| *at);
            let timers = self.sides.iter().filter_map(Endpoint::poll_timeout).min();
            let Some(at) = wire.into_iter().chain(timers).min().filter(|at| *at <= until) else {
                break;
            };
            assert!(at >= self.now, "a timer in the past");
            self.now = at;
            if wire == Some(at)
                && let Some((_, (to, payload))) = self.wire.pop_first()
            {
                let (from, local) = if to == 1 { (CALLER, CALLEE) } else { (CALLEE, CALLER) };
                self.sides[to].handle_datagram(at, addr(from), addr(local), &payload);
            }
            for side in &mut self.sides {
                side.handle_timeout(at);
            }
        }
        self.now = until;
    }

    fn dial(&mut self, from: &str) -> DialogId {
        let dial = Dial {
            destination: addr(CALLEE).into(),
            request_uri: "sip:18005550100@203.0.113.5".to_owned(),
            from_user: from.to_owned(),
            ..dial()
        };
        self.sides[0].dial(self.now, dial).expect("it can be called")
    }
}

#[test]
fn calls_survive_a_bad_network() {
    let (mut lost, mut whole) = (0, 0);
    for seed in 1..60 {
        let mut net = Net::new(seed);
        let taken = net.dial("take");
        let refused = net.dial("refuse");
        net.run(40);
        let refusal = net.seen[0][&refused];
        assert_eq!((refusal.answered, refusal.ends), (0, 1), "seed {seed}");
        let kinds = [Some(EndKind::Rejected), Some(EndKind::Timeout)];
        assert!(kinds.contains(&refusal.ended), "seed {seed}: {refusal:?}");
        if net.seen[0].get(&taken).is_some_and(|seen| seen.ends == 0) {
            net.sides[0].hangup(net.now, taken, Hangup::default()).expect("it is up");
        }
        net.run(200);
        let caller = net.seen[0][&taken];
        assert_eq!(caller.ends, 1, "seed {seed}: {caller:?}");
        for (dialog, seen) in &net.seen[1] {
            assert_eq!(seen.ends, 1, "seed {seed}: {dialog} {seen:?}");
            assert!(seen.confirmed <= 1, "seed {seed}");
        }
        let confirmed = net.seen[1].values().any(|seen| seen.confirmed == 1);
        whole += u32::from(caller.answered == 1 && confirmed);
        lost += net.lost;
        for side in &net.sides {
            assert_eq!((side.dialogs(), side.transactions()), (0, 0), "seed {seed}");
        }
    }
    assert!(lost > 200, "the network must be bad: {lost}");
    assert!(whole >= 55, "retransmission carries nearly every call through: {whole} of 59");
}

#[test]
fn reliable_responses_survive_a_bad_network() {
    let (mut lost, mut whole) = (0, 0);
    for seed in 1..60 {
        let mut net = Net::new(seed);
        let call = net.dial("early");
        net.run(70);
        let seen = net.seen[0].get(&call).copied().unwrap_or_default();
        // The 200 comes after the PRACK, and relies on what that acknowledged.
        assert_eq!(seen.early, seen.answered > 0, "seed {seed}: {seen:?}");
        let confirmed = net.seen[1].values().any(|seen| seen.confirmed == 1);
        whole += u32::from(seen.answered == 1 && confirmed);
        if seen.ends == 0 {
            net.sides[0].hangup(net.now, call, Hangup::default()).expect("it is up");
        }
        net.run(200);
        let ends = net.seen.iter().flat_map(BTreeMap::values).map(|seen| seen.ends);
        assert!(ends.clone().all(|ends| ends == 1), "seed {seed}: {:?}", ends.collect::<Vec<_>>());
        lost += net.lost;
        for side in &net.sides {
            assert_eq!((side.dialogs(), side.transactions()), (0, 0), "seed {seed}");
        }
    }
    assert!(lost > 200, "the network must be bad: {lost}");
    assert!(whole >= 55, "retransmission carries nearly every call through: {whole} of 59");
}
