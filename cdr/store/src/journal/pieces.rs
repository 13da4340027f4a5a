//! Reading a whole segment past what is damaged: good frames, and the places between them.
//!
//! A damaged frame whose length can still be believed is stepped over. Where it cannot, the next
//! byte is tried until a frame with a good checksum and a readable record begins. A text in a record
//! has no control characters, so that nobody can hide a frame in one: a frame's length has NULs.

use std::ops::Range;

use super::frame::{FRAME_HEAD, Frame, Frames, Header, MAX_PAYLOAD, Payload, is_known};

/// Octets of a segment that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The segment.
    pub segment: u32,
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub octets: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { segment, offset, octets } = self;
        write!(f, "segment {segment:08}.plj, offset {offset}: {octets} octets")
    }
}

/// What a segment consists of.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// A stretch that is none, counted from the segment's beginning.
    Damage(Range<usize>),
}

/// The pieces of one segment, header included, in order and without gaps.
#[derive(Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    headless: bool,
}

impl<'a> Pieces<'a> {
    /// The pieces of a whole segment. An empty one has none: it was never begun.
    pub fn new(bytes: &'a [u8]) -> Self {
        let headless = Header::parse(bytes).is_none();
        Self { bytes, at: if headless { 0 } else { Header::LEN }, headless }
    }

    /// The pieces from `at` on, where a frame was seen to begin.
    pub const fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, headless: false }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let from = self.at;
        if from >= self.bytes.len() {
            return None;
        }
        if !std::mem::take(&mut self.headless)
            && let Some(mut frame) = frame_at(self.bytes, from)
        {
            self.at = from + frame.end;
            frame.end = self.at;
            return Some(Piece::Frame(frame));
        }
        self.at = next_good(self.bytes, from);
        Some(Piece::Damage(from..self.at))
    }
}

fn frame_at(bytes: &[u8], at: usize) -> Option<Frame<'_>> {
    Frames::new(bytes.get(at..)?).next()
}

/// Where the next good frame begins behind a bad one at `bad`; the end where there is none.
fn next_good(bytes: &[u8], bad: usize) -> usize {
    // A damaged header, or a frame damaged anywhere but in its length.
    let claimed = if bad == 0 { Some(Header::LEN) } else { claimed_end(bytes, bad) };
    if let Some(next) = claimed
        && frame_at(bytes, next).is_some()
    {
        return next;
    }
    (bad + 1..bytes.len()).find(|&at| begins_frame(bytes, at)).unwrap_or(bytes.len())
}

/// The end that the frame at `at` claims to have; `None` when no frame is as long.
pub(crate) fn claimed_end(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..)?.first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (length <= MAX_PAYLOAD).then(|| at + FRAME_HEAD + length)
}

/// Whether a frame of a known kind begins here; the cheap questions first.
fn begins_frame(bytes: &[u8], at: usize) -> bool {
    let kind_known = bytes.get(at + 8).is_some_and(|&kind| is_known(kind));
    kind_known
        && claimed_end(bytes, at).is_some_and(|end| end <= bytes.len())
        && frame_at(bytes, at).is_some_and(|f| !matches!(f.payload, Payload::Unknown(_)))
}
