//! A SIP endpoint with calls: any datagrams, commands and waits in any order.
//!
//! An input is text in pieces with [`SEPARATOR`] between them. The first byte of a piece says what
//! it is: `D` a datagram of the peer, `d` one of a stranger, `O` a call out, `W` and a number a
//! wait in milliseconds, `C` and two characters a command to one of the calls. In a datagram some
//! words stand for what the endpoint said last, which no one could guess: `$t` its tag, and of its
//! last request `$v` the Via, `$f` From, `$o` To, `$i` the Call-ID, `$q` the CSeq, `$u` the URI.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_model::{IdSource, Time};
use partyline_sip::auth::{Login, Password};
use partyline_sip::message::{Message, Name, StartLine, Status};
use partyline_sip::{Config, Dial, DialogId, Endpoint, Event, Hangup, Output, Rejection, Transmit};
use zeroize::Zeroizing;

/// Stands between the pieces of an input: ASCII's record separator.
pub const SEPARATOR: u8 = 0x1e;

/// Most pieces of an input that are taken.
const MOST: usize = 120;
const LONGEST_WAIT: u64 = 200_000;

/// Plays `data` to an endpoint; then every call ends, once, and nothing is left of it.
pub fn sip_endpoint(data: &[u8]) {
    let mut world = World::new();
    for piece in data.split(|&byte| byte == SEPARATOR).take(MOST) {
        world.play(piece);
    }
    world.finish();
}

/// Numbers that are all different and the same in every run.
pub(crate) struct Counting(pub(crate) u128);

impl IdSource for Counting {
    fn next_u128(&mut self) -> u128 {
        self.0 = self.0.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(99);
        self.0 ^ self.0 >> 64
    }
}

struct World {
    endpoint: Endpoint,
    now: Time,
    dialogs: Vec<DialogId>,
    known: BTreeSet<DialogId>,
    ended: BTreeSet<DialogId>,
    said: BTreeMap<u8, String>,
}

impl World {
    fn new() -> Self {
        let config = Config { max_dialogs: 16, ..Config::new(us()) };
        Self {
            endpoint: Endpoint::new(config, Box::new(Counting(1))),
            now: Time::ZERO,
            dialogs: Vec::new(),
            known: BTreeSet::new(),
            ended: BTreeSet::new(),
            said: BTreeMap::new(),
        }
    }

    fn play(&mut self, piece: &[u8]) {
        match piece {
            [b'O', ..] => {
                if let Ok(dialog) = self.endpoint.dial(self.now, dial()) {
                    self.begins(dialog);
                }
            }
            [b'C', code, which, ..] => self.command(*code, *which),
            [b'W', digits @ ..] => {
                let digits = String::from_utf8_lossy(digits);
                let millis = digits.trim().parse().unwrap_or(500_u64);
                self.run(Duration::from_millis(millis.min(LONGEST_WAIT)));
            }
            [b'd', datagram @ ..] => self.receive([203, 0, 113, 66], datagram),
            [b'D', datagram @ ..] | datagram => self.receive([192, 0, 2, 1], datagram),
        }
        self.drain();
    }

    fn receive(&mut self, source: [u8; 4], datagram: &[u8]) {
        let mut bytes = Vec::with_capacity(datagram.len());
        let mut left = datagram.iter();
        while let Some(&byte) = left.next() {
            let word = left.as_slice().first().and_then(|word| self.said.get(word));
            match word.filter(|_| byte == b'$') {
                Some(text) => {
                    bytes.extend_from_slice(text.as_bytes());
                    left.next();
                }
                None => bytes.push(byte),
            }
        }
        let source = SocketAddr::from((source, 5060));
        self.endpoint.handle_datagram(self.now, source, us(), &bytes);
    }

    fn command(&mut self, code: u8, which: u8) {
        let Some(&id) = self.dialogs.get(usize::from(which) % self.dialogs.len().max(1)) else {
            return;
        };
        let (now, endpoint) = (self.now, &mut self.endpoint);
        let sdp = || b"v=0\r\n".to_vec();
        // An error says that the call is not in a state for it, which is fine here.
        let _result = match code {
            b'r' => endpoint.ring(now, id),
            b'p' => endpoint.progress(now, id, sdp()),
            b'a' => endpoint.answer(now, id, sdp()),
            b'b' => endpoint.reject(now, id, Rejection::new(Status::BUSY_HERE)),
            b'i' => endpoint.reinvite(now, id, sdp()),
            b'j' => endpoint.answer_reinvite(now, id, sdp()),
            b'k' => endpoint.reject_reinvite(now, id, Status::BUSY_HERE),
            other => endpoint.hangup(now, id, Hangup { q850: Some(other) }),
        };
    }

    /// Lets time pass, stopping at each deadline.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            assert!(at >= self.now, "a timer in the past");
            self.now = at;
            self.endpoint.handle_timeout(at);
            assert_ne!(self.endpoint.poll_timeout(), Some(at), "a timer that does not run out");
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit(transmit) => self.heed(&transmit),
                Output::Resolve(resolve) => {
                    self.endpoint.handle_resolved(self.now, resolve.id, &[])
                }
                Output::Failed(_) => {}
                Output::Event(event) => self.news(&event),
            }
        }
    }

    /// Whatever came in, what goes out is sound.
    fn heed(&mut self, transmit: &Transmit) {
        let text = String::from_utf8_lossy(&transmit.payload);
        let message = Message::parse(&transmit.payload).expect("what we send is readable");
        assert_eq!(message.fault, None, "{text}");
        let field = |name| message.headers.text(&name).unwrap_or_default().to_owned();
        match &message.start {
            StartLine::Request { uri, .. } => {
                for (word, text) in [
                    (b'v', field(Name::Via)),
                    (b'f', field(Name::From)),
                    (b'o', field(Name::To)),
                    (b'i', field(Name::CallId)),
                    (b'q', field(Name::CSeq)),
                    (b'u', uri.to_string()),
                ] {
                    self.said.insert(word, text);
                }
            }
            StartLine::Response { .. } => {
                if let Some((_, tag)) = field(Name::To).split_once(";tag=") {
                    self.said.insert(b't', tag.to_owned());
                }
            }
        }
    }

    fn begins(&mut self, dialog: DialogId) {
        assert!(self.known.insert(dialog), "{dialog} begins twice");
        self.dialogs.push(dialog);
    }

    fn news(&mut self, event: &Event) {
        let dialog = match event {
            Event::Invite(call) => {
                self.begins(call.dialog);
                if let Some(takeover) = &call.takeover
                    && let Ok(taken) = self.endpoint.find_taken(takeover)
                {
                    assert!(self.known.contains(&taken), "{takeover:?}: a call that never began");
                    assert_ne!(taken, call.dialog, "{takeover:?}: nobody takes his own place");
                }
                call.dialog
            }
            Event::Ringing { dialog, .. }
            | Event::Answered { dialog, .. }
            | Event::EarlyOffer { dialog, .. }
            | Event::Terms { dialog, .. }
            | Event::Confirmed { dialog, .. }
            | Event::Reinvite { dialog, .. }
            | Event::Refresh { dialog }
            | Event::Reinvited { dialog, .. }
            | Event::Refer { dialog, .. }
            | Event::Subscribed { dialog, .. }
            | Event::Unsubscribed { dialog, .. }
            | Event::Digit { dialog, .. }
            | Event::DigitSent { dialog, .. }
            | Event::Ended { dialog, .. } => *dialog,
            Event::Refused(_) | Event::Suspect { .. } | Event::Responded { .. } => return,
        };
        assert!(self.known.contains(&dialog), "{event:?} of a call that never began");
        assert!(!self.ended.contains(&dialog), "{event:?} after the end");
        if let Event::Ended { dialog, .. } = event {
            self.ended.insert(*dialog);
        }
    }

    fn finish(&mut self) {
        for id in self.dialogs.clone() {
            let _result = self.endpoint.hangup(self.now, id, Hangup::default());
            self.drain();
        }
        self.run(Duration::from_secs(300));
        self.drain();
        assert_eq!(self.ended, self.known, "a call never ended");
        assert_eq!((self.endpoint.dialogs(), self.endpoint.transactions()), (0, 0));
        assert_eq!(self.endpoint.poll_timeout(), None);
    }
}

fn us() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 5], 5060))
}

fn login() -> Arc<Login> {
    let password = Password::new(Zeroizing::new(b"secret".to_vec()));
    Arc::new(Login::new("bob", password).expect("a plain name"))
}

fn dial() -> Dial {
    Dial {
        destination: SocketAddr::from(([192, 0, 2, 1], 5060)).into(),
        request_uri: "sip:14165550199@192.0.2.1".to_owned(),
        from_user: "18005550100".to_owned(),
        from_domain: None,
        from_display: None,
        to: None,
        from_is_phone: false,
        routes: Vec::new(),
        offer: b"v=0\r\n".to_vec().into(),
        headers: Vec::new(),
        login: Some(login()),
        patience: None,
        has_alternative: false,
        extensions: None,
    }
}
