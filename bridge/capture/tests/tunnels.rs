//! Tunnels: what is mirrored or carried in them is found as if it had been captured plainly, and what
//! cannot be looked into is counted.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::net::SocketAddr;
use std::path::Path;

use partyline_capture::{Capture, Report};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/captures"))
}

fn read(bytes: &[u8]) -> Report {
    let (report, read) = Capture::read(bytes);
    assert_eq!(read, Ok(()));
    report
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// A key with its time and its ends.
type Key = (char, Option<i64>, SocketAddr, SocketAddr);

/// Each key, and how many messages and frames there were.
fn told(report: &Report) -> (Vec<Key>, u64, u64) {
    let streams = report.streams.iter().map(|s| (&s.presses, s.source, s.destination));
    let dialogs = report.dialogs.iter().map(|d| (&d.presses, d.source, d.destination));
    let presses = streams.chain(dialogs).flat_map(|(presses, source, destination)| {
        presses.iter().map(move |press| {
            let at = press.at.map(|at| at.as_micros());
            (press.digit.to_char(), at, source, destination)
        })
    });
    (presses.collect(), report.sip_messages, report.frames)
}

#[test]
fn keys_inside_of_tunnels_are_those_of_the_plain_capture() {
    let plain = read(&golden("lo.pcap"));
    let expected = told(&plain);
    let mut keys: Vec<char> = expected.0.iter().map(|press| press.0).collect();
    keys.sort_unstable();
    assert_eq!(keys, ['5', '7', '9']);
    for name in [
        "ipip",
        "ip-in-ipv6",
        "gre",
        "gre-ethernet",
        "erspan",
        "erspan-1",
        "erspan-3",
        "vxlan",
        "geneve",
        "vxlan-in-gre",
    ] {
        let report = read(&golden(&format!("tunnels/{name}.pcap")));
        assert_eq!(told(&report), expected, "{name}");
        assert_eq!(report.spoilt, plain.spoilt, "{name}");
    }
}

/// A capture of raw IPv4 packets of a protocol.
fn raw(packets: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let packets: Vec<_> = packets.iter().map(|(kind, payload)| ipv4(*kind, payload)).collect();
    file(&packets)
}

/// A capture of raw IP packets.
fn file(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101].map(u32::to_be_bytes).concat();
    for packet in packets {
        let length = u32::try_from(packet.len()).unwrap();
        file.extend([1, 0, length, length].map(u32::to_be_bytes).concat());
        file.extend(packet);
    }
    file
}

/// An IPv4 packet in two pieces.
fn pieces(protocol: u8, payload: &[u8]) -> Vec<Vec<u8>> {
    let (first, second) = payload.split_at(payload.len() / 16 * 8);
    let offset = u8::try_from(first.len() / 8).unwrap();
    let mut pieces = vec![ipv4(protocol, first), ipv4(protocol, second)];
    pieces[0][6..8].copy_from_slice(&[0x20, 0]);
    pieces[1][6..8].copy_from_slice(&[0, offset]);
    pieces
}

/// A packet with a SIP message.
fn sip() -> Vec<u8> {
    ipv4(17, &udp(5060, b"OPTIONS sip:bridge@192.0.2.2 SIP/2.0\r\nCall-ID: x\r\n\r\n"))
}

/// An Ethernet frame with it.
fn frame() -> Vec<u8> {
    [&[2; 12][..], &[8, 0], &sip()].concat()
}

/// SIP messages, unread tunnels and pieces without the others.
fn seen(file: &[u8]) -> (u64, u64, u64) {
    let report = read(file);
    (report.sip_messages, report.spoilt.tunnels, report.spoilt.fragments)
}

#[test]
fn pieces_of_a_tunnels_packet_are_put_together() {
    let gre = [&[0, 0, 8, 0][..], &sip()].concat();
    for (name, protocol, payload) in [("gre", 47, gre), ("ip in ip", 4, sip())] {
        let mut packets = pieces(protocol, &payload);
        assert_eq!(seen(&file(&packets)), (1, 0, 0), "{name}");
        packets.pop();
        assert_eq!(seen(&file(&packets)), (0, 0, 1), "{name}");
    }
    // Of what is encrypted each piece is counted.
    assert_eq!(seen(&file(&pieces(50, &[1; 64]))), (0, 2, 0));
}

#[test]
fn the_kinds_of_tunnels_in_udp_are_looked_into() {
    let with = |header: &[u8], inner: Vec<u8>| [header, &inner].concat();
    for (name, port, payload) in [
        ("VXLAN", 4789, with(&[8, 0, 0, 0, 0, 0, 7, 0], frame())),
        ("VXLAN with a policy group", 4789, with(&[0x88, 0, 0, 9, 0, 0, 7, 0], frame())),
        ("VXLAN-GPE, IP", 4790, with(&[0x0c, 0, 0, 1, 0, 0, 7, 0], sip())),
        ("VXLAN-GPE, Ethernet", 4790, with(&[0x0c, 0, 0, 3, 0, 0, 7, 0], frame())),
        ("MPLS", 6635, with(&[0, 1, 0, 64, 0, 2, 1, 64], sip())),
        ("TZSP", 37_008, with(&[1, 0, 0, 1, 10, 1, 99, 0, 1], frame())),
    ] {
        assert_eq!(seen(&raw(&[(17, udp(port, &payload))])), (1, 0, 0), "{name}");
    }
    for (name, port, payload) in [
        ("VXLAN-GPE with NSH", 4790, vec![0x0c, 0, 0, 4, 0, 0, 7, 0, 1, 2, 3]),
        ("MPLS with a pseudowire", 6635, vec![0, 1, 1, 64, 0, 0, 0, 0]),
        ("TZSP with 802.11", 37_008, vec![1, 0, 0, 18, 1, 8, 0]),
        ("L2TP data", 1701, vec![0, 2, 0, 1, 0, 1, 0xff, 3]),
    ] {
        assert_eq!(seen(&raw(&[(17, udp(port, &payload))])), (0, 1, 0), "{name}");
    }
    // Telephony that happens to use their ports.
    for port in [1701, 4789, 4790, 6635, 37_008] {
        assert_eq!(seen(&raw(&[(17, udp(port, &[0x80; 172]))])), (0, 0, 0), "{port}");
        let message = &sip()[28..];
        assert_eq!(seen(&raw(&[(17, udp(port, message))])), (1, 0, 0), "{port}");
    }
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    [&[4_000, port, length, 0].map(u16::to_be_bytes).concat(), payload].concat()
}

#[test]
fn tunnels_that_cannot_be_looked_into_are_counted() {
    let report = read(&raw(&[
        (50, vec![1; 64]),                                      // ESP
        (115, vec![1; 64]),                                     // L2TP version 3
        (47, vec![0x30, 1, 0x88, 0x0b, 0, 4, 0, 0]),            // PPTP
        (17, udp(2152, &[0x30, 0xff, 0, 0, 0, 0, 0, 1, 0x45])), // GTP-U
        (17, udp(4500, &[1; 64])),                              // ESP in UDP
    ]));
    assert_eq!((report.spoilt.tunnels, report.frames), (5, 5));
    // A keepalive, and telephony that happens to use a tunnel's port, are none.
    let report = read(&raw(&[(17, udp(4500, &[0xff])), (17, udp(4789, &[0x80; 172]))]));
    assert_eq!(report.spoilt.tunnels, 0);
}

#[test]
fn tunnels_in_tunnels_end() {
    let mut packet = ipv4(17, &udp(5060, b"x"));
    for depth in 0..2_000_usize {
        let report = read(&raw(&[(4, packet.clone())]));
        assert_eq!(report.spoilt.tunnels, u64::from(depth >= 4), "{depth}");
        if depth == 6 {
            // All of a frame.
            while packet.len() < 60_000 {
                packet = ipv4(4, &packet);
            }
            assert_eq!(read(&raw(&[(4, packet)])).spoilt.tunnels, 1);
            return;
        }
        packet = ipv4(4, &packet);
    }
}
