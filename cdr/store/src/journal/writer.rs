//! The one that appends: groups of records, one sync for each group, and repair after a failure.
//!
//! It has neither thread nor clock; [`super::JournalThread`] lends it both.

use partyline_cdr_record::{Origin, Record, encode};
use partyline_model::{Time, Uuid, WallTime};

use super::disk::Disk;
use super::frame::{Header, Identity, Position, put_checkpoint, put_identity, put_record};
use super::open::OpenSet;
use super::recovery::{self, Recovered};
use crate::JournalError;

/// How the journal is kept.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// Who writes.
    pub origin: Origin,
    /// A segment is left when it has grown beyond this, in bytes.
    pub segment_bytes: u64,
    /// The data folder that the journal belongs to; zero where there is none to be named.
    pub folder: Uuid,
}

impl JournalConfig {
    /// Segments of 64 MiB, of no data folder.
    pub const fn new(origin: Origin) -> Self {
        Self { origin, segment_bytes: 64 << 20, folder: Uuid(0) }
    }

    /// The same, of the data folder with this identity.
    #[must_use]
    pub const fn of(self, folder: Uuid) -> Self {
        Self { folder, ..self }
    }
}

/// What stands between the writer and its next append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    None,
    /// The segment may have a torn tail behind the durable end.
    Tail,
    /// A sync failed: what the file holds behind the durable end is unknown and stays so, because
    /// the system may report a failed write only once. The segment must be left.
    Sync,
}

/// The journal of one node, open for appending.
pub struct Journal {
    disk: Box<dyn Disk>,
    config: JournalConfig,
    identity: Identity,
    end: Position,
    repair: Repair,
    /// The size of the largest write that failed since one as large was made; zero when none has.
    wanted: usize,
    open: OpenSet,
}

impl Journal {
    /// Recovers what is on `disk`, closes orphans and begins a segment of this run.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] when the segments are another data folder's; [`JournalError`] when the disk does not let it; nothing is lost, and it may be tried again.
    pub fn open(
        mut disk: Box<dyn Disk>,
        config: JournalConfig,
        mono: Time,
        wall: WallTime,
    ) -> Result<(Self, Recovered), JournalError> {
        let mut scan = recovery::scan(&mut *disk)?;
        let closed = scan.close_orphans();
        let segment = match scan.last_segment {
            None => 1,
            Some(last) => last.checked_add(1).ok_or(JournalError::Exhausted)?,
        };
        let folder = config.folder;
        let identity = match scan.identity {
            Some(found) if found.folder != folder && found.folder.0 != 0 && folder.0 != 0 => {
                return Err(JournalError::Foreign { found: found.folder, expected: folder });
            }
            Some(found) => {
                Identity { folder: if folder.0 == 0 { found.folder } else { folder }, ..found }
            }
            None => Identity { journal: config.origin.boot_id, folder },
        };
        let end = Position { segment, offset: 0 };
        let open = OpenSet::default();
        let mut journal =
            Self { disk, config, identity, end, repair: Repair::None, wanted: 0, open };
        let mut bytes = Vec::new();
        for record in &closed {
            let encoded = journal.put(&mut bytes, mono, record)?;
            // Orphans are no legs of this run; their dialogs go on until their far ends are told.
            if let Record::Dialog(_) = record {
                journal.open.note(record, &encoded, mono);
            }
        }
        journal.begin(segment, &bytes, mono, wall)?;
        Ok((journal, scan.report))
    }

    /// The end of what is durable.
    pub const fn end(&self) -> Position {
        self.end
    }

    /// How many legs are open.
    pub fn open_legs(&self) -> usize {
        self.open.legs.len()
    }

    /// Whether a write of the size that failed last has not succeeded since: less may fit.
    pub const fn is_short(&self) -> bool {
        self.wanted > 0
    }

    /// Appends `records` and syncs once. When it returns `Ok`, all of them are durable; after an
    /// error none counts, and a later call repairs the segment before it appends.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the disk is full or broken.
    pub fn append<'r>(
        &mut self,
        records: impl Iterator<Item = &'r Record>,
        mono: Time,
        wall: WallTime,
    ) -> Result<(), JournalError> {
        self.repair(mono, wall)?;
        if self.end.offset >= self.config.segment_bytes {
            self.next_segment(mono, wall)?;
        }
        let mut bytes = Vec::new();
        let mut noted = Vec::new();
        for record in records {
            noted.push((record, self.put(&mut bytes, mono, record)?));
        }
        let written = self.write(&bytes);
        self.wanted = match (&written, self.wanted) {
            (Ok(()), wanted) if bytes.len() >= wanted => 0,
            (Ok(()), wanted) => wanted,
            (Err(_), wanted) => wanted.max(bytes.len()),
        };
        written?;
        for (record, encoded) in noted {
            self.open.note(record, &encoded, mono);
        }
        Ok(())
    }

    /// Appends a sign of life; after a failure so many that what failed would fit.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn tick(&mut self, mono: Time, wall: WallTime) -> Result<(), JournalError> {
        let tick = Record::Tick(self.open.tick(self.config.origin.boot_id, mono, wall));
        let one = self.put(&mut Vec::new(), mono, &tick)?.len().max(1);
        let count = 1 + self.wanted.div_ceil(one);
        self.append(std::iter::repeat_n(&tick, count), mono, wall)
    }

    fn put(&self, out: &mut Vec<u8>, mono: Time, record: &Record) -> Result<Vec<u8>, JournalError> {
        let mut encoded = Vec::new();
        encode(record, &mut encoded);
        if !put_record(out, mono, &encoded) {
            return Err(JournalError::TooLarge(encoded.len()));
        }
        Ok(encoded)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let segment = self.end.segment;
        self.repair = Repair::Tail;
        self.disk.append(segment, bytes).map_err(JournalError::io("written"))?;
        self.repair = Repair::Sync;
        self.disk.sync(segment).map_err(JournalError::io("synced"))?;
        self.repair = Repair::None;
        self.end.offset += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn repair(&mut self, mono: Time, wall: WallTime) -> Result<(), JournalError> {
        let repair = self.repair;
        if repair == Repair::None {
            return Ok(());
        }
        let truncated = self.disk.truncate(self.end.segment, self.end.offset);
        truncated.map_err(JournalError::io("truncated"))?;
        if repair == Repair::Sync {
            self.next_segment(mono, wall)?;
        }
        self.repair = Repair::None;
        Ok(())
    }

    /// Begins the next segment with everything that is open.
    fn next_segment(&mut self, mono: Time, wall: WallTime) -> Result<(), JournalError> {
        let next = self.end.segment.checked_add(1).ok_or(JournalError::Exhausted)?;
        let mut bytes = Vec::new();
        for (since, record) in self.open.carried() {
            put_record(&mut bytes, since, record);
        }
        // The sign of life goes along: without it a crash right after would find none.
        let tick = Record::Tick(self.open.tick(self.config.origin.boot_id, mono, wall));
        self.put(&mut bytes, mono, &tick)?;
        self.begin(next, &bytes, mono, wall)
    }

    fn begin(
        &mut self,
        segment: u32,
        carried: &[u8],
        mono: Time,
        wall: WallTime,
    ) -> Result<(), JournalError> {
        let mut bytes = Header { origin: self.config.origin, created: wall }.to_bytes();
        put_identity(&mut bytes, mono, self.identity);
        bytes.extend_from_slice(carried);
        put_checkpoint(&mut bytes, mono);
        let begun = self.disk.create(segment).map_err(JournalError::io("created")).and_then(|()| {
            self.disk.append(segment, &bytes).map_err(JournalError::io("written"))?;
            self.disk.sync(segment).map_err(JournalError::io("synced"))
        });
        if let Err(error) = begun {
            // The half-begun segment is emptied so that the next try can take it over; should this
            // fail too, that try fails and says so.
            if let Err(error) = self.disk.truncate(segment, 0) {
                tracing::debug!(segment, %error, "a half-begun segment stays");
            }
            return Err(error);
        }
        let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.end = Position { segment, offset };
        Ok(())
    }
}
