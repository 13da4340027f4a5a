//! A disk that fails on request and forgets what was not synced, and records to write on it.

#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use partyline_cdr_record::{
    CloseReason, ConferenceRecord, Direction, LegRecord, LegState, Origin, Record, Text,
};
use partyline_cdr_store::journal::Disk;
use partyline_model::{AccountId, ConferenceId, Uuid, WallTime};

/// What goes wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// No more than this many bytes fit.
    Space(u64),
    /// Every sync fails.
    Sync,
    /// No segment can be cut.
    Truncate,
    /// The power fails after this many bytes were appended: later operations fail.
    Power(u64),
}

#[derive(Clone, Default)]
struct Segment {
    /// What the page cache holds.
    cached: Vec<u8>,
    /// What survives a power cut.
    durable: Vec<u8>,
}

struct State {
    segments: BTreeMap<u32, Segment>,
    set_aside: BTreeMap<(u32, u64), Vec<u8>>,
    fault: Fault,
    appended: u64,
    syncs: u64,
}

/// A disk in memory; its clones are the same disk.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub(crate) fn new() -> Self {
        let (segments, set_aside) = (BTreeMap::new(), BTreeMap::new());
        let (fault, appended, syncs) = (Fault::None, 0, 0);
        Self(Arc::new(Mutex::new(State { segments, set_aside, fault, appended, syncs })))
    }

    pub(crate) fn boxed(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.state(|state| state.fault = fault);
    }

    /// Bytes appended over the disk's life.
    pub(crate) fn appended(&self) -> u64 {
        self.state(|state| state.appended)
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state(|state| state.syncs)
    }

    /// The disk after a power cut that kept `kept` of the bytes written and not synced.
    pub(crate) fn after_power_cut(&self, kept: usize) -> Self {
        let other = Self::new();
        let segments = self.state(|state| state.segments.clone());
        for (number, segment) in segments {
            let cached = &segment.cached;
            let end = segment.durable.len().saturating_add(kept).min(cached.len());
            let left = cached[..end.max(segment.durable.len().min(cached.len()))].to_vec();
            let left = Segment { cached: left.clone(), durable: left };
            other.state(|state| state.segments.insert(number, left));
        }
        other
    }

    /// The disk as another process finds it after a kill: the page cache survives.
    pub(crate) fn after_kill(&self) -> Self {
        self.after_power_cut(usize::MAX)
    }

    /// Flips bits of one byte.
    pub(crate) fn damage(&self, segment: u32, at: usize) {
        self.flip(segment, at, 0x40);
    }

    pub(crate) fn flip(&self, segment: u32, at: usize, bits: u8) {
        self.state(|state| {
            let segment = state.segments.get_mut(&segment).expect("the segment exists");
            segment.cached[at] ^= bits;
            segment.durable = segment.cached.clone();
        });
    }

    /// A copy with a life of its own.
    pub(crate) fn twin(&self) -> Self {
        self.after_kill()
    }

    /// The segments and what they hold.
    pub(crate) fn contents(&self) -> BTreeMap<u32, Vec<u8>> {
        self.state(|state| {
            state.segments.iter().map(|(number, held)| (*number, held.cached.clone())).collect()
        })
    }

    /// What was set aside: segment, offset, bytes.
    pub(crate) fn set_aside(&self) -> BTreeMap<(u32, u64), Vec<u8>> {
        self.state(|state| state.set_aside.clone())
    }

    fn state<R>(&self, with: impl FnOnce(&mut State) -> R) -> R {
        with(&mut self.0.lock().expect("no test panics while it holds the disk"))
    }
}

fn no_power() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl State {
    fn power(&self) -> io::Result<()> {
        match self.fault {
            Fault::Power(at) if self.appended >= at => Err(no_power()),
            Fault::None | Fault::Space(_) | Fault::Sync | Fault::Truncate | Fault::Power(_) => {
                Ok(())
            }
        }
    }

    fn used(&self) -> u64 {
        self.segments.values().map(|segment| segment.cached.len() as u64).sum()
    }
}

impl Disk for SimDisk {
    fn segments(&mut self) -> io::Result<Vec<u32>> {
        self.state(|state| Ok(state.segments.keys().copied().collect()))
    }

    fn read(&mut self, segment: u32) -> io::Result<Vec<u8>> {
        self.state(|state| {
            let found = state.segments.get(&segment).ok_or(io::ErrorKind::NotFound)?;
            Ok(found.cached.clone())
        })
    }

    fn create(&mut self, segment: u32) -> io::Result<()> {
        self.state(|state| {
            state.power()?;
            state.segments.insert(segment, Segment::default());
            Ok(())
        })
    }

    fn append(&mut self, segment: u32, bytes: &[u8]) -> io::Result<()> {
        self.state(|state| {
            state.power()?;
            let room = match state.fault {
                Fault::Space(total) => total.saturating_sub(state.used()),
                Fault::Power(at) => at - state.appended,
                Fault::None | Fault::Sync | Fault::Truncate => u64::MAX,
            };
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let found = state.segments.get_mut(&segment).ok_or(io::ErrorKind::NotFound)?;
            found.cached.extend_from_slice(&bytes[..fits]);
            state.appended += fits as u64;
            // 28 is ENOSPC.
            if fits < bytes.len() { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
        })
    }

    fn sync(&mut self, segment: u32) -> io::Result<()> {
        self.state(|state| {
            state.power()?;
            if state.fault == Fault::Sync {
                return Err(no_power());
            }
            let found = state.segments.get_mut(&segment).ok_or(io::ErrorKind::NotFound)?;
            found.durable = found.cached.clone();
            state.syncs += 1;
            Ok(())
        })
    }

    fn truncate(&mut self, segment: u32, len: u64) -> io::Result<()> {
        self.state(|state| {
            state.power()?;
            if state.fault == Fault::Truncate {
                return Err(no_power());
            }
            let found = state.segments.get_mut(&segment).ok_or(io::ErrorKind::NotFound)?;
            found.cached.truncate(usize::try_from(len).unwrap_or(usize::MAX));
            found.durable = found.cached.clone();
            Ok(())
        })
    }

    fn set_aside(&mut self, segment: u32, offset: u64, bytes: &[u8]) -> io::Result<String> {
        self.state(|state| {
            state.power()?;
            state.set_aside.insert((segment, offset), bytes.to_vec());
            Ok(format!("damaged/{segment}-{offset}"))
        })
    }
}

pub(crate) fn origin(boot: u128) -> Origin {
    Origin { node_id: 1, boot_id: Uuid(boot) }
}

pub(crate) fn wall(secs: i64) -> WallTime {
    WallTime::from_micros(1_795_299_271_000_000 + secs * 1_000_000)
}

/// Revision 0 of leg `n`, invited at second `at`.
pub(crate) fn invited(n: u64, at: i64) -> LegRecord {
    let id = Uuid::v7(wall(at), u128::from(n));
    let mut leg = LegRecord::open(origin(1), id, n, Direction::In, wall(at));
    leg.account_id = Some(AccountId(5001));
    leg.ani = "14165550100".parse().ok();
    leg.dnis = "18005550142".parse().ok();
    leg.sip_call_id = Text::new(&format!("{n}@phone.example"));
    leg
}

/// The next revision: answered at second `at`.
pub(crate) fn answered(leg: &LegRecord, at: i64) -> LegRecord {
    let mut leg = leg.clone();
    leg.rev += 1;
    leg.state = LegState::Answered;
    leg.answered_at = Some(wall(at));
    leg
}

/// The closing revision, `secs` after the answer.
pub(crate) fn closed(leg: &LegRecord, secs: u64) -> LegRecord {
    let mut leg = leg.clone();
    leg.rev += 1;
    leg.state = LegState::Closed;
    leg.duration_ms = secs * 1000;
    leg.disconnected_at = leg.answered_at.map(|at| at + std::time::Duration::from_secs(secs));
    leg.close_reason = Some(CloseReason::Normal);
    leg
}

pub(crate) fn session(n: u128, at: i64) -> ConferenceRecord {
    let id = Uuid::v7(wall(at), n);
    ConferenceRecord::open(origin(1), id, AccountId(5001), ConferenceId(17), wall(at))
}

pub(crate) fn of(leg: &LegRecord) -> Record {
    Record::Leg(Box::new(leg.clone()))
}

/// Who changes something in tests.
pub(crate) fn actor() -> partyline_cdr_store::admin::Actor {
    let via = partyline_cdr_store::admin::Via::Cli;
    partyline_cdr_store::admin::Actor { via, name: "anna".to_owned() }
}
