//! The world itself: moves the clock from event to event and carries what comes of each.

mod ask;
mod tell;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use partyline_cdr_record::{Origin, Record, encode};
use partyline_conference::Bridge;
use partyline_control::{
    Ban, Config, GuessAlarm, HandshakeFailure, Node, Output, Own, Parts, PortRange, Refusal,
    Sources, TrunkChange, TrunkFailure, Verified,
};
use partyline_dialplan::Plan;
use partyline_dialplan::star::Profiles;
use partyline_dtls::Certified;
use partyline_media::Event;
use partyline_model::Uuid;
use partyline_phones::{Phone, PhoneId, Switchboard};
use partyline_secret::Vault;
use partyline_sip::{ConnectionId, Endpoint, Flow, Transmit, Transport};
use partyline_stir::{FetchFault, Fetched, Place};

use super::assertions::{Watch, check_records};
use super::builder::{BRIDGE, Builder, CARRIER, Fidelity};
use super::clock::{START, ms, secs, since_start, time, wall};
use super::dice::Dice;
use super::ear::{Ear, SPAN};
use super::journal::{Disk, Journal};
use super::media::Media;
use super::net::{Flight, Net};
use super::records::Records;
use super::trunk::FarEnd;
use super::zone::Zone;

/// How long the end of everything may take: a BYE that nobody answers is given up after 32 s.
const LAST_WORDS: Duration = secs(70);
/// The first and the last UDP port of media.
const PORTS: (u16, u16) = (20_000, 29_999);
/// A caller who hears himself hears -18 dBm0; prompts stay below this in any one tone.
const ECHO_DBM0: f64 = -35.0;

/// Everything there is.
pub struct World {
    now: Duration,
    node: Node,
    media: Media,
    net: Net,
    journal: Journal,
    board: Switchboard,
    ids: Vec<PhoneId>,
    seed: u64,
    watch: Watch,
    /// Who has which telephone number, behind the carrier.
    numbers: BTreeMap<String, SocketAddr>,
    /// Since when each phone has talked with which tone.
    talking: BTreeMap<PhoneId, (Duration, f64)>,
    next_second: Duration,
    drained: bool,
    alarms: Vec<(Duration, GuessAlarm)>,
    bans: Vec<Ban>,
    /// Octets that the media plane has sent, by destination.
    media_sent: BTreeMap<SocketAddr, usize>,
    /// Legs at whose ports others came: RTP and RTCP datagrams.
    intruded: Vec<(Uuid, u64, u64)>,
    refusals: Vec<Refusal>,
    trunk_failures: Vec<TrunkFailure>,
    handshake_failures: Vec<HandshakeFailure>,
    /// Who answers REGISTER and OPTIONS.
    far_ends: BTreeMap<SocketAddr, FarEnd>,
    /// Connections so far.
    opened: u64,
    trunk_changes: Vec<(Duration, TrunkChange)>,
    /// Certificates that the node waits for.
    pub(super) fetches: Vec<Place>,
    pub(super) verified: Vec<Verified>,
    pub(super) zone: Zone,
    /// What the node let out: SIP, summaries, file names.
    uttered: Vec<u8>,
    log: Option<Vec<u8>>,
    echoes_listened_for: u64,
    steps: u64,
    finished: bool,
}

impl World {
    /// The beginnings of a world: one conference, a good network, a quick disk, all sound.
    pub fn build() -> Builder {
        Builder::new()
    }

    pub(super) fn begin(builder: Builder) -> Self {
        let seed = builder.seed;
        let directory = Arc::new(builder.snapshot());
        let bridge = Bridge::new(
            builder.config.clone(),
            partyline_conference::Parts {
                origin: Origin { node_id: 3, boot_id: Uuid(u128::from(seed)) },
                start: START,
                random: Box::new(Dice::new(seed, 3)),
                vault: Vault::swappable().expect("the system gives memory"),
                snapshot: Arc::clone(&directory),
                plan: Arc::new(Plan::nanp()),
                profiles: Profiles::default(),
            },
        );
        let sip = partyline_sip::Config::new(BRIDGE);
        let endpoint = Endpoint::new(sip, Box::new(Dice::new(seed, 4)));
        let sources = Arc::new(Sources::new(&builder.trunks));
        let config = Config {
            media: BRIDGE.ip().into(),
            ports: PortRange::new(PORTS.0, PORTS.1).expect("a range of ports"),
            trunks: builder.trunks,
            brands: BTreeMap::new(),
            verification: builder.verification,
            own: Own { media_bind: None, listening: vec![BRIDGE] },
        };
        let random = Box::new(Dice::new(seed, 5));
        let contact_key = [9; 32];
        let handshakes = Box::new(Certified::new().expect("the system gives random numbers"));
        let parts = Parts { endpoint, bridge, directory, random, sources, handshakes, contact_key };
        let mut world = Self {
            now: Duration::ZERO,
            node: Node::new(config, parts),
            media: match builder.fidelity {
                Fidelity::Audio => Media::with_audio(),
                Fidelity::Signals => Media::without_audio(),
            },
            net: Net::new(BRIDGE.ip(), builder.link, seed),
            journal: Journal::new(builder.disk, seed),
            board: Switchboard::new(),
            ids: Vec::new(),
            seed,
            watch: Watch::default(),
            numbers: BTreeMap::new(),
            talking: BTreeMap::new(),
            next_second: secs(1),
            drained: false,
            alarms: Vec::new(),
            bans: Vec::new(),
            media_sent: BTreeMap::new(),
            intruded: Vec::new(),
            refusals: Vec::new(),
            trunk_failures: Vec::new(),
            handshake_failures: Vec::new(),
            far_ends: builder.far_ends.into_iter().collect(),
            opened: 0,
            trunk_changes: Vec::new(),
            fetches: Vec::new(),
            verified: Vec::new(),
            zone: builder.zone,
            uttered: Vec::new(),
            log: builder.keeps_log.then(Vec::new),
            echoes_listened_for: 0,
            steps: 0,
            finished: false,
        };
        world.node.start_trunks(time(world.now));
        world.carry();
        world
    }

    /// Lets time pass up to `until`.
    pub fn run_until(&mut self, until: Duration) -> &mut Self {
        while self.step(until) {}
        self
    }

    /// One step: the next moment at which anything happens, if that is not after `until`.
    fn step(&mut self, until: Duration) -> bool {
        let node = self.node.poll_timeout().map(since_start);
        let next = [
            node,
            self.net.next(),
            self.journal.next(),
            self.board.poll_timeout(),
            self.media.next(self.now),
            Some(self.next_second),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        assert!(next >= self.now, "{next:?} is in the past at {:?}", self.now);
        if next > until {
            self.now = until;
            return false;
        }
        let tick = self.media.next(self.now).is_some_and(|at| at <= next);
        self.now = next;
        self.steps += 1;
        for flight in self.net.arrived(next) {
            self.deliver(flight);
        }
        while let Some((token, written)) = self.journal.answered(next) {
            self.node.handle_durable(time(next), token, written);
            self.carry();
        }
        if tick {
            self.tick();
        }
        if self.node.poll_timeout().is_some_and(|at| since_start(at) <= next) {
            self.node.handle_timeout(time(next));
        }
        self.board.handle_timeout(next);
        if next >= self.next_second {
            self.each_second();
        }
        self.carry();
        self.check_step();
        true
    }

    fn check_step(&self) {
        let late = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        let node = self.node.poll_timeout();
        assert!(!late(node.map(since_start)), "{:?}: the node's timer {node:?} is past", self.now);
        assert!(!late(self.board.poll_timeout()), "{:?}: a phone's timer is past", self.now);
    }

    fn each_second(&mut self) {
        self.next_second += secs(1);
        self.node.handle_wall_clock(time(self.now), wall(self.now));
        if self.media.has_audio() {
            self.listen_for_echoes();
        }
    }

    /// Nobody hears himself: whoever has talked into a room, and heard nothing else, for a second.
    fn listen_for_echoes(&mut self) {
        let from = self.now.saturating_sub(secs(1));
        for (&id, &(since, hz)) in &self.talking {
            let phone = self.board.phone(id);
            let far = phone.config().described().ip();
            let plain = self.watch.leg_of(far).is_some_and(|(_, leg)| leg.is_plain_since(from));
            if since > from || !plain {
                continue;
            }
            let heard = phone.heard(from + ms(400), self.now);
            let Some(ear) = heard.get(..SPAN).and_then(Ear::new) else { continue };
            let level = ear.level(hz);
            let name = &phone.config().name;
            assert!(level < ECHO_DBM0, "{:?}: {name} hears himself at {level:.1} dBm0", self.now);
            self.echoes_listened_for += 1;
        }
    }

    fn deliver(&mut self, flight: Flight) {
        let Flight { from, to, bytes } = flight;
        self.note("datagram", from, to, &bytes);
        if let Some(flow) = self.stream(from).filter(|_| to == BRIDGE) {
            self.node.handle_message(time(self.now), flow, &bytes);
            self.carry();
        } else if to == BRIDGE {
            self.node.handle_datagram(time(self.now), from, BRIDGE, &bytes);
            self.carry();
        } else if to.ip() == BRIDGE.ip() {
            self.media.packet(self.now, to.port(), from, &bytes);
        } else if let Some(answer) = self.ask_far_end(to, &bytes) {
            self.net.send(self.now, to, from, &answer);
        } else if to == CARRIER {
            if let Some(&callee) = called(&bytes).and_then(|number| self.numbers.get(number)) {
                self.board.deliver(self.now, callee, from, &bytes);
            }
        } else {
            self.board.deliver(self.now, to, from, &bytes);
        }
        self.net.give_back(bytes);
    }

    /// A connection from an address brings what is no SIP, and is closed for it.
    pub fn garble(&mut self, from: SocketAddr) -> &mut Self {
        self.opened += 1;
        let (local, connection) = (Some(BRIDGE), Some(ConnectionId(self.opened)));
        let flow = Flow { local, connection, ..Flow::new(Transport::Tcp, from) };
        self.node.handle_garbled(time(self.now), flow);
        self.node.handle_closed(time(self.now), flow);
        self.run_for(Duration::ZERO)
    }

    /// The connection to the far end at an address, if there is one.
    pub(super) fn stream(&self, at: SocketAddr) -> Option<Flow> {
        let connection = self.far_ends.get(&at)?.connection?;
        let (local, connection) = (Some(BRIDGE), Some(connection));
        Some(Flow { local, connection, ..Flow::new(Transport::Tcp, at) })
    }

    /// Opens a connection for what goes out by one, unless it is there.
    fn connect(&mut self, transmit: &Transmit) {
        let flow = transmit.flow;
        let Some(far_end) = self.far_ends.get_mut(&flow.remote) else { return };
        if far_end.shut {
            self.node.handle_unreachable(time(self.now), flow);
        } else if far_end.connection.is_none() {
            self.opened += 1;
            far_end.connection = Some(ConnectionId(self.opened));
        }
    }

    /// What the far end at an address answers.
    fn ask_far_end(&mut self, at: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        self.far_ends.get_mut(&at)?.answer(self.now, bytes)
    }

    fn tick(&mut self) {
        let tick = self.media.run(self.now);
        for (recording, frame) in &tick.frames {
            self.watch.frame(*recording, frame);
        }
        for sending in &tick.sendings {
            self.watch.sent(self.now, sending.leg, sending.to);
            let from = SocketAddr::new(BRIDGE.ip(), sending.port);
            let bytes = &tick.bytes[sending.place.clone()];
            *self.media_sent.entry(sending.to).or_default() += bytes.len();
            self.net.send(self.now, from, sending.to, bytes);
        }
    }

    /// Carries what the node, the media plane and the phones have to say, until they are quiet.
    fn carry(&mut self) {
        loop {
            let mut busy = false;
            while let Some(output) = self.node.poll_output() {
                busy = true;
                self.carry_out(output);
            }
            while let Some(event) = self.media.poll_event() {
                busy = true;
                self.watch.event(self.now, &event);
                self.hand_over(event);
            }
            while let Some(packet) = self.board.poll_transmit() {
                self.net.send(self.now, packet.from, packet.to, &packet.bytes);
                self.net.give_back(packet.bytes);
            }
            if !busy {
                return;
            }
        }
    }

    fn hand_over(&mut self, event: Event) {
        self.node.handle_media(time(self.now), event);
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Look(lookup, search) => {
                let found = self.zone.find(time(self.now), &search);
                self.node.handle_found(time(self.now), lookup, found);
            }
            Output::Failed(target) => self.zone.fail(target),
            Output::Fetch(place) => self.fetches.push(place),
            Output::Verified(verified) => {
                self.uttered.extend_from_slice(format!("{verified:?}").as_bytes());
                self.verified.push(*verified);
            }
            Output::TrunkNamed(name) => self.zone.say(*name),
            Output::Transmit(transmit) => {
                self.uttered.extend_from_slice(&transmit.payload);
                if transmit.flow.transport.is_reliable() {
                    self.connect(&transmit);
                    if self.stream(transmit.flow.remote).is_none() {
                        return;
                    }
                }
                let from = transmit.flow.local.unwrap_or(BRIDGE);
                self.net.send(self.now, from, transmit.flow.remote, &transmit.payload);
            }
            Output::Media(command) => {
                self.watch.command(self.now, &command);
                self.media.command(self.now, command);
            }
            Output::Persist { token, records } => {
                for record in &records {
                    self.uttered.extend_from_slice(format!("{record:?}").as_bytes());
                    self.note_record(record);
                }
                self.journal.persist(self.now, token, records);
            }
            Output::OpenRecording { recording, conf_id, file } => {
                self.uttered.extend_from_slice(file.as_bytes());
                self.watch.open_tape(recording, conf_id, file);
            }
            Output::CloseRecording { recording } => self.watch.close_tape(recording),
            Output::CallEnded(summary) => {
                self.uttered.extend_from_slice(format!("{summary:?}").as_bytes());
            }
            Output::GuessAlarm(alarm) => self.alarms.push((self.now, alarm)),
            Output::Intruded { leg_id, rtp, rtcp } => {
                let leg_id = leg_id.expect("a leg that has ended has its record");
                self.intruded.push((leg_id, rtp, rtcp));
            }
            Output::HandshakeFailed(failure) => {
                self.uttered.extend_from_slice(format!("{failure:?}").as_bytes());
                self.handshake_failures.push(*failure);
            }
            Output::TrunkFailed(failure) => {
                self.uttered.extend_from_slice(format!("{failure:?}").as_bytes());
                self.trunk_failures.push(*failure);
            }
            Output::Refused(refusal) => {
                self.uttered.extend_from_slice(format!("{refusal:?}").as_bytes());
                self.refusals.push(*refusal);
            }
            Output::TrunkChanged(change) => {
                self.uttered.extend_from_slice(format!("{change:?}").as_bytes());
                self.trunk_changes.push((self.now, *change));
            }
            Output::Banned(ban) => self.bans.push(ban),
            Output::Sources(sources) => drop(sources),
            Output::Drained => self.drained = true,
        }
    }

    /// The places whose certificates the node waits for.
    pub fn fetches(&self) -> &[Place] {
        &self.fetches
    }

    /// The place of a certificate gives this.
    pub fn fetched(&mut self, place: &Place, found: Result<Fetched, FetchFault>) -> &mut Self {
        self.fetches.retain(|asked| asked != place);
        self.node.handle_fetched(time(self.now), place, found);
        self.carry();
        self
    }

    /// What was said of callers' numbers, by Call-ID.
    pub fn verified(&self) -> &[Verified] {
        &self.verified
    }

    fn note(&mut self, what: &str, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            log.extend_from_slice(format!("\n{:?} {what} {from} {to} ", self.now).as_bytes());
            log.extend_from_slice(bytes);
        }
    }

    fn note_record(&mut self, record: &Record) {
        if let Some(log) = &mut self.log {
            log.extend_from_slice(format!("\n{:?} record ", self.now).as_bytes());
            encode(record, log);
        }
    }

    /// All hang up; when nothing moves any more, what is true of any world is checked.
    ///
    /// # Panics
    /// When it is not true.
    pub fn finish(&mut self) -> Records {
        self.finished = true;
        self.journal.set_disk(self.now, Disk::Writes { from: ms(1), to: ms(1) });
        for id in self.ids.clone() {
            if self.board.phone(id).call().is_some_and(|call| call.ending.is_none()) {
                self.hang_up(id);
            }
        }
        let deadline = self.now + LAST_WORDS;
        while self.now < deadline && !self.is_quiet() {
            self.run_until((self.now + secs(1)).min(deadline));
        }
        // Figures of legs that ended just before.
        self.run_until(self.now + secs(3));
        assert_eq!(self.node.calls(), 0, "calls are up after everybody has hung up");
        assert_eq!(self.node.conferences(), 0, "conferences are in session without calls");
        assert_eq!(self.media.bound(), 0, "ports are bound without calls");
        assert!(self.journal.is_idle(), "records wait for the disk");
        assert!(self.watch.tapes().all(|tape| !tape.open), "a recording goes on without a room");
        let records = Records::new(self.journal.written().to_vec());
        check_records(&records);
        records
    }

    fn is_quiet(&self) -> bool {
        let phones = self.board.phones().all(Phone::is_done);
        self.node.calls() == 0 && self.media.bound() == 0 && self.journal.is_idle() && phones
    }
}

impl Drop for World {
    /// No world ends without being asked what is true of any.
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "World::finish was not called");
    }
}

/// The telephone number in the Request-URI of a request.
fn called(bytes: &[u8]) -> Option<&str> {
    let line = bytes.split(|&byte| byte == b'\r').next()?;
    let uri = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
    let user = uri.strip_prefix("sip:")?.split('@').next()?;
    Some(user.trim_start_matches('+'))
}
