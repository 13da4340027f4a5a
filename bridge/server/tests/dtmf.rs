//! `partyline dtmf` by the built program: what operators read, and what programs read.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;
#[path = "../../capture/tests/common/mod.rs"]
mod fixture;

use std::fs;
use std::path::Path;

use common::{Bench, has_line};
use fixture::{Link, PCAP, WavForm, Wire, bridge, ip, key_after, pcm, phone, rtp, talk, wav};
use partyline_media::Codec;

const PLAIN: WavForm = WavForm { tag: 1, channels: 1, rate: 8_000, bits: 16 };

/// A WAV file in which `key` is pressed after so many milliseconds.
fn sound(bench: &Bench, name: &str, ms: usize, key: u8) {
    fs::write(bench.path(name), wav(PLAIN, &pcm(&key_after(ms, key)))).unwrap();
}

/// A call with a tone, an event without its end, and an INFO that was refused.
fn call() -> Wire {
    let mut wire = Wire::default();
    talk(&mut wire, Codec::Pcmu, (phone(), bridge()), &key_after(500, 5));
    let wire = &mut wire.without(&[5]);
    for n in 0..3_u8 {
        let packet = rtp((101, n == 0), (28 + u16::from(n), 16_000), &[7, 10, 0, 160 * (n / 2)]);
        wire.udp(800_000 + u64::from(n) * 20_000, (phone(), bridge()), &packet);
    }
    let head = "Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
                To: <sip:b@x>;tag=2\r\nCall-ID: one@x\r\nCSeq: 9 INFO\r\n";
    let info = format!(
        "INFO sip:b@x SIP/2.0\r\n{head}Content-Type: application/dtmf-relay\r\n\
         Content-Length: 24\r\n\r\nSignal=9\r\nDuration=160\r\n"
    );
    let refused = format!("SIP/2.0 415 No\r\n{head}Content-Length: 0\r\n\r\n");
    wire.udp(900_000, (phone(), bridge()), info.as_bytes());
    wire.udp(910_000, (bridge(), phone()), refused.as_bytes());
    wire.clone()
}

#[test]
fn a_sound_file_is_listed_and_no_data_folder_is_made() {
    let bench = Bench::bare();
    sound(&bench, "a call.wav", 300, 5);
    let listed = bench.run(&["dtmf", "a call.wav"]);
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    assert!(has_line(&listed.out, &["a call.wav: PCM 16 bit, 8000 Hz, mono"]), "{}", listed.out);
    assert!(has_line(&listed.out, &["5", "in-band", "0:00:00.", "-6", "+0"]), "{}", listed.out);
    assert!(!bench.data().exists());
}

#[test]
fn a_capture_is_listed_with_what_explains_a_complaint() {
    let bench = Bench::bare();
    fs::write(bench.path("call.pcap"), call().file(Link::Cooked, PCAP)).unwrap();
    let out = bench.ok(&["dtmf", "call.pcap", "--time-zone", "America/Toronto"]);
    let ends = "192.0.2.1:4000 -> 198.51.100.7:20000";
    assert!(
        has_line(&out, &["stream 1", ends, "1234abcd", "0 PCMU", "101 telephone-event"]),
        "{out}"
    );
    assert!(has_line(&out, &["2026-11-21 17:", "EST", "1 lost", "in 1 gap"]), "{out}");
    assert!(has_line(&out, &["5", "in-band", "0:00:00.", "-6"]), "{out}");
    assert!(has_line(&out, &["7", "RFC 4733", "0:00:00.800", "-10", "no end packet"]), "{out}");
    assert!(has_line(&out, &["SIP INFO", ends, "one@x"]), "{out}");
    assert!(has_line(&out, &["9", "INFO", "160", "refused with 415"]), "{out}");
}

#[test]
fn a_masked_listing_has_no_digit() {
    let bench = Bench::bare();
    fs::write(bench.path("call.pcap"), call().file(Link::Cooked, PCAP)).unwrap();
    let out = bench.ok(&["dtmf", "--mask", "call.pcap"]);
    let keys: Vec<&str> = out.lines().filter(|line| line.starts_with("  •  ")).collect();
    assert_eq!(keys.len(), 3, "{out}");
    let open = bench.ok(&["dtmf", "call.pcap"]);
    let masked = ["5", "7", "9"]
        .iter()
        .fold(open, |text, key| text.replace(&format!("\n  {key}  "), "\n  •  "));
    assert_eq!(out, masked);
}

#[test]
fn a_masked_listing_of_what_other_programs_captured_has_no_digit() {
    let bench = Bench::bare();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/captures");
    let keyed = fs::read_to_string(folder.join("keyed.tsv")).unwrap();
    let mut names: Vec<&str> = keyed.lines().map(|row| row.split('\t').next().unwrap()).collect();
    names.dedup();
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        let file = folder.join(name);
        let file = file.to_str().unwrap();
        let (open, masked) =
            (bench.run(&["dtmf", file]).out, bench.run(&["dtmf", "--mask", file]).out);
        let keys = keyed.lines().filter(|row| row.starts_with(&format!("{name}\t"))).count();
        let dots = masked.lines().filter(|line| line.starts_with("  •  ")).count();
        assert_eq!(dots, keys, "{masked}");
        let hidden = ["5", "7", "9"]
            .iter()
            .fold(open, |text, key| text.replace(&format!("\n  {key}  "), "\n  •  "));
        assert_eq!(masked, hidden);
    }
}

#[test]
fn what_was_not_read_of_a_capture_is_told_with_what_to_do() {
    let bench = Bench::bare();
    let mut wire = Wire::default();
    let mut segment = ip(phone(), bridge(), &[&[0; 12][..], b"ACK sip:b@x SIP/2.0\r\n"].concat());
    (segment[9], segment[32]) = (6, 0x50);
    wire.packet(0, segment);
    let info = "INFO sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
                To: <sip:b@x>;tag=2\r\nCall-ID: one@x\r\nCSeq: 9 INFO\r\n\
                Content-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n";
    wire.udp(2_000_000, (phone(), bridge()), info.as_bytes());
    let (late, early) = (wire.file(Link::Raw, PCAP), call().file_cut(Link::Raw, PCAP, 100));
    fs::write(bench.path("call.pcap"), [&late[..], &early[24..]].concat()).unwrap();
    let out = bench.ok(&["dtmf", "call.pcap"]);
    for says in [
        "cut short by the capture: tones and INFO may be missing; use tcpdump -s 0",
        "1 SIP message over TCP left out",
        "INFOs without a key that can be read",
        "out of order by over a second: first sort it, reordercap FILE NEW",
        "packets cut short: tones in them cannot be heard",
    ] {
        assert!(has_line(&out, &[says]), "{says}: {out}");
    }
}

#[test]
fn a_capture_in_which_nothing_was_found_says_what_its_frames_are_not() {
    let bench = Bench::bare();
    let call = call().file(Link::Ethernet, PCAP);
    fs::write(bench.path("call.pcap"), &call).unwrap();
    assert!(!bench.ok(&["dtmf", "call.pcap"]).contains("without IP"));
    let mut one = Wire::default();
    one.udp(0, (phone(), bridge()), b"x");
    let mut file = one.file(Link::Ethernet, PCAP);
    file[24 + 16 + 12..][..2].copy_from_slice(&[0x88, 0x64]);
    fs::write(bench.path("dsl.pcap"), &file).unwrap();
    let out = bench.ok(&["dtmf", "dsl.pcap"]);
    assert!(has_line(&out, &["1 frame without IP in it: PPPoE"]), "{out}");
    // Beside a call nobody wants to know.
    fs::write(bench.path("both.pcap"), [&call, &file[24..]].concat()).unwrap();
    assert!(!bench.ok(&["dtmf", "both.pcap"]).contains("without IP"));
}

#[test]
fn a_bad_file_is_told_and_the_others_are_listed() {
    let bench = Bench::bare();
    sound(&bench, "good.wav", 300, 5);
    let whole = wav(PLAIN, &pcm(&key_after(300, 6)));
    fs::write(bench.path("cut.wav"), &whole[..whole.len() - 100]).unwrap();
    let gsm = wav(WavForm { tag: 0x31, bits: 8, ..PLAIN }, &[0; 100]);
    fs::write(bench.path("gsm.wav"), gsm).unwrap();
    let capture = call().file(Link::Raw, PCAP);
    fs::write(bench.path("cut.pcap"), &capture[..capture.len() - 5]).unwrap();
    bench.file("text.wav", "no sound");
    bench.file("empty.wav", "");
    fs::write(bench.path("call.pcap.gz"), [0x1f, 0x8b, 8, 0]).unwrap();
    fs::write(bench.path("call.pcap.xz"), b"\xfd7zXZ\0\0").unwrap();
    fs::create_dir(bench.path("folder")).unwrap();
    let files = [
        "cut.wav",
        "gsm.wav",
        "cut.pcap",
        "text.wav",
        "empty.wav",
        "call.pcap.gz",
        "call.pcap.xz",
        "folder",
        "none",
    ];
    let run = bench.run(&[&["dtmf"][..], &files, &["good.wav"]].concat());
    assert_eq!(run.code, Some(1));
    for (file, says) in files.iter().zip([
        "100 octets of sound are missing",
        "GSM 06.10 and cannot be read; convert it",
        "ends within a packet",
        "neither a WAV file nor a packet capture",
        "is empty",
        "unpack it first (gunzip)",
        "unpack it first (unxz)",
        "is a directory; name the files in it",
        "there is no such file",
    ]) {
        assert!(has_line(&run.err, &[&format!("error: {file}: "), says]), "{file}: {}", run.err);
    }
    assert_eq!(run.err.lines().count(), files.len(), "{}", run.err);
    for key in ["  5    in-band", "  6    in-band", "  7    RFC 4733"] {
        assert!(has_line(&run.out, &[key]), "{key}: {}", run.out);
    }
}

#[test]
fn a_list_gives_programs_one_line_a_press_and_nothing_else() {
    let bench = Bench::bare();
    sound(&bench, "a b.wav", 300, 11);
    sound(&bench, "silent.wav", 300, 1);
    let silence = wav(PLAIN, &pcm(&[0; 8_000]));
    fs::write(bench.path("silent.wav"), silence).unwrap();
    let wide: Vec<i16> = key_after(200, 4).iter().flat_map(|&sample| [sample; 2]).collect();
    let form = WavForm { rate: 16_000, ..PLAIN };
    fs::write(bench.path("wide.wav"), wav(form, &pcm(&wide))).unwrap();
    let list = bench.file("list", "./a b.wav\nsilent.wav\n\nwide.wav\n");
    let run = bench.run(&["dtmf", "--list", list.to_str().unwrap()]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.out);
    for (line, (path, key, at)) in
        lines.iter().zip([("./a b.wav", "#", 300), ("wide.wav", "4", 200)])
    {
        let rest = line.strip_prefix(&format!("{path} {key} ")).unwrap();
        let (onset, told) = rest.split_once(' ').unwrap();
        let (onset, told): (u32, u32) = (onset.parse().unwrap(), told.parse().unwrap());
        assert!(onset.abs_diff(at) <= 8 && told.is_multiple_of(20), "{line}");
        assert!((at + 20..=at + 80).contains(&told), "{line}");
    }
}

#[test]
fn a_list_with_a_bad_name_says_so_and_goes_on() {
    let bench = Bench::bare();
    sound(&bench, "good.wav", 300, 2);
    fs::write(bench.path("call.pcap"), call().file(Link::Raw, PCAP)).unwrap();
    let list = bench.file("list", "none.wav\ncall.pcap\ngood.wav\n");
    let run = bench.run(&["dtmf", "--list", list.to_str().unwrap()]);
    assert_eq!((run.code, run.out.lines().count()), (Some(1), 1));
    assert!(run.out.starts_with("good.wav 2 "), "{}", run.out);
    assert!(has_line(&run.err, &["none.wav", "there is no such file"]), "{}", run.err);
    assert!(has_line(&run.err, &["call.pcap", "--list takes WAV files"]), "{}", run.err);
    assert!(bench.fails(&["dtmf", "--list", "nowhere"]).contains("nowhere cannot be read"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = Bench::bare();
    bench.misused(&["dtmf"]);
    bench.misused(&["dtmf", "--list", "a", "b.wav"]);
    let said = bench.misused(&["dtmf", "--time-zone", "Mars/X", "b.wav"]);
    assert!(said.contains("IANA name such as America/Toronto"), "{said}");
}
