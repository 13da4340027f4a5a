//! Connections by the thousand, which say nothing or begin a TLS handshake and leave it there, from
//! a thread of their own, for a bounded time and in bounded number.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Between two volleys.
const VOLLEY: Duration = Duration::from_millis(5);
/// A siege that fell behind makes up for so much of it at once.
const CATCH_UP: Duration = Duration::from_millis(100);
/// Connections that are held at one time: what this process has descriptors for.
const MOST_HELD: usize = 9_000;

/// A siege to come.
pub(crate) struct Plan {
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) bridge: SocketAddr,
    pub(crate) a_second: u32,
    pub(crate) time: Duration,
    /// What each says first; nothing else is said.
    pub(crate) says: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opened {
    /// Connections that were begun.
    pub(crate) tries: u64,
    /// Those that were ended by the bridge.
    pub(crate) ended: u64,
    /// Those that it said something on.
    pub(crate) answered: u64,
    /// The most at one time.
    pub(crate) held: usize,
    pub(crate) time: Duration,
}

impl Opened {
    /// Connections in a second.
    pub(crate) fn a_second(&self) -> f64 {
        self.tries as f64 / self.time.as_secs_f64().max(0.001)
    }
}

/// A siege that goes on.
pub(crate) struct Siege {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Opened>,
}

impl Siege {
    /// Lets it loose.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        ensure!(!plan.sources.is_empty(), "a siege from nowhere");
        let loopback = plan.sources.iter().chain([&plan.bridge.ip()]).all(IpAddr::is_loopback);
        ensure!(loopback, "traffic stays in 127.0.0.0/8");
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let thread = std::thread::spawn(move || besiege(&plan, &told));
        Ok(Self { over, thread })
    }

    /// Whether it has come to its own end.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it; what came of it.
    pub(crate) fn stop(self) -> Result<Opened> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the siege broke off"))
    }
}

fn besiege(plan: &Plan, over: &AtomicBool) -> Opened {
    let mut opened = Opened::default();
    let mut held: Vec<TcpStream> = Vec::new();
    let began = Instant::now();
    let every = Duration::from_secs(1) / plan.a_second;
    let mut next = began;
    while !over.load(Ordering::Relaxed) && began.elapsed() < plan.time {
        let now = Instant::now();
        if now.saturating_duration_since(next) > CATCH_UP {
            next = now.checked_sub(CATCH_UP).unwrap_or(now);
        }
        while next <= now {
            next += every;
            let one = usize::try_from(opened.tries).unwrap_or_default() % plan.sources.len();
            opened.tries += 1;
            match open(plan.sources[one], plan) {
                Ok(stream) if held.len() < MOST_HELD => held.push(stream),
                Ok(_) | Err(_) => opened.ended += 1,
            }
        }
        held.retain_mut(|stream| is_up(stream, &mut opened));
        opened.held = opened.held.max(held.len());
        std::thread::sleep(VOLLEY);
    }
    opened.time = began.elapsed();
    opened
}

fn open(source: IpAddr, plan: &Plan) -> Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    connect(&socket, &plan.bridge)?;
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    stream.write_all(&plan.says)?;
    Ok(stream)
}

/// Whether a connection goes on. One that was answered is left, as whoever floods leaves it.
fn is_up(stream: &mut TcpStream, opened: &mut Opened) -> bool {
    match stream.read(&mut [0; 4096]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => true,
        Ok(0) | Err(_) => {
            opened.ended += 1;
            false
        }
        Ok(_) => {
            opened.answered += 1;
            false
        }
    }
}

/// The first message of a TLS handshake.
pub(crate) fn hello() -> Result<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
    let mut octets = Vec::new();
    client.write_tls(&mut octets).context("a ClientHello")?;
    Ok(octets)
}
