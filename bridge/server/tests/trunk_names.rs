//! Trunks that have names, by the built program against a name server of the test's own.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Bench, own_address, pause};

const A: u16 = 1;
const SRV: u16 = 33;
const NAPTR: u16 = 35;
/// A name that nobody has, as few seconds as there are.
const TTL: u32 = 1;

/// Records by name and type.
type Zone = Arc<Mutex<Vec<(String, u16, Vec<u8>)>>>;

/// A name server that knows what a test has told it, for as long as the test runs.
struct NameServer {
    at: SocketAddr,
    zone: Zone,
}

impl NameServer {
    fn start(ip: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let (at, zone) = (socket.local_addr().unwrap(), Zone::default());
        let known = Arc::clone(&zone);
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let zone = known.lock().unwrap();
                // An empty zone is one whose server is down.
                if !zone.is_empty() {
                    socket.send_to(&answer(&query[..length], &zone), from).unwrap();
                }
            }
        });
        Self { at, zone }
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        self.zone.lock().unwrap().push((name.to_owned(), kind, data));
    }

    fn host(&self, name: &str, ip: Ipv4Addr) {
        self.add(name, A, ip.octets().to_vec());
    }

    fn server(&self, service: &str, priority: u16, port: u16, host: &str) {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        data.extend(written(host));
        self.add(service, SRV, data);
    }

    fn transport(&self, domain: &str, service: &str, replacement: &str) {
        let mut data = vec![0, 10, 0, 10];
        for text in ["s", service, ""] {
            data.push(u8::try_from(text.len()).unwrap());
            data.extend_from_slice(text.as_bytes());
        }
        data.extend(written(replacement));
        self.add(domain, NAPTR, data);
    }

    fn clear(&self) {
        self.zone.lock().unwrap().clear();
    }
}

/// A name as it goes over the wire (RFC 1035 §3.1).
fn written(name: &str) -> Vec<u8> {
    let label = |label: &str| {
        let length = u8::try_from(label.len()).unwrap();
        [&[length], label.as_bytes()].concat()
    };
    let mut octets: Vec<u8> = name.split('.').flat_map(label).collect();
    octets.push(0);
    octets
}

/// What is known of the one question in `query`.
fn answer(query: &[u8], zone: &[(String, u16, Vec<u8>)]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let asked = query[12..end].to_ascii_lowercase();
    let found: Vec<_> =
        zone.iter().filter(|(name, of, _)| *of == kind && written(name) == asked).collect();
    let mut text = query[..2].to_vec();
    text.extend_from_slice(&[0x85, 0x80, 0, 1]);
    text.extend_from_slice(&u16::try_from(found.len()).unwrap().to_be_bytes());
    text.extend_from_slice(&[0; 4]);
    text.extend_from_slice(&query[12..end + 4]);
    for (_, _, data) in found {
        text.extend_from_slice(&[0xc0, 12]);
        text.extend_from_slice(&kind.to_be_bytes());
        text.extend_from_slice(&[0, 1]);
        text.extend_from_slice(&TTL.to_be_bytes());
        text.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        text.extend_from_slice(data);
    }
    text
}

/// A SIP far end at an address of its own.
struct Peer {
    socket: UdpSocket,
}

impl Peer {
    fn at(ip: Ipv4Addr, port: u16) -> Self {
        let socket = UdpSocket::bind((ip, port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self { socket }
    }

    fn send(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).unwrap();
    }

    /// The next message, if one comes soon.
    fn hear(&self) -> Option<String> {
        let mut octets = [0; 4096];
        let length = self.socket.recv(&mut octets).ok()?;
        Some(String::from_utf8_lossy(&octets[..length]).into_owned())
    }

    /// The next message that begins so; how many tenths of a second it took.
    fn wait_for(&self, beginning: &str, seconds: usize) -> (String, usize) {
        for tenths in 0..seconds * 10 {
            let mut heard = std::iter::from_fn(|| self.hear());
            if let Some(message) = heard.find(|message| message.starts_with(beginning)) {
                return (message, tenths);
            }
        }
        panic!("no {beginning} within {seconds} s");
    }

    /// The final response to a call to the bridge.
    fn call(&self, bridge: SocketAddr, call_id: &str, uri: &str) -> String {
        let (ip, port) = (bridge.ip(), self.socket.local_addr().unwrap().port());
        let here = self.socket.local_addr().unwrap().ip();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {here}\r\ns=-\r\nc=IN IP4 {here}\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0\r\n"
        );
        let invite = format!(
            "INVITE sip:{uri}@{ip} SIP/2.0\r\nVia: SIP/2.0/UDP {here}:{port};branch=z9hG4bK{call_id}\
             \r\nFrom: <sip:+14165550123@{here}>;tag=1\r\nTo: <sip:{ip}>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:{here}:{port}>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        );
        self.send(bridge, &invite);
        loop {
            let (response, _) = self.wait_for("SIP/2.0 ", 10);
            let is_ours = response.contains(&format!("Call-ID: {call_id}\r\n"));
            if is_ours && !response.starts_with("SIP/2.0 1") {
                return response;
            }
        }
    }

    /// A request within the call that `ok` began.
    fn within(&self, bridge: SocketAddr, ok: &str, (method, cseq): (&str, u32), body: &str) {
        let here = self.socket.local_addr().unwrap();
        let header = |name: &str| {
            let line = ok.lines().find(|line| line.starts_with(name)).unwrap();
            line.to_owned()
        };
        let contact = header("Contact: ");
        let uri = contact.split(['<', '>']).nth(1).unwrap();
        let request = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}\r\n\
             {}\r\n{}\r\n{}\r\nCSeq: {cseq} {method}\r\nContent-Type: application/dtmf-relay\r\n\
             Content-Length: {}\r\n\r\n{body}",
            header("From: "),
            header("To: "),
            header("Call-ID: "),
            body.len()
        );
        self.send(bridge, &request);
    }

    fn press(&self, bridge: SocketAddr, ok: &str, keys: &str, cseq: &mut u32) {
        for key in keys.chars() {
            *cseq += 1;
            self.within(bridge, ok, ("INFO", *cseq), &format!("Signal={key}\r\nDuration=100\r\n"));
            self.wait_for("SIP/2.0 200", 5);
        }
    }
}

fn config(ip: Ipv4Addr, dns: SocketAddr, more: &str) -> String {
    format!(
        "[sip]\nlisten = [\"{ip}:5060\"]\ntcp = [\"{ip}:5060\"]\n[media]\naddress = \"{ip}\"\n\
         [http]\nlisten = \"{ip}:9060\"\n[dns]\nservers = [\"{dns}\"]\n{more}"
    )
}

#[test]
fn a_call_goes_to_the_next_server_of_a_name_and_never_into_the_a_trap() {
    let [ip, phone, trap, dead, good] = [11, 12, 13, 14, 15].map(own_address);
    let (bridge, names) = (SocketAddr::from((ip, 5060)), NameServer::start(ip));
    names.host("carrier.test", trap);
    names.server("_sip._udp.carrier.test", 10, 5060, "dead.carrier.test");
    names.server("_sip._udp.carrier.test", 20, 5070, "good.carrier.test");
    names.host("dead.carrier.test", dead);
    names.host("good.carrier.test", good);
    let trunks = format!(
        "[[trunk]]\nname = \"phones\"\nsources = [\"{phone}/32\"]\nkind = \"carrier\"\n\
         [[trunk]]\nname = \"named\"\ndestination = \"carrier.test\"\n"
    );
    let bench = Bench::with_demo();
    let shown = bench.ok(&["passcode", "show", "1"]);
    let line = shown.lines().find(|line| line.contains("moderator")).unwrap();
    let is_passcode = |word: &&str| word.len() >= 6 && word.bytes().all(|b| b.is_ascii_digit());
    let passcode = line.split_whitespace().find(is_passcode).unwrap();
    let (caller, trap, good) = (Peer::at(phone, 5060), Peer::at(trap, 5060), Peer::at(good, 5070));
    let served = bench.serve(&config(ip, names.at, &trunks));
    let ok = caller.call(bridge, "caller", &format!("18005550199;pin={passcode}"));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    caller.within(bridge, &ok, ("ACK", 1), "");
    let mut cseq = 1;
    pause(Duration::from_secs(7));
    caller.press(bridge, &ok, "*1", &mut cseq);
    pause(Duration::from_secs(4));
    caller.press(bridge, &ok, "4165550123#", &mut cseq);
    let (invite, tenths) = good.wait_for("INVITE ", 9);
    assert!(invite.starts_with("INVITE sip:+14165550123@carrier.test SIP/2.0\r\n"), "{invite}");
    assert!(invite.contains("@carrier.test>;tag="), "{invite}");
    assert!((30..60).contains(&tenths), "{tenths}: the first server is dead, and costs 4 s");
    assert_eq!(trap.hear(), None);
    drop(served);
}

#[test]
fn the_addresses_of_a_name_are_followed_and_the_last_known_hold_without_name_servers() {
    let [ip, first, second] = [21, 22, 23].map(own_address);
    let (bridge, names) = (SocketAddr::from((ip, 5060)), NameServer::start(ip));
    let trunk = "[[trunk]]\nname = \"named\"\ndestination = \"moving.test:5060\"\n\
                 kind = \"carrier\"\n";
    let bench = Bench::with_demo();
    let (old, new) = (Peer::at(first, 5060), Peer::at(second, 5060));
    let served = bench.serve(&config(ip, names.at, trunk));
    let status = || {
        bench.run(&[
            "--config",
            &bench.path("served.toml").display().to_string(),
            "trunk",
            "status",
        ])
    };
    let until = |what: &str, seconds: usize, holds: &dyn Fn() -> bool| {
        for _ in 0..seconds * 2 {
            if holds() {
                return;
            }
            pause(Duration::from_millis(500));
        }
        panic!("{what}: {}{}", status().out, bench.log());
    };
    until("down without DNS", 20, &|| status().out.contains("no name server says where it is"));
    names.host("moving.test", first);
    until("found", 30, &|| !status().out.contains("no name server"));
    assert!(old.call(bridge, "old", "18005550199").starts_with("SIP/2.0 200"));
    assert!(new.call(bridge, "stranger", "18005550199").starts_with("SIP/2.0 403"));
    names.clear();
    names.host("moving.test", second);
    pause(Duration::from_secs(12));
    assert!(new.call(bridge, "new", "18005550199").starts_with("SIP/2.0 200"));
    names.clear();
    until("said", 30, &|| status().out.contains("moving.test:5060: name servers do not answer"));
    assert!(new.call(bridge, "still", "18005550199").starts_with("SIP/2.0 200"));
    let log = bench.log();
    assert_eq!(log.matches("where it led holds on").count(), 1, "{log}");
    drop(served);
}

#[test]
fn naptr_records_choose_the_transport() {
    let [ip, far] = [31, 32].map(own_address);
    let names = NameServer::start(ip);
    names.transport("choosy.test", "SIP+D2T", "_sip._tcp.choosy.test");
    names.server("_sip._tcp.choosy.test", 1, 5080, "far.choosy.test");
    names.server("_sip._udp.choosy.test", 1, 5080, "far.choosy.test");
    names.host("far.choosy.test", far);
    let trunk = "[[trunk]]\nname = \"named\"\ndestination = \"choosy.test\"\nping = \"1s\"\n";
    let udp = Peer::at(far, 5080);
    let listener = TcpListener::bind((far, 5080)).unwrap();
    let bench = Bench::with_demo();
    let served = bench.serve(&config(ip, names.at, trunk));
    let (mut stream, from) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut octets = [0; 2048];
    let length = stream.read(&mut octets).unwrap();
    let text = String::from_utf8_lossy(&octets[..length]).into_owned();
    assert!(text.starts_with("OPTIONS sip:choosy.test SIP/2.0\r\n"), "{text}");
    assert!(text.contains("Via: SIP/2.0/TCP "), "{text}");
    assert_eq!(from.ip(), IpAddr::from(ip));
    assert_eq!(udp.hear(), None);
    drop(served);
}
