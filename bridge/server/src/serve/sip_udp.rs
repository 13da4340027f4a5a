//! SIP over UDP sockets: a reader task for each, and one place to send from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use partyline_sip::Transmit;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Datagrams that wait for the control task; more are dropped and counted, as a full socket buffer
/// would.
const QUEUE: usize = 4096;
/// The longest UDP payload.
const LONGEST: usize = 65_535;

/// A datagram that came in.
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) payload: Vec<u8>,
}

/// The bound sockets.
pub(super) struct Sockets {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    dropped: Arc<AtomicU64>,
    unsent: u64,
}

impl Sockets {
    /// Binds every address in `listen` and starts reading.
    pub(super) async fn bind(
        listen: &[SocketAddr],
    ) -> anyhow::Result<(Self, mpsc::Receiver<Datagram>)> {
        let (queue, received) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut sockets = Vec::new();
        for &address in listen {
            let socket = UdpSocket::bind(address).await.with_context(|| {
                format!(
                    "cannot listen for SIP on {address}: is another program using the port? \
                     Stop it, or choose another address with sip.listen"
                )
            })?;
            let local = socket.local_addr()?;
            let socket = Arc::new(socket);
            tokio::spawn(read(socket.clone(), local, queue.clone(), dropped.clone()));
            sockets.push((local, socket));
        }
        Ok((Self { sockets, dropped, unsent: 0 }, received))
    }

    /// The address of the first socket, its port known.
    pub(super) fn first(&self) -> Option<SocketAddr> {
        self.sockets.first().map(|&(local, _)| local)
    }

    /// Sends now or, when the kernel cannot, not at all: SIP repeats what matters.
    pub(super) fn send(&mut self, transmit: &Transmit) {
        let same_family = |local: &SocketAddr| local.is_ipv4() == transmit.destination.is_ipv4();
        let socket = self
            .sockets
            .iter()
            .find(|(local, _)| Some(*local) == transmit.local)
            .or_else(|| self.sockets.iter().find(|(local, _)| same_family(local)));
        let sent =
            socket.map(|(_, socket)| socket.try_send_to(&transmit.payload, transmit.destination));
        match sent {
            Some(Ok(_)) => {
                let octets = transmit.payload.len();
                tracing::debug!(to = %transmit.destination, octets, "sent");
            }
            Some(Err(error)) => {
                self.unsent += 1;
                let octets = transmit.payload.len();
                tracing::debug!(to = %transmit.destination, octets, %error, "not sent");
            }
            None => self.unsent += 1,
        }
    }

    /// Datagrams that came faster than they were handled.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Datagrams the kernel did not take.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }
}

async fn read(
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    queue: mpsc::Sender<Datagram>,
    dropped: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; LONGEST];
    while !queue.is_closed() {
        match socket.recv_from(&mut buffer).await {
            Ok((length, source)) => {
                let payload = buffer[..length].to_vec();
                if queue.try_send(Datagram { source, local, payload }).is_err() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            // An ICMP error for something sent earlier: nothing was received.
            Err(error) => tracing::debug!(%error, "SIP socket"),
        }
    }
}
