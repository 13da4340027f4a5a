//! Writes every look that the detector takes at the sound in WAV files: `looks LIST OUT`.
//!
//! LIST names 8 kHz 16-bit mono files, one a line. OUT gets a row of 19 little-endian `f32` for each
//! look: number of the file in LIST, first and last sample in milliseconds, kind, event code, 14
//! features. `tests/dtmf-bench/train.py` learns the weights from it.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};

use partyline_dtmf::training;

/// Bytes before the samples of a plain WAV file.
const HEADER: usize = 44;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(list), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: looks LIST OUT".into());
    };
    let mut out = BufWriter::new(File::create(out)?);
    for (file, path) in fs::read_to_string(list)?.lines().enumerate() {
        let bytes = fs::read(path)?;
        let samples: Vec<i16> = bytes
            .get(HEADER..)
            .ok_or("no WAV file")?
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let mut written = Ok(());
        training::looks(&samples, &mut |row| {
            let head = [file as f32, milliseconds(row.start), milliseconds(row.end)];
            let kind = [row.kind as f32, f32::from(row.code)];
            for value in head.iter().chain(&kind).chain(&row.features) {
                if written.is_ok() {
                    written = out.write_all(&value.to_le_bytes());
                }
            }
        });
        written?;
    }
    Ok(out.flush()?)
}

fn milliseconds(samples: u64) -> f32 {
    samples as f32 / 8.0
}
