//! Whether two URIs name the same thing (RFC 3261 §19.1.4).

use super::{Host, ParamsRef, Parts, SipUri, Uri, unescape};

/// Parameters that must stand in both URIs or in neither.
const NEVER_IGNORED: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

impl Uri {
    /// Whether the URIs are equivalent. Case counts in the user part only; escapes stand for their
    /// characters; a port that is named differs from the default; parameters in one URI are
    /// ignored but for a few. Other schemes than `sip:` and `sips:` are compared as texts.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (&self.parts, &other.parts) {
            (Parts::Sip(one), Parts::Sip(there)) => self.is_same_sip(one, other, there),
            (Parts::Tel | Parts::Foreign, _) | (_, Parts::Tel | Parts::Foreign) => {
                self.text.eq_ignore_ascii_case(&other.text)
            }
        }
    }

    fn is_same_sip(&self, sip: &SipUri, other: &Self, there: &SipUri) -> bool {
        let user = |uri: &Self| uri.user_raw().map(unescape);
        sip.secure == there.secure
            && sip.port == there.port
            && user(self) == user(other)
            && sip.host.is_same(&there.host)
            && suit(self.params(), other.params())
            && suit(other.params(), self.params())
            && headers(self) == headers(other)
    }
}

impl Host {
    /// Whether both are the same name, whatever its case, or the same address.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Name(_), Self::Address(_)) | (Self::Address(_), Self::Name(_)) => false,
        }
    }
}

/// Whether no parameter of `one` speaks against `other`.
fn suit(one: ParamsRef<'_>, other: ParamsRef<'_>) -> bool {
    one.iter().all(|(name, value)| match other.find(name) {
        Some(there) => {
            let plain = |value: Option<&str>| value.map(|v| unescape(v).to_ascii_lowercase());
            plain(value) == plain(there)
        }
        None => !NEVER_IGNORED.iter().any(|never| name.eq_ignore_ascii_case(never)),
    })
}

/// The embedded headers, in an order of their own.
fn headers(uri: &Uri) -> Vec<String> {
    let headers = uri.headers().unwrap_or_default();
    let mut list: Vec<_> = headers.split('&').map(|h| unescape(h).to_ascii_lowercase()).collect();
    list.sort();
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equivalent(one: &str, other: &str) -> bool {
        let read = |text| Uri::parse(text).unwrap_or_else(|_| panic!("{text}"));
        let (one, other) = (read(one), read(other));
        let there = one.is_equivalent(&other);
        assert_eq!(there, other.is_equivalent(&one), "the same both ways");
        assert!(one.is_equivalent(&one) && other.is_equivalent(&other));
        there
    }

    #[test]
    fn the_examples_of_the_standard_compare_as_it_says() {
        for (one, other) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
        ] {
            assert!(equivalent(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a@h", "sips:a@h"),
            ("sip:a@h", "sip:h"),
            ("sip:a@h;user=phone", "sip:a@h"),
            ("sip:a@[::1]", "sip:a@[::2]"),
            ("tel:+1", "sip:+1@h"),
        ] {
            assert!(!equivalent(one, other), "{one} {other}");
        }
        assert!(equivalent("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0::1]"));
        assert!(equivalent("tel:+1", "TEL:+1"));
    }
}
