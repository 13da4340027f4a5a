//! From the offered call to the first prompt.
//!
//! The open and the answered revision are on disk before the answer leaves; without them the call is
//! refused.

use std::sync::Arc;

use partyline_model::{CallId, Time};
use partyline_secret::SecretDigits;

use crate::bridge::{Bridge, Drain};
use crate::call::{Call, Entry, Greeting, Phase, Topic};
use crate::claim::Claim;
use crate::event::{FIRST_OUTBOUND, Offered, Output, Refusal, RefusalCodes, Talk};
use crate::guard::{Caller, Stranger};
use crate::ledger::Gate;
use crate::lookup::Admission;
use crate::record::{Close, Event, LegBook};
use crate::timers::{CallTimer, Timer};

use partyline_cdr_record::{CloseReason, FeatureCode, StatusCode};
use partyline_dialplan::Prompt;

impl Bridge {
    /// A call came: its record begins, and the call is refused or its answer prepared.
    pub(crate) fn offered(
        &mut self,
        now: Time,
        id: CallId,
        offered: &Offered,
        claim: Option<Claim>,
    ) {
        if id >= FIRST_OUTBOUND || self.calls.contains_key(&id) {
            return;
        }
        let ids = (self.new_uuid(now), self.new_leg_seq());
        let mut book = LegBook::inbound(self.origin, ids, (now, self.fx.clock.at(now)), offered);
        let (admission, typed) = match self.admit(offered, claim) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                return self.refuse_unborn(now, id, book, (refusal, offered.codes.of(refusal)));
            }
        };
        if let Some(admission) = admission {
            admission.fill(book.record_mut());
        }
        let open = book.revision();
        book.answer(now);
        let answered = book.next_revision();
        let mut call = Call::new(id, Phase::Opening, book, typed);
        call.expects_media = offered.expects_media;
        call.codes = offered.codes;
        call.caller = Caller::of(offered);
        call.stranger = Stranger::of(offered);
        call.claim = claim;
        self.calls.insert(id, call);
        self.fx.persist(Gate::Answer(id), vec![open, answered]);
    }

    /// Whether a call is let in, and with what. Who claims a place at a leg need not dial a number.
    fn admit(
        &mut self,
        offered: &Offered,
        claim: Option<Claim>,
    ) -> Result<(Option<Admission>, SecretDigits), Refusal> {
        let retry_after = self.fx.config.retry_after;
        if self.drain != Drain::Open {
            return Err(Refusal::Draining { retry_after });
        }
        let admission = match claim {
            None => Some(self.look_up_number(offered)?),
            Some(claim) => {
                self.may_claim(claim)?;
                self.look_up_number(offered).ok()
            }
        };
        if self.fx.ledger.is_failing() {
            return Err(Refusal::NotDurable { retry_after });
        }
        if self.calls.len() >= self.fx.config.max_calls {
            return Err(Refusal::Full { retry_after });
        }
        let typed = self.new_digits().ok_or(Refusal::Full { retry_after })?;
        Ok((admission, typed))
    }

    /// Refuses a call that never got a state: one closed record, nothing waits for it.
    fn refuse_unborn(
        &mut self,
        now: Time,
        id: CallId,
        mut book: LegBook,
        (refusal, code): (Refusal, StatusCode),
    ) {
        book.close(now, self.fx.clock.at(now), close_of(refusal, code));
        self.fx.ledger.push(book.next_revision());
        self.fx.outputs.push_back(Output::Reject { call: id, refusal, code });
        let summary = Box::new(book.summary(0));
        self.fx.outputs.push_back(Output::CallEnded { call: id, summary });
    }

    /// The records of `id` cannot be written: no call without them.
    pub(crate) fn refuse_undurable(&mut self, now: Time, id: CallId) {
        let refusal = Refusal::NotDurable { retry_after: self.fx.config.retry_after };
        self.refuse(now, id, refusal);
    }

    /// Refuses a call that has not been answered.
    pub(crate) fn refuse(&mut self, now: Time, id: CallId, refusal: Refusal) {
        let codes = self.calls.get(&id).map_or_else(RefusalCodes::default, |call| call.codes);
        let code = codes.of(refusal);
        let reject = Output::Reject { call: id, refusal, code };
        self.release(now, id, close_of(refusal, code), Some(reject));
    }

    /// The records are on disk: the answer may go.
    pub(crate) fn answer(&mut self, now: Time, id: CallId) {
        if self.drain != Drain::Open {
            let refusal = Refusal::Draining { retry_after: self.fx.config.retry_after };
            return self.refuse(now, id, refusal);
        }
        if let Err(refusal) = self.may_still_claim(id) {
            return self.refuse(now, id, refusal);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Greeting(Greeting::default());
        // Billing starts when the answer leaves, not when it was written down.
        call.book.answer(now);
        call.answered_under = Some(Arc::clone(&self.directory));
        self.fx.outputs.push_back(Output::Answer { call: id });
        self.fx.outputs.push_back(Output::Talk { call: id, talk: Talk::Secret });
        self.take_place(now, id);
    }

    /// The far end confirms the answer.
    pub(crate) fn confirmed(&mut self, now: Time, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.confirmed = true;
        }
        self.heard(now, id);
        self.place_confirmed(now, id);
    }

    /// The far end has our answer: from here the far end hears what is sent.
    fn heard(&mut self, now: Time, id: CallId) {
        let Some(greeting) = self.greeting(id) else { return };
        if greeting.heard.is_some() {
            return;
        }
        greeting.heard = Some(now);
        self.schedule_greeting(now, id);
        // Counted from the confirmation: a leg without one is the signalling's to give up.
        if self.calls.get(&id).is_some_and(|call| call.expects_media) {
            self.fx.timers.set(Timer::Call(id, CallTimer::NoMedia), now, self.fx.config.no_media);
            self.fx.timers.set(Timer::Call(id, CallTimer::NotHeard), now, self.fx.config.not_heard);
        }
    }

    /// A first sign of life came from the far end.
    pub(crate) fn media_started(&mut self, now: Time, id: CallId) {
        self.is_alive(id);
        let Some(greeting) = self.greeting(id) else { return };
        greeting.alive = true;
        greeting.heard.get_or_insert(now);
        self.schedule_greeting(now, id);
    }

    fn greeting(&mut self, id: CallId) -> Option<&mut Greeting> {
        match &mut self.calls.get_mut(&id)?.phase {
            Phase::Greeting(greeting) => Some(greeting),
            Phase::Opening
            | Phase::Entry(_)
            | Phase::Member(_)
            | Phase::Apart(_)
            | Phase::Leaving(_)
            | Phase::Callee(_) => None,
        }
    }

    /// The first prompt begins with the first media or 400 ms after the answer was heard,
    /// whichever is later, and after 800 ms in any case.
    fn schedule_greeting(&mut self, now: Time, id: CallId) {
        let (least, most) = (self.fx.config.speak_after, self.fx.config.speak_at_latest);
        let Some(&mut Greeting { heard: Some(heard), alive }) = self.greeting(id) else { return };
        let begin = heard + if alive { least } else { most };
        self.fx.timers.set(Timer::Call(id, CallTimer::Speak), now, begin.since(now));
    }

    /// The far end can hear: welcome it, or take what it typed ahead.
    pub(crate) fn greet(&mut self, now: Time, id: CallId) {
        if self.greeting(id).is_none() || self.come_beside(now, id) {
            return;
        }
        let ahead = self.take_typed(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Entry(Entry::default());
        let Some(ahead) = ahead else { return self.no_memory(now, id) };
        let tries = self.fx.config.passcode.tries;
        if ahead.is_empty() {
            let prompts = vec![Prompt::Welcome, Prompt::EnterPasscode];
            return self.ask(now, id, Topic::Passcode, tries, prompts);
        }
        self.ask(now, id, Topic::Passcode, tries, Vec::new());
        self.type_ahead(now, id, ahead);
    }

    /// A sign of life came: nobody waits for one any more.
    pub(crate) fn is_alive(&mut self, id: CallId) {
        self.fx.timers.cancel(Timer::Call(id, CallTimer::NotHeard));
        self.fx.timers.cancel(Timer::Call(id, CallTimer::NoMedia));
    }

    /// No sign of life came for a while: the caller may hear us, and learn that we do not hear him. What
    /// he is asked stays asked.
    pub(crate) fn not_heard(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        if !matches!(call.phase, Phase::Entry(_) | Phase::Member(_)) {
            return;
        }
        self.fx.timers.cancel(Timer::Call(id, CallTimer::Key));
        self.event(now, id, Event::of_system(FeatureCode::NoSound).failed());
        self.speak(now, id, vec![Prompt::NoSoundHeard]);
    }

    /// No sign of life came in time after the answer.
    pub(crate) fn no_media(&mut self, now: Time, id: CallId) {
        self.hang_up(now, id, Close::system(CloseReason::NoMedia));
    }

    /// The far end is given up: charged until its last sign of life.
    pub(crate) fn fell_silent(&mut self, now: Time, id: CallId, since: Time, reason: CloseReason) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.book.ended_at(since.min(now));
        self.lose(now, id, Close::system(reason));
    }
}

/// What the record of a refused call says.
fn close_of(refusal: Refusal, code: StatusCode) -> Close {
    Close { code: Some(code), q850: Some(refusal.q850()), ..Close::system(refusal.reason()) }
}
