//! Writes the seeds of the targets that read bytes: `cargo run -p partyline-fuzzing --example seeds`.
//!
//! To be run when a target's form of input changes. Text seeds are written by hand.

use std::fs;
use std::path::Path;

use partyline_cdr_record::{
    Actor, ConferenceRecord, Direction, FeatureCode, FeatureDetail, FeatureRecord, LegRecord,
    Origin, Outcome, Pattern, Quality, Record, Text, Tick, encode,
};
use partyline_dtmf::tone::Burst;
use partyline_model::{AccountId, ConferenceId, Time, Uuid, WallTime};

fn main() -> std::io::Result<()> {
    rtp()?;
    rtcp()?;
    events()?;
    tones()?;
    records()?;
    journal()?;
    conference()?;
    sounds()?;
    captures()
}

fn put(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

/// A step of the RTP targets: a wait, then what to do.
fn step(wait: u8, what: &[u8]) -> Vec<u8> {
    [&[wait], what].concat()
}

fn rtp() -> std::io::Result<()> {
    let header = |first: u8, second: u8| {
        let mut packet = vec![first, second, 0, 7, 0, 0, 0x16, 0, 0, 0, 0, 1];
        packet.extend([0x55; 160]);
        packet
    };
    let raw = |packet: &[u8]| [&[0, packet.len().to_le_bytes()[0], 0], packet].concat();
    let mut extension = header(0x90, 0);
    extension.splice(12..12, [0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
    let mut padded = header(0xa0, 0x80);
    padded.extend([0, 0, 3]);
    let mut sources = header(0x82, 0);
    sources.splice(12..12, [0, 0, 0, 9, 0, 0, 0, 8]);
    let other: Vec<u8> = [header(0x80, 0), extension, padded, sources, header(0x80, 8)]
        .iter()
        .flat_map(|packet| step(20, &raw(packet)))
        .collect();
    put("rtp_packet", "headers", &[vec![0], other].concat())?;

    let packet = |sequence: u8, timestamp: u16| {
        let [low, high] = timestamp.to_le_bytes();
        [&[2, 0, sequence, low, high, 160][..], &[0x9f; 160]].concat()
    };
    let stream: Vec<u8> = [(1, 160), (2, 320), (255, 65_376), (3, 640), (1, 160), (100, 16_000)]
        .into_iter()
        .flat_map(|(sequence, timestamp)| step(20, &packet(sequence, timestamp)))
        .collect();
    put("rtp_packet", "loss-and-reordering", &[vec![2], stream].concat())?;
    let talk: Vec<u8> = (0..40).flat_map(|n| step(20, &[3, n * 6])).collect();
    put("rtp_packet", "talk", &[vec![0x52], talk].concat())?;
    let stranger: Vec<u8> = (0..4)
        .flat_map(|n| {
            let packet = [0x80, 0, 0, n, 0, 0, 0, 160, 0, 0, 0, 5, 0x55, 0x55];
            step(20, &[&[1, 7, 14][..], &packet].concat())
        })
        .collect();
    put("rtp_packet", "stranger", &[vec![0], stranger].concat())
}

fn rtcp() -> std::io::Result<()> {
    let mut sender_report = vec![0x81, 200, 0, 12, 0, 0, 0, 1];
    sender_report.extend([0xe0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0x16, 0, 0, 0, 0, 9, 0, 0, 5, 0]);
    sender_report.extend([0, 0, 3, 0xe9, 12, 0, 0, 3, 0, 0, 0, 50, 0, 0, 0, 9]);
    sender_report.extend([0x12, 0x34, 0x56, 0x78, 0, 1, 0, 0]);
    let source = [0x81, 202, 0, 3, 0, 0, 0, 1, 1, 4, b'n', b'o', b'd', b'e', 0, 0];
    let bye = [0x81, 203, 0, 1, 0, 0, 0, 1];
    let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    let compound = [&sender_report[..], &source].concat();
    let last = [&receiver_report[..], &source, &bye].concat();
    for (name, options, channel) in [("own-port", 0, 2), ("shared-port", 1, 1)] {
        let sent: Vec<u8> = [&compound[..], &receiver_report, &last]
            .iter()
            .flat_map(|packet| {
                let length = packet.len().to_le_bytes()[0];
                [step(40, &[0, 0]), step(20, &[&[channel, length], *packet].concat())].concat()
            })
            .collect();
        put("rtcp", name, &[vec![options], sent].concat())?;
    }
    Ok(())
}

/// Packets of one press: key, sequence step, timestamp step, flags and volume, duration.
fn press(key: u8, new_timestamp: u8) -> Vec<u8> {
    let packet = |marker: u8, timestamp: u8, end: u8, duration: u8| {
        step(20, &[4, key | marker, 1, timestamp, end, duration, 0x40])
    };
    let mut packets = packet(0x80, new_timestamp, 0x0a, 0);
    for duration in 1..4 {
        packets.extend(packet(0, 0, 0x0a, duration));
    }
    for _ in 0..3 {
        packets.extend(packet(0, 0, 0x8a, 4));
    }
    packets
}

fn events() -> std::io::Result<()> {
    let code = [press(4, 9), press(8, 11), press(11, 13)].concat();
    put("telephone_event", "a-code", &[vec![0], code].concat())?;
    let info: Vec<u8> =
        [step(20, &[0, 5]), press(5, 1), step(40, &[0, 5]), step(60, &[3, 1])].concat();
    put("telephone_event", "info-and-event", &[vec![2], info].concat())?;
    let torn = [press(1, 1)[..18].to_vec(), press(2, 3)[7..].to_vec(), press(16, 5)].concat();
    put("telephone_event", "lost-ends", &[vec![0], torn].concat())
}

fn tones() -> std::io::Result<()> {
    // A burst: code, level, twist, frequency error, on, off, ramp.
    let burst = |code: u8, on: u8, off: u8| vec![0, code, 9, 16, 8, on, off, 2];
    let keys: Vec<u8> = (0..16).flat_map(|code| burst(code, 80, 80)).collect();
    put("dtmf", "every-key", &[vec![0, 40, 7], keys].concat())?;
    let gap = |samples: u16| [vec![1], samples.to_le_bytes().to_vec()].concat();
    for (name, rate, ms) in [("gaps", 0, 8), ("gaps-wideband", 1, 16), ("gaps-fullband", 2, 48)] {
        let held = [burst(5, 40, 0), gap(10 * ms), burst(5, 60, 60), gap(1000 * ms)].concat();
        put("dtmf", name, &[vec![rate, 100, 159], held, burst(10, 45, 45)].concat())?;
    }
    let weak =
        [burst(1, 20, 20), vec![0, 2, 40, 30, 15, 90, 40, 0], vec![3, 0xff, 0x7f, 200]].concat();
    put("dtmf", "no-keys", &[vec![0, 1, 1], weak, vec![2, 4, 1, 2, 3, 4]].concat())
}

fn records() -> std::io::Result<()> {
    let origin = Origin { node_id: 3, boot_id: Uuid(9) };
    let wall = WallTime::from_micros(1_795_000_000_000_000);
    let mut leg = LegRecord::open(origin, Uuid(1), 7, Direction::In, wall);
    leg.answered_at = Some(wall);
    leg.dnis = "18005550142".parse().ok();
    leg.dnis_raw = Text::new("sip:18005550142@bridge.example.com");
    leg.quality = Some(Quality { codec: Text::new("PCMU"), ptime_ms: 20, ..Quality::default() });
    let (account, conference) = (AccountId(5), ConferenceId(6));
    let mut session = ConferenceRecord::open(origin, Uuid(2), account, conference, wall);
    session.name = Text::new("Weekly");
    let feature = FeatureRecord {
        leg_id: Uuid(1),
        feature_seq: 2,
        conf_id: Some(Uuid(2)),
        conf_seq: 3,
        at: wall,
        mono_offset_ms: 4,
        code: FeatureCode::ALL[0],
        pattern: Pattern::new("*4"),
        outcome: Outcome::ALL[0],
        denied: None,
        target_leg: None,
        detail: FeatureDetail::Count(5),
        billable: true,
        actor: Actor::Leg,
        actor_id: None,
        role: None,
    };
    let tick = Tick {
        boot_id: Uuid(9),
        mono: Time::from_secs(1),
        wall,
        open_legs: 1,
        open_xor: Uuid(1),
        max_leg_seq: 7,
    };
    for (name, record) in [
        ("leg", Record::Leg(Box::new(leg))),
        ("conference", Record::Conference(Box::new(session))),
        ("feature", Record::Feature(Box::new(feature))),
        ("tick", Record::Tick(tick)),
    ] {
        let mut bytes = Vec::new();
        encode(&record, &mut bytes);
        put("cdr_record", name, &bytes)?;
    }
    Ok(())
}

fn journal() -> std::io::Result<()> {
    // mono, run, id, invited, sequence, revision, state, answered, joined, left, lengths.
    let leg = |id: u8, rev: u8, state: u8| {
        let mut bytes = vec![1, 9, 0, 0, 0, 1, id, 2, 7, 0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, rev, 0];
        bytes.extend([state, 2, 50, 0, 0, 0, 2, 60, 0, 0, 0, 0]);
        bytes.extend([0; 16]);
        bytes
    };
    let session = |state: u8| {
        let mut bytes = vec![3, 9, 0, 0, 0, 1, 3, 2, 7, 0, 0, 0, 0, 0, state];
        bytes.extend([0; 8]);
        bytes
    };
    let tick =
        [&[4, 50, 0, 0, 0, 1][..], &[0, 0x10, 0xa5, 0xd4, 0xe8, 0, 0, 0, 0], &[0; 12]].concat();
    let checkpoint = [5, 1, 0, 0, 0];
    let orphans =
        [&checkpoint[..], &leg(1, 0, 0), &leg(2, 0, 0), &leg(2, 1, 3), &session(0), &tick];
    put("cdr_journal", "orphans", &orphans.concat())?;
    let segments = [&leg(1, 0, 0)[..], &[0], &leg(1, 0, 1), &checkpoint, &[0], &leg(1, 1, 2)];
    put("cdr_journal", "segments", &segments.concat())?;
    let torn = [&checkpoint[..], &leg(4, 0, 1), &[8, 20], &[0], &leg(5, 0, 0), &[7, 3, 1, 2, 3]];
    put("cdr_journal", "torn", &torn.concat())?;
    let unknown =
        [&[6, 1, 9, 0, 0, 0, 4, 0, 1, 0, 9, 9][..], &[6, 7, 9, 0, 0, 0, 0, 0], &checkpoint];
    put("cdr_journal", "unknown", &unknown.concat())
}

fn conference() -> std::io::Result<()> {
    let join = |call: u8, role: u8| [1, call, role];
    let keys = |call: u8, which: u8| [3, call, which];
    let wait_ms = |ms: u16| [8, ms.to_le_bytes()[0], ms.to_le_bytes()[1]];
    let wait_s = |secs: u16| [9, secs.to_le_bytes()[0], secs.to_le_bytes()[1]];
    let talk = [
        join(0, 0),
        join(1, 1),
        join(2, 2),
        wait_s(5),
        keys(0, 1),
        wait_s(20),
        keys(1, 0),
        keys(0, 4),
        wait_s(10),
        keys(0, 1),
        keys(0, 5),
        wait_ms(900),
        [6, 1, 0],
        [6, 0, 0],
        wait_s(60),
    ];
    put("conference_inputs", "a-talk", &[&[0][..], &talk.concat()].concat())?;
    let dialled = [
        join(0, 0),
        wait_s(3),
        keys(0, 6),
        keys(0, 7),
        wait_s(2),
        keys(0, 2),
        [11, 3, 6],
        wait_s(4),
        [7, 6, 8],
        [0, 0, 8],
        wait_s(5),
        keys(0, 2),
        wait_s(9),
        keys(0, 9),
        [6, 6, 0],
        wait_s(30),
    ];
    put("conference_inputs", "dial-out", &[&[2][..], &dialled.concat()].concat())?;
    let disk = [
        join(0, 0),
        [10, 3, 10],
        [3, 0, 0],
        join(1, 1),
        wait_s(2),
        [13, 2, 1],
        [10, 4, 10],
        [0, 0, 0],
        join(2, 1),
        wait_s(400),
        [10, 2, 10],
        [0, 15, 3],
        wait_s(90),
        [6, 1, 4],
    ];
    put("conference_inputs", "a-bad-disk", &[&[5][..], &disk.concat()].concat())?;
    let hold = [join(3, 1), wait_s(600), join(4, 2), wait_s(3_000), [14, 1, 8], wait_s(3_900)];
    put("conference_inputs", "on-hold", &[&[1][..], &hold.concat()].concat())
}

/// A WAV file: format, channels, rate, bits, sound.
fn wav(tag: u8, channels: u8, rate: u32, bits: u8, sound: &[u8]) -> Vec<u8> {
    let format = [&[tag, 0, channels, 0][..], &rate.to_le_bytes(), &[0; 6], &[bits, 0]].concat();
    let size = u32::try_from(sound.len()).unwrap_or(0).to_le_bytes();
    let chunks = [b"WAVEfmt ", &[16, 0, 0, 0][..], &format, b"data", &size, sound].concat();
    let whole = u32::try_from(chunks.len()).unwrap_or(0).to_le_bytes();
    [b"RIFF", &whole[..], &chunks].concat()
}

fn sounds() -> std::io::Result<()> {
    let key = Burst { code: 5, on_ms: 60, off_ms: 60, ..Burst::default() };
    let pcm: Vec<u8> = key.samples().iter().flat_map(|sample| sample.to_le_bytes()).collect();
    put("wav_file", "mono", &wav(1, 1, 8_000, 16, &pcm))?;
    put("wav_file", "stereo-16k", &wav(1, 2, 16_000, 16, &pcm))?;
    put("wav_file", "a-law-44k", &wav(6, 1, 44_100, 8, &pcm))?;
    put("wav_file", "cut", &wav(3, 1, 48_000, 32, &pcm)[..900])
}

/// A frame of Ethernet with a datagram over IPv4 in it.
fn frame(payload: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(payload.len() + more).unwrap_or(0).to_be_bytes();
    let ip = [&[0x45, 0][..], &length(28), &[0, 0, 0x40, 0, 64, 17, 0, 0]].concat();
    let ends = [192, 0, 2, 1, 198, 51, 100, 7];
    let udp = [&[0x0f, 0xa0, 0x4e, 0x20][..], &length(8), &[0, 0]].concat();
    [&[2; 12][..], &[8, 0], &ip, &ends, &udp, payload].concat()
}

fn captures() -> std::io::Result<()> {
    let packet = |kind: u8, sequence: u8, timestamp: u16, payload: &[u8]| {
        let [high, low] = timestamp.to_be_bytes();
        let head = [0x80, kind, 0, sequence, 0, 0, high, low, 0, 0, 0, 1];
        frame(&[&head[..], payload].concat())
    };
    let info = "INFO sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
                To: <sip:b@x>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INFO\r\n\
                Content-Type: application/dtmf-relay\r\nContent-Length: 8\r\n\r\nSignal=5";
    let offer = "INVITE sip:b@x SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\
                 \r\nv=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 20000 RTP/AVP 0 101\r\n\
                 a=rtpmap:101 telephone-event/8000\r\n";
    let mut frames = vec![frame(offer.as_bytes())];
    frames.extend((0..4).map(|n| packet(0, n, u16::from(n) * 80, &[0xd5; 80])));
    frames.extend((4..8).map(|n| packet(101, n, 320, &[5, 0x0a | (n / 6) << 7, 0, n * 20])));
    frames.push(frame(info.as_bytes()));
    frames.extend((9..12).map(|n| packet(8, n, u16::from(n) * 80, &[0x2a; 80])));
    let size = |frame: &[u8]| u32::try_from(frame.len()).unwrap_or(0);
    let mut pcap = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    let mut ng = [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]
        .map(u32::to_be_bytes)
        .concat();
    ng[12..16].copy_from_slice(&[0, 1, 0, 0]);
    ng.extend([1, 20, 1 << 16, 65_535, 20].map(u32::to_be_bytes).concat());
    for (frame, number) in frames.iter().zip(0..) {
        pcap.extend(
            [1_795_000_000, number * 20_000, size(frame), size(frame)]
                .map(u32::to_le_bytes)
                .concat(),
        );
        pcap.extend(frame);
        let padding = vec![0; frame.len().wrapping_neg() % 4];
        let length = 32 + size(frame) + size(&padding);
        ng.extend(
            [6, length, 0, 0, number * 20_000, size(frame), size(frame)]
                .map(u32::to_be_bytes)
                .concat(),
        );
        ng.extend([&frame[..], &padding, &length.to_be_bytes()].concat());
    }
    put("packet_capture", "pcap", &pcap)?;
    put("packet_capture", "pcapng-big-endian", &ng)
}
