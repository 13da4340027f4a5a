//! SIP on the wire: UDP sockets and connections (TCP, TLS, WebSocket), one file for each part.
//!
//! What comes goes to the control task over two bounded queues, datagrams and messages of
//! connections in turn; what the node sends goes to a socket, or into the queue of a connection,
//! which is opened where there is none. Decides nothing about messages.

mod accept;
mod connection;
mod counts;
mod open;
mod peer;
mod queue;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use partyline_control::Sources;
use partyline_media_io::Clock;
use partyline_sip::{Flow, Transmit, Transport};
use tokio::sync::{mpsc, watch};

use self::counts::Counts;
pub(super) use self::counts::StreamSample;
use self::queue::Outlet;
use self::streams::Streams;
use self::udp::Sockets;
use crate::config::Config;

pub(crate) use self::tls::{Credentials, web_client};

/// Messages of connections that are read and wait for the control task: few, so that connections
/// take turns.
const HANDED_ON: usize = 16;

/// Something came in.
pub(super) enum Arrival {
    /// A message.
    Message { flow: Flow, payload: Bytes },
    /// A connection is there; messages may be sent on it.
    Opened { flow: Flow, outlet: Outlet, names: Vec<String> },
    /// What comes by a connection is no SIP that could be followed; it is closed for that.
    Garbled { flow: Flow },
    /// A connection is gone.
    Closed { flow: Flow },
    /// A connection that was to be opened for `flow` did not come to be.
    Unreachable { flow: Flow },
}

/// Where the control task takes what came in.
pub(super) struct Arrivals {
    datagrams: mpsc::Receiver<udp::Datagram>,
    streams: mpsc::Receiver<Arrival>,
    /// Whose turn it is when both have something.
    streams_first: bool,
}

impl Arrivals {
    /// The next thing that came in, from sockets and connections in turn.
    pub(super) async fn next(&mut self) -> Option<Arrival> {
        self.streams_first = !self.streams_first;
        if self.streams_first {
            tokio::select! {
                biased;
                Some(arrival) = self.streams.recv() => Some(arrival),
                Some(datagram) = self.datagrams.recv() => Some(datagram.into()),
                else => None,
            }
        } else {
            tokio::select! {
                biased;
                Some(datagram) = self.datagrams.recv() => Some(datagram.into()),
                Some(arrival) = self.streams.recv() => Some(arrival),
                else => None,
            }
        }
    }
}

impl Arrivals {
    /// What has come in already, in the same turns.
    pub(super) fn try_next(&mut self) -> Option<Arrival> {
        self.streams_first = !self.streams_first;
        let Self { datagrams, streams, streams_first } = self;
        let mut datagram = || datagrams.try_recv().ok().map(Arrival::from);
        let mut stream = || streams.try_recv().ok();
        if *streams_first { stream().or_else(datagram) } else { datagram().or_else(stream) }
    }
}

impl From<udp::Datagram> for Arrival {
    fn from(datagram: udp::Datagram) -> Self {
        let udp::Datagram { source, local, payload } = datagram;
        Self::Message { flow: Flow::udp(Some(local), source), payload }
    }
}

/// All ways out.
pub(super) struct Transports {
    sockets: Sockets,
    streams: Streams,
}

impl Transports {
    /// Binds every address of the configuration and starts reading.
    pub(super) async fn bind(
        config: &Config,
        clock: Clock,
        sources: watch::Receiver<Arc<Sources>>,
    ) -> anyhow::Result<(Self, Arrivals)> {
        let (sockets, datagrams) =
            Sockets::bind(&config.sip.listen, clock, sources.clone()).await?;
        let (streams, arrivals) = Streams::bind(config, clock, sources).await?;
        let arrivals = Arrivals { datagrams, streams: arrivals, streams_first: false };
        Ok((Self { sockets, streams }, arrivals))
    }

    /// The address of the first UDP socket, its port known.
    pub(super) fn first(&self) -> Option<SocketAddr> {
        self.sockets.first()
    }

    /// The addresses that connections come to, ports known.
    pub(super) fn listeners(&self) -> &[(Transport, SocketAddr)] {
        self.streams.listeners()
    }

    /// Sends on the way that the message names.
    ///
    /// # Errors
    /// The flow, where its connection is gone, cannot be opened or has too much to send already.
    pub(super) fn send(&mut self, transmit: &Transmit) -> Result<(), Flow> {
        match transmit.flow.transport {
            Transport::Udp => {
                self.sockets.send(transmit);
                Ok(())
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.streams.send(transmit)
            }
        }
    }

    /// Notes which connections there are; gives back what the node is to know.
    pub(super) fn note(&mut self, arrival: Arrival) -> Option<Arrival> {
        self.streams.note(arrival)
    }

    /// Sends what still waits in connections, for a moment.
    pub(super) async fn finish(self) {
        self.streams.finish().await;
    }

    /// Datagrams that were not taken in, by reason.
    pub(super) fn unwanted(&self) -> Vec<(&'static str, u64)> {
        self.sockets.unwanted()
    }

    /// Errors of receiving, such as ICMP's for something sent earlier.
    pub(super) fn receive_errors(&self) -> u64 {
        self.sockets.receive_errors()
    }

    /// Datagrams the kernel did not take.
    pub(super) fn unsent(&self) -> u64 {
        self.sockets.unsent()
    }

    /// What connections did so far.
    pub(super) fn stream_sample(&self) -> StreamSample {
        self.streams.counts().sample()
    }
}

/// What all connections share.
struct Shared {
    clock: Clock,
    sources: watch::Receiver<Arc<Sources>>,
    counts: Counts,
    peers: Arc<peer::Peers>,
    credentials: watch::Receiver<Arc<Credentials>>,
    arrivals: mpsc::Sender<Arrival>,
    ids: std::sync::atomic::AtomicU64,
    /// The web pages that WebSockets may come from.
    origins: Vec<String>,
    /// How often a connection that we opened shows that it is there.
    keep_alive: std::time::Duration,
}
