//! Taking connections: one task listens on every address, counts who holds how many, and starts a
//! task for each that is taken.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use partyline_control::{ConnectionGate, Welcome};
use partyline_sip::{Flow, Transport};
use rustix::net::sockopt::set_socket_linger;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::connection::{self, Line};
use super::counts::Farewell;
use super::queue::queue;
use super::{Arrival, Shared, tls, websocket};

/// Until the next try, where the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(50);
/// TLS handshakes of all sources at one time: what they may take of memory. Of the processor they
/// take what the gate's rate of new connections lets them.
const HANDSHAKES: usize = 512;
/// TLS handshakes of strangers.
const STRANGE_HANDSHAKES: usize = 16;

/// An address that connections come to.
pub(super) struct Listening {
    pub(super) transport: Transport,
    pub(super) local: SocketAddr,
    pub(super) listener: TcpListener,
}

/// How many TLS handshakes are going on.
struct Handshakes {
    known: Semaphore,
    strange: Semaphore,
}

/// The task that takes connections.
pub(super) struct Acceptor {
    listening: Vec<Listening>,
    gate: ConnectionGate,
    shared: Arc<Shared>,
    handshakes: Arc<Handshakes>,
}

/// Tells the acceptor that a connection is gone, however its task ended.
struct Place {
    welcome: Welcome,
    gone: mpsc::UnboundedSender<Welcome>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.gone.send(self.welcome).is_err() {
            tracing::debug!("a connection ends after the acceptor, with the program");
        }
    }
}

impl Acceptor {
    pub(super) fn new(listening: Vec<Listening>, shared: Arc<Shared>) -> Self {
        let handshakes = Handshakes {
            known: Semaphore::new(HANDSHAKES),
            strange: Semaphore::new(STRANGE_HANDSHAKES),
        };
        let gate = ConnectionGate::default();
        Self { listening, gate, shared, handshakes: Arc::new(handshakes) }
    }

    /// Runs until the control task has ended.
    pub(super) async fn run(mut self) {
        // As many as there are connections at most.
        let (gone, mut left) = mpsc::unbounded_channel();
        let shared = Arc::clone(&self.shared);
        let mut turn = 0;
        loop {
            tokio::select! {
                biased;
                Some(welcome) = left.recv() => self.gate.leave(welcome),
                (index, accepted) = accept(&self.listening, &mut turn) => match accepted {
                    Ok((stream, remote)) => self.take(index, stream, remote, &gone),
                    Err(error) => {
                        tracing::debug!(%error, "a connection was not accepted");
                        self.shared.counts.accept_error();
                        sleep(PAUSE).await;
                    }
                },
                () = shared.arrivals.closed() => return,
            }
        }
    }

    fn take(
        &mut self,
        index: usize,
        stream: TcpStream,
        remote: SocketAddr,
        gone: &mpsc::UnboundedSender<Welcome>,
    ) {
        let Some(at) = self.listening.get(index) else { return };
        let (transport, local) = (at.transport, at.local);
        let now = self.shared.clock.now();
        let admitted = self.gate.admit(now, &self.shared.sources.borrow(), remote.ip());
        let welcome = match admitted {
            Ok(welcome) => welcome,
            Err(reason) => {
                self.shared.counts.refused(transport, reason);
                // At once, without a word: a refused connection must leave nothing behind.
                if let Err(error) = set_socket_linger(&stream, Some(Duration::ZERO)) {
                    tracing::debug!(%error, "a refused connection lingers");
                }
                return;
            }
        };
        self.shared.counts.accepted(transport);
        let place = Place { welcome, gone: gone.clone() };
        // Where the socket listens on every address, the connection has one of them.
        let local = stream.local_addr().unwrap_or(local);
        let connection = Some(self.shared.next_id());
        let flow = Flow { local: Some(local), connection, ..Flow::new(transport, remote) };
        let shared = Arc::clone(&self.shared);
        let peer = shared.peers.of(&welcome);
        let line = Line { flow, welcome, peer, shared, keep_alive: None };
        let handshakes = Arc::clone(&self.handshakes);
        tokio::spawn(async move {
            let why = serve(stream, &line, &handshakes).await;
            line.shared.counts.ended(transport, why);
            tracing::debug!(from = %remote, %transport, reason = why.name(), "connection ended");
            drop(place);
        });
    }
}

/// The next connection of any listener, all in turn.
async fn accept(
    listening: &[Listening],
    turn: &mut usize,
) -> (usize, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|context| {
        for _ in 0..listening.len() {
            let index = *turn % listening.len();
            *turn = turn.wrapping_add(1);
            let Some(at) = listening.get(index) else { continue };
            if let Poll::Ready(accepted) = at.listener.poll_accept(context) {
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

/// One accepted connection, from its handshake to its end.
async fn serve(stream: TcpStream, line: &Line, handshakes: &Handshakes) -> Farewell {
    connection::tune(&stream);
    let haste = line.welcome.haste;
    let shared = &line.shared;
    let shaken = |stream| timeout(haste, shake(stream, line, handshakes));
    let (origins, octets) = (shared.origins.as_slice(), line.welcome.octets);
    match line.flow.transport {
        Transport::Udp | Transport::Tcp => {
            talk(line, Vec::new(), |ends| connection::converse(stream, line, ends)).await
        }
        // What is larger than a plain connection has a place of its own.
        Transport::Tls => match shaken(stream).await {
            Ok(Some((stream, names))) => {
                talk(line, names, |ends| Box::pin(connection::converse(stream, line, ends))).await
            }
            Ok(None) | Err(_) => Farewell::Handshake,
        },
        Transport::Ws => match timeout(haste, websocket::accept(stream, origins, octets)).await {
            Ok(Ok(socket)) => {
                talk(line, Vec::new(), |ends| Box::pin(websocket::converse(socket, line, ends)))
                    .await
            }
            Ok(Err(why)) => why,
            Err(_) => Farewell::HalfOpen,
        },
        Transport::Wss => {
            let Ok(Some((stream, names))) = shaken(stream).await else {
                return Farewell::Handshake;
            };
            match timeout(haste, websocket::accept(stream, origins, octets)).await {
                Ok(Ok(socket)) => {
                    talk(line, names, |ends| Box::pin(websocket::converse(socket, line, ends)))
                        .await
                }
                Ok(Err(why)) => why,
                Err(_) => Farewell::HalfOpen,
            }
        }
    }
}

/// A TLS handshake, as far as there is one to spare; with the names that the client's certificate
/// proves.
async fn shake(
    stream: TcpStream,
    line: &Line,
    handshakes: &Handshakes,
) -> Option<(tls::Accepted, Vec<String>)> {
    let at_once = if line.welcome.stranger { &handshakes.strange } else { &handshakes.known };
    let own = line.peer.handshakes.acquire().await.ok()?;
    let turn = at_once.acquire().await.ok()?;
    let server = line.shared.credentials.borrow().server();
    let accepted = Box::pin(tls::accept(server?, stream)).await;
    drop((own, turn));
    accepted
        .inspect_err(|error| tracing::debug!(from = %line.flow.remote, %error, "TLS handshake"))
        .ok()
}

/// Announces a connection, carries its messages and announces its end.
async fn talk<F: Future<Output = Farewell>>(
    line: &Line,
    names: Vec<String>,
    converse: impl FnOnce((super::queue::Queue, super::queue::Replies, super::queue::Cut)) -> F,
) -> Farewell {
    let (outlet, messages, replies, cut) = queue(line.welcome.unsent);
    let arrivals = &line.shared.arrivals;
    if arrivals.send(Arrival::Opened { flow: line.flow, outlet, names }).await.is_err() {
        return Farewell::Told;
    }
    let why = converse((messages, replies, cut)).await;
    if let Farewell::Broken(_) = why {
        line.shared.tell(Arrival::Garbled { flow: line.flow }).await;
    }
    line.shared.tell(Arrival::Closed { flow: line.flow }).await;
    why
}
