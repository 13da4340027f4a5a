//! Whether a stream is to be encrypted, and keys in session descriptions: `a=crypto` (SDES,
//! RFC 4568). Those that come by DTLS are described in `dtls`.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use partyline_model::{SrtpKey, SrtpSuite};
use zeroize::Zeroizing;

use super::dtls::{self, DtlsEnd, DtlsPeer, Left, Side};
use super::stream::Transport;
use super::{SdpError, Terms};

/// `a=crypto` lines of one stream that are looked at; nobody has as many suites.
const MAX_LINES: usize = 32;

/// Whether the sound of a trunk's calls is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never: keys of an offer are not looked at, ours have none.
    #[default]
    Off,
    /// Where the other side can: our offers are plain streams with keys (RFC 8643).
    Preferred,
    /// Always: plain offers are refused, ours ask for encryption (`RTP/SAVP`).
    Required,
}

/// Where the keys of a trunk's calls come from, as far as that is for us to say: our offers have
/// one, and of a far end that has both this one is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyExchange {
    /// From session descriptions (RFC 4568): whoever reads the signalling has them.
    #[default]
    Sdes,
    /// From a handshake of the two ends (RFC 5763).
    Dtls,
}

/// How our end is encrypted. It holds keys: they are in descriptions and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Srtp {
    /// Whether it is.
    pub policy: SrtpPolicy,
    /// What we send may be protected with: a key of our own for each suite, best first. They stay
    /// for the life of the dialog. None without a policy that needs them.
    pub keys: Vec<SrtpKey>,
    /// Our end of DTLS; `None` when we make no handshakes.
    pub dtls: Option<DtlsEnd>,
}

/// How the keys of an encrypted stream come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keying {
    /// In the descriptions: the other side's line.
    Sdes(Crypto),
    /// By a handshake with this far end.
    Dtls(DtlsPeer),
}

impl Keying {
    /// The other side's key, where it stood in its description.
    pub const fn sdes(&self) -> Option<&Crypto> {
        match self {
            Self::Sdes(crypto) => Some(crypto),
            Self::Dtls(_) => None,
        }
    }

    /// The far end of a handshake, where there is to be one.
    pub const fn dtls(&self) -> Option<&DtlsPeer> {
        match self {
            Self::Dtls(peer) => Some(peer),
            Self::Sdes(_) => None,
        }
    }
}

impl Srtp {
    /// Our key for a suite.
    pub fn key(&self, suite: SrtpSuite) -> Option<&SrtpKey> {
        self.keys.iter().find(|key| key.suite() == suite)
    }
}

/// An `a=crypto` line that can be used: the writer of it sends under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// The number that an answer repeats.
    pub tag: u32,
    /// Suite and key.
    pub key: SrtpKey,
}

/// What a description says of encryption: whether it asks for it, and the keys.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) transport: Transport,
    pub(super) lines: &'a [Crypto],
    pub(super) dtls: &'a dtls::Described,
    /// Whether its media is behind a NAT.
    pub(super) hidden: bool,
}

impl<'a> Asked<'a> {
    /// Where the keys come from under our terms, `None` for a plain stream.
    pub(super) fn choose(self, side: Side, terms: &Terms<'_>) -> Result<Option<Keying>, SdpError> {
        let only_dtls = self.transport == Transport::DtlsAudio;
        let only_encrypted = only_dtls || self.transport == Transport::EncryptedAudio;
        if terms.srtp == SrtpPolicy::Off {
            return if only_encrypted { Err(SdpError::OnlyEncrypted) } else { Ok(None) };
        }
        let sdes = || self.best_line().filter(|_| !only_dtls).cloned().map(Keying::Sdes);
        let dtls = || {
            let left = Left { kept: terms.dtls?.role, hidden: self.hidden };
            self.dtls.agree(side, left).map(Keying::Dtls)
        };
        let best = if terms.dtls.is_some_and(|ours| ours.preferred) {
            dtls().or_else(sdes)
        } else {
            sdes().or_else(dtls)
        };
        match (terms.srtp, best) {
            (_, Some(keys)) => Ok(Some(keys)),
            (_, None) if only_dtls && terms.dtls.is_none() => Err(SdpError::NoCommonTransport),
            (_, None) if only_dtls => Err(SdpError::NoFingerprint),
            (_, None) if only_encrypted => Err(SdpError::NoCommonCrypto),
            (SrtpPolicy::Required, None) => Err(SdpError::NotEncrypted),
            (SrtpPolicy::Preferred | SrtpPolicy::Off, None) => Ok(None),
        }
    }

    /// The line of the first of our suites that there is one for.
    fn best_line(self) -> Option<&'a Crypto> {
        let line = |suite| self.lines.iter().find(|line| line.key.suite() == suite);
        SrtpSuite::ALL.into_iter().find_map(line)
    }
}

/// The lines among the values of `a=crypto` that can be used.
pub(super) fn usable<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Crypto> {
    values.take(MAX_LINES).filter_map(read).collect()
}

/// `tag suite inline:key|lifetime session-parameters`. Lines with an MKI or several keys are passed
/// over, as are those whose parameters would leave something unprotected or are not known
/// (RFC 4568 §6.3.7). A lifetime is taken: it ends after any call.
fn read(value: &str) -> Option<Crypto> {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next().filter(|word| word.len() <= 9)?.parse().ok()?;
    let suite = suite_of(words.next()?)?;
    let parameters = words.next()?;
    if !words.all(is_harmless) {
        return None;
    }
    let (method, info) = parameters.split_at_checked("inline:".len())?;
    if !method.eq_ignore_ascii_case("inline:") {
        return None;
    }
    let mut parts = info.split('|');
    let octets = decode(parts.next()?, suite.master_len())?;
    if !parts.next().is_none_or(is_lifetime) || parts.next().is_some() {
        return None;
    }
    Some(Crypto { tag, key: SrtpKey::new(suite, &octets)? })
}

/// The suite of a name. AES-256 in counter mode goes by two: RFC 6188 has it otherwise than the
/// suites before it, and some have it like those.
fn suite_of(name: &str) -> Option<SrtpSuite> {
    let name = if name.eq_ignore_ascii_case("AES_CM_256_HMAC_SHA1_80") {
        SrtpSuite::Aes256HmacSha1_80.name()
    } else {
        name
    };
    SrtpSuite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
}

/// Packets under a key: a number, or a power of two such as `2^31`.
fn is_lifetime(text: &str) -> bool {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a session parameter takes nothing away: how large the sender thinks a window should be,
/// that keys are derived once, and what its writer marks as no matter (RFC 4568 §6.3, §9.2).
fn is_harmless(parameter: &str) -> bool {
    let has = |name: &str| {
        parameter.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    has("WSH=") || parameter.eq_ignore_ascii_case("KDR=0") || parameter.starts_with('-')
}

/// The value of an `a=crypto` line of ours.
pub(super) fn write(tag: u32, key: &SrtpKey) -> String {
    format!("{tag} {} inline:{}", key.suite().name(), BASE64.encode(key.octets()))
}

/// Octets in base64 (RFC 4648 §4). What is read may have its padding or not, and anything in the bits
/// that stand for no octet.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The octets in base64; `None` when there are not `wanted` of them.
fn decode(text: &str, wanted: usize) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end_matches('=');
    if text.len() != (wanted * 8).div_ceil(6) {
        return None;
    }
    // In place, so that no copy of the key is left behind.
    let mut octets = Zeroizing::new(vec![0; wanted]);
    let length = BASE64.decode_slice(text, &mut octets).ok()?;
    (length == wanted).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2";

    fn suites(values: &[&str]) -> Vec<(u32, SrtpSuite)> {
        usable(values.iter().copied()).iter().map(|line| (line.tag, line.key.suite())).collect()
    }

    #[test]
    fn a_line_gives_tag_suite_and_key() {
        let lines = usable([format!("2 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31").as_str()].into_iter());
        assert_eq!(lines[0].tag, 2);
        assert_eq!(lines[0].key.octets(), b"aBCdefghiJKLmoPQrsTuVwyz123456");
        assert_eq!(lines[0].key.suite(), SrtpSuite::Aes128HmacSha1_32);
    }

    #[test]
    fn lines_of_real_equipment_are_taken() {
        let long = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj0RmdmcmVCspeEc3QGZiNWg==";
        let two = |name: &str| format!("1 {name} {long}");
        assert_eq!(suites(&[&two("AES_256_CM_HMAC_SHA1_80")]), [(1, SrtpSuite::Aes256HmacSha1_80)]);
        assert_eq!(suites(&[&two("AES_CM_256_HMAC_SHA1_80")]), [(1, SrtpSuite::Aes256HmacSha1_80)]);
        for (value, suite) in [
            (
                format!(" 1 aes_cm_128_hmac_sha1_80 {KEY}|1048576 WSH=128"),
                SrtpSuite::Aes128HmacSha1_80,
            ),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=0 -X"), SrtpSuite::Aes128HmacSha1_80),
        ] {
            assert_eq!(suites(&[&value]), [(1, suite)], "{value}");
        }
        let gcm = "3 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw";
        assert_eq!(suites(&[gcm, &format!("{gcm}==")]), [(3, SrtpSuite::Aes128Gcm); 2]);
    }

    #[test]
    fn lines_that_cannot_be_used_are_passed_over() {
        for value in [
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY};{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTCP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} WSH=64 UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=16"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} FEC_ORDER=FEC_SRTP"),
            format!("1 F8_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AEAD_AES_256_GCM_8 {KEY}"),
            format!("1 AES_256_CM_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}A"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {}", &KEY[..46]),
            format!("1 AES_CM_128_HMAC_SHA1_80 {}*", &KEY[..46]),
            format!("1 AES_CM_128_HMAC_SHA1_80 {}", &KEY[7..]),
            format!("x AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1234567890 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            String::new(),
        ] {
            assert_eq!(suites(&[&value]), [], "{value}");
        }
    }

    #[test]
    fn no_more_lines_are_read_than_anybody_has() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}");
        assert_eq!(usable(std::iter::repeat_n(value.as_str(), 500)).len(), MAX_LINES);
    }

    #[test]
    fn the_first_of_our_suites_is_chosen_whatever_the_order_of_the_lines() {
        let lines = usable(
            [
                format!("1 AES_CM_128_HMAC_SHA1_32 {KEY}"),
                format!("7 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            ]
            .iter()
            .map(String::as_str),
        );
        let (transport, dtls) = (Transport::EncryptedAudio, &dtls::Described::default());
        let asked = Asked { transport, lines: &lines, dtls, hidden: false };
        let terms = Terms::at([192, 0, 2, 10].into(), SrtpPolicy::Required);
        let chosen = asked.choose(Side::Offer, &terms).unwrap().unwrap();
        assert_eq!(chosen.sdes().map(|line| line.tag), Some(7));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(master in proptest::collection::vec(any::<u8>(), 46), suite in 0..5usize, tag in 0..999_999_999u32) {
            let suite = SrtpSuite::ALL[suite];
            let key = SrtpKey::new(suite, &master[..suite.master_len()]).unwrap();
            prop_assert_eq!(read(&write(tag, &key)), Some(Crypto { tag, key }));
        }

        #[test]
        fn any_value_is_a_line_or_none(value in "[ -~]{0,80}", head in any::<bool>()) {
            let value = if head { format!("1 AES_CM_128_HMAC_SHA1_80 inline:{value}") } else { value };
            read(&value);
        }
    }
}
