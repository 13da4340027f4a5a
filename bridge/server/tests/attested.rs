//! Signed callers' numbers, by the built program against a carrier's web server of the test's own.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bench, has_line, own_address, pause};
use partyline_model::{IdSource, Uuid, WallTime};
use partyline_stir::{Attest, Claim, Place, Signer};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const DIAL_IN: &str = "14165550123";
const CALLER: &str = "12025550100";

struct Counter(u128);

impl IdSource for Counter {
    fn next_u128(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// An authority that vouches for web servers and for carriers.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(issuer.unwrap())
    }

    /// A carrier's certificate and key, PEM.
    fn carrier(&self) -> (String, String) {
        let mut params = CertificateParams::default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let list = b"\x30\x08\xa0\x06\x16\x04709J".to_vec();
        let numbers = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list);
        params.custom_extensions = vec![numbers];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// What a web server at `ip` proves itself by.
    fn web(&self, ip: Ipv4Addr) -> Arc<rustls::ServerConfig> {
        let params = CertificateParams::new(vec![ip.to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A web server that has a certificate at `/shaken.pem`, and notes what it is asked for.
struct Web {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn start(ip: Ipv4Addr, config: Arc<rustls::ServerConfig>, pem: String) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let (at, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, noted, pem) = (Arc::clone(&config), Arc::clone(&noted), pem.clone());
                std::thread::spawn(move || serve(stream.unwrap(), config, &noted, &pem));
            }
        });
        Self { at, asked }
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|one| *one == path).count()
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<rustls::ServerConfig>,
    asked: &Mutex<Vec<String>>,
    pem: &str,
) {
    let connection = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        // A client that does not believe us says so and goes.
        let Ok(1) = stream.read(&mut octet) else { return };
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(path.clone());
    let huge = "x".repeat(17 * 1024);
    let (status, body) = match path.as_str() {
        "/shaken.pem" => ("200 OK\r\nCache-Control: max-age=600", pem),
        "/huge.pem" => ("200 OK", huge.as_str()),
        "/moved.pem" => ("302 Found\r\nLocation: /shaken.pem", ""),
        "/slow.pem" => return pause(Duration::from_secs(20)),
        _ => ("404 Not Found", ""),
    };
    let response = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    // Who has had enough goes.
    drop(stream.write_all(response.as_bytes()).and_then(|()| stream.flush()));
}

/// Calls with a token whose certificate is at `url`; how long the answer took.
fn call(bridge: SocketAddr, ip: Ipv4Addr, name: &str, key: &str, url: &str) -> Duration {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let here = socket.local_addr().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let at = WallTime::from_micros(i64::try_from(now.as_micros()).unwrap());
    let signer = Signer::new(key.as_bytes(), Place::parse(url).unwrap()).unwrap();
    let (caller, callee) = (CALLER.parse().unwrap(), DIAL_IN.parse().unwrap());
    let claim = Claim { attest: Attest::Full, caller, callee, at, origin: Uuid(7) };
    let identity = signer.sign(&claim, &mut Counter(u128::from(here.port())));
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
    );
    let invite = format!(
        "INVITE sip:+{DIAL_IN}@{bridge} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{name}\r\n\
         From: <sip:+{CALLER}@{here}>;tag=1\r\nTo: <sip:+{DIAL_IN}@{bridge}>\r\nCall-ID: {name}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:{here}>\r\nIdentity: {identity}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let begun = std::time::UNIX_EPOCH.elapsed().unwrap();
    socket.send_to(invite.as_bytes(), bridge).unwrap();
    let mut octets = [0; 4096];
    let ok = loop {
        let length = socket.recv(&mut octets).unwrap();
        let text = String::from_utf8_lossy(&octets[..length]).into_owned();
        if !text.starts_with("SIP/2.0 1") {
            break text;
        }
    };
    let took = std::time::UNIX_EPOCH.elapsed().unwrap() - begun;
    assert!(ok.starts_with("SIP/2.0 200"), "{name}: {ok}");
    let to = ok.lines().find(|line| line.starts_with("To: ")).unwrap();
    let contact = ok.lines().find(|line| line.starts_with("Contact: ")).unwrap();
    let target = contact.split(['<', '>']).nth(1).unwrap();
    // The certificate may be awaited while the passcode is asked for.
    let within = |method: &str, cseq: u32| {
        let request = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{name}{method}\r\n\
             From: <sip:+{CALLER}@{here}>;tag=1\r\n{to}\r\nCall-ID: {name}\r\n\
             CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), bridge).unwrap();
    };
    within("ACK", 1);
    pause(Duration::from_millis(2300));
    within("BYE", 2);
    took
}

#[test]
fn certificates_are_fetched_by_https_while_calls_go_on_and_verdicts_are_in_the_records() {
    let ip = own_address(7);
    let authority = Authority::new();
    let (pem, key) = authority.carrier();
    let web = Web::start(ip, authority.web(ip), pem);
    let stranger = Web::start(ip, Authority::new().web(ip), String::new());
    let (at, strange) = (web.at, stranger.at);
    let config = |loopback: bool| {
        format!(
            "[sip]\nlisten = [\"{ip}:5060\"]\n[media]\naddress = \"{ip}\"\nports = \"20000-20099\"\n\
             [http]\nlisten = \"{ip}:9060\"\n[conference]\nmax_calls = 50\n\
             [[trunk]]\nname = \"carrier\"\nsources = [\"127.0.0.0/8\"]\nkind = \"carrier\"\n\
             [trunk.stir]\nverify = \"record\"\n\
             [stir]\nauthorities = [\"sti.pem\"]\nhosts = [\"{at}\", \"{strange}\"]\n\
             allow_loopback = {loopback}\n"
        )
    };
    let bench = Bench::unprepared(&config(true));
    let roots = bench.file("sti.pem", &authority.0.pem());
    bench.ok(&["init"]);
    bench.ok(&["dial-in", "add", DIAL_IN]);
    let environment = [("SSL_CERT_FILE", roots)];
    let bridge = SocketAddr::new(ip.into(), 5060);
    let mut served = bench.serve_with(&config(true), &environment);
    let places = [
        ("good", format!("https://{at}/shaken.pem")),
        ("slow", format!("https://{at}/slow.pem")),
        ("huge", format!("https://{at}/huge.pem")),
        ("moved", format!("https://{at}/moved.pem")),
        ("strange", format!("https://{strange}/shaken.pem")),
        ("unlisted", format!("https://{ip}:1/shaken.pem")),
    ];
    // For one trunk four are fetched from a host at a time.
    for places in places.chunks(4) {
        let calls = places.iter().cloned().map(|(name, url)| {
            let key = key.clone();
            std::thread::spawn(move || (call(bridge, ip, name, &key, &url), name))
        });
        for one in calls.collect::<Vec<_>>() {
            let (took, name) = one.join().unwrap();
            assert!(took < Duration::from_millis(1500), "{name} waited {took:?} for its answer");
        }
    }
    let url = format!("https://{at}/shaken.pem");
    call(bridge, ip, "again", &key, &url);
    served.terminate();
    assert_eq!(
        web.asked("/shaken.pem"),
        1,
        "what was found is kept, and no redirection is followed"
    );
    assert_eq!(stranger.asked("/shaken.pem"), 0, "it is not believed");
    let records = bench.ok(&["cdr", "list", "--json"]);
    let log = bench.log();
    for (name, attest, verdict) in [
        ("good", "A", ["valid", "A"]),
        ("again", "A", ["valid", "A"]),
        ("slow", "unchecked", ["could_not_fetch", "silent"]),
        ("huge", "unchecked", ["could_not_fetch", "too_large"]),
        ("moved", "unchecked", ["could_not_fetch", "not_there"]),
        ("strange", "unchecked", ["could_not_fetch", "tls"]),
        ("unlisted", "invalid", ["invalid", "not_listed"]),
    ] {
        let (id, found) = (format!("\"{name}\""), format!("\"ani_attest\":\"{attest}\""));
        assert!(has_line(&records, &[&id, &found]), "{name}: {records}");
        assert!(has_line(&log, &[name, verdict[0], verdict[1]]), "{name}: {log}");
    }
    // This machine is nobody's to ask, unless it says so.
    let mut served = bench.serve_with(&config(false), &environment);
    call(bridge, ip, "private", &key, &url);
    served.terminate();
    assert_eq!(web.asked("/shaken.pem"), 1);
    assert!(has_line(&bench.log(), &["private", "could_not_fetch"]), "{}", bench.log());
}
