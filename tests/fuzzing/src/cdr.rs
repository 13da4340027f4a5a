//! Call records: their bytes, and the journal that a start finds on its disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use partyline_cdr_record::{
    ConferenceRecord, Direction, LegRecord, LegState, Origin, Record, Tick, decode, encode,
};
use partyline_cdr_store::journal::{Disk, Frames, Header, Journal, JournalConfig, Piece, Pieces};
use partyline_model::{AccountId, ConferenceId, Time, Uuid, WallTime};

use crate::tape::Tape;

/// Reads `data` as a record; what was read is written the same way each time.
pub fn cdr_record(data: &[u8]) {
    let Ok(record) = decode(data) else { return };
    let bytes = bytes_of(&record);
    let again = decode(&bytes).expect("a written record reads back");
    assert_eq!(bytes_of(&again), bytes);
    match (&record, &again) {
        // Writing leaves out what could tell of a secret.
        (Record::Feature(read), Record::Feature(again)) => assert_eq!(again.code, read.code),
        _ => assert_eq!(again, record),
    }
}

/// Recovers from the segments that `data` describes, twice, and goes on writing.
pub fn cdr_journal(data: &[u8]) {
    let segments = segments(data);
    for bytes in segments.values() {
        frames(bytes);
    }
    let disk = Memory(Arc::new(Mutex::new(segments)));
    let boot = |boot_id| JournalConfig::new(Origin { node_id: 1, boot_id: Uuid(boot_id) });
    let (mono, wall) = (Time::from_secs(1), WallTime::from_micros(1_795_000_000_000_000));
    let (_, first) = Journal::open(Box::new(disk.clone()), boot(1 << 64), mono, wall)
        .expect("a start survives what is on a disk that works");
    let closed = first.legs.iter().all(LegRecord::is_closed)
        && first.conferences.iter().all(ConferenceRecord::is_closed);
    assert!(closed, "an orphan is left open");

    let (mut journal, second) = Journal::open(Box::new(disk.clone()), boot(2 << 64), mono, wall)
        .expect("a second start survives what the first has written");
    assert!(second.damaged.is_empty() && second.unknown == 0, "{second:?}");
    assert!(second.legs.is_empty() && second.conferences.is_empty(), "closed twice: {second:?}");

    let origin = Origin { node_id: 1, boot_id: Uuid(2 << 64) };
    let leg = LegRecord::open(origin, Uuid(5), 1, Direction::In, wall);
    let record = Record::Leg(Box::new(leg));
    journal.append([&record].into_iter(), mono, wall).expect("writing goes on");
    disk.with(|segments| {
        let (_, last) = segments.last_key_value().expect("a journal has a segment");
        let mut read = Frames::new(&last[Header::LEN..]);
        assert!(read.by_ref().count() >= 2, "the checkpoint and the leg");
        assert_eq!(read.consumed(), last.len() - Header::LEN, "nothing torn");
    });
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

/// Frames follow each other to the first that is damaged, and never beyond the end.
fn frames(bytes: &[u8]) {
    let mut read = Frames::new(bytes);
    let mut end = 0;
    for frame in read.by_ref() {
        assert!(frame.end > end && frame.end <= bytes.len());
        end = frame.end;
    }
    assert_eq!(read.consumed(), end);
    let mut end = 0;
    for piece in Pieces::new(bytes) {
        let (from, to) = match piece {
            // A frame does not say where it began.
            Piece::Frame(frame) => (end, frame.end),
            Piece::Damage(place) => {
                let is_next = place.start == end || end == 0 && place.start == Header::LEN;
                assert!(is_next, "a gap before {place:?}");
                (place.start, place.end)
            }
        };
        assert!(to > from && to <= bytes.len());
        end = to;
    }
    assert!(end == bytes.len() || end == 0 && bytes.len() == Header::LEN);
    assert!(Header::parse(bytes).is_none() || bytes.starts_with(b"PLJRNL"));
}

/// A disk that works.
#[derive(Clone)]
struct Memory(Arc<Mutex<BTreeMap<u32, Vec<u8>>>>);

impl Memory {
    fn with<R>(&self, use_it: impl FnOnce(&mut BTreeMap<u32, Vec<u8>>) -> R) -> R {
        use_it(&mut self.0.lock().expect("nothing panics while it holds the disk"))
    }

    fn segment<R>(&self, number: u32, use_it: impl FnOnce(&mut Vec<u8>) -> R) -> io::Result<R> {
        let absent = io::Error::from(io::ErrorKind::NotFound);
        self.with(|segments| segments.get_mut(&number).map(use_it)).ok_or(absent)
    }
}

impl Disk for Memory {
    fn segments(&mut self) -> io::Result<Vec<u32>> {
        Ok(self.with(|segments| segments.keys().copied().collect()))
    }

    fn read(&mut self, segment: u32) -> io::Result<Vec<u8>> {
        self.segment(segment, |bytes| bytes.clone())
    }

    fn create(&mut self, segment: u32) -> io::Result<()> {
        self.with(|segments| segments.insert(segment, Vec::new()));
        Ok(())
    }

    fn append(&mut self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        self.segment(segment, |held| held.extend_from_slice(bytes))
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        self.segment(segment, |_| ())
    }

    fn truncate(&mut self, segment: u32, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.segment(segment, |bytes| bytes.truncate(len))
    }

    fn set_aside(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<String> {
        let found = self.segment(segment, |held| {
            let from = usize::try_from(offset).map_or(&[][..], |from| &held[from..]);
            from.starts_with(bytes)
        })?;
        assert!(found, "a copy is of what lies there");
        Ok(String::new())
    }
}

/// Writes segments as `data` says: whole frames, frames of anything, and bytes that are no frame.
fn segments(data: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut tape = Tape::new(data);
    let mut segments = vec![header()];
    while !tape.is_at_end() {
        let full = segments.len() == 8;
        let segment = segments.last_mut().expect("there is one from the start");
        match tape.byte() % 9 {
            0 if full => {}
            0 => segments.push(header()),
            1 | 2 => put_record(segment, &mut tape, leg),
            3 => put_record(segment, &mut tape, conference),
            4 => put_record(segment, &mut tape, tick),
            5 => put(segment, 2, tape.u32(), &[]),
            6 => {
                let (kind, mono) = (tape.byte(), tape.u32());
                put(segment, kind, mono, tape.long_chunk());
            }
            7 => segment.extend_from_slice(tape.chunk()),
            _ => {
                let length = segment.len().saturating_sub(usize::from(tape.byte()));
                segment.truncate(length);
            }
        }
    }
    (1..).zip(segments).collect()
}

/// The head of a segment, written from its description and not by the code under test.
fn header() -> Vec<u8> {
    let mut bytes = b"PLJRNL\r\n\x01\x00".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(9_u128.to_le_bytes());
    bytes.extend(1_790_000_000_000_000_i64.to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    assert!(Header::parse(&bytes).is_some(), "the form of a header has changed");
    bytes
}

fn put_record(segment: &mut Vec<u8>, tape: &mut Tape<'_>, make: fn(&mut Tape<'_>) -> Record) {
    let mono = tape.u32();
    put(segment, 1, mono, &bytes_of(&make(tape)));
}

/// A frame with a good checksum.
fn put(segment: &mut Vec<u8>, kind: u8, mono_ms: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("two bytes gave its length").to_le_bytes();
    let mut rest = vec![kind];
    rest.extend(Time::from_millis(mono_ms.into()).as_nanos().to_le_bytes());
    rest.extend_from_slice(payload);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(&rest);
    segment.extend(length);
    segment.extend(crc.finalize().to_le_bytes());
    segment.extend(rest);
}

/// One of four runs and few ids, so that records meet.
fn origin(tape: &mut Tape<'_>) -> Origin {
    Origin { node_id: 1, boot_id: Uuid((tape.byte() % 4).into()) }
}

fn wall(tape: &mut Tape<'_>) -> Option<WallTime> {
    match tape.byte() % 4 {
        0 => None,
        1 => Some(WallTime::from_micros(i64::from_le_bytes(tape.u64().to_le_bytes()))),
        _ => Some(WallTime::from_micros(1_795_000_000_000_000 + i64::from(tape.u32()))),
    }
}

fn leg(tape: &mut Tape<'_>) -> Record {
    let (origin, id) = (origin(tape), Uuid((tape.byte() % 8).into()));
    let invited_at = wall(tape).unwrap_or_default();
    let mut leg = LegRecord::open(origin, id, tape.u64(), Direction::In, invited_at);
    leg.rev = tape.u16();
    leg.state = LegState::ALL[usize::from(tape.byte()) % LegState::ALL.len()];
    leg.answered_at = wall(tape);
    leg.joined_at = wall(tape);
    leg.left_at = wall(tape);
    (leg.duration_ms, leg.conf_ms) = (tape.u64(), tape.u64());
    Record::Leg(Box::new(leg))
}

fn conference(tape: &mut Tape<'_>) -> Record {
    let (origin, id) = (origin(tape), Uuid((tape.byte() % 8).into()));
    let began = wall(tape).unwrap_or_default();
    let (account, conference) = (AccountId(1), ConferenceId(1));
    let mut record = ConferenceRecord::open(origin, id, account, conference, began);
    record.rev = tape.u16();
    let states = partyline_cdr_record::ConferenceState::ALL;
    record.state = states[usize::from(tape.byte()) % states.len()];
    record.mono_ms = tape.u64();
    Record::Conference(Box::new(record))
}

fn tick(tape: &mut Tape<'_>) -> Record {
    Record::Tick(Tick {
        boot_id: origin(tape).boot_id,
        mono: Time::from_nanos(tape.u64()),
        wall: wall(tape).unwrap_or_default(),
        open_legs: tape.u32(),
        open_xor: Uuid(0),
        max_leg_seq: tape.u64(),
    })
}
