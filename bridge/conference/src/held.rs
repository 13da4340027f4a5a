//! A far end that puts the conference on hold: its leg is muted, so that no hold music comes into
//! the mix, and the moderators are told. When it comes back it is heard again.

use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_model::{CallId, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::Phase;
use crate::record::Event;

impl Bridge {
    /// The far end of `id` holds us from here on, or no longer.
    pub(crate) fn held(&mut self, now: Time, id: CallId, held: bool) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if std::mem::replace(&mut call.held, held) == held {
            return;
        }
        self.touch(id);
        let code = if held { FeatureCode::FarEndHold } else { FeatureCode::FarEndResume };
        self.event(now, id, Event::new(code));
        if held {
            self.tell_of_hold(now, id);
        }
    }

    /// Tells the moderators that a leg of their conference holds it, privately: in a conference
    /// where joining is heard, and to those who are not in the midst of something else.
    fn tell_of_hold(&mut self, now: Time, id: CallId) {
        let Some(session) = self.calls.get(&id).and_then(|call| call.session()) else { return };
        let legs = self.sessions.get(&session).map_or(0, |session| session.roster.len());
        if legs > self.fx.config.silent_above {
            return;
        }
        self.tell_moderators(now, session, &[Prompt::CallerOnHold]);
    }

    /// Tells something to the moderators, privately: to those who are not in the midst of something
    /// else.
    pub(crate) fn tell_moderators(&mut self, now: Time, session: SessionId, prompts: &[Prompt]) {
        let Some(session) = self.sessions.get(&session).filter(|it| it.state.is_open()) else {
            return;
        };
        for moderator in session.roster.moderators() {
            let Some(call) = self.calls.get_mut(&moderator) else { continue };
            let is_free = call.question.is_none() && call.speaking.is_none() && !call.held;
            if is_free && matches!(call.phase, Phase::Member(_)) {
                call.speak(now, &mut self.fx, prompts.to_vec());
            }
        }
    }
}
