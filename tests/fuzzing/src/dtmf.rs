//! The tone detector: any sound at any rate in any pieces gives presses that begin and end, the
//! same ones.

use partyline_dtmf::tone::{Burst, Generator};
use partyline_dtmf::{Detector, Event, Rate, WidebandDetector};

use crate::tape::Tape;

/// Most sound in one input, in samples: 4 s at 8 kHz.
const LONGEST: usize = 32_000;

/// A piece of sound.
enum Piece {
    Heard(Vec<i16>),
    Lost(usize),
}

impl Piece {
    const fn samples(&self) -> usize {
        match self {
            Self::Heard(samples) => samples.len(),
            Self::Lost(samples) => *samples,
        }
    }
}

/// Hears what `data` describes, whole and cut up; its first byte is the rate, the next two say how
/// it is cut.
pub fn dtmf(data: &[u8]) {
    let mut tape = Tape::new(data);
    let rate = [Rate::Hz8000, Rate::Hz16000, Rate::Hz48000][usize::from(tape.byte() % 3)];
    let cuts = [1 + usize::from(tape.byte()), 1 + usize::from(tape.byte() % 160)];
    let mut pieces = Vec::new();
    let mut length = 0;
    while !tape.is_at_end() && length < LONGEST {
        let piece = piece(&mut tape, rate);
        length += piece.samples();
        pieces.push(piece);
    }

    let whole = hear(rate, &pieces, &[usize::MAX]);
    let cut_up = hear(rate, &pieces, &cuts);
    assert!(whole == cut_up, "how sound is cut changes what is heard");
    check(&whole, length);
    if rate == Rate::Hz8000 {
        assert!(whole == hear_plainly(&pieces), "8 kHz sound is not passed on as it is");
    }
}

fn piece(tape: &mut Tape<'_>, rate: Rate) -> Piece {
    match tape.byte() % 4 {
        0 => {
            let burst = Burst {
                code: tape.byte(),
                level_dbm0: -f64::from(tape.byte() % 64),
                twist_db: f64::from(tape.byte() % 32) - 16.0,
                off_percent: [f64::from(tape.byte() % 16) / 4.0 - 2.0; 2],
                on_ms: u32::from(tape.byte()),
                off_ms: u32::from(tape.byte()),
                ramp_ms: u32::from(tape.byte() % 8),
            };
            Piece::Heard(Generator::new(&burst, rate).collect())
        }
        1 => Piece::Lost(usize::from(tape.u16())),
        2 => {
            let octets = tape.chunk().chunks_exact(2);
            Piece::Heard(octets.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
        }
        _ => {
            let value = i16::from_le_bytes([tape.byte(), tape.byte()]);
            Piece::Heard(vec![value; usize::from(tape.byte())])
        }
    }
}

/// Hears each piece cut to lengths of `cuts` in turn.
fn hear(rate: Rate, pieces: &[Piece], cuts: &[usize]) -> Vec<Event> {
    let (mut detector, mut events) = (WidebandDetector::new(rate), Vec::new());
    let mut report = |event| events.push(event);
    let mut position = 0;
    for piece in pieces {
        match piece {
            Piece::Lost(samples) => detector.push_lost(*samples, &mut report),
            Piece::Heard(samples) => {
                let mut left = &samples[..];
                for cut in cuts.iter().cycle() {
                    let (now, later) = left.split_at(left.len().min(*cut));
                    detector.push(now, &mut report);
                    left = later;
                    if left.is_empty() {
                        break;
                    }
                }
            }
        }
        position += piece.samples() as u64;
        let since = detector.suspected_since();
        assert!(since.is_some() == detector.suspects(), "a suspicion that began nowhere");
        assert!(since.is_none_or(|since| since < position), "a suspicion from the future");
    }
    events
}

/// Hears the pieces with the detector itself.
fn hear_plainly(pieces: &[Piece]) -> Vec<Event> {
    let (mut detector, mut events) = (Detector::new(), Vec::new());
    let mut report = |event| events.push(event);
    for piece in pieces {
        match piece {
            Piece::Heard(samples) => detector.push(samples, &mut report),
            Piece::Lost(samples) => detector.push_lost(*samples, &mut report),
        }
    }
    events
}

/// Presses begin and end in turn, and not after the end of the sound.
fn check(events: &[Event], length: usize) {
    let mut down = false;
    let mut last = 0;
    for event in events {
        match *event {
            Event::Down { code, onset } => {
                assert!(!down, "two keys at once");
                assert!(code < 16 && onset >= last && onset < length as u64);
                (down, last) = (true, onset);
            }
            Event::Up { .. } => {
                assert!(down, "a key comes up that was not down");
                down = false;
            }
        }
    }
}
