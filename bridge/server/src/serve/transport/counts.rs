//! What is counted of connections, by transport.

use std::sync::atomic::{AtomicU64, Ordering};

use partyline_control::Unwelcome;
use partyline_sip::Transport;
use partyline_sip::message::Broken;

/// The transports that have connections.
const STREAMS: [Transport; 4] = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

/// Why a connection ended, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The far end closed it.
    Closed,
    /// The system says that it is lost.
    Lost,
    /// The bridge closed it.
    Told,
    /// No whole message came in time.
    HalfOpen,
    /// Nothing came for long.
    Idle,
    /// The far end did not take what was sent.
    SlowReader,
    /// A stranger sent too many messages.
    TooOften,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// The WebSocket handshake was refused: not SIP, or from a page that is not listed.
    Upgrade,
    /// The source is banned.
    Banned,
    /// The connection could not be opened.
    Unreachable,
    /// What came cannot be followed.
    Broken(Broken),
}

impl Farewell {
    /// As logs and metrics name the reason.
    pub(super) fn name(self) -> &'static str {
        if let Self::Broken(reason) = self {
            return reason.name();
        }
        FAREWELLS.iter().find(|(why, _)| *why == self).map_or("", |(_, name)| name)
    }
}

/// The reasons but [`Farewell::Broken`], as metrics name them.
const FAREWELLS: [(Farewell, &str); 11] = [
    (Farewell::Closed, "closed"),
    (Farewell::Lost, "lost"),
    (Farewell::Told, "told"),
    (Farewell::HalfOpen, "half_open"),
    (Farewell::Idle, "idle"),
    (Farewell::SlowReader, "slow_reader"),
    (Farewell::TooOften, "too_often"),
    (Farewell::Handshake, "handshake"),
    (Farewell::Upgrade, "upgrade"),
    (Farewell::Banned, "banned"),
    (Farewell::Unreachable, "unreachable"),
];

/// One transport's counters.
#[derive(Debug, Default)]
struct Of {
    accepted: AtomicU64,
    opened: AtomicU64,
    ended: AtomicU64,
    octets_in: AtomicU64,
    octets_out: AtomicU64,
    refused: [AtomicU64; Unwelcome::ALL.len()],
    ends: [AtomicU64; FAREWELLS.len()],
    broken: [AtomicU64; Broken::ALL.len()],
}

/// All counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    of: [Of; STREAMS.len()],
    accept_errors: AtomicU64,
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Counts {
    fn of(&self, transport: Transport) -> &Of {
        let [tcp, tls, ws, wss] = &self.of;
        match transport {
            Transport::Udp | Transport::Tcp => tcp,
            Transport::Tls => tls,
            Transport::Ws => ws,
            Transport::Wss => wss,
        }
    }

    pub(super) fn accepted(&self, transport: Transport) {
        add(&self.of(transport).accepted, 1);
    }

    pub(super) fn opened(&self, transport: Transport) {
        add(&self.of(transport).opened, 1);
    }

    pub(super) fn refused(&self, transport: Transport, reason: Unwelcome) {
        let counts = self.of(transport).refused.iter().zip(Unwelcome::ALL);
        counts.filter(|(_, r)| *r == reason).for_each(|(count, _)| add(count, 1));
    }

    pub(super) fn accept_error(&self) {
        add(&self.accept_errors, 1);
    }

    /// A connection that was accepted or opened is gone.
    pub(super) fn ended(&self, transport: Transport, why: Farewell) {
        let of = self.of(transport);
        add(&of.ended, 1);
        let ends = of.ends.iter().zip(FAREWELLS);
        ends.filter(|(_, (w, _))| *w == why).for_each(|(count, _)| add(count, 1));
        if let Farewell::Broken(reason) = why {
            let broken = of.broken.iter().zip(Broken::ALL);
            broken.filter(|(_, r)| *r == reason).for_each(|(count, _)| add(count, 1));
        }
    }

    pub(super) fn came(&self, transport: Transport, octets: usize) {
        add(&self.of(transport).octets_in, u64::try_from(octets).unwrap_or(u64::MAX));
    }

    pub(super) fn went(&self, transport: Transport, octets: usize) {
        add(&self.of(transport).octets_out, u64::try_from(octets).unwrap_or(u64::MAX));
    }

    /// The counters as metrics show them.
    pub(super) fn sample(&self) -> StreamSample {
        let mut sample =
            StreamSample { accept_errors: read(&self.accept_errors), ..StreamSample::default() };
        for (transport, of) in STREAMS.map(transport_name).into_iter().zip(&self.of) {
            let (accepted, opened, ended) = (read(&of.accepted), read(&of.opened), read(&of.ended));
            sample.open.push((transport, (accepted + opened).saturating_sub(ended)));
            sample.accepted.push((transport, accepted));
            sample.opened.push((transport, opened));
            sample.octets_in.push((transport, read(&of.octets_in)));
            sample.octets_out.push((transport, read(&of.octets_out)));
            let refused = Unwelcome::ALL.iter().zip(&of.refused);
            sample.refused.extend(refused.map(|(r, count)| (transport, r.name(), read(count))));
            let ends = FAREWELLS.iter().zip(&of.ends);
            sample.ended.extend(ends.map(|((_, name), count)| (transport, *name, read(count))));
            let broken = Broken::ALL.iter().zip(&of.broken);
            sample.ended.extend(broken.map(|(r, count)| (transport, r.name(), read(count))));
        }
        sample
    }
}

const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}

/// What connections did so far, by transport.
#[derive(Clone, Debug, Default)]
pub(in crate::serve) struct StreamSample {
    /// Connections that are there.
    pub(in crate::serve) open: Vec<(&'static str, u64)>,
    /// Connections that were accepted.
    pub(in crate::serve) accepted: Vec<(&'static str, u64)>,
    /// Connections that the bridge opened.
    pub(in crate::serve) opened: Vec<(&'static str, u64)>,
    /// Octets that came.
    pub(in crate::serve) octets_in: Vec<(&'static str, u64)>,
    /// Octets that went.
    pub(in crate::serve) octets_out: Vec<(&'static str, u64)>,
    /// Connections that were not taken, by reason.
    pub(in crate::serve) refused: Vec<(&'static str, &'static str, u64)>,
    /// Connections that are gone, by reason.
    pub(in crate::serve) ended: Vec<(&'static str, &'static str, u64)>,
    /// Times the system could not give a connection.
    pub(in crate::serve) accept_errors: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_counted_once_and_by_its_reason() {
        let counts = Counts::default();
        for (why, _) in FAREWELLS {
            counts.accepted(Transport::Tls);
            counts.ended(Transport::Tls, why);
        }
        counts.opened(Transport::Tls);
        counts.opened(Transport::Tls);
        counts.ended(Transport::Tls, Farewell::Broken(Broken::NotSip));
        let sample = counts.sample();
        assert!(sample.open.contains(&("tls", 1)) && sample.open.contains(&("tcp", 0)));
        let ends: Vec<_> = sample.ended.iter().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(ends.len(), FAREWELLS.len() + 1);
        assert!(sample.ended.contains(&("tls", "not_sip", 1)));
    }
}
