//! Captures that tcpdump, dumpcap and their companions wrote: `tests/golden/captures`.
//!
//! What must be found in them is what was keyed, with times and addresses as tshark tells them.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use partyline_capture::{Capture, CaptureError, Note, Press, Report, Source, Spoilt};

/// How far the detector may date a tone from where it began.
const TONE: u64 = 5_000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/captures")
}

fn read(name: &str) -> (Report, Result<(), CaptureError>) {
    Capture::read(&fs::read(folder().join(name)).unwrap()[..])
}

/// A key as it was keyed or as it was found: way, key, microseconds since 1970, legs.
#[derive(Debug, PartialEq)]
struct Key {
    way: Source,
    key: char,
    at: i64,
    legs: (SocketAddr, SocketAddr),
}

/// What was keyed in a capture.
fn keyed(name: &str) -> Vec<Key> {
    let rows = fs::read_to_string(folder().join("keyed.tsv")).unwrap();
    let rows = rows.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let key = |row: Vec<&str>| {
        let leg = |ip: &str, port: &str| {
            SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port.parse().unwrap())
        };
        let way = match row[1] {
            "in-band" => Source::InBand,
            "event" => Source::Event,
            way => {
                assert_eq!(way, "info");
                Source::Info
            }
        };
        let legs = (leg(row[4], row[5]), leg(row[6], row[7]));
        Key { way, key: row[2].parse().unwrap(), at: row[3].parse().unwrap(), legs }
    };
    rows.filter(|row| row[0] == name).map(key).collect()
}

/// What was found in it, by time.
fn found(report: &Report) -> Vec<Key> {
    let key = |press: &Press, legs| {
        let at = press.at.unwrap().as_micros();
        Key { way: press.source, key: press.digit.to_char(), at, legs }
    };
    let streams = report.streams.iter().flat_map(|stream| {
        stream.presses.iter().map(|press| key(press, (stream.source, stream.destination)))
    });
    let dialogs = report.dialogs.iter().flat_map(|dialog| {
        dialog.presses.iter().map(|press| key(press, (dialog.source, dialog.destination)))
    });
    let mut found: Vec<Key> = streams.chain(dialogs).collect();
    found.sort_by_key(|key| key.at);
    found
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let is_capture = |name: &String| name.contains(".pcap");
    let names: Vec<String> = names.filter(is_capture).collect();
    assert!(names.len() >= 13, "{names:?}");
    names
}

#[test]
fn every_key_is_found_once_with_its_time_its_way_and_its_leg() {
    for name in names() {
        let (keyed, found) = (keyed(&name), found(&read(&name).0));
        let keys = |keys: &[Key]| -> Vec<_> {
            keys.iter().map(|key| (key.way, key.key, key.legs)).collect()
        };
        assert!(!keyed.is_empty(), "{name}");
        assert_eq!(keys(&found), keys(&keyed), "{name}");
        for (found, keyed) in found.iter().zip(&keyed) {
            // tshark's times were rounded to microseconds.
            let off = if found.way == Source::InBand { TONE } else { 1 };
            assert!(found.at.abs_diff(keyed.at) <= off, "{name}: {found:?} {keyed:?}");
        }
    }
}

#[test]
fn every_capture_but_the_one_that_was_killed_is_read_to_its_end() {
    for name in names() {
        let (report, read) = read(&name);
        let cut = Err(CaptureError::Cut(report.frames));
        assert_eq!(read, if name == "killed.pcap" { cut } else { Ok(()) }, "{name}");
        let notes = report.streams.iter().flat_map(|stream| &stream.presses);
        let notes: Vec<&Note> = notes.flat_map(|press| &press.notes).collect();
        let held = [&Note::NoEnd];
        assert_eq!(notes, if name == "killed.pcap" { &held[..] } else { &[] }, "{name}");
        let lost: u64 = report.streams.iter().map(|stream| stream.counts.lost).sum();
        assert_eq!(lost, 0, "{name}");
        let cut = if name == "short.pcap" { 18 } else { 0 };
        assert_eq!(report.spoilt, Spoilt { cut, ..Spoilt::default() }, "{name}");
    }
}

#[test]
fn packets_that_two_interfaces_captured_are_repetitions() {
    for name in ["two-interfaces.pcapng", "merged.pcapng"] {
        let (report, _) = read(name);
        assert_eq!((report.frames, report.streams.len()), (56, 2), "{name}");
        // The event's last packet was sent three times.
        for (stream, packets, repeated) in
            [(&report.streams[0], 11, 11), (&report.streams[1], 8, 12)]
        {
            let counts = (stream.counts.packets, stream.counts.repeated);
            assert_eq!(counts, (packets, repeated), "{name}");
        }
    }
}
