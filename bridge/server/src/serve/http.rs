//! `/metrics`, `/health`, `/trunks` and `/users`, on loopback by default. Read only.
//!
//! One request a connection, whose head comes within [`HEAD`] and which ends within [`LONGEST`]
//! whatever the far end does. Who holds connections open keeps nobody out: a new one takes the place
//! of the oldest, of its own address when that has its share, else of the address that has most.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use partyline_cdr_store::ingest::{IngestHealth, IngestWatch};
use partyline_cdr_store::journal::Health;
use partyline_media_io::Stats;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::machine::ThreadTimes;
use super::metrics::{Sample, render, render_more};
use crate::logging;

/// From a connection to its end. The pages are made in a moment.
const LONGEST: Duration = Duration::from_secs(10);
/// From a connection to the end of its request's head.
const HEAD: Duration = Duration::from_secs(2);
/// Connections at one time, of all and of one address (of IPv6, of one /64).
const MOST: usize = 64;
const SHARE: usize = 8;
/// The longest head of a request, in octets.
const LONGEST_HEAD: usize = 16 * 1024;
/// Until the next try, where the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A store that takes longer for what is in the journal is in trouble.
const LAG_ALARM: Duration = Duration::from_secs(10);

/// What the pages are made from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) sample: watch::Receiver<Sample>,
    pub(super) journal: watch::Receiver<Health>,
    pub(super) ingested: IngestWatch,
    pub(super) media: Arc<Stats>,
}

/// Connections that came to no answer.
#[derive(Debug, Default)]
struct Counts {
    timed_out: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

#[derive(Clone)]
struct Pages {
    sources: Sources,
    counts: Arc<Counts>,
    /// Whether the working set is in locked memory.
    locked: bool,
}

/// Takes the port.
pub(super) async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!(
            "cannot listen for HTTP on {listen}: is another program using the port? \
             Stop it, or choose another address with http.listen"
        )
    })
}

/// Serves until the runtime ends.
pub(super) fn start(listener: TcpListener, sources: Sources, locked: bool) {
    let pages = Pages { sources, counts: Arc::default(), locked };
    tokio::spawn(accept(listener, pages, LONGEST));
}

/// A connection that is up.
struct Held {
    from: IpAddr,
    task: AbortHandle,
}

/// The connections that are up, the oldest first.
#[derive(Default)]
struct Places(Vec<Held>);

impl Places {
    /// Makes room for a connection from `from`; whether another one was ended for it.
    fn make_room(&mut self, from: IpAddr) -> bool {
        self.0.retain(|held| !held.task.is_finished());
        let of = |from: IpAddr| self.0.iter().filter(|held| held.from == from).count();
        let loser = if of(from) >= SHARE {
            from
        } else if self.0.len() < MOST {
            return false;
        } else {
            let most = self.0.iter().map(|held| held.from).max_by_key(|&from| of(from));
            most.unwrap_or(from)
        };
        let Some(oldest) = self.0.iter().position(|held| held.from == loser) else { return false };
        self.0.remove(oldest).task.abort();
        true
    }
}

/// By what a source is counted.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

async fn accept(listener: TcpListener, pages: Pages, longest: Duration) {
    let counts = Arc::clone(&pages.counts);
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/trunks", get(trunks))
        .route("/users", get(users))
        .with_state(pages);
    let mut places = Places::default();
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            sleep(PAUSE).await;
            continue;
        };
        let from = source(from.ip());
        if places.make_room(from) {
            counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        let (pages, counts) = (pages.clone(), Arc::clone(&counts));
        let task = tokio::spawn(async move {
            match timeout(longest, converse(stream, pages)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if error.is_timeout() => {
                    counts.timed_out.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Err(_)) => {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    counts.timed_out.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        places.0.push(Held { from, task: task.abort_handle() });
    }
}

/// One request and its answer.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    pages: Router,
) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages))
        .await
}

async fn metrics(State(pages): State<Pages>) -> impl IntoResponse {
    let Pages { sources, counts, locked } = pages;
    let mut page = {
        let (sample, journal) = (sources.sample.borrow(), sources.journal.borrow());
        render(&sample, &sources.media, &journal, &sources.ingested.health())
    };
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let counters = [
        ("http_timed_out", "HTTP connections ended unanswered", read(&counts.timed_out)),
        ("http_refused", "HTTP connections ended for newer ones", read(&counts.refused)),
        ("http_failed", "HTTP connections that broke", read(&counts.failed)),
        ("log_lines_dropped", "Log lines that nobody took in time", logging::dropped()),
    ];
    let realtime = sources.media.realtime().is_some_and(|held| held.is_ok());
    let gauges = [
        ("memory_locked", "1 while the working set is locked in memory", u64::from(locked)),
        ("media_realtime", "1 while the media thread has real-time priority", u64::from(realtime)),
    ];
    page.push_str(&render_more(&counters, &gauges));
    if let Some(times) = ThreadTimes::of(&sources.media) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let counters = [
            ("media_page_faults", "Pages the media thread waited for a disk for", times.faults),
            ("media_core_wait_ms", "Time the media thread waited for a core", millis(times.waited)),
            ("media_core_ms", "Time the media thread was on a core", millis(times.ran)),
        ];
        page.push_str(&render_more(&counters, &[]));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

/// What is known of each trunk.
async fn trunks(State(Pages { sources, .. }): State<Pages>) -> impl IntoResponse {
    let page = super::trunks::page(&sources.sample.borrow().trunks);
    ([(header::CONTENT_TYPE, "application/json")], page)
}

/// Where each user can be reached.
async fn users(State(Pages { sources, .. }): State<Pages>) -> impl IntoResponse {
    let page = super::users::page(&sources.sample.borrow().users);
    ([(header::CONTENT_TYPE, "application/json")], page)
}

/// 200 while calls are taken and their records reach the store; 503 with the reason otherwise.
async fn health(State(Pages { sources, .. }): State<Pages>) -> (StatusCode, Cow<'static, str>) {
    let draining = sources.sample.borrow().draining;
    let (status, text) = verdict(draining, *sources.journal.borrow(), sources.ingested.health());
    (status, text)
}

fn verdict(
    draining: bool,
    journal: Health,
    ingested: IngestHealth,
) -> (StatusCode, Cow<'static, str>) {
    let IngestHealth { lag, lag_octets, .. } = ingested;
    if journal.failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot write: calls are refused\n".into())
    } else if draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining: no new calls\n".into())
    } else if lag >= LAG_ALARM {
        let seconds = lag.as_secs();
        let text = format!(
            "the store lags {seconds} s and {lag_octets} octets behind the journal: calls are \
             taken and recorded, but lists and invoices lack them; the log says why\n"
        );
        (StatusCode::SERVICE_UNAVAILABLE, text.into())
    } else {
        (StatusCode::OK, "ok\n".into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpSocket, TcpStream};

    use super::*;

    /// Pages on a port, with so long for a connection.
    async fn serve(longest: Duration) -> SocketAddr {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (_sample, sample) = watch::channel(Sample::default());
        let (_journal, journal) = watch::channel(Health::default());
        let sources =
            Sources { sample, journal, ingested: IngestWatch::default(), media: Arc::default() };
        let pages = Pages { sources, counts: Arc::default(), locked: true };
        tokio::spawn(accept(listener, pages, longest));
        at
    }

    /// A request without an end, from the given address of the loopback network.
    async fn half(at: SocketAddr, from: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let mut half = socket.connect(at).await.unwrap();
        half.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        half
    }

    async fn metrics_page(at: SocketAddr) -> String {
        let mut whole = TcpStream::connect(at).await.unwrap();
        whole.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut page = String::new();
        timeout(HEAD, whole.read_to_string(&mut page)).await.unwrap().unwrap();
        page
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_ended_and_others_are_answered() {
        let at = serve(Duration::from_millis(300)).await;
        let mut halves = Vec::new();
        for _ in 0..SHARE {
            halves.push(half(at, [127, 0, 0, 1]).await);
        }
        for mut half in halves {
            let mut answer = Vec::new();
            // Closed, with an answer or without one.
            timeout(LONGEST, half.read_to_end(&mut answer)).await.unwrap().unwrap_or_default();
        }
        let page = metrics_page(at).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.contains(&format!("partyline_http_timed_out_total {SHARE}\n")), "{page}");
        assert!(page.contains("partyline_memory_locked 1\n"), "{page}");
    }

    #[tokio::test]
    async fn who_holds_every_connection_keeps_nobody_out() {
        let at = serve(LONGEST).await;
        // From the address that asks, as many as there are places, then from twenty others.
        let mut halves = Vec::new();
        for _ in 0..MOST {
            halves.push(half(at, [127, 0, 0, 1]).await);
        }
        let page = metrics_page(at).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        let ended = MOST + 1 - SHARE;
        assert!(page.contains(&format!("partyline_http_refused_total {ended}\n")), "{page}");
        for host in 1..=20 {
            for _ in 0..SHARE {
                halves.push(half(at, [127, 0, 7, host]).await);
            }
            let page = metrics_page(at).await;
            assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        }
    }

    #[tokio::test]
    async fn a_head_has_two_seconds() {
        let at = serve(LONGEST).await;
        let mut half = half(at, [127, 0, 0, 1]).await;
        let mut answer = Vec::new();
        let ended = timeout(HEAD * 2, half.read_to_end(&mut answer)).await;
        ended.expect("an end").unwrap_or_default();
    }

    #[test]
    fn an_ipv6_source_is_its_network() {
        let of = |text: &str| source(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn a_store_that_lags_is_not_healthy() {
        let lagging = |lag| IngestHealth { lag, lag_octets: 4711, ..IngestHealth::default() };
        let verdict = |lag| verdict(false, Health::default(), lagging(lag));
        assert_eq!(verdict(Duration::from_secs(9)).0, StatusCode::OK);
        let (status, text) = verdict(Duration::from_secs(10));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("10 s and 4711 octets behind"), "{text}");
    }
}
