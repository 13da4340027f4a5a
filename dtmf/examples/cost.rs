//! Runs the detector over raw 8 kHz 16-bit samples: `cost FILE`.
//!
//! For callgrind, which counts what `one` costs (`--toggle-collect='cost::one*'`) and so leaves out
//! the reading of the file. Prints how many digits were heard: nothing can be optimised away, and
//! the count shows that the audio is what it should be.

#![expect(clippy::print_stdout, reason = "the count is what the program prints")]

use std::env;
use std::error::Error;
use std::fs;

use partyline_dtmf::{Detector, Event};

/// 20 ms, as a bridge hands audio in.
const FRAME: usize = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: cost FILE")?;
    let raw = fs::read(path)?;
    let audio: Vec<i16> =
        raw.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut detector = Detector::new();
    println!("{}", one(&mut detector, &audio));
    Ok(())
}

/// One call by itself.
#[inline(never)]
fn one(detector: &mut Detector, audio: &[i16]) -> u32 {
    let mut digits = 0;
    for frame in audio.chunks(FRAME) {
        detector.push(frame, &mut |event| {
            if matches!(event, Event::Down { .. }) {
                digits += 1;
            }
        });
    }
    digits
}
