use std::f64::consts::TAU;

use super::{BINS, POINTS, ROWS, spectrum};
use crate::simd::{Kernel, LANES, Vectors, widest};
use crate::sound::{mixed, noise, sines};

struct Spectrum<'a>(&'a [[[f32; LANES]; ROWS]; 2]);

impl Kernel for Spectrum<'_> {
    type Output = [[f32; LANES]; BINS / LANES];

    #[inline(always)]
    fn run(self, v: impl Vectors) -> Self::Output {
        spectrum(v, self.0)
    }
}

#[test]
fn powers_are_those_of_a_fourier_transform_written_out() {
    let length = 2 * POINTS;
    let click: Vec<i16> = (0..length).map(|n| if n == 77 { 9_000 } else { 0 }).collect();
    let tones = sines(length, &[(440.0, 9_000.0), (3_999.0, 200.0)]);
    for audio in [mixed(&noise(length, 8_000.0, 11), &tones), tones, click, vec![5; length]] {
        let mut samples = [[[0.0; LANES]; ROWS]; 2];
        for (n, &sample) in audio.iter().enumerate() {
            samples[n % 2].as_flattened_mut()[n / 2] = f32::from(sample);
        }
        for (bin, &power) in widest(Spectrum(&samples)).as_flattened().iter().enumerate() {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &x) in audio.iter().enumerate() {
                let angle = TAU * (bin * n % length) as f64 / length as f64;
                re += f64::from(x) * angle.cos();
                im -= f64::from(x) * angle.sin();
            }
            let expected = re * re + im * im;
            let error = (f64::from(power) - expected).abs();
            assert!(error < 1e-4 * expected + 1e5, "bin {bin}: {power} {expected}");
        }
    }
}
