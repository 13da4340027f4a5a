//! Lists the digits in WAV files: `list LIST`, where LIST names 8 kHz 16-bit mono files, one a line.
//!
//! Prints `path digit onset_ms report_ms` for each key press. Audio is heard in 20 ms frames, as a
//! bridge does; `report_ms` is the end of the frame that made the digit certain.

#![expect(clippy::print_stdout, reason = "the list is what the program is for")]

use std::env;
use std::error::Error;
use std::fs;

use partyline_dtmf::{Detector, Event};

const FRAME: usize = 160;
const KEYS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

fn main() -> Result<(), Box<dyn Error>> {
    let list = env::args().nth(1).ok_or("usage: list LIST")?;
    for path in fs::read_to_string(list)?.lines() {
        let samples = pcm(&fs::read(path)?).ok_or("not a WAV file with a data chunk")?;
        let mut detector = Detector::new();
        for (frame, audio) in samples.chunks(FRAME).enumerate() {
            detector.push(audio, &mut |event| {
                if let Event::Down { code, onset } = event {
                    let key = KEYS[usize::from(code)];
                    println!("{path} {key} {} {}", onset / 8, (frame + 1) * 20);
                }
            });
        }
    }
    Ok(())
}

/// The samples of the first `data` chunk of a RIFF file; the format is taken on trust.
fn pcm(file: &[u8]) -> Option<Vec<i16>> {
    let mut rest = file.get(12..)?;
    loop {
        let (name, size) = (rest.get(..4)?, rest.get(4..8)?);
        let size = usize::try_from(u32::from_le_bytes(size.try_into().ok()?)).ok()?;
        let body = rest.get(8..)?;
        if name == b"data" {
            let body = &body[..size.min(body.len())];
            let pairs = body.chunks_exact(2);
            return Some(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect());
        }
        rest = body.get(size + size % 2..)?;
    }
}
