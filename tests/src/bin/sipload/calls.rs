//! Calls at a fixed rate, whatever the bridge does: each is answered, held for a moment and ended.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bridge_tests::real::checks::{Checks, say};
use bridge_tests::real::wire::{self, Message, Names, Request};

use crate::place::{DIAL_IN, Place, percentile, processor_time};
use crate::words::Words;

/// RFC 3261's T1, and its 64 fold: how long a request is repeated.
const T1: Duration = Duration::from_millis(500);
const REPEATED: Duration = Duration::from_secs(32);
/// Callers' numbers, one behind another.
const CALLERS: u64 = 20_000;
/// Setup that 99 of 100 calls must stay below.
const SETUP: Duration = Duration::from_millis(20);
/// After the last call began, the longest wait for the ends.
const LAST: Duration = Duration::from_secs(40);

pub(crate) fn run(words: &Words, checks: &mut Checks) -> Result<()> {
    let place = Place::new(words, "")?;
    let running = place.start()?;
    let wanted = u64::from(words.rate) * words.time.as_secs();
    let before = processor_time(running.id())?;
    let mut load = Caller::new(&place, words)?;
    load.play(wanted)?;
    let processor = processor_time(running.id())?.saturating_sub(before);
    say(format_args!("      not taken in: {}", place.drops()?));
    running.terminate()?;

    load.setups.sort_unstable();
    let of = |per_mille| percentile(&load.setups, per_mille).as_secs_f64() * 1e3;
    say(format_args!(
        "      setup p50 {:.2} ms, p99 {:.2} ms, at most {:.2} ms; {} requests repeated; {:.0} us of \
         processor a call; data in {}",
        of(500),
        of(990),
        of(1000),
        load.repeated,
        processor.as_secs_f64() * 1e6 / wanted as f64,
        words.folder.display(),
    ));
    for (outcome, count) in &load.outcomes {
        say(format_args!("      {count} calls: {outcome}"));
    }
    let good = load.outcomes.get(GOOD).copied().unwrap_or_default();
    checks.check(
        good == wanted,
        format_args!(
            "{} calls a second for {} s, each answered and ended",
            words.rate,
            words.time.as_secs()
        ),
        format_args!(
            "{good} of {wanted}, {:.0} a second",
            wanted as f64 / load.began_in.as_secs_f64()
        ),
    );
    checks.check(
        good == wanted && percentile(&load.setups, 990) < SETUP,
        format_args!("setup p99 below {} ms", SETUP.as_millis()),
        format_args!("{:.2} ms", of(990)),
    );
    Ok(())
}

/// The outcome of a call as it should be.
const GOOD: &str = "answered by 200, ended by our BYE";

/// Where a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Invited,
    Answered { to: String, contact: String },
    Ending { to: String, contact: String },
}

#[derive(Debug)]
struct Call {
    call_id: String,
    tag: String,
    from: String,
    stage: Stage,
    began: Instant,
    /// When the request that is out was first sent, and the time until it is repeated.
    sent: Instant,
    wait: Duration,
    /// When the call is looked at; looks at other times are of before.
    due: Instant,
    cseq: u32,
}

struct Caller {
    socket: UdpSocket,
    local: SocketAddr,
    bridge: SocketAddr,
    offer: String,
    /// Takes the sound of every call, and does not read it.
    _sink: UdpSocket,
    rate: u32,
    hold: Duration,
    names: Names,
    calls: BTreeMap<String, Call>,
    /// When a call is looked at again.
    looks: BinaryHeap<Reverse<(Instant, String)>>,
    setups: Vec<Duration>,
    outcomes: BTreeMap<String, u64>,
    repeated: u64,
    began_in: Duration,
}

impl Caller {
    fn new(place: &Place, words: &Words) -> Result<Self> {
        let socket = UdpSocket::bind((place.carrier, 0)).context("the socket of the load")?;
        socket.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 * 1024 * 1024)?;
        let sink = UdpSocket::bind((place.carrier, 0))?;
        Ok(Self {
            local: socket.local_addr()?,
            socket,
            bridge: place.setup.sip(),
            offer: wire::offer(sink.local_addr()?, 1),
            _sink: sink,
            rate: words.rate,
            hold: words.hold,
            names: Names::new(u64::from(std::process::id())),
            calls: BTreeMap::new(),
            looks: BinaryHeap::new(),
            setups: Vec::new(),
            outcomes: BTreeMap::new(),
            repeated: 0,
            began_in: Duration::ZERO,
        })
    }

    /// Makes `wanted` calls, and waits for their ends.
    fn play(&mut self, wanted: u64) -> Result<()> {
        let began = Instant::now();
        let every = Duration::from_secs(1) / self.rate;
        let mut made = 0_u64;
        let mut buffer = vec![0; 65_535];
        while made < wanted || !self.calls.is_empty() {
            let due = every * u32::try_from(made).unwrap_or(u32::MAX);
            if made < wanted && began.elapsed() >= due {
                self.invite(made)?;
                made += 1;
                self.began_in = began.elapsed();
                continue;
            }
            if made == wanted && began.elapsed() > self.began_in + LAST {
                break;
            }
            if !self.receive(&mut buffer)? && !self.look()? {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        for call in std::mem::take(&mut self.calls).into_values() {
            self.ended(format!("nothing more came: {}", stage_name(&call.stage)));
        }
        Ok(())
    }

    fn ended(&mut self, outcome: String) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn invite(&mut self, number: u64) -> Result<()> {
        let now = Instant::now();
        let mut call = Call {
            call_id: self.names.word(),
            tag: self.names.word(),
            from: format!("+1647{:07}", number % CALLERS),
            stage: Stage::Invited,
            began: now,
            sent: now,
            wait: T1,
            due: now,
            cseq: 1,
        };
        self.send(&call, "INVITE")?;
        self.schedule(&mut call, now + T1);
        self.calls.insert(call.call_id.clone(), call);
        Ok(())
    }

    /// Sends a request of a call; the branch is the same for each repetition, as it is made of the
    /// Call-ID and the number.
    fn send(&self, call: &Call, method: &str) -> Result<()> {
        let local = self.local;
        let home = format!("sip:{DIAL_IN}@{}", self.bridge);
        let (to, uri) = match &call.stage {
            Stage::Invited => (format!("<{home}>"), home.as_str()),
            Stage::Answered { to, contact } | Stage::Ending { to, contact } => {
                (to.clone(), contact.as_str())
            }
        };
        // The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 17.1.1.3).
        let refused = method == "ACK" && call.stage == Stage::Invited;
        let branch = if refused { "INVITE" } else { method };
        let bytes = Request {
            method,
            uri,
            address: local,
            branch: &format!("{}{}{branch}", call.call_id, call.cseq),
            from: &format!("<sip:{}@{local}>;tag={}", call.from, call.tag),
            to: &to,
            call_id: &call.call_id,
            cseq: call.cseq,
            more: "",
            body: (method == "INVITE").then_some(("application/sdp", self.offer.as_str())),
        }
        .write();
        self.socket.send_to(&bytes, self.bridge)?;
        Ok(())
    }

    /// Takes a message; whether there was one.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool> {
        let length = match self.socket.recv_from(buffer) {
            Ok((length, _)) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Some(message) = Message::parse(&buffer[..length]) else { return Ok(true) };
        let Some(call_id) = message.header("Call-ID").map(str::to_owned) else { return Ok(true) };
        let Some(mut call) = self.calls.remove(&call_id) else { return Ok(true) };
        match message.status() {
            None => {
                // The bridge ends the call: so it is told, and so it is counted.
                self.socket.send_to(&message.answer("200 OK", &call.tag), self.bridge)?;
                self.ended(format!("ended by a {} of the bridge's", message.method()));
            }
            Some(status) if self.answered(&mut call, status, &message)? => {
                self.calls.insert(call_id, call);
            }
            Some(_) => {}
        }
        Ok(true)
    }

    /// Takes a response; whether the call goes on.
    fn answered(&mut self, call: &mut Call, status: u16, message: &Message<'_>) -> Result<bool> {
        match (&call.stage, message.method(), status) {
            (_, _, 100..=199) => Ok(true),
            (Stage::Invited, "INVITE", 200..=299) => {
                let to = message.header("To").unwrap_or_default().to_owned();
                let contact = message.header("Contact").and_then(wire::uri_of);
                let contact = contact.unwrap_or_default().to_owned();
                let now = Instant::now();
                self.setups.push(now.duration_since(call.began));
                call.stage = Stage::Answered { to, contact };
                self.send(call, "ACK")?;
                self.schedule(call, now + self.hold);
                Ok(true)
            }
            (Stage::Invited, "INVITE", _) => {
                self.ended(format!("refused by {status}"));
                self.send(call, "ACK")?;
                Ok(false)
            }
            // Our ACK was late or lost.
            (Stage::Answered { .. }, "INVITE", 200..=299) => {
                self.send(call, "ACK")?;
                Ok(true)
            }
            (Stage::Ending { .. }, "BYE", 200..=299) => {
                self.ended(GOOD.to_owned());
                Ok(false)
            }
            (Stage::Ending { .. }, "BYE", _) => {
                self.ended(format!("its BYE refused by {status}"));
                Ok(false)
            }
            (Stage::Invited | Stage::Answered { .. } | Stage::Ending { .. }, _, _) => Ok(true),
        }
    }

    /// Does what is due; whether anything was.
    fn look(&mut self) -> Result<bool> {
        let now = Instant::now();
        if self.looks.peek().is_none_or(|Reverse((when, _))| *when > now) {
            return Ok(false);
        }
        let Some(Reverse((when, call_id))) = self.looks.pop() else { return Ok(false) };
        if self.calls.get(&call_id).is_none_or(|call| call.due != when) {
            return Ok(true);
        }
        let Some(mut call) = self.calls.remove(&call_id) else { return Ok(true) };
        match call.stage.clone() {
            Stage::Answered { to, contact } => {
                call.stage = Stage::Ending { to, contact };
                call.cseq += 1;
                (call.sent, call.wait) = (now, T1);
                self.send(&call, "BYE")?;
            }
            Stage::Invited | Stage::Ending { .. } if now.duration_since(call.sent) >= REPEATED => {
                self.ended(format!("no answer: {}", stage_name(&call.stage)));
                return Ok(true);
            }
            Stage::Invited | Stage::Ending { .. } => {
                let method = if call.stage == Stage::Invited { "INVITE" } else { "BYE" };
                self.send(&call, method)?;
                self.repeated += 1;
                call.wait *= 2;
            }
        }
        let next = now + call.wait;
        self.schedule(&mut call, next);
        self.calls.insert(call_id, call);
        Ok(true)
    }

    fn schedule(&mut self, call: &mut Call, due: Instant) {
        call.due = due;
        self.looks.push(Reverse((due, call.call_id.clone())));
    }
}

fn stage_name(stage: &Stage) -> &'static str {
    match stage {
        Stage::Invited => "INVITE",
        Stage::Answered { .. } => "answered",
        Stage::Ending { .. } => "BYE",
    }
}
