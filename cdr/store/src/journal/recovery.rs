//! What a start finds: damaged places, and records that a crash left open.
//!
//! Recovery reads from the newest whole checkpoint on, past what is damaged; a copy of that is set
//! aside, and nothing of a segment is changed. Orphans are closed at the last sign of life of their
//! run, so that no customer pays for time in which the node may have been dead. Doing it twice, or
//! being interrupted, gives the same records.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_cdr_record::{
    CloseReason, ConferenceRecord, ConferenceState, DialogRecord, LegRecord, LegState, Record,
    ReleaseBy, TEMPORARY_FAILURE, Tick,
};
use partyline_model::{Uuid, WallTime};

use super::disk::Disk;
use super::frame::{Header, Identity, Payload};
use super::open::{Open, OpenSet};
use super::pieces::{Damage, Piece, Pieces};
use crate::JournalError;

/// A damaged place that a start found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is.
    pub damage: Damage,
    /// The file with a copy of it, below the journal's folder, or why there is none. The place
    /// itself stays as it is.
    pub copy: Result<String, String>,
}

/// What a start found and did.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Segments read.
    pub segments: u32,
    /// Whole frames read.
    pub frames: u64,
    /// Frames with a good checksum that this program cannot read.
    pub unknown: u64,
    /// Whole frames that stand behind a damaged place of their segment.
    pub behind_damage: u64,
    /// Segments that are missing though there are later ones: the first of each gap and how many.
    pub missing: Vec<(u32, u32)>,
    /// What was damaged. A torn end, as a crash in the middle of a write leaves it, looks the same.
    pub damaged: Vec<SetAside>,
    /// Legs closed as orphans, in their closed form.
    pub legs: Vec<LegRecord>,
    /// Sessions closed as orphans, in their closed form.
    pub conferences: Vec<ConferenceRecord>,
    /// Dialogs whose far ends may still be up and were not told. They come again at each start
    /// until [`DialogRecord::told`] of the leg is written.
    pub dialogs: Vec<DialogRecord>,
}

/// What the segments say.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) report: Recovered,
    pub(crate) last_segment: Option<u32>,
    pub(crate) identity: Option<Identity>,
    open: OpenSet,
    ticks: BTreeMap<Uuid, Tick>,
}

/// Reads from the newest whole checkpoint to the end.
pub(crate) fn scan(disk: &mut dyn Disk) -> Result<Scan, JournalError> {
    let segments = disk.segments().map_err(JournalError::io("read"))?;
    let mut scan = Scan { last_segment: segments.last().copied(), ..Scan::default() };
    let mut expected = 1;
    for &segment in &segments {
        if segment > expected {
            scan.report.missing.push((expected, segment - expected));
        }
        expected = segment.saturating_add(1);
    }
    let mut contents = Vec::new();
    for &segment in segments.iter().rev() {
        let bytes = disk.read(segment).map_err(JournalError::io("read"))?;
        let whole = has_checkpoint(&bytes);
        contents.push((segment, bytes));
        if whole {
            break;
        }
    }
    for (segment, bytes) in contents.iter().rev() {
        scan.read(disk, *segment, bytes)?;
    }
    if scan.identity.is_none() {
        scan.identity = first_run(disk, &segments)?;
    }
    Ok(scan)
}

/// Whether everything that was open when the segment was begun can be read in it.
fn has_checkpoint(bytes: &[u8]) -> bool {
    for piece in Pieces::new(bytes) {
        match piece {
            Piece::Frame(frame) if matches!(frame.payload, Payload::Checkpoint) => return true,
            Piece::Frame(_) => {}
            Piece::Damage(place) if place.end == Header::LEN => {}
            Piece::Damage(_) => return false,
        }
    }
    false
}

/// A journal of the format before identities is named by the run that began its first segment.
fn first_run(disk: &mut dyn Disk, segments: &[u32]) -> Result<Option<Identity>, JournalError> {
    for &segment in segments {
        let bytes = disk.read(segment).map_err(JournalError::io("read"))?;
        if let Some(header) = Header::parse(&bytes) {
            let journal = header.origin.boot_id;
            return Ok(Some(Identity { journal, folder: Uuid(0) }));
        }
    }
    Ok(None)
}

impl Scan {
    fn read(
        &mut self,
        disk: &mut dyn Disk,
        segment: u32,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        self.report.segments += 1;
        let mut damaged = false;
        for piece in Pieces::new(bytes) {
            let frame = match piece {
                Piece::Frame(frame) => frame,
                Piece::Damage(place) => {
                    damaged = true;
                    let offset = u64::try_from(place.start).unwrap_or(u64::MAX);
                    let bytes = &bytes[place];
                    let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    // A start on a full disk must not fail for want of a copy: the place stays.
                    let copy = disk.set_aside(segment, offset, bytes);
                    let copy = copy.map_err(|error| error.to_string());
                    let damage = Damage { segment, offset, octets };
                    self.report.damaged.push(SetAside { damage, copy });
                    continue;
                }
            };
            self.report.frames += 1;
            self.report.behind_damage += u64::from(damaged);
            match frame.payload {
                Payload::Record(Record::Tick(tick), _) => {
                    self.ticks.insert(tick.boot_id, tick);
                }
                Payload::Record(record, bytes) => self.open.note(&record, bytes, frame.mono),
                Payload::Checkpoint => {}
                Payload::Identity(identity) => self.identity = Some(identity),
                Payload::Unknown(_) => self.report.unknown += 1,
            }
        }
        // A frame read here may never have been synced: a process can die between write and sync.
        // What follows builds on it, so it must not vanish later.
        disk.sync(segment).map_err(JournalError::io("synced"))
    }

    /// Closes what is open, in the report, and returns the closing revisions and the dialogs that
    /// are left.
    pub(crate) fn close_orphans(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        for open in self.open.legs.values() {
            let leg = close_leg(open, self.ticks.get(&open.record.boot_id));
            self.report.legs.push(leg.clone());
            records.push(Record::Leg(Box::new(leg)));
        }
        for open in self.open.conferences.values() {
            let conference = close_conference(open, self.ticks.get(&open.record.boot_id));
            self.report.conferences.push(conference.clone());
            records.push(Record::Conference(Box::new(conference)));
        }
        for open in self.open.dialogs.values() {
            self.report.dialogs.push(open.record.clone());
            records.push(Record::Dialog(Box::new(open.record.clone())));
        }
        records
    }
}

fn close_leg(open: &Open<LegRecord>, tick: Option<&Tick>) -> LegRecord {
    let mut leg = open.record.clone();
    let lived = tick.map_or(Duration::ZERO, |tick| tick.mono.since(open.since));
    let ended = match leg.answered_at {
        Some(answered) => {
            leg.duration_ms = millis(lived);
            answered + Duration::from_millis(leg.duration_ms)
        }
        None => leg.invited_at + lived,
    };
    if let (Some(joined), None) = (leg.joined_at, leg.left_at) {
        leg.left_at = Some(ended.max(joined));
        let stay = ended.as_micros().saturating_sub(joined.as_micros()).max(0).unsigned_abs();
        leg.conf_ms = leg.conf_ms.saturating_add(stay / 1000).min(leg.duration_ms);
    }
    leg.rev = leg.rev.saturating_add(1);
    leg.state = LegState::OrphanClosed;
    leg.disconnected_at = Some(ended);
    leg.close_reason = Some(CloseReason::Crash);
    leg.release_by = Some(ReleaseBy::Recovery);
    leg.q850 = Some(TEMPORARY_FAILURE);
    leg
}

fn close_conference(open: &Open<ConferenceRecord>, tick: Option<&Tick>) -> ConferenceRecord {
    let mut conference = open.record.clone();
    conference.mono_ms = tick.map_or(0, |tick| millis(tick.mono.since(open.since)));
    let ended: WallTime = conference.started_at + Duration::from_millis(conference.mono_ms);
    conference.rev = conference.rev.saturating_add(1);
    conference.state = ConferenceState::OrphanClosed;
    conference.ended_at = Some(ended);
    conference.close_reason = Some(CloseReason::Crash);
    conference.ended_by = Some(ReleaseBy::Recovery);
    conference
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
