//! The bytes of a segment: one header, then frames.
//!
//! All integers are little-endian. A frame is `len u32, crc u32, kind u8, mono u64, payload`, where
//! `len` is that of the payload and the CRC covers everything but itself. `mono` is the writer's
//! monotonic clock when the record was first written, so that recovery can measure a leg although
//! the wall clock was set in between.

use partyline_cdr_record::{Origin, Record, decode};
use partyline_model::{Time, Uuid, WallTime};

const MAGIC: [u8; 8] = *b"PLJRNL\r\n";
const VERSION: u16 = 1;
pub(crate) const FRAME_HEAD: usize = 17;
/// A leg is 300 bytes; whatever claims to be larger than this is not a frame.
pub(crate) const MAX_PAYLOAD: usize = 64 * 1024;

const RECORD: u8 = 1;
const CHECKPOINT: u8 = 2;
const IDENTITY: u8 = 3;

/// Whether this program writes frames of this kind.
pub(crate) const fn is_known(kind: u8) -> bool {
    matches!(kind, RECORD | CHECKPOINT | IDENTITY)
}

/// Which journal of which data folder a segment belongs to: the first frame of every segment that
/// was begun since data folders have an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The journal: the run that began its first segment.
    pub journal: Uuid,
    /// The data folder; zero where the writer knew none.
    pub folder: Uuid,
}

/// A place in the journal; everything before it is durable, or ingested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment.
    pub segment: u32,
    /// The byte in it.
    pub offset: u64,
}

/// How a segment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who writes it.
    pub origin: Origin,
    /// When it was begun.
    pub created: WallTime,
}

impl Header {
    /// The length of the header in bytes.
    pub const LEN: usize = 42;

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.origin.node_id.to_le_bytes());
        out.extend_from_slice(&self.origin.boot_id.0.to_le_bytes());
        out.extend_from_slice(&self.created.as_micros().to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header; `None` when these bytes do not begin with one of this version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_at_checked(Self::LEN)?;
        let (body, crc) = head.split_at(Self::LEN - 4);
        if body[..8] != MAGIC
            || body[8..10] != VERSION.to_le_bytes()
            || crc != crc32fast::hash(body).to_le_bytes()
        {
            return None;
        }
        Some(Self {
            origin: Origin {
                node_id: u32::from_le_bytes(body[10..14].try_into().ok()?),
                boot_id: Uuid(u128::from_le_bytes(body[14..30].try_into().ok()?)),
            },
            created: WallTime::from_micros(i64::from_le_bytes(body[30..38].try_into().ok()?)),
        })
    }
}

/// One whole frame with a good checksum.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The writer's monotonic clock when the record was first written.
    pub mono: Time,
    /// What it holds.
    pub payload: Payload<'a>,
    /// Where the next frame begins, counted from where reading began.
    pub end: usize,
}

/// What a frame holds.
#[derive(Debug)]
pub enum Payload<'a> {
    /// A record and its bytes.
    Record(Record, &'a [u8]),
    /// Everything that was open when this segment was begun stands before this mark.
    Checkpoint,
    /// Which journal this is.
    Identity(Identity),
    /// A record of a kind or form that this program does not know; kept, and skipped.
    Unknown(&'a [u8]),
}

/// Reads frames until the first that is torn or damaged.
#[derive(Debug)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// Frames in `bytes`, which begin with one (not with a segment's header).
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes whole frames have taken so far.
    pub const fn consumed(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (head, body) = self.bytes.get(self.at..)?.split_first_chunk::<FRAME_HEAD>()?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind, mono @ ..] = *head;
        let length = [l0, l1, l2, l3];
        let len = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let payload = body.get(..len).filter(|_| len <= MAX_PAYLOAD)?;
        if checksum(length, kind, mono, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return None;
        }
        self.at += FRAME_HEAD + len;
        let payload = match kind {
            RECORD => match decode(payload) {
                Ok(record) => Payload::Record(record, payload),
                Err(_) => Payload::Unknown(payload),
            },
            CHECKPOINT => Payload::Checkpoint,
            IDENTITY => identity(payload).map_or(Payload::Unknown(payload), Payload::Identity),
            _ => Payload::Unknown(payload),
        };
        Some(Frame { mono: Time::from_nanos(u64::from_le_bytes(mono)), payload, end: self.at })
    }
}

fn identity(payload: &[u8]) -> Option<Identity> {
    let (journal, rest) = payload.split_first_chunk()?;
    let folder = rest.first_chunk()?;
    let id = |bytes: &[u8; 16]| Uuid(u128::from_be_bytes(*bytes));
    Some(Identity { journal: id(journal), folder: id(folder) })
}

/// Appends the frame that names the journal.
pub(crate) fn put_identity(out: &mut Vec<u8>, mono: Time, identity: Identity) {
    let mut payload = identity.journal.0.to_be_bytes().to_vec();
    payload.extend_from_slice(&identity.folder.0.to_be_bytes());
    put(out, IDENTITY, mono, &payload);
}

/// Appends a frame that holds `payload`, an encoded record; `false` when it is too large.
pub(crate) fn put_record(out: &mut Vec<u8>, mono: Time, payload: &[u8]) -> bool {
    put(out, RECORD, mono, payload)
}

/// Appends the mark of a whole checkpoint.
pub(crate) fn put_checkpoint(out: &mut Vec<u8>, mono: Time) -> bool {
    put(out, CHECKPOINT, mono, &[])
}

fn put(out: &mut Vec<u8>, kind: u8, mono: Time, payload: &[u8]) -> bool {
    let Some(len) = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD)
    else {
        return false;
    };
    let (len, mono) = (len.to_le_bytes(), mono.as_nanos().to_le_bytes());
    out.extend_from_slice(&len);
    out.extend_from_slice(&checksum(len, kind, mono, payload).to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&mono);
    out.extend_from_slice(payload);
    true
}

fn checksum(len: [u8; 4], kind: u8, mono: [u8; 8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&len);
    crc.update(&[kind]);
    crc.update(&mono);
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_a_damaged_one_does_not() {
        let origin = Origin { node_id: 7, boot_id: Uuid(9) };
        let header = Header { origin, created: WallTime::from_micros(-5) };
        let bytes = header.to_bytes();
        assert_eq!(bytes.len(), Header::LEN);
        assert_eq!(Header::parse(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert_eq!(Header::parse(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn a_damaged_byte_ends_the_reading_before_it() {
        let mut bytes = Vec::new();
        assert!(put_checkpoint(&mut bytes, Time::from_secs(1)));
        let first = bytes.len();
        assert!(put_checkpoint(&mut bytes, Time::from_secs(2)));
        for at in first..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x01;
            let mut frames = Frames::new(&bad);
            assert_eq!(frames.by_ref().count(), 1, "byte {at}");
            assert_eq!(frames.consumed(), first);
        }
    }

    #[test]
    fn zeroes_are_no_frame() {
        assert_eq!(Frames::new(&[0; 64]).count(), 0);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        assert!(!put_record(&mut Vec::new(), Time::ZERO, &vec![0; MAX_PAYLOAD + 1]));
    }
}
