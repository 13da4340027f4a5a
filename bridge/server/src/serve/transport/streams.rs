//! The control task's table of connections: which there are, and what goes out on which.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use partyline_control::Sources;
use partyline_media_io::Clock;
use partyline_sip::{ConnectionId, Flow, Transmit, Transport};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::accept::{Acceptor, Listening};
use super::counts::Counts;
use super::queue::{Outlet, queue};
use super::{Arrival, HANDED_ON, Shared, open, tls};
use crate::config::Config;

/// Connections that the bridge itself holds open.
const MOST_OPENED: usize = 2048;
/// How long the end of the program waits for what still has to go out.
const FLUSH: Duration = Duration::from_millis(500);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);

impl Shared {
    /// The name of a new connection.
    pub(super) fn next_id(&self) -> ConnectionId {
        ConnectionId(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the control task, if it is still there.
    pub(super) async fn tell(&self, arrival: Arrival) {
        if self.arrivals.send(arrival).await.is_err() {
            tracing::debug!("a connection ends after the control task, with the program");
        }
    }
}

/// One connection as the control task sees it.
struct Held {
    flow: Flow,
    outlet: Outlet,
    /// Whether the bridge opened it.
    opened: bool,
}

/// All connections.
pub(super) struct Streams {
    shared: Arc<Shared>,
    listeners: Vec<(Transport, SocketAddr)>,
    held: BTreeMap<ConnectionId, Held>,
    /// The connection to send on where none is named: the latest one there is.
    by_far_end: BTreeMap<(Transport, SocketAddr, Option<u32>), ConnectionId>,
    opened: usize,
}

impl Streams {
    /// Binds the addresses of the configuration that connections come to.
    pub(super) async fn bind(
        config: &Config,
        clock: Clock,
        sources: watch::Receiver<Arc<Sources>>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Arrival>)> {
        let (arrivals, received) = mpsc::channel(HANDED_ON);
        let files = config.tls.clone();
        let (changed, credentials) = watch::channel(Arc::new(tls::Credentials::load(&files)?));
        tokio::spawn(tls::follow(files, changed));
        let shared = Arc::new(Shared {
            clock,
            sources,
            counts: Counts::default(),
            peers: Arc::default(),
            credentials,
            arrivals,
            ids: AtomicU64::new(1),
            origins: config.sip.ws_origins.clone(),
            keep_alive: config.sip.keep_alive,
        });
        let mut listening = Vec::new();
        for (transport, address) in config.sip.streams.iter().copied() {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!(
                    "cannot listen for SIP on {address}: is another program using the port? Stop \
                     it, or choose another address with sip.{transport}"
                )
            })?;
            listening.push(Listening { transport, local: listener.local_addr()?, listener });
        }
        let listeners = listening.iter().map(|at| (at.transport, at.local)).collect();
        if !listening.is_empty() {
            tokio::spawn(Acceptor::new(listening, Arc::clone(&shared)).run());
        }
        let (held, by_far_end) = (BTreeMap::new(), BTreeMap::new());
        Ok((Self { shared, listeners, held, by_far_end, opened: 0 }, received))
    }

    /// The addresses that connections come to, ports known.
    pub(super) fn listeners(&self) -> &[(Transport, SocketAddr)] {
        &self.listeners
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Sends on the connection that the flow names; where it names none, on one to its far end,
    /// which is opened if need be.
    ///
    /// # Errors
    /// The flow, when its connection is gone, does not take any more, or is not to be opened.
    pub(super) fn send(&mut self, transmit: &Transmit) -> Result<(), Flow> {
        let flow = transmit.flow;
        let known = match flow.connection {
            Some(id) => Some(id),
            None => self.by_far_end.get(&flow.far_end()).copied(),
        };
        let id = match known {
            Some(id) => id,
            None => self.open(flow)?,
        };
        let held = self.held.get(&id).ok_or(flow)?;
        if held.outlet.push(transmit.payload.clone()).is_ok() {
            let octets = transmit.payload.len();
            tracing::debug!(to = %flow.remote, transport = %flow.transport, octets, "sent");
            return Ok(());
        }
        // It hears of the end over its own way, as of any other.
        if let Some(held) = self.remove(id) {
            held.outlet.cut();
        }
        Err(flow)
    }

    /// Begins to open a connection.
    fn open(&mut self, wanted: Flow) -> Result<ConnectionId, Flow> {
        match wanted.transport {
            Transport::Tcp | Transport::Tls if self.opened < MOST_OPENED => {}
            // A browser connects to us, never we to it (RFC 7118 §4).
            Transport::Udp | Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                return Err(wanted);
            }
        }
        let id = self.shared.next_id();
        let flow = Flow { connection: Some(id), ..wanted };
        let welcome = self.shared.sources.borrow().welcome(flow.remote.ip());
        let (outlet, messages, replies, cut) = queue(welcome.unsent);
        let shared = Arc::clone(&self.shared);
        let from = self.interface(wanted);
        self.shared.counts.opened(flow.transport);
        tokio::spawn(open::run(flow, wanted, shared, (messages, replies, cut), from));
        self.opened += 1;
        self.insert(id, Held { flow, outlet, opened: true });
        Ok(id)
    }

    /// The address of ours that a connection is opened from: the one that the flow names, or the
    /// first that listens for its transport.
    fn interface(&self, flow: Flow) -> Option<IpAddr> {
        let fits = |ip: &IpAddr| ip.is_ipv4() == flow.remote.is_ipv4() && !ip.is_unspecified();
        let ours = self.listeners.iter().filter(|(transport, _)| *transport == flow.transport);
        let ours = ours.map(|(_, local)| local.ip());
        flow.local.map(|local| local.ip()).into_iter().chain(ours).find(fits)
    }

    /// Notes a connection that came or went; gives back what the node is to know.
    pub(super) fn note(&mut self, arrival: Arrival) -> Option<Arrival> {
        match arrival {
            Arrival::Opened { flow, outlet, names } => {
                tracing::debug!(
                    from = %flow.remote, transport = %flow.transport, names = names.join(", "),
                    "connection"
                );
                let id = flow.connection?;
                self.insert(id, Held { flow, outlet, opened: false });
                None
            }
            Arrival::Closed { flow } => {
                self.remove(flow.connection?);
                Some(Arrival::Closed { flow })
            }
            other @ (Arrival::Message { .. }
            | Arrival::Garbled { .. }
            | Arrival::Unreachable { .. }) => Some(other),
        }
    }

    fn insert(&mut self, id: ConnectionId, held: Held) {
        self.by_far_end.insert(held.flow.far_end(), id);
        self.held.insert(id, held);
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        let key = held.flow.far_end();
        if self.by_far_end.get(&key) == Some(&id) {
            self.by_far_end.remove(&key);
        }
        self.opened -= usize::from(held.opened);
        Some(held)
    }

    /// Waits a moment until everything is sent.
    pub(super) async fn finish(self) {
        let mut left = FLUSH;
        while self.held.values().any(|held| held.outlet.waiting() > 0) && !left.is_zero() {
            sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
    }
}
