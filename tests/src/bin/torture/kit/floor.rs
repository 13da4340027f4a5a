//! Real sockets under light callers and strangers, all in one thread.
//!
//! Everything is bound in 127.0.0.0/8, and what is addressed elsewhere is not sent.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bridge_tests::real::wire::{Message, Names};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use partyline_phones::RtpPacket;

use super::line::{Line, Out, Person, Stage};

/// The longest wait for a datagram: timers are looked at so often.
const GLANCE: Duration = Duration::from_millis(4);
const MAX_DATAGRAM: usize = 65_535;

/// A SIP socket, of one phone or of a whole carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat(usize);

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineId(usize);

/// A socket of nobody in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ear(usize);

/// Whose a socket is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Seat,
    Rtp(usize),
    Ear(usize),
}

/// What a socket of nobody in particular received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caught {
    /// Datagrams and octets.
    pub(crate) datagrams: u64,
    pub(crate) octets: u64,
    /// RTP packets by the port that they came from.
    pub(crate) rtp: BTreeMap<u16, u64>,
    /// The Request-URIs of INVITEs.
    pub(crate) invites: Vec<String>,
    /// The statuses of responses.
    pub(crate) statuses: BTreeMap<u16, u64>,
}

/// All callers and strangers of one attack.
pub(crate) struct Floor {
    poll: Poll,
    sockets: Vec<Option<(UdpSocket, Owner)>>,
    lines: Vec<(Line, usize, Option<usize>)>,
    active: Vec<usize>,
    by_call: BTreeMap<String, usize>,
    ears: Vec<(usize, Caught)>,
    names: Names,
    bridge: SocketAddr,
    start: Instant,
    buffer: Vec<u8>,
}

impl Floor {
    /// Nobody yet; time starts here.
    pub(crate) fn new(bridge: SocketAddr) -> Result<Self> {
        let start = Instant::now();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = wall.map(|wall| wall.as_nanos().to_le_bytes()).unwrap_or_default();
        let seed = u64::from_le_bytes(*seed.first_chunk().context("sixteen octets")?);
        Ok(Self {
            poll: Poll::new()?,
            sockets: Vec::new(),
            lines: Vec::new(),
            active: Vec::new(),
            by_call: BTreeMap::new(),
            ears: Vec::new(),
            names: Names::new(seed),
            bridge,
            start,
            buffer: vec![0; MAX_DATAGRAM],
        })
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn bind(&mut self, at: SocketAddr, owner: Owner) -> Result<(usize, SocketAddr)> {
        ensure!(at.ip().is_loopback(), "{at}: traffic stays in 127.0.0.0/8");
        let socket = StdSocket::bind(at).with_context(|| format!("cannot bind {at}"))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let mut socket = UdpSocket::from_std(socket);
        let place = self.sockets.len();
        self.poll.registry().register(&mut socket, Token(place), Interest::READABLE)?;
        self.sockets.push(Some((socket, owner)));
        Ok((place, address))
    }

    /// A SIP socket on `ip`.
    pub(crate) fn seat(&mut self, ip: IpAddr) -> Result<Seat> {
        Ok(Seat(self.bind((ip, 0).into(), Owner::Seat)?.0))
    }

    /// A socket of nobody in particular on `ip`.
    pub(crate) fn ear(&mut self, ip: IpAddr) -> Result<Ear> {
        self.ear_at((ip, 0).into())
    }

    /// A socket of nobody in particular at a known port.
    pub(crate) fn ear_at(&mut self, at: SocketAddr) -> Result<Ear> {
        let (place, _) = self.bind(at, Owner::Ear(self.ears.len()))?;
        self.ears.push((place, Caught::default()));
        Ok(Ear(self.ears.len() - 1))
    }

    /// Places a call from a seat.
    pub(crate) fn call(&mut self, seat: Seat, person: Person) -> Result<LineId> {
        let sip = self.address_of(seat.0)?;
        let place = self.lines.len();
        let (rtp, rtp_address) = self.bind((sip.ip(), 0).into(), Owner::Rtp(place))?;
        let seed = self.names.number();
        let line = Line::new(self.now(), person, [self.bridge, sip, rtp_address], seed);
        self.by_call.insert(line.call_id.clone(), place);
        self.lines.push((line, seat.0, Some(rtp)));
        self.active.push(place);
        self.flush(place);
        Ok(LineId(place))
    }

    fn address_of(&self, socket: usize) -> Result<SocketAddr> {
        let (socket, _) = self.sockets[socket].as_ref().context("a closed socket")?;
        Ok(socket.local_addr()?)
    }

    /// The address of a socket of nobody in particular.
    pub(crate) fn ear_address(&self, ear: Ear) -> Result<SocketAddr> {
        self.address_of(self.ears[ear.0].0)
    }

    /// A call.
    pub(crate) fn line(&self, id: LineId) -> &Line {
        &self.lines[id.0].0
    }

    /// Does something to a call, and sends what comes of it.
    pub(crate) fn with<R>(&mut self, id: LineId, act: impl FnOnce(&mut Line, Duration) -> R) -> R {
        let now = self.now();
        let done = act(&mut self.lines[id.0].0, now);
        self.flush(id.0);
        done
    }

    /// What a socket of nobody in particular received.
    pub(crate) fn caught(&self, ear: Ear) -> &Caught {
        &self.ears[ear.0].1
    }

    /// Sends octets from a socket of nobody in particular.
    pub(crate) fn throw(&mut self, ear: Ear, to: SocketAddr, bytes: &[u8]) {
        self.send(self.ears[ear.0].0, to, bytes);
    }

    /// Sends octets from the seat of a call to the bridge.
    pub(crate) fn throw_from(&mut self, id: LineId, bytes: &[u8]) {
        let (seat, bridge) = (self.lines[id.0].1, self.bridge);
        self.send(seat, bridge, bytes);
    }

    /// How many calls are not over.
    pub(crate) fn alive(&self) -> usize {
        self.active.len()
    }

    /// Carries on for `time`.
    pub(crate) fn run(&mut self, time: Duration) -> Result<()> {
        self.run_with(time, |_| Ok(ControlFlow::Continue(())))
    }

    /// Carries on until `done`, for `time` at most; whether it came.
    pub(crate) fn until(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<bool> {
        let mut came = false;
        self.run_with(time, |floor| {
            came = done(floor);
            Ok(if came { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(came)
    }

    /// Carries on for `time`, and asks `each` every few milliseconds whether to go on.
    pub(crate) fn run_with(
        &mut self,
        time: Duration,
        mut each: impl FnMut(&mut Self) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let end = self.now() + time;
        let mut events = Events::with_capacity(512);
        while self.now() < end {
            self.tick();
            if each(self)?.is_break() {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(GLANCE)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in events.iter() {
                self.receive(event.token().0);
            }
        }
        Ok(())
    }

    fn tick(&mut self) {
        let now = self.now();
        let mut active = std::mem::take(&mut self.active);
        active.retain(|&place| {
            self.lines[place].0.handle_time(now);
            self.flush(place);
            if self.lines[place].0.stage == Stage::Over {
                // Its SIP socket stays for what is repeated.
                if let Some(rtp) = self.lines[place].2.take() {
                    self.sockets[rtp] = None;
                }
                return false;
            }
            true
        });
        // Those who called meanwhile.
        active.append(&mut self.active);
        self.active = active;
    }

    /// Takes all that a socket holds: readiness is told once.
    fn receive(&mut self, place: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(Some((socket, owner))) = self.sockets.get(place) {
            match socket.recv_from(&mut buffer) {
                Ok((length, source)) => self.deliver(*owner, source, &buffer[..length]),
                // An earlier datagram met a closed port: the next may be good.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        self.buffer = buffer;
    }

    fn deliver(&mut self, owner: Owner, source: SocketAddr, bytes: &[u8]) {
        let now = self.now();
        match owner {
            Owner::Rtp(line) => self.lines[line].0.ears.hear(now, bytes),
            Owner::Ear(ear) => self.ears[ear].1.take(source, bytes),
            Owner::Seat => {
                let Some(message) = Message::parse(bytes) else { return };
                let place = message.header("Call-ID").and_then(|id| self.by_call.get(id)).copied();
                if let Some(place) = place {
                    self.lines[place].0.handle_sip(now, &message);
                    self.flush(place);
                }
            }
        }
    }

    fn flush(&mut self, place: usize) {
        loop {
            let (line, seat, rtp) = &mut self.lines[place];
            let Some(out) = line.poll_out() else { return };
            let (seat, rtp, bridge) = (*seat, *rtp, line.bridge());
            match (out, rtp) {
                (Out::Sip(bytes), _) => self.send(seat, bridge, &bytes),
                (Out::Rtp(to, bytes), Some(rtp)) => self.send(rtp, to, &bytes),
                (Out::Rtp(..), None) => {}
            }
        }
    }

    fn send(&mut self, socket: usize, to: SocketAddr, bytes: &[u8]) {
        let Some(Some((socket, _))) = self.sockets.get(socket) else { return };
        if to.ip().is_loopback() {
            // As on any network: what is not taken is lost, and missed by whoever waits for it.
            socket.send_to(bytes, to).map(drop).unwrap_or_default();
        }
    }
}

impl Caught {
    fn take(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.datagrams += 1;
        self.octets += u64::try_from(bytes.len()).unwrap_or_default();
        if bytes.first().is_some_and(|first| first >> 6 == 2) {
            if RtpPacket::parse(bytes).is_some() {
                *self.rtp.entry(source.port()).or_default() += 1;
            }
            return;
        }
        let Some(message) = Message::parse(bytes) else { return };
        match message.status() {
            Some(status) => *self.statuses.entry(status).or_default() += 1,
            None if message.method() == "INVITE" => self.invites.push(message.uri().to_owned()),
            None => {}
        }
    }
}
