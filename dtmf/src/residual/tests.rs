use super::{
    BOTTOM_BIN, FULL, HALF, HOP, HOPS, PARTS, PAST, Parted, Reach, Residual, TOP_BIN, forget,
    solve, taper,
};
use crate::simd::{Kernel, LANES, Vectors, widest};
use crate::sound::{decibels, mixed, noise, sines};
use crate::spectrum::spectrum;

const PAIR: [f64; 2] = [770.0, 1_336.0];
const HERTZ: [f32; 2] = [770.0, 1_336.0];

fn past(audio: &[i16]) -> &[i16; PAST] {
    audio.first_chunk().expect("enough for a past")
}

fn pair(peak: f64) -> Vec<i16> {
    sines(PAST, &PAIR.map(|hertz| (hertz, peak)))
}

fn power_of(rest: &Parted) -> f64 {
    let squares = rest.as_flattened().as_flattened().iter().map(|&x| f64::from(x).powi(2));
    squares.sum::<f64>() / PAST as f64
}

struct Subtract<'a>(&'a [i16; PAST], Reach, u32, [f32; 2]);

impl Kernel for Subtract<'_> {
    type Output = (Parted, f32);

    #[inline(always)]
    fn run(self, v: impl Vectors) -> (Parted, f32) {
        super::subtract(v, self.0, self.1, self.2, self.3)
    }
}

fn subtract(past: &[i16; PAST], lost: u32, hertz: [f32; 2]) -> (Parted, f32) {
    widest(Subtract(past, Reach::Whole, lost, hertz))
}

struct Strongest<'a>(&'a [[f32; LANES]]);

impl Kernel for Strongest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self, v: impl Vectors) -> f32 {
        super::strongest(v, self.0)
    }
}

struct Spectrum<'a>(&'a Parted);

impl Kernel for Spectrum<'_> {
    type Output = [f32; HALF];

    #[inline(always)]
    fn run(self, v: impl Vectors) -> [f32; HALF] {
        *spectrum(v, self.0).as_flattened().first_chunk().expect("all of it")
    }
}

#[test]
fn a_signal_of_power_one_fills_the_bins_with_the_full_sum() {
    let audio = sines(PAST, &[(1_000.0, 2_f64.sqrt() * 1_000.0)]);
    let mut tapered = taper(PAST);
    for (n, &sample) in audio.iter().enumerate() {
        tapered[n % 2].as_flattened_mut()[n / 2] *= f32::from(sample) / 1_000.0;
    }
    let sum: f32 = widest(Spectrum(&tapered))[BOTTOM_BIN..=TOP_BIN].iter().sum();
    let full = FULL * PAST as f32;
    assert!((sum / full - 1.0).abs() < 0.01, "{}", sum / full);
}

#[test]
fn a_pair_is_taken_out_to_the_rounding_of_its_samples() {
    for offset in [-20.0, 0.0, 13.0] {
        let hertz = PAIR.map(|hertz| hertz + offset);
        let audio = sines(PAST, &hertz.map(|hertz| (hertz, 6_000.0)));
        #[expect(clippy::cast_possible_truncation, reason = "a few bits do not matter")]
        let (rest, power) = subtract(past(&audio), 0, hertz.map(|hertz| hertz as f32));
        assert!((power / 36e6 - 1.0).abs() < 1e-3, "{offset}: {power}");
        let left = decibels(power_of(&rest), 36e6);
        assert!(left < -75.0, "{offset}: {left} dB");
    }
}

#[test]
fn what_is_beside_the_pair_stays() {
    let beside = sines(PAST, &[(2_500.0, 2_000.0)]);
    let (rest, power) = subtract(past(&mixed(&pair(6_000.0), &beside)), 0, HERTZ);
    assert!((power / 36e6 - 1.0).abs() < 0.01, "{power}");
    assert!(decibels(power_of(&rest), 2e6).abs() < 0.1);
}

#[test]
fn a_clean_pair_leaves_a_floor_without_lines_or_voice() {
    let residual = Residual::measure(past(&pair(6_000.0)), Reach::Whole, 0, HERTZ);
    // The floor is even: eight bins, nine bins and 17 of 116.
    assert!((residual.lines - 8.0 / 116.0).abs() < 0.01, "{}", residual.lines);
    assert!((residual.harmonics - 9.0 / 116.0).abs() < 0.01, "{}", residual.harmonics);
    assert!((residual.low - 17.0 / 116.0).abs() < 0.01, "{}", residual.low);
}

#[test]
fn lines_beside_the_pair_are_told_from_noise() {
    let residual = |beside: &[i16]| {
        Residual::measure(past(&mixed(&pair(6_000.0), beside)), Reach::Whole, 0, HERTZ)
    };
    let tones = residual(&sines(PAST, &[(1_050.0, 2_000.0), (2_100.0, 2_000.0)]));
    assert!(tones.lines > 0.97, "{}", tones.lines);
    assert!(tones.low < 0.02 && tones.harmonics < 0.02, "{} {}", tones.low, tones.harmonics);
    let hiss = residual(&noise(PAST, 2_000.0, 5));
    assert!(hiss.lines < 0.45, "{}", hiss.lines);
}

#[test]
fn each_harmonic_counts_as_one() {
    for hertz in [2.0 * 770.0, 2.0 * 1_336.0, 3.0 * 770.0] {
        let audio = mixed(&pair(6_000.0), &sines(PAST, &[(hertz, 1_500.0)]));
        let residual = Residual::measure(past(&audio), Reach::Whole, 0, HERTZ);
        assert!(residual.harmonics > 0.9, "{hertz} Hz: {}", residual.harmonics);
        assert!(residual.low < 0.05, "{hertz} Hz: {}", residual.low);
    }
    let audio = mixed(&pair(6_000.0), &sines(PAST, &[(2_000.0, 1_500.0)]));
    assert!(Residual::measure(past(&audio), Reach::Whole, 0, HERTZ).harmonics < 0.05);
}

#[test]
fn what_is_below_six_hundred_hertz_counts_as_voice() {
    for (hertz, low) in [(100.0, 0.9), (300.0, 0.9), (540.0, 0.9)] {
        let audio = mixed(&pair(6_000.0), &sines(PAST, &[(hertz, 1_500.0)]));
        let residual = Residual::measure(past(&audio), Reach::Whole, 0, HERTZ);
        assert!(residual.low > low, "{hertz} Hz: {}", residual.low);
    }
    for hertz in [660.0, 3_000.0] {
        let audio = mixed(&pair(6_000.0), &sines(PAST, &[(hertz, 1_500.0)]));
        assert!(Residual::measure(past(&audio), Reach::Whole, 0, HERTZ).low < 0.1, "{hertz} Hz");
    }
}

#[test]
fn a_lost_hop_is_neither_fitted_nor_left_over() {
    for hop in 0..HOPS {
        let mut audio = pair(6_000.0);
        let end = PAST - hop * HOP;
        audio[end.saturating_sub(HOP)..end].fill(0);
        let (rest, power) = subtract(past(&audio), 1 << hop, HERTZ);
        assert!((power / 36e6 - 1.0).abs() < 0.01, "hop {hop}: {power}");
        assert!(decibels(power_of(&rest), 36e6) < -70.0, "hop {hop}");
        let (rest, _) = subtract(past(&audio), 0, HERTZ);
        assert!(decibels(power_of(&rest), 36e6) > -30.0, "hop {hop}: the loss must be told");
        // What the loss was concealed with does not matter.
        audio[end.saturating_sub(HOP)..end].fill(9_000);
        let (rest, _) = subtract(past(&audio), 1 << hop | 1 << HOPS, HERTZ);
        assert!(decibels(power_of(&rest), 36e6) < -70.0, "hop {hop}");
    }
}

#[test]
fn each_bit_of_a_loss_silences_its_hop() {
    let mut values = [[[1.0; LANES]; PARTS]; 2];
    forget(&mut values, 1 | 1 << (HOPS - 1));
    let first = PAST - (HOPS - 1) * HOP;
    for n in 0..PAST {
        let is_kept = (first..PAST - HOP).contains(&n);
        let value = values[n % 2].as_flattened()[n / 2];
        assert_eq!(value, f32::from(u8::from(is_kept)), "sample {n}");
    }
}

#[test]
fn a_past_that_is_all_lost_gives_numbers() {
    for lost in [u32::MAX, (1 << HOPS) - 1, (1 << HOPS) - 2] {
        let residual = Residual::measure(&[i16::MIN; PAST], Reach::Whole, lost, HERTZ);
        assert!([residual.lines, residual.harmonics, residual.low].iter().all(|x| x.is_finite()));
    }
}

#[test]
fn equations_are_solved_and_singular_ones_give_zeros() {
    let rows = [
        [4.0, 1.0, 0.0, 2.0, 0.0],
        [1.0, 5.0, 1.0, 0.0, 0.0],
        [0.0, 1.0, 6.0, 1.0, 0.0],
        [2.0, 0.0, 1.0, 7.0, 0.0],
    ];
    let wanted = [1.0, -2.0, 3.0, -4.0];
    let filled = rows.map(|mut row| {
        row[4] = row.iter().zip(wanted).map(|(a, x)| a * x).sum();
        row
    });
    for (x, wanted) in solve(filled).iter().zip(wanted) {
        assert!((x - wanted).abs() < 1e-4, "{x} {wanted}");
    }
    assert_eq!(solve([[1.0, 1.0, 1.0, 1.0, 5.0]; 4]), [0.0; 4]);
}

#[test]
fn the_strongest_are_the_eight_greatest_wherever_they_are() {
    for turn in 0..40 {
        let mut powers: Vec<f32> = (1..=40).map(|n: u8| f32::from(n)).collect();
        powers.rotate_left(turn);
        let (powers, _) = powers.as_chunks();
        assert_eq!(widest(Strongest(powers)), f32::from(33_u16) * 8.0 + 28.0, "turned by {turn}");
    }
    assert_eq!(widest(Strongest(&[[1.0; LANES]; 3])), 8.0);
    assert_eq!(TOP_BIN - BOTTOM_BIN + 1, 116);
}

#[test]
fn a_short_reach_sees_nothing_of_what_was_before_the_tone() {
    let newest = Reach::Newest.samples();
    let mut audio = pair(6_000.0);
    audio[..PAST - newest].copy_from_slice(&noise(PAST - newest, 20_000.0, 3));
    let residual = |reach| Residual::measure(past(&audio), reach, 0, HERTZ);
    let (short, whole) = (residual(Reach::Newest), residual(Reach::Whole));
    assert!((short.lines - 8.0 / 116.0).abs() < 0.01, "the floor is even: {}", short.lines);
    assert!((short.low - 17.0 / 116.0).abs() < 0.01, "{}", short.low);
    assert!(whole.lines > 0.1, "{}", whole.lines);
}

#[test]
fn a_pair_that_has_ended_says_so() {
    for reach in [Reach::Newest, Reach::Whole] {
        for quiet in 0..48 {
            let mut audio = pair(6_000.0);
            audio[PAST - quiet..].fill(0);
            let residual = Residual::measure(past(&audio), reach, 0, HERTZ);
            assert!(!residual.has_ended() || quiet > 4, "{quiet} samples: {}", residual.tail);
            assert!(residual.has_ended() || quiet < 24, "{quiet} samples: {}", residual.tail);
        }
    }
}
