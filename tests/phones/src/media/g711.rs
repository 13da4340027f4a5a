//! G.711 both ways, from the tables of ITU-T G.711, written apart from the bridge's own.

/// The bias that µ-law adds before it looks for the segment, in 16-bit steps.
const MU_BIAS: i32 = 132;
/// The largest magnitude µ-law can carry with its bias inside 15 bits.
const MU_CLIP: i32 = 32_635;

/// A codec of RFC 3551 with a static payload type; both are 8 kHz, one octet a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The static payload type, RFC 3551 §6.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of a static payload type, when it is one of the two.
    #[must_use]
    pub fn from_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Pcmu),
            8 => Some(Self::Pcma),
            _ => None,
        }
    }

    /// The name in SDP's rtpmap.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// One sample to its octet.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_mu(sample),
            Self::Pcma => encode_a(sample),
        }
    }

    /// One octet to its sample.
    #[must_use]
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Pcmu => decode_mu(octet),
            Self::Pcma => decode_a(octet),
        }
    }
}

fn encode_mu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(MU_CLIP) + MU_BIAS;
    // With the bias the magnitude lies in 132..=32767, so its top bit is bit 7 to 14.
    let segment = magnitude.ilog2() - 7;
    !(sign | low_octet(segment) << 4 | nibble(magnitude >> (segment + 3)))
}

fn decode_mu(octet: u8) -> i16 {
    let octet = !octet;
    let segment = u32::from(octet >> 4 & 7);
    let magnitude = (((i32::from(octet & 0x0F) << 3) + MU_BIAS) << segment) - MU_BIAS;
    signed(magnitude, octet & 0x80 != 0)
}

fn encode_a(sample: i16) -> u8 {
    let negative = sample < 0;
    let scaled = i32::from(sample) >> 3;
    let magnitude = if negative { -scaled - 1 } else { scaled };
    let (segment, mantissa) = if magnitude < 32 {
        (0, nibble(magnitude >> 1))
    } else {
        let segment = magnitude.ilog2() - 4;
        (segment, nibble(magnitude >> segment))
    };
    let sign = if negative { 0 } else { 0x80 };
    (sign | low_octet(segment) << 4 | mantissa) ^ 0x55
}

fn decode_a(octet: u8) -> i16 {
    let octet = octet ^ 0x55;
    let mantissa = i32::from(octet & 0x0F) << 4;
    let magnitude = match octet >> 4 & 7 {
        0 => mantissa + 8,
        segment => (mantissa + 0x108) << (segment - 1),
    };
    signed(magnitude, octet & 0x80 == 0)
}

fn nibble(value: i32) -> u8 {
    u8::try_from(value & 0x0F).expect("four bits fit an octet")
}

fn low_octet(segment: u32) -> u8 {
    u8::try_from(segment & 7).expect("three bits fit an octet")
}

fn signed(magnitude: i32, negative: bool) -> i16 {
    let value = if negative { -magnitude } else { magnitude };
    i16::try_from(value).expect("G.711 reaches no further than 32256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_octets_of_the_recommendation_decode_to_their_values() {
        // G.711 tables 2a and 1a, scaled to 16 bits: full scale, smallest step, zero.
        let mu = [(0x80, 32_124), (0x00, -32_124), (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8)];
        for (octet, sample) in mu {
            assert_eq!(Codec::Pcmu.decode(octet), sample, "µ-law {octet:#04x}");
        }
        let a = [(0xAA, 32_256), (0x2A, -32_256), (0xD5, 8), (0x55, -8), (0xD4, 24)];
        for (octet, sample) in a {
            assert_eq!(Codec::Pcma.decode(octet), sample, "A-law {octet:#04x}");
        }
    }

    #[test]
    fn every_octet_survives_decode_and_encode() {
        for octet in 0..=u8::MAX {
            // µ-law has two zeros; the negative one is never sent.
            if octet != 0x7F {
                assert_eq!(Codec::Pcmu.encode(Codec::Pcmu.decode(octet)), octet);
            }
            assert_eq!(Codec::Pcma.encode(Codec::Pcma.decode(octet)), octet);
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let limit = i32::from(sample).abs() / 32 + 16;
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let back = i32::from(codec.decode(codec.encode(sample)));
                let error = (back - i32::from(sample)).abs();
                // Above the overload point the error is the clipping itself.
                assert!(error <= limit.max(32_768 - 32_124), "{codec:?} {sample} -> {back}");
                if i32::from(sample).abs() < 31_000 {
                    assert!(error <= limit, "{codec:?} {sample} -> {back}");
                }
            }
        }
    }
}
