//! Users that register with us, and call.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Out, Ua, parse};
use partyline_model::Time;
use partyline_sip::auth::{Authentication, Ha1, Hash, Login, Password};
use partyline_sip::message::{Message, Method, Name, StartLine, Status};
use partyline_sip::registrar::RegistrarLimits;
use partyline_sip::{ConnectionId, Dropped, Event, Flow, Realm, Transport, User, Users};
use zeroize::Zeroizing;

const REALM: &str = "phones.example";
const SECRET: &str = "zanzibar";
const SDP: &str = "v=0\r\n";

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn login(name: &str, secret: &str) -> Login {
    Login::new(name, password(secret)).expect("a plain name")
}

/// A user agent with two users, of whom everybody has to be one.
fn with_users() -> Ua {
    asking_by(&[Hash::Sha256, Hash::Md5])
}

/// How often telephones behind a NAT are asked whether they are there.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// The same, with these algorithms.
fn asking_by(hashes: &[Hash]) -> Ua {
    let mut ua = Ua::new();
    let user = |name: &str| User {
        name: name.into(),
        trunk: 0,
        ha1: Ha1::of(name, REALM, &password(SECRET)),
        most_bindings: 2,
    };
    let realm =
        Realm { name: REALM.into(), hashes: hashes.to_vec(), nat_keep_alive: Some(KEEP_ALIVE) };
    let realms = BTreeMap::from([(0, realm)]);
    let users = ["anna", "ben"].map(user);
    let key = Zeroizing::new([4; 32]);
    ua.endpoint.set_users(Users::new(realms, users, RegistrarLimits::default(), key));
    ua
}

/// A telephone, whose requests have rising numbers.
struct Phone {
    name: &'static str,
    login: Login,
    flow: Flow,
    /// What its Contact says.
    contact: String,
    sent: u32,
}

impl Phone {
    fn at(name: &'static str, address: &str) -> Self {
        let flow = Flow::udp(None, common::addr(address));
        let contact = format!("sip:{name}@{address}");
        Self { name, login: login(name, SECRET), flow, contact, sent: 0 }
    }

    /// Behind a NAT that lets it out by `address`.
    fn behind(name: &'static str, address: &str) -> Self {
        Self { contact: format!("sip:{name}@192.168.1.9:5060"), ..Self::at(name, address) }
    }

    /// By a connection.
    fn on(name: &'static str, address: &str, connection: u64) -> Self {
        let at = Flow::new(Transport::Tcp, common::addr(address));
        let flow = Flow { connection: Some(ConnectionId(connection)), ..at };
        Self { flow, ..Self::at(name, address) }
    }

    fn request(&mut self, method: &str, uri: &str, extra: &str, body: &str) -> Message {
        self.sent += 1;
        let Self { name, sent, flow, contact, .. } = &*self;
        let (at, by) = (flow.remote, if flow.connection.is_some() { "TCP" } else { "UDP" });
        let to = if method == "REGISTER" { name } else { "18005550142" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{by} {at};branch=z9hG4bK{name}{sent}\r\n\
             From: <sip:{name}@{REALM}>;tag=f{sent}\r\nTo: <sip:{to}@{REALM}>\r\n\
             Call-ID: {method}-{name}-{at}-{sent}\r\nCSeq: {sent} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <{contact}>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        parse(text.as_bytes())
    }

    fn send(&self, ua: &mut Ua, request: &Message) -> Out {
        ua.feed_by(self.flow, &String::from_utf8_lossy(&request.to_bytes()))
    }

    /// Sends a request and, when asked, once more with the answer; what came of it, and the request.
    fn ask(&mut self, ua: &mut Ua, method: &str, extra: &str, body: &str) -> (Out, Message) {
        let uri = format!("sip:{}{REALM}", if method == "REGISTER" { "" } else { "18005550142@" });
        let first = self.request(method, &uri, extra, body);
        let out = self.send(ua, &first);
        assert_eq!(status(&out), 401, "{:?}", out.lines());
        let mut authentication = Authentication::default();
        authentication.challenged(&self.login, &out.message(0)).expect("a challenge");
        let mut second = self.request(method, &uri, extra, body);
        authentication.authorize(&self.login, u128::from(self.sent), &mut second);
        (self.send(ua, &second), second)
    }

    fn register(&mut self, ua: &mut Ua) -> Out {
        self.ask(ua, "REGISTER", "Expires: 600\r\n", "").0
    }

    fn call(&mut self, ua: &mut Ua) -> Out {
        self.ask(ua, "INVITE", "Content-Type: application/sdp\r\n", SDP).0
    }
}

/// The status of the first message that went out.
fn status(out: &Out) -> u16 {
    match out.message(0).start {
        StartLine::Response { status, .. } => status.code(),
        StartLine::Request { .. } => 0,
    }
}

/// The user of the call that came in.
fn caller(out: &Out) -> Option<String> {
    out.events.iter().find_map(|event| {
        let Event::Invite(incoming) = event else { return None };
        incoming.user.as_deref().map(str::to_owned)
    })
}

fn bindings(ua: &Ua, name: &str) -> Vec<(String, Flow)> {
    let bindings = ua.endpoint.users().expect("users").bindings(name);
    bindings.iter().map(|binding| (binding.contact.to_string(), binding.flow)).collect()
}

#[test]
fn a_user_registers_after_he_was_asked_and_a_repetition_is_answered_alike() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let first = anna.request("REGISTER", "sip:phones.example", "", "");
    let asked = anna.send(&mut ua, &first).message(0);
    let challenges: Vec<_> = asked.headers.all(&Name::WwwAuthenticate).collect();
    assert!(challenges[0].as_str().contains("algorithm=SHA-256"), "{challenges:?}");
    assert!(challenges[1].as_str().contains("algorithm=MD5"), "{challenges:?}");
    assert_eq!(ua.endpoint.users().expect("users").registered(), 0);
    ua.assert_forgotten();

    let (out, request) = anna.ask(&mut ua, "REGISTER", "Expires: 600\r\n", "");
    assert_eq!(status(&out), 200);
    let contact = out.message(0).headers.text(&Name::Contact).map(str::to_owned);
    assert_eq!(contact.as_deref(), Some("<sip:anna@192.0.2.77:5070>;expires=600"));
    assert_eq!(bindings(&ua, "anna"), [("sip:anna@192.0.2.77:5070".to_owned(), anna.flow)]);
    let again = anna.send(&mut ua, &request);
    assert_eq!(again.message(0).to_bytes(), out.message(0).to_bytes(), "its nonce has served");
    ua.secs(599);
    assert_eq!(bindings(&ua, "anna").len(), 1);
    ua.secs(2);
    assert_eq!(bindings(&ua, "anna").len(), 0, "it ends by itself");
}

#[test]
fn who_is_no_user_is_asked_as_one_who_is_and_gets_nowhere() {
    let mut ua = with_users();
    let shape = |message: &Message| {
        let challenge = message.headers.text(&Name::WwwAuthenticate).expect("a challenge");
        let (before, after) = challenge.split_once("nonce=\"").expect("a nonce");
        (before.to_owned(), after[64..].to_owned())
    };
    let mut wrong = Phone { login: login("anna", "guess"), ..Phone::at("anna", "192.0.2.78:5060") };
    let mut nobody = Phone::at("nobody", "192.0.2.79:5060");
    let [wrong, nobody] = [&mut wrong, &mut nobody].map(|phone| phone.register(&mut ua));
    assert_eq!((status(&wrong), status(&nobody)), (401, 401));
    assert_eq!(shape(&wrong.message(0)), shape(&nobody.message(0)));
    let counts = ua.endpoint.users().expect("users").counts();
    assert_eq!((counts.asked, counts.wrong, counts.known), (2, 2, 0));
    assert_eq!(ua.endpoint.counters().of(Dropped::WrongPassword), 2);
    ua.assert_forgotten();
}

#[test]
fn a_call_is_taken_when_its_caller_has_proved_who_he_is() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let out = anna.call(&mut ua);
    assert_eq!(caller(&out).as_deref(), Some("anna"), "{:?}", out.lines());
    let mut wrong = Phone { login: login("ben", "guess"), ..Phone::at("ben", "192.0.2.78:5060") };
    let out = wrong.call(&mut ua);
    assert_eq!((status(&out), caller(&out)), (401, None));
    assert_eq!(ua.endpoint.dialogs(), 1);
}

#[test]
fn who_guesses_is_listened_to_no_more_but_others_are() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    anna.register(&mut ua);
    // Behind the same address as anna, who was right there.
    let mut guesser = Phone { login: login("ben", "guess"), ..Phone::at("ben", "192.0.2.77:5099") };
    for _ in 0..5 {
        ua.secs(1);
        assert_eq!(status(&guesser.register(&mut ua)), 401);
    }
    ua.secs(1);
    guesser.login = login("ben", SECRET);
    let out = guesser.register(&mut ua);
    assert_eq!(status(&out), 403, "not even when it is right");
    assert_eq!(out.refused[0].reason, Dropped::Guesser, "the log has it");
    assert_eq!(status(&anna.register(&mut ua)), 200, "she was right before");
    let mut ben = Phone::at("ben", "192.0.2.80:5060");
    assert_eq!(status(&ben.register(&mut ua)), 200, "from elsewhere");
    ua.secs(120);
    assert_eq!(status(&guesser.register(&mut ua)), 200);
}

#[test]
fn a_telephone_with_an_old_password_shuts_out_none_of_its_neighbours() {
    // After a start, of which nobody was right yet.
    let mut ua = with_users();
    let mut old = Phone { login: login("ben", "old"), ..Phone::at("ben", "192.0.2.77:5060") };
    for _ in 0..60 {
        ua.secs(20);
        let out = old.register(&mut ua);
        assert!(matches!(status(&out), 401 | 403), "{:?}", out.lines());
    }
    let wrong = ua.endpoint.users().expect("users").counts().wrong;
    assert_eq!(wrong, 5 + 9, "five, and one in two minutes");
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    assert_eq!(status(&anna.register(&mut ua)), 200);
}

#[test]
fn nobody_is_shut_out_by_answers_under_his_address() {
    let mut ua = with_users();
    let mut forger =
        Phone { login: login("anna", "guess"), ..Phone::at("anna", "198.51.100.1:5060") };
    // Whoever forges an address hears what his own is asked only.
    let first = forger.request("REGISTER", "sip:phones.example", "", "");
    let challenge = forger.send(&mut ua, &first).message(0);
    for n in 0..400 {
        ua.secs(1);
        let mut authentication = Authentication::default();
        authentication.challenged(&forger.login, &challenge).expect("a challenge");
        let mut request = forger.request("REGISTER", "sip:phones.example", "", "");
        authentication.authorize(&forger.login, n, &mut request);
        let forged = Phone::at("anna", "192.0.2.77:5070");
        assert_eq!(status(&forged.send(&mut ua, &request)), 401);
    }
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    assert_eq!(status(&anna.register(&mut ua)), 200);
    assert_eq!(ua.endpoint.users().expect("users").counts().wrong, 0);
}

#[test]
fn a_user_whom_the_world_guesses_at_is_open_in_his_network_and_where_others_are_right() {
    let mut ua = with_users();
    Phone::at("anna", "192.0.2.77:5070").register(&mut ua);
    Phone::at("ben", "203.0.113.9:5070").register(&mut ua);
    ua.secs(1);
    for n in 0..300 {
        ua.now += Duration::from_millis(20);
        let host = format!("10.{}.{}.1:5060", n >> 8, n & 255);
        Phone { login: login("anna", "guess"), ..Phone::at("anna", &host) }.register(&mut ua);
    }
    let mut register = |at: &str| status(&Phone::at("anna", at).register(&mut ua));
    assert_eq!(register("198.51.100.7:5060"), 403, "150 of the world were looked at");
    assert_eq!(register("192.0.2.78:5060"), 200, "her network");
    assert_eq!(register("203.0.113.9:5099"), 200, "where Ben is");
    ua.secs(6);
    let mut anna = Phone::at("anna", "198.51.100.7:5060");
    assert_eq!(status(&anna.register(&mut ua)), 200, "and elsewhere a little later");
}

#[test]
fn a_call_over_the_connection_of_a_binding_is_not_asked() {
    let mut ua = with_users();
    let mut anna = Phone::on("anna", "192.0.2.77:5070", 7);
    assert_eq!(status(&anna.register(&mut ua)), 200);
    let sdp = "Content-Type: application/sdp\r\n";
    let uri = "sip:18005550142@phones.example";
    let invite = anna.request("INVITE", uri, sdp, SDP);
    assert_eq!(caller(&anna.send(&mut ua, &invite)).as_deref(), Some("anna"));
    // Another name on it, and her name on another.
    let mut ben = Phone::on("ben", "192.0.2.77:5070", 7);
    let mut other = Phone::on("anna", "192.0.2.77:5071", 8);
    for phone in [&mut ben, &mut other] {
        let invite = phone.request("INVITE", uri, sdp, SDP);
        assert_eq!(status(&phone.send(&mut ua, &invite)), 401);
    }
    // A datagram proves nothing: its source may be forged.
    let mut carl = Phone::at("ben", "192.0.2.78:5060");
    assert_eq!(status(&carl.register(&mut ua)), 200);
    let invite = carl.request("INVITE", uri, sdp, SDP);
    assert_eq!(status(&carl.send(&mut ua, &invite)), 401);
    // And who takes bindings away says his password each time.
    let bye = anna.request("REGISTER", "sip:phones.example", "Expires: 0\r\n", "");
    assert_eq!(status(&anna.send(&mut ua, &bye)), 401);
    ua.endpoint.handle_closed(ua.now, anna.flow);
    assert_eq!(bindings(&ua, "anna"), [], "nobody is there any more");
    assert_eq!(bindings(&ua, "ben").len(), 1);
}

#[test]
fn who_knew_the_password_before_has_to_know_the_new_one_and_is_called_meanwhile() {
    let mut ua = with_users();
    let mut anna = Phone::on("anna", "192.0.2.77:5070", 3);
    anna.register(&mut ua);
    let users = ua.endpoint.users_mut().expect("users");
    users.set_ha1("anna", Ha1::of("anna", REALM, &password("rubicon")));
    users.set_ha1("nobody", Ha1::of("nobody", REALM, &password("rubicon")));
    assert_eq!(bindings(&ua, "anna").len(), 1, "she is called where she is");
    assert_eq!(status(&anna.call(&mut ua)), 401, "though it is the connection of her binding");
    assert_eq!(status(&anna.register(&mut ua)), 401);
    for _ in 2..5 {
        ua.secs(1);
        anna.register(&mut ua);
    }
    ua.secs(1);
    let mut guesser = Phone::at("anna", "192.0.2.77:5071");
    guesser.login = login("anna", "rubicon");
    assert_eq!(status(&guesser.register(&mut ua)), 403, "she was right here by the old one only");
    let mut ben = Phone::at("ben", "192.0.2.78:5070");
    assert_eq!(status(&ben.register(&mut ua)), 200, "his is as it was");
    let mut anna = Phone::on("anna", "192.0.2.79:5070", 4);
    anna.login = login("anna", "rubicon");
    assert_eq!(status(&anna.register(&mut ua)), 200);
    let call = anna.request(
        "INVITE",
        "sip:18005550142@phones.example",
        "Content-Type: application/sdp\r\n",
        SDP,
    );
    assert_eq!(caller(&anna.send(&mut ua, &call)).as_deref(), Some("anna"), "not asked any more");
}

#[test]
fn strangers_leave_nothing_behind_however_many_there_are() {
    let mut ua = with_users();
    for n in 0..2_000_u32 {
        ua.now = Time::from_millis(u64::from(n) * 20);
        let host = format!("10.{}.{}.9:5060", n >> 8, n & 255);
        let mut phone = Phone::at("anna", &host);
        let (method, sdp) = if n % 2 == 0 { ("REGISTER", "") } else { ("INVITE", SDP) };
        let request = phone.request(method, "sip:phones.example", "", sdp);
        phone.send(&mut ua, &request);
    }
    let users = ua.endpoint.users().expect("users");
    assert_eq!((users.registered(), ua.endpoint.dialogs()), (0, 0));
    ua.assert_forgotten();
}

#[test]
fn an_answer_for_another_number_is_refused_and_calls_nobody() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let sdp = "Content-Type: application/sdp\r\n";
    let first = anna.request("INVITE", "sip:18005550142@phones.example", sdp, SDP);
    let asked = anna.send(&mut ua, &first).message(0);
    let mut authentication = Authentication::default();
    authentication.challenged(&anna.login, &asked).expect("a challenge");
    let mut signed = anna.request("INVITE", "sip:18005550142@phones.example", sdp, SDP);
    authentication.authorize(&anna.login, 7, &mut signed);
    let answer = signed.headers.text(&Name::Authorization).expect("an answer");
    let answer = format!("Authorization: {answer}\r\n{sdp}");
    let other = anna.request("INVITE", "sip:19005550100@phones.example", &answer, SDP);
    let out = anna.send(&mut ua, &other);
    assert_eq!((status(&out), caller(&out)), (400, None));
    assert_eq!(out.refused[0].phrase, Some("Credentials For Another Request-URI"));
    // The same, to our address and not to the domain: a proxy may have written that.
    let forwarded = anna.request("INVITE", "sip:18005550142@192.0.2.1", &answer, SDP);
    assert_eq!(caller(&anna.send(&mut ua, &forwarded)).as_deref(), Some("anna"));
}

#[test]
fn only_the_algorithms_of_the_trunk_are_offered_and_taken() {
    let mut ua = asking_by(&[Hash::Md5]);
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let (out, mut request) = anna.ask(&mut ua, "REGISTER", "Expires: 600\r\n", "");
    assert_eq!(status(&out), 200);
    assert!(request.headers.text(&Name::Authorization).is_some_and(|a| a.contains("=MD5")));
    // The same user, who answers by what was not offered.
    let mut ua = asking_by(&[Hash::Sha256]);
    request = anna.request("REGISTER", "sip:phones.example", "", "");
    let asked = anna.send(&mut ua, &request).message(0);
    assert_eq!(asked.headers.all(&Name::WwwAuthenticate).count(), 1);
    let mut md5 = Message::response(Status::UNAUTHORIZED);
    let challenge = asked.headers.text(&Name::WwwAuthenticate).expect("a challenge");
    md5.headers.add(Name::WwwAuthenticate, challenge.replace("SHA-256", "MD5"));
    let mut authentication = Authentication::default();
    authentication.challenged(&anna.login, &md5).expect("a challenge");
    let mut again = anna.request("REGISTER", "sip:phones.example", "", "");
    authentication.authorize(&anna.login, 7, &mut again);
    assert_eq!(status(&anna.send(&mut ua, &again)), 401);
}

/// The OPTIONS that went out in so many seconds, each with the second; those to `answers` are answered.
fn asked(ua: &mut Ua, seconds: u64, answers: Option<Flow>) -> Vec<(u64, Message)> {
    let mut asked = Vec::new();
    for tenth in 1..=10 * seconds {
        let out = ua.run(Duration::from_millis(100));
        for index in 0..out.sent.len() {
            let message = out.message(index);
            let StartLine::Request { method: Method::Options, .. } = &message.start else {
                panic!("{:?}", out.lines())
            };
            if let Some(flow) = answers.filter(|flow| *flow == out.sent[index].flow) {
                let copied = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
                let mut ok = Message::response(Status::OK);
                for (name, value) in message.headers.iter().filter(|(n, _)| copied.contains(n)) {
                    ok.headers.push(name.clone(), value.clone());
                }
                ua.feed_by(flow, &String::from_utf8_lossy(&ok.to_bytes()));
            }
            asked.push((tenth / 10, message));
        }
    }
    asked
}

#[test]
fn a_telephone_behind_a_nat_is_asked_again_before_the_nat_forgets_it() {
    let mut ua = with_users();
    let mut anna = Phone::behind("anna", "203.0.113.7:40000");
    anna.register(&mut ua);
    let asked = asked(&mut ua, 300, Some(anna.flow));
    let mut last = 0;
    for (second, message) in &asked {
        assert!((10..=26).contains(&(second - last)), "asked at {second} after {last}");
        last = *second;
        let StartLine::Request { uri, .. } = &message.start else { panic!("a response") };
        assert_eq!(&**uri, "sip:anna@192.168.1.9:5060");
        assert_eq!(message.headers.text(&Name::CSeq), Some("1 OPTIONS"));
    }
    assert!(asked.len() >= 12, "{} in five minutes", asked.len());
    ua.secs(301);
    assert_eq!(bindings(&ua, "anna").len(), 0, "its time is over");
    ua.assert_forgotten();
}

#[test]
fn who_does_not_answer_stays_registered_and_is_asked_more_rarely() {
    let mut ua = with_users();
    let mut anna = Phone::behind("anna", "203.0.113.7:40000");
    anna.register(&mut ua);
    let asked = asked(&mut ua, 590, None);
    assert_eq!(bindings(&ua, "anna").len(), 1);
    let mut calls: Vec<_> =
        asked.iter().filter_map(|(_, m)| m.headers.text(&Name::CallId)).collect();
    calls.dedup();
    // Three within a minute each, then one in two to three minutes, each repeated for 32 s.
    assert!((5..=7).contains(&calls.len()), "{} times", calls.len());
    assert!(asked.len() <= 11 * calls.len(), "{} datagrams", asked.len());
    // The telephone itself opens the way again.
    anna.register(&mut ua);
    assert!(!self::asked(&mut ua, 26, None).is_empty());
}

#[test]
fn nobody_else_is_asked_whether_he_is_there() {
    let mut ua = with_users();
    // One that is met where it says that it is, one by a connection, and one who proved nothing.
    Phone::at("anna", "192.0.2.77:5070").register(&mut ua);
    let mut ben = Phone::on("ben", "192.0.2.78:5071", 7);
    ben.contact = "sip:ben@192.168.1.9:5060".to_owned();
    ben.register(&mut ua);
    let mut stranger = Phone::behind("ben", "203.0.113.7:40000");
    let request = stranger.request("REGISTER", "sip:phones.example", "Expires: 600\r\n", "");
    stranger.send(&mut ua, &request);
    assert!(asked(&mut ua, 200, None).is_empty());
}

#[test]
fn a_telephone_that_registers_again_is_asked_once_and_not_where_it_was() {
    let mut ua = with_users();
    let mut anna = Phone::behind("anna", "203.0.113.7:40000");
    anna.register(&mut ua);
    ua.secs(5);
    anna.flow = Flow::udp(None, common::addr("203.0.113.7:41111"));
    anna.register(&mut ua);
    let asked = asked(&mut ua, 26, Some(anna.flow));
    assert_eq!(asked.len(), 1, "the place before has gone");
}

#[test]
fn a_passcode_that_is_dialled_with_the_number_is_in_the_digest_and_in_no_text() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let sdp = "Content-Type: application/sdp\r\n";
    let dialled = |pin: &str| StartLine::Request {
        method: Method::Invite,
        uri: format!("sip:18005550142@{REALM};pin={pin}").into(),
    };
    let first = anna.request("INVITE", "sip:18005550142@phones.example", sdp, SDP);
    let asked = anna.send(&mut ua, &first).message(0);
    let mut authentication = Authentication::default();
    authentication.challenged(&anna.login, &asked).expect("a challenge");
    let mut signed = anna.request("INVITE", "sip:18005550142@phones.example", sdp, SDP);
    signed.start = dialled("11240947");
    authentication.authorize(&anna.login, 7, &mut signed);
    let text = String::from_utf8_lossy(&signed.to_bytes()).into_owned();
    assert_eq!(text.matches("11240947").count(), 2, "in the Request-URI and in the answer: {text}");
    // Another passcode than the one that was signed.
    let mut other = parse(text.as_bytes());
    other.start = dialled("11240948");
    let answer = signed.headers.text(&Name::Authorization).expect("an answer");
    other.headers.remove(&Name::Authorization);
    other.headers.add(Name::Authorization, answer);
    let out = anna.send(&mut ua, &other);
    assert_eq!((status(&out), caller(&out)), (400, None), "{:?}", out.lines());
    let out = anna.send(&mut ua, &signed);
    assert_eq!(caller(&out).as_deref(), Some("anna"), "{:?}", out.lines());
    let kept = format!("{:?} {:?}", parse(text.as_bytes()), out.lines());
    assert!(!kept.contains("11240947"), "{kept}");
}

#[test]
fn a_registration_may_require_that_its_path_is_kept_and_a_call_may_not() {
    let mut ua = with_users();
    let mut anna = Phone::at("anna", "192.0.2.77:5070");
    let path = "Supported: path\r\nRequire: path\r\nPath: <sip:edge.example;lr>\r\n";
    let (out, _) = anna.ask(&mut ua, "REGISTER", path, "");
    assert_eq!(status(&out), 200, "{:?}", out.lines());
    assert_eq!(out.message(0).headers.text(&Name::Path), Some("<sip:edge.example;lr>"));
    let call = anna.request("INVITE", "sip:18005550142@phones.example", path, "");
    let out = anna.send(&mut ua, &call);
    assert_eq!(status(&out), 420);
    assert_eq!(out.message(0).headers.text(&Name::Unsupported), Some("path"));
}
