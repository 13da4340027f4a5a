//! Real sockets on loopback around the transports, without a node behind them.

mod greedy;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http::HeaderValue};

use super::*;

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(10);
const ANYBODY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Transports that are listened to.
struct World {
    transports: Transports,
    arrivals: Arrivals,
    sources: watch::Sender<Arc<Sources>>,
}

impl World {
    /// Transports with `sip` in their configuration, to which all of `sources` are known.
    async fn new(sip: &str, sources: &str) -> Self {
        let text = format!(
            "[sip]\nlisten = [\"127.0.0.1:0\"]\n{sip}\n[[trunk]]\nname = \"t\"\n\
             sources = [\"{sources}\"]\nkind = \"carrier\"\n"
        );
        let config = Config::parse(&text).unwrap();
        let (sources, known) = watch::channel(Arc::new(Sources::new(&config.control.trunks)));
        let bound = Transports::bind(&config, Clock::start(), known).await;
        let (transports, arrivals) = bound.unwrap();
        Self { transports, arrivals, sources }
    }

    /// Other addresses are known from now on.
    fn learn(&self, network: &str) {
        let text = format!("[[trunk]]\nname = \"t\"\nsources = [\"{network}\"]\n");
        let config = Config::parse(&text).unwrap();
        self.sources.send_replace(Arc::new(Sources::new(&config.control.trunks)));
    }

    async fn tcp(sources: &str) -> Self {
        Self::new("tcp = [\"127.0.0.1:0\"]", sources).await
    }

    fn address(&self) -> SocketAddr {
        self.transports.streams.listeners()[0].1
    }

    /// What comes next for the node.
    async fn next(&mut self) -> Arrival {
        loop {
            let arrival = timeout(PATIENCE, self.arrivals.next()).await.unwrap().unwrap();
            if let Some(arrival) = self.transports.note(arrival) {
                return arrival;
            }
        }
    }

    async fn message(&mut self) -> (Flow, String) {
        match self.next().await {
            Arrival::Message { flow, payload } => {
                (flow, String::from_utf8(payload.to_vec()).unwrap())
            }
            Arrival::Closed { .. } | Arrival::Garbled { .. } => panic!("closed"),
            Arrival::Unreachable { .. } => panic!("unreachable"),
            Arrival::Opened { .. } => unreachable!("noted"),
        }
    }

    async fn closed(&mut self) -> Flow {
        match self.next().await {
            Arrival::Closed { flow } => flow,
            Arrival::Message { payload, .. } => panic!("{payload:?}"),
            Arrival::Garbled { .. } => panic!("garbled"),
            Arrival::Unreachable { .. } => panic!("unreachable"),
            Arrival::Opened { .. } => unreachable!("noted"),
        }
    }

    /// A connection that ends for what came by it: the node hears of both.
    async fn garbled(&mut self) -> Flow {
        match self.next().await {
            Arrival::Garbled { flow } => {
                assert_eq!(self.closed().await, flow);
                flow
            }
            Arrival::Message { payload, .. } => panic!("{payload:?}"),
            Arrival::Closed { .. } => panic!("closed without a word of why"),
            Arrival::Unreachable { .. } => panic!("unreachable"),
            Arrival::Opened { .. } => unreachable!("noted"),
        }
    }

    fn send(&mut self, flow: Flow, payload: impl Into<Bytes>) -> Result<(), Flow> {
        self.transports.send(&Transmit { flow, payload: payload.into() })
    }

    fn ended(&self, reason: &str) -> u64 {
        let sample = self.transports.stream_sample();
        sample.ended.iter().filter(|(_, why, _)| *why == reason).map(|(.., count)| count).sum()
    }

    /// Waits until connections ended for `reason` so often.
    async fn until_ended(&self, reason: &str, wanted: u64) {
        let look = async {
            while self.ended(reason) < wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let come = timeout(PATIENCE, look).await;
        assert!(come.is_ok(), "{reason}: {} of {wanted}", self.ended(reason));
    }
}

async fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn message(n: usize, body: usize) -> String {
    let body = "x".repeat(body);
    format!("OPTIONS sip:{n}@h SIP/2.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads until `wanted` has come.
async fn hears(stream: &mut (impl AsyncReadExt + Unpin), wanted: &str) {
    let mut heard = vec![0; wanted.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), wanted);
}

#[tokio::test]
async fn messages_are_whole_however_they_come_and_are_answered_on_their_connection() {
    let mut world = World::tcp("127.0.0.0/8").await;
    let mut stream = connect(ANYBODY, world.address()).await;
    let mut other = connect(ANYBODY, world.address()).await;
    for octet in message(1, 5).as_bytes() {
        stream.write_all(&[*octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (flow, text) = world.message().await;
    assert_eq!(text, message(1, 5));
    assert_eq!(flow.transport, Transport::Tcp);
    assert_eq!(flow.local, Some(world.address()));
    assert_eq!(flow.remote, stream.local_addr().unwrap());
    let two = format!("{}{}", message(2, 0), message(3, 9000));
    stream.write_all(two.as_bytes()).await.unwrap();
    assert_eq!(world.message().await, (flow, message(2, 0)));
    assert_eq!(world.message().await, (flow, message(3, 9000)));
    other.write_all(message(4, 0).as_bytes()).await.unwrap();
    let (second, _) = world.message().await;
    assert_ne!(second.connection, flow.connection);
    world.send(second, "to the other").unwrap();
    world.send(flow, "to the first").unwrap();
    hears(&mut stream, "to the first").await;
    hears(&mut other, "to the other").await;
    stream.write_all(b"\r\n\r\n").await.unwrap();
    hears(&mut stream, "\r\n").await;
    drop(stream);
    assert_eq!(world.closed().await, flow);
    assert_eq!(world.send(flow, "too late"), Err(flow));
    assert_eq!(world.ended("closed"), 1);
}

#[tokio::test]
async fn who_becomes_known_is_no_stranger_to_connections_and_datagrams_any_more() {
    let mut world = World::tcp("10.9.9.9/32").await;
    let host = IpAddr::from([127, 0, 0, 7]);
    let socket = tokio::net::UdpSocket::bind((host, 0)).await.unwrap();
    let long = message(1, 5000);
    let to = world.transports.first().unwrap();
    let refused = |world: &World| world.transports.stream_sample().refused;
    let strangers = |world: &World| {
        let of = |(_, why, _): &(_, &str, _)| *why == "strangers";
        refused(world).into_iter().filter(of).map(|(.., count)| count).sum::<u64>()
    };
    let mut held = Vec::new();
    for _ in 0..12 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(host, 0)).unwrap();
        held.push(socket.connect(world.address()).await);
    }
    socket.send_to(long.as_bytes(), to).await.unwrap();
    let unwanted = |world: &World| world.transports.unwanted().iter().map(|(_, n)| n).sum::<u64>();
    let come = timeout(PATIENCE, async {
        while strangers(&world) < 4 || unwanted(&world) < 1 {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(come.await.is_ok());
    world.learn("127.0.0.0/28");
    socket.send_to(long.as_bytes(), to).await.unwrap();
    assert_eq!(world.message().await.1, long);
    let mut stream = connect(host, world.address()).await;
    stream.write_all(message(2, 0).as_bytes()).await.unwrap();
    assert_eq!(world.message().await.1, message(2, 0));
    assert_eq!(strangers(&world), 4);
}

#[tokio::test]
async fn a_stream_that_cannot_be_followed_is_closed_and_answered_where_it_can_be() {
    let mut world = World::tcp("127.0.0.0/8").await;
    let mut stream = connect(ANYBODY, world.address()).await;
    stream.write_all(b"OPTIONS sip:h SIP/2.0\r\n\r\n").await.unwrap();
    world.garbled().await;
    assert_eq!(world.ended("no_content_length"), 1);
    let mut stream = connect(ANYBODY, world.address()).await;
    stream.write_all(b"OPTIONS sip:h SIP/2.0\r\nl: -1\r\n\r\nOPTIONS").await.unwrap();
    let (flow, head) = world.message().await;
    assert!(head.ends_with("l: -1\r\n\r\n"), "{head}");
    world.send(flow, "400").unwrap();
    hears(&mut stream, "400").await;
    world.garbled().await;
    assert_eq!(world.ended("bad_content_length"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_costs_only_itself() {
    let mut world = World::tcp("127.0.0.0/8").await;
    let mut slow = connect(ANYBODY, world.address()).await;
    let mut quick = connect(ANYBODY, world.address()).await;
    slow.write_all(message(1, 0).as_bytes()).await.unwrap();
    let (to_slow, _) = world.message().await;
    quick.write_all(message(2, 0).as_bytes()).await.unwrap();
    let (to_quick, _) = world.message().await;
    let piece = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0;
    while world.send(to_slow, piece.clone()).is_ok() {
        sent += 1;
        assert!(sent < 2000, "nothing stops it");
        tokio::task::yield_now().await;
    }
    world.send(to_quick, "hello").unwrap();
    hears(&mut quick, "hello").await;
    assert_eq!(world.closed().await, to_slow);
    world.until_ended("slow_reader", 1).await;
}

#[tokio::test]
async fn a_stranger_says_little_and_is_not_waited_for() {
    let mut world = World::tcp("127.0.0.9/32").await;
    let mut long = connect(ANYBODY, world.address()).await;
    long.write_all(message(1, 5000).as_bytes()).await.unwrap();
    world.garbled().await;
    assert_eq!(world.ended("long_message"), 1);
    let mut half = connect(ANYBODY, world.address()).await;
    half.write_all(b"OPTIONS sip:h SIP/2.0\r\n").await.unwrap();
    let mut busy = connect(ANYBODY, world.address()).await;
    for n in 0..20 {
        busy.write_all(message(n, 0).as_bytes()).await.unwrap();
    }
    let mut heard = 0;
    while let Arrival::Message { .. } = world.next().await {
        heard += 1;
    }
    assert!((8..=10).contains(&heard), "{heard}");
    assert_eq!(world.ended("too_often"), 1);
    world.closed().await;
    assert_eq!(world.ended("half_open"), 1);
}

#[tokio::test]
async fn a_connection_is_opened_once_kept_alive_and_its_end_told() {
    let mut world = World::new("keep_alive = \"1s\"", "127.0.0.0/8").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wanted = Flow::new(Transport::Tcp, listener.local_addr().unwrap());
    world.send(wanted, message(1, 0)).unwrap();
    world.send(wanted, message(2, 0)).unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    hears(&mut far, &format!("{}{}\r\n\r\n", message(1, 0), message(2, 0))).await;
    far.write_all(format!("\r\n{}", message(3, 0)).as_bytes()).await.unwrap();
    let (flow, text) = world.message().await;
    assert_eq!((flow.remote, text), (wanted.remote, message(3, 0)));
    assert!(flow.connection.is_some());
    drop(far);
    assert_eq!(world.closed().await, flow);
    drop(listener);
    world.send(wanted, message(4, 0)).unwrap();
    match world.next().await {
        Arrival::Unreachable { flow } => assert_eq!(flow, wanted),
        Arrival::Message { .. }
        | Arrival::Garbled { .. }
        | Arrival::Closed { .. }
        | Arrival::Opened { .. } => {
            panic!("nobody listens there")
        }
    }
    world.closed().await;
    assert_eq!(world.ended("unreachable"), 1);
    let browser = Flow::new(Transport::Ws, wanted.remote);
    assert_eq!(world.send(browser, "x"), Err(browser), "browsers connect to us");
}

/// A certificate for `localhost` and its key, in the files of `folder`.
fn renew(folder: &std::path::Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
}

/// A client that believes the certificate that is in `folder` now.
fn believer(folder: &std::path::Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn files(folder: &std::path::Path) -> String {
    let at = folder.display();
    format!("certificate = \"{at}/certificate.pem\"\nkey = \"{at}/key.pem\"")
}

#[tokio::test]
async fn a_certificate_is_renewed_while_connections_are_up() {
    let folder = tempfile::tempdir().unwrap();
    renew(folder.path());
    let sip = format!("tls = [\"127.0.0.1:0\"]\n{}", files(folder.path()));
    let mut world = World::new(&sip, "127.0.0.0/8").await;
    let at = world.address();
    let name = ServerName::try_from("localhost").unwrap();
    let shake = async |connector: TlsConnector| {
        let stream = connect(ANYBODY, at).await;
        connector.connect(name.clone(), stream).await
    };
    let mut before = shake(believer(folder.path())).await.unwrap();
    before.write_all(message(1, 0).as_bytes()).await.unwrap();
    let (flow, _) = world.message().await;
    assert_eq!(flow.transport, Transport::Tls);
    renew(folder.path());
    let renewed = believer(folder.path());
    let mut tries = 0;
    let mut after = loop {
        match shake(renewed.clone()).await {
            Ok(stream) => break stream,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
        tries += 1;
        assert!(tries < 40, "the certificate is not renewed");
    };
    after.write_all(message(2, 0).as_bytes()).await.unwrap();
    assert_eq!(world.message().await.1, message(2, 0));
    before.write_all(message(3, 0).as_bytes()).await.unwrap();
    assert_eq!(world.message().await, (flow, message(3, 0)), "the call that is up goes on");
    world.send(flow, "still here").unwrap();
    hears(&mut before, "still here").await;
    let mut plain = connect(ANYBODY, at).await;
    plain.write_all(message(4, 0).as_bytes()).await.unwrap();
    world.until_ended("handshake", tries + 1).await;
}

#[tokio::test]
async fn a_websocket_of_a_listed_page_carries_sip() {
    let sip = "ws = [\"127.0.0.1:0\"]\nws_origins = [\"https://phone.example.com\"]";
    let mut world = World::new(sip, "127.0.0.0/8").await;
    let at = world.address();
    let open = async |page: &'static str, protocol: &'static str| {
        let mut request = format!("ws://{at}/").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("Origin", HeaderValue::from_static(page));
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
        let stream = connect(ANYBODY, at).await;
        tokio_tungstenite::client_async(request, stream).await
    };
    assert!(open("https://evil.example.com", "sip").await.is_err());
    assert!(open("https://phone.example.com", "chat").await.is_err());
    let (mut socket, response) = open("https://phone.example.com", "sip").await.unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
    // Content-Length may be missing: the message ends where the frame does.
    let text = "OPTIONS sip:h SIP/2.0\r\n\r\nx";
    socket.send(tungstenite::Message::text(text)).await.unwrap();
    let (flow, heard) = world.message().await;
    assert_eq!((flow.transport, heard.as_str()), (Transport::Ws, text));
    socket.send(tungstenite::Message::binary(text.as_bytes().to_vec())).await.unwrap();
    assert_eq!(world.message().await, (flow, text.to_owned()));
    world.send(flow, "SIP/2.0 200 OK\r\n\r\n").unwrap();
    let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, tungstenite::Message::text("SIP/2.0 200 OK\r\n\r\n"));
    socket.send(tungstenite::Message::text("\r\n\r\n")).await.unwrap();
    let pong = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(pong, tungstenite::Message::text("\r\n"));
    socket.send(tungstenite::Message::text("hello")).await.unwrap();
    assert_eq!(world.garbled().await, flow);
    assert_eq!((world.ended("upgrade"), world.ended("not_sip")), (2, 1));
}
