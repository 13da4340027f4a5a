use proptest::prelude::*;

use super::{
    OF_LOOK, OF_RESIDUAL, ln, look_features, most_of_residual, of_look, of_residual,
    residual_features, table, weigh,
};
use crate::look::{LENGTHS, Look, Pair};
use crate::residual::Residual;

/// A look at key 1 with nothing wrong, and what is left without the pair.
fn clean(kind: usize) -> (Look, Residual) {
    let look = Look {
        kind,
        pair: Pair { row: 0, column: 0 },
        powers: [1e7, 0.63e7],
        deviations: [0.0; 2],
        share: 0.995,
        typical_share: 0.995,
        in_band: [1.0; 2],
        unsteady: [1e-5; 2],
        growth: [1.0; 2],
        before: 0.0,
    };
    (look, Residual { lines: 0.07, harmonics: 0.08, low: 0.15, tail: 0.0 })
}

#[test]
fn the_logarithm_is_as_exact_as_it_says() {
    let mut x = f32::MIN_POSITIVE;
    while x < f32::MAX / 1.01 {
        let error = f64::from(ln(x)) - f64::from(x).ln();
        assert!(error.abs() < 3e-5, "{x}: {error}");
        x *= 1.003;
    }
    let lowest = f64::from(f32::MIN_POSITIVE).ln();
    for x in [0.0, -1.0, f32::NEG_INFINITY, f32::NAN] {
        assert!((f64::from(ln(x)) - lowest).abs() < 3e-5, "{x}: {}", ln(x));
    }
    assert!(ln(f32::INFINITY).is_finite());
}

#[test]
fn features_are_weighed_within_their_range_with_their_squares() {
    let weights = [[2.0, 0.5], [-1.0, 0.0]];
    let ranges = [[-1.0, 3.0], [0.0, 1.0]];
    let sum = |features: [f32; 2]| weigh(&weights, &ranges, &features);
    assert_eq!(sum([2.0, 0.5]), 2.0 * 2.0 + 0.5 * 4.0 - 0.5);
    assert_eq!(sum([9.0, 9.0]), sum([3.0, 1.0]));
    assert_eq!(sum([-9.0, -9.0]), sum([-1.0, 0.0]));
}

#[test]
fn the_features_are_what_they_are_said_to_be() {
    let look = Look {
        deviations: [-6.2275, 40.0],
        share: 0.78,
        typical_share: 1.3,
        in_band: [0.48, 0.98],
        unsteady: [0.099, 0.0],
        growth: [0.5, 1e9],
        powers: [1e6, 1e7],
        before: 0.7,
        ..clean(3).0
    };
    let expected = [
        0.24_f32.ln(),
        0.02_f32.ln(),
        0.54_f32.ln(),
        0.04_f32.ln(),
        0.1_f32.ln(),
        0.001_f32.ln(),
        0.25,
        2.25,
        4.0,
        2_f32.ln() + 3.0,
        0.7,
    ];
    for (nth, (feature, expected)) in look_features(&look).iter().zip(expected).enumerate() {
        assert!((feature - expected).abs() < 1e-3, "feature {nth}: {feature} {expected}");
    }
    let residual =
        residual_features(&Residual { lines: 0.52, harmonics: 0.08, low: 0.3, tail: 0.0 });
    for (feature, expected) in residual.iter().zip([1.08_f32.ln(), 0.1_f32.ln(), 0.3]) {
        assert!((feature - expected).abs() < 1e-3, "{feature} {expected}");
    }
}

#[test]
fn a_clean_press_is_believed_at_every_length_and_a_ruin_at_none() {
    for kind in 0..LENGTHS.len() {
        let (look, residual) = clean(kind);
        assert!(of_look(&look) + of_residual(&look, &residual) > 0.0, "kind {kind}");
        let ruin = Look {
            deviations: [25.0, -30.0],
            share: 0.5,
            typical_share: 0.4,
            in_band: [0.4; 2],
            unsteady: [0.3; 2],
            growth: [9.0, 0.1],
            ..look
        };
        assert!(of_look(&ruin) + most_of_residual(&ruin) < 0.0, "kind {kind}, whatever is left");
    }
}

#[test]
fn what_residuals_are_taken_to_add_is_no_more_than_any_can() {
    for (kind, weights) in table::WEIGHTS.iter().enumerate().skip(1) {
        // Each feature has its own part, so that the most of the sum is the sum of the mosts.
        let mut sum = 0.0;
        for (&[linear, square], [least, most]) in weights.residual.iter().zip(table::RANGES.1) {
            let part = |n: u8| {
                let x = least + (most - least) * f32::from(n) / 200.0;
                x * (linear + x * square)
            };
            sum += (0..=200).map(part).fold(f32::MIN, f32::max);
        }
        assert!(weights.most < sum, "kind {kind}: {} of {sum}", weights.most);
    }
}

proptest! {
    #[test]
    fn any_look_has_features_and_a_weight_that_are_numbers(
        kind in 0..LENGTHS.len(),
        (row, column) in (0..4_usize, 0..4_usize),
        pairs in prop::array::uniform5((prop::num::f32::ANY, prop::num::f32::ANY)),
        shares in prop::array::uniform2(prop::num::f32::ANY),
        residual in prop::array::uniform4(0.0..1.5_f32),
        before in 0.0..=2.0_f32,
    ) {
        let [powers, deviations, in_band, unsteady, growth] = pairs.map(|(low, high)| [low, high]);
        let [share, typical_share] = shares;
        let pair = Pair { row, column };
        let look = Look {
            kind, pair, powers, deviations, share, typical_share, in_band, unsteady, growth, before,
        };
        prop_assert_eq!(look_features(&look).map(f32::is_finite), [true; OF_LOOK]);
        prop_assert!(of_look(&look).is_finite());
        let [lines, harmonics, low, tail] = residual;
        let residual = Residual { lines, harmonics, low, tail };
        prop_assert_eq!(residual_features(&residual).map(f32::is_finite), [true; OF_RESIDUAL]);
        prop_assert!(of_residual(&look, &residual).is_finite());
    }
}
