//! The same with SSE2, which every x86-64 has: two registers make a vector.
//!
//! Behind every `unsafe` here is an instruction of SSE2, and nothing else.

#![expect(unsafe_code, reason = "calls of SSE2 instructions")]

use std::arch::x86_64::{
    __m128, __m128i, _mm_add_epi32, _mm_add_ps, _mm_and_ps, _mm_cmpgt_ps, _mm_cvtepi32_ps,
    _mm_cvtss_f32, _mm_madd_epi16, _mm_max_ps, _mm_min_ps, _mm_movehl_ps, _mm_movelh_ps,
    _mm_movemask_ps, _mm_mul_ps, _mm_set1_ps, _mm_setr_epi16, _mm_setr_ps, _mm_setzero_si128,
    _mm_shuffle_epi32, _mm_shuffle_ps, _mm_srai_epi16, _mm_sub_ps, _mm_unpackhi_epi32,
    _mm_unpackhi_epi64, _mm_unpackhi_ps, _mm_unpacklo_epi32, _mm_unpacklo_epi64, _mm_unpacklo_ps,
};
use std::ops::{Add, Mul, Sub};

use super::{HEADROOM, LANES, Vectors};
use crate::bands::{COEFFICIENTS, HOP, STEP, TAPS};

/// Samples in a register.
pub(super) const WIDTH: usize = 8;
/// Registers that a row of taps fills.
pub(super) const IN_TAPS: usize = TAPS / WIDTH;

#[derive(Clone, Copy)]
pub(super) struct Sse2;

#[derive(Clone, Copy)]
pub(super) struct V(__m128, __m128);

impl Add for V {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: x86-64 has SSE2.
        unsafe { Self(_mm_add_ps(self.0, other.0), _mm_add_ps(self.1, other.1)) }
    }
}

impl Sub for V {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: x86-64 has SSE2.
        unsafe { Self(_mm_sub_ps(self.0, other.0), _mm_sub_ps(self.1, other.1)) }
    }
}

impl Mul for V {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: x86-64 has SSE2.
        unsafe { Self(_mm_mul_ps(self.0, other.0), _mm_mul_ps(self.1, other.1)) }
    }
}

impl Vectors for Sse2 {
    type V = V;

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(_mm_setr_ps(x[0], x[1], x[2], x[3]), _mm_setr_ps(x[4], x[5], x[6], x[7])) }
    }

    #[inline(always)]
    fn store(self, vector: V) -> [f32; LANES] {
        // SAFETY: x86-64 has SSE2.
        let ([a, b, c, d], [e, f, g, h]) = unsafe { (quarters(vector.0), quarters(vector.1)) };
        [a, b, c, d, e, f, g, h]
    }

    #[inline(always)]
    fn all(self, number: f32) -> V {
        // SAFETY: x86-64 has SSE2.
        let half = unsafe { _mm_set1_ps(number) };
        V(half, half)
    }

    #[inline(always)]
    fn sums(self, a: V, b: V) -> [f32; 2] {
        // SAFETY: x86-64 has SSE2.
        unsafe { sums(a, b) }
    }

    #[inline(always)]
    fn sums_of_bands(self, points: V) -> [f32; 2] {
        // SAFETY: x86-64 has SSE2.
        unsafe { sums_of_quarters(_mm_add_ps(points.0, points.1)) }
    }

    #[inline(always)]
    fn least(self, a: V, b: V) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(_mm_min_ps(a.0, b.0), _mm_min_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn most(self, a: V, b: V) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(_mm_max_ps(a.0, b.0), _mm_max_ps(a.1, b.1)) }
    }

    #[inline(always)]
    fn above(self, a: V, b: V) -> u8 {
        // SAFETY: x86-64 has SSE2.
        unsafe { above(a, b) }
    }

    #[inline(always)]
    fn where_above(self, a: V, b: V, of: V) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe {
            V(_mm_and_ps(_mm_cmpgt_ps(a.0, b.0), of.0), _mm_and_ps(_mm_cmpgt_ps(a.1, b.1), of.1))
        }
    }

    #[inline(always)]
    fn behind(self, first: f32, vector: V) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(behind(_mm_set1_ps(first), vector.0), behind(vector.0, vector.1)) }
    }

    #[inline(always)]
    fn reversed(self, vector: V) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(reversed(vector.1), reversed(vector.0)) }
    }

    #[inline(always)]
    fn transpose(self, [a, b, c, d, e, f, g, h]: [V; LANES]) -> [V; LANES] {
        // SAFETY: x86-64 has SSE2.
        let quarters = unsafe {
            [
                transposed([a.0, b.0, c.0, d.0]),
                transposed([e.0, f.0, g.0, h.0]),
                transposed([a.1, b.1, c.1, d.1]),
                transposed([e.1, f.1, g.1, h.1]),
            ]
        };
        let mut rows = [a; LANES];
        for (row, slot) in rows.iter_mut().enumerate() {
            *slot = V(quarters[row / 4 * 2][row % 4], quarters[row / 4 * 2 + 1][row % 4]);
        }
        rows
    }

    #[inline(always)]
    fn energy(self, hop: &[i16; HOP]) -> f32 {
        // SAFETY: x86-64 has SSE2.
        unsafe { energy(hop) }
    }

    #[inline(always)]
    fn split(self, sound: &[i16; TAPS + STEP]) -> V {
        // SAFETY: x86-64 has SSE2.
        unsafe { V(point(&sound[..TAPS]), point(&sound[STEP..])) }
    }
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn register(samples: &[i16]) -> __m128i {
    let x: &[i16; WIDTH] = samples.first_chunk().expect("eight samples at least");
    _mm_setr_epi16(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn quarters(x: __m128) -> [f32; 4] {
    [
        _mm_cvtss_f32(x),
        _mm_cvtss_f32(_mm_shuffle_ps::<1>(x, x)),
        _mm_cvtss_f32(_mm_shuffle_ps::<2>(x, x)),
        _mm_cvtss_f32(_mm_shuffle_ps::<3>(x, x)),
    ]
}

#[target_feature(enable = "sse2")]
#[inline]
fn reversed(x: __m128) -> __m128 {
    _mm_shuffle_ps::<0b00_01_10_11>(x, x)
}

#[target_feature(enable = "sse2")]
#[inline]
fn transposed([a, b, c, d]: [__m128; 4]) -> [__m128; 4] {
    let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
    let (later_ab, later_cd) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
    [
        _mm_movelh_ps(ab, cd),
        _mm_movehl_ps(cd, ab),
        _mm_movelh_ps(later_ab, later_cd),
        _mm_movehl_ps(later_cd, later_ab),
    ]
}

/// The inner products of the sound with each row of taps.
#[target_feature(enable = "sse2")]
#[inline]
fn point(sound: &[i16]) -> __m128 {
    let mut sums = [_mm_setzero_si128(); 4];
    for part in 0..IN_TAPS {
        let sound = register(&sound[part * WIDTH..]);
        for (sum, taps) in sums.iter_mut().zip(&COEFFICIENTS) {
            let taps = register(&taps.0[part * WIDTH..]);
            *sum = _mm_add_epi32(*sum, _mm_madd_epi16(sound, taps));
        }
    }
    let [a, b, c, d] = sums;
    let ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    let cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    _mm_cvtepi32_ps(_mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd)))
}

#[target_feature(enable = "sse2")]
#[inline]
fn energy(hop: &[i16; HOP]) -> f32 {
    let mut sum = _mm_setzero_si128();
    for sound in hop.chunks_exact(WIDTH) {
        let sound = _mm_srai_epi16::<{ HEADROOM.cast_signed() }>(register(sound));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(sound, sound));
    }
    sum_of_integers(sum)
}

#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn sum_of_integers(x: __m128i) -> f32 {
    let sum = _mm_add_epi32(x, _mm_shuffle_epi32::<0b1110>(x));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01>(sum));
    _mm_cvtss_f32(_mm_cvtepi32_ps(sum))
}

/// Sums of neighbours: two of `a`, then two of `b`.
#[target_feature(enable = "sse2")]
#[inline]
fn neighbours(a: __m128, b: __m128) -> __m128 {
    _mm_add_ps(_mm_shuffle_ps::<0b10_00_10_00>(a, b), _mm_shuffle_ps::<0b11_01_11_01>(a, b))
}

#[target_feature(enable = "sse2")]
#[inline]
fn sums(a: V, b: V) -> [f32; 2] {
    sums_of_quarters(_mm_add_ps(neighbours(a.0, b.0), neighbours(a.1, b.1)))
}

/// The sum of the first two numbers and of the last two.
#[target_feature(enable = "sse2")]
#[inline]
pub(super) fn sums_of_quarters(x: __m128) -> [f32; 2] {
    let sums = neighbours(x, x);
    [_mm_cvtss_f32(sums), _mm_cvtss_f32(_mm_shuffle_ps::<1>(sums, sums))]
}

#[target_feature(enable = "sse2")]
#[inline]
fn above(a: V, b: V) -> u8 {
    let (low, high) = (_mm_cmpgt_ps(a.0, b.0), _mm_cmpgt_ps(a.1, b.1));
    bits(_mm_movemask_ps(low) | _mm_movemask_ps(high) << 4)
}

pub(super) fn bits(mask: i32) -> u8 {
    mask.to_le_bytes()[0]
}

/// The last lane of `before`, then the first three of `x`.
#[target_feature(enable = "sse2")]
#[inline]
fn behind(before: __m128, x: __m128) -> __m128 {
    let edge = _mm_shuffle_ps::<0b00_00_11_11>(before, x);
    _mm_shuffle_ps::<0b10_01_10_00>(edge, x)
}
