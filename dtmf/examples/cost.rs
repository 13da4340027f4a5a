//! Runs the detector over raw 8 kHz 16-bit samples: `cost FILE`, or `cost lanes FILE` for the same
//! sound in eight calls side by side.
//!
//! For callgrind, which counts what `one` or `lanes` costs (`--toggle-collect='cost::one*'`) and so
//! leaves out the reading of the file. Prints how many digits were heard: nothing can be optimised
//! away, and the count shows that the audio is what it should be.

#![expect(clippy::print_stdout, reason = "the count is what the program prints")]

use std::env;
use std::error::Error;
use std::fs;

use partyline_dtmf::{Detector, Event, Lanes};

/// 20 ms, as a bridge hands audio in.
const FRAME: usize = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (path, side_by_side) = match &arguments[..] {
        [path] => (path, false),
        [lanes, path] if lanes == "lanes" => (path, true),
        _ => return Err("usage: cost [lanes] FILE".into()),
    };
    let raw = fs::read(path)?;
    let audio: Vec<i16> =
        raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let digits = if side_by_side {
        lanes(&mut Lanes::new(), &audio)
    } else {
        one(&mut Detector::new(), &audio)
    };
    println!("{digits}");
    Ok(())
}

/// One call by itself.
#[inline(never)]
fn one(detector: &mut Detector, audio: &[i16]) -> u32 {
    let mut digits = 0;
    for frame in audio.chunks(FRAME) {
        detector.push(frame, &mut |event| digits += u32::from(is_down(event)));
    }
    digits
}

/// Eight calls with the same sound, each a few frames ahead of the one before, so that they do not
/// all do the same at once.
#[inline(never)]
fn lanes(lanes: &mut Lanes, audio: &[i16]) -> u32 {
    let (frames, _) = audio.as_chunks::<FRAME>();
    let mut digits = 0;
    let mut calls: [_; Lanes::COUNT] =
        std::array::from_fn(|lane| frames.iter().cycle().skip(lane * APART));
    for _ in frames {
        let heard = calls.each_mut().map(Iterator::next);
        lanes.push(&heard, &mut |_, event| digits += u32::from(is_down(event)));
    }
    digits
}

/// Frames from one call's place in the sound to the next one's.
const APART: usize = 37;

const fn is_down(event: Event) -> bool {
    matches!(event, Event::Down { .. })
}
