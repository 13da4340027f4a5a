//! Vectors of eight numbers, in the widest registers that the processor has.
//!
//! On x86-64 those of AVX2 where there is AVX2, of SSE2 elsewhere; on other processors plain code.
//! The compiler finds neither `pmaddwd` nor, reliably, the rest by itself. Every way gives the same
//! to the last bit: numbers are added and multiplied lane by lane, in the order that is written.

use std::ops::{Add, Mul, Sub};

use crate::bands::{HOP, STEP, TAPS};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;

/// Numbers in a vector.
pub(crate) const LANES: usize = 8;
/// Samples are taken down by these bits before they are squared, so that a hop's sum fits an `i32`.
const HEADROOM: u32 = 3;
/// What [`Vectors::energy`] has to be multiplied by.
pub(crate) const ENERGY_SCALE: f32 = 64.0;

/// Two points of both bands, one behind the other: of either point the real and the imaginary part
/// in the low band, then in the high band.
pub(crate) type Points = [f32; LANES];
/// Points in [`Points`].
pub(crate) const TWO: usize = 2;
/// Numbers in a point.
pub(crate) const PARTS: usize = 4;

/// Registers and what is done in them.
pub(crate) trait Vectors: Copy {
    /// Eight numbers.
    type V: Copy + Add<Output = Self::V> + Sub<Output = Self::V> + Mul<Output = Self::V>;

    fn load(self, numbers: &[f32; LANES]) -> Self::V;
    fn store(self, vector: Self::V) -> [f32; LANES];
    /// The sums of all lanes of either.
    fn sums(self, a: Self::V, b: Self::V) -> [f32; 2];
    /// The sum of all lanes that belong to the low band in [`Points`], and to the high band.
    fn sums_of_bands(self, points: Self::V) -> [f32; 2];
    /// The same number in every lane.
    fn all(self, number: f32) -> Self::V;
    /// The lesser and the greater number in each lane.
    fn least(self, a: Self::V, b: Self::V) -> Self::V;
    fn most(self, a: Self::V, b: Self::V) -> Self::V;
    /// A bit for each lane where `a` is greater than `b`.
    fn above(self, a: Self::V, b: Self::V) -> u8;
    /// The lanes of `of` where `a` is greater than `b`, zeros elsewhere.
    fn where_above(self, a: Self::V, b: Self::V, of: Self::V) -> Self::V;
    /// Each lane from the one before it, the first one from `first`.
    fn behind(self, first: f32, vector: Self::V) -> Self::V;
    /// The lanes in reverse order.
    fn reversed(self, vector: Self::V) -> Self::V;
    /// Lane `n` of vector `m` becomes lane `m` of vector `n`.
    fn transpose(self, vectors: [Self::V; LANES]) -> [Self::V; LANES];
    /// The sum of the squares, divided by [`ENERGY_SCALE`].
    fn energy(self, hop: &[i16; HOP]) -> f32;
    /// Two [`Points`]: the products of the sound with the taps, and those of it a step later.
    fn split(self, sound: &[i16; TAPS + STEP]) -> Self::V;
}

/// Work in vectors.
pub(crate) trait Kernel {
    type Output;

    /// To be `#[inline(always)]`: else it is compiled for the narrowest registers.
    fn run(self, vectors: impl Vectors) -> Self::Output;
}

/// Runs `kernel` in the widest registers that this processor has.
#[inline]
pub(crate) fn widest<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        match avx2::Avx2::find() {
            Some(avx2) => avx2.run(kernel),
            None => kernel.run(sse2::Sse2),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        kernel.run(plain::Plain)
    }
}

#[cfg(test)]
mod tests;
