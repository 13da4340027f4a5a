//! The jitter buffer: packets in as they come, 20 ms of octets out at each tick.
//!
//! The play-out point is a timestamp that moves with the ticks. A packet's *lead* is the time from
//! its arrival to the tick that needs it. The buffer keeps the least lead of the last seconds
//! between a few milliseconds and one frame more: late packets move the play-out point back, at
//! most by what keeps the delay bounded; too much lead is taken out again, in quiet moments first.
//! It moves by whole frames, because a tick needs a frame's first and last sample at once. Packets may hold
//! up to 200 ms, each in a codec of its own; ticks cut them anew. A lead does not depend on a packet's
//! length, so that long packets are delayed no more than short ones. It decides what is lost and what is silence; it does not
//! conceal (audio/plc.rs) and does not decode.

use std::time::Duration;

use partyline_model::Time;

use super::NANOS_PER_SAMPLE;
use super::packet::{sequence_distance, timestamp_distance};
use crate::Codec;
use crate::audio::SAMPLES_PER_FRAME;
use lead::LeadWindow;

mod lead;

/// The most octets of one packet: 200 ms of G.711 (RFC 3551 §4.2).
pub(crate) const MAX_PAYLOAD: usize = 1_600;
/// Packets held: 320 ms of the usual 20 ms packets.
const SLOTS: usize = 16;
/// Octets held, each at its timestamp: a second of sound. That is more than lies between the first
/// octet of a packet that is partly played and the last one of a packet with the greatest lead.
const RING: usize = 8_192;
/// The tick.
const FRAME: i64 = 160;
/// The least lead aimed at: what a packet may be later than its slowest forerunners.
const MARGIN: i64 = samples(5);
/// More lead than this at the slowest is taken out in quiet moments, a frame at a time: what is
/// left is a margin and a little, so that it does not have to be put in again.
const SPARE: i64 = samples(28);
/// More than this is taken out even of speech.
const SPARE_IN_SPEECH: i64 = samples(60);
/// The most that is kept for slow packets.
const MOST_WAIT: i64 = samples(40);
/// The greatest lead to which lateness may push the quickest packets: 60 ms, a frame and the
/// margin.
const MOST_GROWTH: i64 = samples(85);
/// A packet with more lead than this does not belong to the clock it is played by.
const MOST_LEAD: i64 = samples(120);
/// After this many packets too late for the buffer, the path has become longer: start anew.
const LATE_TO_RESTART: u8 = 4;
/// Sequence numbers further ahead or behind are another stream (RFC 3550 §A.1).
const MAX_DROPOUT: i16 = 3_000;
const MAX_MISORDER: i16 = 60;
/// A gap without any packet is taken for silence from here on: concealment has faded by then.
const STARVED: i64 = samples(80);

/// Samples in so many milliseconds.
const fn samples(millis: i64) -> i64 {
    millis * 8
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The packet waits to be played.
    Stored,
    /// The packet waits, and what was there before was given up: the stream began anew.
    Restarted,
    /// The packet was here before.
    Duplicate,
    /// The packet's time is over.
    Late,
    /// The packet's number is far off; when the next one follows it, the stream begins anew there.
    Jumped,
    /// The packet is longer than any may be.
    Oversized,
}

/// Encoded sound, one octet a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sound<'a> {
    pub(crate) codec: Codec,
    pub(crate) octets: &'a [u8],
}

/// A part of a tick, in the order of time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run<'a> {
    /// Received octets, one a sample.
    Audio(Sound<'a>),
    /// Samples, so many, that are missing and should be concealed.
    Lost(usize),
    /// Samples, so many, that were not sent: silence, or a telephone event.
    Silence(usize),
}

#[derive(Clone, Copy)]
struct Slot {
    filled: bool,
    sequence: u16,
    timestamp: u32,
    len: u16,
    codec: Codec,
}

impl Slot {
    const EMPTY: Self =
        Self { filled: false, sequence: 0, timestamp: 0, len: 0, codec: Codec::Pcmu };
}

/// Whether a stream is being played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    Empty,
    /// The stream runs; when starved, `samples` have been played since its last octet.
    Running { starved: i64 },
}

/// The jitter buffer of one leg.
pub(crate) struct JitterBuffer {
    slots: [Slot; SLOTS],
    ring: Box<[u8]>,
    phase: Phase,
    /// The sequence number of the next packet to be played.
    next: u16,
    /// The highest sequence number received, and a bit for it and each of the 63 before it.
    newest: u16,
    received: u64,
    /// Where the stream may begin anew, when that very number comes next.
    restart_at: Option<u16>,
    /// The timestamp of the first sample not yet played.
    play: u32,
    /// Samples by which lateness has just stretched time: a gap of this length is concealed.
    stretched: i64,
    late_in_a_row: u8,
    /// What was played last was no audio: a gap after it is no loss.
    after_silence: bool,
    next_tick: Time,
    leads: LeadWindow,
}

impl JitterBuffer {
    /// An empty buffer, of which the next tick takes the first frame.
    pub(crate) fn new(next_tick: Time) -> Self {
        Self {
            slots: [Slot::EMPTY; SLOTS],
            ring: vec![0; RING].into(),
            phase: Phase::Empty,
            next: 0,
            newest: 0,
            received: 0,
            restart_at: None,
            play: 0,
            stretched: 0,
            late_in_a_row: 0,
            after_silence: true,
            next_tick,
            leads: LeadWindow::new(),
        }
    }

    /// Forgets the stream; what was learnt of the network's jitter is kept.
    pub(crate) fn reset(&mut self) {
        for slot in &mut self.slots {
            slot.filled = false;
        }
        self.phase = Phase::Empty;
        self.restart_at = None;
        self.stretched = 0;
        self.late_in_a_row = 0;
        self.after_silence = true;
    }

    /// Takes a packet of the leg's stream. `sound` is empty for one that holds none (a telephone
    /// event, comfort noise): it only accounts for its number.
    pub(crate) fn insert(
        &mut self,
        now: Time,
        (sequence, timestamp): (u16, u32),
        marker: bool,
        sound: Sound<'_>,
    ) -> Inserted {
        if sound.octets.len() > MAX_PAYLOAD {
            return Inserted::Oversized;
        }
        let Phase::Running { starved } = self.phase else {
            return self.begin(now, (sequence, timestamp), sound);
        };
        let ahead = sequence_distance(sequence, self.newest);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            return self.jump(now, (sequence, timestamp), sound);
        }
        self.restart_at = None;
        if self.was_received(ahead) {
            return Inserted::Duplicate;
        }
        self.note_received(ahead, sequence);
        if sequence_distance(sequence, self.next) < 0 {
            return Inserted::Late;
        }
        if sound.octets.is_empty() {
            self.store((sequence, timestamp), sound);
            return Inserted::Stored;
        }
        let lead = self.lead(now, timestamp);
        let talkspurt = marker && starved > 0;
        if ahead > 0 && talkspurt {
            // Silence may be lengthened or shortened unheard: nothing is given up.
            self.begin(now, (sequence, timestamp), sound);
            return Inserted::Stored;
        }
        if is_out_of_reach(lead, starved) {
            if ahead <= 0 {
                return Inserted::Late;
            }
            return self.begin(now, (sequence, timestamp), sound);
        }
        let late = timestamp_distance(timestamp, self.play) < 0;
        if !late || self.grow(now, timestamp) {
            self.late_in_a_row = 0;
        } else {
            self.late_in_a_row = self.late_in_a_row.saturating_add(1);
            if ahead > 0 && self.late_in_a_row >= LATE_TO_RESTART {
                return self.begin(now, (sequence, timestamp), sound);
            }
            let end = timestamp.wrapping_add(u32::try_from(sound.octets.len()).unwrap_or(0));
            if timestamp_distance(end, self.play) <= 0 {
                return Inserted::Late;
            }
        }
        self.leads.note(now, self.lead(now, timestamp));
        self.store((sequence, timestamp), sound);
        Inserted::Stored
    }

    /// Begins a tick. `quiet` says that what is played is near silence.
    ///
    /// Returns whether audio was left out to shorten the delay.
    pub(crate) fn begin_tick(&mut self, now: Time, quiet: bool) -> bool {
        self.next_tick = now + Duration::from_millis(20);
        let Some(least) = self.leads.settled_least(now) else { return false };
        if least <= SPARE || (!quiet && least <= SPARE_IN_SPEECH) {
            return false;
        }
        self.advance(SAMPLES_PER_FRAME);
        self.leads.shift(-FRAME);
        true
    }

    /// The next part of this tick, `wanted` samples at most; never an empty one.
    pub(crate) fn next_run(&mut self, wanted: usize) -> Run<'_> {
        let Phase::Running { starved } = self.phase else { return Run::Silence(wanted) };
        let Some((index, skipped)) = self.find_next() else {
            return self.starve(wanted, starved);
        };
        let Slot { len, timestamp, codec, .. } = self.slots[index];
        let len = usize::from(len);
        let offset = timestamp_distance(self.play, timestamp);
        let Ok(offset) = usize::try_from(offset) else {
            return self.bridge(wanted, offset.unsigned_abs() as usize, skipped);
        };
        let start = place_of(self.play);
        let count = wanted.min(len - offset).min(RING - start);
        self.advance(count);
        self.phase = Phase::Running { starved: 0 };
        self.after_silence = false;
        self.stretched = 0;
        let slot = &mut self.slots[index];
        self.next = slot.sequence;
        if offset + count == len {
            slot.filled = false;
            self.next = self.next.wrapping_add(1);
        }
        Run::Audio(Sound { codec, octets: &self.ring[start..start + count] })
    }

    /// The slot of the first packet that still has something to play, and whether numbers are
    /// missing before it. Packets that are over are let go.
    fn find_next(&mut self) -> Option<(usize, bool)> {
        let mut skipped = false;
        let mut sequence = self.next;
        for _ in 0..SLOTS {
            let index = index_of(sequence);
            let slot = &mut self.slots[index];
            if slot.filled && slot.sequence == sequence {
                let played = timestamp_distance(self.play, slot.timestamp);
                if slot.len > 0 && played < i32::from(slot.len) {
                    return Some((index, skipped));
                }
                self.after_silence = slot.len == 0;
                slot.filled = false;
                self.next = sequence.wrapping_add(1);
                skipped = false;
            } else {
                skipped = true;
            }
            sequence = sequence.wrapping_add(1);
        }
        None
    }

    /// Time passes between the last packet played and one that is here but not due.
    fn bridge(&mut self, wanted: usize, gap: usize, skipped: bool) -> Run<'static> {
        let mut count = wanted.min(gap);
        let stretched = usize::try_from(self.stretched).unwrap_or(0);
        let lost = skipped || stretched > 0;
        if !skipped && stretched > 0 {
            count = count.min(stretched);
            self.stretched -= i64::try_from(count).unwrap_or(0);
        }
        self.advance(count);
        if lost && !self.after_silence { Run::Lost(count) } else { Run::Silence(count) }
    }

    /// Time passes and nothing is here to be played.
    fn starve(&mut self, wanted: usize, starved: i64) -> Run<'static> {
        self.advance(wanted);
        let starved = starved.saturating_add(i64::try_from(wanted).unwrap_or(FRAME));
        self.phase = Phase::Running { starved };
        if self.after_silence || starved > STARVED {
            self.after_silence = true;
            return Run::Silence(wanted);
        }
        Run::Lost(wanted)
    }

    fn advance(&mut self, count: usize) {
        self.play = self.play.wrapping_add(u32::try_from(count).unwrap_or(0));
    }

    /// Samples from `now` to the tick that needs `timestamp`; negative when it is late. A tick
    /// takes a whole frame at once: its last sample is needed as early as its first.
    fn lead(&self, now: Time, timestamp: u32) -> i64 {
        let frames = i64::from(timestamp_distance(timestamp, self.play)).div_euclid(FRAME);
        frames * FRAME + self.until_tick(now)
    }

    /// Samples in the whole frames to wait, so that a packet that came `now` has `wanted` lead.
    fn wait(&self, now: Time, wanted: i64) -> u32 {
        let missing = (wanted - self.until_tick(now)).max(0);
        u32::try_from((missing + FRAME - 1) / FRAME * FRAME).unwrap_or(0)
    }

    /// Samples until the next tick; zero when it is overdue.
    fn until_tick(&self, now: Time) -> i64 {
        let nanos = self.next_tick.as_nanos().saturating_sub(now.as_nanos());
        i64::try_from(nanos / NANOS_PER_SAMPLE).unwrap_or(0).min(FRAME)
    }

    /// Starts to play at this packet.
    fn begin(&mut self, now: Time, at: (u16, u32), sound: Sound<'_>) -> Inserted {
        let first = self.phase == Phase::Empty;
        self.reset();
        self.phase = Phase::Running { starved: 0 };
        self.next = at.0;
        if first || sequence_distance(at.0, self.newest) != 0 {
            self.newest = at.0;
            self.received = 1;
        }
        // The slowest packet is still to come: leave it the time it needs.
        let wanted = (MARGIN + self.leads.spread()).min(MOST_WAIT);
        self.play = at.1.wrapping_sub(self.wait(now, wanted));
        self.leads.restart(now);
        self.leads.note(now, self.lead(now, at.1));
        self.store(at, sound);
        if first { Inserted::Stored } else { Inserted::Restarted }
    }

    /// A number far from all others: believed when its successor follows.
    fn jump(&mut self, now: Time, at: (u16, u32), sound: Sound<'_>) -> Inserted {
        if self.restart_at == Some(at.0) {
            self.newest = at.0;
            self.received = 1;
            return self.begin(now, at, sound);
        }
        self.restart_at = Some(at.0.wrapping_add(1));
        Inserted::Jumped
    }

    /// Moves the play-out point back to a late packet, when the delay stays in bounds.
    fn grow(&mut self, now: Time, timestamp: u32) -> bool {
        let wait = self.wait(now, MARGIN);
        let target = timestamp.wrapping_sub(wait);
        let shift = i64::from(timestamp_distance(self.play, target));
        if self.leads.most() + shift > MOST_GROWTH || self.is_within_a_packet() {
            return false;
        }
        self.play = target;
        self.stretched += i64::from(wait);
        self.leads.shift(shift);
        true
    }

    /// Whether a packet has been played in part: time cannot be turned back before it.
    fn is_within_a_packet(&self) -> bool {
        let slot = &self.slots[index_of(self.next)];
        slot.filled
            && slot.sequence == self.next
            && timestamp_distance(self.play, slot.timestamp) > 0
    }

    fn store(&mut self, (sequence, timestamp): (u16, u32), sound: Sound<'_>) {
        let beyond = sequence_distance(sequence, self.next);
        let slots = i16::try_from(SLOTS).unwrap_or(i16::MAX);
        if beyond >= slots {
            self.next = sequence.wrapping_sub(slots.cast_unsigned() - 1);
        }
        let Sound { codec, octets } = sound;
        let len = u16::try_from(octets.len()).unwrap_or(0);
        self.slots[index_of(sequence)] = Slot { filled: true, sequence, timestamp, len, codec };
        let start = place_of(timestamp);
        let (before, after) = octets.split_at(octets.len().min(RING - start));
        self.ring[start..start + before.len()].copy_from_slice(before);
        self.ring[..after.len()].copy_from_slice(after);
    }

    fn was_received(&self, ahead: i16) -> bool {
        ahead <= 0 && self.received >> ahead.unsigned_abs() & 1 == 1
    }

    fn note_received(&mut self, ahead: i16, sequence: u16) {
        let distance = u32::from(ahead.unsigned_abs());
        if ahead > 0 {
            self.received = self.received.checked_shl(distance).unwrap_or(0) | 1;
            self.newest = sequence;
        } else {
            self.received |= 1_u64.checked_shl(distance).unwrap_or(0);
        }
    }
}

/// Whether a timestamp has left the clock it is played by: the sender began to count anew, or
/// sends faster than time, or was away.
fn is_out_of_reach(lead: i64, starved: i64) -> bool {
    lead > MOST_LEAD || (starved > STARVED && lead < -MOST_LEAD)
}

/// Where the octet with this timestamp is held.
fn place_of(timestamp: u32) -> usize {
    usize::try_from(timestamp).unwrap_or(0) % RING
}

fn index_of(sequence: u16) -> usize {
    usize::from(sequence) % SLOTS
}

#[cfg(test)]
mod tests;
