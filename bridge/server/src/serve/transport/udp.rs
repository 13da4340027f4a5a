//! SIP over UDP sockets: one task that reads them all, and one place to send from.
//!
//! The task looks at each datagram's source before it copies anything: strangers are heard now and
//! then, whoever floods waits behind himself ([`FairQueue`]). The control task takes the next one
//! when it has time.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use anyhow::Context;
use bytes::Bytes;
use partyline_control::{FairQueue, Gate, Sources, Unwanted};
use partyline_media_io::Clock;
use partyline_sip::Transmit;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

/// Datagrams that are out of the fair queue and wait for the control task: few, so that the turns
/// hold.
const HANDED_ON: usize = 16;
/// The longest UDP payload.
const LONGEST: usize = 65_535;
/// What the kernel keeps of each socket while the machine is busy, if it may: 0.1 s of a flood.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// A datagram that came in.
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) payload: Bytes,
}

/// What was not taken in.
#[derive(Debug, Default)]
struct Counts {
    unwanted: [AtomicU64; Unwanted::ALL.len()],
    receive_errors: AtomicU64,
}

impl Counts {
    fn add(&self, reason: Unwanted, times: u64) {
        for (count, _) in self.unwanted.iter().zip(Unwanted::ALL).filter(|(_, r)| *r == reason) {
            count.fetch_add(times, Ordering::Relaxed);
        }
    }
}

/// The bound sockets.
pub(super) struct Sockets {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    counts: Arc<Counts>,
    unsent: u64,
}

impl Sockets {
    /// Binds every address in `listen` and starts reading.
    pub(super) async fn bind(
        listen: &[SocketAddr],
        clock: Clock,
        sources: watch::Receiver<Arc<Sources>>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Datagram>)> {
        let mut sockets = Vec::new();
        for &address in listen {
            let socket = UdpSocket::bind(address).await.with_context(|| {
                format!(
                    "cannot listen for SIP on {address}: is another program using the port? \
                     Stop it, or choose another address with sip.listen"
                )
            })?;
            if let Err(error) = set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER) {
                tracing::warn!(%error, "the receive buffer of the SIP socket stays as it is");
            }
            sockets.push((socket.local_addr()?, Arc::new(socket)));
        }
        let (control, received) = mpsc::channel(HANDED_ON);
        let counts = Arc::new(Counts::default());
        let intake = Intake {
            sockets: sockets.clone(),
            clock,
            sources,
            gate: Gate::default(),
            queue: FairQueue::default(),
            counts: Arc::clone(&counts),
        };
        tokio::spawn(intake.run(control));
        Ok((Self { sockets, counts, unsent: 0 }, received))
    }

    /// The address of the first socket, its port known.
    pub(super) fn first(&self) -> Option<SocketAddr> {
        self.sockets.first().map(|&(local, _)| local)
    }

    /// Sends now or, when the kernel cannot, not at all: SIP repeats what matters.
    pub(super) fn send(&mut self, transmit: &Transmit) {
        let to = transmit.flow.remote;
        let same_family = |local: &SocketAddr| local.is_ipv4() == to.is_ipv4();
        let socket = self
            .sockets
            .iter()
            .find(|(local, _)| Some(*local) == transmit.flow.local)
            .or_else(|| self.sockets.iter().find(|(local, _)| same_family(local)));
        let sent = socket.map(|(_, socket)| socket.try_send_to(&transmit.payload, to));
        match sent {
            Some(Ok(_)) => {
                let octets = transmit.payload.len();
                tracing::debug!(%to, octets, "sent");
            }
            Some(Err(error)) => {
                self.unsent += 1;
                let octets = transmit.payload.len();
                tracing::debug!(%to, octets, %error, "not sent");
            }
            None => self.unsent += 1,
        }
    }

    /// Datagrams that were not taken in, by reason.
    pub(super) fn unwanted(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.unwanted.iter().zip(Unwanted::ALL);
        counts.map(|(count, reason)| (reason.name(), count.load(Ordering::Relaxed))).collect()
    }

    /// Errors of receiving, such as ICMP's for something sent earlier.
    pub(super) fn receive_errors(&self) -> u64 {
        self.counts.receive_errors.load(Ordering::Relaxed)
    }

    /// Datagrams the kernel did not take.
    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }
}

/// Reads the sockets and keeps what waits for the control task.
struct Intake {
    sockets: Vec<(SocketAddr, Arc<UdpSocket>)>,
    clock: Clock,
    sources: watch::Receiver<Arc<Sources>>,
    gate: Gate,
    queue: FairQueue<Datagram>,
    counts: Arc<Counts>,
}

impl Intake {
    /// Runs until the control task has ended.
    async fn run(mut self, control: mpsc::Sender<Datagram>) {
        let mut buffer = vec![0; LONGEST];
        let mut turn = 0;
        loop {
            tokio::select! {
                biased;
                (local, received) = receive(&self.sockets, &mut turn, &mut buffer) => {
                    match received {
                        Ok((octets, source)) => self.take_in(source, local, &buffer[..octets]),
                        Err(error) => {
                            self.counts.receive_errors.fetch_add(1, Ordering::Relaxed);
                            tracing::debug!(%error, "SIP socket");
                        }
                    }
                }
                permit = control.reserve(), if !self.queue.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(datagram) = self.queue.pop() {
                        permit.send(datagram);
                    }
                }
                () = control.closed() => return,
            }
            // A socket that always has something must not keep what waits from going on.
            while !self.queue.is_empty()
                && let Ok(permit) = control.try_reserve()
                && let Some(datagram) = self.queue.pop()
            {
                permit.send(datagram);
            }
        }
    }

    fn take_in(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8]) {
        let now = self.clock.now();
        let admitted = self.gate.admit(now, &self.sources.borrow(), source.ip(), bytes.len());
        let dropped = match admitted {
            Ok(line) => {
                let payload = Bytes::copy_from_slice(bytes);
                let dropped =
                    self.queue.push(line, bytes.len(), Datagram { source, local, payload });
                (Unwanted::QueueFull, dropped)
            }
            Err(reason) => (reason, 1),
        };
        self.counts.add(dropped.0, dropped.1);
    }
}

/// The next datagram of any socket, all in turn: where it came to, its length and its source.
async fn receive(
    sockets: &[(SocketAddr, Arc<UdpSocket>)],
    turn: &mut usize,
    buffer: &mut [u8],
) -> (SocketAddr, io::Result<(usize, SocketAddr)>) {
    poll_fn(|context| {
        let (before, after) = sockets.split_at(*turn % sockets.len().max(1));
        for (local, socket) in after.iter().chain(before) {
            *turn += 1;
            let mut into = ReadBuf::new(buffer);
            if let Poll::Ready(result) = socket.poll_recv_from(context, &mut into) {
                let octets = into.filled().len();
                return Poll::Ready((*local, result.map(|source| (octets, source))));
            }
        }
        Poll::Pending
    })
    .await
}
