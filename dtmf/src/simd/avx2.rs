//! The same with AVX2: a register is a vector.
//!
//! Behind every `unsafe` here is an instruction of AVX2, and nothing else.

#![expect(unsafe_code, reason = "calls of AVX2 instructions")]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m256, __m256i, _CMP_GT_OQ, _mm_add_epi32, _mm_add_ps, _mm_madd_epi16, _mm_srai_epi16,
    _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_blend_ps, _mm256_castps256_ps128,
    _mm256_castsi256_si128, _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_extractf128_ps,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_hadd_ps, _mm256_madd_epi16, _mm256_max_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_permute2f128_ps,
    _mm256_permutevar8x32_ps, _mm256_set_m128i, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setr_ps,
    _mm256_setzero_si256, _mm256_shuffle_ps, _mm256_srai_epi16, _mm256_sub_ps, _mm256_unpackhi_ps,
    _mm256_unpacklo_ps,
};
use std::ops::{Add, Mul, Sub};

use super::sse2::{IN_TAPS, WIDTH, bits, quarters, register, sum_of_integers, sums_of_quarters};
use super::{HEADROOM, Kernel, LANES, PARTS, Vectors};
use crate::bands::{COEFFICIENTS, HOP, STEP, TAPS};

const SHIFT: i32 = HEADROOM.cast_signed();

/// That this processor has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// Exists only by way of [`Avx2`].
#[derive(Clone, Copy)]
pub(super) struct V(__m256);

impl Avx2 {
    #[inline]
    pub(super) fn find() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: AVX2 was found.
        unsafe { run(kernel, self) }
    }
}

#[target_feature(enable = "avx2")]
fn run<K: Kernel>(kernel: K, with: Avx2) -> K::Output {
    kernel.run(with)
}

impl Add for V {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: AVX2 was found.
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }
}

impl Sub for V {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: AVX2 was found.
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }
}

impl Mul for V {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: AVX2 was found.
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }
}

impl Vectors for Avx2 {
    type V = V;

    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(_mm256_setr_ps(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])) }
    }

    #[inline(always)]
    fn store(self, vector: V) -> [f32; LANES] {
        // SAFETY: AVX2 was found.
        unsafe { numbers(vector.0) }
    }

    #[inline(always)]
    fn all(self, number: f32) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(_mm256_set1_ps(number)) }
    }

    #[inline(always)]
    fn sums(self, a: V, b: V) -> [f32; 2] {
        // SAFETY: AVX2 was found.
        unsafe {
            let neighbours = _mm256_hadd_ps(a.0, b.0);
            let upper = _mm256_extractf128_ps::<1>(neighbours);
            sums_of_quarters(_mm_add_ps(_mm256_castps256_ps128(neighbours), upper))
        }
    }

    #[inline(always)]
    fn sums_of_bands(self, points: V) -> [f32; 2] {
        // SAFETY: AVX2 was found.
        unsafe {
            let upper = _mm256_extractf128_ps::<1>(points.0);
            sums_of_quarters(_mm_add_ps(_mm256_castps256_ps128(points.0), upper))
        }
    }

    #[inline(always)]
    fn least(self, a: V, b: V) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(_mm256_min_ps(a.0, b.0)) }
    }

    #[inline(always)]
    fn most(self, a: V, b: V) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(_mm256_max_ps(a.0, b.0)) }
    }

    #[inline(always)]
    fn above(self, a: V, b: V) -> u8 {
        // SAFETY: AVX2 was found.
        bits(unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0)) })
    }

    #[inline(always)]
    fn where_above(self, a: V, b: V, of: V) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(_mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a.0, b.0), of.0)) }
    }

    #[inline(always)]
    fn behind(self, first: f32, vector: V) -> V {
        // SAFETY: AVX2 was found.
        unsafe {
            let places = _mm256_setr_epi32(0, 0, 1, 2, 3, 4, 5, 6);
            let moved = _mm256_permutevar8x32_ps(vector.0, places);
            V(_mm256_blend_ps::<1>(moved, _mm256_set1_ps(first)))
        }
    }

    #[inline(always)]
    fn reversed(self, vector: V) -> V {
        // SAFETY: AVX2 was found.
        unsafe { V(reversed(vector.0)) }
    }

    #[inline(always)]
    fn transpose(self, vectors: [V; LANES]) -> [V; LANES] {
        // SAFETY: AVX2 was found.
        unsafe { transposed(vectors) }
    }

    #[inline(always)]
    fn energy(self, hop: &[i16; HOP]) -> f32 {
        // SAFETY: AVX2 was found.
        unsafe {
            let (first, second) = (sixteen(&hop[..]), sixteen(&hop[2 * WIDTH..]));
            let (first, second) =
                (_mm256_srai_epi16::<SHIFT>(first), _mm256_srai_epi16::<SHIFT>(second));
            let last = _mm_srai_epi16::<SHIFT>(register(&hop[4 * WIDTH..]));
            let sum = _mm256_add_epi32(
                _mm256_madd_epi16(first, first),
                _mm256_madd_epi16(second, second),
            );
            let halves =
                _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            sum_of_integers(_mm_add_epi32(halves, _mm_madd_epi16(last, last)))
        }
    }

    #[inline(always)]
    fn split(self, sound: &[i16; TAPS + STEP]) -> V {
        // SAFETY: AVX2 was found.
        unsafe {
            let mut sums = [_mm256_setzero_si256(); PARTS];
            for part in 0..IN_TAPS {
                let sound = both(sound, part);
                for (sum, taps) in sums.iter_mut().zip(&TWICE) {
                    let taps = sixteen(&taps.0[part * 2 * WIDTH..]);
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(sound, taps));
                }
            }
            let [a, b, c, d] = sums;
            let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            V(_mm256_cvtepi32_ps(sums))
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn numbers(x: __m256) -> [f32; LANES] {
    let [a, b, c, d] = quarters(_mm256_castps256_ps128(x));
    let [e, f, g, h] = quarters(_mm256_extractf128_ps::<1>(x));
    [a, b, c, d, e, f, g, h]
}

#[target_feature(enable = "avx2")]
#[inline]
fn reversed(x: __m256) -> __m256 {
    let halves = _mm256_permute2f128_ps::<1>(x, x);
    _mm256_shuffle_ps::<0b00_01_10_11>(halves, halves)
}

#[target_feature(enable = "avx2")]
#[inline]
fn transposed([V(a), V(b), V(c), V(d), V(e), V(f), V(g), V(h)]: [V; LANES]) -> [V; LANES] {
    let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
    let (ef, gh) = (_mm256_unpacklo_ps(e, f), _mm256_unpacklo_ps(g, h));
    let (later_ab, later_cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
    let (later_ef, later_gh) = (_mm256_unpackhi_ps(e, f), _mm256_unpackhi_ps(g, h));
    // Four rows of lanes 0 and 4, 1 and 5, 2 and 6, 3 and 7.
    let upper = [
        _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd),
        _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd),
        _mm256_shuffle_ps::<0b01_00_01_00>(later_ab, later_cd),
        _mm256_shuffle_ps::<0b11_10_11_10>(later_ab, later_cd),
    ];
    let lower = [
        _mm256_shuffle_ps::<0b01_00_01_00>(ef, gh),
        _mm256_shuffle_ps::<0b11_10_11_10>(ef, gh),
        _mm256_shuffle_ps::<0b01_00_01_00>(later_ef, later_gh),
        _mm256_shuffle_ps::<0b11_10_11_10>(later_ef, later_gh),
    ];
    [
        V(_mm256_permute2f128_ps::<0x20>(upper[0], lower[0])),
        V(_mm256_permute2f128_ps::<0x20>(upper[1], lower[1])),
        V(_mm256_permute2f128_ps::<0x20>(upper[2], lower[2])),
        V(_mm256_permute2f128_ps::<0x20>(upper[3], lower[3])),
        V(_mm256_permute2f128_ps::<0x31>(upper[0], lower[0])),
        V(_mm256_permute2f128_ps::<0x31>(upper[1], lower[1])),
        V(_mm256_permute2f128_ps::<0x31>(upper[2], lower[2])),
        V(_mm256_permute2f128_ps::<0x31>(upper[3], lower[3])),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn sixteen(samples: &[i16]) -> __m256i {
    _mm256_set_m128i(register(&samples[WIDTH..]), register(samples))
}

/// A part of the sound at a point and at the one behind it.
#[target_feature(enable = "avx2")]
#[inline]
fn both(sound: &[i16; TAPS + STEP], part: usize) -> __m256i {
    _mm256_set_m128i(register(&sound[STEP + part * WIDTH..]), register(&sound[part * WIDTH..]))
}

/// Taps with each part twice in a row.
#[repr(align(32))]
struct Twice([i16; 2 * TAPS]);

static TWICE: [Twice; PARTS] = twice();

const fn twice() -> [Twice; PARTS] {
    let (mut rows, mut n) = ([const { Twice([0; 2 * TAPS]) }; PARTS], 0);
    while n < PARTS * 2 * TAPS {
        let (row, place) = (n / (2 * TAPS), n % (2 * TAPS));
        let (part, lane) = (place / (2 * WIDTH), place % WIDTH);
        rows[row].0[place] = COEFFICIENTS[row].0[part * WIDTH + lane];
        n += 1;
    }
    rows
}
