//! From a captured frame to the UDP datagram, or the piece of one, in it.
//!
//! TCP is not followed; what it carries is shown only to tell that SIP went that way.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, IpNumber, Ipv6ExtensionSlice, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket,
    TransportSlice,
};

use crate::fragment::{Piece, Whole};
use crate::tunnel::{self, Inside};

/// The link types of the pcap registry that telephony is captured on.
mod kind {
    pub(super) const NULL: i32 = 0;
    pub(super) const ETHERNET: i32 = 1;
    /// What systems call raw IP in files of their own.
    pub(super) const RAW_SYSTEM: [i32; 2] = [12, 14];
    pub(super) const RAW: i32 = 101;
    pub(super) const LOOP: i32 = 108;
    pub(super) const LINUX_COOKED: i32 = 113;
    pub(super) const IPV4: i32 = 228;
    pub(super) const IPV6: i32 = 229;
    pub(super) const LINUX_COOKED_2: i32 = 276;
}

/// A UDP datagram as it was captured.
#[derive(Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: &'a [u8],
    /// The capture kept the beginning only.
    pub(crate) cut: bool,
}

/// What a frame holds.
pub(crate) enum Frame<'a> {
    Udp(Datagram<'a>),
    /// A piece of a datagram.
    Piece(Piece<'a>),
    /// A piece of a datagram of which the capture kept the beginning only.
    CutPiece,
    /// What a TCP segment carries.
    Tcp(&'a [u8]),
    /// A packet of a tunnel that is not looked into, or too deep in others.
    Tunnel,
    /// Neither IP nor what serves IP.
    NotIp,
    /// Anything else.
    Other,
    /// A link type that is not known here.
    UnknownLink,
}

/// Reads the frame `data` of a link type.
pub(crate) fn read(link: i32, data: &[u8]) -> Frame<'_> {
    let packet = match link {
        kind::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
        kind::LINUX_COOKED => cooked(data, 14, 16),
        kind::LINUX_COOKED_2 => cooked(data, 0, 20),
        // Four octets say whether it is IPv4 or IPv6, each system in its way; so does the header.
        kind::NULL | kind::LOOP => data.get(4..).and_then(ip),
        kind::RAW | kind::IPV4 | kind::IPV6 => ip(data),
        link if kind::RAW_SYSTEM.contains(&link) => ip(data),
        _ => return Frame::UnknownLink,
    };
    packet.map_or(Frame::Other, |packet| datagram(&packet, tunnel::DEEPEST))
}

fn ip(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ip(data).ok()
}

/// A header of the Linux capture with the protocol's number at `protocol`.
fn cooked(data: &[u8], protocol: usize, header: usize) -> Option<LaxSlicedPacket<'_>> {
    let number = data.get(protocol..protocol + 2)?.try_into().ok()?;
    let kind = EtherType(u16::from_be_bytes(number));
    Some(LaxSlicedPacket::from_ether_type(kind, data.get(header..)?))
}

/// What is in a packet, at most `depth` tunnels down.
fn datagram<'a>(packet: &LaxSlicedPacket<'a>, depth: u8) -> Frame<'a> {
    let (source, destination, payload): (IpAddr, IpAddr, _) = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into(), ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into(), ip.payload())
        }
        Some(LaxNetSlice::Arp(_)) => return Frame::Other,
        None => return Frame::NotIp,
    };
    if payload.fragmented {
        return piece(packet, (source, destination), payload);
    }
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            let whole = Datagram {
                source: (source, udp.source_port()).into(),
                destination: (destination, udp.destination_port()).into(),
                payload: udp.payload(),
                cut: usize::from(udp.length()) > udp.slice().len(),
            };
            inside_of(whole, depth)
        }
        Some(TransportSlice::Tcp(tcp)) => Frame::Tcp(tcp.payload()),
        _ => deeper(tunnel::in_ip(payload.ip_number, payload.payload), depth, Frame::Other),
    }
}

/// A datagram, or what is in it when it is a tunnel's.
fn inside_of(datagram: Datagram<'_>, depth: u8) -> Frame<'_> {
    let inside = tunnel::in_udp(datagram.destination.port(), datagram.payload);
    deeper(inside, depth, Frame::Udp(datagram))
}

fn deeper<'a>(inside: Inside<'a>, depth: u8, plain: Frame<'a>) -> Frame<'a> {
    match (inside, depth.checked_sub(1)) {
        (Inside::Plain, _) => plain,
        (Inside::Packet(packet), Some(depth)) => datagram(&packet, depth),
        (Inside::Packet(_), None) | (Inside::Unread, _) => Frame::Tunnel,
    }
}

fn piece<'a>(
    packet: &LaxSlicedPacket<'a>,
    (source, destination): (IpAddr, IpAddr),
    payload: &LaxIpPayloadSlice<'a>,
) -> Frame<'a> {
    let place = match &packet.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            let id = u32::from(header.identification());
            Some((id, header.fragments_offset(), header.more_fragments()))
        }
        Some(LaxNetSlice::Ipv6(ip)) => ip.extensions().clone().into_iter().find_map(|extension| {
            let Ipv6ExtensionSlice::Fragment(header) = extension else { return None };
            Some((header.identification(), header.fragment_offset(), header.more_fragments()))
        }),
        _ => None,
    };
    match place {
        Some((id, offset, more)) if is_put_together(payload.ip_number) => {
            if payload.incomplete {
                return Frame::CutPiece;
            }
            let offset = usize::from(offset.value()) * 8;
            Frame::Piece(Piece {
                of: (source, destination, payload.ip_number, id),
                offset,
                more,
                payload: payload.payload,
            })
        }
        Some(_) if is_tunnel(payload.ip_number) => Frame::Tunnel,
        _ => Frame::Other,
    }
}

/// What is looked into once its pieces are together; of other tunnels one piece says as much.
fn is_put_together(number: IpNumber) -> bool {
    matches!(number, IpNumber::UDP | IpNumber::GRE | IpNumber::IPV4 | IpNumber::IPV6)
}

fn is_tunnel(number: IpNumber) -> bool {
    !matches!(tunnel::in_ip(number, &[]), Inside::Plain)
}

/// Reads what was put together of pieces.
pub(crate) fn whole((source, destination, number, _): Whole, octets: &[u8]) -> Option<Frame<'_>> {
    if number != IpNumber::UDP {
        return Some(deeper(tunnel::in_ip(number, octets), tunnel::DEEPEST, Frame::Other));
    }
    let (header, rest) = octets.split_first_chunk::<8>()?;
    let [from, to, length] = [0, 2, 4].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
    let payload = usize::from(length).checked_sub(header.len())?;
    let datagram = Datagram {
        source: (source, from).into(),
        destination: (destination, to).into(),
        payload: rest.get(..payload)?,
        cut: false,
    };
    Some(inside_of(datagram, tunnel::DEEPEST))
}
