//! The sockets of the legs: an RTP port and the RTCP port after it for each (RFC 3550 §11), on each
//! address of ours, and which of them have something to read.
//!
//! One datagram a call: a leg sends one packet every 20 ms, so that batches of one socket's
//! datagrams would hold one. Nothing here looks into a datagram.

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use partyline_media::Channel;
use partyline_model::LegKey;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};

/// The longest datagram taken off an RTP or RTCP port, in octets; longer ones are dropped.
pub const LONGEST_DATAGRAM: usize = 2048;

/// Kernel buffers of one socket, in octets: over a second of G.711, so that a stall of the thread
/// loses nothing, and small enough for thousands of sockets.
const SOCKET_BUFFER: usize = 128 * 1024;

/// Sockets reported by one look at all of them.
const READY_AT_ONCE: usize = 256;

/// A leg's sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Somebody else has one of the two ports, or the system refuses them.
    #[error("cannot bind the RTP port {port} or the one after it")]
    Bind {
        /// The RTP port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The RTP port has no successor.
    #[error("the RTP port 65535 leaves no port for RTCP")]
    NoRtcpPort,
    /// The leg has sockets.
    #[error("the leg has its ports already")]
    AlreadyOpen,
}

/// What one attempt to receive gave.
pub(crate) enum Received<'a> {
    /// A datagram and its sender.
    Datagram(SocketAddr, &'a mut [u8]),
    /// A datagram too long to take.
    Oversize,
    /// Nothing waits, whatever was reported.
    Nothing,
    /// An error that belongs to something sent earlier, such as ICMP port unreachable.
    Failed,
}

/// What became of a datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The kernel has it.
    Done,
    /// The kernel refused: a full buffer, an unreachable network.
    Refused,
    /// The leg has no sockets.
    NoSocket,
}

/// A leg's two sockets of one address family.
struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// A leg's sockets: what goes to IPv4 leaves by those of IPv4.
#[derive(Default)]
struct Pairs {
    v4: Option<Pair>,
    v6: Option<Pair>,
}

impl Pairs {
    fn of(&self, family: Family) -> Option<&Pair> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    fn put(&mut self, family: Family, pair: Pair) {
        match family {
            Family::V4 => self.v4 = Some(pair),
            Family::V6 => self.v6 = Some(pair),
        }
    }
}

/// Of which kind an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl Pair {
    fn socket(&self, channel: Channel) -> &UdpSocket {
        match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        }
    }
}

/// All sockets of one media thread.
pub(crate) struct Sockets {
    addresses: Vec<IpAddr>,
    /// DSCP in the upper six bits of the IPv4 TOS octet.
    tos: u32,
    pairs: BTreeMap<LegKey, Pairs>,
    epoll: OwnedFd,
    /// What the last look found.
    ready: Vec<(LegKey, Family, Channel)>,
    buffer: Box<[u8]>,
}

impl Sockets {
    /// No sockets yet; later ones are bound to `addresses`, one of each family at most, and mark
    /// what they send with `dscp`.
    ///
    /// # Errors
    /// When the system gives no epoll descriptor.
    pub(crate) fn new(addresses: &[IpAddr], dscp: u8) -> io::Result<Self> {
        Ok(Self {
            addresses: addresses.to_vec(),
            tos: u32::from(dscp) << 2,
            pairs: BTreeMap::new(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(READY_AT_ONCE),
            // One octet more than is taken shows that a datagram was longer.
            buffer: vec![0; LONGEST_DATAGRAM + 1].into(),
        })
    }

    /// Binds `port` and the one after it for `leg`, on each address.
    pub(crate) fn open(&mut self, leg: LegKey, port: u16) -> Result<(), OpenError> {
        if self.pairs.contains_key(&leg) {
            return Err(OpenError::AlreadyOpen);
        }
        let rtcp_port = port.checked_add(1).ok_or(OpenError::NoRtcpPort)?;
        let mut pairs = Pairs::default();
        for &ip in &self.addresses {
            let pair = self
                .bind(SocketAddr::new(ip, port))
                .and_then(|rtp| Ok(Pair { rtp, rtcp: self.bind(SocketAddr::new(ip, rtcp_port))? }))
                .and_then(|pair| self.watch(leg, Family::of(ip), &pair).map(|()| pair))
                .map_err(|source| OpenError::Bind { port, source })?;
            pairs.put(Family::of(ip), pair);
        }
        self.pairs.insert(leg, pairs);
        Ok(())
    }

    /// Gives the ports of `leg` back.
    pub(crate) fn close(&mut self, leg: LegKey) {
        // The kernel stops watching a descriptor when it is closed.
        self.pairs.remove(&leg);
    }

    /// Finds out which sockets have something to read, without waiting. Returns how many, at most
    /// [`READY_AT_ONCE`]; the next call reports those left over.
    pub(crate) fn look(&mut self) -> usize {
        self.ready.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut found = [const { MaybeUninit::uninit() }; READY_AT_ONCE];
        // Only a signal can interrupt a look; the next slot looks again.
        if let Ok((found, _)) = epoll::wait(&self.epoll, &mut found, Some(&at_once)) {
            self.ready.extend(found.iter().map(|event| from_token(event.data.u64())));
        }
        self.ready.len()
    }

    /// Receives one datagram from the `index`th socket of the last [`Self::look`].
    pub(crate) fn receive(&mut self, index: usize) -> Option<(LegKey, Channel, Received<'_>)> {
        let &(leg, family, channel) = self.ready.get(index)?;
        let socket = self.pairs.get(&leg)?.of(family)?.socket(channel);
        let received = match socket.recv_from(&mut self.buffer) {
            Ok((length, _)) if length > LONGEST_DATAGRAM => Received::Oversize,
            Ok((length, source)) => Received::Datagram(source, &mut self.buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
            Err(_) => Received::Failed,
        };
        Some((leg, channel, received))
    }

    /// Sends `datagram` from a socket of `leg`.
    pub(crate) fn send(
        &self,
        leg: LegKey,
        channel: Channel,
        to: SocketAddr,
        datagram: &[u8],
    ) -> Sent {
        let pair = self.pairs.get(&leg).and_then(|pairs| pairs.of(Family::of(to.ip())));
        let Some(pair) = pair else { return Sent::NoSocket };
        match pair.socket(channel).send_to(datagram, to) {
            Ok(_) => Sent::Done,
            Err(_) => Sent::Refused,
        }
    }

    fn bind(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        if address.is_ipv4() {
            socket.set_tos_v4(self.tos)?;
        } else {
            // Beside a socket of IPv4 on the same port, which `::` would take as well.
            socket.set_only_v6(self.addresses.len() > 1)?;
            socket.set_tclass_v6(self.tos)?;
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    fn watch(&self, leg: LegKey, family: Family, pair: &Pair) -> io::Result<()> {
        for channel in [Channel::Rtp, Channel::Rtcp] {
            let data = epoll::EventData::new_u64(token(leg, family, channel));
            epoll::add(&self.epoll, pair.socket(channel), data, epoll::EventFlags::IN)?;
        }
        Ok(())
    }
}

/// What epoll gives back for a socket. Leg keys are never reused, so that a token never means
/// another leg's socket.
fn token(leg: LegKey, family: Family, channel: Channel) -> u64 {
    let bits = u64::from(family == Family::V6) << 1 | u64::from(channel == Channel::Rtcp);
    u64::from(leg.0) << 2 | bits
}

fn from_token(token: u64) -> (LegKey, Family, Channel) {
    let leg = u32::try_from(token >> 2).expect("tokens are made from 32-bit leg keys");
    let family = if token & 2 == 0 { Family::V4 } else { Family::V6 };
    (LegKey(leg), family, if token & 1 == 0 { Channel::Rtp } else { Channel::Rtcp })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_name_the_leg_and_the_port() {
        for leg in [LegKey(0), LegKey(7), LegKey(u32::MAX)] {
            for family in [Family::V4, Family::V6] {
                for channel in [Channel::Rtp, Channel::Rtcp] {
                    let named = from_token(token(leg, family, channel));
                    assert_eq!(named, (leg, family, channel));
                }
            }
        }
    }

    #[test]
    fn a_leg_is_reached_and_reaches_by_both_families() {
        let both = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        let mut sockets = Sockets::new(&both, 46).unwrap();
        let port = opened(&mut sockets, LegKey(5));
        for ip in both {
            let far = UdpSocket::bind((ip, 0)).unwrap();
            far.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            far.send_to(b"to the bridge", (ip, port)).unwrap();
            assert_eq!(sockets.look(), 1);
            let (leg, channel, received) = sockets.receive(0).unwrap();
            let Received::Datagram(source, _) = received else { panic!("no datagram") };
            assert_eq!(
                (leg, channel, source),
                (LegKey(5), Channel::Rtp, far.local_addr().unwrap())
            );
            assert_eq!(sockets.send(leg, channel, source, b"and back"), Sent::Done);
            let (_, from) = far.recv_from(&mut [0; 64]).unwrap();
            assert_eq!(from, SocketAddr::new(ip, port));
        }
    }

    #[test]
    fn what_goes_to_a_family_that_we_are_not_in_has_no_socket() {
        let (sockets, _) = sockets_with(LegKey(1));
        let to = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 9);
        assert_eq!(sockets.send(LegKey(1), Channel::Rtp, to, b"x"), Sent::NoSocket);
    }

    #[test]
    fn a_datagram_comes_out_of_the_socket_it_went_to() {
        let (mut sockets, port) = sockets_with(LegKey(3));
        let far = far_end();
        for (to, bytes) in [(port, &b"rtp"[..]), (port + 1, b"rtcp")] {
            far.send_to(bytes, (Ipv4Addr::LOCALHOST, to)).unwrap();
        }
        let mut heard = Vec::new();
        for index in 0..sockets.look() {
            let (leg, channel, received) = sockets.receive(index).unwrap();
            let Received::Datagram(source, bytes) = received else { panic!("no datagram") };
            assert_eq!((leg, source), (LegKey(3), far.local_addr().unwrap()));
            heard.push((channel, bytes.to_vec()));
        }
        heard.sort_by_key(|(_, bytes)| bytes.len());
        assert_eq!(heard, [(Channel::Rtp, b"rtp".to_vec()), (Channel::Rtcp, b"rtcp".to_vec())]);
        assert_eq!(sockets.look(), 0);
    }

    #[test]
    fn a_datagram_that_is_too_long_is_told_apart() {
        let (mut sockets, port) = sockets_with(LegKey(1));
        let far = far_end();
        for (length, oversize) in [(LONGEST_DATAGRAM, false), (LONGEST_DATAGRAM + 1, true)] {
            far.send_to(&vec![1; length], (Ipv4Addr::LOCALHOST, port)).unwrap();
            assert_eq!(sockets.look(), 1);
            let (_, _, received) = sockets.receive(0).unwrap();
            assert_eq!(matches!(received, Received::Oversize), oversize, "{length}");
        }
    }

    #[test]
    fn a_taken_rtcp_port_gives_the_rtp_port_back() {
        let (sockets, port) = sockets_with(LegKey(1));
        drop(sockets);
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)).unwrap();
        let mut sockets = Sockets::new(&[Ipv4Addr::LOCALHOST.into()], 46).unwrap();
        let refused = sockets.open(LegKey(2), port);
        assert!(matches!(refused, Err(OpenError::Bind { port: at, .. }) if at == port));
        drop(taken);
        sockets.open(LegKey(2), port).unwrap();
        assert!(matches!(sockets.open(LegKey(2), port), Err(OpenError::AlreadyOpen)));
        assert!(matches!(sockets.open(LegKey(4), u16::MAX), Err(OpenError::NoRtcpPort)));
    }

    #[test]
    fn a_closed_leg_neither_sends_nor_receives() {
        let (mut sockets, port) = sockets_with(LegKey(1));
        let far = far_end();
        far.send_to(b"late", (Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(sockets.look(), 1);
        sockets.close(LegKey(1));
        assert!(sockets.receive(0).is_none());
        assert_eq!(sockets.look(), 0);
        let to = far.local_addr().unwrap();
        assert_eq!(sockets.send(LegKey(1), Channel::Rtp, to, b"x"), Sent::NoSocket);
    }

    #[test]
    fn an_unreachable_far_end_stops_neither_direction() {
        let (mut sockets, port) = sockets_with(LegKey(1));
        let gone = far_end().local_addr().unwrap();
        let far = far_end();
        for _ in 0..3 {
            assert_eq!(sockets.send(LegKey(1), Channel::Rtp, gone, b"anyone?"), Sent::Done);
        }
        far.send_to(b"here", (Ipv4Addr::LOCALHOST, port)).unwrap();
        // Errors of the datagrams that came to nothing are told first.
        let heard = (0..10).any(|_| {
            sockets.look() > 0
                && sockets.receive(0).is_some_and(|(_, _, received)| {
                    matches!(received, Received::Datagram(_, bytes) if *bytes == *b"here")
                })
        });
        assert!(heard);
    }

    /// Sockets with `leg` open on a pair of ports that was free a moment ago.
    fn sockets_with(leg: LegKey) -> (Sockets, u16) {
        let mut sockets = Sockets::new(&[Ipv4Addr::LOCALHOST.into()], 46).unwrap();
        let port = opened(&mut sockets, leg);
        (sockets, port)
    }

    /// Opens `leg` on a pair of ports that was free a moment ago.
    fn opened(sockets: &mut Sockets, leg: LegKey) -> u16 {
        for _ in 0..100 {
            let port = far_end().local_addr().unwrap().port() & !1;
            if sockets.open(leg, port).is_ok() {
                return port;
            }
        }
        panic!("no free pair of ports in 100 attempts");
    }

    fn far_end() -> UdpSocket {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
    }
}
