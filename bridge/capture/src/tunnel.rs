//! What is inside of a tunnel's packet: switches that mirror a port, and networks of containers, wrap
//! the telephony in GRE, ERSPAN, VXLAN or GENEVE, and carriers put IP into IP.
//!
//! Encrypted tunnels cannot be looked into; those that are not known here are told apart, so that
//! they can be counted.

use etherparse::{EtherType, IpNumber, LaxSlicedPacket};

/// Tunnels inside of tunnels that are looked into; deeper ones are counted.
pub(crate) const DEEPEST: u8 = 4;

/// UDP ports that tunnels are sent to.
mod port {
    pub(super) const GTP_USER: u16 = 2152;
    pub(super) const L2TP: u16 = 1701;
    pub(super) const ESP: u16 = 4500;
    pub(super) const VXLAN: u16 = 4789;
    /// VXLAN's before IANA gave it one; Linux' default.
    pub(super) const VXLAN_LINUX: u16 = 8472;
    pub(super) const GENEVE: u16 = 6081;
}

/// What GRE and GENEVE carry besides IP (IEEE 802 numbers).
const ETHERNET: u16 = 0x6558;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
/// Layer 2 Tunneling Protocol version 3 over IP (RFC 3931).
const L2TP: IpNumber = IpNumber(115);

/// What a payload turned out to be.
pub(crate) enum Inside<'a> {
    /// No tunnel.
    Plain,
    /// The packet in it.
    Packet(Box<LaxSlicedPacket<'a>>),
    /// A tunnel that is encrypted, not known, or damaged.
    Unread,
}

impl<'a> Inside<'a> {
    fn of(packet: Option<LaxSlicedPacket<'a>>) -> Self {
        packet.map_or(Self::Unread, |packet| Self::Packet(Box::new(packet)))
    }
}

/// Looks into the payload of an IP packet.
pub(crate) fn in_ip(number: IpNumber, payload: &[u8]) -> Inside<'_> {
    match number {
        // RFC 2003, 2473, 4213.
        IpNumber::IPV4 | IpNumber::IPV6 => Inside::of(LaxSlicedPacket::from_ip(payload).ok()),
        IpNumber::GRE => Inside::of(gre(payload)),
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD | IpNumber::MPLS_IN_IP | L2TP => Inside::Unread,
        _ => Inside::Plain,
    }
}

/// Looks into a datagram to a port; what does not look like the port's tunnel is none.
pub(crate) fn in_udp(port: u16, payload: &[u8]) -> Inside<'_> {
    match port {
        port::VXLAN | port::VXLAN_LINUX => vxlan(payload),
        port::GENEVE => geneve(payload),
        // Version 1 with protocol type GTP, a T-PDU (3GPP TS 29.281 5.1).
        port::GTP_USER if matches!(payload, [0x30..=0x37, 0xff, ..]) => Inside::Unread,
        // Version 2, with a length (RFC 2661 3.1).
        port::L2TP if matches!(payload, [flags, 2, ..] if flags & 0x40 != 0) => Inside::Unread,
        // A security parameter index that is not that of IKE (RFC 3948 2.2); longer than a keepalive.
        port::ESP if payload.len() > 8 && !payload.starts_with(&[0; 4]) => Inside::Unread,
        _ => Inside::Plain,
    }
}

/// Generic Routing Encapsulation (RFC 2784, 2890).
fn gre(packet: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let (&[flags, version, high, low], _) = packet.split_first_chunk()?;
    let kind = u16::from_be_bytes([high, low]);
    // Version 1 carries PPP; source routing is of the past.
    if version & 7 != 0 || flags & 0x40 != 0 {
        return None;
    }
    let has = |bit: u8| usize::from(flags & bit != 0);
    let payload = packet.get(4 + 4 * (has(0x80) + has(0x20) + has(0x10))..)?;
    match kind {
        // Type I of ERSPAN has no header of its own and no sequence number.
        ERSPAN if has(0x10) == 0 => ethernet(payload),
        ERSPAN => ethernet(payload.get(8..)?),
        ERSPAN_3 => {
            let subheader = 8 * usize::from(payload.get(11)? & 1);
            ethernet(payload.get(12 + subheader..)?)
        }
        kind => carried(kind, payload),
    }
}

/// Virtual eXtensible LAN (RFC 7348 5): a flag, a network identifier, nothing else.
fn vxlan(payload: &[u8]) -> Inside<'_> {
    match payload.split_first_chunk() {
        Some(([8, 0, 0, 0, _, _, _, 0], frame)) => Inside::of(ethernet(frame)),
        _ => Inside::Plain,
    }
}

/// Generic Network Virtualization Encapsulation (RFC 8926 3.4): version 0, options in words.
fn geneve(payload: &[u8]) -> Inside<'_> {
    match payload.split_first_chunk() {
        Some(([options @ 0..64, flags, high, low, _, _, _, 0], rest)) if flags & 0x3f == 0 => {
            let kind = u16::from_be_bytes([*high, *low]);
            let packet = rest.get(4 * usize::from(*options)..);
            Inside::of(packet.and_then(|packet| carried(kind, packet)))
        }
        _ => Inside::Plain,
    }
}

fn carried(kind: u16, payload: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    match EtherType(kind) {
        EtherType(ETHERNET) => ethernet(payload),
        EtherType::IPV4 | EtherType::IPV6 => LaxSlicedPacket::from_ip(payload).ok(),
        _ => None,
    }
}

fn ethernet(frame: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ethernet(frame).ok()
}
