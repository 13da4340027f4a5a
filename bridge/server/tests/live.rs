//! `partyline room` and the socket behind it, asked of a bridge that runs, by the built program.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::{Bench, own_address, pause};
use serde_json::{Value, json};

/// A telephone that answers nothing but what it asked for.
struct Phone {
    socket: UdpSocket,
    bridge: SocketAddr,
}

impl Phone {
    fn at(ip: Ipv4Addr, bridge: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip, 5060)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, bridge }
    }

    fn wait_for(&self, beginning: &str) -> String {
        loop {
            let mut octets = [0; 4096];
            let length = self.socket.recv(&mut octets).expect(beginning);
            let message = String::from_utf8_lossy(&octets[..length]).into_owned();
            if message.starts_with(beginning) {
                return message;
            }
        }
    }

    /// Calls with a passcode in the called address, and acknowledges the answer.
    fn call(&self, passcode: &str) {
        let (here, at) = (self.socket.local_addr().unwrap(), self.bridge);
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n",
            here.ip()
        );
        let request = |method: &str, uri: &str, to: &str, body: &str| {
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{here}\r\n\
                 From: <sip:+14165550123@{here}>;tag=1\r\n{to}\r\nCall-ID: {here}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:{here}>\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let uri = format!("sip:18005550199;pin={passcode}@{}", at.ip());
        let to = format!("To: <sip:18005550199@{}>", at.ip());
        let invite = request("INVITE", &uri, &to, &sdp);
        self.socket.send_to(invite.as_bytes(), at).unwrap();
        let ok = self.wait_for("SIP/2.0 200");
        let header = |name: &str| ok.lines().find(|line| line.starts_with(name)).unwrap();
        let contact = header("Contact: ").split(['<', '>']).nth(1).unwrap();
        let ack = request("ACK", contact, header("To: "), "");
        self.socket.send_to(ack.as_bytes(), at).unwrap();
    }
}

/// A client of the socket.
struct Client {
    write: UnixStream,
    read: BufReader<UnixStream>,
}

impl Client {
    fn connect(bench: &Bench) -> Self {
        let write = UnixStream::connect(bench.data().join("live.sock")).unwrap();
        write.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let read = BufReader::new(write.try_clone().unwrap());
        let mut client = Self { write, read };
        assert_eq!(client.hear()["partyline"], 1);
        client
    }

    fn say(&mut self, line: &str) {
        self.write.write_all(line.as_bytes()).unwrap();
        self.write.write_all(b"\n").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.hear()
    }

    /// The next event of this type; those before it are kept.
    fn event(&mut self, kind: &str, seen: &mut Vec<Value>) -> Value {
        loop {
            let event = self.hear()["event"].take();
            assert!(event.is_object(), "an event is expected: {event}");
            seen.push(event.clone());
            if event["type"] == kind {
                return event;
            }
        }
    }
}

fn config(ip: Ipv4Addr, phones: [Ipv4Addr; 2]) -> String {
    let [one, other] = phones;
    format!(
        "[sip]\nlisten = [\"{ip}:5060\"]\n[media]\naddress = \"{ip}\"\n\
         [http]\nlisten = \"{ip}:9060\"\n[[trunk]]\nname = \"phones\"\n\
         sources = [\"{one}/32\", \"{other}/32\"]\nkind = \"carrier\"\n"
    )
}

fn passcode(bench: &Bench, role: &str) -> String {
    let shown = bench.ok(&["passcode", "show", "1"]);
    let line = shown.lines().find(|line| line.contains(role)).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

fn shown(bench: &Bench) -> Value {
    serde_json::from_str(&bench.ok(&["room", "show", "1", "--json"])).unwrap()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..100 {
        if holds() {
            return;
        }
        pause(Duration::from_millis(100));
    }
    panic!("{what} within ten seconds");
}

#[test]
fn a_conference_is_seen_steered_and_followed_from_outside() {
    let [ip, first, second] = [41, 42, 43].map(own_address);
    let at = SocketAddr::from((ip, 5060));
    let bench = Bench::with_demo();
    assert!(bench.fails(&["room", "list"]).contains("no bridge answers"), "none runs");
    let [moderator, participant] = ["moderator", "participant"].map(|role| passcode(&bench, role));
    let bridge = bench.serve(&config(ip, [first, second]));
    let mode = std::fs::metadata(bench.data().join("live.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "who asks learns numbers, and steers");
    assert!(bench.fails(&["room", "show", "1"]).contains("not in session"));

    let (anna, ben) = (Phone::at(first, at), Phone::at(second, at));
    anna.call(&moderator);
    until("the moderator is in", || bench.ok(&["room", "list"]).contains("live"));
    let mut client = Client::connect(&bench);
    assert_eq!(client.ask(r#"{"id":9,"command":"watch"}"#), json!({ "id": 9, "ok": {} }));
    let mut seen = Vec::new();
    ben.call(&participant);
    let joined = client.event("leg.joined", &mut seen);
    assert!(seen.iter().any(|event| event["type"] == "leg.created"));

    // What the socket tells and the program shows is one and the same.
    let page = shown(&bench);
    let leg = page["legs"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!((&joined["leg"], &page["legs"][1]["state"]), (&json!(leg), &json!("in")));
    assert_eq!(page["legs"][1]["number"], "1416•••••23", "masked, unless it is wanted whole");
    assert!(bench.ok(&["room", "show", "1", "--full"]).contains("14165550123"));
    let session = page["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(page["session"]["legs_now"], 2);

    bench.ok(&["room", "lock", "1"]);
    let locked = client.event("session.locked", &mut seen);
    let user = rustix::process::getuid().as_raw();
    assert_eq!(locked["actor"], json!({ "kind": "operator", "id": user }));
    assert_eq!((&locked["session"], &locked["leg"]), (&json!(session), &Value::Null));
    assert_eq!(shown(&bench)["session"]["locked"], true);
    bench.ok(&["room", "mute", &leg[leg.len() - 6..]]);
    assert_eq!(client.event("mute.moderator", &mut seen)["target"], json!(leg));
    assert_eq!(shown(&bench)["legs"][1]["muted"]["moderator"], true);
    bench.ok(&["room", "unmute", &leg]);
    bench.ok(&["room", "mode", &session, "questions"]);
    let mode = client.event("session.mode", &mut seen);
    assert_eq!(
        (&mode["data"]["from"], &mode["data"]["to"]),
        (&json!("conversation"), &json!("questions"))
    );

    // Refusals have their word, and leave an event too.
    assert!(bench.fails(&["room", "record", "1", "pause"]).contains("(state_refused)"));
    let denied = client.event("feature.denied", &mut seen);
    assert_eq!(
        (&denied["data"]["code"], &denied["data"]["reason"]),
        (&json!("record_pause"), &json!("state"))
    );
    assert!(bench.fails(&["room", "dial", "1", "2125550100"]).contains("(barred)"));
    assert!(bench.ok(&["room", "dial", "1", "4165550123"]).starts_with("calling: leg_"));
    let dialled = client.event("dialout.started", &mut seen);
    assert_eq!(dialled["data"]["number"], "1416•••••23");
    bench.ok(&["room", "drop", &leg]);
    ben.wait_for("BYE ");

    bench.ok(&["room", "end", "1"]);
    anna.wait_for("BYE ");
    client.event("session.ended", &mut seen);
    let of_session = seen.iter().filter(|event| event["session"] == json!(session));
    let numbers: Vec<u64> = of_session.filter_map(|event| event["seq"].as_u64()).collect();
    let gapless = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    assert!(numbers.len() > 8 && gapless, "{numbers:?}");
    let ends = seen.iter().filter(|it| it["type"] == "leg.ended" && it["leg"] == json!(leg));
    assert_eq!(ends.count(), 1, "a leg ends once");
    until("it is over", || !bench.ok(&["room", "list"]).contains("ses_"));
    drop(bridge);
}

#[test]
fn what_is_no_request_is_refused_and_too_long_a_line_ends_the_connection() {
    let ip = own_address(44);
    let bench = Bench::with_demo();
    let _bridge = bench.serve(&config(ip, [own_address(45), own_address(46)]));
    let mut client = Client::connect(&bench);
    let cases = [
        ("not json", 0, "invalid"),
        (r#"{"id":3,"command":"sessions","more":1}"#, 3, "invalid"),
        (r#"{"id":4,"command":"lock","session":"ses_00000000000000000000000001"}"#, 4, "not_found"),
        (r#"{"id":5,"command":"drop","leg":"leg_00000000000000000000000001"}"#, 5, "not_found"),
    ];
    for (line, id, code) in cases {
        let answer = client.ask(line);
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(code)), "{line}");
    }
    // Two in one piece are two.
    client.say("{\"id\":6,\"command\":\"sessions\"}\n{\"id\":7,\"command\":\"sessions\"}");
    for id in [6, 7] {
        assert_eq!(client.hear(), json!({ "id": id, "ok": { "sessions": [] } }));
    }
    client.write.write_all(&[b'x'; 20 << 10]).unwrap();
    assert_eq!(client.hear()["end"]["code"], "invalid");
    assert_eq!(client.read.read_line(&mut String::new()).unwrap_or_default(), 0, "it is closed");
    // There are only so many connections, and who is one too many hears so.
    let held: Vec<Client> = (0..16).map(|_| Client::connect(&bench)).collect();
    let one_more = UnixStream::connect(bench.data().join("live.sock")).unwrap();
    let mut line = String::new();
    BufReader::new(one_more).read_line(&mut line).unwrap();
    assert!(line.contains("capacity"), "{line}");
    drop(held);
    until("places are free again", || bench.run(&["room", "list"]).code == Some(0));
}
