//! Whole captures: each form a file may have, and what is found in it.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use common::{Form, Link, PCAP, START, Wire, block, bridge, ip, key_after, phone, rtp, talk};
use partyline_capture::{Capture, CaptureError, Format, Note, Press, Report, Source, Stream};
use partyline_media::Codec;
use proptest::prelude::*;

fn read(file: &[u8]) -> Report {
    let (report, read) = Capture::read(file);
    assert_eq!(read, Ok(()));
    report
}

fn only(report: &Report) -> &Stream {
    let [stream] = &report.streams[..] else { panic!("{} streams", report.streams.len()) };
    stream
}

fn keys(presses: &[Press]) -> String {
    presses.iter().map(|press| press.digit.to_char()).collect()
}

fn keys_of(report: &Report) -> String {
    keys(&only(report).presses)
}

fn notes(presses: &[Press]) -> Vec<Vec<Note>> {
    presses.iter().map(|press| press.notes.clone()).collect()
}

/// A press as telephone events, its packets 20 ms apart, the last one three times.
fn event(wire: &mut Wire, from: (u64, u16, u32), key: u8, frames: u16) {
    let (at, sequence, timestamp) = from;
    let ends = [frames; 2];
    for (n, frame) in (0..).zip((1..=frames).chain(ends)) {
        let [high, low] = (frame * 160).to_be_bytes();
        let flags = if frame == frames { 0x8a } else { 10 };
        let packet = rtp((101, n == 0), (sequence + n, timestamp), &[key, flags, high, low]);
        wire.udp(at + u64::from(n) * 20_000, (phone(), bridge()), &packet);
    }
}

#[test]
fn a_tone_is_found_in_every_form_of_capture_with_its_time() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcma, (phone(), bridge()), &key_after(500, 5));
    for link in Link::ALL {
        for form in 0..8 {
            let form = Form { ng: form & 1 != 0, big_endian: form & 2 != 0, nanos: form & 4 != 0 };
            let report = read(&wire.file(link, form));
            let stream = only(&report);
            assert_eq!(
                (stream.source, stream.destination),
                (phone(), bridge()),
                "{link:?} {form:?}"
            );
            assert_eq!(stream.ssrc, 0x1234_abcd);
            assert_eq!(stream.formats[&8], Format::Audio(Codec::Pcma));
            assert_eq!(stream.started.as_micros(), i64::try_from(START).unwrap());
            let [press] = &stream.presses[..] else { panic!("{link:?} {form:?}") };
            assert!(press.digit.to_char() == '5' && press.source == Source::InBand);
            let began = press.at.unwrap().as_micros() - stream.started.as_micros();
            assert!((490_000..510_000).contains(&began), "{began}");
            assert_eq!(press.onset, Duration::from_micros(began.unsigned_abs()));
            let length = press.length.unwrap().as_millis();
            assert!((65..=95).contains(&length), "{length}");
            assert!((press.level.unwrap().dbm0 + 6.0).abs() < 1.0, "{:?}", press.level);
            assert_eq!(press.notes, []);
        }
    }
}

#[test]
fn ipv6_is_read_as_ipv4_is() {
    let ends: (SocketAddr, SocketAddr) =
        ("[2001:db8::1]:4000".parse().unwrap(), "[2001:db8::2]:20000".parse().unwrap());
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, ends, &key_after(100, 11));
    for link in Link::ALL {
        let report = read(&wire.file(link, PCAP));
        assert_eq!((only(&report).source, only(&report).destination), ends, "{link:?}");
        assert_eq!(keys(&only(&report).presses), "#");
    }
}

#[test]
fn reordered_and_repeated_packets_change_no_tone() {
    let mut wire = Wire::default();
    let mut late = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(300, 7));
    let octets = common::encode(Codec::Pcmu, &key_after(300, 7));
    for (number, frame) in (0_u16..).zip(octets.chunks(160)) {
        // Every third packet comes 50 ms late, every fifth twice.
        let at = u64::from(number) * 20_000 + if number % 3 == 2 { 50_000 } else { 0 };
        let packet = rtp(
            (0, number == 0),
            (65_530_u16.wrapping_add(number), u32::from(number) * 160),
            frame,
        );
        late.udp(at, (phone(), bridge()), &packet);
        if number % 5 == 4 {
            late.udp(at + 1, (phone(), bridge()), &packet);
        }
    }
    let (plain, mixed) = (read(&wire.file(Link::Raw, PCAP)), read(&late.file(Link::Raw, PCAP)));
    let (plain, mixed) = (only(&plain), only(&mixed));
    assert_eq!(keys(&plain.presses), keys(&mixed.presses));
    assert_eq!(plain.presses[0].length, mixed.presses[0].length);
    assert!(mixed.counts.reordered > 3 && mixed.counts.repeated > 3, "{:?}", mixed.counts);
    assert_eq!((mixed.counts.lost, mixed.counts.packets), (0, plain.counts.packets));
    assert!(mixed.jitter > Duration::from_millis(5) && plain.jitter < Duration::from_millis(1));
}

#[test]
fn a_loss_within_a_tone_is_told_and_does_not_move_later_ones() {
    let mut wire = Wire::default();
    let sound = [key_after(500, 1), key_after(500, 2)].concat();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &sound);
    let whole = read(&wire.file(Link::Ethernet, PCAP));
    let wire = wire.without(&[26, 40, 61]);
    let report = read(&wire.file(Link::Ethernet, PCAP));
    let (before, after) = (&only(&whole).presses, &only(&report).presses);
    assert_eq!(keys(after), "12");
    assert_eq!(notes(after), [vec![Note::Lost(1)], vec![Note::Lost(1)]]);
    assert_eq!((only(&report).counts.lost, only(&report).counts.gaps), (3, 3));
    assert!(after[1].onset.abs_diff(before[1].onset) < Duration::from_millis(45));
}

#[test]
fn events_are_presses_and_what_is_missing_of_them_is_told() {
    let mut wire = Wire::default();
    let silence = key_after(400, 0)[..1_600].to_vec();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &silence);
    event(&mut wire, (200_000, 65_530_u16.wrapping_add(10), 1_600), 5, 5);
    let whole = read(&wire.file(Link::Cooked, PCAP));
    let stream = only(&whole);
    assert_eq!(stream.formats[&101], Format::Events { clock_hz: 8_000 });
    let [press] = &stream.presses[..] else { panic!("{}", stream.presses.len()) };
    assert!(press.digit.to_char() == '5' && press.source == Source::Event);
    assert_eq!((press.onset.as_millis(), press.length.unwrap().as_millis()), (200, 100));
    assert_eq!((press.level.unwrap().dbm0, press.notes.len()), (-10.0, 0));

    // Without its first two packets and without its ends.
    let torn = read(&wire.without(&[10, 11, 14, 15, 16]).file(Link::Cooked, PCAP));
    let expected = vec![Note::StartLost, Note::Lost(2), Note::NoEnd];
    assert_eq!(notes(&only(&torn).presses), [expected]);
}

#[test]
fn a_press_that_is_sent_both_ways_says_so() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(200, 9)[..2_400]);
    event(&mut wire, (210_000, 65_530_u16.wrapping_add(15), 1_680), 9, 4);
    let report = read(&wire.file(Link::Raw, PCAP));
    let presses = &only(&report).presses;
    assert_eq!(keys(presses), "99");
    for press in presses {
        let other = if press.source == Source::Event { Source::InBand } else { Source::Event };
        assert!(press.notes.contains(&Note::Also(other)), "{:?}", press.notes);
    }
}

#[test]
fn a_session_description_says_what_the_types_mean() {
    let mut wire = Wire::default();
    let invite = |port: u16, profile: &str| {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
             m=audio {port} {profile} 96 97\r\na=rtpmap:96 PCMA/8000\r\n\
             a=rtpmap:97 telephone-event/16000\r\n"
        );
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
             To: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    };
    let mut other = Wire::default();
    for (wire, profile) in [(&mut wire, "RTP/AVP"), (&mut other, "RTP/SAVP")] {
        wire.udp(0, (bridge(), phone()), invite(20_000, profile).as_bytes());
        let octets = common::encode(Codec::Pcma, &key_after(100, 3));
        for (number, frame) in (0_u16..).zip(octets.chunks(160)) {
            let packet = rtp((96, number == 0), (number, u32::from(number) * 160), frame);
            wire.udp(1_000 + u64::from(number) * 20_000, (phone(), bridge()), &packet);
        }
        let packet = rtp((97, true), (50, 8_000), &[4, 0x8a, 6, 0x40]);
        wire.udp(1_000_000, (phone(), bridge()), &packet);
    }
    let report = read(&wire.file(Link::Ethernet, PCAP));
    let stream = only(&report);
    assert_eq!((keys(&stream.presses), report.sip_messages), ("34".to_owned(), 1));
    assert_eq!(stream.presses[1].length, Some(Duration::from_millis(100)));
    let report = read(&other.file(Link::Ethernet, PCAP));
    assert!(only(&report).encrypted && only(&report).presses.is_empty());
}

#[test]
fn what_the_capture_did_not_keep_is_told() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(200, 8));
    let report = read(&wire.file_cut(Link::Ethernet, PCAP, 96));
    let counts = only(&report).counts;
    assert_eq!((report.spoilt.cut, counts.cut), (counts.packets, counts.packets));
    assert_eq!(counts.lost, 0);
}

#[test]
fn a_file_that_is_cut_or_damaged_is_read_as_far_as_it_goes() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &[key_after(200, 8), vec![0; 800]].concat());
    for form in [PCAP, Form { ng: true, ..PCAP }] {
        let file = wire.file(Link::Ethernet, form);
        let (report, read) = Capture::read(&file[..file.len() - 10]);
        assert_eq!(keys(&only(&report).presses), "8");
        assert_eq!(read, Err(CaptureError::Cut(report.frames)));
        assert_eq!(report.frames, 23);
    }
    let mut file = wire.file(Link::Ethernet, PCAP);
    let third = 24 + 2 * (16 + 14 + 28 + 172);
    file[third + 8..third + 12].copy_from_slice(&[0xff; 4]);
    let (report, read) = Capture::read(&file[..]);
    assert_eq!((read, report.frames), (Err(CaptureError::Damaged(2)), 2));
    let (_, read) = Capture::read(&b"MZ not a capture"[..]);
    assert_eq!(read, Err(CaptureError::NotACapture));
    assert!(!Capture::is_begun(b"MZ") && Capture::is_begun(&file));
}

#[test]
fn a_file_that_ends_in_its_header_is_a_capture_that_was_cut() {
    for (form, header) in [(PCAP, 24), (Form { ng: true, ..PCAP }, 28)] {
        let file = Wire::default().file(Link::Ethernet, form);
        for length in 4..header {
            let (_, read) = Capture::read(&file[..length]);
            assert_eq!(read, Err(CaptureError::Cut(0)), "{length}");
        }
        assert_eq!(Capture::read(&file[..header]).1, Ok(()));
        assert_eq!(Capture::read(&file[..3]).1, Err(CaptureError::NotACapture));
    }
    let said = CaptureError::Cut(0).to_string();
    assert!(said.contains("before its first packet"), "{said}");
}

#[test]
fn blocks_that_are_longer_than_any_frame_are_passed_over() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(100, 4));
    for big_endian in [false, true] {
        let word = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut file = wire.file(Link::Ethernet, Form { ng: true, big_endian, nanos: false });
        // Keys for TLS, of which editcap puts a whole log into one block, between the section's
        // header and its interfaces.
        let log = vec![b'k'; 3 << 20];
        let log = [&word(0x544c_534b)[..], &word(3 << 20), &log].concat();
        file.splice(28..28, block(word, 10, &log));
        assert_eq!(keys_of(&read(&file)), "4");
        // A length that nobody has memory for is damage.
        file[32..36].copy_from_slice(&word(0xffff_fff0));
        assert_eq!(Capture::read(&file[..]).1, Err(CaptureError::Damaged(0)));
    }
}

/// The blocks of a pcapng file, each as its type and its body.
fn blocks(file: &[u8], word: impl Fn([u8; 4]) -> u32) -> Vec<(u32, &[u8])> {
    let mut rest = file;
    let mut blocks = Vec::new();
    while let Some((kind, after)) = rest.split_first_chunk() {
        let length = usize::try_from(word(*after.first_chunk().unwrap())).unwrap();
        blocks.push((word(*kind), &rest[8..length - 4]));
        rest = &rest[length..];
    }
    blocks
}

#[test]
fn older_kinds_of_packets_are_read_and_private_blocks_are_passed_over() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(100, 4));
    for big_endian in [false, true] {
        let put = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
        let get =
            |b: [u8; 4]| if big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) };
        let file = wire.file(Link::Ethernet, Form { ng: true, big_endian, nanos: false });
        let rewritten = |kind: u32, body: &dyn Fn(&[u8]) -> Vec<u8>| -> Vec<u8> {
            let private = block(put, 0x4000_0bad, &put(32_473));
            let blocks = blocks(&file, get).into_iter().flat_map(|(old, old_body)| match old {
                6 => [block(put, kind, &body(old_body)), private.clone()].concat(),
                old => block(put, old, old_body),
            });
            blocks.collect()
        };
        // Interface 0, and 65,535 drops.
        let drops = [0, 0, 0xff, 0xff];
        let report = read(&rewritten(2, &|body| [&drops, &body[4..]].concat()));
        assert!(only(&report).presses == only(&read(&file)).presses);
        assert_eq!((keys_of(&report).as_str(), report.spoilt.untimed), ("4", 0));
        // A Simple Packet Block: the length that it had, and the frame.
        let report = read(&rewritten(3, &|body| body[16..].to_vec()));
        assert_eq!((keys_of(&report).as_str(), report.spoilt.untimed), ("4", report.frames));
    }
}

#[test]
fn frames_without_ip_are_counted() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &[0; 320]);
    let mut file = wire.file(Link::Ethernet, PCAP);
    // PPPoE's number in place of IP's.
    file[24 + 16 + 12..][..2].copy_from_slice(&[0x88, 0x64]);
    let report = read(&file);
    assert_eq!((report.frames, report.spoilt.not_ip), (2, 1));
}

#[test]
fn bits_beside_the_link_type_of_a_pcap_file_are_left_alone() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(100, 4));
    let mut file = wire.file(Link::Ethernet, PCAP);
    // Four octets of checksum at the end of each frame.
    file[23] = 0x24;
    assert_eq!(keys_of(&read(&file)), "4");
}

#[test]
fn a_capture_may_come_in_driblets() {
    struct Driblets<'a>(&'a [u8]);
    impl Read for Driblets<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.0.len()).min(7);
            let (given, rest) = self.0.split_at(length);
            buffer[..length].copy_from_slice(given);
            self.0 = rest;
            Ok(length)
        }
    }
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(100, 4));
    for form in [PCAP, Form { ng: true, ..PCAP }] {
        let file = wire.file(Link::Raw, form);
        let (report, read) = Capture::read(Driblets(&file));
        assert_eq!((keys_of(&report).as_str(), read), ("4", Ok(())));
    }
}

#[test]
fn packets_that_two_interfaces_captured_are_heard_once() {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(300, 7));
    event(&mut wire, (490_000, 65_530_u16.wrapping_add(24), 3_840), 5, 5);
    let (once, twice) =
        (read(&wire.file(Link::Cooked, PCAP)), read(&wire.twice().file(Link::Cooked, PCAP)));
    let (once, twice) = (only(&once), only(&twice));
    assert_eq!(keys(&twice.presses), "75");
    assert!(once.presses == twice.presses);
    assert_eq!((twice.started, twice.counts.packets), (once.started, once.counts.packets));
    let copies = once.counts.packets + 2 * once.counts.repeated;
    assert_eq!((twice.counts.lost, twice.counts.repeated), (0, copies));
}

#[test]
fn frames_at_another_place_than_their_time_are_told() {
    let mut late = Wire::default();
    let mut early = Wire::default();
    let silence = vec![0; 800];
    talk(&mut early, Codec::Pcmu, (phone(), bridge()), &silence);
    for at in [1_050_000, 1_070_000, 1_100_000] {
        late.udp(at, (phone(), bridge()), b"later");
    }
    let (late, early) = (late.file(Link::Raw, PCAP), early.file(Link::Raw, PCAP));
    assert_eq!(read(&[&early[..], &late[24..]].concat()).spoilt.out_of_order, 0);
    // Of five frames 20 ms apart all but the last are more than a second older.
    let spoilt = read(&[&late[..], &early[24..]].concat()).spoilt;
    assert_eq!(spoilt.out_of_order, 5);
    let near = [&late[..24], &late[24 + 16 + 33..], &early[24..]].concat();
    assert_eq!(read(&near).spoilt.out_of_order, 5);
}

#[test]
fn sip_over_tcp_is_told() {
    let mut wire = Wire::default();
    let segment = |payload: &[u8]| {
        let mut packet = ip(phone(), bridge(), &[&[0; 12][..], payload].concat());
        // Protocol TCP, a header of 20 octets in place of UDP's 8.
        packet[9] = 6;
        packet[20 + 12] = 0x50;
        packet
    };
    wire.packet(0, segment(b"INFO sip:b@x SIP/2.0\r\nCSeq: 1 INFO\r\n\r\n"));
    wire.packet(1, segment(b"GET / HTTP/1.1\r\n\r\n"));
    wire.packet(2, segment(b"SIP/2.0 200 OK\r\nCSeq: 1 INFO\r\n\r\n"));
    let report = read(&wire.file(Link::Ethernet, PCAP));
    assert_eq!((report.spoilt.sip_over_tcp, report.sip_messages), (2, 0));
}

#[test]
fn a_message_in_pieces_is_read_and_a_piece_that_is_alone_is_told() {
    let ends: (SocketAddr, SocketAddr) =
        ("[2001:db8::1]:5060".parse().unwrap(), "[2001:db8::2]:5060".parse().unwrap());
    let info = format!(
        "INFO sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
         To: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 9 INFO\r\nX-Long: {}\r\n\
         Content-Type: application/dtmf-relay\r\nContent-Length: 10\r\n\r\nSignal=9\r\n",
        "x".repeat(1_500)
    );
    let whole = ip(ends.0, ends.1, info.as_bytes());
    let (header, datagram) = whole.split_at(40);
    let piece = |index: usize| {
        let part = datagram.chunks(800).nth(index).unwrap();
        let more = u16::from((index + 1) * 800 < datagram.len());
        let place = u16::try_from(index * 800).unwrap() | more;
        let fragment = [&[17, 0][..], &place.to_be_bytes(), &[0, 0, 0, 77], part].concat();
        let mut packet = [header, &fragment].concat();
        packet[4..6].copy_from_slice(&u16::try_from(fragment.len()).unwrap().to_be_bytes());
        packet[6] = 44;
        packet
    };
    let mut wire = Wire::default();
    for (at, index) in [(5, 2), (3, 0), (4, 1)] {
        wire.packet(at, piece(index));
    }
    let report = read(&wire.file(Link::Vlan, PCAP));
    let [dialog] = &report.dialogs[..] else { panic!("{} dialogs", report.dialogs.len()) };
    assert_eq!((dialog.source, dialog.destination), ends);
    assert_eq!((keys(&dialog.presses).as_str(), report.spoilt.fragments), ("9", 0));
    let at = dialog.presses[0].at.unwrap().as_micros();
    assert_eq!(at, i64::try_from(START + 5).unwrap());

    let torn = read(&wire.without(&[1]).file(Link::Vlan, PCAP));
    assert_eq!((torn.dialogs.len(), torn.spoilt.fragments), (0, 2));
}

#[test]
fn what_only_looks_like_rtp_is_no_stream() {
    let mut wire = Wire::default();
    for n in 0..50_u16 {
        // A resolver's answers: the version bits fit, the numbers jump.
        let answer = rtp((1, false), (n.wrapping_mul(7_919), 1), &[0; 30]);
        wire.udp(u64::from(n) * 1_000, (phone(), bridge()), &answer);
        let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 1];
        wire.udp(u64::from(n) * 1_000, (phone(), bridge()), &receiver_report);
    }
    assert_eq!(read(&wire.file(Link::Raw, PCAP)).streams.len(), 0);
}

proptest! {
    #[test]
    fn any_damage_to_a_capture_is_survived(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ng: bool, cut: prop::sample::Index,
    ) {
        static WIRE: LazyLock<Wire> = LazyLock::new(|| {
            let mut wire = Wire::default();
            talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(20, 8)[..1_600]);
            event(&mut wire, (210_000, 65_530_u16.wrapping_add(15), 1_680), 9, 4);
            wire
        });
        let mut file = WIRE.file(Link::Ethernet, Form { ng, ..PCAP });
        for (at, value) in flips {
            let at = at.index(file.len());
            file[at] = value;
        }
        let (report, _) = Capture::read(&file[..cut.index(file.len())]);
        let packets: u64 = report.streams.iter().map(|stream| stream.counts.packets).sum();
        prop_assert!(packets <= report.frames);
    }
}
