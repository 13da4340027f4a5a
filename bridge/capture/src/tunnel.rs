//! What is inside of a tunnel's packet: switches that mirror a port, and networks of containers, wrap
//! the telephony in GRE, ERSPAN, VXLAN, GENEVE, MPLS or TZSP, and carriers put IP into IP.
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
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const MPLS: u16 = 6635;
    pub(super) const TZSP: u16 = 37_008;
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
        port::VXLAN_GPE => vxlan_gpe(payload),
        port::GENEVE => geneve(payload),
        port::MPLS => mpls(payload),
        port::TZSP => tzsp(payload),
        // Version 1 with protocol type GTP, a T-PDU (3GPP TS 29.281 5.1).
        port::GTP_USER if matches!(payload, [0x30..=0x37, 0xff, ..]) => Inside::Unread,
        // Version 2, with a length, or data without one (RFC 2661 3.1).
        port::L2TP if matches!(payload, [flags, 2, ..] if flags & 0x40 != 0 || flags & 0xf4 == 0) => {
            Inside::Unread
        }
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

/// Virtual eXtensible LAN (RFC 7348 5): a flag and a network identifier. What is reserved is ignored,
/// such as the policy group that some switches put there; the last octet tells it from telephony.
fn vxlan(payload: &[u8]) -> Inside<'_> {
    match payload.split_first_chunk() {
        Some(([flags, _, _, _, _, _, _, 0], frame)) if flags & 8 != 0 => {
            Inside::of(ethernet(frame))
        }
        _ => Inside::Plain,
    }
}

/// The Generic Protocol Extension of VXLAN (draft-ietf-nvo3-vxlan-gpe 3): a flag says that the fourth
/// octet names what follows.
fn vxlan_gpe(payload: &[u8]) -> Inside<'_> {
    match payload.split_first_chunk() {
        Some(([flags, 0, 0, next, _, _, _, 0], packet)) if flags & 0x0c == 0x0c => match next {
            1 | 2 => Inside::of(LaxSlicedPacket::from_ip(packet).ok()),
            3 => Inside::of(ethernet(packet)),
            _ => Inside::Unread,
        },
        _ => vxlan(payload),
    }
}

/// MPLS in UDP (RFC 7510 3): labels up to the one that says it is the last (RFC 3032 2.1), then IP.
/// SIP is text, and RTP begins as labels that nobody has.
fn mpls(payload: &[u8]) -> Inside<'_> {
    let is_text = payload.iter().take(4).all(u8::is_ascii_graphic);
    if is_text || payload.first().is_none_or(|first| first >> 6 == 2) {
        return Inside::Plain;
    }
    let (labels, _) = payload.as_chunks::<4>();
    let last = labels.iter().position(|label| label[2] & 1 == 1);
    match last.and_then(|last| payload.get(4 * (last + 1)..)) {
        Some(packet @ [first, ..]) if matches!(first >> 4, 4 | 6) => {
            Inside::of(LaxSlicedPacket::from_ip(packet).ok())
        }
        Some(_) => Inside::Unread,
        None => Inside::Plain,
    }
}

/// TaZmen Sniffer Protocol, as routers mirror: version 1, a kind, what follows, then tagged fields.
fn tzsp(payload: &[u8]) -> Inside<'_> {
    let Some(([1, 0 | 1, high, low], mut fields)) = payload.split_first_chunk() else {
        return Inside::Plain;
    };
    loop {
        fields = match fields {
            [0, rest @ ..] => rest,
            [1, frame @ ..] if (*high, *low) == (0, 1) => return Inside::of(ethernet(frame)),
            [1, ..] => return Inside::Unread,
            [_, length, rest @ ..] => rest.get(usize::from(*length)..).unwrap_or_default(),
            [] | [_] => return Inside::Plain,
        };
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
