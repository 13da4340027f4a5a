//! One RTP stream: packets put in order, sound given to the detector, losses told to it.
//!
//! Nothing is played, so a packet has a second to arrive: what a bridge with 60 ms of patience
//! makes of a jittery stream may be less than what is listed here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use partyline_media::{Codec, decode};
use partyline_model::WallTime;

use crate::ear::{Ear, Tone};
use crate::event::{EventPacket, Events, Place, since};
use crate::press::{Note, Press, Source};
use crate::resample::RATE;
use crate::signalling::Format;
use crate::wav;

/// Packets that may wait for an earlier one: a second of the usual 20 ms.
const PATIENCE: usize = 50;
/// A number further off is another beginning (RFC 3550 §A.1).
const MAX_DROPOUT: i64 = 3_000;
/// A gap in the timestamps longer than this is not believed: a sender's clock was set anew.
const LONGEST_GAP: i64 = 60 * 8_000;
/// Silence that was not sent is heard as silence so long; what follows changes nothing.
const SILENCE: usize = 4_000;
/// Packets whose arrival is remembered, to date a tone that is told later.
const ANCHORS: usize = 100;
/// A loss this near to a tone may have swallowed its beginning or its end: 40 ms.
const BESIDE: u64 = 320;

/// What was counted in a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets captured, repetitions left out.
    pub packets: u64,
    /// Packets that the numbers say are missing.
    pub lost: u64,
    /// How many gaps they make.
    pub gaps: u64,
    /// Packets that came again, or over a second late.
    pub repeated: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets of which the capture kept the beginning only.
    pub cut: u64,
    /// How often the numbering began anew.
    pub restarts: u64,
}

/// One RTP stream and the keys pressed in it.
pub struct Stream {
    /// Who sent it.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// The synchronisation source.
    pub ssrc: u32,
    /// What was sent, by payload type.
    pub formats: BTreeMap<u8, Format>,
    /// A session description calls it encrypted: no tones or events were looked for.
    pub encrypted: bool,
    /// When its first packet was captured.
    pub started: WallTime,
    /// From the first packet to the last.
    pub length: Duration,
    /// Packets, and what was wrong with them.
    pub counts: Counts,
    /// The greatest interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Keys in the order in which they went down; onsets count from its beginning.
    pub presses: Vec<Press>,
}

/// A packet, as far as a stream keeps it.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) at: WallTime,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) cut: bool,
}

/// Packets that were never captured, where they would have been heard.
struct Loss {
    from: u64,
    until: u64,
    packets: u64,
}

/// A stream that is being read.
pub(crate) struct Listener {
    formats: BTreeMap<u8, Format>,
    encrypted: bool,
    counts: Counts,
    started: WallTime,
    last: WallTime,
    /// Packets not heard yet, by their number counted on over 65,535.
    waiting: BTreeMap<i64, Packet>,
    next: i64,
    newest: i64,
    /// A number far off, whose successor would make a new beginning.
    jumped: Option<u16>,
    /// The timestamp that the next sound has when nothing is missing before it.
    due: Option<u32>,
    /// Packets missing since the last sound.
    lost: u64,
    /// The end of the last sound was not captured.
    cut_short: bool,
    ear: Ear,
    /// Where packets began, and when they arrived.
    anchors: VecDeque<(u64, WallTime)>,
    dated: Vec<WallTime>,
    losses: Vec<Loss>,
    events: Events,
    transit: Option<i64>,
    jitter: f64,
    worst_jitter: f64,
}

impl Listener {
    /// A stream that begins with `first`, which is not handled yet, after so many repetitions.
    pub(crate) fn new(first: &Packet, repeated: u64) -> Self {
        Self {
            formats: BTreeMap::new(),
            encrypted: false,
            counts: Counts { repeated, ..Counts::default() },
            started: first.at,
            last: first.at,
            waiting: BTreeMap::new(),
            next: first.sequence.into(),
            newest: i64::from(first.sequence) - 1,
            jumped: None,
            due: None,
            lost: 0,
            cut_short: false,
            ear: Ear::new(),
            anchors: VecDeque::new(),
            dated: Vec::new(),
            losses: Vec::new(),
            events: Events::default(),
            transit: None,
            jitter: 0.0,
            worst_jitter: 0.0,
        }
    }

    /// What the payload type of a packet stands for, once it is known.
    pub(crate) fn format(&self, payload_type: u8) -> Option<&Format> {
        self.formats.get(&payload_type)
    }

    /// Says what a payload type stands for.
    pub(crate) fn learn(&mut self, payload_type: u8, format: Format, encrypted: bool) {
        self.formats.insert(payload_type, format);
        self.encrypted |= encrypted;
    }

    pub(crate) fn handle(&mut self, packet: Packet) {
        let newest = u16::try_from(self.newest.rem_euclid(1 << 16)).unwrap_or(0);
        let ahead = i64::from(packet.sequence.wrapping_sub(newest).cast_signed());
        if ahead.abs() > MAX_DROPOUT {
            if self.jumped != Some(packet.sequence) {
                self.jumped = Some(packet.sequence.wrapping_add(1));
                return;
            }
            self.restart(&packet);
            return self.handle(packet);
        }
        self.jumped = None;
        let number = self.newest + ahead;
        if number < self.next || self.waiting.contains_key(&number) {
            self.counts.repeated += 1;
            return;
        }
        self.counts.packets += 1;
        self.counts.reordered += u64::from(ahead < 0);
        self.counts.cut += u64::from(packet.cut);
        self.last = self.last.max(packet.at);
        self.newest = self.newest.max(number);
        self.note_jitter(&packet);
        self.waiting.insert(number, packet);
        self.advance(PATIENCE);
    }

    /// Begins a new numbering.
    fn restart(&mut self, first: &Packet) {
        self.advance(0);
        self.counts.restarts += 1;
        self.next = first.sequence.into();
        self.newest = self.next - 1;
        self.jumped = None;
        self.due = None;
        self.lost = 0;
        self.transit = None;
    }

    /// RFC 3550 §A.8, by the clock of G.711.
    #[expect(clippy::cast_precision_loss, reason = "differences of seconds")]
    fn note_jitter(&mut self, packet: &Packet) {
        if !matches!(self.format(packet.payload_type), Some(Format::Audio(_))) {
            return;
        }
        let arrival = packet.at.as_micros().wrapping_mul(8) / 1_000;
        let transit = arrival.wrapping_sub(i64::from(packet.timestamp));
        if let Some(before) = self.transit.replace(transit) {
            // The timestamp goes round.
            let change = (transit.wrapping_sub(before) << 32 >> 32).unsigned_abs();
            self.jitter += (change.min(80_000) as f64 - self.jitter) / 16.0;
            self.worst_jitter = self.worst_jitter.max(self.jitter);
        }
    }

    /// Hears what is next, and passes over what is missing while more than `patience` wait.
    fn advance(&mut self, patience: usize) {
        while let Some(entry) = self.waiting.first_entry() {
            let number = *entry.key();
            if number != self.next {
                if self.waiting.len() <= patience {
                    return;
                }
                let missing = u64::try_from(number - self.next).unwrap_or(0);
                self.counts.lost += missing;
                self.counts.gaps += 1;
                self.lost += missing;
                self.next = number;
                continue;
            }
            let packet = entry.remove();
            self.next += 1;
            self.hear(&packet);
        }
    }

    fn hear(&mut self, packet: &Packet) {
        if self.encrypted {
            return;
        }
        match self.formats.get(&packet.payload_type) {
            Some(&Format::Audio(codec)) => self.hear_sound(codec, packet),
            Some(&Format::Events { clock_hz }) => self.hear_event(clock_hz, packet),
            Some(Format::Unknown) if EventPacket::looks_like(&packet.payload) => {
                self.hear_event(RATE, packet);
            }
            Some(Format::Other(_) | Format::Unknown) | None => self.lost = 0,
        }
    }

    fn hear_event(&mut self, clock_hz: u32, packet: &Packet) {
        let Some(event) = EventPacket::parse(&packet.payload) else { return };
        let place = Place {
            at: packet.at,
            timestamp: packet.timestamp,
            marker: packet.marker,
            clock_hz,
            lost_before: std::mem::take(&mut self.lost),
        };
        self.events.handle(&place, &event);
    }

    fn hear_sound(&mut self, codec: Codec, packet: &Packet) {
        self.pass_gap(packet);
        self.anchors.push_back((self.ear.position(), packet.at));
        if self.anchors.len() > ANCHORS {
            self.anchors.pop_front();
        }
        let mut sound = vec![0; packet.payload.len()];
        decode(codec, &packet.payload, &mut sound);
        self.ear.push(&sound);
        self.date_tones();
        let length = u32::try_from(sound.len()).unwrap_or(0);
        self.due = Some(packet.timestamp.wrapping_add(length));
    }

    /// Tells the detector what is missing, or was not sent, before `packet`.
    fn pass_gap(&mut self, packet: &Packet) {
        let lost = std::mem::take(&mut self.lost);
        let cut_short = std::mem::replace(&mut self.cut_short, packet.cut);
        let Some(due) = self.due else { return };
        let gap = i64::from(packet.timestamp.wrapping_sub(due).cast_signed());
        let gap = if (0..=LONGEST_GAP).contains(&gap) { usize::try_from(gap) } else { Ok(0) };
        let (Ok(gap), from) = (gap, self.ear.position()) else { return };
        if lost > 0 || cut_short {
            self.ear.push_lost(gap);
            self.losses.push(Loss { from, until: from + gap as u64, packets: lost });
            return;
        }
        let silence = gap.min(SILENCE);
        self.ear.push(&[0; SILENCE][..silence]);
        self.ear.push_lost(gap - silence);
    }

    /// Finds out when tones began that were just told.
    fn date_tones(&mut self) {
        for tone in self.ear.tones().iter().skip(self.dated.len()) {
            let packet = self.anchors.iter().rev().find(|(position, _)| *position <= tone.onset);
            let &(position, arrived) =
                packet.or(self.anchors.front()).unwrap_or(&(0, self.started));
            let later = wav::time(tone.onset.saturating_sub(position), RATE);
            let micros = i64::try_from(later.as_micros()).unwrap_or(0);
            self.dated.push(WallTime::from_micros(arrived.as_micros().saturating_add(micros)));
        }
    }

    /// The stream as it was.
    pub(crate) fn finish(
        mut self,
        (source, destination, ssrc): (SocketAddr, SocketAddr, u32),
    ) -> Stream {
        self.advance(0);
        let started = self.started;
        let mut presses: Vec<Press> = self.events.finish(started).collect();
        let tones = self.ear.into_tones();
        let dated = tones.iter().zip(&self.dated);
        presses.extend(dated.map(|(tone, &at)| press(tone, at, started, &self.losses)));
        presses.sort_by_key(|press| press.onset);
        note_doubles(&mut presses);
        Stream {
            source,
            destination,
            ssrc,
            formats: self.formats,
            encrypted: self.encrypted,
            started,
            length: since(self.last, started),
            counts: self.counts,
            jitter: Duration::from_secs_f64(self.worst_jitter / f64::from(RATE)),
            presses,
        }
    }
}

/// A tone that began `at`.
fn press(tone: &Tone, at: WallTime, started: WallTime, losses: &[Loss]) -> Press {
    let onset = since(at, started);
    let length = tone.length.map(|length| wav::time(length, RATE));
    let mut press = Press {
        digit: tone.digit,
        source: Source::InBand,
        onset,
        at: Some(at),
        length,
        reported: onset + wav::time(tone.told.saturating_sub(tone.onset), RATE),
        level: tone.level,
        notes: Vec::new(),
    };
    let (from, until) = (
        tone.onset.saturating_sub(BESIDE),
        tone.length.map_or(tone.told, |length| tone.onset.saturating_add(length)),
    );
    let within = losses.iter().filter(|loss| loss.until >= from && loss.from <= until + BESIDE);
    let lost = within.map(|loss| loss.packets).sum();
    press.judge();
    if lost > 0 {
        // What is left of it says nothing of how long the key was held.
        press.notes.retain(|note| *note != Note::Short);
        press.notes.push(Note::Lost(lost));
    }
    if length.is_none() {
        press.notes.push(Note::StillHeld);
    }
    press
}

/// Notes presses that came as a tone and as an event: a receiver that hears both counts two.
fn note_doubles(presses: &mut [Press]) {
    /// What lies between a tone and its event at most.
    const APART: Duration = Duration::from_millis(100);
    let end = |press: &Press| press.onset + press.length.unwrap_or_default() + APART;
    let mut doubles: BTreeSet<(usize, Source)> = BTreeSet::new();
    for (later, b) in presses.iter().enumerate() {
        for (earlier, a) in presses[..later].iter().enumerate().rev().take(4) {
            if a.source != b.source && a.digit == b.digit && b.onset <= end(a) {
                doubles.extend([(earlier, b.source), (later, a.source)]);
            }
        }
    }
    for (index, source) in doubles {
        presses[index].notes.push(Note::Also(source));
    }
}
