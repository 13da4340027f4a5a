//! Where requests of ours go (RFC 3261 §8.1.2, §12.2.1.1, RFC 3263 §4): the ways to a next hop, and
//! names that are resolved on the way.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_model::Time;

use super::outgoing::{Carried, Progress, Purpose};
use super::{Endpoint, Owner};
use crate::command::Destination;
use crate::dialog::Path;
use crate::event::Output;
use crate::flow::{Flow, NextHop, Resolve, ResolveId, Target, Transport};
use crate::message::{Host, Uri};
use crate::nat;
use crate::transaction::RequestId;

/// How long a request waits for the addresses of its next hop.
const RESOLVE: Duration = Duration::from_secs(3);
/// The most addresses of one name that are tried.
const MAX_TARGETS: usize = 8;

/// One way for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// An address, or a connection.
    Flow(Flow),
    /// An address by UDP, however long the request: no stream leads there.
    Datagram(Flow),
    /// A name that has to be resolved; without addresses, the way by which the peer was met.
    Name(NextHop, Option<Flow>),
}

impl Endpoint {
    /// A request within a dialog.
    pub(super) fn along(&self, path: Path, purpose: Purpose) -> Carried {
        let ways = self.ways(&path);
        Carried { path, purpose, ways, patience: None, has_alternative: false }
    }

    /// The ways of a request to `target` by a destination.
    pub(super) fn ways_to(&self, destination: &Destination, target: &Uri) -> VecDeque<Way> {
        let asked = target.next_hop().and_then(|hop| self.transport_of(&hop));
        let way = match destination {
            Destination::Address(address) => {
                Way::Flow(Flow::new(asked.unwrap_or(Transport::Udp), *address))
            }
            Destination::Flow(flow) => Way::Flow(*flow),
            Destination::Name(hop) => Way::Name(hop.clone(), None),
            Destination::Flows(flows) => {
                let spoken = flows.iter().filter(|flow| self.config.speaks(flow.transport));
                return spoken.take(MAX_TARGETS).copied().map(Way::Flow).collect();
            }
        };
        VecDeque::from([way])
    }

    /// The ways to the next hop of a path, best first. A connection that the peer is at the other
    /// end of comes before a new one (RFC 5923): its address may be one that nobody reaches. So may
    /// that of a peer who was met by UDP, behind a NAT.
    fn ways(&self, path: &Path) -> VecDeque<Way> {
        let direct = self.direct(path);
        let Some(met) = path.flow.filter(|flow| flow.connection.is_some()) else {
            let outside = path.flow.filter(|met| path.routes.is_empty() && hides(&direct, *met));
            let outside = outside.map(Way::Flow).filter(|outside| direct.as_ref() != Some(outside));
            return outside.into_iter().chain(direct).collect();
        };
        let same_host = match &direct {
            Some(Way::Flow(flow) | Way::Datagram(flow)) => flow.remote.ip() == met.remote.ip(),
            Some(Way::Name(..)) | None => true,
        };
        let kept = Some(Way::Flow(met)).filter(|kept| direct.as_ref() != Some(kept));
        let ways = if same_host || path.is_adjacent || !path.routes.is_empty() {
            [kept, direct]
        } else {
            [direct, kept]
        };
        ways.into_iter().flatten().collect()
    }

    /// Whether requests to the far end of a call go where it was met, or where its trunk is.
    pub(super) fn leads_home(&self, path: &Path) -> bool {
        match self.ways(path).front() {
            Some(Way::Flow(flow) | Way::Datagram(flow)) => {
                let (ip, met) = (flow.remote.ip(), path.flow.map(|met| met.remote.ip()));
                flow.connection.is_some()
                    || met.is_some_and(|met| {
                        met.to_canonical() == ip.to_canonical() || self.admission.allies(met, ip)
                    })
            }
            Some(Way::Name(..)) | None => false,
        }
    }

    /// The first of these that is an address already.
    pub(super) fn known_way(&self, path: &Path) -> Option<Flow> {
        self.ways(path).into_iter().find_map(|way| match way {
            Way::Flow(flow) | Way::Datagram(flow) => Some(flow),
            Way::Name(_, met) => met,
        })
    }

    /// The way that the route or the target names, or that by which the peer was met.
    fn direct(&self, path: &Path) -> Option<Way> {
        let met = path.flow;
        let Some(hop) = path.hop().next_hop() else { return met.map(Way::Flow) };
        let transport = self.transport_of(&hop).or(met.map(|met| met.transport));
        let transport = transport.unwrap_or(Transport::Udp);
        let port = hop.port.unwrap_or(transport.default_port());
        match hop.host {
            Host::Address(ip) if !ip.is_unspecified() && port != 0 => {
                let target = Target { transport, address: SocketAddr::new(ip, port) };
                Some(Way::Flow(flow_to(target, met)))
            }
            Host::Name(_) if self.config.resolves => Some(Way::Name(hop, met)),
            Host::Address(_) | Host::Name(_) => met.map(Way::Flow),
        }
    }

    /// The transport that a URI asks for, if it is spoken here.
    fn transport_of(&self, hop: &NextHop) -> Option<Transport> {
        let asked = hop.transport.or(hop.secure.then_some(Transport::Tls));
        asked.filter(|&transport| self.config.speaks(transport))
    }

    /// Asks for the addresses of a name.
    pub(super) fn ask(
        &mut self,
        now: Time,
        request: RequestId,
        hop: NextHop,
        met: Option<Flow>,
    ) -> ResolveId {
        let id = ResolveId(self.next_id());
        self.resolving.insert(id, request);
        self.timers.set(Owner::Request(request), Some(now + RESOLVE));
        let met = met.map(|met| met.remote);
        self.outputs.push_back(Output::Resolve(Resolve { id, hop, met }));
        id
    }

    /// Takes the addresses that a name stands for, best first; none when there are none. Those of
    /// a transport that is not spoken here are passed over, and so is this machine's loopback where
    /// the peer was met elsewhere: his words must not lead to what listens here.
    pub fn handle_resolved(&mut self, now: Time, id: ResolveId, targets: &[Target]) {
        let Some(request) = self.resolving.remove(&id) else { return };
        self.timers.set(Owner::Request(request), None);
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        let Progress::Resolving { met, .. } = outgoing.progress else { return };
        let is_here = |at: SocketAddr| at.ip().to_canonical().is_loopback();
        let elsewhere = met.is_some_and(|met| !is_here(met.remote));
        let spoken = targets.iter().filter(|target| {
            self.config.speaks(target.transport) && !(elsewhere && is_here(target.address))
        });
        let mut ways: VecDeque<_> =
            spoken.take(MAX_TARGETS).map(|&target| Way::Flow(flow_to(target, met))).collect();
        if ways.is_empty() {
            ways.extend(met.map(Way::Flow));
        }
        ways.append(&mut outgoing.ways);
        outgoing.ways = ways;
        if !self.advance(now, request) {
            self.give_up(now, request);
        }
    }

    /// A request has waited long enough: for addresses, for a callee, or for the end of a call that
    /// was given up.
    pub(super) fn request_timeout(&mut self, now: Time, request: RequestId) {
        let Some(outgoing) = self.outgoing.get(&request) else { return };
        match outgoing.progress {
            Progress::Begun => {}
            Progress::Resolving { question, .. } => self.handle_resolved(now, question, &[]),
            Progress::Sent(_) if outgoing.purpose == Purpose::Abandoned => {
                self.remove_request(request);
            }
            Progress::Sent(_) => self.lose_patience(now, request),
        }
    }
}

/// Whether what a peer names by UDP hides behind a NAT where the peer was met.
fn hides(named: &Option<Way>, met: Flow) -> bool {
    match named {
        Some(Way::Flow(flow) | Way::Datagram(flow)) => {
            !flow.transport.is_reliable()
                && !met.transport.is_reliable()
                && nat::hides(flow.remote.ip(), met.remote.ip())
        }
        Some(Way::Name(..)) | None => false,
    }
}

/// The way to an address; by UDP from where the peer was met, by TLS to the trunk that it was.
fn flow_to(target: Target, met: Option<Flow>) -> Flow {
    let same = met.filter(|met| !target.transport.is_reliable() && !met.transport.is_reliable());
    let local = same.and_then(|met| met.local);
    let flow = Flow { local, ..Flow::new(target.transport, target.address) };
    flow.of_trunk(met.and_then(|met| met.trunk))
}
