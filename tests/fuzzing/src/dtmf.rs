//! The tone detector: any sound in any pieces gives presses that begin and end, the same ones.

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event};

use crate::tape::Tape;

/// Most sound in one input: 4 s.
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

/// Hears what `data` describes, whole and cut up; its first two bytes say how it is cut.
pub fn dtmf(data: &[u8]) {
    let mut tape = Tape::new(data);
    let cuts = [1 + usize::from(tape.byte()), 1 + usize::from(tape.byte() % 160)];
    let mut pieces = Vec::new();
    let mut length = 0;
    while !tape.is_at_end() && length < LONGEST {
        let piece = piece(&mut tape);
        length += piece.samples();
        pieces.push(piece);
    }

    let whole = hear(&pieces, |samples, detector, events| {
        detector.push(samples, &mut |event| events.push(event));
    });
    let cut_up = hear(&pieces, |mut samples, detector, events| {
        for cut in cuts.into_iter().cycle() {
            let (now, later) = samples.split_at(cut.min(samples.len()));
            detector.push(now, &mut |event| events.push(event));
            samples = later;
            if samples.is_empty() {
                break;
            }
        }
    });
    assert!(whole == cut_up, "how sound is cut changes what is heard");
    check(&whole, length);
}

fn piece(tape: &mut Tape<'_>) -> Piece {
    match tape.byte() % 4 {
        0 => {
            let burst = Burst {
                code: tape.byte(),
                level_dbm0: -f64::from(tape.byte() % 64),
                twist_db: f64::from(tape.byte() % 32) - 16.0,
                off_percent: [f64::from(tape.byte() % 16) / 4.0 - 2.0; 2],
                on_ms: u32::from(tape.byte()),
                off_ms: u32::from(tape.byte()),
                ramp_ms: 0,
            };
            Piece::Heard(burst.samples())
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

fn hear(pieces: &[Piece], push: impl Fn(&[i16], &mut Detector, &mut Vec<Event>)) -> Vec<Event> {
    let (mut detector, mut events) = (Detector::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Heard(samples) => push(samples, &mut detector, &mut events),
            Piece::Lost(samples) => {
                detector.push_lost(*samples, &mut |event| events.push(event));
            }
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
