//! Somebody is called into the conference by its moderator's telephone, and not by `*1`: the moderator
//! stays where he is, and is told by his telephone what comes of it.
//!
//! The same is allowed as by `*1`. Nobody has spoken with the callee before he is in, so he has to say
//! himself that he is there: no answering machine comes into a conference. For the same reason he is
//! asked for the security passcode. Until he is in, he goes with the moderator who had him called.

use partyline_cdr_record::{
    CallFailure, CloseReason, DenyReason, DialoutKind, FeatureCode, FeatureDetail, StatusCode, Text,
};
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Digit, Number, Role, Time};

use crate::bridge::Bridge;
use crate::call::{Choice, Entry, Grant, Phase, Topic};
use crate::event::Output;
use crate::record::{Close, Event};
use crate::remote::By;
use crate::session::Session;

/// How often a callee is asked whether to join.
const TRIES: u8 = 3;
/// What a callee who does not want to join is to the one who had him called.
const DECLINED: StatusCode = CallFailure::Rejected.status_code();
/// What a callee is who answered and did not say that he is there.
const UNCONFIRMED: StatusCode = CallFailure::NoAnswer.status_code();

/// A moderator's telephone asks to call somebody into the conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Names the request in what is told of it.
    pub request: u64,
    /// The number, in any form in which it could be typed.
    pub number: String,
}

/// What comes of an [`Invitation`]: refused, or placed and then joined or failed, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationNews {
    /// Nobody is called.
    Refused(NotInvited),
    /// The call is allowed and on its way.
    Placed,
    /// The callee rings.
    Ringing,
    /// The callee is in the conference, or waits for it.
    Joined,
    /// The callee did not come.
    Failed(StatusCode),
}

/// Why nobody is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInvited {
    /// Only moderators may.
    Role,
    /// Not at this moment: the leg is not in a conference that runs.
    State,
    /// The account may not call this number, or any.
    Barred,
    /// As many are being called as may be.
    Limit,
    /// The conference has as many legs as it may.
    Full,
    /// This is no telephone number.
    NoNumber,
}

/// What is owed to the one who had a leg called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    pub(crate) by: By,
    pub(crate) request: u64,
}

impl Bridge {
    /// A leg's telephone asks to call somebody.
    pub(crate) fn invite(&mut self, now: Time, id: CallId, invitation: &Invitation) {
        let request = invitation.request;
        let news = match self.may_invite(id, &invitation.number) {
            Ok((grant, number)) => self.call_in(now, id, (grant, number), invitation),
            Err((why, number)) => {
                let detail = number.map_or(FeatureDetail::None, FeatureDetail::Number);
                let (code, denied) = event_of(why);
                // Of who has given no passcode nothing is written: it would cost him nothing.
                if self.calls.get(&id).is_some_and(|call| call.grant.is_some()) {
                    self.event(now, id, Event::new(code).denied(denied).with(detail));
                }
                InvitationNews::Refused(why)
            }
        };
        self.fx.outputs.push_back(Output::Invitation { call: id, request, news });
    }

    /// The rules in their order: who asks, whether anybody may be called, then this number.
    fn may_invite(
        &self,
        id: CallId,
        typed: &str,
    ) -> Result<(Grant, Number), (NotInvited, Option<Number>)> {
        let state = (NotInvited::State, None);
        let call = self.calls.get(&id).ok_or(state)?;
        let grant = call.grant.ok_or(state)?;
        if grant.role != Role::Moderator {
            return Err((NotInvited::Role, None));
        }
        let Phase::Member(member) = &call.phase else { return Err(state) };
        let session = self
            .sessions
            .get(&member.session)
            .filter(|session| session.state.is_open())
            .ok_or(state)?;
        self.may_call(grant, session, typed).map(|number| (grant, number))
    }

    /// Whether a number may be called into a session: whether any may, then this one.
    pub(crate) fn may_call(
        &self,
        grant: Grant,
        session: &Session,
        typed: &str,
    ) -> Result<Number, (NotInvited, Option<Number>)> {
        let bought = self.entitlements(grant.account);
        if !bought.is_some_and(|bought| bought.dial_out.is_enabled()) {
            return Err((NotInvited::Barred, None));
        }
        let number = self.check_number(grant, typed).map_err(|refused| {
            let why = if refused.prompt == Prompt::DialLimit {
                NotInvited::Limit
            } else if refused.prompt == Prompt::DialInvalidNumber {
                NotInvited::NoNumber
            } else {
                NotInvited::Barred
            };
            (why, refused.number)
        })?;
        if session.is_full() {
            return Err((NotInvited::Full, Some(number)));
        }
        Ok(number)
    }

    fn call_in(
        &mut self,
        now: Time,
        by: CallId,
        (grant, number): (Grant, Number),
        invitation: &Invitation,
    ) -> InvitationNews {
        let owed = Owed { by: By::Leg(by), request: invitation.request };
        let callee = (grant, number, DialoutKind::ModeratorRefer);
        let Some(callee) = self.call_for(now, owed, callee, &invitation.number) else {
            return InvitationNews::Refused(NotInvited::Limit);
        };
        self.invited.insert((by, callee));
        InvitationNews::Placed
    }

    /// Calls somebody who has to say that he is there; `None` when there is no room for a leg.
    pub(crate) fn call_for(
        &mut self,
        now: Time,
        owed: Owed,
        (grant, number, kind): (Grant, Number, DialoutKind),
        typed: &str,
    ) -> Option<CallId> {
        let callee = self.new_callee(now, owed.by, (grant, number), kind)?;
        if let Some(call) = self.calls.get_mut(&callee) {
            call.owed = Some(owed);
            call.book.record_mut().dialed_raw = Text::new(typed);
        }
        self.open_callee(now, owed.by, callee, Event::new(FeatureCode::DialoutStart));
        Some(callee)
    }

    /// Whether somebody was called by a telephone's request.
    pub(crate) fn is_invited(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.owed.is_some())
    }

    /// Tells how far a callee is to the one who had him called, if that was by a request.
    pub(crate) fn tell_inviter(&mut self, id: CallId, news: InvitationNews) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Owed { by, request }) = call.owed else { return };
        let settled = matches!(news, InvitationNews::Joined | InvitationNews::Failed(_));
        if settled {
            call.owed = None;
        }
        match by {
            By::Leg(by) => {
                if settled {
                    self.invited.remove(&(by, id));
                }
                self.fx.outputs.push_back(Output::Invitation { call: by, request, news });
            }
            // Who ordered it follows the events.
            By::Remote { session, .. } if settled => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.called.retain(|&called| called != id);
                }
            }
            By::Remote { .. } => {}
        }
    }

    /// The callee has answered: is it somebody?
    pub(crate) fn ask_invited(&mut self, now: Time, id: CallId) {
        self.ask(now, id, Topic::Choice(Choice::Invited), TRIES, vec![Prompt::CalleeInvited]);
    }

    /// The callee has pressed a key.
    pub(crate) fn invited_chose(&mut self, now: Time, id: CallId, digit: Digit, tries: u8) {
        match digit.decimal() {
            Some(1) => self.invited_comes(now, id),
            Some(2) => self.invited_declines(now, id),
            _ => self.invited_again(now, id, tries),
        }
    }

    /// The callee has pressed nothing, or what means nothing.
    pub(crate) fn invited_again(&mut self, now: Time, id: CallId, tries: u8) {
        let left = tries.saturating_sub(1);
        if left > 0 {
            return self.ask(
                now,
                id,
                Topic::Choice(Choice::Invited),
                left,
                vec![Prompt::CalleeInvited],
            );
        }
        self.note_of_callee(now, id, Event::new(FeatureCode::DialoutUnconfirmed).failed());
        self.tell_inviter(id, InvitationNews::Failed(UNCONFIRMED));
        self.hang_up(now, id, Close::system(CloseReason::Normal));
    }

    fn invited_comes(&mut self, now: Time, id: CallId) {
        self.note_of_callee(now, id, Event::new(FeatureCode::DialoutJoined));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Entry(Entry { referred: true, ..Entry::default() });
        self.touch(id);
        self.advance(now, id);
    }

    fn invited_declines(&mut self, now: Time, id: CallId) {
        self.note_of_callee(now, id, Event::new(FeatureCode::DialoutRejected).failed());
        self.tell_inviter(id, InvitationNews::Failed(DECLINED));
        self.dismiss(now, id, vec![Prompt::Goodbye], Close::system(CloseReason::Normal));
    }

    /// An event of the one who had `id` called.
    fn note_of_callee(&mut self, now: Time, id: CallId, event: Event) {
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(Owed { by, .. }), leg_id) = (call.owed, call.book.leg_id()) else { return };
        self.note_by(now, by, event.about(leg_id));
    }

    /// Callees who are not in go with the leg that had them called, when it leaves.
    pub(crate) fn drop_invited(&mut self, now: Time, by: CallId) {
        let called = self.invited.range((by, CallId(0))..=(by, CallId(u32::MAX)));
        let called: Vec<CallId> = called.map(|&(_, callee)| callee).collect();
        self.drop_callees(now, called);
    }

    /// Callees of `called` who are not in are hung up on.
    pub(crate) fn drop_callees(&mut self, now: Time, called: Vec<CallId>) {
        for callee in called {
            let is_outside = |phase: &Phase| matches!(phase, Phase::Callee(_));
            if self.calls.get(&callee).is_some_and(|call| is_outside(&call.phase)) {
                self.hang_up(now, callee, Close::moderator(CloseReason::Normal));
            }
        }
    }
}

/// What the record says of a refusal.
const fn event_of(why: NotInvited) -> (FeatureCode, DenyReason) {
    match why {
        NotInvited::Role => (FeatureCode::DialoutStart, DenyReason::Role),
        NotInvited::State | NotInvited::Full => (FeatureCode::DialoutStart, DenyReason::State),
        NotInvited::Barred | NotInvited::Limit | NotInvited::NoNumber => {
            (FeatureCode::DialoutBarred, DenyReason::Policy)
        }
    }
}
