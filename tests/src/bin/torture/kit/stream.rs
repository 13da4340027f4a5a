//! One RTP stream that goes out: a voice or silence, and keys as telephone events (RFC 4733).

use std::collections::VecDeque;

use partyline_phones::{Codec, RtpPacket, sine};

use super::ears::{LEVEL_DBM0, Voice};

/// Samples in a packet of 20 ms.
const FRAME: u16 = 160;
/// Packets of a key press, of its end and of the pause behind it.
const PRESS: u16 = 5;
const ENDS: u16 = 3;
const PAUSE: u16 = 5;
/// As [`bridge_tests::real::wire::offer`] has it.
const EVENTS: u8 = 101;
/// Samples after which every tone here is at phase zero again.
const SECOND: usize = 8000;

/// What a stream says.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// A second of the voice, encoded.
    sound: Vec<u8>,
    place: usize,
    keys: VecDeque<u8>,
    /// Packets of the key that is pressed.
    pressed: u16,
}

impl Stream {
    /// One that begins at numbers made from `seed`.
    pub(crate) fn new(seed: u64, voice: Option<Voice>) -> Self {
        let [a, b, c, d, e, f, ..] = seed.to_be_bytes();
        Self {
            sequence: u16::from_be_bytes([a, b]),
            timestamp: 0,
            ssrc: u32::from_be_bytes([c, d, e, f]),
            sound: sound(voice),
            place: 0,
            keys: VecDeque::new(),
            pressed: 0,
        }
    }

    /// Presses keys after those that are still waiting.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.extend(keys.chars().filter_map(code));
    }

    /// The packet of the next 20 ms; `None` in the pause between keys.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let began = self.timestamp;
        self.timestamp = self.timestamp.wrapping_add(u32::from(FRAME));
        let Some(&key) = self.keys.front() else {
            let frame: Vec<u8> = self.sound[self.place..self.place + usize::from(FRAME)].to_vec();
            self.place = (self.place + usize::from(FRAME)) % SECOND;
            return Some(self.packet(began, Codec::Pcmu.payload_type(), false, &frame));
        };
        let at = self.pressed;
        self.pressed += 1;
        if at == PRESS + ENDS + PAUSE {
            self.keys.pop_front();
            self.pressed = 0;
            return None;
        }
        if at >= PRESS + ENDS {
            return None;
        }
        // The timestamp is that of the beginning, the duration grows until the end.
        let start = began.wrapping_sub(u32::from(at) * u32::from(FRAME));
        let [high, low] = ((at + 1).min(PRESS) * FRAME).to_be_bytes();
        let end = if at >= PRESS { 0x80 } else { 0 };
        Some(self.packet(start, EVENTS, at == 0, &[key, end | 10, high, low]))
    }

    fn packet(
        &mut self,
        timestamp: u32,
        payload_type: u8,
        marker: bool,
        payload: &[u8],
    ) -> Vec<u8> {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        self.sequence = sequence.wrapping_add(1);
        RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload }.to_bytes()
    }
}

fn sound(voice: Option<Voice>) -> Vec<u8> {
    let samples = voice.map_or(vec![0; SECOND], |voice| sine(voice.hz(), LEVEL_DBM0, SECOND));
    samples.into_iter().map(|sample| Codec::Pcmu.encode(sample)).collect()
}

/// RFC 4733 §3.2.
fn code(key: char) -> Option<u8> {
    match key {
        '*' => Some(10),
        '#' => Some(11),
        _ => key.to_digit(10).and_then(|digit| u8::try_from(digit).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_eight_packets_of_one_timestamp_and_a_pause() {
        let mut stream = Stream::new(1, None);
        stream.press("*");
        let packets: Vec<_> = (0..14).map(|_| stream.next()).collect();
        let events: Vec<_> =
            packets.iter().flatten().map(|p| RtpPacket::parse(p).unwrap()).collect();
        assert_eq!(events.len(), 8);
        assert!(events.iter().all(|p| p.timestamp == events[0].timestamp && p.payload[0] == 10));
        assert_eq!(events[7].payload, [10, 0x8A, 3, 0x20]);
        assert_eq!(RtpPacket::parse(&stream.next().unwrap()).unwrap().payload_type, 0);
    }
}
