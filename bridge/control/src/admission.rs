//! Who may call, by which trunk, and how often: asked before anything is spent on a datagram.
//!
//! [`Sources`] is the table of all trunks' addresses. The node has the one that holds, for itself and
//! for the SIP endpoint, which asks before it keeps anything of a request; the SIP shell has the same
//! one, and looks at each datagram before it queues it ([`Gate`], [`FairQueue`]). A table never
//! changes: another one takes its place everywhere ([`Output::Sources`](crate::Output)).

mod bans;
mod connections;
mod gate;
mod queue;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use partyline_model::Time;
use partyline_sip::rate::{Rate, host};
use partyline_sip::{Admission, Callers, Extensions, Identities, Limits};

pub use self::bans::{Ban, BanCounts, Banned, Offence, Unbannable};
pub(crate) use self::bans::{Bans, Standing};
pub use self::connections::{ConnectionGate, Unwelcome, Welcome};
pub use self::gate::{Gate, Unwanted};
pub use self::queue::FairQueue;
use crate::config::{Config, Site, SourceKind, Trunk};

/// What an address of a carrier may use: many callers stand behind it.
const CARRIER: Limits = Limits {
    calls: true,
    invites: Rate { per_second: 500, burst: 2000 },
    answers: Rate { per_second: 500, burst: 2000 },
    pending: usize::MAX,
    waiting: usize::MAX,
    callers: Callers::ByAddress,
    trunk: 0,
    extensions: None,
};
/// What a phone may use; an office behind one address still comes to its nine o'clock conference.
const PHONE: Limits = Limits {
    calls: true,
    invites: Rate { per_second: 10, burst: 60 },
    answers: Rate { per_second: 20, burst: 60 },
    pending: 32,
    waiting: 100,
    callers: Callers::ByAddress,
    trunk: 0,
    extensions: None,
};

/// The trunks by their source addresses.
#[derive(Clone, Debug)]
pub struct Sources {
    /// In the order of the trunks: of several that have an address alike, the first has it.
    trunks: Arc<[Source]>,
    banned: Arc<Banned>,
}

#[derive(Clone, Debug)]
struct Source {
    id: u32,
    name: Arc<str>,
    kind: SourceKind,
    requests: Option<u32>,
    extensions: Extensions,
    callers: Identities,
    networks: Vec<IpNet>,
    /// Where calls out go, and requests within them come from.
    destination: Option<IpAddr>,
    /// Where the trunk's names lead or led, and whether calls may come from there.
    named: BTreeMap<IpAddr, bool>,
    /// Where its names lead, and whose those addresses are and stay.
    withheld: BTreeMap<IpAddr, Arc<str>>,
}

/// A network as wide as this may well hold other trunks: bits of the prefix.
const WIDE_V4: u8 = 8;
const WIDE_V6: u8 = 32;

/// The trunk that an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// As records name it.
    pub trunk: u32,
    /// As people name it.
    pub name: &'a str,
    /// Whose its addresses are.
    pub kind: SourceKind,
    /// How many requests each may send in a second, where the trunk says.
    pub requests: Option<u32>,
    /// Where its calls say who is calling, as far as it is believed.
    pub callers: Identities,
    /// Whether it may call us; otherwise it only answers for calls out.
    pub calls: bool,
    /// Which extensions of SIP are spoken with it.
    pub extensions: Extensions,
}

impl Sources {
    /// The sources of `trunks`, none of whose names is known yet.
    pub fn new(trunks: &[Trunk]) -> Self {
        Self::with(trunks, &[])
    }

    /// The sources of `trunks` with what the names of each have led to.
    pub(crate) fn with(trunks: &[Trunk], named: &[Vec<(IpAddr, bool)>]) -> Self {
        let source = |(place, trunk): (usize, &Trunk)| Source {
            named: named.get(place).into_iter().flatten().copied().collect(),
            withheld: BTreeMap::new(),
            id: trunk.id,
            name: trunk.name.as_str().into(),
            kind: trunk.kind,
            requests: trunk.limits.requests,
            extensions: trunk.extensions,
            callers: Identities::new(trunk.believed_callers()),
            networks: trunk.sources.clone(),
            destination: trunk.destination.as_ref().and_then(Site::address).map(|at| at.ip()),
        };
        let mut trunks: Vec<Source> = trunks.iter().enumerate().map(source).collect();
        withhold(&mut trunks);
        Self { trunks: trunks.into(), banned: Arc::default() }
    }

    /// Where the names of the trunk in this place lead without having calls taken from there, and
    /// the trunk that lists a network around.
    pub(crate) fn withheld(&self, place: usize) -> impl Iterator<Item = (IpAddr, &str)> {
        let trunk = self.trunks.get(place).into_iter();
        trunk.flat_map(|trunk| &trunk.withheld).map(|(ip, owner)| (*ip, &**owner))
    }

    /// The same, but for who is banned.
    pub(crate) fn banning(self, banned: Arc<Banned>) -> Self {
        Self { banned, ..self }
    }

    /// Whether nothing of `source` is listened to at `now`.
    pub fn is_banned(&self, now: Time, source: IpAddr) -> bool {
        self.banned.has(now, source)
    }

    /// Who an address is, as far as bans go.
    pub(crate) fn standing(&self, source: IpAddr) -> Standing {
        if self.trunks.iter().any(|trunk| trunk.is_host(source)) {
            return Standing::Host;
        }
        // Whose it is, or else whose is what would be banned with it.
        let its = self.find(source).map(|known| known.kind);
        let mut near = self.trunks.iter().filter(|trunk| trunk.is_near(source));
        match its.or_else(|| near.next().map(|trunk| trunk.kind)) {
            Some(SourceKind::Carrier) => Standing::Carrier,
            Some(SourceKind::Phones) => Standing::Known,
            None => Standing::Stranger,
        }
    }

    /// Whose address `source` is; `None` for a stranger's. Who lists the address itself comes before
    /// whose name it was found for, and both before whose network has it: a network of telephones
    /// may hold the carriers as well.
    pub fn find(&self, source: IpAddr) -> Option<Known<'_>> {
        let source = source.to_canonical();
        let first = |is: &dyn Fn(&Source) -> bool| self.trunks.iter().find(|trunk| is(trunk));
        let caller = first(&|trunk| trunk.lists(source))
            .or_else(|| first(&|trunk| trunk.is_named(source)))
            .or_else(|| first(&|trunk| trunk.has(source)));
        let callee = || self.trunks.iter().find(|trunk| trunk.is_destination(source));
        let (trunk, calls) = match caller {
            Some(trunk) => (trunk, true),
            None => (callee()?, false),
        };
        Some(Known {
            trunk: trunk.id,
            name: &trunk.name,
            kind: trunk.kind,
            requests: trunk.requests,
            callers: trunk.callers,
            calls,
            extensions: trunk.extensions,
        })
    }

    /// Whether calls from `source` may belong to the trunk in this place.
    pub(crate) fn may_call(&self, place: usize, source: IpAddr) -> bool {
        self.trunks.get(place).is_some_and(|trunk| trunk.has(source.to_canonical()))
    }

    /// Whether the SIP of the trunk in this place comes from `source`, in either direction.
    pub(crate) fn is_at(&self, place: usize, source: IpAddr) -> bool {
        self.trunks.get(place).is_some_and(|trunk| trunk.holds(source.to_canonical()))
    }

    /// The places of the trunks whose SIP comes from `source`, in either direction.
    pub(crate) fn at(&self, source: IpAddr) -> impl Iterator<Item = usize> {
        let source = source.to_canonical();
        let trunks = self.trunks.iter().enumerate();
        trunks.filter(move |(_, trunk)| trunk.holds(source)).map(|(place, _)| place)
    }
}

/// Keeps addresses in the networks that list them: whoever writes a zone says where its names lead,
/// and is not to have calls of another trunk's network taken for his. A wide network may hold
/// anybody, and so keeps nobody.
fn withhold(trunks: &mut [Source]) {
    let is_narrow = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() > WIDE_V4,
        IpNet::V6(net) => net.prefix_len() > WIDE_V6,
    };
    for place in 0..trunks.len() {
        let Some((trunk, others)) = pick(trunks, place) else { return };
        for (ip, may_call) in &mut trunk.named {
            if trunk.networks.iter().any(|net| net.contains(ip)) {
                continue;
            }
            let lists = |other: &&&Source| {
                other.networks.iter().any(|net| is_narrow(net) && net.contains(ip))
            };
            if let Some(owner) = others.iter().find(lists) {
                *may_call = false;
                trunk.withheld.insert(*ip, Arc::clone(&owner.name));
            }
        }
    }
}

/// The trunk in a place, and all others.
fn pick(trunks: &mut [Source], place: usize) -> Option<(&mut Source, Vec<&Source>)> {
    let (before, rest) = trunks.split_at_mut_checked(place)?;
    let (trunk, after) = rest.split_first_mut()?;
    Some((trunk, before.iter().chain(after.iter()).collect()))
}

impl Known<'_> {
    /// Messages of one address: for each request its ACK, a BYE and what is repeated.
    pub(crate) fn messages(&self) -> Rate {
        match (self.requests, self.kind) {
            (Some(requests), _) => {
                let per_second = requests.saturating_mul(4);
                Rate { per_second, burst: per_second.saturating_mul(2) }
            }
            (None, SourceKind::Carrier) => gate::CARRIER,
            (None, SourceKind::Phones) => gate::PHONE,
        }
    }

    fn limits(&self) -> Limits {
        let usual = match self.kind {
            SourceKind::Carrier => Limits { callers: Callers::ByNumber(self.callers), ..CARRIER },
            SourceKind::Phones => PHONE,
        };
        let own = self.requests.map(|per_second| {
            let rate = Rate { per_second, burst: per_second.saturating_mul(4) };
            Limits { invites: rate, answers: rate, ..usual }
        });
        let extensions = Some(self.extensions);
        Limits { calls: self.calls, trunk: self.trunk, extensions, ..own.unwrap_or(usual) }
    }
}

impl Source {
    /// Whether the address itself is listed, and not a network around it.
    fn lists(&self, source: IpAddr) -> bool {
        let is_it = |net: &IpNet| net.prefix_len() == net.max_prefix_len() && net.contains(&source);
        self.networks.iter().any(is_it)
    }

    /// Whether the address is the trunk's own and no other's, or of a /64 of IPv6 that is in it.
    fn is_host(&self, source: IpAddr) -> bool {
        let listed = self.networks.iter().filter(|net| net.prefix_len() == net.max_prefix_len());
        let own = listed.map(IpNet::addr).chain(self.destination).chain(self.named.keys().copied());
        own.into_iter().any(|own| host(own) == host(source))
    }

    /// Whether calls come from the address since a name leads there.
    fn is_named(&self, source: IpAddr) -> bool {
        self.named.get(&source).copied().unwrap_or_default()
    }

    fn has(&self, source: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&source)) || self.is_named(source)
    }

    /// Whether calls come from an address that would be banned with this one.
    fn is_near(&self, source: IpAddr) -> bool {
        let banned = host(source);
        let with_it = match banned {
            IpAddr::V4(_) => IpNet::from(banned),
            IpAddr::V6(v6) => Ipv6Net::new(v6, 64).map_or(IpNet::from(banned), IpNet::V6),
        };
        let touches = |net: &IpNet| net.contains(&with_it) || with_it.contains(net);
        self.networks.iter().any(touches)
    }

    fn is_destination(&self, source: IpAddr) -> bool {
        self.destination.is_some_and(|destination| destination.to_canonical() == source)
            || self.named.contains_key(&source)
    }

    fn holds(&self, source: IpAddr) -> bool {
        self.has(source) || self.is_destination(source)
    }
}

/// The endpoint's view of the trunks.
pub(crate) struct Trunks {
    sources: Arc<Sources>,
    capacity: usize,
}

impl Trunks {
    pub(crate) fn new(sources: &Arc<Sources>, config: &Config) -> Self {
        Self { sources: Arc::clone(sources), capacity: config.ports.even_ports().count() }
    }
}

impl Admission for Trunks {
    fn limits(&self, source: IpAddr) -> Option<Limits> {
        self.sources.find(source).map(|known| known.limits())
    }

    fn allies(&self, peer: IpAddr, source: IpAddr) -> bool {
        let (peer, source) = (peer.to_canonical(), source.to_canonical());
        self.sources.trunks.iter().any(|trunk| trunk.holds(peer) && trunk.holds(source))
    }

    fn capacity(&self) -> usize {
        self.capacity
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn trunk(id: u32, source: &str, destination: Option<&str>) -> Trunk {
        let address = |text: &str| Site::Address(text.parse().expect("an address"));
        let destination = destination.map(address);
        Trunk {
            id,
            name: format!("trunk {id}"),
            sources: vec![source.parse().expect("a network")],
            kind: SourceKind::by_destination(destination.is_some()),
            trusted: true,
            extensions: Extensions::default(),
            srtp: partyline_sip::sdp::SrtpPolicy::Off,
            srtp_keys: partyline_sip::sdp::KeyExchange::Sdes,
            destination,
            transport: partyline_sip::Transport::Udp,
            numbers: crate::Numbers::default(),
            caller_from: vec![partyline_sip::Identity::From],
            presenting: crate::Presenting::default(),
            sound: crate::TrunkSound::default(),
            reject: crate::RejectCodes::default(),
            caller_id: None,
            login: None,
            verifying: crate::Verifying::Off,
            signer: None,
            routing: crate::Routing::default(),
            limits: crate::TrunkLimits::default(),
            domain: None,
            account: None,
            pings: None,
            uri_passcode: false,
            media_sources: Vec::new(),
            source_names: Vec::new(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_belongs_to_who_lists_it_and_then_to_the_first_network_that_has_it() {
        let trunks = [
            trunk(1, "192.0.2.0/24", Some("198.51.100.1:5060")),
            trunk(2, "192.0.2.0/28", None),
            trunk(3, "10.0.0.0/8", None),
            trunk(4, "192.0.2.9/32", None),
        ];
        let sources = Sources::new(&trunks);
        let found =
            |text| sources.find(ip(text)).map(|known| (known.trunk, known.kind, known.calls));
        assert_eq!(found("192.0.2.7"), Some((1, SourceKind::Carrier, true)));
        assert_eq!(found("192.0.2.9"), Some((4, SourceKind::Phones, true)));
        assert_eq!(found("::ffff:10.1.2.3"), Some((3, SourceKind::Phones, true)));
        assert_eq!(found("198.51.100.1"), Some((1, SourceKind::Carrier, false)));
        assert_eq!((found("203.0.113.1"), found("2001:db8::1")), (None, None));
    }

    #[test]
    fn a_name_takes_no_address_out_of_a_network_that_another_trunk_lists() {
        let trunks = [
            trunk(1, "203.0.113.0/24", None),
            trunk(2, "192.0.2.0/24", None),
            trunk(3, "10.0.0.0/8", None),
        ];
        let led = ["192.0.2.7", "10.0.0.7", "198.51.100.7", "203.0.113.7"];
        let named = [led.map(|text| (ip(text), true)).to_vec()];
        let sources = Sources::with(&trunks, &named);
        let found = |text| sources.find(ip(text)).map(|known| (known.trunk, known.calls));
        assert_eq!(found("192.0.2.7"), Some((2, true)), "the network's, whatever the zone says");
        assert_eq!(found("10.0.0.7"), Some((1, true)), "a wide one may hold anybody");
        assert_eq!(found("198.51.100.7"), Some((1, true)));
        assert_eq!(found("203.0.113.7"), Some((1, true)), "it is its own");
        let withheld: Vec<_> = sources.withheld(0).collect();
        assert_eq!(withheld, [(ip("192.0.2.7"), "trunk 2")]);
        assert_eq!(sources.withheld(1).count(), 0);
    }

    #[test]
    fn who_would_be_banned_with_a_neighbour_is_known_by_him() {
        let trunks = [
            trunk(1, "198.51.100.64/28", Some("192.0.2.1:5060")),
            trunk(2, "2001:db8:5::10/124", None),
            trunk(3, "10.0.0.0/8", None),
        ];
        let sources = Sources::new(&trunks);
        for (source, standing) in [
            ("192.0.2.1", Standing::Host),
            ("198.51.100.70", Standing::Carrier),
            ("2001:db8:5::dead", Standing::Known),
            ("2001:db8:6::dead", Standing::Stranger),
            ("10.1.2.3", Standing::Known),
            ("11.1.2.3", Standing::Stranger),
        ] {
            assert_eq!(sources.standing(ip(source)), standing, "{source}");
        }
    }

    #[test]
    fn those_of_one_trunk_speak_for_each_other() {
        let trunks = [
            trunk(1, "192.0.2.0/24", Some("198.51.100.1:5060")),
            trunk(2, "192.0.2.0/28", None),
            trunk(3, "10.0.0.0/8", None),
        ];
        let trunks = Trunks { sources: Arc::new(Sources::new(&trunks)), capacity: 1 };
        assert!(trunks.allies(ip("192.0.2.7"), ip("198.51.100.1")));
        assert!(trunks.allies(ip("10.0.0.1"), ip("10.9.9.9")));
        assert!(!trunks.allies(ip("192.0.2.7"), ip("10.0.0.1")));
        assert!(!trunks.allies(ip("203.0.113.1"), ip("203.0.113.1")), "strangers have no trunk");
    }
}
