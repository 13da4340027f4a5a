//! G.711: the two laws, by tables that the compiler builds.
//!
//! Decoding yields the 16-bit form of the recommendation's 13-bit (A) and 14-bit (µ) values;
//! encoding takes 16-bit samples and ignores the bits that the law does not carry.

use partyline_model::Codec;

use super::{Frame, SAMPLES_PER_FRAME};

/// How many codecs there are: the size of a table indexed by [`index`].
pub(crate) const CODECS: usize = 2;

/// The encoded form of a frame: one octet a sample.
pub(crate) type Payload = [u8; SAMPLES_PER_FRAME];

/// The codec's place in a table of all.
pub(crate) const fn index(codec: Codec) -> usize {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 1,
    }
}

/// Decodes as many octets as both slices hold.
pub fn decode(codec: Codec, octets: &[u8], samples: &mut [i16]) {
    let table = match codec {
        Codec::Pcmu => &MU_DECODE,
        Codec::Pcma => &A_DECODE,
    };
    for (sample, &octet) in samples.iter_mut().zip(octets) {
        *sample = table[usize::from(octet)];
    }
}

/// Encodes a frame.
pub(crate) fn encode(codec: Codec, samples: &Frame, octets: &mut Payload) {
    match codec {
        Codec::Pcmu => {
            for (octet, &sample) in octets.iter_mut().zip(samples) {
                *octet = MU_ENCODE[usize::from(sample.cast_unsigned() >> 2)];
            }
        }
        Codec::Pcma => {
            for (octet, &sample) in octets.iter_mut().zip(samples) {
                *octet = A_ENCODE[usize::from(sample.cast_unsigned() >> 3)];
            }
        }
    }
}

static MU_DECODE: [i16; 256] = mu_decode_table();
static A_DECODE: [i16; 256] = a_decode_table();
/// By the upper 14 bits of the sample's two's complement.
static MU_ENCODE: [u8; 16_384] = mu_encode_table();
/// By the upper 13 bits of the sample's two's complement.
static A_ENCODE: [u8; 8_192] = a_encode_table();

#[expect(clippy::cast_possible_truncation, reason = "a table built by the compiler; fits 16 bits")]
const fn mu_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        // G.711 table 2a: all bits are sent inverted.
        let code = !octet & 0xff;
        let segment = code >> 4 & 7;
        let step = code & 15;
        let magnitude = ((2 * step as i32 + 33) << segment) - 33;
        let value = 4 * magnitude;
        table[octet] = if code & 0x80 != 0 { -value as i16 } else { value as i16 };
        octet += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a table built by the compiler; fits 16 bits")]
const fn a_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        // G.711 table 1a: the even bits are sent inverted; a set sign bit is positive.
        let code = octet ^ 0x55;
        let segment = code >> 4 & 7;
        let step = 2 * (code as i32 & 15) + 1;
        let value = if segment == 0 { step << 3 } else { (step + 32) << (segment + 2) };
        table[octet] = if code & 0x80 != 0 { value as i16 } else { -value as i16 };
        octet += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a table built by the compiler; 8 bits")]
#[expect(clippy::cast_sign_loss, reason = "magnitudes are not negative")]
const fn mu_encode_table() -> [u8; 16_384] {
    let mut table = [0; 16_384];
    let mut index = 0;
    while index < 16_384 {
        let value = if index < 8_192 { index as i32 } else { index as i32 - 16_384 };
        let negative = value < 0;
        // One's complement: -1 is as small as 0, as in the recommendation's reference program.
        let magnitude = if negative { !value } else { value };
        let biased = if magnitude > 8_158 { 8_191 } else { magnitude + 33 };
        let mut segment = 0;
        while biased >> (segment + 6) != 0 {
            segment += 1;
        }
        let code = segment << 4 | (biased >> (segment + 1) & 15);
        let sign = if negative { 0x80 } else { 0 };
        table[index] = !(code as u8 | sign);
        index += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a table built by the compiler; 8 bits")]
#[expect(clippy::cast_sign_loss, reason = "magnitudes are not negative")]
const fn a_encode_table() -> [u8; 8_192] {
    let mut table = [0; 8_192];
    let mut index = 0;
    while index < 8_192 {
        let value = if index < 4_096 { index as i32 } else { index as i32 - 8_192 };
        let negative = value < 0;
        let magnitude = (if negative { !value } else { value }) >> 1;
        let mut segment = 0;
        while magnitude >> (segment + 5) != 0 {
            segment += 1;
        }
        // Segment 0 and 1 share a step; above, the leading one is implied by the segment.
        let code = if magnitude < 32 {
            magnitude
        } else {
            (segment + 1) << 4 | (magnitude >> segment & 15)
        };
        let sign = if negative { 0 } else { 0x80 };
        table[index] = (code as u8 | sign) ^ 0x55;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode_one(codec: Codec, sample: i16) -> u8 {
        let mut payload = [0; SAMPLES_PER_FRAME];
        encode(codec, &[sample; SAMPLES_PER_FRAME], &mut payload);
        payload[0]
    }

    fn decode_one(codec: Codec, octet: u8) -> i16 {
        let mut sample = [0];
        decode(codec, &[octet], &mut sample);
        sample[0]
    }

    /// The 128 positive decision values of a law in its own unit: the progression that G.711
    /// prints, `first` and then segments of 16 steps, each step twice the one before.
    fn decision_values(first: impl Iterator<Item = i32>, mut step: i32) -> Vec<i32> {
        let mut values: Vec<i32> = first.collect();
        while values.len() < 128 {
            let last = values[values.len() - 1];
            values.extend((1..=16).map(|k| last + k * step));
            step *= 2;
        }
        values.truncate(128);
        values
    }

    fn assert_encodes(
        codec: Codec,
        decisions: &[i32],
        shift: u32,
        even_bits: u8,
        negative_bit: u8,
    ) {
        for sample in i16::MIN..=i16::MAX {
            let value = i32::from(if sample < 0 { !sample } else { sample }) >> shift;
            let level = decisions.iter().rposition(|&d| value >= d).unwrap();
            let sign = if (sample < 0) == (negative_bit != 0) { 0x80 } else { 0 };
            let expected = (u8::try_from(level).unwrap() | sign) ^ even_bits;
            assert_eq!(encode_one(codec, sample), expected, "{codec:?} {sample}");
        }
    }

    #[test]
    fn every_sample_is_encoded_by_the_decision_values_of_the_recommendation() {
        // Table 2a: 0, 1, 3 .. 31, 35 .. in 14 bits. Table 1a: 0, 1 .. 32, 34 .. in 13 bits.
        let mu = decision_values(std::iter::once(0).chain((0..16).map(|k| 1 + 2 * k)), 4);
        assert_encodes(Codec::Pcmu, &mu, 2, 0xff, 0x80);
        let a = decision_values(0..=32, 2);
        assert_encodes(Codec::Pcma, &a, 4, 0x55, 0);
    }

    #[test]
    fn every_octet_decodes_to_the_middle_of_its_interval() {
        let a = decision_values(0..=32, 2);
        for (level, code) in (0u8..128).enumerate() {
            let top = a.get(level + 1).copied().unwrap_or(2048);
            let value = i16::try_from((a[level] + top) * 16 / 2).unwrap();
            assert_eq!(decode_one(Codec::Pcma, (code | 0x80) ^ 0x55), value);
            assert_eq!(decode_one(Codec::Pcma, code ^ 0x55), -value);
        }
        let mu = decision_values(std::iter::once(0).chain((0..16).map(|k| 1 + 2 * k)), 4);
        for (level, code) in (0u8..128).enumerate() {
            let top = mu.get(level + 1).copied().unwrap_or(8159);
            let middle = if level == 0 { 0 } else { (mu[level] + top) / 2 };
            let value = i16::try_from(middle * 4).unwrap();
            assert_eq!(decode_one(Codec::Pcmu, !code), value);
            assert_eq!(decode_one(Codec::Pcmu, !(code | 0x80)), -value);
        }
    }

    #[test]
    fn octets_survive_decoding_and_encoding() {
        for octet in 0..=255 {
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let back = encode_one(codec, decode_one(codec, octet));
                // µ-law has two zeros; the negative one comes back as the positive one.
                let expected = if codec == Codec::Pcmu && octet == 0x7f { 0xff } else { octet };
                assert_eq!(back, expected, "{codec:?}");
            }
        }
    }

    #[test]
    fn silence_has_its_known_octets() {
        assert_eq!(encode_one(Codec::Pcmu, 0), 0xff);
        assert_eq!(encode_one(Codec::Pcma, 0), 0xd5);
    }
}
