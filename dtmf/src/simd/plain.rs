//! The same in plain code, for processors that nobody has written vectors for.

use std::array::from_fn;
use std::ops::{Add, Mul, Sub};

use super::{HEADROOM, LANES, PARTS, Vectors};
use crate::bands::{COEFFICIENTS, HOP, STEP, TAPS};

#[derive(Clone, Copy)]
pub(super) struct Plain;

#[derive(Clone, Copy)]
pub(super) struct V([f32; LANES]);

impl Add for V {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for V {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

impl Mul for V {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] * other.0[lane]))
    }
}

impl Vectors for Plain {
    type V = V;

    #[inline(always)]
    fn load(self, numbers: &[f32; LANES]) -> V {
        V(*numbers)
    }

    #[inline(always)]
    fn store(self, vector: V) -> [f32; LANES] {
        vector.0
    }

    #[inline(always)]
    fn all(self, number: f32) -> V {
        V([number; LANES])
    }

    #[inline(always)]
    fn sums(self, a: V, b: V) -> [f32; 2] {
        [a, b].map(|V([a, b, c, d, e, f, g, h])| ((a + b) + (e + f)) + ((c + d) + (g + h)))
    }

    #[inline(always)]
    fn least(self, a: V, b: V) -> V {
        V(from_fn(|lane| if a.0[lane] < b.0[lane] { a.0[lane] } else { b.0[lane] }))
    }

    #[inline(always)]
    fn most(self, a: V, b: V) -> V {
        V(from_fn(|lane| if a.0[lane] > b.0[lane] { a.0[lane] } else { b.0[lane] }))
    }

    #[inline(always)]
    fn above(self, a: V, b: V) -> u8 {
        (0..LANES).map(|lane| u8::from(a.0[lane] > b.0[lane]) << lane).sum()
    }

    #[inline(always)]
    fn where_above(self, a: V, b: V, of: V) -> V {
        V(from_fn(|lane| if a.0[lane] > b.0[lane] { of.0[lane] } else { 0.0 }))
    }

    #[inline(always)]
    fn behind(self, first: f32, vector: V) -> V {
        V(from_fn(|lane| if lane == 0 { first } else { vector.0[lane - 1] }))
    }

    #[inline(always)]
    fn reversed(self, vector: V) -> V {
        V(from_fn(|lane| vector.0[LANES - 1 - lane]))
    }

    #[inline(always)]
    fn transpose(self, vectors: [V; LANES]) -> [V; LANES] {
        from_fn(|row| V(from_fn(|lane| vectors[lane].0[row])))
    }

    #[inline(always)]
    fn sums_of_bands(self, V([a, b, c, d, e, f, g, h]): V) -> [f32; 2] {
        [(a + e) + (b + f), (c + g) + (d + h)]
    }

    #[expect(clippy::cast_precision_loss, reason = "rounds as the vector conversion does")]
    fn energy(self, hop: &[i16; HOP]) -> f32 {
        hop.iter().map(|&x| i32::from(x >> HEADROOM).pow(2)).sum::<i32>() as f32
    }

    #[expect(clippy::cast_precision_loss, reason = "rounds as the vector conversion does")]
    fn split(self, sound: &[i16; TAPS + STEP]) -> V {
        V(from_fn(|lane| {
            let sound = &sound[lane / PARTS * STEP..][..TAPS];
            let taps = &COEFFICIENTS[lane % PARTS].0;
            let products = sound.iter().zip(taps).map(|(&x, &tap)| i32::from(x) * i32::from(tap));
            products.sum::<i32>() as f32
        }))
    }
}
