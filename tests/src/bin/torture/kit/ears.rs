//! What came in as sound: which packets were lost, which tones were heard and when.

use std::time::Duration;

use partyline_phones::{Codec, RtpPacket, analysis};

/// Of these, 100 ms each, [`ENOUGH`] in [`WINDOW`] must hold a tone: speech never does.
const BLOCK: usize = analysis::BLOCK;
const WINDOW: u32 = 5;
const ENOUGH: u32 = 4;
/// The least level of a tone that is heard, in dBm0; all are sent at [`LEVEL_DBM0`].
const FLOOR_DBM0: f64 = -26.0;
/// The level of every voice here.
pub(crate) const LEVEL_DBM0: f64 = -14.0;

/// The tones by which voices are told apart, in Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Somebody who talks all the time.
    Talker = 1105,
    /// Whose leg is attacked.
    Victim = 520,
    /// Nobody should hear it.
    Stranger = 1950,
}

impl Voice {
    const ALL: [Self; 3] = [Self::Talker, Self::Victim, Self::Stranger];

    pub(crate) fn hz(self) -> f64 {
        f64::from(self as u16)
    }
}

/// One tone's history.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// The last blocks, the newest in the lowest bit.
    blocks: u32,
    /// When it was first made out since [`Ears::forget`].
    first: Option<Duration>,
    last: Option<Duration>,
}

/// Both ears of one caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ears {
    /// RTP packets.
    pub(crate) packets: u64,
    /// Between the first and the newest packet.
    highest: Option<(u64, u64)>,
    /// When the newest packet came, and the longest time without one.
    last: Option<Duration>,
    pub(crate) longest_gap: Duration,
    samples: Vec<i16>,
    heard: [Heard; 3],
}

impl Ears {
    /// Takes in a datagram.
    pub(crate) fn hear(&mut self, now: Duration, bytes: &[u8]) {
        let Some(packet) = RtpPacket::parse(bytes) else { return };
        self.packets += 1;
        if let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now.saturating_sub(last));
        }
        let sequence = u64::from(packet.sequence);
        self.highest = Some(match self.highest {
            None => (sequence, sequence),
            Some((first, highest)) => (first, highest.max(extended(highest, packet.sequence))),
        });
        if packet.payload_type != Codec::Pcmu.payload_type() {
            return;
        }
        self.samples.extend(packet.payload.iter().map(|&octet| Codec::Pcmu.decode(octet)));
        while self.samples.len() >= BLOCK {
            let rest = self.samples.split_off(BLOCK);
            let block = std::mem::replace(&mut self.samples, rest);
            self.judge(now, &block);
        }
    }

    fn judge(&mut self, now: Duration, block: &[i16]) {
        for (voice, heard) in Voice::ALL.iter().zip(&mut self.heard) {
            let there = analysis::tone_level(block, voice.hz()) >= FLOOR_DBM0;
            heard.blocks = (heard.blocks << 1 | u32::from(there)) & ((1 << WINDOW) - 1);
            if heard.blocks.count_ones() >= ENOUGH {
                heard.first = heard.first.or(Some(now));
                heard.last = Some(now);
            }
        }
    }

    /// When a voice was made out first, after half a second of it.
    pub(crate) fn first(&self, voice: Voice) -> Option<Duration> {
        self.of(voice).first
    }

    /// Whether a voice was made out since [`Self::forget`].
    pub(crate) fn heard(&self, voice: Voice) -> bool {
        self.of(voice).first.is_some()
    }

    fn of(&self, voice: Voice) -> &Heard {
        match voice {
            Voice::Talker => &self.heard[0],
            Voice::Victim => &self.heard[1],
            Voice::Stranger => &self.heard[2],
        }
    }

    /// Begins to listen anew: for voices, for gaps and for losses.
    pub(crate) fn forget(&mut self) {
        self.heard = [Heard::default(); 3];
        self.samples.clear();
        self.longest_gap = Duration::ZERO;
        self.packets = 0;
        self.highest = None;
    }

    /// Packets missing between the first and the newest, by their sequence numbers.
    pub(crate) fn lost(&self) -> u64 {
        let Some((first, highest)) = self.highest else { return 0 };
        (highest - first + 1).saturating_sub(self.packets)
    }
}

/// The sequence number nearest to `highest` that ends in `sequence`.
fn extended(highest: u64, sequence: u16) -> u64 {
    let [.., high, low] = highest.to_be_bytes();
    let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
    if ahead < 0x8000 { highest + u64::from(ahead) } else { highest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use partyline_phones::sine;

    fn packets(hz: f64, count: u16, skip: Option<u16>) -> Ears {
        let mut ears = Ears::default();
        let samples = sine(hz, LEVEL_DBM0, 160 * usize::from(count));
        for (place, frame) in (0..count).zip(samples.chunks(160)) {
            let payload: Vec<u8> = frame.iter().map(|&s| Codec::Pcmu.encode(s)).collect();
            let sequence = 65_530u16.wrapping_add(place);
            let (marker, payload_type) = (false, 0);
            let timestamp = u32::from(place) * 160;
            let packet =
                RtpPacket { marker, payload_type, sequence, timestamp, ssrc: 1, payload: &payload };
            if Some(place) != skip {
                ears.hear(Duration::from_millis(20) * u32::from(place), &packet.to_bytes());
            }
        }
        ears
    }

    #[test]
    fn voice_is_made_out_after_half_a_second_and_no_other() {
        let ears = packets(Voice::Victim.hz(), 50, None);
        assert!(ears.heard(Voice::Victim));
        assert!(!ears.heard(Voice::Talker) && !ears.heard(Voice::Stranger));
        assert!(ears.first(Voice::Victim).unwrap() <= Duration::from_millis(520));
    }

    #[test]
    fn lost_packet_is_counted_over_the_end_of_sequence_numbers() {
        assert_eq!(packets(520.0, 50, None).lost(), 0);
        assert_eq!(packets(520.0, 50, Some(9)).lost(), 1);
    }
}
