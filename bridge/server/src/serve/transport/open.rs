//! Opening connections to far ends that the node sends to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use partyline_sip::{Flow, Transport};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::connection::{self, Line};
use super::counts::Farewell;
use super::queue::{Cut, Queue, Replies};
use super::{Arrival, Shared, tls};

/// The longest that opening may take, TLS included: the next trunk has to be tried in time.
const CONNECT: Duration = Duration::from_secs(3);

/// Opens a connection for `flow` and carries messages over it until it ends. `wanted` is the flow
/// that was to be sent on, for the node to know what cannot be reached.
pub(super) async fn run(
    flow: Flow,
    wanted: Flow,
    shared: Arc<Shared>,
    ends: (Queue, Replies, Cut),
    from: Option<IpAddr>,
) {
    let transport = flow.transport;
    let welcome = shared.sources.borrow().welcome(flow.remote.ip());
    let keep_alive = Some(shared.keep_alive);
    let peer = shared.peers.of(&welcome);
    let line = Line { flow, welcome, peer, shared, keep_alive };
    let why = match timeout(CONNECT, open(&line, from)).await {
        Ok(Ok(Opened::Plain(stream))) => connection::converse(stream, &line, ends).await,
        Ok(Ok(Opened::Tls(stream))) => Box::pin(connection::converse(*stream, &line, ends)).await,
        Ok(Err(error)) => {
            tracing::debug!(to = %flow.remote, %transport, "not connected: {error:#}");
            Farewell::Unreachable
        }
        Err(_) => {
            tracing::debug!(to = %flow.remote, %transport, "not connected in time");
            Farewell::Unreachable
        }
    };
    line.shared.counts.ended(transport, why);
    if why == Farewell::Unreachable {
        line.shared.tell(Arrival::Unreachable { flow: wanted }).await;
    }
    line.shared.tell(Arrival::Closed { flow }).await;
}

/// A connection that is there.
enum Opened {
    Plain(TcpStream),
    Tls(Box<tls::Connected>),
}

async fn open(line: &Line, from: Option<IpAddr>) -> anyhow::Result<Opened> {
    let Flow { remote, transport, .. } = line.flow;
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.context("the system has no socket")?;
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0)).with_context(|| format!("no port on {from}"))?;
    }
    let stream = socket.connect(remote).await?;
    connection::tune(&stream);
    match transport {
        Transport::Tls => {
            let known = line.shared.sources.borrow().find(remote.ip()).map(|known| known.trunk);
            let (config, name) = line.shared.credentials.borrow().client(line.flow, known);
            Ok(Opened::Tls(Box::new(tls::connect(config, name, stream).await?)))
        }
        Transport::Udp | Transport::Tcp | Transport::Ws | Transport::Wss => {
            Ok(Opened::Plain(stream))
        }
    }
}
