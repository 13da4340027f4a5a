//! What the clamp leaves of keys, and what it takes from speech: `clamp FILE...`, where the files
//! are WAV, 8 kHz 16-bit mono, and hold speech without keys.
//!
//! Prints how long keys leak to the room and to the recording, in silence, under the speech at
//! several levels, and with packet loss; and how much of the speech is muted.

#![expect(clippy::print_stdout, reason = "the figures are what the program is for")]
#![allow(clippy::cast_precision_loss, reason = "figures are shown with few digits")]

use std::{env, error::Error, fs};

use listening::{coded, loses, muted, pass, presses, unlimited};

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/listening.rs"]
mod listening;

const LEVELS: [(f64, f64); 6] =
    [(-3.0, 0.0), (-9.0, 0.0), (-20.0, 0.0), (-30.0, 0.0), (-12.0, -8.0), (-12.0, 4.0)];
const MILLIS: [u32; 4] = [40, 50, 100, 500];

fn main() -> Result<(), Box<dyn Error>> {
    let mut all = Vec::new();
    let (mut taken, mut spoken) = (0, 0);
    for path in env::args().skip(1) {
        let speech = pcm(&fs::read(&path)?).ok_or("not a WAV file with a data chunk")?;
        let speech = unlimited(speech);
        let heard = pass(&speech, |_| false);
        let (a, b) = muted(&speech, &heard.room);
        if a > 0 {
            println!("{path}: {} ms muted of {} s", a / 8, b / 8_000);
        }
        taken += a;
        spoken += b;
        all.extend(coded(&speech));
    }
    let share = 100.0 * taken as f64 / spoken.max(1) as f64;
    println!("speech: {share:.4} % muted of {} s", spoken / 8_000);
    let power: f64 = all.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let level = 10.0 * (power / all.len().max(1) as f64 / 32_768.0_f64.powi(2)).log10();
    for per_mille in [0, 10, 30] {
        show(&format!("silence, {per_mille} per mille lost"), &LEVELS, (&[], 0), per_mille);
    }
    if !all.is_empty() {
        for gain in [32, 64, 128, 256] {
            let at = level + 20.0 * (f64::from(gain) / 256.0).log10();
            let what = format!("speech at {at:.0} dBFS on the whole, keys at -9 dBm0 a tone");
            show(&what, &[(-9.0, 0.0)], (&all, gain), 0);
        }
    }
    Ok(())
}

fn show(what: &str, levels: &[(f64, f64)], (speech, gain): (&[i16], i32), per_mille: u32) {
    let mut is_lost = loses(per_mille);
    let mut leaks: Vec<usize> = presses(levels, &MILLIS, gain)
        .into_iter()
        .flat_map(|presses| presses.leaks(speech, &mut is_lost))
        .collect();
    leaks.sort_unstable();
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
        let place = (leaks.len() as f64 * share) as usize;
        leaks[place.min(leaks.len() - 1)] as f64 / 8.0
    };
    let long = leaks.iter().filter(|&&leak| leak > 160).count();
    println!(
        "{what}: leak p50 {:.1} p99 {:.1} p99.9 {:.1} most {:.1} ms; {long} of {} over 20 ms",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        leaks.len(),
    );
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
