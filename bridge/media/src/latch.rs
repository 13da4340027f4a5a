//! Symmetric RTP: where a leg's packets really come from (RFC 4961).
//!
//! The SDP's address is where we send until two packets in sequence have come from one place;
//! from then on that place it is. Another one takes over only after a re-INVITE or two seconds of
//! silence. It looks at addresses and numbers only; who calls has checked the payload type.

use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::Time;

/// Silence after which another source may latch; also how long a re-INVITE leaves it open.
const REOPEN: Duration = Duration::from_secs(2);

/// Whether a packet may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// From the latched source.
    Pass,
    /// From the latched source, which has just been latched.
    Latched,
    /// The first of a possible source: the next one decides.
    Waiting,
    /// From elsewhere.
    Foreign,
}

#[derive(Clone, Copy)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next_sequence: u16,
}

#[derive(Clone, Copy)]
struct Source {
    address: SocketAddr,
    last: Time,
    open_until: Time,
}

/// The source of one leg's packets.
pub(crate) struct Latch {
    signalled: SocketAddr,
    latched: Option<Source>,
    /// A candidate at the signalled address, and one anywhere else: a stranger's packets between
    /// them cannot keep the caller's own from being two in sequence.
    candidates: [Option<Candidate>; 2],
}

impl Latch {
    pub(crate) const fn new(signalled: SocketAddr) -> Self {
        Self { signalled, latched: None, candidates: [None; 2] }
    }

    /// Where to send.
    pub(crate) fn destination(&self) -> SocketAddr {
        self.latched.map_or(self.signalled, |source| source.address)
    }

    /// A re-INVITE came at `now`: with another address everything begins anew, with the same one
    /// the source may change once.
    pub(crate) fn reopen(&mut self, now: Time, signalled: SocketAddr) {
        self.candidates = [None; 2];
        if signalled != self.signalled {
            *self = Self::new(signalled);
        } else if let Some(source) = &mut self.latched {
            source.open_until = now + REOPEN;
        }
    }

    /// Judges an RTP packet with an acceptable payload type.
    pub(crate) fn admit(
        &mut self,
        now: Time,
        source: SocketAddr,
        (ssrc, sequence): (u32, u16),
    ) -> Admission {
        if let Some(latched) = &mut self.latched {
            if latched.address == source {
                latched.last = now;
                return Admission::Pass;
            }
            if now - latched.last < REOPEN && now >= latched.open_until {
                return Admission::Foreign;
            }
        }
        let slot = &mut self.candidates[usize::from(source != self.signalled)];
        let expected = Candidate { source, ssrc, next_sequence: sequence };
        let follows = slot.is_some_and(|c| {
            (c.source, c.ssrc, c.next_sequence) == (expected.source, ssrc, sequence)
        });
        if !follows {
            *slot = Some(Candidate { next_sequence: sequence.wrapping_add(1), ..expected });
            return Admission::Waiting;
        }
        self.candidates = [None; 2];
        self.latched = Some(Source { address: source, last: now, open_until: Time::ZERO });
        Admission::Latched
    }

    /// Whether RTCP may come from this address: that of the source, whatever the port, or the
    /// signalled one before there is a source.
    pub(crate) fn admits_rtcp(&self, source: SocketAddr) -> bool {
        source.ip() == self.destination().ip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], port))
    }

    fn latched_at(source: SocketAddr) -> Latch {
        let mut latch = Latch::new(address(1, 4000));
        assert_eq!(latch.admit(Time::ZERO, source, (9, 10)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, source, (9, 11)), Admission::Latched);
        latch
    }

    #[test]
    fn sends_to_the_signalled_address_until_two_packets_in_sequence_have_come() {
        let (signalled, nat) = (address(1, 4000), address(2, 5000));
        let mut latch = Latch::new(signalled);
        assert_eq!(latch.admit(Time::ZERO, nat, (9, 65_535)), Admission::Waiting);
        assert_eq!(latch.destination(), signalled);
        assert_eq!(latch.admit(Time::ZERO, nat, (9, 0)), Admission::Latched);
        assert_eq!(latch.destination(), nat);
    }

    #[test]
    fn packets_out_of_sequence_or_of_another_source_do_not_latch() {
        let nat = address(2, 5000);
        let mut latch = Latch::new(address(1, 4000));
        assert_eq!(latch.admit(Time::ZERO, nat, (9, 10)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, nat, (9, 12)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, nat, (8, 13)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, address(3, 5000), (8, 14)), Admission::Waiting);
    }

    #[test]
    fn a_stranger_between_the_callers_packets_does_not_stop_it() {
        let mut latch = Latch::new(address(1, 4000));
        assert_eq!(latch.admit(Time::ZERO, address(1, 4000), (9, 10)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, address(7, 1), (1, 1)), Admission::Waiting);
        assert_eq!(latch.admit(Time::ZERO, address(1, 4000), (9, 11)), Admission::Latched);
        assert_eq!(latch.admit(Time::ZERO, address(7, 1), (1, 2)), Admission::Foreign);
    }

    #[test]
    fn another_source_waits_for_two_seconds_of_silence() {
        let mut latch = latched_at(address(2, 5000));
        let other = address(3, 6000);
        let early = Time::from_millis(1_999);
        assert_eq!(latch.admit(early, other, (5, 1)), Admission::Foreign);
        let late = Time::from_millis(2_000);
        assert_eq!(latch.admit(late, other, (5, 2)), Admission::Waiting);
        assert_eq!(latch.admit(late, other, (5, 3)), Admission::Latched);
        assert_eq!(latch.admit(late, address(2, 5000), (9, 12)), Admission::Foreign);
    }

    #[test]
    fn a_re_invite_opens_the_latch_once() {
        let mut latch = latched_at(address(2, 5000));
        latch.reopen(Time::from_millis(10), address(1, 4000));
        assert_eq!(latch.destination(), address(2, 5000));
        let (now, other) = (Time::from_millis(20), address(3, 6000));
        assert_eq!(latch.admit(now, other, (5, 2)), Admission::Waiting);
        assert_eq!(latch.admit(now, other, (5, 3)), Admission::Latched);
        assert_eq!(latch.admit(now, address(2, 5000), (9, 12)), Admission::Foreign);
    }

    #[test]
    fn a_new_signalled_address_is_sent_to_at_once() {
        let mut latch = latched_at(address(2, 5000));
        latch.reopen(Time::from_millis(10), address(4, 4000));
        assert_eq!(latch.destination(), address(4, 4000));
        assert!(latch.admits_rtcp(address(4, 4001)) && !latch.admits_rtcp(address(2, 5001)));
    }
}
