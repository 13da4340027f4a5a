//! Users of our own, telephones without a PBX: who they are, where they can be reached, and whom
//! nobody listens to any more (RFC 3261 §10.3, §22).
//!
//! Nothing is kept of anybody before his answer was right, but a count where it was wrong. A user
//! that there is not is asked, judged and counted as one that there is.
//!
//! Not here: what a user may do, and what his number is.

mod guesses;
mod mappings;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;
use zeroize::Zeroizing;

use self::guesses::{Acquaintance, Guesses};
use self::mappings::Mappings;
use crate::auth::{Asked, Ha1, Hash, NonceLimits, Place, Unverified, Verifier};
use crate::flow::{Flow, Transport};
use crate::message::{Host, Message, Method, Name, NameAddr, StartLine, Uri};
use crate::rate::{host, neighbourhood};
use crate::registrar::{Binding, Registrar, RegistrarLimits};

/// How the users of a trunk are asked who they are, and whether they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The realm of the challenge.
    pub name: Box<str>,
    /// The algorithms of the challenges and of the answers that are taken: SHA-256, MD5, or both.
    pub hashes: Vec<Hash>,
    /// How often a telephone that registered by UDP from behind a NAT is asked whether it is there, so
    /// that the NAT does not forget it; `None`: never.
    pub nat_keep_alive: Option<Duration>,
}

/// One user.
pub struct User {
    /// The user part of the address of record, and the name that the user authenticates by.
    pub name: Box<str>,
    /// The trunk that the user's addresses belong to: nobody is this user who comes from elsewhere.
    pub trunk: u32,
    /// What the password comes to in the realm of the trunk.
    pub ha1: Ha1,
    /// Places where the user can be reached at one time.
    pub most_bindings: usize,
}

/// How often something became of requests of users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserCounts {
    /// Requests whose sender was found to be a user.
    pub known: u64,
    /// Requests that were asked who sends them: the first of most.
    pub asked: u64,
    /// Answers that were right once, or to a question that was put long ago or to somebody else.
    pub stale: u64,
    /// Answers that were wrong or malformed.
    pub wrong: u64,
    /// Answers that were not looked at, since too many before were wrong.
    pub unheard: u64,
}

/// A telephone behind a NAT that is to be sent something.
pub(crate) struct Absent {
    /// What its answer is reported by.
    pub(crate) number: u64,
    pub(crate) contact: Uri,
    pub(crate) flow: Flow,
}

/// Who sends a request.
pub(crate) enum Sender {
    /// A user.
    Known(Box<str>),
    /// Nobody knows: he is asked.
    Asked(Unverified),
    /// Somebody who guessed too often.
    Unheard,
}

struct Known {
    user: User,
    /// The hosts that right answers came from, the last one first.
    right_from: Vec<IpAddr>,
}

/// Hosts of one user that are remembered.
const MOST_HOSTS: usize = 8;

/// All users.
pub struct Users {
    verifier: Verifier,
    registrar: Registrar<Flow>,
    mappings: Mappings,
    guesses: Guesses,
    /// Of trunks that have users.
    realms: BTreeMap<u32, Realm>,
    users: BTreeMap<Box<str>, Known>,
    /// Hosts that right answers came from, and of how many users.
    seen: BTreeMap<IpAddr, usize>,
    counts: UserCounts,
}

impl Users {
    /// Users of the trunks that have a realm here; `key` is 32 unpredictable octets.
    pub fn new(
        realms: BTreeMap<u32, Realm>,
        users: impl IntoIterator<Item = User>,
        limits: RegistrarLimits,
        key: Zeroizing<[u8; 32]>,
    ) -> Self {
        let known = |user: User| {
            let hashes = realms.get(&user.trunk).map_or(&[][..], |realm| &realm.hashes);
            let user = User { ha1: user.ha1.by(hashes), ..user };
            (user.name.clone(), Known { user, right_from: Vec::new() })
        };
        let users = users.into_iter().map(known).collect();
        let low = key.first_chunk().copied().map(u64::from_be_bytes);
        Self {
            mappings: Mappings::default(),
            guesses: Guesses::new(low.unwrap_or_default()),
            verifier: Verifier::new(key, NonceLimits::default()),
            registrar: Registrar::new(limits),
            realms,
            users,
            seen: BTreeMap::new(),
            counts: UserCounts::default(),
        }
    }

    /// The password of a user is another. Where he is registered he is called still; but nobody has
    /// proved by it yet that he is this user, also not by a connection.
    pub fn set_ha1(&mut self, name: &str, ha1: Ha1) {
        let Some(known) = self.users.get_mut(name) else { return };
        let hashes = self.realms.get(&known.user.trunk).map_or(&[][..], |realm| &realm.hashes);
        known.user.ha1 = ha1.by(hashes);
        for before in std::mem::take(&mut known.right_from) {
            self.forget_host(before);
        }
    }

    /// Where a user can be reached, the place he likes best first.
    pub fn bindings(&self, name: &str) -> Vec<&Binding<Flow>> {
        self.registrar.bindings(name)
    }

    /// The names of all users.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(|name| &**name)
    }

    /// What became of requests.
    pub const fn counts(&self) -> UserCounts {
        self.counts
    }

    /// Bindings of all users.
    pub fn registered(&self) -> usize {
        self.registrar.len()
    }

    /// Whether the sources of a trunk have to say who they are.
    pub fn asks(&self, trunk: u32) -> bool {
        self.realms.contains_key(&trunk)
    }

    /// Whether a user was right from this host.
    pub fn has_seen(&self, source: IpAddr) -> bool {
        self.seen.contains_key(&host(source))
    }

    /// Notes the host of a right answer.
    fn note_host(&mut self, name: &str, source: IpAddr) {
        let Some(known) = self.users.get_mut(name) else { return };
        let source = host(source);
        let hosts = &mut known.right_from;
        let before = hosts.iter().position(|known| *known == source);
        let last = if before.is_none() && hosts.len() == MOST_HOSTS { hosts.pop() } else { None };
        if let Some(before) = before {
            hosts.remove(before);
        } else {
            *self.seen.entry(source).or_default() += 1;
        }
        hosts.insert(0, source);
        if let Some(last) = last {
            self.forget_host(last);
        }
    }

    /// A user is no longer believed to be at a host.
    fn forget_host(&mut self, host: IpAddr) {
        let left = self.seen.get(&host).map_or(0, |count| count - 1);
        if left == 0 {
            self.seen.remove(&host);
        } else {
            self.seen.insert(host, left);
        }
    }

    /// Who sends a request that came from a source of `trunk`: whose connection it comes by, or whose
    /// answer is right.
    pub(crate) fn identify(
        &mut self,
        now: Time,
        trunk: u32,
        flow: Flow,
        request: &Message,
    ) -> Sender {
        let Some(realm) = self.realms.get(&trunk).cloned() else { return Sender::Unheard };
        let source = flow.remote.ip();
        let asked = Asked { place: Place::Server, realm: &realm.name, source };
        let claimed = Verifier::claimed(asked, request).map(str::to_owned);
        let Some(claimed) = claimed else {
            if let Some(user) = self.by_connection(trunk, flow, request) {
                self.counts.known += 1;
                return Sender::Known(user);
            }
            // Also what cannot be read: it was not guessed with, and nothing was looked up.
            self.counts.asked += 1;
            return Sender::Asked(Unverified::Absent);
        };
        let users = &self.users;
        let how = self.acquaintance(&claimed, source);
        if !self.guesses.listens(now, source, &claimed, how) {
            self.counts.unheard += 1;
            return Sender::Unheard;
        }
        let of_trunk = |name: &str| users.get(name).filter(|known| known.user.trunk == trunk);
        let find = |name: &str| of_trunk(name).map(|known| &known.user.ha1);
        match self.verifier.verify(now, asked, request, find).map(str::to_owned) {
            Ok(name) => {
                self.counts.known += 1;
                self.note_host(&name, source);
                Sender::Known(name.into())
            }
            Err(why) => {
                if why.is_guess() {
                    self.counts.wrong += 1;
                    self.guesses.note(now, source, &claimed, how);
                } else {
                    self.counts.stale += 1;
                }
                Sender::Asked(why)
            }
        }
    }

    /// How well an address is known to a user, or to whom the name is of nobody.
    fn acquaintance(&self, name: &str, source: IpAddr) -> Acquaintance {
        let hosts = self.users.get(name).map(|known| &*known.right_from).unwrap_or_default();
        let near = |known: &IpAddr| neighbourhood(*known) == neighbourhood(source);
        if hosts.contains(&host(source)) {
            Acquaintance::Right
        } else if self.has_seen(source) || hosts.iter().any(near) {
            Acquaintance::Near
        } else {
            Acquaintance::None
        }
    }

    /// The user of From, if a binding of his was made over this very connection, by the password that
    /// he has now. A datagram's source may be forged: it proves nothing.
    fn by_connection(&self, trunk: u32, flow: Flow, request: &Message) -> Option<Box<str>> {
        flow.connection?;
        // Who wants to be reached elsewhere, or no more, says his password each time.
        let StartLine::Request { method: Method::Invite, .. } = request.start else { return None };
        let from = NameAddr::parse(request.headers.text(&Name::From)?).ok()?;
        let name = from.uri.user()?;
        let known = self.users.get(&*name).filter(|known| known.user.trunk == trunk)?;
        if !known.right_from.contains(&host(flow.remote.ip())) {
            return None;
        }
        let bindings = self.registrar.bindings(&known.user.name);
        let same = bindings.iter().any(|binding| binding.flow.connection == flow.connection);
        same.then(|| known.user.name.clone())
    }

    /// Asks the sender of a request who he is, in `response`.
    pub(crate) fn challenge(
        &mut self,
        now: Time,
        (trunk, source): (u32, IpAddr),
        refused: Unverified,
        response: &mut Message,
    ) {
        let Some(realm) = self.realms.get(&trunk).cloned() else { return };
        let asked = Asked { place: Place::Server, realm: &realm.name, source };
        self.verifier.challenge_by(now, asked, refused, &realm.hashes, response);
    }

    /// Carries out a REGISTER of a user; the headers of the response that are the registrar's.
    pub(crate) fn register(
        &mut self,
        now: Time,
        name: &str,
        flow: Flow,
        request: &Message,
    ) -> Message {
        let (most, every) = self.users.get(name).map_or((1, None), |known| {
            let realm = self.realms.get(&known.user.trunk);
            (known.user.most_bindings, realm.and_then(|realm| realm.nat_keep_alive))
        });
        let before: Vec<u64> = self.bindings(name).into_iter().map(Binding::number).collect();
        let response = self.registrar.register_at_most(now, (name, most), flow, request);
        let after = self.registrar.bindings(name);
        for gone in before.iter().filter(|number| after.iter().all(|b| b.number() != **number)) {
            self.mappings.drop(*gone);
        }
        let fresh = after.iter().filter(|binding| !before.contains(&binding.number()));
        for binding in fresh.filter(|binding| is_behind_nat(binding)) {
            if let Some(every) = every {
                self.mappings.hold(now, (name, binding.number()), every);
            }
        }
        response
    }

    /// A telephone behind a NAT that is to be asked now whether it is there.
    pub(crate) fn poll_absent(&mut self, now: Time) -> Option<Absent> {
        loop {
            let (user, number) = self.mappings.poll(now)?;
            let bindings = self.registrar.bindings(user);
            let Some(binding) = bindings.into_iter().find(|binding| binding.number() == number)
            else {
                self.mappings.drop(number);
                continue;
            };
            return Some(Absent { number, contact: binding.contact.clone(), flow: binding.flow });
        }
    }

    /// Whether a telephone behind a NAT has answered.
    pub(crate) fn absent_heard(&mut self, now: Time, number: u64, has_answered: bool) {
        self.mappings.heard(now, number, has_answered);
    }

    /// A connection is gone, and who was reached by it.
    pub(crate) fn handle_closed(&mut self, flow: Flow) {
        if flow.connection.is_some() {
            self.registrar.handle_flow_lost(|bound| bound.connection == flow.connection);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        self.registrar.handle_timeout(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let next = [self.registrar.poll_timeout(), self.mappings.poll_timeout()];
        next.into_iter().flatten().min()
    }
}

/// Whether a telephone that registered by UDP, and not by way of a proxy, was met elsewhere than at the
/// address and port that it gave.
fn is_behind_nat(binding: &Binding<Flow>) -> bool {
    let Binding { contact, flow, path, .. } = binding;
    let port = contact.port().unwrap_or(flow.transport.default_port());
    let named = match contact.host() {
        Some(Host::Address(ip)) => Some((ip.to_canonical(), port)),
        Some(Host::Name(_)) | None => None,
    };
    let met = (flow.remote.ip().to_canonical(), flow.remote.port());
    flow.transport == Transport::Udp && path.is_empty() && named != Some(met)
}
