//! The two sums over 16-bit samples that cost the most, eight samples at a time.
//!
//! On x86-64 with the `pmaddwd` of SSE2, which every such processor has; the compiler does not find
//! it by itself. Elsewhere in plain code. Both give the same to the last bit.

use crate::bands::{HOP, TAPS, Taps};

/// Samples are taken down by these bits before they are squared, so that a hop's sum fits an `i32`.
const HEADROOM: u32 = 3;
/// What [`energy`] has to be multiplied by.
pub(crate) const ENERGY_SCALE: f32 = 64.0;

/// The inner products of `sound` with four rows of taps.
pub(crate) fn correlate(sound: &[i16; TAPS], taps: &[Taps; 4]) -> [f32; 4] {
    #[cfg(target_arch = "x86_64")]
    {
        sse2::correlate_safely(sound, taps)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        plain::correlate(sound, taps)
    }
}

/// The sum of squares of a hop, divided by [`ENERGY_SCALE`].
pub(crate) fn energy(sound: &[i16; HOP]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        sse2::energy_safely(sound)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        plain::energy(sound)
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain {
    use super::{HEADROOM, HOP, TAPS, Taps};

    #[expect(clippy::cast_precision_loss, reason = "rounds as the vector conversion does")]
    pub(super) fn correlate(sound: &[i16; TAPS], taps: &[Taps; 4]) -> [f32; 4] {
        taps.each_ref().map(|taps| {
            let products =
                sound.iter().zip(&taps.0).map(|(&x, &tap)| i32::from(x) * i32::from(tap));
            products.sum::<i32>() as f32
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "rounds as the vector conversion does")]
    pub(super) fn energy(sound: &[i16; HOP]) -> f32 {
        sound.iter().map(|&x| i32::from(x >> HEADROOM).pow(2)).sum::<i32>() as f32
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_cvtepi32_ps, _mm_cvtss_f32, _mm_madd_epi16, _mm_setr_epi16,
        _mm_setzero_si128, _mm_shuffle_epi32, _mm_shuffle_ps, _mm_srai_epi16, _mm_unpackhi_epi32,
        _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    };

    use super::{HEADROOM, HOP, TAPS, Taps};

    /// Samples in a vector.
    const LANES: usize = 8;

    #[expect(unsafe_code, reason = "the only call into code that needs SSE2")]
    pub(super) fn correlate_safely(sound: &[i16; TAPS], taps: &[Taps; 4]) -> [f32; 4] {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { correlate(sound, taps) }
    }

    #[expect(unsafe_code, reason = "the only call into code that needs SSE2")]
    pub(super) fn energy_safely(sound: &[i16; HOP]) -> f32 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { energy(sound) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn vector(eight: &[i16]) -> __m128i {
        let x: &[i16; LANES] = eight.first_chunk().expect("chunks of eight");
        _mm_setr_epi16(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7])
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn correlate(sound: &[i16; TAPS], taps: &[Taps; 4]) -> [f32; 4] {
        let mut sums = [_mm_setzero_si128(); 4];
        for (part, sound) in sound.chunks_exact(LANES).enumerate() {
            let sound = vector(sound);
            for (sum, taps) in sums.iter_mut().zip(taps) {
                let taps = vector(&taps.0[part * LANES..][..LANES]);
                *sum = _mm_add_epi32(*sum, _mm_madd_epi16(sound, taps));
            }
        }
        let [a, b, c, d] = sums;
        let ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
        let cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
        let sums = _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
        let sums = _mm_cvtepi32_ps(sums);
        [
            _mm_cvtss_f32(sums),
            _mm_cvtss_f32(_mm_shuffle_ps::<1>(sums, sums)),
            _mm_cvtss_f32(_mm_shuffle_ps::<2>(sums, sums)),
            _mm_cvtss_f32(_mm_shuffle_ps::<3>(sums, sums)),
        ]
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn energy(sound: &[i16; HOP]) -> f32 {
        let mut sum = _mm_setzero_si128();
        for sound in sound.chunks_exact(LANES) {
            let sound = _mm_srai_epi16::<{ HEADROOM.cast_signed() }>(vector(sound));
            sum = _mm_add_epi32(sum, _mm_madd_epi16(sound, sound));
        }
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b1110>(sum));
        let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01>(sum));
        _mm_cvtss_f32(_mm_cvtepi32_ps(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::{HOP, TAPS, correlate, energy, plain};
    use crate::bands::COEFFICIENTS;

    #[test]
    fn vectors_and_plain_code_agree_to_the_last_bit() {
        let mut state = 1_u32;
        for round in 0..1_000 {
            let mut sound = [0_i16; TAPS];
            for sample in &mut sound {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [.., low, high] = state.to_le_bytes();
                *sample = i16::from_le_bytes([low, high]) >> (round % 12);
            }
            if round < 2 {
                sound = [if round == 0 { i16::MIN } else { i16::MAX }; TAPS];
            }
            assert_eq!(correlate(&sound, &COEFFICIENTS), plain::correlate(&sound, &COEFFICIENTS));
            let hop: &[i16; HOP] = sound.first_chunk().expect("a hop");
            assert_eq!(energy(hop), plain::energy(hop));
        }
    }
}
