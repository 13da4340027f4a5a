//! What a phone heard: payload laid out by RTP timestamp, so that neither jitter nor reordering
//! moves a sample. Lost packets stay silent. It judges nothing; see [`crate::analysis`].

use std::ops::Range;
use std::time::Duration;

use super::g711::Codec;
use super::rtp::RtpPacket;
use crate::analysis::Prompt;

/// Samples a second.
const RATE: u128 = 8000;
/// A stream whose timestamp and arrival part by more than this has jumped and is laid out anew.
const JUMP: i64 = 16_000;
/// Samples in a block of the map of what came at all: 10 ms.
const BLOCK: usize = 80;

/// Counts of what came to the RTP port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Packets of PCMU or PCMA that were laid out.
    pub packets: u64,
    /// Packets of another payload type (comfort noise, telephone events).
    pub other_payload: u64,
    /// Datagrams that are no RTP.
    pub garbage: u64,
    /// Changes of SSRC and jumps of the timestamp after the first packet.
    pub restarts: u64,
    /// Datagrams on the RTCP port.
    pub rtcp: u64,
}

/// Where a stream's timestamps lie on the phone's own time.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    ssrc: u32,
    timestamp: u32,
    position: i64,
}

/// What came in a stretch of time, its parts put together.
#[derive(Debug)]
pub(crate) struct Joined {
    samples: Vec<i16>,
    /// Where each part begins, here and in the stretch.
    parts: Vec<(usize, usize)>,
    /// Samples of the stretch.
    whole: usize,
}

impl Joined {
    /// Samples for which nothing came.
    pub(crate) fn gaps(&self) -> usize {
        self.whole - self.samples.len()
    }

    /// Where in the stretch a prompt begins and where what is looked for ends, and its score;
    /// `None` too where nothing was left out, since the whole was searched already.
    pub(crate) fn find(&self, prompt: &Prompt) -> Option<(usize, usize, f64)> {
        if self.gaps() == 0 {
            return None;
        }
        let found = prompt.find(&self.samples)?;
        let first = found.offset.max(0).unsigned_abs();
        Some((self.place(first), self.place(first + prompt.needed()), found.score))
    }

    /// The place in the stretch of a sample here.
    fn place(&self, sample: usize) -> usize {
        let part = self.parts.partition_point(|&(here, _)| here <= sample);
        let (here, there) = part.checked_sub(1).map_or((0, 0), |part| self.parts[part]);
        there + (sample - here)
    }
}

/// The heard audio of the last `keep`.
#[derive(Debug)]
pub(crate) struct Recorder {
    keep: usize,
    /// Sample number, counted from the start of time, of `samples[0]`; a multiple of [`BLOCK`].
    base: usize,
    samples: Vec<i16>,
    /// Samples that came in each block, at most [`BLOCK`].
    came: Vec<u8>,
    anchor: Option<Anchor>,
    pub(crate) received: Received,
}

impl Recorder {
    pub(crate) fn new(keep: Duration) -> Self {
        Self {
            keep: sample_number(keep),
            base: 0,
            samples: Vec::new(),
            came: Vec::new(),
            anchor: None,
            received: Received::default(),
        }
    }

    /// Takes a datagram of the RTP port; true when it is the first audio of a stream.
    pub(crate) fn handle(&mut self, now: Duration, bytes: &[u8]) -> bool {
        let Some(packet) = RtpPacket::parse(bytes) else {
            self.received.garbage += 1;
            return false;
        };
        let Some(codec) = Codec::from_payload_type(packet.payload_type) else {
            self.received.other_payload += 1;
            return false;
        };
        self.received.packets += 1;
        let arrival = i64::try_from(sample_number(now)).unwrap_or(i64::MAX);
        let known = self.anchor.and_then(|anchor| anchor.place(&packet, arrival));
        let position = known.unwrap_or(arrival);
        if known.is_none() {
            self.received.restarts += u64::from(self.anchor.is_some());
        }
        // The anchor moves along, so that half a day of timestamps never wraps past it.
        self.anchor = Some(Anchor { ssrc: packet.ssrc, timestamp: packet.timestamp, position });
        if let Ok(position) = usize::try_from(position) {
            self.lay(position, codec, packet.payload);
        }
        known.is_none()
    }

    /// Forgets the stream, not the audio: the next call's is laid out by its own arrival.
    pub(crate) fn new_call(&mut self) {
        self.anchor = None;
    }

    fn lay(&mut self, position: usize, codec: Codec, payload: &[u8]) {
        // After a pause longer than what is kept there is nothing to keep.
        if position.saturating_sub(self.base + self.samples.len()) > self.keep {
            self.samples.clear();
            self.came.clear();
        }
        if self.samples.is_empty() {
            self.base = position / BLOCK * BLOCK;
        }
        let Some(start) = position.checked_sub(self.base) else { return };
        let end = start + payload.len();
        if end > self.samples.len() {
            self.samples.resize(end, 0);
            self.came.resize(end.div_ceil(BLOCK), 0);
        }
        for (place, &octet) in self.samples[start..end].iter_mut().zip(payload) {
            *place = codec.decode(octet);
        }
        for place in start..end {
            let block = &mut self.came[place / BLOCK];
            *block = (*block + 1).min(80);
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        // In steps of the whole length, so that the move is rare.
        if self.samples.len() <= self.keep.saturating_mul(2).max(8000) {
            return;
        }
        let blocks = (self.samples.len() - self.keep) / BLOCK;
        self.samples.drain(..blocks * BLOCK);
        self.came.drain(..blocks);
        self.base += blocks * BLOCK;
    }

    /// The samples of a stretch of time, cut where the recording begins and ends.
    pub(crate) fn heard(&self, from: Duration, to: Duration) -> &[i16] {
        &self.samples[self.range(from, to)]
    }

    /// The time of the first sample of [`Recorder::heard`] for the same `from`.
    pub(crate) fn starts_at(&self, from: Duration) -> Duration {
        from.max(time_of(self.base))
    }

    /// The time behind the last sample.
    pub(crate) fn ends_at(&self) -> Duration {
        time_of(self.base + self.samples.len())
    }

    /// A stretch of time with the parts left out for which nothing came.
    pub(crate) fn without_gaps(&self, from: Duration, to: Duration) -> Joined {
        let range = self.range(from, to);
        let mut joined = Joined { samples: Vec::new(), parts: Vec::new(), whole: range.len() };
        let mut place = range.start;
        while place < range.end {
            let end = ((place / BLOCK + 1) * BLOCK).min(range.end);
            if self.came[place / BLOCK] > 0 {
                joined.parts.push((joined.samples.len(), place - range.start));
                joined.samples.extend_from_slice(&self.samples[place..end]);
            }
            place = end;
        }
        joined
    }

    /// The share, 0 to 1, of a stretch of time for which packets came.
    pub(crate) fn coverage(&self, from: Duration, to: Duration) -> f64 {
        let wanted = sample_number(to).saturating_sub(sample_number(from)).max(1);
        let range = self.range(from, to);
        let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
        let came: usize = self.came[blocks].iter().map(|&count| usize::from(count)).sum();
        (came as f64 / wanted as f64).min(1.0)
    }

    fn range(&self, from: Duration, to: Duration) -> Range<usize> {
        let inside = |time| sample_number(time).saturating_sub(self.base).min(self.samples.len());
        let (start, end) = (inside(from), inside(to));
        start..end.max(start)
    }
}

impl Anchor {
    /// The sample number of a packet of this stream; `None` when the stream has jumped.
    fn place(self, packet: &RtpPacket<'_>, arrival: i64) -> Option<i64> {
        if packet.ssrc != self.ssrc {
            return None;
        }
        let step = packet.timestamp.wrapping_sub(self.timestamp).cast_signed();
        let position = self.position + i64::from(step);
        ((position - arrival).abs() <= JUMP).then_some(position)
    }
}

/// The number of the sample at a time.
pub(crate) fn sample_number(time: Duration) -> usize {
    usize::try_from(time.as_nanos() * RATE / 1_000_000_000).unwrap_or(usize::MAX)
}

/// The time of a sample by its number.
pub(crate) fn time_of(sample: usize) -> Duration {
    let nanos = u64::try_from(sample).unwrap_or(u64::MAX).saturating_mul(125_000);
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn packet(sequence: u16, timestamp: u32, value: i16) -> Vec<u8> {
        let payload = [Codec::Pcmu.encode(value); 160];
        let packet = RtpPacket {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc: 5,
            payload: &payload,
        };
        packet.to_bytes()
    }

    #[test]
    fn late_and_swapped_packets_land_where_they_belong() {
        let mut recorder = Recorder::new(Duration::from_secs(10));
        recorder.handle(1000 * MS, &packet(1, u32::MAX - 99, 1000));
        recorder.handle(1070 * MS, &packet(3, 220, 3000));
        recorder.handle(1071 * MS, &packet(2, 60, 2000));
        let at = |ms| recorder.heard(ms * MS, (ms + 1) * MS)[0];
        let near = |value: i16, wanted: i16| (value - wanted).abs() < 100;
        assert!(near(at(1000), 1000) && near(at(1020), 2000) && near(at(1040), 3000));
        assert!((recorder.coverage(1000 * MS, 1060 * MS) - 1.0).abs() < 0.01);
    }

    #[test]
    fn lost_packets_are_silent_and_missing_from_the_coverage() {
        let mut recorder = Recorder::new(Duration::from_secs(10));
        recorder.handle(1000 * MS, &packet(1, 0, 9000));
        recorder.handle(1040 * MS, &packet(3, 320, 9000));
        assert_eq!(recorder.heard(1020 * MS, 1040 * MS), [0; 160]);
        assert!((recorder.coverage(1000 * MS, 1060 * MS) - 2.0 / 3.0).abs() < 0.01);
    }

    #[test]
    fn a_prompt_is_found_though_its_stream_stopped_in_the_middle_of_it() {
        let speech: Vec<i16> = (0_u32..12_000)
            .map(|n| {
                let noise = n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 18;
                i16::try_from(noise).unwrap() - 8_192
            })
            .collect();
        let mut recorder = Recorder::new(Duration::from_secs(10));
        for (n, frame) in speech.chunks_exact(160).enumerate() {
            let sequence = u16::try_from(n).unwrap();
            let late = if n < 25 { 0 } else { 6 };
            let payload: Vec<u8> = frame.iter().map(|&s| Codec::Pcmu.encode(s)).collect();
            let timestamp = (u32::from(sequence) + late) * 160;
            let (marker, payload_type, ssrc) = (false, 0, 5);
            let payload = &payload;
            let packet = RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload };
            recorder.handle(1000 * MS + 20 * MS * (u32::from(sequence) + late), &packet.to_bytes());
        }
        let prompt = Prompt::new(&speech);
        let (from, to) = (900 * MS, 3000 * MS);
        assert_eq!(prompt.find(recorder.heard(from, to)), None);
        let joined = recorder.without_gaps(from, to);
        assert_eq!(joined.gaps(), 6 * 160);
        let (first, last, _) = joined.find(&prompt).unwrap();
        assert_eq!((first, last), (0, prompt.needed() + 6 * 160));
        assert_eq!(recorder.ends_at(), 2620 * MS);
    }

    #[test]
    fn new_stream_is_laid_at_its_arrival() {
        let mut recorder = Recorder::new(Duration::from_secs(10));
        assert!(recorder.handle(1000 * MS, &packet(1, 0, 9000)));
        assert!(recorder.handle(5000 * MS, &packet(2, 900_000, 9000)));
        assert_eq!(recorder.received.restarts, 1);
        assert_eq!(recorder.heard(5000 * MS, 6000 * MS).len(), 160);
    }

    #[test]
    fn hours_of_pause_cost_no_memory() {
        let mut recorder = Recorder::new(Duration::from_secs(1));
        let hour = Duration::from_secs(3600);
        recorder.handle(1000 * MS, &packet(1, 0, 9000));
        recorder.handle(hour, &packet(2, 160, 9000));
        assert_eq!(recorder.samples.len(), 160);
        assert_eq!(recorder.heard(hour, hour + 20 * MS).len(), 160);
        assert!(recorder.heard(Duration::ZERO, hour).is_empty());
    }

    #[test]
    fn only_the_last_stretch_is_kept() {
        let mut recorder = Recorder::new(Duration::from_secs(1));
        for step in 0..500_u32 {
            let sequence = u16::try_from(step).unwrap();
            recorder.handle(20 * step * MS, &packet(sequence, step * 160, 9000));
        }
        assert!(recorder.samples.len() <= 16_160);
        assert_eq!(recorder.heard(9000 * MS, 10_000 * MS).len(), 8000);
        assert_eq!(recorder.heard(Duration::ZERO, 1000 * MS).len(), 0);
    }
}
