//! The control task: the one owner of the node. It takes turns between what comes in, hands each
//! to the node, and carries out what the node wants.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use partyline_cdr_record::StatusCode;
use partyline_cdr_store::journal::{Health, JournalHandle};
use partyline_control::{
    Fault, GuessAlarm, GuessKey, Lookup, Node, Output, Sources, TrunkFailure, TrunkLimit,
};
use partyline_directory::Snapshot;
use partyline_media::{Command, Event};
use partyline_media_io::{Clock, Commands, Outlet, Running};
use partyline_model::{RecordingId, Role, Time};
use partyline_sip::locate::{Found, LookupFault};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::ask::Question;
use super::bans;
use super::certificates::{self, Fetcher};
use super::dns::Names;
use super::live::Followers;
use super::logins::Renewed;
use super::metrics::Sample;
use super::recorder::Recorder;
use super::shelf::Shelf;
use super::transport::{Arrival, Arrivals, Transports};
use super::trunks::{self, TrunkSample};
use super::users::UserSample;

/// How often the wall clock is read and the metrics are published.
const SECOND: Duration = Duration::from_secs(1);
/// How long the last records may take to the disk when everybody was hung up on.
const LAST_RECORDS: Duration = Duration::from_secs(5);
/// How soon commands that found the media thread's ring full are offered again.
const RETRY: Duration = Duration::from_millis(5);

/// Messages that are taken in before other things have their turn: less than a millisecond of them.
const TURN: usize = 16;

/// What the control task owns and speaks to.
pub(super) struct Control {
    pub(super) clock: Clock,
    pub(super) node: Node,
    pub(super) transports: Transports,
    /// For those who look at what comes before it is queued.
    pub(super) sources: watch::Sender<Arc<Sources>>,
    pub(super) names: Names,
    pub(super) certificates: Fetcher,
    pub(super) commands: Commands<Command>,
    pub(super) events: Outlet<Event>,
    pub(super) media: Running,
    pub(super) journal: JournalHandle,
    pub(super) recorder: Recorder,
    /// Who follows what happens in conferences.
    pub(super) followers: Followers,
    /// Where traces of calls that are over go.
    pub(super) shelf: Option<Shelf>,
    pub(super) traces_lost: u64,
    /// Commands for which the media thread's ring had no room.
    pub(super) waiting: VecDeque<Command>,
    pub(super) sample: watch::Sender<Sample>,
    pub(super) health: watch::Sender<Health>,
    pub(super) calls_ended: u64,
    pub(super) ending: Ending,
    pub(super) drained: bool,
}

/// How far the bridge is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Calls are taken.
    No,
    /// No new calls; those that are up are ended in peace until then.
    Draining(Time),
    /// Everybody was hung up on; until then the records get to the disk.
    Now(Time),
}

/// What comes in.
pub(super) struct Inbox {
    pub(super) arrivals: Arrivals,
    pub(super) media: Arc<Notify>,
    pub(super) durable: mpsc::UnboundedReceiver<(u64, bool)>,
    pub(super) directory: mpsc::Receiver<Arc<Snapshot>>,
    pub(super) names: mpsc::Receiver<(Lookup, Found)>,
    pub(super) certificates: mpsc::Receiver<certificates::Found>,
    pub(super) logins: mpsc::Receiver<Renewed>,
    pub(super) recording_failed: mpsc::UnboundedReceiver<RecordingId>,
    pub(super) asked: mpsc::Receiver<Question>,
    /// Once: take no more calls. Twice: hang up on everybody. Thrice: wait for nothing.
    pub(super) stop: mpsc::Receiver<()>,
}

impl Control {
    /// Runs until the node is drained; `deadline` after the drain began, or at a second stop,
    /// everybody who is still up is hung up on. Only records that get to no disk, and a third stop,
    /// leave it undrained.
    pub(super) async fn run(mut self, mut inbox: Inbox, deadline: Duration) -> Self {
        let mut seconds = interval(SECOND);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.drained {
            let wake = self.wait();
            // SIP comes last: a flood of it must hold nothing else up.
            tokio::select! {
                biased;
                Some((token, written)) = inbox.durable.recv() => {
                    self.followers.written(token, written);
                    self.node.handle_durable(self.clock.now(), token, written);
                }
                () = sleep(wake) => self.node.handle_timeout(self.clock.now()),
                () = inbox.media.notified() => self.take_media_events(),
                Some(snapshot) = inbox.directory.recv() => {
                    self.node.handle_directory(self.clock.now(), snapshot);
                }
                Some(renewed) = inbox.logins.recv() => match renewed {
                    Renewed::Trunk(place, login) => {
                        self.node.set_login(self.clock.now(), place, login);
                    }
                    Renewed::User(name, ha1) => self.node.set_user_ha1(&name, *ha1),
                },
                Some((lookup, found)) = inbox.names.recv() => {
                    self.node.handle_found(self.clock.now(), lookup, found);
                }
                Some((place, fetched)) = inbox.certificates.recv() => {
                    self.node.handle_fetched(self.clock.now(), &place, fetched);
                }
                Some(recording) = inbox.recording_failed.recv() => {
                    self.node.handle_recording_failed(self.clock.now(), recording);
                }
                Some(()) = inbox.stop.recv() => match self.ending {
                    Ending::No => self.drain(deadline),
                    Ending::Draining(_) => self.end_now("told a second time to stop"),
                    Ending::Now(_) => break,
                },
                _ = seconds.tick() => self.each_second(),
                Some(question) = inbox.asked.recv() => {
                    if !question.put(&mut self.node, self.clock, &mut self.followers) {
                        tracing::debug!("nobody waits for the answer any more");
                    }
                }
                Some(arrival) = inbox.arrivals.next() => {
                    self.take_in(arrival);
                    self.take_more(&mut inbox.arrivals);
                }
            }
            self.carry_out();
            match self.ending {
                Ending::Draining(until) if self.clock.now() >= until => {
                    self.end_now("the drain took too long");
                    self.carry_out();
                }
                Ending::Now(until) if self.clock.now() >= until => break,
                Ending::No | Ending::Draining(_) | Ending::Now(_) => {}
            }
        }
        self.shelve(true);
        self
    }

    fn drain(&mut self, deadline: Duration) {
        tracing::info!("draining: no new calls; those that are up hear a notice");
        self.ending = Ending::Draining(self.clock.now() + deadline);
        self.node.drain(self.clock.now());
    }

    fn end_now(&mut self, why: &str) {
        let calls = self.node.calls();
        tracing::warn!(calls, "{why}: everybody who is up is hung up on");
        self.ending = Ending::Now(self.clock.now() + LAST_RECORDS);
        self.node.end_now(self.clock.now());
    }

    /// How long until the node wants to be woken.
    fn wait(&self) -> Duration {
        let until = |at: Time| at - self.clock.now();
        let due = self.node.poll_timeout().map_or(SECOND, until);
        if self.waiting.is_empty() { due } else { due.min(RETRY) }
    }

    /// Takes what has come in meanwhile, a turn of it: to sleep and wake for each message costs more
    /// than most messages do.
    fn take_more(&mut self, arrivals: &mut Arrivals) {
        for _ in 1..TURN {
            self.carry_out();
            let Some(arrival) = arrivals.try_next() else { return };
            self.take_in(arrival);
        }
    }

    fn take_in(&mut self, arrival: Arrival) {
        let now = self.clock.now();
        match self.transports.note(arrival) {
            Some(Arrival::Message { flow, payload }) => {
                self.node.handle_message(now, flow, &payload);
            }
            Some(Arrival::Garbled { flow }) => self.node.handle_garbled(now, flow),
            Some(Arrival::Closed { flow }) => self.node.handle_closed(now, flow),
            Some(Arrival::Unreachable { flow }) => self.node.handle_unreachable(now, flow),
            Some(Arrival::Opened { .. }) | None => {}
        }
    }

    fn take_media_events(&mut self) {
        while let Some(event) = self.events.poll() {
            self.node.handle_media(self.clock.now(), event);
            self.carry_out();
        }
    }

    /// Has traces written of calls that are over: of all, or of those whose last messages have come.
    fn shelve(&mut self, all: bool) {
        let Some(shelf) = &self.shelf else { return };
        let taken = self.node.take_traced(self.clock.now(), all);
        let count = taken.len() as u64;
        if count > 0 && !shelf.put(taken) {
            self.traces_lost += count;
        }
    }

    fn each_second(&mut self) {
        self.shelve(false);
        self.node.handle_wall_clock(self.clock.now(), self.clock.wall());
        if !self.media.is_running() {
            tracing::error!("the media thread has ended: nobody hears anything");
        }
        let sample = Sample {
            sip_unwanted: self.transports.unwanted(),
            sip_receive_errors: self.transports.receive_errors(),
            datagrams_unsent: self.transports.unsent(),
            streams: self.transports.stream_sample(),
            names: self.names.counts(),
            calls_ended: self.calls_ended,
            commands_waiting: self.waiting.len(),
            draining: self.ending != Ending::No,
            banned: self.node.bans(self.clock.now()).len(),
            traces_lost: self.traces_lost,
            trunks: TrunkSample::all(&self.node, self.clock),
            users: UserSample::of(&self.node, self.clock),
            ..Sample::of(&self.node)
        };
        self.sample.send_replace(sample);
        self.health.send_replace(self.journal.health());
    }

    fn carry_out(&mut self) {
        self.send_commands();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    if let Err(flow) = self.transports.send(&transmit) {
                        self.node.handle_unreachable(self.clock.now(), flow);
                    }
                }
                Output::Look(lookup, search) => {
                    if !self.names.look(lookup, search) {
                        let now = self.clock.now();
                        let fault = Some(LookupFault::Silent);
                        let found = Found { targets: Vec::new(), until: now, fault };
                        self.node.handle_found(now, lookup, found);
                    }
                }
                Output::Failed(target) => self.names.failed(target),
                Output::Fetch(place) => self.certificates.fetch(place),
                Output::Verified(verified) => tracing::info!(
                    trunk = verified.trunk,
                    call_id = verified.sip_call_id,
                    verdict = verified.verdict.name(),
                    detail = verified.verdict.detail(),
                    "a caller's number was looked into"
                ),
                Output::Media(command) => {
                    self.waiting.push_back(command);
                    self.send_commands();
                }
                Output::Persist { token, records } => {
                    self.followers.note(token, &records);
                    if self.journal.submit(token, records).is_err() {
                        self.followers.written(token, false);
                        self.node.handle_durable(self.clock.now(), token, false);
                    }
                }
                Output::OpenRecording { recording, conf_id, file } => {
                    tracing::info!(%conf_id, file, "recording");
                    self.recorder.open(recording, file);
                }
                Output::CloseRecording { recording } => self.recorder.close(recording),
                Output::CallEnded(summary) => {
                    self.calls_ended += 1;
                    tracing::info!(
                        leg = %summary.leg_id,
                        direction = summary.direction.as_str(),
                        conference = summary.conf_id.map(tracing::field::display),
                        role = summary.role.map(Role::as_str),
                        seconds = summary.duration.map_or(0, |duration| duration.as_secs()),
                        reason = summary.close_reason.as_str(),
                        by = summary.release_by.of(summary.direction),
                        status = summary.code.map(StatusCode::get),
                        "call ended"
                    );
                }
                Output::Banned(ban) => bans::warn_of(&ban, self.clock),
                Output::GuessAlarm(alarm) => warn_of_guessing(&alarm),
                Output::Intruded { leg_id, rtp, rtcp } => tracing::warn!(
                    leg = leg_id.map(tracing::field::display),
                    rtp,
                    rtcp,
                    "media from other addresses than the far end's was dropped: an intruder, or \
                     a NAT whose addresses belong into the trunk's media_sources"
                ),
                Output::HandshakeFailed(failure) => tracing::warn!(
                    trunk = failure.trunk.as_deref().unwrap_or("none"),
                    media = %failure.media,
                    "call ended: its sound could not be encrypted: {}",
                    failure.fault
                ),
                Output::TrunkFailed(failure) => warn_of_trunk(&failure),
                Output::Refused(refusal) => tracing::warn!(
                    source = %refusal.source,
                    trunk = refusal.trunk.as_deref().unwrap_or("none"),
                    status = refusal.status,
                    times = refusal.times,
                    "call refused: {}; {}",
                    refusal.reason(),
                    refusal.advice()
                ),
                Output::TrunkChanged(change) => trunks::say(&change),
                Output::TrunkNamed(name) => trunks::say_name(&name),
                Output::Sources(sources) => drop(self.sources.send_replace(sources)),
                Output::Drained => self.drained = true,
            }
        }
    }

    fn send_commands(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            if let Err(command) = self.commands.send(command) {
                self.waiting.push_front(command);
                break;
            }
        }
    }
}

/// One line for a trunk that failed a call out.
fn warn_of_trunk(failure: &TrunkFailure) {
    let (why, advice) = match failure.fault {
        Fault::Full(limit) => {
            let key = match limit {
                TrunkLimit::Calls => "max_calls",
                TrunkLimit::Direction => "max_out",
                TrunkLimit::Rate => "cps_out",
            };
            (format!("is full ({key})"), "raise that limit of its [[trunk]] if it takes more")
        }
        Fault::Silent => (
            "did not answer or ring in time".to_owned(),
            "first_response and first_18x of its [[trunk]] say how long it has",
        ),
        Fault::Unreachable => {
            ("cannot be reached".to_owned(), "look at its destination and transport")
        }
        Fault::Refused(status) => {
            (format!("refused it with {status}"), "ask its operator for the call's Call-ID")
        }
    };
    let next = failure.next.as_deref();
    let went_on =
        next.map_or("no other trunk is left".to_owned(), |n| format!("it went on by {n}"));
    tracing::warn!(
        trunk = failure.trunk,
        times = failure.times,
        rests_for_s = failure.rests.map(|rest| rest.as_secs()),
        "a call out failed at a trunk, which {why}; {went_on}; {advice}"
    );
}

/// One line for an alarm about guessed passcodes; of the dialled number, the last four digits.
fn warn_of_guessing(alarm: &GuessAlarm) {
    let dialled = alarm.dialled.map_or_else(String::new, |number| {
        let digits = number.as_str();
        format!("…{}", &digits[digits.len().saturating_sub(4)..])
    });
    tracing::warn!(
        counted_by = alarm.key.name(),
        dialled,
        wrong_in_ten_minutes = alarm.wrong,
        right_in_ten_minutes = alarm.accepted,
        "passcodes are being guessed: {}; the records with auth_failures say who calls, and \
         partyline_guesses in /metrics how it goes on",
        consequence(alarm.key)
    );
}

/// What the bridge does about guesses that are counted by `key`.
const fn consequence(key: GuessKey) -> &'static str {
    match key {
        GuessKey::Address | GuessKey::CallingNumber => {
            "this caller gets no answer until his first wrong try is ten minutes old"
        }
        GuessKey::DialledNumber => {
            "callers that did not get in before get five first answers a second there, their later \
             answers are delayed more and more, and who would wait for longer than 32 s gets none"
        }
        GuessKey::Everywhere => {
            "callers that did not get in before get twenty first answers a second, their later \
             answers are delayed more and more, and who would wait for longer than 32 s gets none"
        }
        GuessKey::Session => {
            "answers are delayed, and after twenty wrong tries callers that never gave the \
             security passcode get none"
        }
        GuessKey::Call => "further answers in this call are delayed",
    }
}
