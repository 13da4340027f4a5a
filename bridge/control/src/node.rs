//! The node: takes what happened, drives the three planes until they are quiet, and hands out
//! what is to be done.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use partyline_cdr_record::Record;
use partyline_conference::{Bridge, FIRST_OUTBOUND, GuessAlarm, GuessCounts, Input, Summary};
use partyline_directory::Snapshot;
use partyline_media::{Codec, Command, Event as MediaEvent};
use partyline_model::{
    CallId, Handshakes, IdSource, LegKey, MixId, PlaybackId, RecordingId, Time, Uuid, WallTime,
};
use partyline_sip::locate::{Found, Procedure, Search};
use partyline_sip::rate::Bucket;
use partyline_sip::{CommandError, Dropped, Endpoint, Flow, Output as SipOutput, Target, Transmit};
use partyline_stir::Place;

use crate::admission::{Ban, Bans, Sources, Trunks};
use crate::attendance::Watchers;
use crate::call_map::CallMap;
use crate::config::{Config, Trunk};
use crate::handshakes::{Associations, HandshakeFailure};
use crate::keying::Keyings;
use crate::limits::Usage;
use crate::lost::LostCalls;
use crate::ports::Ports;
use crate::referral::Referrals;
use crate::refusals::{Cause, Refusal, Refusals};
use crate::remote::Ordered;
use crate::routing::{Failures, Resting, TrunkFailure};
use crate::trace::Book;
use crate::trunks::{TrunkChange, Watch, token};
use crate::users::Members;
use crate::verification::{Verified, Verifier};
use crate::whereabouts::{Lookup, TrunkName, Whereabouts};

/// What a node is made of, beside its configuration.
pub struct Parts {
    /// The SIP user agent.
    pub endpoint: Endpoint,
    /// The conference core.
    pub bridge: Bridge,
    /// Where SSRCs and session ids come from.
    pub random: Box<dyn IdSource>,
    /// The directory that the conference core was made with.
    pub directory: Arc<Snapshot>,
    /// Whose addresses are whose, as the shell knows it.
    pub sources: Arc<Sources>,
    /// Who makes handshakes for the keys of encrypted calls.
    pub handshakes: Box<dyn Handshakes>,
    /// What the Contacts of our registrations are made with: kept over restarts, known to nobody.
    pub contact_key: [u8; 32],
}

/// Something to do, in this order.
///
/// Has no `Debug`: a media command may hold a digit.
pub enum Output {
    /// Send a SIP message.
    Transmit(Transmit),
    /// Say where a name leads, with [`Node::handle_found`], whatever comes of it.
    Look(Lookup, Search),
    /// Fetch the certificate that is there, then say so with [`Node::handle_fetched`], whatever comes
    /// of it.
    Fetch(Place),
    /// What is known of a caller's number; for the log.
    Verified(Box<Verified>),
    /// Nobody answered at a target that a name led to: for a while others come before it.
    Failed(Target),
    /// Tell the media plane.
    Media(Command),
    /// Write the records, then say so with [`Node::handle_durable`].
    Persist {
        /// Names the request.
        token: u64,
        /// In the order they must be written.
        records: Vec<Record>,
    },
    /// Open a file for the frames of a recording, before the first of them comes.
    OpenRecording {
        /// Names its frames.
        recording: RecordingId,
        /// The conference session.
        conf_id: Uuid,
        /// The file name, without folder.
        file: String,
    },
    /// No frame of the recording comes after those on their way.
    CloseRecording {
        /// As opened.
        recording: RecordingId,
    },
    /// A leg is gone; for the one log line.
    CallEnded(Box<Summary>),
    /// Passcodes are being guessed; for the log.
    GuessAlarm(GuessAlarm),
    /// Datagrams came to the ports of a leg that is gone from addresses that were not its far
    /// end's. They were dropped: somebody wanted to be heard or to listen, or the far end's NAT
    /// maps its media to an address that the trunk's `media_sources` does not name.
    Intruded {
        /// As records name it.
        leg_id: Option<Uuid>,
        /// On the RTP port.
        rtp: u64,
        /// On the RTCP port.
        rtcp: u64,
    },
    /// A call ended, since its handshake gave no keys; for the log.
    HandshakeFailed(Box<HandshakeFailure>),
    /// A trunk failed a call out; for the log, not each time.
    TrunkFailed(Box<TrunkFailure>),
    /// A call was refused; for the log, not each time.
    Refused(Box<Refusal>),
    /// A trunk has come up or gone down, or is down for another reason; for the log.
    TrunkChanged(Box<TrunkChange>),
    /// The name of a trunk leads elsewhere, or could not be looked up; for the log.
    TrunkNamed(Box<TrunkName>),
    /// A source is banned; for the log, not each time.
    Banned(Ban),
    /// Whose addresses are whose from now on, and who is banned, for what the shell looks at before it queues it.
    Sources(Arc<Sources>),
    /// After [`Node::drain`]: no leg is up, every record is on disk and every registration is taken
    /// back.
    Drained,
}

/// Why a call was turned away before it had a record: counted only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// No trunk has the source address.
    UnknownSource,
    /// No common codec, or no usable session description.
    Description,
    /// Every RTP port is in use, or occupied by other programs.
    NoPort,
    /// A call of ours that came back to us (RFC 3261 §16.3): answered 482.
    Loop,
    /// The trunk has as many calls as its limits allow, or calls more often.
    TrunkLimit,
    /// The caller's number is not signed as the trunk wants it.
    Signature,
    /// The call was to take the place of another, or to come beside it, and may not.
    Claim,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::UnknownSource,
        Self::Description,
        Self::NoPort,
        Self::Loop,
        Self::TrunkLimit,
        Self::Signature,
        Self::Claim,
    ];

    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::Description => "session_description",
            Self::NoPort => "no_port",
            Self::Loop => "loop",
            Self::TrunkLimit => "trunk_limit",
            Self::Signature => "signature",
            Self::Claim => "claim",
        }
    }
}

/// A leg whose media is being closed.
pub(crate) struct Closing {
    pub(crate) codec: Codec,
    /// Milliseconds of sound in a packet that we sent.
    pub(crate) ptime_ms: u16,
    /// As records name it.
    pub(crate) leg_id: Option<Uuid>,
}

/// The control plane of one node.
///
/// Feed one of the `handle_*` functions, then drain [`Node::poll_output`], then wait until
/// [`Node::poll_timeout`] at most.
pub struct Node {
    pub(crate) config: Config,
    pub(crate) endpoint: Endpoint,
    pub(crate) bridge: Bridge,
    pub(crate) random: Box<dyn IdSource>,
    pub(crate) directory: Arc<Snapshot>,
    pub(crate) calls: CallMap,
    pub(crate) ports: Ports,
    /// The last public prompts of each room: the media plane reports the end of all of them.
    pub(crate) mix_playbacks: BTreeMap<MixId, PlaybackId>,
    /// How many orders came from outside, and what came of the last until that is told.
    pub(crate) orders: u64,
    pub(crate) ordered: Option<Ordered>,
    pub(crate) outputs: VecDeque<Output>,
    /// What legs ran on whose media is being closed, for their records.
    pub(crate) closing: BTreeMap<CallId, Closing>,
    pub(crate) refused: BTreeMap<Refused, u64>,
    pub(crate) refusals: Refusals,
    pub(crate) resting: Resting,
    pub(crate) usage: Usage,
    pub(crate) failures: Failures,
    pub(crate) sources: Arc<Sources>,
    pub(crate) bans: Bans,
    /// How often a ban was logged.
    pub(crate) bans_said: Bucket,
    pub(crate) command_errors: CommandErrors,
    pub(crate) keyings: Keyings,
    pub(crate) associations: Associations,
    /// The Call-IDs of calls out, to know them when they come back.
    pub(crate) own_call_ids: BTreeMap<String, CallId>,
    pub(crate) lost: LostCalls,
    pub(crate) trunks: Watch,
    pub(crate) members: Members,
    pub(crate) referrals: Referrals,
    pub(crate) watchers: Watchers,
    pub(crate) book: Book,
    pub(crate) whereabouts: Whereabouts,
    /// What signed calls out name as their origin, by trunk.
    pub(crate) origins: Vec<Uuid>,
    pub(crate) verifier: Verifier,
}

impl Node {
    /// A node without calls.
    pub fn new(config: Config, mut parts: Parts) -> Self {
        let trunks = Trunks::new(&parts.sources, &config);
        parts.endpoint.set_admission(Box::new(trunks));
        let watch = Watch::new(&config.trunks, &parts.contact_key);
        let whereabouts = Whereabouts::new(&config.trunks);
        let origin = |trunk: &Trunk| token::origin(&parts.contact_key, &trunk.name);
        let verifier = Verifier::new(&config.verification);
        let origins = config.trunks.iter().map(origin).collect();
        Self {
            ports: Ports::new(config.ports),
            config,
            endpoint: parts.endpoint,
            bridge: parts.bridge,
            random: parts.random,
            directory: parts.directory,
            calls: CallMap::default(),
            mix_playbacks: BTreeMap::new(),
            orders: 0,
            ordered: None,
            outputs: VecDeque::new(),
            closing: BTreeMap::new(),
            refused: BTreeMap::new(),
            refusals: Refusals::default(),
            resting: Resting::default(),
            usage: Usage::default(),
            failures: Failures::default(),
            sources: parts.sources,
            bans: Bans::default(),
            bans_said: Bucket::default(),
            command_errors: CommandErrors::default(),
            keyings: Keyings::default(),
            associations: Associations::new(parts.handshakes),
            own_call_ids: BTreeMap::new(),
            lost: LostCalls::default(),
            trunks: watch,
            members: Members::default(),
            referrals: Referrals::default(),
            watchers: Watchers::default(),
            book: Book::default(),
            whereabouts,
            origins,
            verifier,
        }
    }

    /// A datagram came to a SIP socket.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        source: SocketAddr,
        local: SocketAddr,
        payload: &[u8],
    ) {
        self.handle_message(now, Flow::udp(Some(local), source), payload);
    }

    /// A SIP message came by `flow`.
    pub fn handle_message(&mut self, now: Time, flow: Flow, payload: &[u8]) {
        let unheard = self.endpoint.counters().of(Dropped::Unheard);
        self.endpoint.handle_message(now, flow, payload);
        if self.endpoint.counters().of(Dropped::Unheard) == unheard {
            self.trace_arrival(now, flow, payload);
        }
        self.run(now);
    }

    /// Nothing goes out by `flow`: no connection could be opened, or it is gone.
    pub fn handle_unreachable(&mut self, now: Time, flow: Flow) {
        self.endpoint.handle_unreachable(now, flow);
        self.trunk_flow_lost(now, flow);
        self.run(now);
    }

    /// The connection of `flow` is closed, whoever opened it.
    pub fn handle_closed(&mut self, now: Time, flow: Flow) {
        self.endpoint.handle_closed(now, flow);
        self.trunk_flow_lost(now, flow);
        self.run(now);
    }

    /// Where a name leads.
    pub fn handle_found(&mut self, now: Time, lookup: Lookup, found: Found) {
        match lookup {
            Lookup::Request(id) => {
                let targets = found.targets.iter().filter(|to| !self.config.is_own_end(to.address));
                let targets: Vec<Target> = targets.copied().collect();
                self.endpoint.handle_resolved(now, id, &targets);
            }
            Lookup::Trunk(id) => self.trunk_found(now, id, found),
        }
        self.run(now);
    }

    /// The media plane reports something.
    pub fn handle_media(&mut self, now: Time, event: MediaEvent) {
        self.media_event(now, event);
        self.run(now);
    }

    /// The records of a token are on disk, or could not be written.
    pub fn handle_durable(&mut self, now: Time, token: u64, written: bool) {
        let input = if written { Input::Durable { token } } else { Input::NotDurable { token } };
        self.tell(now, input);
    }

    /// A recording's file could not be opened or written.
    pub fn handle_recording_failed(&mut self, now: Time, recording: RecordingId) {
        self.tell(now, Input::RecordingFailed { recording });
    }

    /// Accounts, conferences or passcodes changed.
    pub fn handle_directory(&mut self, now: Time, snapshot: Arc<Snapshot>) {
        self.directory = Arc::clone(&snapshot);
        self.tell(now, Input::Directory(snapshot));
    }

    /// Addresses have come to trunks or have gone from them.
    pub(crate) fn replace_sources(&mut self, now: Time, sources: Sources) {
        self.sources = Arc::new(self.with_bans(now, sources));
        self.endpoint.set_admission(Box::new(Trunks::new(&self.sources, &self.config)));
        self.outputs.push_back(Output::Sources(Arc::clone(&self.sources)));
    }

    /// What the wall clock reads at `now`.
    pub fn handle_wall_clock(&mut self, now: Time, wall: WallTime) {
        self.tell(now, Input::WallClock(wall));
    }

    /// Take no more calls and the registrations back, say goodbye to those that are up, end them;
    /// [`Output::Drained`] follows.
    pub fn drain(&mut self, now: Time) {
        self.leave_trunks(now);
        self.turn_away_unverified(now);
        self.tell(now, Input::Drain);
    }

    /// Hang up on everybody at once; [`Output::Drained`] follows when the records are on disk.
    pub fn end_now(&mut self, now: Time) {
        self.leave_trunks(now);
        self.turn_away_unverified(now);
        self.tell(now, Input::EndNow);
    }

    /// [`Node::poll_timeout`] is reached.
    pub fn handle_timeout(&mut self, now: Time) {
        self.endpoint.handle_timeout(now);
        self.press_due_keys(now);
        self.time_handshakes(now);
        self.time_verifications(now);
        self.tell_lost(now);
        self.time_trunks(now);
        self.look_around(now);
        self.tell(now, Input::Timeout);
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Node::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Time> {
        let (endpoint, bridge) = (self.endpoint.poll_timeout(), self.bridge.poll_timeout());
        let (trunks, names) = (self.trunks.next(), self.whereabouts.next());
        let lost = [self.lost.next(), self.verifier.next()];
        let own = [self.keyings.next(), self.associations.next()].into_iter().chain(lost);
        let timers = [endpoint, bridge, trunks, names, self.watchers.next()];
        timers.into_iter().chain(own).flatten().min()
    }

    /// Calls that are up or on their way, in both directions.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Conferences in session.
    pub fn conferences(&self) -> usize {
        self.bridge.conferences()
    }

    /// The SIP user agent, for its counters.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whose addresses are whose.
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// How often a command to the SIP endpoint failed for each reason that is none of the far
    /// end's doing.
    pub fn command_errors(&self) -> [(CommandError, u64); 3] {
        let errors = [CommandError::WrongState, CommandError::BadUri, CommandError::TooManyDialogs];
        errors.map(|error| (error, self.command_errors.0.get(&error).copied().unwrap_or_default()))
    }

    /// How many calls were turned away for `reason`.
    pub fn refused(&self, reason: Refused) -> u64 {
        self.refused.get(&reason).copied().unwrap_or_default()
    }

    /// What was counted of guessing at passcodes.
    pub fn guess_counts(&self) -> &GuessCounts {
        self.bridge.guess_counts()
    }

    pub(crate) fn tell(&mut self, now: Time, input: Input) {
        self.bridge.handle(now, input);
        self.run(now);
    }

    /// Carries events between the planes until none has any more.
    pub(crate) fn run(&mut self, now: Time) {
        loop {
            if let Some(output) = self.endpoint.poll_output() {
                match output {
                    SipOutput::Transmit(transmit) => {
                        self.trace_departure(now, transmit.flow, &transmit.payload);
                        self.outputs.push_back(Output::Transmit(transmit));
                    }
                    SipOutput::Resolve(resolve) => {
                        let peer = resolve.met.and_then(|met| self.sources.find(met.ip()));
                        let payer = Some(peer.map_or(0, |known| known.trunk));
                        let search = Search { hop: resolve.hop, procedure: Procedure::Auto, payer };
                        self.outputs.push_back(Output::Look(Lookup::Request(resolve.id), search));
                    }
                    SipOutput::Failed(flow) => self.way_failed(now, flow),
                    SipOutput::Event(event) => self.sip_event(now, event),
                }
            } else if let Some(output) = self.bridge.poll_output() {
                self.conference_output(now, output);
            } else if !self.tell_watchers(now) {
                break;
            }
        }
    }

    pub(crate) fn media(&mut self, command: Command) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(crate) fn refuse(&mut self, reason: Refused) {
        *self.refused.entry(reason).or_default() += 1;
    }

    /// Has a refusal of `source` logged, unless that was done within the minute.
    pub(crate) fn say_refused(&mut self, now: Time, source: IpAddr, status: u16, cause: Cause) {
        let known = self.sources.find(source);
        let trunk = known.map(|known| known.trunk);
        let Some(times) = self.refusals.note(now, trunk, source, cause) else { return };
        let trunk = known.map(|known| known.name.to_owned());
        let refusal = Refusal { source, trunk, status, cause, times };
        self.outputs.push_back(Output::Refused(Box::new(refusal)));
    }

    pub(crate) fn random_u32(&mut self) -> u32 {
        low_32(self.random.next_u128())
    }

    /// Forgets a call and closes its leg. The port is free when the media plane has let it go, or
    /// at once when it never started the leg.
    pub(crate) fn forget(&mut self, id: CallId) {
        let Some(call) = self.calls.remove(id) else { return };
        if !call.stage.is_answered() {
            // Its token is good for the next call.
            self.verifier.take_waiting(id);
        }
        if let Some(token) = &call.token {
            self.verifier.release(token);
        }
        self.unwatch(id);
        self.keyings.forget(id);
        self.associations.forget(id);
        self.usage.end(id);
        if id >= FIRST_OUTBOUND {
            self.own_call_ids.retain(|_, call| *call != id);
        }
        self.media(Command::Close { leg: LegKey(id.0) });
        if call.started {
            let (codec, ptime_ms, leg_id) = (call.codec, call.ptime_ms, call.leg_id);
            self.closing.insert(id, Closing { codec, ptime_ms, leg_id });
        } else {
            self.ports.release(id);
        }
    }
}

/// The low 32 bits of random ones.
pub(crate) fn low_32(bits: u128) -> u32 {
    u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default()
}

/// Commands to the SIP endpoint that failed though their dialog was there.
#[derive(Debug, Default)]
pub(crate) struct CommandErrors(BTreeMap<CommandError, u64>);

/// A command to a dialog that has ended by itself meanwhile has nothing left to do: the event that
/// says so is in the queue. Any other failure is counted.
pub(crate) fn or_ended<T>(
    failed: &mut CommandErrors,
    result: Result<T, CommandError>,
) -> Option<T> {
    match result {
        Ok(done) => Some(done),
        Err(CommandError::NoDialog) => None,
        Err(
            error @ (CommandError::WrongState
            | CommandError::BadUri
            | CommandError::TooManyDialogs
            | CommandError::BadRequest),
        ) => {
            *failed.0.entry(error).or_default() += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_comes_too_late_is_no_error_and_any_other_is_counted() {
        let mut failed = CommandErrors::default();
        assert_eq!(or_ended(&mut failed, Ok(7)), Some(7));
        assert_eq!(or_ended::<()>(&mut failed, Err(CommandError::NoDialog)), None);
        assert!(failed.0.is_empty());
        for _ in 0..2 {
            assert_eq!(or_ended::<()>(&mut failed, Err(CommandError::WrongState)), None);
        }
        assert_eq!(failed.0, BTreeMap::from([(CommandError::WrongState, 2)]));
    }
}
