//! Which trunks there are, and where media is.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use partyline_model::{AudioId, Number};
use partyline_sip::auth::Login;
use partyline_sip::health::HealthRules;
use partyline_sip::locate::Procedure;
use partyline_sip::message::Uri;
use partyline_sip::sdp::{KeyExchange, SrtpPolicy};
use partyline_sip::{Extensions, Flow, Identity, NextHop, Transport};
use partyline_stir::Signer;

use crate::identity::Presenting;
use crate::limits::TrunkLimits;
use crate::media_addresses::MediaAddresses;
use crate::numbers::Numbers;
use crate::own::Own;
use crate::reject::RejectCodes;
use crate::routing::Routing;
use crate::sound::TrunkSound;
use crate::verification::{Verification, Verifying};

/// How a node reaches the world and is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where our media is, as the other side must see it.
    pub media: MediaAddresses,
    /// The UDP ports of media.
    pub ports: PortRange,
    /// Who may call us and whom we call through, tried in this order.
    pub trunks: Vec<Trunk>,
    /// The clips of the media plane that welcome by brand, by the name that a dial-in number gives.
    pub brands: BTreeMap<String, AudioId>,
    /// Where nobody's media may be sent, besides our own media.
    pub own: Own,
    /// By what signatures of callers' numbers are judged.
    pub verification: Verification,
}

/// A carrier, an SBC or a PBX that exchanges calls with us.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// The trunk's number in records.
    pub id: u32,
    /// The trunk's name for people.
    pub name: String,
    /// The addresses whose calls belong to the trunk.
    pub sources: Vec<IpNet>,
    /// Where the media of its calls may come from besides the address that they describe and the
    /// one that their SIP comes from: behind a NAT that gives media another address. Whoever sends
    /// from there can take the leg of a caller who has sent nothing yet.
    pub media_sources: Vec<IpNet>,
    /// Whose the source addresses are: decides whether limits count by address.
    pub kind: SourceKind,
    /// Whether a conference passcode in the dialled URI (`;pin=`) is taken as typed.
    pub uri_passcode: bool,
    /// Whether the trunk's P-Asserted-Identity is believed (RFC 3325 §6: it is in our trust domain).
    pub trusted: bool,
    /// Whether the sound of its calls is encrypted, in both directions of calling.
    pub srtp: SrtpPolicy,
    /// Where the keys for that come from in our offers, and which go first in those of the trunk.
    pub srtp_keys: KeyExchange,
    /// Which extensions of SIP are spoken with the trunk, in both directions of calling.
    pub extensions: Extensions,
    /// Names whose addresses are among them.
    pub source_names: Vec<String>,
    /// Where calls out through the trunk go; `None` when it only brings calls in. Where its name
    /// leads, calls come from too.
    pub destination: Option<Site>,
    /// How calls out through the trunk are carried, unless its name says otherwise.
    pub transport: Transport,
    /// How numbers are written, and where the called one stands.
    pub numbers: Numbers,
    /// Where its calls say who is calling: the first place with a number counts.
    pub caller_from: Vec<Identity>,
    /// How it is told who calls.
    pub presenting: Presenting,
    /// The codecs and the packet time of its calls.
    pub sound: TrunkSound,
    /// How its calls are refused before their answer.
    pub reject: RejectCodes,
    /// The number that calls out show when the account has none.
    pub caller_id: Option<Number>,
    /// Who we are when the trunk asks, on calls out and when we register.
    pub login: Option<Arc<Login>>,
    /// What is done about the signatures of its callers' numbers.
    pub verifying: Verifying,
    /// Who signs the number that calls out show; `None` for nobody.
    pub signer: Option<Arc<Signer>>,
    /// Which calls out the trunk gets, and when they leave it for the next.
    pub routing: Routing,
    /// How many calls the trunk has, and how often.
    pub limits: TrunkLimits,
    /// The trunk's domain, with a port where it has one: the host of the Request-URI and of From in
    /// calls out; `None` for its destination there and our address here.
    pub domain: Option<String>,
    /// Our account at the trunk's registrar; `None` where calls come without.
    pub account: Option<TrunkAccount>,
    /// How the trunk is asked whether it is there, by OPTIONS to its destination; `None` for never.
    pub pings: Option<HealthRules>,
}

/// Where a trunk or its registrar is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// At this address, by the trunk's transport.
    Address(SocketAddr),
    /// Where this name leads (RFC 3263).
    Name {
        /// The name, with a port or a transport where those are given.
        hop: NextHop,
        /// Which records say where it leads.
        procedure: Procedure,
    },
}

impl Site {
    /// The address; `None` where it has a name.
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name { .. } => None,
        }
    }
}

impl From<SocketAddr> for Site {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { hop: NextHop { host, port: Some(port), .. }, .. } => {
                write!(f, "{host}:{port}")
            }
            Self::Name { hop, .. } => hop.host.fmt(f),
        }
    }
}

/// Our account at a trunk's registrar (RFC 3261 §10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkAccount {
    /// Where REGISTER goes.
    pub registrar: Site,
    /// The Request-URI: the registrar's domain.
    pub domain: Uri,
    /// The address of record.
    pub aor: Uri,
    /// How long a binding is asked for.
    pub expires: Duration,
}

impl Trunk {
    /// The way to an address of the trunk.
    pub(crate) fn flow(&self, address: SocketAddr) -> Flow {
        Flow::new(self.transport, address).of_trunk(Some(self.id))
    }

    /// Where its calls say who is calling, without the places that only a trusted one fills in
    /// (RFC 3325 §6).
    pub(crate) fn believed_callers(&self) -> impl Iterator<Item = Identity> {
        let believed = |one: &Identity| self.trusted || !one.is_networks();
        self.caller_from.iter().copied().filter(believed)
    }

    /// The host, and port, that requests to the trunk name.
    pub(crate) fn home(&self) -> Option<String> {
        self.service().or(self.destination.as_ref().map(Site::to_string))
    }

    /// The trunk's domain, or the name that is its destination: never an address that one leads to.
    pub(crate) fn service(&self) -> Option<String> {
        let name = self.destination.as_ref().filter(|at| at.address().is_none());
        self.domain.clone().or(name.map(Site::to_string))
    }

    /// The transport that the Request-URI of calls out names, where it names one.
    pub(crate) fn named_transport(&self) -> Option<Transport> {
        match &self.destination {
            Some(Site::Name { hop, .. }) => hop.transport,
            Some(Site::Address(_)) | None => Some(self.transport),
        }
        .filter(|transport| *transport != Transport::Udp)
    }
}

/// Whose the source addresses of a trunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A carrier's, an SBC's or a PBX's: many callers share one address, which therefore says
    /// nothing of who calls.
    Carrier,
    /// Telephones': each address is one caller's.
    Phones,
}

impl SourceKind {
    /// The kind of a trunk that does not say: a trunk that takes calls out is a carrier, a range
    /// that only brings calls in holds phones.
    pub const fn by_destination(has_destination: bool) -> Self {
        if has_destination { Self::Carrier } else { Self::Phones }
    }
}

/// Even RTP ports `first` to `last`, each with the odd one above it for RTCP (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// The range holds no even port, or its ports are below 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRangeError;

impl fmt::Display for PortRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range of RTP ports holds at least one even port and begins at 1024 or above")
    }
}

impl std::error::Error for PortRangeError {}

impl PortRange {
    /// The ports from `low` to `high`, both included.
    ///
    /// # Errors
    /// [`PortRangeError`] when there is no pair of an even port and the one above it.
    pub fn new(low: u16, high: u16) -> Result<Self, PortRangeError> {
        let first = low.checked_next_multiple_of(2).ok_or(PortRangeError)?;
        let last = high.checked_sub(1).ok_or(PortRangeError)? & !1;
        if first < 1024 || last < first { Err(PortRangeError) } else { Ok(Self { first, last }) }
    }

    /// Whether `port` is one of the range, for RTP or RTCP.
    pub(crate) fn has(self, port: u16) -> bool {
        (self.first..=self.last.saturating_add(1)).contains(&port)
    }

    /// The even ports; each has the odd one above it beside it.
    pub fn even_ports(self) -> impl Iterator<Item = u16> {
        (self.first..=self.last).step_by(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_made_of_pairs() {
        let ports = |low, high| PortRange::new(low, high).map(|r| r.even_ports().collect());
        assert_eq!(ports(20_001, 20_006), Ok(vec![20_002, 20_004]));
        assert_eq!(ports(20_000, 20_001), Ok(vec![20_000]));
        assert_eq!(ports(20_001, 20_002), Err(PortRangeError));
        assert_eq!(ports(1000, 2000), Err(PortRangeError));
        assert_eq!(ports(65_534, 65_535), Ok(vec![65_534]));
        assert_eq!(ports(65_535, 65_535), Err(PortRangeError));
    }
}
