//! Where trunks are that have names (RFC 3263): looked up at the start, and again and again.
//!
//! Calls never wait for a name server: they go to what was found last, in an order that is drawn
//! anew for each. A lookup that fails takes nothing away; a trunk that was never found is down. What
//! a name has led to is the trunk's: calls from there are taken, and for a while from where it led
//! before, since a far end moves more slowly than its name.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::locate::{Found, LookupFault, Procedure, Search};
use partyline_sip::message::Host;
use partyline_sip::{Flow, NextHop, ResolveId, Target};

use crate::admission::Sources;
use crate::config::{Config, Site, Trunk};
use crate::node::{Node, Output};

/// Names are looked up so often at least; sooner where they hold for less.
const AGAIN: Duration = Duration::from_secs(30);
/// Never sooner, unless an address failed.
const PAUSE: Duration = Duration::from_secs(5);
/// How long an answer is waited for before the question is put again.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long calls are taken from an address that the name leads to no longer.
const CALLS: Duration = Duration::from_secs(600);
/// How long such an address is the trunk's otherwise: calls that go there may be up.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Addresses of one name that are remembered.
const MOST: usize = 64;

/// A lookup for a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupId(usize);

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A request within a call.
    Request(ResolveId),
    /// A trunk.
    Trunk(LookupId),
}

/// What is known of a trunk's name; for the log, when it has changed, and for `/trunks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkName {
    /// As people name the trunk.
    pub trunk: String,
    /// The name.
    pub name: String,
    /// Where it leads, or led when it was known last.
    pub addresses: Vec<Target>,
    /// What is wrong with the latest lookup.
    pub fault: Option<LookupFault>,
    /// Addresses from which its calls are not taken, since another trunk lists a network around
    /// them, and which.
    pub withheld: Vec<(IpAddr, String)>,
}

/// What a name is to its trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Destination,
    Registrar,
    Source,
}

/// A name of a trunk.
struct Look {
    place: usize,
    role: Role,
    search: Search,
    targets: Vec<Target>,
    /// When the name led to each address last.
    seen: BTreeMap<IpAddr, Time>,
    fault: Option<LookupFault>,
    asked: bool,
    /// When it is asked again, answered or not.
    next: Time,
}

/// All names of all trunks.
#[derive(Default)]
pub(crate) struct Whereabouts {
    looks: Vec<Look>,
    started: bool,
    /// The addresses by trunk that the sources were last made with.
    published: Vec<Vec<(IpAddr, bool)>>,
}

impl Look {
    fn name(&self) -> String {
        let NextHop { host, port, .. } = &self.search.hop;
        port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
    }

    /// Takes a result; whether anything of it is to be said.
    fn take(&mut self, now: Time, found: Found) -> bool {
        let before = (self.fault, sorted(&self.targets));
        self.asked = false;
        self.next = found.until.clamp(now + PAUSE, now + AGAIN);
        self.fault = found.fault;
        // Some of it may be of old, and is still the best that is known.
        if !found.targets.is_empty() {
            self.targets = found.targets;
        }
        if found.fault.is_none() {
            self.seen.retain(|_, at| now < *at + REMEMBERED);
        }
        for target in &self.targets {
            self.seen.insert(target.address.ip().to_canonical(), now);
        }
        while self.seen.len() > MOST
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, at)| **at).map(|(ip, _)| *ip)
        {
            self.seen.remove(&oldest);
        }
        before != (self.fault, sorted(&self.targets))
    }
}

fn sorted(targets: &[Target]) -> Vec<Target> {
    let mut sorted = targets.to_vec();
    sorted.sort_unstable();
    sorted
}

impl Whereabouts {
    /// The names of `trunks`, of which nothing is known yet.
    pub(crate) fn new(trunks: &[Trunk]) -> Self {
        let mut looks = Vec::new();
        for (place, trunk) in trunks.iter().enumerate() {
            let registrar = trunk.account.as_ref().map(|account| &account.registrar);
            for (role, at) in [
                (Role::Destination, trunk.destination.as_ref()),
                (Role::Registrar, registrar.filter(|at| Some(*at) != trunk.destination.as_ref())),
            ] {
                if let Some(Site::Name { hop, procedure }) = at {
                    let (hop, procedure) = (hop.clone(), *procedure);
                    looks.push(Look::new(place, role, Search { hop, procedure, payer: None }));
                }
            }
            for name in &trunk.source_names {
                let host = Host::Name(name.as_str().into());
                let hop = NextHop { host, port: None, transport: None, secure: false };
                let procedure = Procedure::Address;
                looks.push(Look::new(place, Role::Source, Search { hop, procedure, payer: None }));
            }
        }
        Self { looks, started: false, published: vec![Vec::new(); trunks.len()] }
    }

    /// When the next name is to be looked up.
    pub(crate) fn next(&self) -> Option<Time> {
        self.looks.iter().map(|look| look.next).min().filter(|_| self.started)
    }

    /// Where a name of the trunk in this place leads; `None` where it has no such name.
    fn targets(&self, place: usize, role: Role) -> Option<&[Target]> {
        let mut looks = self.looks.iter();
        looks.find(|look| (look.place, look.role) == (place, role)).map(|look| &*look.targets)
    }

    /// Why the trunk in this place cannot be reached: a name of it was looked for in vain.
    pub(crate) fn lost(&self, place: usize) -> Option<LookupFault> {
        let ours = self.looks.iter().filter(|look| look.place == place);
        let mut lost = ours.filter(|look| look.role != Role::Source && look.targets.is_empty());
        lost.find_map(|look| look.fault)
    }

    /// What is known of the names of a trunk.
    pub(crate) fn of(&self, place: usize, trunk: &Trunk, sources: &Sources) -> Vec<TrunkName> {
        let ours = self.looks.iter().filter(|look| look.place == place);
        ours.map(|look| look.known(trunk, sources)).collect()
    }

    /// The addresses of a trunk in this place by its names, and whether calls may come from each.
    fn addresses(&self, now: Time, place: usize) -> Vec<(IpAddr, bool)> {
        let mut all: BTreeMap<IpAddr, bool> = BTreeMap::new();
        for look in self.looks.iter().filter(|look| look.place == place) {
            for (ip, at) in &look.seen {
                *all.entry(*ip).or_default() |= now < *at + CALLS;
            }
        }
        all.into_iter().collect()
    }
}

impl Look {
    fn new(place: usize, role: Role, search: Search) -> Self {
        Self {
            place,
            role,
            search,
            targets: Vec::new(),
            seen: BTreeMap::new(),
            fault: None,
            asked: false,
            next: Time::ZERO,
        }
    }

    fn known(&self, trunk: &Trunk, sources: &Sources) -> TrunkName {
        let leads =
            |ip: IpAddr| self.targets.iter().any(|target| target.address.ip().to_canonical() == ip);
        let withheld = sources.withheld(self.place).filter(|(ip, _)| leads(*ip));
        TrunkName {
            withheld: withheld.map(|(ip, owner)| (ip, owner.to_owned())).collect(),
            trunk: trunk.name.clone(),
            name: self.name(),
            addresses: self.targets.clone(),
            fault: self.fault,
        }
    }
}

impl Config {
    /// Whether a name may lead to `target`: to ourselves it never does, and to this machine's
    /// loopback only where the bridge itself is nowhere else.
    pub(crate) fn may_lead_to(&self, target: &Target) -> bool {
        let ip = target.address.ip().to_canonical();
        let nobody = ip.is_unspecified() || ip.is_multicast() || target.address.port() == 0;
        let here = ip.is_loopback() && !self.media.is_loopback();
        !nobody && !here && !self.is_own_end(target.address)
    }
}

impl Node {
    /// Looks for the trunks that have names, from now on.
    pub(crate) fn start_looking(&mut self, now: Time) {
        self.whereabouts.started = true;
        self.look_around(now);
    }

    /// Looks up the names whose time has come.
    pub(crate) fn look_around(&mut self, now: Time) {
        if self.whereabouts.next().is_some_and(|at| at <= now) {
            for index in 0..self.whereabouts.looks.len() {
                self.look(now, index, false);
            }
        }
    }

    fn look(&mut self, now: Time, index: usize, at_once: bool) {
        let Some(look) = self.whereabouts.looks.get_mut(index) else { return };
        let wanted = if at_once { !look.asked } else { look.next <= now };
        if wanted {
            (look.asked, look.next) = (true, now + PATIENCE);
            let lookup = Lookup::Trunk(LookupId(index));
            self.outputs.push_back(Output::Look(lookup, look.search.clone()));
        }
    }

    /// What a name of a trunk leads to.
    pub(crate) fn trunk_found(&mut self, now: Time, id: LookupId, mut found: Found) {
        let Some(look) = self.whereabouts.looks.get_mut(id.0) else { return };
        let some = !found.targets.is_empty();
        found.targets.retain(|target| self.config.may_lead_to(target));
        if some && found.targets.is_empty() {
            found.fault = Some(LookupFault::Nothing);
        }
        let place = look.place;
        let is_news = look.take(now, found);
        let addresses = self.whereabouts.addresses(now, place);
        if let Some(published) = self.whereabouts.published.get_mut(place)
            && *published != addresses
        {
            *published = addresses;
            let sources = Sources::with(&self.config.trunks, &self.whereabouts.published);
            self.replace_sources(now, sources);
        }
        if let Some((trunk, look)) =
            self.config.trunks.get(place).zip(self.whereabouts.looks.get(id.0))
            && is_news
        {
            let known = look.known(trunk, &self.sources);
            self.outputs.push_back(Output::TrunkNamed(Box::new(known)));
        }
        self.lead_trunk(now, place);
    }

    /// Nobody answered at the far end of `flow`: where a name led there, others of it come first.
    pub(crate) fn way_failed(&mut self, now: Time, flow: Flow) {
        let failed = Target { transport: flow.transport, address: flow.remote };
        let led = |look: &Look| look.targets.contains(&failed);
        let looks = self.whereabouts.looks.iter().enumerate();
        let looks: Vec<usize> =
            looks.filter(|(_, look)| led(look)).map(|(index, _)| index).collect();
        if !looks.is_empty() {
            self.outputs.push_back(Output::Failed(failed));
        }
        for index in looks {
            self.look(now, index, true);
        }
    }

    /// The ways to the trunk in this place, best first; none where it was not found, or takes no
    /// calls.
    pub(crate) fn ways_out(&self, place: usize) -> Vec<Flow> {
        let destination =
            self.config.trunks.get(place).and_then(|trunk| trunk.destination.as_ref());
        self.ways_to(place, Role::Destination, destination)
    }

    /// The ways to the registrar of the trunk in this place.
    pub(crate) fn ways_to_registrar(&self, place: usize) -> Vec<Flow> {
        let Some(trunk) = self.config.trunks.get(place) else { return Vec::new() };
        let registrar = trunk.account.as_ref().map(|account| &account.registrar);
        let same = registrar == trunk.destination.as_ref();
        let role = if same { Role::Destination } else { Role::Registrar };
        self.ways_to(place, role, registrar)
    }

    fn ways_to(&self, place: usize, role: Role, at: Option<&Site>) -> Vec<Flow> {
        let Some(trunk) = self.config.trunks.get(place) else { return Vec::new() };
        let by =
            |target: &Target| Flow::new(target.transport, target.address).of_trunk(Some(trunk.id));
        match at {
            Some(Site::Address(address)) => vec![trunk.flow(*address)],
            Some(Site::Name { .. }) => {
                self.whereabouts.targets(place, role).unwrap_or(&[]).iter().map(by).collect()
            }
            None => Vec::new(),
        }
    }

    /// A call goes out by the trunk in this place: the next one is to draw its own order.
    pub(crate) fn draw_again(&mut self, now: Time, place: usize) {
        let looks = self.whereabouts.looks.iter();
        let index = looks
            .enumerate()
            .find(|(_, look)| (look.place, look.role) == (place, Role::Destination));
        if let Some((index, look)) = index
            && look.targets.len() > 1
        {
            self.look(now, index, true);
        }
    }
}
