//! Retransmission over UDP (RFC 3261 §17): requests until they are answered, final responses to an
//! INVITE until they are acknowledged. Decides when, never what.

use std::net::SocketAddr;
use std::time::Duration;

/// T1, RFC 3261 §17.1.1.1.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// T2, RFC 3261 §17.1.2.2.
const T2: Duration = Duration::from_secs(4);
/// Timers B, F, H and L: 64 times T1.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(32);

/// A datagram that is sent again and again.
#[derive(Debug, Clone)]
pub(crate) struct Resend {
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    at: Duration,
    interval: Duration,
    longest: Duration,
    give_up_at: Duration,
}

/// What a [`Resend`] asks for at its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Later,
    Send,
    GiveUp,
}

impl Resend {
    /// Doubles without bound: an INVITE (timer A).
    pub(crate) fn unbounded(now: Duration, to: SocketAddr, bytes: Vec<u8>) -> Self {
        Self::new(now, (to, bytes), GIVE_UP)
    }

    /// Doubles up to T2: other requests (timer E), final responses to INVITE (G, and §13.3.1.4).
    pub(crate) fn bounded(now: Duration, to: SocketAddr, bytes: Vec<u8>) -> Self {
        Self::new(now, (to, bytes), T2)
    }

    fn new(now: Duration, packet: (SocketAddr, Vec<u8>), longest: Duration) -> Self {
        let (to, bytes) = packet;
        Self { to, bytes, at: now + T1, interval: T1, longest, give_up_at: now + GIVE_UP }
    }

    /// A provisional response to a request that is not INVITE: on, but every T2.
    pub(crate) fn slow_down(&mut self) {
        self.interval = T2;
    }

    pub(crate) fn next_timeout(&self) -> Duration {
        self.at.min(self.give_up_at)
    }

    pub(crate) fn take_due(&mut self, now: Duration) -> Due {
        if self.give_up_at <= now {
            return Due::GiveUp;
        }
        if self.at > now {
            return Due::Later;
        }
        self.interval = (self.interval * 2).min(self.longest);
        self.at = now + self.interval;
        Due::Send
    }
}

/// Why a request was sent; decides what its answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invite,
    Reinvite,
    Bye,
    Cancel,
    Info,
    /// What a test asks for.
    Ask,
    /// An UPDATE of a callee that has not answered.
    Update,
}

impl Purpose {
    pub(crate) fn is_invite(self) -> bool {
        matches!(self, Self::Invite | Self::Reinvite)
    }
}

/// How far a request of the phone's own has come.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// No answer yet.
    Trying(Resend),
    /// An INVITE with a provisional answer: waits as long as it rings.
    Ringing,
    /// An INVITE refused: its ACK is repeated for each repeat of the refusal.
    Refused { to: SocketAddr, ack: Vec<u8>, until: Duration },
}

/// A request of the phone's own.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) branch: String,
    pub(crate) purpose: Purpose,
    pub(crate) cseq: u32,
    pub(crate) progress: Progress,
}

impl Client {
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        match &self.progress {
            Progress::Trying(resend) => Some(resend.next_timeout()),
            Progress::Ringing => None,
            Progress::Refused { until, .. } => Some(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_at(mut resend: Resend) -> Vec<u128> {
        let mut times = Vec::new();
        loop {
            let now = resend.next_timeout();
            match resend.take_due(now) {
                Due::Send => times.push(now.as_millis()),
                Due::GiveUp => return times,
                Due::Later => panic!("its own time-out is too early"),
            }
        }
    }

    #[test]
    fn intervals_follow_timers_a_and_e() {
        let to = "127.0.0.1:5060".parse().unwrap();
        let invite = Resend::unbounded(Duration::ZERO, to, Vec::new());
        assert_eq!(sent_at(invite), [500, 1500, 3500, 7500, 15_500, 31_500]);
        let bye = Resend::bounded(Duration::ZERO, to, Vec::new());
        assert_eq!(sent_at(bye)[..5], [500, 1500, 3500, 7500, 11_500]);
    }
}
