//! Weighs what a look shows.
//!
//! A logistic regression: each feature is worth so much for or against a key, and what is above 0
//! in sum is one. Every length of look has weights of its own.

mod table;

use crate::look::Look;
use crate::residual::Residual;

/// Features of a look.
const OF_LOOK: usize = 11;
/// Features of a residual.
const OF_RESIDUAL: usize = 3;

/// What the features of one kind of look are worth.
struct Weights {
    bias: f32,
    /// What each feature, and its square, is multiplied by.
    look: [[f32; 2]; OF_LOOK],
    residual: [[f32; 2]; OF_RESIDUAL],
    /// What the residual is taken to add at most: one in ten of those of keys adds more.
    most: f32,
}

/// What a look by itself says: above 0 speaks for a key.
pub(crate) fn of_look(look: &Look) -> f32 {
    let weights = &table::WEIGHTS[look.kind];
    weights.bias + weigh(&weights.look, &table::RANGES.0, &look_features(look))
}

/// What its residual adds.
pub(crate) fn of_residual(look: &Look, residual: &Residual) -> f32 {
    let features = residual_features(residual);
    weigh(&table::WEIGHTS[look.kind].residual, &table::RANGES.1, &features)
}

/// What a residual is taken to add to this look at most: one that needs more to be a key is not
/// worth measuring the residual for.
pub(crate) fn most_of_residual(look: &Look) -> f32 {
    table::WEIGHTS[look.kind].most
}

/// The features are held within the range that the weights were learnt over.
fn weigh<const N: usize>(
    weights: &[[f32; 2]; N],
    ranges: &[[f32; 2]; N],
    features: &[f32; N],
) -> f32 {
    let mut sum = 0.0;
    for ((&[linear, square], &[least, most]), &x) in weights.iter().zip(ranges).zip(features) {
        let x = if x < least { least } else { x };
        let x = if x > most { most } else { x };
        sum += x * (linear + x * square);
    }
    sum
}

/// The features of a look, in the order of the weights.
pub(crate) fn look_features(look: &Look) -> [f32; OF_LOOK] {
    let absence = |share: f32| 1.0 - share.min(1.0) + 0.02;
    let mut logarithms = [
        absence(look.share),
        absence(look.typical_share),
        absence(look.in_band[0]),
        absence(look.in_band[1]),
        look.unsteady[0] + 0.001,
        look.unsteady[1] + 0.001,
        look.powers[0],
        look.powers[1],
        look.growth[0],
        look.growth[1],
        1.0,
        1.0,
    ];
    for x in &mut logarithms {
        *x = ln(*x);
    }
    let [share, typical, low, high, row, column, of_row, of_column, first, second, ..] = logarithms;
    let [row_strain, column_strain] = look.strain();
    let (row_strain, column_strain) = (row_strain.min(1.5), column_strain.min(1.5));
    let twist = (DECIBELS * (of_column - of_row) + 2.0) / 6.0;
    [
        share,
        typical,
        low,
        high,
        row,
        column,
        row_strain * row_strain,
        column_strain * column_strain,
        twist * twist,
        first.abs().min(3.0) + second.abs().min(3.0),
        look.before,
    ]
}

/// The features of a residual, in the order of the weights.
pub(crate) fn residual_features(residual: &Residual) -> [f32; OF_RESIDUAL] {
    [
        ln((residual.lines + 0.02) / (1.02 - residual.lines.min(1.0))),
        ln(residual.harmonics + 0.02),
        residual.low,
    ]
}

/// Decibels of a ratio of powers whose natural logarithm is 1.
const DECIBELS: f32 = 4.342_944_8;

/// The natural logarithm, within 0.00003; the same everywhere, as the platform's is not.
fn ln(x: f32) -> f32 {
    let bits = if x > f32::MIN_POSITIVE { x } else { f32::MIN_POSITIVE }.to_bits();
    // As the low bits of the number 2^23, whose last bit is worth 1.
    let exponent = f32::from_bits(bits >> 23 | 0x4b00_0000) - (8_388_608.0 + 127.0);
    // Between 1 and 2; then t within ±1/3, where the series of artanh is short.
    let mantissa = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let artanh = t * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0))));
    exponent * std::f32::consts::LN_2 + 2.0 * artanh
}

#[cfg(test)]
mod tests;
