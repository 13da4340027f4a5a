//! `*1`: a moderator calls somebody, talks in private, and brings both in or comes back alone.
//!
//! The callee's leg has a record of its own, before the call goes out; nobody hears the callee
//! before the record says that it answered.

use partyline_cdr_record::{
    Attestation, CallFailure, CloseReason, DenyReason, DialoutKind, FeatureCode, FeatureDetail,
    Presentation, ReleaseBy, StatusCode,
};
use partyline_dialplan::star::{Command, Match, Matcher, Menu};
use partyline_dialplan::{Outbound, Prompt};
use partyline_model::{CallId, Digit, Number, Role, Time};

use crate::bridge::Bridge;
use crate::call::{Apart, ApartStage, Call, Callee, CalleeStage, Entry, Grant, Phase, Topic};
use crate::event::{DialogNames, Output};
use crate::invited::InvitationNews;
use crate::ledger::Gate;
use crate::record::{Close, Event, LegBook, Place};
use crate::remote::By;
use crate::timers::{CallTimer, Timer};

/// Why a call is not made.
pub(crate) struct Refused {
    pub(crate) prompt: Prompt,
    pub(crate) number: Option<Number>,
}

/// Asking for the number.
impl Bridge {
    /// `*1`: the moderator goes aside and is asked for a number.
    pub(crate) fn dial_code(&mut self, now: Time, id: CallId) {
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        if !self.is_open(grant) {
            return self.deny(now, id, Command::DialOut, DenyReason::State, Prompt::DialBarred);
        }
        let bought = self.directory.account(grant.account);
        if !bought.is_some_and(|account| account.entitlements.dial_out.is_enabled()) {
            let why = DenyReason::Entitlement;
            return self.deny(now, id, Command::DialOut, why, Prompt::DialBarred);
        }
        let codes = self.star_profile(grant.account);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let phase = std::mem::replace(&mut call.phase, Phase::Opening);
        let Phase::Member(member) = phase else {
            call.phase = phase;
            return;
        };
        let session = member.session;
        let keys = Matcher::new(codes, Menu::DialOut);
        call.phase = Phase::Apart(Apart { member, stage: ApartStage::Number, keys });
        call.book.move_to(Place::Private, now);
        self.watch_alone(now, session);
        let tries = self.fx.config.dial.tries;
        self.ask(now, id, Topic::Number, tries, vec![Prompt::DialNumber]);
    }

    /// A number was typed.
    pub(crate) fn number_typed(&mut self, now: Time, id: CallId, tries: u8) {
        let typed = self.take_typed(id).filter(|typed| !typed.is_empty());
        let Some(typed) = typed else { return self.number_given_up(now, id) };
        let Some(grant) = self.calls.get(&id).and_then(|call| call.grant) else { return };
        match self.check_number(grant, &typed.reveal()) {
            Ok(number) => self.place_call(now, id, grant, number),
            Err(Refused { prompt: Prompt::DialInvalidNumber, .. }) if tries > 1 => {
                let prompts = vec![Prompt::DialInvalidNumber, Prompt::DialNumber];
                self.ask(now, id, Topic::Number, tries - 1, prompts);
            }
            Err(Refused { prompt, number }) => {
                let detail = number.map_or(FeatureDetail::None, FeatureDetail::Number);
                let event = Event::of(FeatureCode::DialoutBarred, Command::DialOut);
                self.event(now, id, event.denied(DenyReason::Policy).with(detail));
                self.come_back(now, id, prompt);
            }
        }
    }

    /// The rules in their order: never to be called, then not from this account, then not now.
    pub(crate) fn check_number(&self, grant: Grant, typed: &str) -> Result<Number, Refused> {
        let barred = Refused { prompt: Prompt::DialBarred, number: None };
        let account = self.directory.account(grant.account).filter(|_| self.is_open(grant));
        let Some(account) = account else { return Err(barred) };
        let Outbound { number, named_by, .. } =
            match self.plan.classify(typed, &account.country_code) {
                Ok(outbound) => outbound,
                Err(barred) => return Err(Refused { prompt: barred.prompt(), number: None }),
            };
        let policy = &account.entitlements.dial_out;
        let refused = |prompt| Refused { prompt, number: Some(number) };
        // A call to ourselves would put the moderator before his own passcode prompt.
        let is_ours = self.directory.dial_in(&number).is_some();
        if is_ours || !policy.allows(&number, named_by) {
            return Err(refused(Prompt::DialBarred));
        }
        let called = self.calls.values().filter(|call| {
            let conference = call.grant.map(|grant| grant.conference);
            call.is_outbound() && conference == Some(grant.conference)
        });
        if called.count() >= usize::from(policy.max_concurrent) {
            return Err(refused(Prompt::DialLimit));
        }
        Ok(number)
    }

    /// The moderator did not give a number.
    pub(crate) fn number_given_up(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::DialoutStart, Command::DialOut).failed());
        self.rejoin(now, id);
        self.speak(now, id, vec![Prompt::Cancelled, Prompt::BackInConference]);
    }

    /// The call was not made or not answered: says why, and puts the moderator back.
    fn come_back(&mut self, now: Time, id: CallId, why: Prompt) {
        self.rejoin(now, id);
        self.speak(now, id, vec![why, Prompt::DialAgain]);
    }
}

/// The call.
impl Bridge {
    fn place_call(&mut self, now: Time, by: CallId, grant: Grant, number: Number) {
        let kind = DialoutKind::ModeratorStar;
        let Some(callee) = self.new_callee(now, By::Leg(by), (grant, number), kind) else {
            return self.come_back(now, by, Prompt::DialFailed);
        };
        if let Some(apart) = self.apart_mut(by) {
            apart.stage = ApartStage::Calling(callee);
        }
        let start = Event::of(FeatureCode::DialoutStart, Command::DialOut);
        self.open_callee(now, By::Leg(by), callee, start);
        self.speak(now, by, vec![Prompt::DialCalling]);
    }

    /// A leg that is called for `by`, and not yet on disk; `None` when there is no room for one.
    pub(crate) fn new_callee(
        &mut self,
        now: Time,
        by: By,
        (grant, number): (Grant, Number),
        kind: DialoutKind,
    ) -> Option<CallId> {
        let behalf = match by {
            By::Leg(by) => self.calls.get(&by)?.book.behalf(),
            By::Remote { session, .. } => self.sessions.get(&session)?.book.behalf(),
        };
        let (callee, typed) = self.new_call().zip(self.new_digits())?;
        let ids = (self.new_uuid(now), self.new_leg_seq());
        let at = (now, self.fx.clock.at(now));
        let plan = self.rate_plan(grant.account);
        let mut book = LegBook::outbound(self.origin, ids, at, behalf, (number, kind));
        book.pays_by(plan);
        let phase = Phase::Callee(Callee { by, stage: CalleeStage::Opening });
        let mut call = Call::new(callee, phase, book, typed);
        call.grant = Some(Grant { role: Role::Participant, ..grant });
        self.calls.insert(callee, call);
        Some(callee)
    }

    /// Writes down that a leg is about to be called; the call goes when that is on disk.
    pub(crate) fn open_callee(&mut self, now: Time, by: By, callee: CallId, start: Event) {
        let Some(call) = self.calls.get(&callee) else { return };
        let (leg_id, open) = (call.book.leg_id(), call.book.revision());
        let number = call.book.record().dialed_number;
        let detail = number.map_or(FeatureDetail::None, FeatureDetail::Number);
        self.note_by(now, by, start.about(leg_id).with(detail));
        self.fx.persist(Gate::Dial(callee), vec![open]);
    }

    /// The open record of `id` is on disk: the call may go.
    pub(crate) fn dial(&mut self, now: Time, id: CallId) {
        let Some(by) = self.next_stage(id, CalleeStage::Opening, CalleeStage::Dialled) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(number) = call.book.record().dialed_number else { return };
        let account = call.grant.and_then(|grant| self.directory.account(grant.account));
        let caller_id = account.and_then(|account| account.caller_id);
        let account = account.map(|account| account.id);
        if caller_id.is_some() {
            let record = call.book.record_mut();
            (record.ani, record.ani_presentation) = (caller_id, Presentation::Allowed);
        }
        self.fx.timers.set(Timer::Call(id, CallTimer::Ring), now, self.fx.config.ring);
        self.fx.outputs.push_back(Output::Dial {
            call: id,
            by: by.leg(),
            number,
            caller_id,
            account,
        });
    }

    /// The call went out: its dialog's names and trunk stand in the record even when nobody
    /// answers, so that an attempt can be found in the carrier's records. The callee has the whole
    /// time to ring, by whichever trunk.
    pub(crate) fn callee_dialled(
        &mut self,
        now: Time,
        id: CallId,
        dialog: &DialogNames,
        (trunk, attest): (u32, Option<Attestation>),
    ) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if matches!(call.phase, Phase::Callee(Callee { stage: CalleeStage::Dialled, .. })) {
            call.book.name(dialog);
            let record = call.book.record_mut();
            (record.trunk_out, record.ani_attest) = (Some(trunk), attest);
            self.fx.timers.set(Timer::Call(id, CallTimer::Ring), now, self.fx.config.ring);
        }
    }

    /// The callee's telephone rings.
    pub(crate) fn callee_rings(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Callee(Callee { by, stage: CalleeStage::Dialled }) = call.phase else { return };
        let leg_id = call.book.leg_id();
        if call.book.rings(now) {
            self.note_by(now, by, Event::new(FeatureCode::DialoutRinging).about(leg_id));
            self.tell_inviter(id, InvitationNews::Ringing);
        }
    }

    /// The callee answered.
    pub(crate) fn callee_answered(&mut self, now: Time, id: CallId, dialog: &DialogNames) {
        let Some(by) = self.next_stage(id, CalleeStage::Dialled, CalleeStage::Recording) else {
            return;
        };
        self.fx.timers.cancel(Timer::Call(id, CallTimer::Ring));
        let grant = self.calls.get(&id).and_then(|call| call.grant);
        let plan = grant.and_then(|grant| self.rate_plan(grant.account));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.book.name(dialog);
        call.book.answer(now);
        call.book.pays_by(plan);
        let (leg_id, answered) = (call.book.leg_id(), call.book.next_revision());
        self.note_by(now, by, Event::new(FeatureCode::DialoutAnswered).about(leg_id));
        self.fx.persist(Gate::Bridge(id), vec![answered]);
    }

    /// The answer is on disk: the callee hears why it was called.
    pub(crate) fn greet_callee(&mut self, now: Time, id: CallId) {
        if self.next_stage(id, CalleeStage::Recording, CalleeStage::Greeted).is_none() {
            return;
        }
        if self.is_invited(id) {
            self.ask_invited(now, id);
        } else {
            self.speak(now, id, vec![Prompt::CalleeHold]);
        }
    }

    /// The callee knows why: it and the moderator talk in private.
    pub(crate) fn connect(&mut self, now: Time, id: CallId) {
        let mix = self.new_mix();
        let talking = CalleeStage::Talking(mix);
        let by = self.next_stage(id, CalleeStage::Greeted, talking).and_then(By::leg);
        let Some(by) = by else { return };
        if let Some(apart) = self.apart_mut(by) {
            apart.stage = ApartStage::Talking(id, mix);
        }
        self.touch(by);
        self.speak(now, by, vec![Prompt::DialAddOrReturn]);
        self.await_decision(now, by);
    }

    /// Takes a callee from one stage to the next; its moderator, or `None` when it is not there.
    fn next_stage(&mut self, id: CallId, from: CalleeStage, to: CalleeStage) -> Option<By> {
        let Phase::Callee(callee) = &mut self.calls.get_mut(&id)?.phase else { return None };
        if callee.stage != from {
            return None;
        }
        callee.stage = to;
        let by = callee.by;
        self.touch(id);
        Some(by)
    }

    fn apart_mut(&mut self, id: CallId) -> Option<&mut Apart> {
        match &mut self.calls.get_mut(&id)?.phase {
            Phase::Apart(apart) => Some(apart),
            Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Member(_)
            | Phase::Leaving(_)
            | Phase::Callee(_) => None,
        }
    }
}

/// The moderator's keys meanwhile.
impl Bridge {
    /// A key of a moderator that is aside.
    pub(crate) fn aside_key(&mut self, now: Time, id: CallId, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Apart(apart) = &mut call.phase else { return };
        let (stage, found) = (apart.stage, apart.keys.push(digit));
        match found {
            Match::Ignored => call.stray_digits = call.stray_digits.saturating_add(1),
            Match::Command(command, keys) => call.keyed = Some((command, keys)),
            Match::Pending | Match::Unknown => {}
        }
        if let ApartStage::Talking(..) = stage {
            self.await_decision(now, id);
        }
        match (found, stage) {
            (Match::Pending, _) => {
                self.hush(id);
                self.await_code(now, id);
            }
            (Match::Command(Command::BringBoth, _), ApartStage::Talking(callee, _)) => {
                self.bring_both(now, id, callee)
            }
            (
                Match::Command(Command::ReturnAlone, _),
                ApartStage::Calling(callee) | ApartStage::Talking(callee, _),
            ) => {
                self.return_alone(now, id, callee);
            }
            (Match::Command(..), _) => self.speak(now, id, vec![Prompt::NotAvailableYet]),
            // Other codes are ignored here, as are bare keys.
            (Match::Ignored | Match::Unknown, _) => {}
        }
    }

    /// `*2`: both come into the conference.
    fn bring_both(&mut self, now: Time, id: CallId, callee: CallId) {
        self.rejoin(now, id);
        let Some(call) = self.calls.get_mut(&callee) else { return };
        // The moderator vouches for it; it is asked for nothing.
        call.phase = Phase::Entry(Entry { referred: true, verified: true, ..Entry::default() });
        let leg_id = call.book.leg_id();
        self.touch(callee);
        self.event(
            now,
            id,
            Event::of(FeatureCode::DialoutJoined, Command::BringBoth).about(leg_id),
        );
        self.speak(now, id, vec![Prompt::BackInConference]);
        self.advance(now, callee);
    }

    /// `*3`: the moderator comes back, and the callee is dropped, ringing or talking.
    fn return_alone(&mut self, now: Time, id: CallId, callee: CallId) {
        let leg_id = self.calls.get(&callee).map(|call| call.book.leg_id());
        let mut event = Event::of(FeatureCode::DialoutDropped, Command::ReturnAlone);
        event.target = leg_id;
        self.event(now, id, event);
        self.rejoin(now, id);
        self.hang_up(now, callee, Close::moderator(CloseReason::Normal));
        self.speak(now, id, vec![Prompt::BackInConference]);
    }

    /// A private talk goes on without a decision.
    pub(crate) fn remind(&mut self, now: Time, id: CallId) {
        if matches!(self.apart_mut(id), Some(Apart { stage: ApartStage::Talking(..), .. })) {
            self.speak(now, id, vec![Prompt::DialAddOrReturn]);
            self.await_decision(now, id);
        }
    }

    fn await_decision(&mut self, now: Time, id: CallId) {
        let reminder = Timer::Call(id, CallTimer::PrivateReminder);
        self.fx.timers.set(reminder, now, self.fx.config.private_reminder);
    }
}

/// When the callee does not come, or goes.
impl Bridge {
    /// The callee did not answer.
    pub(crate) fn callee_failed(
        &mut self,
        now: Time,
        id: CallId,
        failure: CallFailure,
        (code, q850): (StatusCode, Option<u8>),
    ) {
        let Some(Phase::Callee(Callee { by, .. })) = self.calls.get(&id).map(|call| &call.phase)
        else {
            return;
        };
        self.report_failure(now, *by, id, failure, code);
        let (reason, by) = close_of(failure);
        self.release(now, id, Close { reason, by, code: Some(code), q850 }, None);
    }

    /// The callee's telephone rang for too long.
    pub(crate) fn callee_does_not_answer(&mut self, now: Time, id: CallId) {
        let Some(Phase::Callee(Callee { by, .. })) = self.calls.get(&id).map(|call| &call.phase)
        else {
            return;
        };
        let failure = CallFailure::NoAnswer;
        let code = failure.status_code();
        self.report_failure(now, *by, id, failure, code);
        let close = Close::system(CloseReason::Normal);
        self.hang_up(now, id, Close { code: Some(code), q850: Some(19), ..close });
    }

    /// The callee's records cannot be written: no call without them.
    pub(crate) fn drop_undurable(&mut self, now: Time, id: CallId) {
        let Some(Phase::Callee(Callee { by, .. })) = self.calls.get(&id).map(|call| &call.phase)
        else {
            return;
        };
        let failure = CallFailure::Unreachable;
        self.report_failure(now, *by, id, failure, failure.status_code());
        self.hang_up(now, id, Close::system(CloseReason::Internal));
    }

    /// A callee that was not brought in hung up or was lost: the moderator comes back.
    pub(crate) fn callee_is_gone(&mut self, now: Time, by: By, id: CallId, stage: CalleeStage) {
        match stage {
            CalleeStage::Opening | CalleeStage::Dialled => {
                let code = CallFailure::NoAnswer.status_code();
                self.report_failure(now, by, id, CallFailure::Unreachable, code);
            }
            CalleeStage::Recording | CalleeStage::Greeted if self.is_invited(id) => {}
            CalleeStage::Recording | CalleeStage::Greeted | CalleeStage::Talking(_) => {
                let Some(by) = by.leg() else { return };
                self.rejoin(now, by);
                self.speak(now, by, vec![Prompt::CalleeLeft, Prompt::BackInConference]);
            }
        }
    }

    fn report_failure(
        &mut self,
        now: Time,
        by: By,
        callee: CallId,
        failure: CallFailure,
        code: StatusCode,
    ) {
        let Some(leg_id) = self.calls.get(&callee).map(|call| call.book.leg_id()) else { return };
        let is_invited = self.is_invited(callee);
        let aside = by.leg().filter(|&by| self.apart_mut(by).is_some());
        if !is_invited && aside.is_none() {
            return;
        }
        let event = Event::new(event_of(failure)).failed().about(leg_id);
        self.note_by(now, by, event.with(FeatureDetail::Status(code.get())));
        if is_invited {
            self.tell_inviter(callee, InvitationNews::Failed(code));
        } else if let Some(by) = aside {
            self.come_back(now, by, prompt_of(failure));
        }
    }
}

/// What the moderator hears.
const fn prompt_of(failure: CallFailure) -> Prompt {
    match failure {
        CallFailure::Busy => Prompt::DialBusy,
        CallFailure::NoAnswer => Prompt::DialNoAnswer,
        CallFailure::NotFound => Prompt::DialNotInService,
        CallFailure::Rejected => Prompt::DialRefused,
        CallFailure::Unreachable => Prompt::DialFailed,
    }
}

const fn event_of(failure: CallFailure) -> FeatureCode {
    match failure {
        CallFailure::Busy => FeatureCode::DialoutBusy,
        CallFailure::NoAnswer => FeatureCode::DialoutNoAnswer,
        CallFailure::Rejected => FeatureCode::DialoutRejected,
        CallFailure::NotFound | CallFailure::Unreachable => FeatureCode::DialoutFailed,
    }
}

/// What the callee's record says, and who ended its leg.
const fn close_of(failure: CallFailure) -> (CloseReason, ReleaseBy) {
    match failure {
        CallFailure::Busy | CallFailure::NoAnswer | CallFailure::Rejected => {
            (CloseReason::Normal, ReleaseBy::Caller)
        }
        CallFailure::NotFound => (CloseReason::NotFound, ReleaseBy::Carrier),
        CallFailure::Unreachable => (CloseReason::Transport, ReleaseBy::Carrier),
    }
}
