//! What a value of the configuration may be, and how it is written back.
//!
//! One type, one [`Setting`]: it knows how to read itself from TOML, how to print itself as TOML
//! and what to tell whoever wrote something else.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::SignedDuration;
use partyline_control::{CountryCode, MediaAddresses, PortRange, Prefix, SourceKind};
use partyline_model::{Codec, Number};
use partyline_sip::auth::Hash;
use partyline_sip::locate::Procedure;
use partyline_sip::sdp::{KeyExchange, SrtpPolicy};
use partyline_sip::{CalledPlace, Identity, Reliability, TimerMode, Transport};
use partyline_stir::ListedHost;
use toml::de::DeValue;

use super::place::{RawPlace, RawSource};
use super::raw::TrunkTransport;

/// A value of the configuration.
pub(super) trait Setting: Sized {
    /// The value in `found`, or what is wrong with it and what to write.
    fn read(found: &DeValue<'_>) -> Result<Self, String>;

    /// The value as TOML; `None` when it is not set.
    fn write(&self) -> Option<String>;
}

/// Reads a string by `FromStr`; `expected` ends the sentence "expected …".
fn parse<T: FromStr>(found: &DeValue<'_>, expected: &str) -> Result<T, String> {
    let text = found.as_str().ok_or_else(|| mismatch(found, expected))?;
    text.parse().map_err(|_| format!("expected {expected}, found {text:?}"))
}

fn mismatch(found: &DeValue<'_>, expected: &str) -> String {
    format!("expected {expected}, found {}", with_article(found.type_str()))
}

fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// A TOML string.
pub(super) fn quoted(text: impl Display) -> Option<String> {
    Some(toml::Value::String(text.to_string()).to_string())
}

macro_rules! strings {
    ($($type:ty: $expected:literal;)*) => {$(
        impl Setting for $type {
            fn read(found: &DeValue<'_>) -> Result<Self, String> {
                parse(found, $expected)
            }

            fn write(&self) -> Option<String> {
                quoted(self)
            }
        }
    )*};
}

strings! {
    String: "a text in quotes";
    IpAddr: "an IP address such as \"127.0.0.1\"";
    SocketAddr: "an IP address and a port such as \"127.0.0.1:5060\"";
    RawPlace: "an IP address and a port such as \"203.0.113.1:5060\", or a name such as \"sip.carrier.example\"";
    RawSource: "a network such as \"203.0.113.0/24\" (a single host is \"203.0.113.7/32\"), or a name such as \"sip.carrier.example\"";
    IpNet: "a network such as \"203.0.113.0/24\" (a single host is \"203.0.113.7/32\")";
    Prefix: "the first digits of telephone numbers such as \"+44\"";
    Number: "a telephone number such as \"14165550100\"";
    Identity: "\"pai\", \"from\", \"rpid\" or \"ppi\"";
    ListedHost: "a host such as \"certificates.example.com\", with or without a port";
    CountryCode: "a country code such as \"44\"";
    CalledPlace: "a place such as \"request-uri\", \"to\", \"diversion\", \"history-info\", \
            \"p-called-party-id\", \"p-preferred-identity\" or \"x-did\"";
}

impl Setting for PathBuf {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("") => Err("expected a folder; \".\" is the one partyline is started in".into()),
            Some(path) => Ok(path.into()),
            None => Err(mismatch(found, "a folder in quotes")),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(self.display())
    }
}

/// A file that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReadFile(pub(super) PathBuf);

impl Setting for ReadFile {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let expected = "the path of a file in quotes";
        match found.as_str() {
            Some("") => Err(format!("expected {expected}, found \"\"")),
            Some(path) => Ok(Self(path.into())),
            None => Err(mismatch(found, expected)),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(self.0.display())
    }
}

impl Setting for Transport {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let ours = [Self::Udp, Self::Tcp, Self::Tls];
        let named = |one: &Self| found.as_str() == Some(one.to_string().as_str());
        ours.into_iter()
            .find(named)
            .ok_or_else(|| "expected \"udp\", \"tcp\" or \"tls\"".to_owned())
    }

    fn write(&self) -> Option<String> {
        quoted(self)
    }
}

/// An algorithm that users are asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest(pub(super) Hash);

impl Setting for Digest {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("sha-256") => Ok(Self(Hash::Sha256)),
            Some("md5") => Ok(Self(Hash::Md5)),
            Some(_) | None => Err("expected \"sha-256\" or \"md5\"".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(self.0.token().to_ascii_lowercase())
    }
}

impl Setting for TrunkTransport {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        if found.as_str() == Some("auto") {
            return Ok(Self(None));
        }
        let named = Transport::read(found).map(|transport| Self(Some(transport)));
        named.map_err(|_| "expected \"auto\", \"udp\", \"tcp\" or \"tls\"".to_owned())
    }

    fn write(&self) -> Option<String> {
        self.0.map_or_else(|| quoted("auto"), |transport| transport.write())
    }
}

impl Setting for Procedure {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("auto") => Ok(Self::Auto),
            Some("srv") => Ok(Self::Srv),
            Some("a") => Ok(Self::Address),
            Some(_) | None => Err("expected \"auto\", \"srv\" or \"a\"".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Auto => "auto",
            Self::Srv => "srv",
            Self::Address => "a",
        })
    }
}

impl Setting for KeyExchange {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("sdes") => Ok(Self::Sdes),
            Some("dtls") => Ok(Self::Dtls),
            Some(_) | None => Err("expected \"sdes\" or \"dtls\"".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Sdes => "sdes",
            Self::Dtls => "dtls",
        })
    }
}

impl Setting for SrtpPolicy {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("off") => Ok(Self::Off),
            Some("preferred") => Ok(Self::Preferred),
            Some("required") => Ok(Self::Required),
            Some(_) | None => Err("expected \"off\", \"preferred\" or \"required\"".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Off => "off",
            Self::Preferred => "preferred",
            Self::Required => "required",
        })
    }
}

impl Setting for Reliability {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("off") => Ok(Self::Off),
            Some("on-demand") => Ok(Self::OnDemand),
            Some("offer") => Ok(Self::Offer),
            Some(_) | None => Err("expected \"on-demand\", \"offer\" or \"off\"".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Off => "off",
            Self::OnDemand => "on-demand",
            Self::Offer => "offer",
        })
    }
}

impl Setting for TimerMode {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("off") => Ok(Self::Off),
            Some("accept") => Ok(Self::Accept),
            Some("offer") => Ok(Self::Offer),
            Some("require") => Ok(Self::Require),
            Some(_) | None => {
                Err("expected \"accept\", \"offer\", \"require\" or \"off\"".to_owned())
            }
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Off => "off",
            Self::Accept => "accept",
            Self::Offer => "offer",
            Self::Require => "require",
        })
    }
}

impl Setting for Codec {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let names = Self::ALL.map(|codec| codec.encoding_name().to_ascii_lowercase());
        let named = |name: &String| found.as_str() == Some(name);
        let place = names.iter().position(named).and_then(|at| Self::ALL.get(at).copied());
        place.ok_or_else(|| format!("expected codecs out of \"{}\"", names.join("\", \"")))
    }

    fn write(&self) -> Option<String> {
        quoted(self.encoding_name().to_ascii_lowercase())
    }
}

impl Setting for bool {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        found.as_bool().ok_or_else(|| mismatch(found, "true or false, without quotes"))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! counts {
    ($($type:ty)*) => {$(
        impl Setting for $type {
            fn read(found: &DeValue<'_>) -> Result<Self, String> {
                let expected = format!("a whole number from 0 to {}", Self::MAX);
                let number = found.as_integer().ok_or_else(|| mismatch(found, &expected))?;
                let value = i128::from_str_radix(number.as_str(), number.radix()).ok();
                value
                    .and_then(|value| Self::try_from(value).ok())
                    .ok_or_else(|| format!("expected {expected}, found {number}"))
            }

            fn write(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

counts! { u8 u16 u32 usize }

impl Setting for Duration {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let expected = "a time with its unit such as \"20ms\", \"8s\" or \"15m\"";
        parse::<SignedDuration>(found, expected)?
            .try_into()
            .map_err(|_| format!("expected {expected}, found a negative one"))
    }

    fn write(&self) -> Option<String> {
        quoted(duration(*self))
    }
}

/// As people write it: `1h 30m`, `400ms`.
fn duration(value: Duration) -> String {
    SignedDuration::try_from(value).map_or_else(|_| format!("{value:?}"), |d| format!("{d:#}"))
}

impl<T: Setting> Setting for Vec<T> {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let list = found.as_array().ok_or_else(|| mismatch(found, "a list in [ ]"))?;
        list.iter().map(|item| T::read(item.get_ref())).collect()
    }

    fn write(&self) -> Option<String> {
        let items: Vec<_> = self.iter().filter_map(Setting::write).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl Setting for MediaAddresses {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let list = match found.as_array() {
            Some(_) => Vec::<IpAddr>::read(found)?,
            None => vec![IpAddr::read(found)?],
        };
        Self::from_list(&list).ok_or_else(|| {
            "expected an IP address, or a list of one of IPv4 and one of IPv6".to_owned()
        })
    }

    fn write(&self) -> Option<String> {
        let list: Vec<IpAddr> = self.iter().collect();
        match &*list {
            [one] => one.write(),
            [] | [_, ..] => list.write(),
        }
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        T::read(found).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(Setting::write)
    }
}

impl Setting for SourceKind {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("carrier") => Ok(Self::Carrier),
            Some("phones") => Ok(Self::Phones),
            _ => Err("expected \"carrier\" (many callers behind one address) or \"phones\" (one \
                      caller an address)"
                .into()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Carrier => "carrier",
            Self::Phones => "phones",
        })
    }
}

/// The first and the last port of a range, as they are written: `20000-29999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) low: u16,
    pub(super) high: u16,
    pub(super) range: PortRange,
}

impl Ports {
    pub(super) fn new(low: u16, high: u16) -> Option<Self> {
        Some(Self { low, high, range: PortRange::new(low, high).ok()? })
    }
}

impl Setting for Ports {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let expected = "a range of UDP ports such as \"20000-29999\"";
        let text = found.as_str().ok_or_else(|| mismatch(found, expected))?;
        let bounds = text.split_once('-').and_then(|(low, high)| {
            Some((low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?))
        });
        let (low, high) = bounds.ok_or_else(|| format!("expected {expected}, found {text:?}"))?;
        Self::new(low, high).ok_or_else(|| {
            format!("{text:?}: the first port is 1024 or above, and a call takes an even port and the one after it")
        })
    }

    fn write(&self) -> Option<String> {
        quoted(format_args!("{}-{}", self.low, self.high))
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One line each, for people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

impl Setting for LogFormat {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        match found.as_str() {
            Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            _ => Err("expected \"text\" or \"json\"".into()),
        }
    }

    fn write(&self) -> Option<String> {
        quoted(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// A tax rate in hundredths of a percent, written as percent: `13`, `9.975` is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Percent(pub(super) u32);

impl Setting for Percent {
    fn read(found: &DeValue<'_>) -> Result<Self, String> {
        let expected =
            "a percentage in quotes with at most two decimals, such as \"13\" or \"9.97\"";
        let text = found.as_str().ok_or_else(|| mismatch(found, expected))?;
        basis_points(text).map(Self).ok_or_else(|| format!("expected {expected}, found {text:?}"))
    }

    fn write(&self) -> Option<String> {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        quoted(match rest {
            0 => whole.to_string(),
            rest if rest % 10 == 0 => format!("{whole}.{}", rest / 10),
            rest => format!("{whole}.{rest:02}"),
        })
    }
}

fn basis_points(percent: &str) -> Option<u32> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |s: &str, most: usize| {
        (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(whole, 3) || !digits(fraction, 2) {
        return None;
    }
    let points =
        whole.parse::<u32>().ok()? * 100 + format!("{fraction:0<2}").parse::<u32>().ok()?;
    (points <= 10_000).then_some(points)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<T: Setting>(toml: &str) -> Result<T, String> {
        T::read(DeValue::parse(toml).unwrap().get_ref())
    }

    #[test]
    fn durations_are_written_with_their_unit() {
        assert_eq!(read("\"8s\""), Ok(Duration::from_secs(8)));
        assert_eq!(read("\"20ms\""), Ok(Duration::from_millis(20)));
        assert_eq!(read("\"1h 30m\""), Ok(Duration::from_secs(5400)));
        assert!(read::<Duration>("8").unwrap_err().ends_with("found an integer"));
        assert!(read::<Duration>("\"8\"").is_err());
        assert!(read::<Duration>("\"-8s\"").is_err());
    }

    #[test]
    fn percentages_keep_two_decimals() {
        assert_eq!(read("\"13\""), Ok(Percent(1300)));
        assert_eq!(read("\"9.97\""), Ok(Percent(997)));
        assert_eq!(read("\"0.5\""), Ok(Percent(50)));
        for text in ["\"9.975\"", "\"-1\"", "\"101\"", "\"13%\"", "\"\"", "\".5\"", "13"] {
            assert!(read::<Percent>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_are_a_range_of_pairs() {
        assert_eq!(read("\"20000-29999\""), Ok(Ports::new(20_000, 29_999).unwrap()));
        for text in ["\"20000\"", "\"29999-20000\"", "\"20001-20002\"", "\"1-70000\"", "\"80-90\""]
        {
            assert!(read::<Ports>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn codecs_are_named_as_in_descriptions() {
        for codec in Codec::ALL {
            assert_eq!(read(&codec.write().unwrap()), Ok(codec));
        }
        assert!(
            read::<Codec>("\"g729\"").unwrap_err().starts_with("expected codecs out of \"pcmu\"")
        );
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(read("0x10"), Ok(16_u8));
        assert!(read::<u8>("256").unwrap_err().contains("from 0 to 255"));
        assert!(read::<u8>("-1").is_err());
        assert!(read::<u8>("\"1\"").unwrap_err().ends_with("found a string"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0_u64..100_000_000, points in 0_u32..=10_000, text in "\\PC*") {
            let millis = Duration::from_millis(millis);
            prop_assert_eq!(read(&millis.write().unwrap()), Ok(millis));
            prop_assert_eq!(read(&Percent(points).write().unwrap()), Ok(Percent(points)));
            prop_assert_eq!(read(&text.write().unwrap()), Ok(text));
        }
    }
}
