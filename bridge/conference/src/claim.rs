//! A call that claims a place at a leg: the leg's own, which it takes over, or one beside it.
//!
//! Who may claim what of whom is for the signalling to know: here it is known already that the caller
//! was told of the leg by the leg's own telephone, and is one of its own. Nobody types a code for it,
//! so a conference that asks newcomers for more than their passcode lets nobody in this way, not even
//! a moderator.
//!
//! The place changes hands in the step in which the call is answered: the telephone that gives it away
//! hangs up as soon as it hears of that, and no moment may be left without either.

use std::time::Duration;

use partyline_cdr_record::{AccessCode, AuthMethod, CloseReason, FeatureCode, StatusCode};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Role, Time};

use crate::attendance;
use crate::bridge::Bridge;
use crate::call::{Entry, Grant, Phase};
use crate::event::Refusal;
use crate::record::{Close, Event, LegBook, Place};
use crate::session::State;
use crate::timers::{CallTimer, Timer};

/// How long a far end may take to confirm an answer: until then it may be silent.
const CONFIRMS: Duration = Duration::from_secs(32);

/// A place that a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The leg that has it, or that it is beside.
    pub leg: CallId,
    /// Whether the call takes the place or comes beside it.
    pub kind: ClaimKind,
    /// How the call is refused, if it is.
    pub codes: ClaimCodes,
}

/// Which place at a leg a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// The leg's own place, as the leg has it in the conference; the leg is hung up.
    InPlace,
    /// A place beside the leg: the call comes into the leg's conference as a participant does who has given
    /// his passcode, or as a listener beside a listener.
    Beside,
}

/// How claims are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimCodes {
    /// For [`Unclaimed::Gone`].
    pub gone: StatusCode,
    /// For [`Unclaimed::Elsewhere`].
    pub elsewhere: StatusCode,
    /// For [`Unclaimed::Barred`].
    pub barred: StatusCode,
    /// For [`Unclaimed::Full`].
    pub full: StatusCode,
}

/// Why a call does not get the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclaimed {
    /// The leg or its conference is over.
    Gone,
    /// The leg is in no conference yet, or aside from it.
    Elsewhere,
    /// The conference lets nobody in by a claim.
    Barred,
    /// The conference has as many legs as it may.
    Full,
}

impl Claim {
    const fn refused(self, why: Unclaimed) -> Refusal {
        let code = match why {
            Unclaimed::Gone => self.codes.gone,
            Unclaimed::Elsewhere => self.codes.elsewhere,
            Unclaimed::Barred => self.codes.barred,
            Unclaimed::Full => self.codes.full,
        };
        Refusal::Claim(why, code)
    }
}

impl Bridge {
    /// Whether the place that a call claims can be had.
    pub(crate) fn may_claim(&self, claim: Claim) -> Result<(), Refusal> {
        self.is_claimable(claim).map_err(|why| claim.refused(why))
    }

    /// Whether the place that `id` claims, if it claims one, can be had still.
    pub(crate) fn may_still_claim(&self, id: CallId) -> Result<(), Refusal> {
        let claim = self.calls.get(&id).and_then(|call| call.claim);
        claim.map_or(Ok(()), |claim| self.may_claim(claim))
    }

    fn is_claimable(&self, claim: Claim) -> Result<(), Unclaimed> {
        let leg = self.calls.get(&claim.leg).ok_or(Unclaimed::Gone)?;
        let member = match &leg.phase {
            Phase::Member(member) => member,
            Phase::Leaving(_) => return Err(Unclaimed::Gone),
            Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Apart(_)
            | Phase::Callee(_) => return Err(Unclaimed::Elsewhere),
        };
        let session = self.sessions.get(&member.session).ok_or(Unclaimed::Gone)?;
        if session.state.is_closing() {
            return Err(Unclaimed::Gone);
        }
        let asks = session.locked || session.security.is_some();
        if asks || !leg.grant.is_some_and(|grant| self.is_open(grant)) {
            return Err(Unclaimed::Barred);
        }
        match claim.kind {
            ClaimKind::Beside if session.is_full() => Err(Unclaimed::Full),
            ClaimKind::Beside | ClaimKind::InPlace => Ok(()),
        }
    }

    /// The answer of `id` goes out: it has what it claims, if it claims anything.
    pub(crate) fn take_place(&mut self, now: Time, id: CallId) {
        let Some(claim) = self.calls.get(&id).and_then(|call| call.claim) else { return };
        let Some(grant) = self.calls.get(&claim.leg).and_then(|leg| leg.grant) else { return };
        match claim.kind {
            ClaimKind::InPlace => self.change_places(now, (claim.leg, id), grant),
            ClaimKind::Beside => {
                let role = match grant.role {
                    Role::Moderator | Role::Participant => Role::Participant,
                    Role::Listener => Role::Listener,
                };
                self.vouch(now, (claim.leg, id), Grant { role, ..grant });
                let Some(beside) = self.calls.get(&claim.leg) else { return };
                let bound = beside.session();
                let event = Event::new(FeatureCode::CameBeside).about(beside.book.leg_id());
                self.event(now, id, event);
                if let Some(call) = self.calls.get_mut(&id) {
                    call.bound = bound;
                }
            }
        }
    }

    /// `id` may enter what `grant` says, since `leg` is there.
    fn vouch(&mut self, now: Time, (leg, id): (CallId, CallId), grant: Grant) {
        let plan = self.rate_plan(grant.account);
        let Some(old) = self.calls.get(&leg).map(|leg| leg.book.record()) else { return };
        // Its own passcode is that of whoever has its place; who comes beside it has none.
        let code = old.access_codes.last().cloned().filter(|code| code.role == grant.role);
        let tenant_id = old.tenant_id;
        // Whatever number the claimant named: it goes on as the call whose leg vouches was dialled.
        let dialled = (old.dnis, old.access_kind);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let is_in_place = call.claim.is_some_and(|claim| claim.kind == ClaimKind::InPlace);
        (call.grant, call.answered_under) = (Some(grant), None);
        let record = call.book.record_mut();
        (record.dnis, record.access_kind) = dialled;
        call.book.vouched(now, (tenant_id, plan), grant, code.filter(|_| is_in_place));
    }

    /// The place of `old` is that of `new` from here on, and `old` is hung up.
    fn change_places(&mut self, now: Time, (old, new): (CallId, CallId), grant: Grant) {
        self.vouch(now, (old, new), grant);
        let id_of = |id: &CallId| self.calls.get(id).map(|call| call.book.leg_id());
        let (Some(old_id), Some(new_id)) = (id_of(&old), id_of(&new)) else { return };
        let close = Close::system(CloseReason::Normal);
        self.event(now, old, Event::new(FeatureCode::PlaceGiven).about(new_id));
        // Whom its telephone has called is not in yet, and goes with it as ever.
        self.drop_invited(now, old);
        self.cut_off(now, old);
        self.event(now, old, Event::new(FeatureCode::Leave));
        let Some(call) = self.calls.get_mut(&old) else { return };
        let guest = call.guest;
        let Phase::Member(member) = std::mem::replace(&mut call.phase, Phase::Leaving(close))
        else {
            return;
        };
        call.book.move_to(Place::Outside, now);
        let (conf_ms, session_id) = (call.book.conf_ms(), member.session);
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.roster.take_place(old, new);
        session.floor.take_place(old, new);
        session.guests += 1;
        let next_guest = session.guests;
        session.book.leg_went(conf_ms);
        session.book.leg_came();
        let (conf_id, waits) = (session.book.conf_id(), matches!(session.state, State::Waiting));
        self.fx.changed.insert(session_id);
        let Some(call) = self.calls.get_mut(&new) else { return };
        call.guest = guest;
        if guest == 0 && attendance::number(call.book.record()).is_none() {
            call.guest = next_guest;
        }
        let mut member = member;
        member.keys.reset();
        let is_aside = member.room.is_some();
        call.phase = Phase::Member(member);
        call.book.record_mut().conf_id = Some(conf_id);
        let expects_media = call.expects_media;
        self.event(now, new, Event::new(FeatureCode::PlaceTaken).about(old_id));
        if waits {
            self.hold(now, new);
        } else {
            self.mix(now, new);
        }
        if is_aside && let Some(call) = self.calls.get_mut(&new) {
            call.book.move_to(Place::Private, now);
            self.fx.ledger.push(call.book.next_revision());
        }
        self.touch(new);
        if expects_media {
            let limit = self.fx.config.no_media + CONFIRMS;
            self.fx.timers.set(Timer::Call(new, CallTimer::NoMedia), now, limit);
        }
        self.hang_up(now, old, close);
    }

    /// The far end of `id` hears from here on: what it has to know of the place that it took.
    pub(crate) fn place_confirmed(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(session) = call.session() else { return };
        let taken = call.claim.take_if(|claim| claim.kind == ClaimKind::InPlace);
        let is_recorded =
            self.sessions.get(&session).is_some_and(|session| session.recording.is_some());
        if taken.is_some() && is_recorded {
            self.event(now, id, Event::new(FeatureCode::Consent));
            self.speak(now, id, vec![Prompt::RecordingNotice]);
        }
    }

    /// The far end of `id` can hear: whether it comes beside a leg, and is asked for no passcode.
    pub(crate) fn come_beside(&mut self, now: Time, id: CallId) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if call.claim.is_none_or(|claim| claim.kind != ClaimKind::Beside) {
            return false;
        }
        call.typed.clear();
        call.phase = Phase::Entry(Entry { referred: true, ..Entry::default() });
        self.advance(now, id);
        true
    }
}

impl LegBook {
    /// Another leg vouches for this one. `code` is that of the place that it takes.
    fn vouched(
        &mut self,
        now: Time,
        (tenant_id, plan): (u64, Option<u32>),
        grant: Grant,
        code: Option<AccessCode>,
    ) {
        let at = self.stamp(now);
        self.pays_by(plan);
        let record = self.record_mut();
        record.tenant_id = tenant_id;
        record.account_id = Some(grant.account);
        record.conference_id = Some(grant.conference);
        record.access_code_role = Some(grant.role);
        record.access_codes.extend(code.map(|code| AccessCode { at, ..code }));
        record.auth_method = AuthMethod::OtherLeg;
    }
}
