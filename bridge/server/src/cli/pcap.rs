//! Traced messages as a packet capture that Wireshark and tshark open: each in a datagram of its
//! own, whatever carried it, between the addresses that it came from and went to. No sound is in it.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// The magic number of the format with microseconds, its version 2.4.
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
/// The longest packet.
const SNAPLEN: u32 = 65_535;
/// Packets begin with their IP header (LINKTYPE_RAW).
const RAW_IP: u32 = 101;
/// Of UDP.
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const IPV4_HEADER: usize = 20;
/// SIP's own, where no other is known.
const PORT: u16 = 5060;

/// Writes the messages of `calls` in the order of time.
///
/// # Errors
/// The file is there already, or cannot be written.
pub(super) fn write(calls: &[Value], file: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let octets = capture(calls);
    if file == Path::new("-") {
        return Ok(out.write_all(&octets)?);
    }
    // It names callers: nobody else reads it.
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(|| format!("cannot make {}", file.display()))?;
    made.write_all(&octets).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(writeln!(out, "{} is written", file.display())?)
}

fn capture(calls: &[Value]) -> Vec<u8> {
    let messages = calls.iter().filter_map(|call| call["messages"].as_array()).flatten();
    let mut packets: Vec<(i64, Vec<u8>)> = messages.filter_map(packet).collect();
    packets.sort_by_key(|(at, _)| *at);
    let mut file = MAGIC.to_le_bytes().to_vec();
    file.extend(VERSION.iter().flat_map(|part| part.to_le_bytes()));
    // No correction of the times, which are UTC.
    file.extend([0; 8]);
    file.extend(SNAPLEN.to_le_bytes());
    file.extend(RAW_IP.to_le_bytes());
    for (at, packet) in packets {
        let length = u32::try_from(packet.len()).unwrap_or(SNAPLEN);
        let of_time = |part: i64| u32::try_from(part).unwrap_or_default();
        for word in
            [of_time(at.div_euclid(1_000_000)), of_time(at.rem_euclid(1_000_000)), length, length]
        {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// When a message came or went, in microseconds since 1970, and the packet.
fn packet(message: &Value) -> Option<(i64, Vec<u8>)> {
    let at: jiff::Timestamp = message["at"].as_str()?.parse().ok()?;
    let remote: SocketAddr = message["remote"].as_str()?.parse().ok()?;
    let local = message["local"].as_str().and_then(|text| text.parse().ok());
    let local = local.filter(|local: &SocketAddr| local.is_ipv4() == remote.is_ipv4());
    let unknown: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let local = local.unwrap_or(SocketAddr::new(unknown, PORT));
    let (from, to) = if message["direction"] == "out" { (local, remote) } else { (remote, local) };
    Some((at.as_microsecond(), datagram(from, to, message["text"].as_str()?.as_bytes())?))
}

/// An IP packet with a UDP datagram; `None` when it is too long for one.
fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let mut udp = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let mut packet = Vec::with_capacity(udp.len() + 40);
    let addresses = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let whole = u16::try_from(IPV4_HEADER + udp.len()).ok()?;
            packet.extend([0x45, 0]);
            packet.extend(whole.to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
            [from.octets(), to.octets()].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length.to_be_bytes());
            packet.extend([UDP, 64]);
            [from.octets(), to.octets()].concat()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    packet.extend(&addresses);
    if from.is_ipv4() {
        let sum = checksum(&packet);
        packet.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    }
    // Of the addresses, the protocol, the length and the datagram (RFC 768, RFC 8200 §8.1).
    let mut summed = addresses;
    summed.extend([0, UDP]);
    summed.extend(length.to_be_bytes());
    summed.extend(&udp);
    let sum = match checksum(&summed) {
        0 => u16::MAX,
        sum => sum,
    };
    udp.get_mut(6..8)?.copy_from_slice(&sum.to_be_bytes());
    packet.extend(udp);
    Some(packet)
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([word.first().copied().unwrap_or(0), low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(at: &str, direction: &str, remote: &str, local: Option<&str>) -> Value {
        json!({ "at": at, "direction": direction, "remote": remote, "local": local, "text": "BYE x" })
    }

    #[test]
    fn packets_stand_in_the_order_of_time_with_right_sums() {
        let early =
            message("2026-11-30T10:00:00.000001Z", "in", "192.0.2.9:5070", Some("192.0.2.1:5060"));
        let late = message("2026-11-30T10:00:01.500000Z", "out", "[2001:db8::9]:5061", None);
        let file = capture(&[json!({ "messages": [late] }), json!({ "messages": [early] })]);
        let first = &file[24..];
        let word = |at: usize| u32::from_le_bytes(first[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(4), word(8)), (1_796_032_800, 1, 20 + 8 + 5));
        let packet = &first[16..16 + 33];
        assert_eq!(checksum(&packet[..20]), 0, "a header with its sum sums up to nothing");
        assert_eq!(packet[12..20], [192, 0, 2, 9, 192, 0, 2, 1]);
        assert_eq!(
            (&packet[20..24], &packet[28..]),
            (&[0x13, 0xce, 0x13, 0xc4][..], &b"BYE x"[..])
        );
        let second = &first[16 + 33..];
        assert_eq!(second.len(), 16 + 40 + 8 + 5);
        assert_eq!(second[16], 0x60);
        assert_eq!(second[16 + 24..16 + 40], "2001:db8::9".parse::<Ipv6Addr>().unwrap().octets());
    }

    #[test]
    fn what_is_no_message_or_too_long_is_left_out() {
        let mut long = message("2026-11-30T10:00:00Z", "in", "192.0.2.9:5070", None);
        long["text"] = json!("x".repeat(70_000));
        let calls = [json!({}), json!({ "messages": [{}, long] })];
        assert_eq!(capture(&calls).len(), 24);
        let at: SocketAddr = "192.0.2.9:1".parse().unwrap();
        assert_eq!(datagram(at, "[::1]:1".parse().unwrap(), b""), None);
    }
}
