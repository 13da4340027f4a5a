//! Where something is, as the configuration writes it: an address, or a name that leads to one.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use ipnet::IpNet;
use partyline_control::Site;
use partyline_sip::locate::Procedure;
use partyline_sip::message::Host;
use partyline_sip::{NextHop, Transport};

/// The longest name of a host (RFC 1035 §2.3.4), with room for the labels of its services.
const LONGEST: usize = 240;

/// Where a trunk or its registrar is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawPlace {
    Address(SocketAddr),
    /// With a port where the file gives one: then it is that of the name itself (RFC 3263 §4.2).
    Name {
        name: String,
        port: Option<u16>,
    },
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawSource {
    Network(IpNet),
    Name(String),
}

/// A text is neither an address nor a name.
pub(super) struct NoPlace;

impl RawPlace {
    pub(super) const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name { .. } => None,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Address(_) => None,
            Self::Name { name, .. } => Some(name),
        }
    }

    /// The place for the node, where a name is looked for so.
    pub(super) fn to_site(&self, transport: Option<Transport>, procedure: Procedure) -> Site {
        match self {
            Self::Address(address) => Site::Address(*address),
            Self::Name { name, port } => {
                let host = Host::Name(name.as_str().into());
                let hop = NextHop { host, port: *port, transport, secure: false };
                Site::Name { hop, procedure }
            }
        }
    }
}

impl FromStr for RawPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| NoPlace)?)),
            None => (text, None),
        };
        // A zone file's name ends with a dot; `sip:5060` is no host of that name.
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_scheme = ["sip", "sips", "tel"].iter().any(|it| name.eq_ignore_ascii_case(it));
        if port == Some(0) || !is_name(name) || is_scheme {
            return Err(NoPlace);
        }
        Ok(Self::Name { name: name.to_owned(), port })
    }
}

impl fmt::Display for RawPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { name, port: Some(port) } => write!(f, "{name}:{port}"),
            Self::Name { name, port: None } => f.write_str(name),
        }
    }
}

impl RawSource {
    pub(super) const fn network(&self) -> Option<IpNet> {
        match self {
            Self::Network(network) => Some(*network),
            Self::Name(_) => None,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Network(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

impl FromStr for RawSource {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if is_name(name) { Ok(Self::Name(name.to_owned())) } else { Err(NoPlace) }
    }
}

impl fmt::Display for RawSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Whether `text` is the name of a host: never an address, not even a mistyped one.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len())
            && label.chars().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.chars().all(|c| c.is_ascii_digit());
    text.len() <= LONGEST && !is_number && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_with_a_port_or_a_name() {
        let read = |text: &str| text.parse::<RawPlace>().ok().map(|place| place.to_string());
        for text in
            ["192.0.2.1:5060", "[2001:db8::1]:5061", "sip.carrier.example", "pbx:5070", "a_b.c"]
        {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("sip.carrier.example.").as_deref(), Some("sip.carrier.example"));
        assert_eq!(read("sip.carrier.example.:5070").as_deref(), Some("sip.carrier.example:5070"));
        for text in [
            "sip:5060",
            "TEL:1",
            "sip.carrier.example..",
            "192.0.2.1",
            "2001:db8::1",
            "192.0.2.300:5060",
            "sip.carrier.example:0",
            "sip.carrier.example:99999",
            "sip:carrier.example",
            "carrier..example",
            "-a.example",
            "a b",
            "a/24",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!("sip.carrier.example".parse::<RawSource>().is_ok_and(|it| it.name().is_some()));
        assert!("192.0.2.0/24".parse::<RawSource>().is_ok_and(|it| it.network().is_some()));
        assert!("192.0.2.1".parse::<RawSource>().is_err(), "a network has its bits");
    }
}
