//! Carries the handshake of a leg: datagrams of DTLS between its RTP port and the control plane,
//! which looks into them. What a stranger or a flood can make of it is bounded here.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::Time;

use crate::latch::Reporter;

/// Datagrams of a leg that are passed on in a second, of the signalled address and of others: both flights of a far end, one message in a
/// datagram, and all of them once again.
const DATAGRAMS: u32 = 30;
/// Octets of them: twice the certificates of anybody.
const OCTETS: usize = 16 * 1024;
/// Our datagrams that may wait for a tick: a flight.
const WAITING: usize = 16;
/// Octets that may go to an address for each that came from it, before the far end's ACK
/// (as RFC 9000 §8.1 has it).
const CREDIT: usize = 3;
const SECOND: Duration = Duration::from_secs(1);

/// The courier of one leg.
#[derive(Default)]
pub(super) struct Courier {
    /// When the second began that is counted.
    second: Time,
    /// What the signalled address has had of it.
    known: Share,
    /// What others have had: however much they send, it is not the far end's.
    possible: Share,
    /// Where the far end's last datagram came from, and whether that is where it said.
    from: Option<(SocketAddr, Reporter)>,
    /// Octets that may go there before the far end is known to be there.
    credit: usize,
    waiting: VecDeque<Box<[u8]>>,
}

/// What was passed on in a second.
#[derive(Clone, Copy, Default)]
struct Share {
    datagrams: u32,
    octets: usize,
}

impl Share {
    /// Takes a datagram of so many octets, if that is not too much.
    fn take(&mut self, octets: usize) -> Result<(), Refused> {
        if self.datagrams >= DATAGRAMS || self.octets + octets > OCTETS {
            return Err(Refused::TooMuch);
        }
        self.datagrams += 1;
        self.octets += octets;
        Ok(())
    }
}

/// Why a datagram goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The datagram is from elsewhere.
    Foreign,
    /// The datagram is one too many.
    TooMuch,
}

impl Courier {
    /// Whether a datagram that came from there is passed on. The signalled address always wins: once
    /// it was heard, no other is.
    pub(super) fn admit(
        &mut self,
        now: Time,
        (source, reporter): (SocketAddr, Reporter),
        octets: usize,
    ) -> Result<(), Refused> {
        let taken = self.from.is_some_and(|(_, before)| before == Reporter::Known);
        if now - self.second >= SECOND {
            (self.second, self.known, self.possible) = (now, Share::default(), Share::default());
        }
        match reporter {
            Reporter::Known => self.known.take(octets)?,
            Reporter::Possible if !taken => self.possible.take(octets)?,
            Reporter::Possible | Reporter::Foreign => return Err(Refused::Foreign),
        }
        if self.from.is_none_or(|(before, _)| before != source) {
            self.credit = 0;
        }
        self.from = Some((source, reporter));
        self.credit = self.credit.saturating_add(octets.saturating_mul(CREDIT));
        Ok(())
    }

    /// Takes a datagram for the far end; DTLS sends again what does not find room.
    pub(super) fn push(&mut self, datagram: Box<[u8]>) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(datagram);
        }
    }

    /// Where the far end's handshake came from last.
    pub(super) fn heard_from(&self) -> Option<SocketAddr> {
        self.from.map(|(address, _)| address)
    }

    /// The next datagram to send. Those for a far end that is not vouched for are let go when they
    /// would be more than its due.
    pub(super) fn next(&mut self, vouched: bool) -> Option<Box<[u8]>> {
        loop {
            let datagram = self.waiting.pop_front()?;
            if vouched {
                return Some(datagram);
            }
            if let Some(left) = self.credit.checked_sub(datagram.len()) {
                self.credit = left;
                return Some(datagram);
            }
        }
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_second_has_so_many_datagrams_and_octets_and_no_more() {
        let mut courier = Courier::default();
        let far = (at("198.51.100.7:4000"), Reporter::Known);
        let mut pass = |millis, octets| {
            (0..100)
                .filter(|_| courier.admit(Time::from_millis(millis), far, octets).is_ok())
                .count()
        };
        assert_eq!((pass(5_000, 100), pass(5_999, 100)), (30, 0));
        assert_eq!((pass(6_000, 1_500), pass(6_500, 1)), (10, 20));
        assert_eq!(pass(7_000, 20_000), 0);
    }

    #[test]
    fn others_take_nothing_of_what_the_signalled_address_may_send() {
        let mut courier = Courier::default();
        let (said, other) = (at("198.51.100.7:4000"), at("203.0.113.7:9000"));
        let mut admit = |from, reporter| courier.admit(Time::ZERO, (from, reporter), 100);
        for _ in 0..DATAGRAMS {
            assert_eq!(admit(other, Reporter::Possible), Ok(()));
        }
        assert_eq!(admit(other, Reporter::Possible), Err(Refused::TooMuch));
        for _ in 0..DATAGRAMS {
            assert_eq!(admit(said, Reporter::Known), Ok(()));
        }
        assert_eq!(admit(said, Reporter::Known), Err(Refused::TooMuch));
    }

    #[test]
    fn the_signalled_address_ends_the_say_of_others() {
        let mut courier = Courier::default();
        let (said, other) = (at("198.51.100.7:4000"), at("203.0.113.7:9000"));
        let mut admit = |from, reporter| courier.admit(Time::ZERO, (from, reporter), 100);
        assert_eq!(admit(other, Reporter::Foreign), Err(Refused::Foreign));
        assert_eq!(admit(other, Reporter::Possible), Ok(()));
        assert_eq!(admit(said, Reporter::Known), Ok(()));
        assert_eq!(admit(other, Reporter::Possible), Err(Refused::Foreign));
        assert_eq!(courier.heard_from(), Some(said));
    }

    #[test]
    fn who_is_not_vouched_for_gets_three_times_what_he_sent() {
        let mut courier = Courier::default();
        let (one, two) = (at("198.51.100.7:4000"), at("198.51.100.7:4002"));
        let sent = |courier: &mut Courier, vouched| {
            for _ in 0..20 {
                courier.push(vec![0; 100].into());
            }
            let sent = std::iter::from_fn(|| courier.next(vouched)).count();
            assert!(courier.is_idle());
            sent
        };
        assert_eq!(sent(&mut courier, false), 0);
        courier.admit(Time::ZERO, (one, Reporter::Possible), 110).unwrap();
        assert_eq!(sent(&mut courier, false), 3);
        // What one address sent is no other's.
        courier.admit(Time::ZERO, (one, Reporter::Possible), 500).unwrap();
        courier.admit(Time::ZERO, (two, Reporter::Possible), 40).unwrap();
        assert_eq!(sent(&mut courier, false), 1);
        assert_eq!(sent(&mut courier, true), WAITING);
    }
}
