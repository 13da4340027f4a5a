//! One walk from a name to addresses (RFC 3263 §4.1, §4.2) over what is known; what is not known
//! is noted.

use std::net::{IpAddr, SocketAddr};

use partyline_model::{IdSource, Time};

use super::cache::Cache;
use super::{Abilities, MOST_TARGETS, Naptr, Procedure, Question, Records, Srv};
use crate::flow::{NextHop, Target, Transport};
use crate::message::Host;

/// The longest name (RFC 1035 §2.3.4), its service labels included.
const LONGEST_NAME: usize = 253;

/// A server by name, port and transport.
struct Server {
    transport: Transport,
    name: Box<str>,
    port: u16,
}

/// A walk. It looks the same way each time, so that it may begin anew whenever more is known.
pub(super) struct Lookup<'a> {
    pub(super) abilities: &'a Abilities,
    pub(super) cache: &'a Cache,
    pub(super) random: &'a mut dyn IdSource,
    pub(super) now: Time,
    /// Whether old answers will do, and what is missing is not there.
    pub(super) make_do: bool,
    /// What has to be asked before more can be said.
    pub(super) missing: Vec<Question>,
    /// Until when all of what was looked at holds.
    pub(super) fresh: Time,
    /// Whether name servers had not answered something of it.
    pub(super) failed: bool,
}

impl<'a> Lookup<'a> {
    /// The addresses of `hop`, best first; not all of them while something is missing.
    pub(super) fn targets(&mut self, hop: &NextHop, procedure: Procedure) -> Vec<Target> {
        let transport = hop.transport.unwrap_or(usual(hop.secure));
        let name = match &hop.host {
            Host::Address(ip) => {
                let port = hop.port.unwrap_or(transport.default_port());
                let target = Target { transport, address: SocketAddr::new(*ip, port) };
                return if self.speaks(&target) { vec![target] } else { Vec::new() };
            }
            Host::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        };
        let servers = match (hop.port, procedure) {
            (Some(port), _) => vec![Server { transport, name: name.into(), port }],
            (None, Procedure::Address) => {
                vec![Server { transport, name: name.into(), port: transport.default_port() }]
            }
            (None, Procedure::Auto | Procedure::Srv) => self.servers(&name, hop, procedure),
        };
        let mut targets = Vec::new();
        for server in servers.iter().filter(|server| fits(&server.name)) {
            for ip in self.addresses(&server.name) {
                let address = SocketAddr::new(ip, server.port);
                let target = Target { transport: server.transport, address };
                if self.speaks(&target) && !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        targets.truncate(MOST_TARGETS);
        targets
    }

    /// The servers of a domain for which no port is given.
    fn servers(&mut self, domain: &str, hop: &NextHop, procedure: Procedure) -> Vec<Server> {
        let services = match hop.transport {
            Some(transport) => service(domain, transport).into_iter().collect(),
            None => match self.naptr(domain) {
                Some(records) => self.services(domain, records, hop.secure),
                None => return Vec::new(),
            },
        };
        let mut found = false;
        let mut servers = Vec::new();
        for (transport, name) in services.into_iter().filter(|(_, name)| fits(name)) {
            let Some(records) = self.srv(&name) else { continue };
            found |= !records.is_empty();
            for record in self.in_turn(records) {
                let name = record.target.trim_end_matches('.').to_ascii_lowercase().into();
                servers.push(Server { transport, name, port: record.port });
            }
        }
        if !found && self.missing.is_empty() && procedure == Procedure::Auto {
            let transport = hop.transport.unwrap_or(usual(hop.secure));
            let (name, port) = (domain.into(), transport.default_port());
            servers.push(Server { transport, name, port });
        }
        servers
    }

    /// The SRV names of a domain by its NAPTR records, or by our own likes where it has none of use.
    fn services(&self, domain: &str, records: &[Naptr], secure: bool) -> Vec<(Transport, String)> {
        let is_ours = |transport: &Transport| {
            self.abilities.transports.contains(transport) && (transport.is_secure() || !secure)
        };
        let mut sorted: Vec<&Naptr> = records.iter().collect();
        sorted.sort_by_key(|record| (record.order, record.preference));
        let stated: Vec<_> = sorted
            .into_iter()
            .filter(|record| record.flags.eq_ignore_ascii_case("s"))
            .filter_map(|record| {
                let transport = transport_of(&record.service).filter(is_ours)?;
                let name = record.replacement.trim_end_matches('.').to_ascii_lowercase();
                Some((transport, name))
            })
            .collect();
        if !stated.is_empty() {
            return stated;
        }
        let ours = self.abilities.transports.iter().copied().filter(is_ours);
        ours.filter_map(|transport| service(domain, transport)).collect()
    }

    /// SRV records in the order to try them: by priority, and by chance and weight within one
    /// (RFC 2782).
    fn in_turn(&mut self, records: &'a [Srv]) -> Vec<&'a Srv> {
        let mut left: Vec<&Srv> = records.iter().filter(|record| record.target != ".").collect();
        // Those without weight stand first, so that they have a small chance.
        left.sort_by_key(|record| (record.priority, record.weight));
        let mut turns = Vec::with_capacity(left.len());
        while let Some(first) = left.first() {
            let priority = first.priority;
            let rivals = left.iter().take_while(|record| record.priority == priority);
            let sum: u64 = rivals.map(|record| u64::from(record.weight)).sum();
            let mut chance = self.below(sum + 1);
            let chosen = left.iter().position(|record| {
                let weight = u64::from(record.weight);
                let hit = chance <= weight;
                chance = chance.saturating_sub(weight);
                hit
            });
            turns.push(left.remove(chosen.unwrap_or(0)));
        }
        turns
    }

    /// A number below `end` by chance.
    fn below(&mut self, end: u64) -> u64 {
        let drawn = self.random.next_u128() % u128::from(end.max(1));
        u64::try_from(drawn).unwrap_or_default()
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        let abilities = self.abilities;
        let mut found = Vec::new();
        for question in [
            abilities.v6.then(|| Question::Aaaa(name.into())),
            abilities.v4.then(|| Question::A(name.into())),
        ]
        .into_iter()
        .flatten()
        {
            if let Some(Records::Addresses(addresses)) = self.ask(question) {
                found.extend_from_slice(addresses);
            }
        }
        found
    }

    fn naptr(&mut self, domain: &str) -> Option<&'a [Naptr]> {
        if !fits(domain) {
            return Some(&[]);
        }
        match self.ask(Question::Naptr(domain.into())) {
            Some(Records::Naptr(records)) => Some(records),
            Some(Records::Srv(_) | Records::Addresses(_)) => Some(&[]),
            None => self.make_do.then_some(&[]),
        }
    }

    fn srv(&mut self, name: &str) -> Option<&'a [Srv]> {
        match self.ask(Question::Srv(name.into())) {
            Some(Records::Srv(records)) => Some(records),
            Some(Records::Naptr(_) | Records::Addresses(_)) => Some(&[]),
            None => self.make_do.then_some(&[]),
        }
    }

    fn ask(&mut self, question: Question) -> Option<&'a Records> {
        let known = self.cache.get(self.now, &question, self.make_do);
        let Some(known) = known else {
            self.failed |= self.make_do;
            self.missing.extend(Some(question).filter(|_| !self.make_do));
            return None;
        };
        self.fresh = self.fresh.min(known.fresh);
        self.failed |= known.failed;
        Some(known.records)
    }

    fn speaks(&self, target: &Target) -> bool {
        let family = if target.address.is_ipv4() { self.abilities.v4 } else { self.abilities.v6 };
        family && self.abilities.transports.contains(&target.transport)
    }
}

/// The transport where nothing names one (RFC 3263 §4.1).
const fn usual(secure: bool) -> Transport {
    if secure { Transport::Tls } else { Transport::Udp }
}

/// The name of the SRV records of a transport (RFC 3263 §4.1); WebSockets have none that peers use.
fn service(domain: &str, transport: Transport) -> Option<(Transport, String)> {
    let labels = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some((transport, format!("{labels}.{domain}")))
}

/// The transport of a NAPTR service field (RFC 3263 §4.1).
fn transport_of(service: &str) -> Option<Transport> {
    let is = |text: &str| service.eq_ignore_ascii_case(text);
    if is("SIP+D2U") {
        Some(Transport::Udp)
    } else if is("SIP+D2T") {
        Some(Transport::Tcp)
    } else if is("SIPS+D2T") {
        Some(Transport::Tls)
    } else {
        None
    }
}

/// Whether `name` can be asked for.
fn fits(name: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.len() <= 63;
    name.len() <= LONGEST_NAME && name.split('.').all(label)
}
