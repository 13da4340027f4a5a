//! The next stretch of a journal behind a position, past what is damaged.

use std::io;
use std::path::Path;

use partyline_model::{Uuid, WallTime};

use super::places::Gap;
use crate::journal::{
    Damage, Frames, Header, Identity, Payload, Piece, Pieces, Position, claimed_end, is_set_aside,
    length, list, read_from,
};

/// Bytes read at a time; one transaction each.
const CHUNK: u64 = 1 << 20;
/// Where the frame with a segment's identity ends.
const HEAD: u64 = 128;

/// What the bytes behind the last whole frame of the journal are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Somebody may be writing them at this moment.
    Live,
    /// Nobody writes: they are damaged, or torn by a crash.
    Final,
}

/// How far the journal is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The end of what is durable; the end of the files when there is none.
    pub(crate) durable: Option<Position>,
    pub(crate) tail: Tail,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Stretch {
    /// Bytes that begin with a whole frame, and where that is.
    Frames(Position, Vec<u8>),
    /// A damaged place, where reading goes on, and what it may have held.
    Damaged(Damage, Position, Harm),
    /// Segments that are missing, and where reading goes on.
    Missing(Gap, Position),
}

/// What a damaged place may have held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Harm {
    /// A start has set a copy aside.
    pub(crate) set_aside: bool,
    /// The place looks as the end of a write that a crash cut short: nothing acknowledged is lost.
    pub(crate) torn: bool,
}

/// The stretch behind `at`; `None` when there is nothing more.
pub(crate) fn next(dir: &Path, at: Position, limit: Limit) -> io::Result<Option<Stretch>> {
    let segments = list(dir)?;
    let newest = segments.last().copied().unwrap_or_default();
    let mut expected = at.segment.max(1);
    for segment in segments.into_iter().filter(|&segment| segment >= at.segment) {
        let end = match limit.durable {
            Some(durable) if segment > durable.segment => return Ok(None),
            Some(durable) if segment == durable.segment => durable.offset,
            Some(_) | None => u64::MAX,
        };
        if segment > expected {
            let gap = Gap { first: expected, count: u64::from(segment - expected) };
            return Ok(Some(Stretch::Missing(gap, Position { segment, offset: 0 })));
        }
        expected = segment.saturating_add(1);
        let is_same = segment == at.segment && at.offset > 0;
        let offset = if is_same { at.offset } else { head(dir, segment, end)? };
        let start = Position { segment, offset };
        let room = end.saturating_sub(offset);
        let bytes = read_from(dir, segment, offset, room.min(CHUNK))?;
        if offset > 0 && Frames::new(&bytes).next().is_some() {
            return Ok(Some(Stretch::Frames(start, bytes)));
        }
        if bytes.is_empty() {
            continue;
        }
        let bytes = read_from(dir, segment, offset, room)?;
        let pieces = if offset == 0 { Pieces::new(&bytes) } else { Pieces::from(&bytes, 0) };
        let Some(bad) = pieces.take(1).find_map(damaged) else { continue };
        let open_end = segment == newest && limit.durable.is_none() && limit.tail == Tail::Live;
        if bad == bytes.len() && open_end {
            return Ok(None);
        }
        let octets = u64::try_from(bad).unwrap_or(u64::MAX);
        let damage = Damage { segment, offset, octets };
        let behind = Position { segment, offset: offset.saturating_add(octets) };
        let torn = end == u64::MAX && bad == bytes.len() && is_torn(&bytes, offset);
        let harm = Harm { set_aside: is_set_aside(dir, segment, offset), torn };
        return Ok(Some(Stretch::Damaged(damage, behind, harm)));
    }
    Ok(None)
}

/// Whether the end of a segment, in which no good frame begins, can be that of a write that was cut
/// short: the beginning of a header or of a frame, or what a file system puts in its place.
fn is_torn(end: &[u8], offset: u64) -> bool {
    let cut_short = if offset == 0 {
        end.len() < Header::LEN
    } else {
        // A length that no frame has was not written so.
        end.len() < 4 || claimed_end(end, 0).is_some_and(|claimed| claimed > end.len())
    };
    cut_short || end.iter().all(|&octet| octet == 0)
}

fn damaged(piece: Piece<'_>) -> Option<usize> {
    match piece {
        Piece::Damage(place) => Some(place.end),
        Piece::Frame(_) => None,
    }
}

/// When `segment` or the newest one before it that says so was begun.
pub(crate) fn begun_before(dir: &Path, segment: u32) -> io::Result<Option<WallTime>> {
    let before = list(dir)?.into_iter().rev().filter(|&other| other <= segment);
    first_begun(dir, before)
}

/// When the next segment behind `segment` that says so was begun.
pub(crate) fn begun_behind(dir: &Path, segment: u32) -> io::Result<Option<WallTime>> {
    first_begun(dir, list(dir)?.into_iter().filter(|&other| other > segment))
}

fn first_begun(dir: &Path, segments: impl Iterator<Item = u32>) -> io::Result<Option<WallTime>> {
    for segment in segments {
        if let Some(header) = Header::parse(&read_from(dir, segment, 0, HEAD)?) {
            return Ok(Some(header.created));
        }
    }
    Ok(None)
}

/// Where the first frame of `segment` begins; 0 when its header is damaged.
fn head(dir: &Path, segment: u32, end: u64) -> io::Result<u64> {
    let header = read_from(dir, segment, 0, end.min(CHUNK))?;
    let length = u64::try_from(Header::LEN).unwrap_or_default();
    Ok(Header::parse(&header).map_or(0, |_| length))
}

/// Which journal lies in `dir`; `None` when it has no segment that says so.
///
/// The newest segment that names it counts. Segments of the format before do not: their journal is
/// the one that the run in the first header began.
pub(crate) fn identity(dir: &Path) -> io::Result<Option<Identity>> {
    let segments = list(dir)?;
    for &segment in segments.iter().rev() {
        let head = read_from(dir, segment, 0, HEAD)?;
        let first = Header::parse(&head).and_then(|_| Frames::new(&head[Header::LEN..]).next());
        if let Some(Payload::Identity(identity)) = first.map(|frame| frame.payload) {
            return Ok(Some(identity));
        }
    }
    for &segment in &segments {
        if let Some(header) = Header::parse(&read_from(dir, segment, 0, HEAD)?) {
            let journal = header.origin.boot_id;
            return Ok(Some(Identity { journal, folder: Uuid(0) }));
        }
    }
    Ok(None)
}

/// How many octets of `dir` lie between `from` and `to`; to the end of the files without `to`.
pub(crate) fn octets(dir: &Path, from: Position, to: Option<Position>) -> io::Result<u64> {
    let mut sum = 0_u64;
    for segment in list(dir)?.into_iter().filter(|&segment| segment >= from.segment) {
        let end = match to {
            Some(to) if segment > to.segment => break,
            Some(to) if segment == to.segment => to.offset,
            Some(_) | None => length(dir, segment)?,
        };
        let begin = if segment == from.segment { from.offset } else { 0 };
        sum = sum.saturating_add(end.saturating_sub(begin));
    }
    Ok(sum)
}

/// Whether `at` lies behind everything that `dir` holds, so that it is another journal's.
pub(crate) fn is_beyond(dir: &Path, at: Position) -> io::Result<bool> {
    let Some(newest) = list(dir)?.last().copied() else { return Ok(at != Position::default()) };
    Ok(at.segment > newest || at.segment == newest && at.offset > length(dir, newest)?)
}
