//! One light caller: its dialog and its sound, without sockets.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bridge_tests::real::wire::{self, Message, Names, Request};

use super::ears::{Ears, Voice};
use super::stream::Stream;

/// T1 of RFC 3261 §17.1.1.1, and how long a request is repeated.
const T1: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);
/// Between two keys by INFO.
const KEY: Duration = Duration::from_millis(60);
/// Between two packets.
const PACKET: Duration = Duration::from_millis(20);
/// Packets that are made up for at once after a pause of this process.
const CATCH_UP: usize = 5;

/// Who calls, and how.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The calling number; withheld without.
    pub(crate) number: Option<String>,
    /// The number dialled.
    pub(crate) to: String,
    /// Behind a NAT the address that Via, Contact and SDP name, where nothing is.
    pub(crate) private: Option<IpAddr>,
    /// Where SDP wants the sound, when it is somebody else's address.
    pub(crate) sound_to: Option<SocketAddr>,
    /// What is said, and how long after the answer; silence packets without a voice.
    pub(crate) voice: Option<Voice>,
    pub(crate) speaks_after: Option<Duration>,
    /// The description, in place of a plain offer.
    pub(crate) body: Option<String>,
    /// Further header lines of each INVITE, each with its end of line.
    pub(crate) more: String,
    /// Whether a 200 is acknowledged.
    pub(crate) acknowledges: bool,
    /// Hangs up so long after the answer.
    pub(crate) hangs_up_after: Option<Duration>,
}

impl Person {
    /// Somebody with a number who speaks at once, is silent and acknowledges.
    pub(crate) fn new(number: &str, to: &str) -> Self {
        Self {
            number: Some(number.to_owned()),
            to: to.to_owned(),
            private: None,
            sound_to: None,
            voice: None,
            speaks_after: Some(Duration::ZERO),
            body: None,
            more: String::new(),
            acknowledges: true,
            hangs_up_after: None,
        }
    }
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Calling,
    Up,
    Leaving,
    Over,
}

/// A datagram of a line, from its SIP or its RTP socket.
pub(crate) enum Out {
    Sip(Vec<u8>),
    Rtp(SocketAddr, Vec<u8>),
}

/// A request that is not answered yet.
struct Waiting {
    bytes: Vec<u8>,
    since: Duration,
    next: Duration,
    pause: Duration,
}

/// One call.
pub(crate) struct Line {
    pub(crate) person: Person,
    pub(crate) ears: Ears,
    pub(crate) stream: Stream,
    /// The times of its life.
    pub(crate) invited: Duration,
    pub(crate) answered: Option<Duration>,
    /// The final answer to its INVITE.
    pub(crate) status: Option<u16>,
    /// The final answer to its last re-INVITE.
    pub(crate) reinvited: Option<u16>,
    /// When the last of the keys was acknowledged.
    pub(crate) keyed: Option<Duration>,
    /// RTP packets sent.
    pub(crate) sent: u64,
    /// Where the bridge wants its sound.
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) ended_by_bridge: bool,
    pub(crate) call_id: String,
    pub(crate) stage: Stage,
    bridge: SocketAddr,
    sip: SocketAddr,
    rtp: SocketAddr,
    names: Names,
    from: String,
    to: String,
    uri: String,
    invite_branch: String,
    cseq: u32,
    invite_cseq: u32,
    version: u32,
    waiting: Option<(String, Waiting)>,
    keys: VecDeque<char>,
    next_key: Duration,
    speaking: bool,
    next_packet: Option<Duration>,
    out: VecDeque<Out>,
}

impl Line {
    /// A line on its two addresses that calls at once.
    pub(crate) fn new(
        now: Duration,
        person: Person,
        addresses: [SocketAddr; 3],
        seed: u64,
    ) -> Self {
        let [bridge, sip, rtp] = addresses;
        let mut names = Names::new(seed);
        let (tag, call_id) = (names.word(), names.word());
        let host = person.private.unwrap_or(sip.ip());
        let from = match &person.number {
            Some(number) => format!("<sip:{number}@{host}>;tag={tag}"),
            None => format!("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag={tag}"),
        };
        let uri = format!("sip:{}@{bridge}", person.to);
        let mut line = Self {
            ears: Ears::default(),
            stream: Stream::new(names.number(), person.voice),
            invited: now,
            answered: None,
            status: None,
            reinvited: None,
            keyed: None,
            sent: 0,
            remote: None,
            ended_by_bridge: false,
            call_id: format!("{call_id}@{host}"),
            stage: Stage::Calling,
            bridge,
            sip,
            rtp,
            to: format!("<{uri}>"),
            from,
            uri,
            invite_branch: String::new(),
            names,
            cseq: 0,
            invite_cseq: 0,
            version: 1,
            waiting: None,
            keys: VecDeque::new(),
            next_key: Duration::ZERO,
            speaking: person.speaks_after.is_some(),
            next_packet: None,
            out: VecDeque::new(),
            person,
        };
        line.invite(now);
        line
    }

    /// Whether it is connected.
    pub(crate) fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// From the INVITE to its 200.
    pub(crate) fn setup(&self) -> Option<Duration> {
        self.answered.map(|at| at.saturating_sub(self.invited))
    }

    /// Presses keys by INFO, after those that wait.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyed = None;
        self.keys.extend(keys.chars());
    }

    /// Sends an offer again; the same address, unless [`Person::sound_to`] is changed before.
    pub(crate) fn reinvite(&mut self, now: Duration) {
        self.reinvited = None;
        self.version += 1;
        self.invite(now);
    }

    /// Sends sound from now on, or stops sending any.
    pub(crate) fn speak(&mut self, now: Duration, speaking: bool) {
        self.speaking = speaking;
        self.next_packet = (speaking && self.is_up()).then_some(now);
    }

    /// BYE, or nothing more when it was never answered.
    pub(crate) fn hang_up(&mut self, now: Duration) {
        if self.stage != Stage::Up {
            self.stage = Stage::Over;
            self.waiting = None;
            return;
        }
        self.stage = Stage::Leaving;
        self.next_packet = None;
        self.keys.clear();
        self.request(now, "BYE", "", None);
    }

    /// The next request within this dialog, as somebody else might send it too.
    pub(crate) fn forged(&mut self, method: &str, body: Option<(&str, &str)>) -> Vec<u8> {
        self.cseq += 1;
        self.written(method, "", body).1
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.person.private.unwrap_or(self.sip.ip()), self.sip.port())
    }

    fn written(
        &mut self,
        method: &str,
        more: &str,
        body: Option<(&str, &str)>,
    ) -> (String, Vec<u8>) {
        let branch = self.names.word();
        let request = Request {
            method,
            uri: &self.uri,
            address: self.address(),
            branch: &branch,
            from: &self.from,
            to: &self.to,
            call_id: &self.call_id,
            cseq: self.cseq,
            more,
            body,
        };
        let bytes = request.write();
        (branch, bytes)
    }

    fn request(&mut self, now: Duration, method: &str, more: &str, body: Option<(&str, &str)>) {
        self.cseq += 1;
        let (branch, bytes) = self.written(method, more, body);
        if method == "INVITE" {
            self.invite_branch = branch;
            self.invite_cseq = self.cseq;
        }
        self.out.push_back(Out::Sip(bytes.clone()));
        let waiting = Waiting { bytes, since: now, next: now + T1, pause: T1 };
        self.waiting = Some((method.to_owned(), waiting));
    }

    fn invite(&mut self, now: Duration) {
        let host = SocketAddr::new(self.person.private.unwrap_or(self.rtp.ip()), self.rtp.port());
        let sound = self.person.sound_to.unwrap_or(host);
        let body = self.person.body.clone().unwrap_or_else(|| wire::offer(sound, self.version));
        let privacy = if self.person.number.is_some() { "" } else { "Privacy: id\r\n" };
        let more = format!("{privacy}{}", self.person.more);
        self.request(now, "INVITE", &more, Some(("application/sdp", &body)));
    }

    /// A datagram came to the SIP socket for this call.
    pub(crate) fn handle_sip(&mut self, now: Duration, message: &Message<'_>) {
        match message.status() {
            Some(status) => self.handle_response(now, status, message),
            None => self.handle_request(message),
        }
    }

    fn handle_request(&mut self, message: &Message<'_>) {
        let status = match message.method() {
            "BYE" => {
                self.ended_by_bridge = true;
                self.stage = Stage::Over;
                self.next_packet = None;
                "200 OK"
            }
            "ACK" => return,
            "INVITE" => "488 Not Acceptable Here",
            _ => "200 OK",
        };
        self.out.push_back(Out::Sip(message.answer(status, "x")));
    }

    fn handle_response(&mut self, now: Duration, status: u16, message: &Message<'_>) {
        let method = message.method();
        if status < 200 {
            // It has come: it need not be repeated.
            if let Some((sent, waiting)) = &mut self.waiting
                && sent == method
            {
                waiting.next = now + GIVE_UP;
            }
            return;
        }
        if method == "INVITE" && message.cseq() == self.invite_cseq {
            return self.invite_answered(now, status, message);
        }
        if self.waiting.as_ref().is_none_or(|(sent, _)| sent != method)
            || message.cseq() != self.cseq
        {
            return;
        }
        self.waiting = None;
        match method {
            "BYE" => self.stage = Stage::Over,
            "INFO" => {
                self.next_key = now + KEY;
                if self.keys.is_empty() {
                    self.keyed = Some(now);
                }
            }
            _ => {}
        }
    }

    fn invite_answered(&mut self, now: Duration, status: u16, message: &Message<'_>) {
        if self.waiting.as_ref().is_some_and(|(sent, _)| sent == "INVITE") {
            self.waiting = None;
        }
        let first = self.status.is_none();
        if status < 300 {
            if let Some(to) = message.header("To") {
                self.to = to.to_owned();
            }
            if let Some(contact) = message.header("Contact").and_then(wire::uri_of) {
                self.uri = contact.to_owned();
            }
            self.remote = message.media().or(self.remote);
            if self.person.acknowledges {
                self.acknowledge(None);
            }
            if first {
                self.answered = Some(now);
                self.stage = Stage::Up;
                let after = self.person.speaks_after.unwrap_or_default();
                self.next_packet = self.speaking.then_some(now + after);
            }
        } else {
            let to = message.header("To").unwrap_or_default().to_owned();
            self.acknowledge(Some(to));
            if first {
                self.stage = Stage::Over;
            }
        }
        if first {
            self.status = Some(status);
        } else {
            self.reinvited = Some(status);
        }
    }

    /// An ACK; that of a refusal belongs to the INVITE's transaction.
    fn acknowledge(&mut self, refused_to: Option<String>) {
        let branch =
            if refused_to.is_some() { self.invite_branch.clone() } else { self.names.word() };
        let request = Request {
            method: "ACK",
            uri: &self.uri,
            address: self.address(),
            branch: &branch,
            from: &self.from,
            to: refused_to.as_ref().unwrap_or(&self.to),
            call_id: &self.call_id,
            cseq: self.invite_cseq,
            more: "",
            body: None,
        };
        let bytes = request.write();
        self.out.push_back(Out::Sip(bytes));
    }

    /// Does what is due.
    pub(crate) fn handle_time(&mut self, now: Duration) {
        self.repeat(now);
        if let (Some(after), Some(at)) = (self.person.hangs_up_after, self.answered)
            && self.stage == Stage::Up
            && now >= at + after
        {
            self.hang_up(now);
        }
        if self.stage == Stage::Up && self.waiting.is_none() && now >= self.next_key {
            self.next_key(now);
        }
        for _ in 0..CATCH_UP {
            let Some(due) = self.next_packet.filter(|&due| due <= now) else { break };
            self.next_packet = Some(due + PACKET);
            if let (Some(packet), Some(to)) = (self.stream.next(), self.remote) {
                self.sent += 1;
                self.out.push_back(Out::Rtp(to, packet));
            }
        }
    }

    fn next_key(&mut self, now: Duration) {
        let Some(key) = self.keys.pop_front() else { return };
        let body = format!("Signal={key}\r\nDuration=100\r\n");
        self.request(now, "INFO", "", Some(("application/dtmf-relay", &body)));
    }

    fn repeat(&mut self, now: Duration) {
        let Some((method, waiting)) = &mut self.waiting else { return };
        if now < waiting.next {
            return;
        }
        if now >= waiting.since + GIVE_UP {
            let method = std::mem::take(method);
            self.waiting = None;
            match method.as_str() {
                "INVITE" if self.status.is_none() => {
                    self.status = Some(408);
                    self.stage = Stage::Over;
                }
                "INVITE" => self.reinvited = Some(408),
                "BYE" => self.stage = Stage::Over,
                _ => {}
            }
            return;
        }
        waiting.pause = (waiting.pause * 2).min(T1 * 8);
        waiting.next = now + waiting.pause;
        let bytes = waiting.bytes.clone();
        self.out.push_back(Out::Sip(bytes));
    }

    /// The next datagram to send.
    pub(crate) fn poll_out(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    /// Where the bridge is.
    pub(crate) fn bridge(&self) -> SocketAddr {
        self.bridge
    }
}
