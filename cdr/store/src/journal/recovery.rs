//! What a start finds: torn tails to cut, and records that a crash left open.
//!
//! Recovery reads from the newest whole checkpoint on. Orphans are closed at the last sign of life
//! of their run, so that no customer pays for time in which the node may have been dead. Doing it
//! twice, or being interrupted, gives the same records.

use std::collections::BTreeMap;
use std::time::Duration;

use partyline_cdr_record::{
    CloseReason, ConferenceRecord, ConferenceState, LegRecord, LegState, Record, ReleaseBy,
    TEMPORARY_FAILURE, Tick,
};
use partyline_model::{Uuid, WallTime};

use super::disk::Disk;
use super::frame::{Frames, Header, Payload};
use super::open::{Open, OpenSet};
use crate::JournalError;

/// Bytes cut from the end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub segment: u32,
    /// How many bytes were torn or damaged.
    pub bytes: u64,
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
    /// What was cut.
    pub cuts: Vec<Cut>,
    /// Legs closed as orphans, in their closed form.
    pub legs: Vec<LegRecord>,
    /// Sessions closed as orphans, in their closed form.
    pub conferences: Vec<ConferenceRecord>,
}

/// What the segments say.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) report: Recovered,
    pub(crate) last_segment: Option<u32>,
    open: OpenSet,
    ticks: BTreeMap<Uuid, Tick>,
}

/// Reads from the newest whole checkpoint to the end and cuts what is torn.
pub(crate) fn scan(disk: &mut dyn Disk) -> Result<Scan, JournalError> {
    let segments = disk.segments().map_err(JournalError::io("read"))?;
    let mut scan = Scan { last_segment: segments.last().copied(), ..Scan::default() };
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
    Ok(scan)
}

fn has_checkpoint(bytes: &[u8]) -> bool {
    let Some(body) = body(bytes) else { return false };
    Frames::new(body).any(|frame| matches!(frame.payload, Payload::Checkpoint))
}

fn body(bytes: &[u8]) -> Option<&[u8]> {
    Header::parse(bytes)?;
    bytes.get(Header::LEN..)
}

impl Scan {
    fn read(
        &mut self,
        disk: &mut dyn Disk,
        segment: u32,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        self.report.segments += 1;
        let mut good = 0;
        if let Some(body) = body(bytes) {
            let mut frames = Frames::new(body);
            for frame in frames.by_ref() {
                self.report.frames += 1;
                match frame.payload {
                    Payload::Record(Record::Tick(tick), _) => {
                        self.ticks.insert(tick.boot_id, tick);
                    }
                    Payload::Record(record, bytes) => self.open.note(&record, bytes, frame.mono),
                    Payload::Checkpoint => {}
                    Payload::Unknown(_) => self.report.unknown += 1,
                }
            }
            good = Header::LEN + frames.consumed();
        }
        let torn = bytes.len() - good;
        if torn > 0 {
            let bytes = u64::try_from(torn).unwrap_or(u64::MAX);
            self.report.cuts.push(Cut { segment, bytes });
            let good = u64::try_from(good).unwrap_or(u64::MAX);
            disk.truncate(segment, good).map_err(JournalError::io("truncated"))?;
        } else {
            // A frame read here may never have been synced: a process can die between write and
            // sync. What follows builds on it, so it must not vanish later.
            disk.sync(segment).map_err(JournalError::io("synced"))?;
        }
        Ok(())
    }

    /// Closes what is open, in the report, and returns the closing revisions.
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
