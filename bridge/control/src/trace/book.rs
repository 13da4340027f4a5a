//! All that is traced, by Call-ID, and what makes room for what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::message::Redacted;
use partyline_sip::{DialogId, Flow};

use super::entry::{Entry, Names};
use super::{TraceFilter, TraceKind, Traced};

/// The longest Call-ID that is told from others, as the SIP endpoint hands it on.
const MAX_CALL_ID: usize = 128;

/// How many entries of a kind are kept that are over, and how many octets of the kind altogether.
const fn bounds(kind: TraceKind) -> (usize, usize) {
    match kind {
        TraceKind::Call => (1000, 16 << 20),
        TraceKind::Refused | TraceKind::Telephone => (200, 1 << 20),
        TraceKind::Stranger => (50, 256 << 10),
        TraceKind::Register | TraceKind::Options => (100, 512 << 10),
    }
}

/// In which order entries were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u64);

/// What a message belongs to.
pub(super) enum Arrival {
    Known(Place),
    New { kind: TraceKind, trunk: Option<Arc<str>> },
}

/// After its end so long, a call has its last messages (RFC 3261 timers F and H: 32 s).
const SETTLED: Duration = Duration::from_secs(40);
/// The most that waits to be taken for the disk; more is not kept there.
const MOST_LEAVING: usize = 10_000;

/// What is on its way to the disk.
#[derive(Debug, Default)]
struct Leaving {
    /// What is over, in the order of time.
    over: VecDeque<(Time, Place)>,
    /// What had to make room before it was taken.
    gone: Vec<Traced>,
}

/// The entries of a kind.
#[derive(Debug, Default)]
struct Ring {
    /// Those that are over, in the order they ended.
    over: VecDeque<Place>,
    octets: usize,
}

/// All that is traced; `D` names a dialog.
#[derive(Debug)]
pub(crate) struct Book<D = DialogId> {
    entries: BTreeMap<Place, Entry>,
    by_call_id: BTreeMap<Box<str>, Place>,
    rings: BTreeMap<TraceKind, Ring>,
    /// Calls that are up, and their dialogs.
    live: BTreeSet<Place>,
    dialogs: BTreeMap<D, Place>,
    last: u64,
    untraced: u64,
    /// `None` while nothing is kept on disk.
    leaving: Option<Leaving>,
}

impl<D> Default for Book<D> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            by_call_id: BTreeMap::new(),
            rings: BTreeMap::new(),
            live: BTreeSet::new(),
            dialogs: BTreeMap::new(),
            last: 0,
            untraced: 0,
            leaving: None,
        }
    }
}

impl<D: Copy + Ord> Book<D> {
    pub(super) fn place(&self, call_id: &str) -> Option<Place> {
        self.by_call_id.get(cut(call_id)).copied()
    }

    pub(super) fn is_with(&self, place: Place, flow: Flow) -> bool {
        self.entries.get(&place).is_some_and(|entry| entry.is_with(flow))
    }

    pub(super) fn names(&self, place: Place) -> Option<&Names> {
        self.entries.get(&place).map(|entry| &entry.names)
    }

    pub(super) const fn untraced(&self) -> u64 {
        self.untraced
    }

    /// A message was not kept.
    pub(super) fn miss(&mut self) {
        self.untraced += 1;
    }

    /// The entry of a message, made where there is none, with the names of its first request.
    pub(super) fn open(
        &mut self,
        arrival: Arrival,
        call_id: &str,
        (now, is_sent): (Time, bool),
        payload: &[u8],
    ) -> Place {
        let place = match arrival {
            Arrival::Known(place) => place,
            Arrival::New { kind, trunk } => {
                let place = self.insert(Entry::new(kind, cut(call_id), trunk));
                self.ring(kind).over.push_back(place);
                self.leave(now, place);
                place
            }
        };
        let first = self.entries.get_mut(&place).filter(|entry| entry.is_empty());
        if let Some(entry) = first {
            let before = entry.octets();
            entry.set_names(Names::of(payload, is_sent), is_sent);
            let (kind, more) = (entry.kind, entry.octets() - before);
            self.ring(kind).octets += more;
        }
        place
    }

    pub(super) fn add(&mut self, place: Place, how: (Time, bool, Flow), redacted: Redacted) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let before = entry.octets();
        entry.add(how, redacted);
        let (kind, after) = (entry.kind, entry.octets());
        let ring = self.ring(kind);
        ring.octets = ring.octets + after - before;
        self.make_room(kind);
    }

    /// What came with this Call-ID is a call that was taken.
    pub(super) fn begin(&mut self, dialog: D, call_id: &str) {
        if let Some(place) = self.place(call_id) {
            self.bind(dialog, place);
        }
    }

    /// The caller has proved that he is a user of ours, who has a number.
    pub(super) fn know(&mut self, call_id: &str, user: &str, number: Option<&str>) {
        let place = self.place(call_id);
        let Some(entry) = place.and_then(|place| self.entries.get_mut(&place)) else { return };
        let before = entry.octets();
        entry.know(user, number);
        let (kind, after) = (entry.kind, entry.octets());
        let ring = self.ring(kind);
        ring.octets = ring.octets + after - before;
    }

    /// A call of ours begins.
    pub(super) fn dial(&mut self, dialog: D, call_id: &str, trunk: Option<&str>) {
        let place = self.place(call_id);
        let entry = || Entry::new(TraceKind::Call, cut(call_id), trunk.map(Into::into));
        let place = place.unwrap_or_else(|| self.insert(entry()));
        self.bind(dialog, place);
    }

    fn bind(&mut self, dialog: D, place: Place) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        let (before, octets) = (entry.kind, entry.octets());
        (entry.kind, entry.is_live) = (TraceKind::Call, true);
        let ring = self.ring(before);
        ring.octets -= octets;
        if let Some(at) = ring.over.iter().rposition(|&over| over == place) {
            ring.over.remove(at);
        }
        self.ring(TraceKind::Call).octets += octets;
        self.live.insert(place);
        self.dialogs.insert(dialog, place);
        self.make_room(TraceKind::Call);
    }

    /// A call is over: others may drive it out.
    pub(super) fn end(&mut self, now: Time, dialog: D) {
        let Some(place) = self.dialogs.remove(&dialog) else { return };
        let Some(entry) = self.entries.get_mut(&place) else { return };
        entry.is_live = false;
        self.live.remove(&place);
        self.ring(TraceKind::Call).over.push_back(place);
        self.leave(now, place);
        self.make_room(TraceKind::Call);
    }

    /// The latest that `filter` is for, the oldest first.
    pub(super) fn find(&self, filter: &TraceFilter) -> Vec<Traced> {
        let fitting = self.entries.values().rev().filter(|entry| entry.fits(filter));
        let mut found: Vec<Traced> = fitting.take(filter.last).map(Entry::show).collect();
        found.reverse();
        found
    }

    /// From now on what is over is held for [`Self::take`].
    pub(super) fn keep_for_disk(&mut self) {
        self.leaving.get_or_insert_default();
    }

    fn leave(&mut self, now: Time, place: Place) {
        let leaving = self.leaving.as_mut().filter(|leaving| leaving.over.len() < MOST_LEAVING);
        if let Some(leaving) = leaving {
            leaving.over.push_back((now, place));
        }
    }

    /// The calls that are over, and those that were refused, each once; of all, or of those that
    /// have their last messages by `now`.
    pub(super) fn take(&mut self, now: Time, all: bool) -> Vec<Traced> {
        let Some(leaving) = &mut self.leaving else { return Vec::new() };
        let mut taken = std::mem::take(&mut leaving.gone);
        while let Some((_, place)) =
            leaving.over.pop_front_if(|(at, _)| all || *at + SETTLED <= now)
        {
            // What was driven out is among those that are gone.
            let entry = self.entries.get_mut(&place).filter(|entry| entry.is_for_disk());
            taken.extend(entry.filter(|entry| !entry.is_live).map(Entry::leave));
        }
        taken
    }

    fn ring(&mut self, kind: TraceKind) -> &mut Ring {
        self.rings.entry(kind).or_default()
    }

    fn insert(&mut self, entry: Entry) -> Place {
        self.last += 1;
        let place = Place(self.last);
        self.ring(entry.kind).octets += entry.octets();
        self.by_call_id.insert(entry.call_id.clone(), place);
        self.entries.insert(place, entry);
        place
    }

    /// Drives out what ended first, and calls that are up only for want of others.
    fn make_room(&mut self, kind: TraceKind) {
        let (most, most_octets) = bounds(kind);
        loop {
            let ring = self.ring(kind);
            if ring.over.len() <= most && ring.octets <= most_octets {
                return;
            }
            let place = match ring.over.pop_front() {
                Some(place) => place,
                None if kind == TraceKind::Call => match self.live.pop_first() {
                    Some(place) => place,
                    None => return,
                },
                None => return,
            };
            // Two dialogs may have had one Call-ID.
            let is_of = |entry: &&mut Entry| entry.kind == kind;
            let is_over = !self.live.contains(&place);
            if is_over && self.entries.get_mut(&place).filter(is_of).is_some() {
                self.remove(place);
            }
        }
    }

    fn remove(&mut self, place: Place) {
        let Some(mut entry) = self.entries.remove(&place) else { return };
        if let Some(leaving) = self.leaving.as_mut().filter(|_| entry.is_for_disk())
            && leaving.gone.len() < MOST_LEAVING
        {
            leaving.gone.push(entry.leave());
        }
        self.by_call_id.remove(&entry.call_id);
        let ring = self.ring(entry.kind);
        ring.octets -= entry.octets();
    }
}

/// The Call-ID of a message, without reading any other header.
pub(super) fn call_id_of(payload: &[u8]) -> Option<&str> {
    let mut rest = payload;
    loop {
        let end = memchr::memchr(b'\n', rest)?;
        rest = &rest[end + 1..];
        let value = match rest {
            [b'C' | b'c', b'a' | b'A', ..] => {
                let (name, value) = rest.split_at_checked(b"Call-ID".len())?;
                name.eq_ignore_ascii_case(b"Call-ID").then_some(value)
            }
            [b'i' | b'I', b':' | b' ' | b'\t', ..] => Some(&rest[1..]),
            [b'\r' | b'\n', ..] | [] => return None,
            _ => None,
        };
        let value = value.and_then(|value| value.trim_ascii_start().strip_prefix(b":"));
        if let Some(value) = value {
            let end = memchr::memchr(b'\n', value).unwrap_or(value.len());
            return std::str::from_utf8(value[..end].trim_ascii()).ok().filter(|id| !id.is_empty());
        }
    }
}

/// As much of a Call-ID as is told from others.
fn cut(call_id: &str) -> &str {
    &call_id[..call_id.floor_char_boundary(MAX_CALL_ID)]
}

#[cfg(test)]
mod tests;
