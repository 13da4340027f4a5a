//! The conference core: takes inputs, hands each to the module of the call's phase, keeps what
//! they all need. It decides nothing about calls itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use partyline_cdr_record::{Attestation, CloseReason, Origin, Quality};
use partyline_dialplan::star::{Profile, Profiles};
use partyline_dialplan::{Plan, Prompt};
use partyline_directory::Snapshot;
use partyline_model::{
    AccountId, CallId, ConferenceId, IdSource, MixId, PlaybackId, RecordingId, SessionId, Time,
    Uuid, WallTime,
};
use partyline_secret::{SecretDigits, Vault};

use crate::call::Call;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{FIRST_OUTBOUND, GuessCounts, Input, Output};
use crate::guard::Guard;
use crate::ledger::Gate;
use crate::record::{Clock, Close, Event, LegBook};
use crate::session::Session;
use crate::timers::{CallTimer, SessionTimer, Timer};

/// What a bridge is made of, beside its configuration.
pub struct Parts {
    /// Which run of which node it is; goes into every record.
    pub origin: Origin,
    /// What the wall clock read at [`Time::ZERO`].
    pub start: WallTime,
    /// Where record ids come from.
    pub random: Box<dyn IdSource>,
    /// Where typed digits live.
    pub vault: Vault,
    /// Accounts, conferences, passcodes.
    pub snapshot: Arc<Snapshot>,
    /// Which numbers may be called.
    pub plan: Arc<Plan>,
    /// Which keys are star codes.
    pub profiles: Profiles,
}

/// All calls and all conferences of a node.
///
/// Pure: it is told the time and what happened, and says what to do. Feed [`Bridge::handle`], then
/// drain [`Bridge::poll_output`], then wait until [`Bridge::poll_timeout`] at most.
pub struct Bridge {
    pub(crate) fx: Effects,
    pub(crate) origin: Origin,
    random: Box<dyn IdSource>,
    vault: Vault,
    pub(crate) directory: Arc<Snapshot>,
    pub(crate) plan: Arc<Plan>,
    profiles: Profiles,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// Legs that have just ended, whose measurements may still come.
    pub(crate) ended: BTreeMap<CallId, LegBook>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    /// The room that a leg of a conference joins. Not one that is closing.
    pub(crate) by_conference: BTreeMap<ConferenceId, SessionId>,
    /// Whose main mix it is.
    pub(crate) by_mix: BTreeMap<MixId, SessionId>,
    pub(crate) guard: Guard,
    /// Conferences whose last leg has just left, and how it ended.
    pub(crate) emptied: Vec<(SessionId, Close)>,
    /// Legs that are called at the request of another's telephone and are not in yet, by that other.
    pub(crate) invited: BTreeSet<(CallId, CallId)>,
    pub(crate) drain: Drain,
    leg_seq: u64,
    next_call: u32,
    next_mix: u32,
    next_session: u32,
    next_recording: u32,
}

/// Whether the bridge is going down for service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    /// The bridge takes calls.
    Open,
    /// The bridge takes no calls; some are up, or records are on their way.
    Draining,
    /// The bridge takes no calls, has none and has said so.
    Drained,
}

impl Bridge {
    /// A bridge without calls.
    pub fn new(config: Config, parts: Parts) -> Self {
        Self {
            fx: Effects::new(config, Clock::new(parts.start)),
            origin: parts.origin,
            random: parts.random,
            vault: parts.vault,
            directory: parts.snapshot,
            plan: parts.plan,
            profiles: parts.profiles,
            calls: BTreeMap::new(),
            ended: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_conference: BTreeMap::new(),
            by_mix: BTreeMap::new(),
            guard: Guard::new(),
            emptied: Vec::new(),
            invited: BTreeSet::new(),
            drain: Drain::Open,
            leg_seq: 0,
            next_call: FIRST_OUTBOUND.0,
            next_mix: 0,
            next_session: 0,
            next_recording: 0,
        }
    }

    /// Applies one input at `now`, which must not go backwards. Deadlines that have passed come
    /// first, so that a late caller of `handle` changes nothing.
    ///
    /// An input about a call, token or recording that does not exist (any more) is ignored: the
    /// far end, the media plane and the disk answer in their own time.
    pub fn handle(&mut self, now: Time, input: Input) {
        while let Some(timer) = self.fx.timers.pop_due(now) {
            self.expire(now, timer);
            self.close_empty_sessions(now);
        }
        self.apply(now, input);
        self.close_empty_sessions(now);
        self.settle();
        self.tell_attendance();
        self.fx.flush();
        let empty = self.calls.is_empty() && self.ended.is_empty() && self.fx.ledger.is_empty();
        if self.drain == Drain::Draining && empty {
            self.drain = Drain::Drained;
            self.fx.outputs.push_back(Output::Drained);
        }
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.fx.outputs.pop_front()
    }

    /// When to call [`Bridge::handle`] with [`Input::Timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.fx.timers.next()
    }

    /// What the wall clock reads at `now`.
    pub fn wall(&self, now: Time) -> WallTime {
        self.fx.clock.at(now)
    }

    /// Legs that are up, for a gauge.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Conferences in session, for a gauge.
    pub fn conferences(&self) -> usize {
        self.sessions.len()
    }

    /// What was counted of guessing at passcodes, for metrics.
    pub const fn guess_counts(&self) -> &GuessCounts {
        self.guard.counts()
    }

    fn apply(&mut self, now: Time, input: Input) {
        match input {
            Input::Offered { call, offered } => self.offered(now, call, &offered, None),
            Input::Claimed { call, offered, claim } => {
                self.offered(now, call, &offered, Some(claim));
            }
            Input::Confirmed { call } => self.confirmed(now, call),
            Input::MediaStarted { call } => self.media_started(now, call),
            Input::MediaSilent { call, since } => {
                self.fell_silent(now, call, since, CloseReason::NoMedia);
            }
            Input::SessionExpired { call, since } => {
                self.fell_silent(now, call, since, CloseReason::SessionTimer);
            }
            Input::Durable { token } => self.durable(now, token),
            Input::NotDurable { token } => self.not_durable(now, token),
            Input::Digit { call, digit } => self.digit(now, call, digit),
            Input::PlaybackDone { call, playback } => self.playback_done(now, call, playback),
            Input::MixPlaybackDone { mix, playback } => {
                if let Some(&session) = self.by_mix.get(&mix) {
                    self.announced(session, playback);
                    self.farewell_played(now, session, playback);
                }
            }
            Input::Ended { call, ended } => self.ended(now, call, ended),
            Input::Invite { call, invitation } => self.invite(now, call, &invitation),
            Input::Remote { request, by, order } => self.remote(now, request, by, &order),
            Input::Dialled { call, dialog, trunk, attest } => {
                self.callee_dialled(now, call, &dialog, (trunk, attest));
            }
            Input::Ringing { call } => self.callee_rings(now, call),
            Input::Answered { call, dialog } => self.callee_answered(now, call, &dialog),
            Input::DialFailed { call, failure, code, q850 } => {
                self.callee_failed(now, call, failure, (code, q850));
            }
            Input::Held { call, held } => self.held(now, call, held),
            Input::Stats { call, quality } => self.measured(call, *quality),
            Input::Attested { call, attest } => self.attested(call, attest),
            Input::RecordingFailed { recording } => self.recording_failed(now, recording),
            Input::Directory(snapshot) => self.directory = snapshot,
            Input::WallClock(wall) => self.fx.clock.set(now, wall),
            Input::Drain => self.begin_drain(now),
            Input::EndNow => self.end_now(now),
            Input::Timeout => {}
        }
    }

    fn expire(&mut self, now: Time, timer: Timer) {
        match timer {
            Timer::Call(call, timer) => match timer {
                CallTimer::Speak => self.greet(now, call),
                CallTimer::NotHeard => self.not_heard(now, call),
                CallTimer::NoMedia => self.no_media(now, call),
                CallTimer::Key => self.no_key(now, call),
                CallTimer::Verdict => self.verdict_is_due(now, call),
                CallTimer::Playback => self.spoken(now, call),
                CallTimer::HoldThanks => self.thank(now, call),
                CallTimer::HoldLimit => self.hold_timeout(now, call),
                CallTimer::Ring => self.callee_does_not_answer(now, call),
                CallTimer::PrivateReminder => self.remind(now, call),
                CallTimer::Stats => drop(self.ended.remove(&call)),
            },
            Timer::Session(session, timer) => match timer {
                SessionTimer::AloneMusic => self.alone_music(now, session),
                SessionTimer::AloneLimit => self.alone_timeout(now, session),
                SessionTimer::LostModerator => self.moderator_is_lost(now, session),
                SessionTimer::Ending => self.ending_is_over(now, session),
                SessionTimer::TenMinutesLeft => {
                    self.warn_session(session, Prompt::EndingInTenMinutes)
                }
                SessionTimer::OneMinuteLeft => {
                    self.warn_session(session, Prompt::EndingInOneMinute)
                }
                SessionTimer::MaxDuration => self.max_duration(now, session),
                SessionTimer::Farewell | SessionTimer::Pace => self.hang_up_group(now, session),
            },
            Timer::Persist => {
                if let Some((token, records)) = self.fx.ledger.offer_refused() {
                    self.fx.outputs.push_back(Output::Persist { token, records });
                }
            }
        }
    }

    fn durable(&mut self, now: Time, token: u64) {
        match self.fx.ledger.durable(token) {
            Some(Gate::Answer(call)) => self.answer(now, call),
            Some(Gate::Dial(call)) => self.dial(now, call),
            Some(Gate::Bridge(call)) => self.greet_callee(now, call),
            Some(Gate::Nothing) | None => {}
        }
    }

    fn not_durable(&mut self, now: Time, token: u64) {
        match self.fx.ledger.not_durable(token) {
            Some(Gate::Answer(call)) => self.refuse_undurable(now, call),
            Some(Gate::Dial(call) | Gate::Bridge(call)) => self.drop_undurable(now, call),
            Some(Gate::Nothing) => {
                self.fx.timers.set(Timer::Persist, now, self.fx.config.persist_retry);
            }
            None => {}
        }
    }

    fn attested(&mut self, id: CallId, attest: Attestation) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.book.record_mut().ani_attest = Some(attest);
        } else if let Some(book) = self.ended.get_mut(&id) {
            book.record_mut().ani_attest = Some(attest);
            self.fx.ledger.push(book.next_revision());
        }
    }

    fn measured(&mut self, id: CallId, quality: Quality) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.book.measured(quality);
        } else if let Some(book) = self.ended.get_mut(&id) {
            book.measured(quality);
            let awaits = book.awaits_verdict();
            self.fx.ledger.push(book.next_revision());
            if !awaits {
                self.ended.remove(&id);
                self.fx.timers.cancel_call(id);
            }
        }
    }
}

/// What all modules use.
impl Bridge {
    /// Writes an event of `call`, in the sequence of its session if it is in one.
    pub(crate) fn event(&mut self, now: Time, call: CallId, event: Event) {
        let Some(call) = self.calls.get_mut(&call) else { return };
        let session = call.session().and_then(|session| self.sessions.get_mut(&session));
        call.note(now, &mut self.fx, session, event);
    }

    /// Plays `prompts` to `call`, in place of what plays to it.
    pub(crate) fn speak(&mut self, now: Time, call: CallId, prompts: Vec<Prompt>) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.speak(now, &mut self.fx, prompts);
        }
    }

    /// Stops what plays to `call`.
    pub(crate) fn hush(&mut self, call: CallId) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.hush(&mut self.fx);
        }
    }

    /// Plays `prompts` to everybody in the mix of `session`.
    pub(crate) fn announce(&mut self, session: SessionId, prompts: Vec<Prompt>) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.announce(&mut self.fx, prompts);
        }
    }

    /// The last prompt for the whole of `session` was played: somebody alone may hear music again.
    fn announced(&mut self, session: SessionId, playback: PlaybackId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.announced(&mut self.fx, playback);
        }
    }

    /// The star codes of the callers in an account's conferences.
    pub(crate) fn star_profile(&self, _account: AccountId) -> Arc<Profile> {
        Arc::clone(self.profiles.usual())
    }

    /// A new record id.
    pub(crate) fn new_uuid(&mut self, now: Time) -> Uuid {
        Uuid::v7(self.fx.clock.at(now), self.random.next_u128())
    }

    /// The next number of a leg in this run.
    pub(crate) const fn new_leg_seq(&mut self) -> u64 {
        self.leg_seq += 1;
        self.leg_seq
    }

    /// An id for a leg that the bridge dials; `None` when all have been used.
    pub(crate) fn new_call(&mut self) -> Option<CallId> {
        let call = CallId(self.next_call);
        self.next_call = self.next_call.checked_add(1)?;
        Some(call)
    }

    /// An id for a mix.
    pub(crate) const fn new_mix(&mut self) -> MixId {
        self.next_mix += 1;
        MixId(self.next_mix)
    }

    /// An id for a conference in session.
    pub(crate) const fn new_session(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }

    /// An id for a recording.
    pub(crate) const fn new_recording(&mut self) -> RecordingId {
        self.next_recording += 1;
        RecordingId(self.next_recording)
    }

    /// An empty place for digits; `None` when there is no memory that may hold them.
    pub(crate) fn new_digits(&mut self) -> Option<SecretDigits> {
        self.vault.digits().ok()
    }

    /// What `call` has typed; it goes on with an empty place.
    pub(crate) fn take_typed(&mut self, call: CallId) -> Option<SecretDigits> {
        let fresh = self.vault.digits().ok()?;
        let call = self.calls.get_mut(&call)?;
        Some(std::mem::replace(&mut call.typed, fresh))
    }
}
