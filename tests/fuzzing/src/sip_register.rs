//! A registration of ours and our registrar: any responses, requests and waits in any order.
//!
//! An input is text in pieces with [`SEPARATOR`] between them. The first byte of
//! a piece says what it is: `R` a response to the registration, three digits and header lines; `B`
//! a REGISTER of bob or of another, by the parity of the next byte, with header lines; `F` nobody
//! answers; `L` a connection is lost; `S` the registration is to stop; `W` and a number a wait in
//! seconds.

use std::sync::Arc;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::auth::{Login, Password};
use partyline_sip::message::{Message, StartLine, Uri};
use partyline_sip::register::{RegisterConfig, RegisterOutput, Registration};
use partyline_sip::registrar::{Registrar, RegistrarLimits};
use zeroize::Zeroizing;

use crate::sip_endpoint::{Counting, SEPARATOR};

/// Most pieces of an input that are taken.
const MOST: usize = 120;
const LONGEST_WAIT: u64 = 100_000;
const TARGETS: usize = 3;
const LIMITS: RegistrarLimits = RegistrarLimits {
    least_expires: Duration::from_secs(60),
    default_expires: Duration::from_secs(600),
    most_expires: Duration::from_secs(3_600),
    most_of_user: 3,
    most: 4,
};

/// Plays `data` to both; then the registration stops, and every binding ends.
pub fn sip_register(data: &[u8]) {
    let mut world = World::new();
    for piece in data.split(|&byte| byte == SEPARATOR).take(MOST) {
        world.play(piece);
        world.check();
    }
    world.finish();
}

struct World {
    registration: Registration,
    registrar: Registrar<u8>,
    now: Time,
    up: bool,
    asking: bool,
    stopping: bool,
    stopped: bool,
    cseq: u64,
}

impl World {
    fn new() -> Self {
        let uri = |text| Uri::parse(text).expect("a URI");
        let config = RegisterConfig::new(
            uri("sip:bob@carrier.example"),
            uri("sip:carrier.example"),
            uri("sip:tok3n@203.0.113.5"),
        );
        let password = Password::new(Zeroizing::new(b"secret".to_vec()));
        let login = Arc::new(Login::new("bob", password).expect("a plain name"));
        let mut registration = Registration::new(config, Some(login), Box::new(Counting(1)));
        registration.start(TARGETS);
        let mut world = Self {
            registration,
            registrar: Registrar::new(LIMITS),
            now: Time::ZERO,
            up: false,
            asking: false,
            stopping: false,
            stopped: false,
            cseq: 0,
        };
        world.poll();
        world
    }

    fn play(&mut self, piece: &[u8]) {
        match piece {
            [b'R', response @ ..] => self.respond(response),
            [b'B', who, headers @ ..] => self.register(*who, headers),
            [b'F', ..] => {
                self.asking = false;
                self.registration.handle_failure(self.now);
            }
            [b'L', ..] => {
                self.registration.handle_flow_lost(self.now);
                self.registrar.handle_flow_lost(|flow| flow.is_multiple_of(2));
            }
            [b'S', ..] => {
                self.stopping = true;
                self.registration.stop(self.now);
            }
            [b'W', digits @ ..] => {
                let seconds = String::from_utf8_lossy(digits).trim().parse().unwrap_or(30_u64);
                self.wait(Duration::from_secs(seconds.min(LONGEST_WAIT)));
            }
            _ => {}
        }
        self.poll();
    }

    fn respond(&mut self, piece: &[u8]) {
        let (code, headers) = piece.split_at(piece.len().min(3));
        let bytes = [b"SIP/2.0 ", code, b" x\r\n", headers, b"\r\n\r\n"].concat();
        let Ok(response) = Message::parse(&bytes) else { return };
        let StartLine::Response { status, .. } = response.start else { return };
        if !status.is_provisional() {
            self.asking = false;
        }
        self.registration.handle_response(self.now, &response);
    }

    fn register(&mut self, who: u8, headers: &[u8]) {
        self.cseq += 1;
        let user = if who.is_multiple_of(2) { "bob" } else { "eve" };
        let call = who / 64;
        let start = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:{user}@h>;tag=1\r\n\
             To: <sip:{user}@h>\r\nCall-ID: {call}\r\nCSeq: {} REGISTER\r\n",
            self.cseq
        );
        let bytes = [start.as_bytes(), headers, b"\r\n\r\n"].concat();
        let Ok(request) = Message::parse(&bytes) else { return };
        let response = self.registrar.register(self.now, user, who, &request);
        let again = Message::parse(&response.to_bytes()).expect("our own response is readable");
        assert_eq!((again.fault, &again.headers), (None, &response.headers));
        let StartLine::Response { status, .. } = response.start else { panic!("a response") };
        assert!([200, 400, 403, 423, 503, 513].contains(&status.code()), "{status}");
    }

    /// Lets time pass, as the owner does: to each deadline and on.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..10_000 {
            let next = [self.registration.poll_timeout(), self.registrar.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            self.registration.handle_timeout(self.now);
            self.registrar.handle_timeout(self.now);
            self.poll();
        }
        panic!("it never rests");
    }

    fn poll(&mut self) {
        while let Some(output) = self.registration.poll_output() {
            assert!(!self.stopped, "nothing follows the end");
            match output {
                RegisterOutput::Send { request, target } => {
                    assert!(!self.asking, "one request at a time");
                    assert!(target < TARGETS);
                    let again = Message::parse(&request.to_bytes()).expect("readable");
                    assert_eq!((again.fault, &again.headers), (None, &request.headers));
                    self.asking = true;
                }
                RegisterOutput::Up { target } => {
                    self.up = true;
                    assert_eq!(self.registration.bound_at(), Some(target));
                }
                RegisterOutput::Down(_) => self.up = false,
                RegisterOutput::Stopped => {
                    (self.up, self.stopped, self.asking) = (false, true, false)
                }
            }
        }
    }

    fn check(&self) {
        let bound = self.registration.bound_at().is_some();
        assert!(self.stopping || self.up == bound, "what was said last is so");
        assert!(self.registrar.len() <= LIMITS.most);
        let mut all = 0;
        for user in ["bob", "eve"] {
            let bindings = self.registrar.bindings(user);
            assert!(bindings.len() <= LIMITS.most_of_user);
            let contact = |n: usize| bindings.get(n).map(|binding| &binding.contact);
            for n in 0..bindings.len() {
                let twice = (0..n).any(|m| contact(m).zip(contact(n)).is_some_and(|(a, b)| a == b));
                assert!(!twice, "a contact stands once");
            }
            let longest = self.now + LIMITS.most_expires;
            assert!(bindings.iter().all(|binding| binding.until <= longest));
            all += bindings.len();
        }
        assert_eq!(all, self.registrar.len());
    }

    fn finish(&mut self) {
        self.registration.stop(self.now);
        self.poll();
        self.wait(Duration::from_secs(3_600));
        assert!(self.stopped && self.registration.poll_timeout().is_none());
        assert!(self.registrar.is_empty() && self.registrar.poll_timeout().is_none());
    }
}
