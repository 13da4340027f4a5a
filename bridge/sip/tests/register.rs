//! A registration of ours, against a registrar that the test plays and against our own.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use common::Counting;
use partyline_model::Time;
use partyline_sip::auth::{
    Asked, Ha1, Login, NonceLimits, Password, Place, Unanswerable, Unverified, Verifier,
};
use partyline_sip::message::{Envelope, Message, Name, Status, Uri};
use partyline_sip::register::{DownReason, RegisterConfig, RegisterOutput, Registration};
use partyline_sip::registrar::{Registrar, RegistrarLimits};
use zeroize::Zeroizing;

const CONTACT: &str = "sip:tok3n@203.0.113.5:5060";

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

fn config() -> RegisterConfig {
    RegisterConfig::new(
        uri("sip:1234567t0@carrier.example"),
        uri("sip:carrier.example"),
        uri(CONTACT),
    )
}

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn login(secret: &str) -> Arc<Login> {
    Arc::new(Login::new("1234567t0", password(secret)).expect("a plain name"))
}

/// A registration under virtual time, and what it did.
struct Line {
    registration: Registration,
    now: Time,
}

/// What came out after an input.
#[derive(Debug, PartialEq)]
enum Out {
    Sent(usize),
    Up(usize),
    Down(DownReason),
    Stopped,
}

impl Line {
    fn new(config: RegisterConfig, login: Option<Arc<Login>>, seed: u128) -> Self {
        let registration = Registration::new(config, login, Box::new(Counting(seed)));
        Self { registration, now: Time::from_secs(1) }
    }

    /// A registration that has sent its first request.
    fn started(targets: usize) -> (Self, Message) {
        let mut line = Self::new(config(), None, 7);
        line.registration.start(targets);
        let request = line.sent(0);
        (line, request)
    }

    fn poll(&mut self) -> (Vec<Out>, Option<Message>) {
        let (mut outs, mut sent) = (Vec::new(), None);
        while let Some(output) = self.registration.poll_output() {
            outs.push(match output {
                RegisterOutput::Send { request, target } => {
                    assert!(sent.replace(request).is_none(), "one request at a time");
                    Out::Sent(target)
                }
                RegisterOutput::Up { target } => Out::Up(target),
                RegisterOutput::Down(reason) => Out::Down(reason),
                RegisterOutput::Stopped => Out::Stopped,
            });
        }
        (outs, sent)
    }

    fn outs(&mut self) -> Vec<Out> {
        self.poll().0
    }

    /// The one request that went out, and nothing else.
    fn sent(&mut self, target: usize) -> Message {
        let (outs, sent) = self.poll();
        assert_eq!(outs, [Out::Sent(target)]);
        sent.expect("a request")
    }

    fn respond(&mut self, status: Status, headers: &[(Name, &str)]) {
        let mut response = Message::response(status);
        for (name, text) in headers {
            response.headers.add(name.clone(), *text);
        }
        self.registration.handle_response(self.now, &response);
    }

    fn grant(&mut self, seconds: u32) {
        self.respond(Status::OK, &[(Name::Contact, &format!("<{CONTACT}>;expires={seconds}"))]);
    }

    fn fail(&mut self) {
        self.registration.handle_failure(self.now);
    }

    /// Goes on to when something is due, and says how long that was.
    fn wait(&mut self) -> f64 {
        let next = self.registration.poll_timeout().expect("it waits for something");
        let waited = next.since(self.now);
        self.now = self.now.max(next);
        self.registration.handle_timeout(self.now);
        waited.as_secs_f64()
    }
}

#[test]
fn a_register_binds_the_token_to_the_account() {
    let (mut line, request) = Line::started(1);
    let text = String::from_utf8(request.to_bytes()).expect("text");
    assert!(text.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"), "{text}");
    for header in [
        "To: <sip:1234567t0@carrier.example>\r\n",
        "From: <sip:1234567t0@carrier.example>;tag=",
        "Contact: <sip:tok3n@203.0.113.5:5060>\r\n",
        "Expires: 600\r\n",
        "CSeq: 1 REGISTER\r\n",
        "Supported: path\r\n",
    ] {
        assert!(text.contains(header), "{header} in {text}");
    }
    assert_eq!(line.registration.bound_at(), None);
    let routes = [
        (Name::Contact, "<sip:tok3n@10.0.0.1>;expires=300, <sip:other@h>;expires=9"),
        (Name::ServiceRoute, "<sip:edge.carrier.example;lr>"),
        (Name::Path, "<sip:p.carrier.example;lr>"),
    ];
    line.respond(Status::OK, &routes);
    assert_eq!(line.outs(), [Out::Up(0)]);
    assert_eq!(line.registration.bound_until(), Some(line.now + Duration::from_secs(300)));
    let routes = line.registration.routes().expect("a binding");
    assert_eq!(routes.service, [uri("sip:edge.carrier.example;lr")]);
    assert_eq!(routes.path, [uri("sip:p.carrier.example;lr")]);
    // The refresh is the same registration, with the next CSeq, and says nothing new.
    line.wait();
    let again = line.sent(0);
    assert_eq!(again.headers.text(&Name::CallId), request.headers.text(&Name::CallId));
    assert_eq!(again.headers.text(&Name::From), request.headers.text(&Name::From));
    assert_eq!(again.headers.text(&Name::CSeq), Some("2 REGISTER"));
    line.grant(300);
    assert_eq!(line.outs(), []);
}

#[test]
fn refreshes_come_after_half_to_nine_tenths_of_what_was_granted() {
    let mut waits = Vec::new();
    for seed in 1..40 {
        let mut line = Line::new(config(), None, seed);
        line.registration.start(1);
        line.sent(0);
        line.grant(1_000);
        waits.push(line.wait());
        line.outs();
    }
    assert!(waits.iter().all(|wait| (500.0..=900.0).contains(wait)), "{waits:?}");
    let spread = |low: f64, high: f64| waits.iter().any(|wait| (low..high).contains(wait));
    assert!(spread(500.0, 600.0) && spread(800.0, 900.0), "they are spread: {waits:?}");
    // However little is granted, the registrar is not flooded.
    let (mut line, _) = Line::started(1);
    line.grant(1);
    assert_eq!(line.outs(), [Out::Up(0)]);
    assert!((line.wait() - 1.0).abs() < 0.01);
    assert_eq!(line.outs(), [Out::Down(DownReason::Expired)], "it was no longer");
    assert!((line.wait() - 4.0).abs() < 0.01);
    line.sent(0);
}

#[test]
fn a_time_that_is_too_brief_is_made_longer_once_and_kept() {
    let (mut line, _) = Line::started(1);
    line.respond(Status::INTERVAL_TOO_BRIEF, &[(Name::MinExpires, "1800")]);
    let request = line.sent(0);
    assert_eq!(request.headers.text(&Name::Expires), Some("1800"));
    assert_eq!(request.headers.text(&Name::CSeq), Some("2 REGISTER"));
    line.respond(Status::OK, &[(Name::Expires, "1800")]);
    line.outs();
    line.wait();
    assert_eq!(line.sent(0).headers.text(&Name::Expires), Some("1800"));
    // A registrar that wants ever more, or no more than it was offered, is not followed.
    for min in ["1800", "100", "", "99999999"] {
        let (mut line, _) = Line::started(1);
        line.respond(Status::INTERVAL_TOO_BRIEF, &[(Name::MinExpires, "1800")]);
        line.sent(0);
        line.respond(Status::INTERVAL_TOO_BRIEF, &[(Name::MinExpires, min)]);
        let refused = Out::Down(DownReason::Rejected(Status::INTERVAL_TOO_BRIEF));
        assert_eq!(line.outs(), [refused], "{min}");
    }
    let (mut line, _) = Line::started(1);
    for min in ["700", "800"] {
        line.respond(Status::INTERVAL_TOO_BRIEF, &[(Name::MinExpires, min)]);
        line.sent(0);
    }
    line.respond(Status::INTERVAL_TOO_BRIEF, &[(Name::MinExpires, "900")]);
    let refused = DownReason::Rejected(Status::INTERVAL_TOO_BRIEF);
    assert_eq!(line.outs(), [Out::Down(refused)], "it has an end");
}

#[test]
fn every_target_is_asked_before_it_waits_longer_and_longer() {
    let (mut line, _) = Line::started(3);
    line.fail();
    line.sent(1);
    line.respond(Status::SERVICE_UNAVAILABLE, &[]);
    line.sent(2);
    line.respond(Status::REQUEST_TIMEOUT, &[]);
    let down = DownReason::Unreachable(Some(Status::REQUEST_TIMEOUT));
    assert_eq!(line.outs(), [Out::Down(down)]);
    let mut longest = 30.0;
    for round in 0..10 {
        let waited = line.wait();
        assert!((longest / 2.0..=longest).contains(&waited), "round {round}: {waited}");
        longest = f64::min(longest * 2.0, 1_800.0);
        for target in 0..3 {
            line.sent(target);
            line.respond(Status::REQUEST_TIMEOUT, &[]);
        }
        assert_eq!(line.outs(), [], "it was said");
    }
    // The second target is there again: it is up at once, and the next failure waits briefly.
    line.wait();
    line.sent(0);
    line.fail();
    line.sent(1);
    line.grant(600);
    assert_eq!(line.outs(), [Out::Up(1)]);
    assert_eq!(line.registration.bound_at(), Some(1));
}

#[test]
fn a_binding_stands_while_its_refresh_fails_and_moves_with_the_target() {
    let (mut line, _) = Line::started(2);
    line.grant(600);
    assert_eq!(line.outs(), [Out::Up(0)]);
    line.wait();
    line.sent(0);
    line.fail();
    line.sent(1);
    line.grant(600);
    assert_eq!(line.outs(), [Out::Up(1)], "moved");
    // Both die: up until the grant ends, then down, said once.
    line.wait();
    let mut outs = Vec::new();
    let granted = line.registration.bound_until().expect("bound");
    while outs.is_empty() {
        let (mut more, sent) = line.poll();
        more.retain(|out| !matches!(out, Out::Sent(_)));
        outs.extend(more);
        if sent.is_some() {
            line.fail();
        } else if outs.is_empty() {
            line.wait();
        }
    }
    assert_eq!(outs, [Out::Down(DownReason::Expired)]);
    assert_eq!(line.now, granted);
}

#[test]
fn a_refusal_takes_the_binding_down_and_is_not_asked_for_soon_again() {
    let (mut line, _) = Line::started(2);
    line.grant(600);
    line.outs();
    line.wait();
    line.sent(0);
    line.respond(Status::FORBIDDEN, &[]);
    let down = DownReason::Rejected(Status::FORBIDDEN);
    assert_eq!(line.outs(), [Out::Down(down)], "no other target is asked");
    assert_eq!(line.registration.bound_at(), None);
    let waited = line.wait();
    assert!((60.0..=120.0).contains(&waited), "{waited}");
    line.sent(0);
    line.respond(Status::FORBIDDEN, &[(Name::RetryAfter, "1000 (maintenance);duration=9")]);
    assert_eq!(line.outs(), []);
    let waited = line.wait();
    assert!((waited - 1_000.0).abs() < 0.01, "{waited}");
    line.sent(0);
    // A yes that binds nothing is a no.
    line.grant(0);
    assert_eq!(line.outs(), [Out::Down(DownReason::NotGranted)]);
}

#[test]
fn a_challenge_without_a_login_is_a_refusal() {
    let (mut line, _) = Line::started(1);
    let challenge = [(Name::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\"")];
    line.respond(Status::UNAUTHORIZED, &challenge);
    assert_eq!(line.outs(), [Out::Down(DownReason::Rejected(Status::UNAUTHORIZED))]);
}

#[test]
fn two_realms_are_answered_and_a_wrong_password_ends() {
    let mut line = Line::new(config(), Some(login("zanzibar")), 7);
    line.registration.start(1);
    line.sent(0);
    let proxy = [(Name::ProxyAuthenticate, "Digest realm=\"edge\", nonce=\"p\", qop=\"auth\"")];
    line.respond(Status::PROXY_AUTHENTICATION_REQUIRED, &proxy);
    let request = line.sent(0);
    assert!(request.headers.text(&Name::ProxyAuthorization).is_some());
    let ask = |nonce: &str| format!("Digest realm=\"BroadWorks\", nonce=\"{nonce}\"");
    line.respond(Status::UNAUTHORIZED, &[(Name::WwwAuthenticate, &ask("1"))]);
    let request = line.sent(0);
    assert!(
        request.headers.text(&Name::ProxyAuthorization).is_some_and(|a| a.contains("nc=00000002"))
    );
    assert!(request.headers.text(&Name::Authorization).is_some());
    assert_eq!(request.headers.text(&Name::CSeq), Some("3 REGISTER"));
    line.respond(Status::UNAUTHORIZED, &[(Name::WwwAuthenticate, &ask("1"))]);
    let down = Out::Down(DownReason::Unauthorized(Unanswerable::Refused));
    assert_eq!(line.outs(), [down]);
    let waited = line.wait();
    assert!((60.0..=120.0).contains(&waited), "{waited}");
    // It begins anew, unasked for a nonce that is known.
    let request = line.sent(0);
    assert!(request.headers.text(&Name::Authorization).is_none());
}

#[test]
fn goodbye_takes_the_binding_back_where_it_was_made() {
    let (mut line, _) = Line::started(2);
    line.fail();
    line.sent(1);
    line.grant(600);
    line.outs();
    line.wait();
    for target in [1, 0] {
        line.sent(target);
        line.fail();
    }
    line.registration.stop(line.now);
    let request = line.sent(1);
    assert_eq!(request.headers.text(&Name::Expires), Some("0"));
    assert_eq!(request.headers.text(&Name::Contact), Some("<sip:tok3n@203.0.113.5:5060>"));
    line.respond(Status::OK, &[]);
    assert_eq!(line.outs(), [Out::Stopped]);
    assert_eq!(line.registration.poll_timeout(), None);
    line.registration.start(1);
    line.registration.stop(line.now);
    assert_eq!(line.outs(), [], "it is over");

    // Nobody answers: not longer than 4 s.
    let (mut line, _) = Line::started(1);
    line.grant(600);
    line.outs();
    line.registration.stop(line.now);
    line.sent(0);
    assert!((line.wait() - 4.0).abs() < 0.01);
    assert_eq!(line.outs(), [Out::Stopped]);

    // A request is out: what it binds is taken back.
    let (mut line, _) = Line::started(1);
    line.registration.stop(line.now);
    assert_eq!(line.outs(), []);
    line.grant(600);
    let request = line.sent(0);
    assert_eq!(request.headers.text(&Name::Expires), Some("0"));
    line.fail();
    assert_eq!(line.outs(), [Out::Stopped]);

    // Nothing is bound and nothing out: at once.
    let (mut line, _) = Line::started(1);
    line.fail();
    line.outs();
    line.registration.stop(line.now);
    assert_eq!(line.outs(), [Out::Stopped]);
}

#[test]
fn a_lost_connection_is_made_anew_at_once() {
    let (mut line, _) = Line::started(1);
    line.grant(600);
    line.outs();
    line.registration.handle_flow_lost(line.now);
    assert!(line.wait() <= 2.0);
    line.sent(0);
    assert_eq!(line.registration.bound_at(), Some(0), "calls out go on");
}

#[test]
fn a_binding_whose_connection_is_gone_and_not_made_anew_is_none() {
    let (mut line, _) = Line::started(1);
    line.grant(600);
    line.outs();
    // With a refresh on its way, which goes with the connection.
    line.wait();
    line.sent(0);
    line.registration.handle_flow_lost(line.now);
    line.fail();
    assert!(line.wait() <= 2.0, "that says nothing of the far end");
    line.sent(0);
    line.registration.handle_flow_lost(line.now);
    line.fail();
    assert_eq!(line.outs(), [Out::Down(DownReason::Unreachable(None))]);
    assert_eq!(line.registration.bound_at(), None, "the far end has no way to us");
    assert!(line.wait() <= 30.0);
    line.sent(0);
    line.grant(600);
    assert_eq!(line.outs(), [Out::Up(0)]);
    // A refresh that fails by itself leaves the binding.
    line.wait();
    line.sent(0);
    line.fail();
    assert_eq!((line.outs(), line.registration.bound_at()), (vec![], Some(0)));
}

#[test]
fn a_new_password_is_tried_at_once_by_who_was_refused() {
    let ask = |line: &mut Line, nonce: &str| {
        let nonce = format!("Digest realm=\"r\", nonce=\"{nonce}\"");
        line.respond(Status::UNAUTHORIZED, &[(Name::WwwAuthenticate, &nonce)]);
    };
    let mut line = Line::new(config(), Some(login("old")), 7);
    line.registration.start(1);
    line.sent(0);
    ask(&mut line, "1");
    line.sent(0);
    ask(&mut line, "1");
    assert_eq!(line.outs(), [Out::Down(DownReason::Unauthorized(Unanswerable::Refused))]);
    line.registration.set_login(login("new"));
    line.sent(0);
    ask(&mut line, "2");
    line.sent(0);
    line.grant(600);
    assert_eq!(line.outs(), [Out::Up(0)]);
    // Who is registered waits for the next refresh.
    line.registration.set_login(login("newer"));
    assert_eq!(line.outs(), []);
    // A change while a request is out, which is refused for the password before.
    line.wait();
    line.sent(0);
    ask(&mut line, "3");
    line.sent(0);
    line.registration.set_login(login("newest"));
    line.respond(Status::FORBIDDEN, &[]);
    line.sent(0);
    ask(&mut line, "4");
    line.sent(0);
    line.respond(Status::FORBIDDEN, &[]);
    assert_eq!(line.outs(), [Out::Down(DownReason::Rejected(Status::FORBIDDEN))], "once");
}

/// A registrar of ours that asks who comes.
struct Far {
    verifier: Verifier,
    registrar: Registrar<()>,
    ha1: Ha1,
    challenges: usize,
}

const REALM: Asked = Asked {
    place: Place::Server,
    realm: "carrier.example",
    source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
};

impl Far {
    fn new() -> Self {
        let limits = NonceLimits { lifetime: Duration::from_secs(100), most_used: 9 };
        Self {
            verifier: Verifier::new(Zeroizing::new([5; 32]), limits),
            registrar: Registrar::new(RegistrarLimits {
                least_expires: Duration::from_secs(900),
                ..RegistrarLimits::default()
            }),
            ha1: Ha1::of("1234567t0", REALM.realm, &password("zanzibar")),
            challenges: 0,
        }
    }

    fn answer(&mut self, now: Time, request: &Message) -> Message {
        // What goes out is read as it comes in, but for what the transaction adds.
        let mut wire = Message::parse(&request.to_bytes()).expect("readable");
        wire.headers.put_first(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bK1");
        Envelope::read(&wire).expect("complete");
        let ha1 = &self.ha1;
        match self.verifier.verify(now, REALM, &wire, |user| (user == "1234567t0").then_some(ha1)) {
            Ok(user) => self.registrar.register(now, user, (), &wire),
            Err(refused) => {
                self.challenges += 1;
                assert_ne!(refused, Unverified::Wrong);
                let mut response = Message::response(Status::UNAUTHORIZED);
                self.verifier.challenge(now, REALM, refused, &mut response);
                response
            }
        }
    }
}

#[test]
fn a_day_with_our_own_registrar_is_one_unbroken_binding() {
    for reuse_nonce in [false, true] {
        let config = RegisterConfig { reuse_nonce, ..config() };
        let (mut line, mut far) = (Line::new(config, Some(login("zanzibar")), 3), Far::new());
        line.registration.start(1);
        let (mut ups, mut requests) = (0, 0);
        while line.now < Time::from_secs(86_400) {
            let (outs, sent) = line.poll();
            assert!(!outs.iter().any(|out| matches!(out, Out::Down(_) | Out::Stopped)), "{outs:?}");
            ups += outs.iter().filter(|out| matches!(out, Out::Up(_))).count();
            match sent {
                Some(request) => {
                    requests += 1;
                    let response = far.answer(line.now, &request);
                    line.registration.handle_response(line.now, &response);
                }
                None => {
                    line.wait();
                    far.registrar.handle_timeout(line.now);
                    assert_eq!(far.registrar.len(), 1, "never gone from there");
                }
            }
        }
        assert_eq!(ups, 1);
        // 900 s, refreshed after 450 to 810 s, each asked for once since nonces live 100 s.
        assert!((106..=192).contains(&far.challenges), "{}", far.challenges);
        assert_eq!(requests, 2 * far.challenges + 1, "and one 423");
        assert!(far.verifier.used_nonces() <= 2);
        line.registration.stop(line.now);
        while let (_, Some(request)) = line.poll() {
            let response = far.answer(line.now, &request);
            line.registration.handle_response(line.now, &response);
        }
        assert!(far.registrar.is_empty());
    }
}
