//! Whose media it is: from where a leg's packets are taken, and where its own go.
//!
//! The address that the session description signals always wins, at any time. Without a packet
//! from it, a leg takes two packets in sequence from one source within its *networks* (the address
//! that the far end's SIP came from, and what its trunk adds: phones behind NAT), or from the
//! source it had before the signalled address changed. Silence opens nothing: a source that was
//! taken stays until the signalled address speaks, until an offer or answer signals another
//! address or port, or until the very stream goes on from another port, by synchronisation source
//! and numbers that no stranger knows.
//!
//! Nothing leaves for an address that nobody has vouched for: the far end's ACK does, or packets
//! from there, for three times their octets. A latch looks at addresses and numbers only; whether
//! a packet is one of the agreed types is checked before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use partyline_model::Time;

use crate::config::{LegConfig, Rtcp, Signalling};
use crate::rtp::packet::sequence_distance;

/// How long after a change of the signalled address the source before it has to be heard to stay:
/// its last packets may be on their way when those of another one begin.
const HANDOVER: Duration = Duration::from_secs(2);
/// How long after that it is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Numbers by which a stream that moves may be ahead of its last packet (RFC 3550 §A.1).
const MAX_DROPOUT: i16 = 3_000;
/// Octets that may go to an address for each that came from it, before the far end's ACK
/// (as RFC 9000 §8.1 has it).
const CREDIT: u32 = 3;
/// Octets of a packet that is sent: 20 ms of G.711 and its header.
const COST: u32 = 172;

/// Whether an RTP packet may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The packet is the far end's.
    Pass,
    /// The first of a possible source: the next one decides.
    Waiting,
    /// From elsewhere.
    Foreign,
}

/// What the address of a packet of RTCP or DTLS says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// The packet is the far end's.
    Known,
    /// The packet is the far end's if it names one of the leg's streams, or can do its part of the
    /// handshake.
    Possible,
    /// The packet is somebody else's.
    Foreign,
}

/// What a latch sees of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    /// Octets of the datagram.
    pub(crate) octets: usize,
}

/// A source that may become the leg's.
#[derive(Clone, Copy)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    next_sequence: u16,
}

/// The leg's source.
#[derive(Clone, Copy)]
struct Source {
    address: SocketAddr,
    /// What the last packet had.
    ssrc: u32,
    sequence: u16,
    /// Whether it may be sent to: the signalled address, or one within the networks, and not where
    /// a far end that signals another address still sends from.
    reachable: bool,
    /// Set for a source from before a change of the signalled address: heard at this time or
    /// later, it stays; until then another one may take its place.
    settles: Option<Time>,
    /// The source was not heard in time to stay: the far end is where it says.
    lapsed: bool,
}

impl Source {
    /// Where we send while this is the source, if not to the signalled address.
    fn destination(&self) -> Option<SocketAddr> {
        (self.reachable && !self.lapsed).then_some(self.address)
    }

    /// Whether a packet from another address can only be the same stream's.
    fn goes_on(&self, seen: Seen) -> bool {
        let ahead = sequence_distance(seen.sequence, self.sequence);
        seen.ssrc == self.ssrc && (1..=MAX_DROPOUT).contains(&ahead)
    }
}

/// Whether the far end is known to be where its SIP says.
#[derive(Clone, Copy)]
enum Vouched {
    /// The ACK came.
    Yes,
    /// Not yet.
    No {
        /// Where we sent before the address changed, and go on to send.
        before: Option<SocketAddr>,
        /// Octets that may go to where packets came from.
        credit: u32,
    },
}

/// The sources of one leg's RTP and RTCP, and where its own packets go.
pub(crate) struct Latch {
    signalled: SocketAddr,
    networks: Box<[IpNet]>,
    vouched: Vouched,
    source: Option<Source>,
    /// The source before the signalled address changed, and when it settles.
    before: Option<(SocketAddr, Time)>,
    candidates: [Option<Candidate>; 2],
    /// Where RTCP was signalled to be; `None` when it shares the RTP port, or there is none.
    rtcp_signalled: Option<SocketAddr>,
    /// Where proven reports come from, when that is elsewhere.
    rtcp_source: Option<SocketAddr>,
}

impl Latch {
    pub(crate) fn new(config: &LegConfig) -> Self {
        Self {
            signalled: config.remote,
            networks: config.networks.clone(),
            vouched: match config.signalling {
                Signalling::Acknowledged => Vouched::Yes,
                Signalling::Pending => Vouched::No { before: None, credit: 0 },
            },
            source: None,
            before: None,
            candidates: [None; 2],
            rtcp_signalled: signalled_rtcp(config),
            rtcp_source: None,
        }
    }

    /// An offer or answer came. Another address or port opens the latch; the same one changes
    /// nothing.
    pub(crate) fn update(&mut self, now: Time, config: &LegConfig) {
        let rtcp_signalled = signalled_rtcp(config);
        if self.rtcp_signalled != rtcp_signalled {
            self.rtcp_signalled = rtcp_signalled;
            self.rtcp_source = None;
        }
        if is_same(self.signalled, config.remote) {
            self.networks.clone_from(&config.networks);
            if config.signalling == Signalling::Acknowledged {
                self.acknowledge(now);
            }
            return;
        }
        let before = match self.vouched {
            Vouched::Yes => self.destination(),
            Vouched::No { before, .. } => before,
        };
        let last = self.source.map(|source| (source.address, source.ssrc, source.sequence));
        let opened = Self::new(config);
        *self = Self {
            vouched: match opened.vouched {
                Vouched::Yes => Vouched::Yes,
                Vouched::No { credit, .. } => Vouched::No { before, credit },
            },
            before: last.map(|(address, ..)| (address, now + HANDOVER)).or(self.before),
            // The old source is heard on without a gap until another one comes.
            candidates: [
                None,
                last.map(|(address, ssrc, sequence)| Candidate {
                    address,
                    ssrc,
                    next_sequence: sequence.wrapping_add(1),
                }),
            ],
            rtcp_source: self.rtcp_source,
            ..opened
        };
    }

    /// The far end's ACK came: it is where its SIP says, and what it says is its own.
    pub(crate) fn acknowledge(&mut self, now: Time) {
        if matches!(self.vouched, Vouched::Yes) {
            return;
        }
        self.vouched = Vouched::Yes;
        // Until here the far end could not know that it was to leave its old address.
        let at = now + HANDOVER;
        self.before = self.before.map(|(address, _)| (address, at));
        if let Some(source) = &mut self.source {
            source.settles = source.settles.map(|_| at);
        }
    }

    /// Where RTP goes; `None` while it may go nowhere.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        let source = self.source.and_then(|source| source.destination());
        match self.vouched {
            Vouched::Yes => source.or_else(|| Some(self.signalled).filter(|a| is_usable(*a))),
            Vouched::No { credit, .. } if source.is_some() => source.filter(|_| credit >= COST),
            Vouched::No { before, .. } => before,
        }
    }

    /// Where the next RTP packet goes, which is sent.
    pub(crate) fn route(&mut self) -> Option<SocketAddr> {
        let destination = self.destination();
        if let Vouched::No { credit, .. } = &mut self.vouched
            && self.source.is_some_and(|source| source.destination().is_some())
        {
            *credit = credit.saturating_sub(COST);
        }
        destination
    }

    /// Where RTCP goes; `None` while it may go nowhere.
    pub(crate) fn rtcp_destination(&self, config: &LegConfig) -> Option<SocketAddr> {
        match (self.vouched, config.rtcp) {
            (Vouched::No { .. }, _) | (_, Rtcp::Off) => None,
            (Vouched::Yes, Rtcp::Mux) => self.destination(),
            (Vouched::Yes, Rtcp::To(signalled)) => Some(self.rtcp_source.unwrap_or(signalled)),
        }
    }

    /// Time passes.
    pub(crate) fn begin_tick(&mut self, now: Time) {
        if let Some(source) = &mut self.source
            && matches!(self.vouched, Vouched::Yes)
            && source.settles.is_some_and(|at| now >= at + PATIENCE)
        {
            source.lapsed = true;
        }
    }

    /// Whether a packet from this address could be the far end's, before anything of it is believed.
    pub(crate) fn may_be(&self, is_rtcp: bool, from: SocketAddr) -> bool {
        if is_rtcp {
            return self.reporter(from) != Reporter::Foreign;
        }
        let known =
            [Some(self.signalled), self.source.map(|s| s.address), self.before.map(|b| b.0)];
        known.into_iter().flatten().any(|address| is_same(address, from))
            || self.is_within_networks(from.ip())
    }

    /// Whether a datagram of a handshake from this address could be the far end's: what is signalled,
    /// or within the networks.
    pub(crate) fn shaker(&self, from: SocketAddr) -> Reporter {
        if is_same(self.signalled, from) {
            Reporter::Known
        } else if self.is_within_networks(from.ip()) {
            Reporter::Possible
        } else {
            Reporter::Foreign
        }
    }

    /// Where a handshake goes that was heard from `heard` last, and whether somebody vouched for
    /// it; `None` while it may go nowhere.
    pub(crate) fn handshake_way(&self, heard: Option<SocketAddr>) -> Option<(SocketAddr, bool)> {
        let heard = heard.filter(|&from| self.shaker(from) != Reporter::Foreign);
        let way = match self.vouched {
            Vouched::Yes => Some((heard.unwrap_or(self.signalled), true)),
            Vouched::No { .. } => heard.map(|address| (address, false)),
        };
        way.filter(|&(address, _)| is_usable(address))
    }

    /// Judges an RTP packet of an agreed payload type.
    pub(crate) fn admit(&mut self, now: Time, from: SocketAddr, seen: Seen) -> Admission {
        if self.source.is_none_or(|source| !is_same(source.address, from)) {
            match self.judge(from, seen) {
                Admission::Pass => {}
                refused @ (Admission::Waiting | Admission::Foreign) => return refused,
            }
        }
        if let Some(source) = &mut self.source {
            (source.ssrc, source.sequence) = (seen.ssrc, seen.sequence);
            let pending = matches!(self.vouched, Vouched::No { .. });
            source.settles = source.settles.filter(|&at| pending || now < at);
            source.lapsed = false;
            if let Vouched::No { credit, .. } = &mut self.vouched
                && source.reachable
            {
                let octets = u32::try_from(seen.octets).unwrap_or(0);
                *credit = credit.saturating_add(octets.saturating_mul(CREDIT));
            }
        }
        Admission::Pass
    }

    /// Judges a packet from another address than the source's, which it may become.
    fn judge(&mut self, from: SocketAddr, seen: Seen) -> Admission {
        let signalled = is_same(from, self.signalled) && is_usable(from);
        let through_nat = self.is_within_networks(from.ip());
        let before = self.before.filter(|&(address, _)| is_same(address, from));
        if !signalled {
            let permitted = match &self.source {
                None => through_nat || before.is_some(),
                Some(source) => through_nat && (source.settles.is_some() || source.goes_on(seen)),
            };
            if !permitted {
                return Admission::Foreign;
            }
            if !self.follows(from, seen) {
                return Admission::Waiting;
            }
        }
        if let Vouched::No { credit, .. } = &mut self.vouched {
            // What came from another address vouches for that one.
            *credit = 0;
        }
        self.candidates = [None; 2];
        self.source = Some(Source {
            address: from,
            ssrc: seen.ssrc,
            sequence: seen.sequence,
            reachable: signalled || through_nat,
            settles: before.filter(|_| !signalled).map(|(_, at)| at),
            lapsed: false,
        });
        self.before = None;
        Admission::Pass
    }

    /// Whether the packet is the second in sequence of its source; notes it as the first if not.
    fn follows(&mut self, from: SocketAddr, seen: Seen) -> bool {
        let known = self.candidates.iter().position(|candidate| {
            candidate.is_some_and(|candidate| is_same(candidate.address, from))
        });
        if let Some(candidate) = known.and_then(|place| self.candidates[place])
            && (candidate.ssrc, candidate.next_sequence) == (seen.ssrc, seen.sequence)
        {
            return true;
        }
        // The newer of two others stays: one of them cannot keep the other from being two.
        let place = known.unwrap_or_else(|| {
            self.candidates.swap(0, 1);
            1
        });
        self.candidates[place] = Some(Candidate {
            address: from,
            ssrc: seen.ssrc,
            next_sequence: seen.sequence.wrapping_add(1),
        });
        false
    }

    /// Judges the address of an RTCP packet.
    pub(crate) fn reporter(&self, from: SocketAddr) -> Reporter {
        let is = |address: Option<SocketAddr>| address.is_some_and(|a| is_same(a, from));
        let source = self.source.map(|source| source.address);
        let known = match self.rtcp_signalled {
            Some(_) => is(self.rtcp_signalled) || is(self.rtcp_source),
            None => is(Some(self.signalled)) || is(source),
        };
        let ip_of = |address: Option<SocketAddr>| address.is_some_and(|a| a.ip() == from.ip());
        if known {
            Reporter::Known
        } else if self.is_within_networks(from.ip()) || ip_of(source) || ip_of(Some(self.signalled))
        {
            Reporter::Possible
        } else {
            Reporter::Foreign
        }
    }

    /// Takes note of where a report came from that is the far end's. RTP stays where it is.
    pub(crate) fn note_reporter(&mut self, from: SocketAddr) {
        if let Some(signalled) = self.rtcp_signalled {
            self.rtcp_source = Some(from).filter(|&from| !is_same(from, signalled));
        }
    }

    fn is_within_networks(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Where a report is to come from, when RTCP has a port of its own.
fn signalled_rtcp(config: &LegConfig) -> Option<SocketAddr> {
    match config.rtcp {
        Rtcp::To(address) => Some(address),
        Rtcp::Mux | Rtcp::Off => None,
    }
}

/// The same address and port, whatever a system adds to them (RFC 4007 §6, RFC 4291 §2.5.5.2).
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// Whether anything can be sent there.
fn is_usable(address: SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

#[cfg(test)]
mod tests;
