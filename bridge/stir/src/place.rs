//! Where a certificate is: a URL of https at a host that is listed.

use std::fmt;
use std::str::FromStr;

/// The longest URL that is read.
const LONGEST: usize = 512;
/// The ports that a host may use where the list names none: those that ATIS-1000074 §5.3.1 has.
const USUAL_PORTS: [u16; 2] = [443, 8443];

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    host: Box<str>,
    port: u16,
    target: Box<str>,
}

impl Place {
    /// Reads a URL; `None` where it is none of https, is too long, or has credentials, a query or a
    /// fragment, as ATIS-1000074 §5.3.1 has it: one certificate would have names without number.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_at_checked("https://".len())?;
        let plain = text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
        if !scheme.eq_ignore_ascii_case("https://")
            || !plain
            || rest.contains(['?', '#', '\\', '"'])
        {
            return None;
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = split_port(authority)?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self { host, port: port.unwrap_or(443), target: format!("{slash}{target}").into() })
    }

    /// The host, in small letters.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path.
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, target } = self;
        write!(f, "https://{host}")?;
        if *port != 443 {
            write!(f, ":{port}")?;
        }
        f.write_str(target)
    }
}

/// `host` or `host:port`, the host in small letters.
fn split_port(authority: &str) -> Option<(Box<str>, Option<u16>)> {
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (authority, None),
    };
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let is_host = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(fits)
        && !host.starts_with(['.', '-'])
        && !host.ends_with('.');
    is_host.then(|| (host.to_ascii_lowercase().into(), port))
}

/// A host that certificates are fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedHost {
    host: Box<str>,
    port: Option<u16>,
}

/// A text that is no host with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHost;

impl fmt::Display for NotAHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a host such as \"certificates.example.com\", with or without a port")
    }
}

impl std::error::Error for NotAHost {}

impl ListedHost {
    /// Whether `place` is at this host, by a port that it may use.
    pub fn has(&self, place: &Place) -> bool {
        let fits = |port: u16| self.port.map_or(USUAL_PORTS.contains(&port), |own| own == port);
        self.host == place.host && fits(place.port)
    }
}

impl FromStr for ListedHost {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        split_port(text).map(|(host, port)| Self { host, port }).ok_or(NotAHost)
    }
}

impl fmt::Display for ListedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_url_of_https_and_nothing_else() {
        for (text, expected) in [
            ("https://cr.example/a.pem", "https://cr.example/a.pem"),
            ("HTTPS://CR.Example:443/A.pem", "https://cr.example/A.pem"),
            ("https://cr.example:8443", "https://cr.example:8443/"),
        ] {
            let place = Place::parse(text).expect("a place");
            assert_eq!(place.to_string(), expected, "{text}");
        }
        let long = format!("https://cr.example/{}", "a".repeat(LONGEST));
        for text in [
            "http://cr.example/a.pem",
            "https:/cr.example/",
            "https://",
            "https:///a",
            "https://a@cr.example/",
            "https://cr.example:0/",
            "https://cr.example:x/",
            "https://cr.example/#a",
            "https://cr.example/a.pem?x=1",
            "https://cr.example?x",
            "https://cr.example/a b",
            "https://cr.example\\@other.example/",
            "https://.example/",
            "https://cr.example./",
            "https://[::1]/",
            "https://cr.ex\u{e4}mple/",
            "ftp://cr.example/",
            &long,
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_listed_host_is_one_host_by_its_ports() {
        let has = |host: &str, url: &str| {
            let host: ListedHost = host.parse().expect("a host");
            host.has(&Place::parse(url).expect("a place"))
        };
        assert!(has("CR.example", "https://cr.example/a"));
        assert!(has("cr.example", "https://cr.example:8443/a"));
        assert!(!has("cr.example", "https://cr.example:22/a"));
        assert!(has("cr.example:22", "https://cr.example:22/a"));
        assert!(!has("cr.example:22", "https://cr.example/a"));
        assert!(!has("cr.example", "https://evil-cr.example/a"));
        assert!(!has("cr.example", "https://cr.example.evil/a"));
        for bad in ["", "a b", "https://cr.example", "cr.example/", "cr.example:70000"] {
            assert_eq!(bad.parse::<ListedHost>(), Err(NotAHost), "{bad}");
        }
    }
}
