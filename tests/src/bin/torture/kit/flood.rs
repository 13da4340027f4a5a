//! Requests by the thousand, from a thread of their own, for a bounded time and in bounded number.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::wire::{self, Names, Request};

use crate::place::DIAL_IN;

/// Between two volleys.
const VOLLEY: Duration = Duration::from_millis(2);
/// A flood that fell behind makes up for so much of it at once.
const CATCH_UP: Duration = Duration::from_millis(50);
/// Large messages have so many octets.
pub(crate) const LARGE: usize = 50_000;
/// The length of a long header.
const HEADER: usize = 7_000;
/// Of so many messages of [`Mix::Strange`], one is large: of each kind, since it is prime to ten.
const LARGE_ONE_IN: u64 = 49;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    /// INVITE, OPTIONS, REGISTER, an unknown method, stray ACK and BYE, and garbage; one in 49 of
    /// 50 KB.
    Strange,
    /// OPTIONS of 50 KB.
    LargeOptions,
    /// INVITEs of 50 KB.
    LargeInvites,
}

/// A flood to come.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) bridge: SocketAddr,
    pub(crate) a_second: u32,
    /// It ends by itself after so long, or so many.
    pub(crate) time: Duration,
    pub(crate) most: u64,
    pub(crate) mix: Mix,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) requests: u64,
    pub(crate) octets: u64,
    pub(crate) answers: u64,
    pub(crate) answer_octets: u64,
    pub(crate) time: Duration,
}

impl Sent {
    /// Requests in a second, as they went out.
    pub(crate) fn a_second(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64().max(0.001)
    }
}

/// A flood that runs.
pub(crate) struct Flood {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Flood {
    /// Opens its sockets and lets it loose.
    pub(crate) fn start(plan: Plan) -> Result<Self> {
        ensure!(!plan.sources.is_empty(), "a flood from nowhere");
        let mut sockets = Vec::new();
        for &source in &plan.sources {
            ensure!(source.is_loopback(), "{source}: traffic stays in 127.0.0.0/8");
            let socket = UdpSocket::bind((source, 0)).context("a flood's socket")?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let over = Arc::new(AtomicBool::new(false));
        let told = over.clone();
        let thread = std::thread::spawn(move || pour(&plan, &sockets, &told));
        Ok(Self { over, thread })
    }

    /// Whether it has come to its own end.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it; what was sent and answered.
    pub(crate) fn stop(self) -> Result<Sent> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the flood broke off"))
    }
}

fn pour(plan: &Plan, sockets: &[UdpSocket], over: &AtomicBool) -> Sent {
    let mut sent = Sent::default();
    let mut names = Names::new(u64::from(std::process::id()));
    let mut buffer = vec![0; 65_535];
    let began = Instant::now();
    let every = Duration::from_secs(1) / plan.a_second;
    let mut next = began;
    while !over.load(Ordering::Relaxed) && began.elapsed() < plan.time && sent.requests < plan.most
    {
        let now = Instant::now();
        if now.saturating_duration_since(next) > CATCH_UP {
            next = now.checked_sub(CATCH_UP).unwrap_or(now);
        }
        while next <= now && sent.requests < plan.most {
            next += every;
            let one = usize::try_from(sent.requests).unwrap_or_default() % sockets.len();
            let bytes = message(plan, &mut names, sent.requests, &sockets[one]);
            // What the system does not take was sent by an attacker all the same.
            let taken = sockets[one].send_to(&bytes, plan.bridge).unwrap_or_default();
            sent.requests += 1;
            sent.octets += u64::try_from(taken).unwrap_or_default();
        }
        drain(sockets, &mut buffer, &mut sent);
        std::thread::sleep(VOLLEY);
    }
    sent.time = began.elapsed();
    drain(sockets, &mut buffer, &mut sent);
    sent
}

fn drain(sockets: &[UdpSocket], buffer: &mut [u8], sent: &mut Sent) {
    for socket in sockets {
        while let Ok((length, _)) = socket.recv_from(buffer) {
            sent.answers += 1;
            sent.answer_octets += u64::try_from(length).unwrap_or_default();
        }
    }
}

fn message(plan: &Plan, names: &mut Names, count: u64, socket: &UdpSocket) -> Vec<u8> {
    let source = socket.local_addr().unwrap_or(plan.bridge);
    let large = plan.mix != Mix::Strange || count % LARGE_ONE_IN == LARGE_ONE_IN - 1;
    let method = match (plan.mix, count % 10) {
        (Mix::LargeOptions, _) => "OPTIONS",
        (Mix::LargeInvites, _) | (Mix::Strange, 0..=4) => "INVITE",
        (Mix::Strange, 5) => "OPTIONS",
        (Mix::Strange, 6) => "REGISTER",
        (Mix::Strange, 7) => "FROBNICATE",
        (Mix::Strange, 8) => {
            if count % 20 == 8 {
                "ACK"
            } else {
                "BYE"
            }
        }
        (Mix::Strange, _) => return garbage(names, large),
    };
    request(method, names, (source, plan.bridge), large)
}

/// A request outside of any dialog.
fn request(
    method: &str,
    names: &mut Names,
    (source, bridge): (SocketAddr, SocketAddr),
    large: bool,
) -> Vec<u8> {
    let uri = format!("sip:{DIAL_IN}@{bridge}");
    let (mut body, mut more) = (wire::offer(source, 1), String::new());
    // Half of the large ones are so by what every answer must repeat, in headers of a lawful length.
    match (large, names.number() % 2) {
        (true, 0) => {
            let via = format!("Via: SIP/2.0/UDP {source};branch=z9hG4bK{}\r\n", "x".repeat(HEADER));
            more = via.repeat(LARGE / HEADER);
        }
        (true, _) => body += &"a=x-attribute:of no meaning but its length\r\n".repeat(LARGE / 44),
        (false, _) => {}
    }
    let from = format!("<sip:stranger@{source}>;tag={}", names.word());
    let describes = method == "INVITE" || large;
    Request {
        method,
        uri: &uri,
        address: source,
        branch: &names.word(),
        from: &from,
        to: &format!("<{uri}>"),
        call_id: &names.word(),
        cseq: 1,
        more: &more,
        body: describes.then_some(("application/sdp", &body)),
    }
    .write()
}

fn garbage(names: &mut Names, large: bool) -> Vec<u8> {
    let words = if large { LARGE / 8 } else { 50 };
    (0..words).flat_map(|_| names.number().to_be_bytes()).collect()
}
