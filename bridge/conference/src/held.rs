//! A far end that puts the conference on hold: its leg is muted, so that no hold music comes into
//! the mix, and the moderators are told. When it comes back it is heard again.

use partyline_cdr_record::FeatureCode;
use partyline_dialplan::Prompt;
use partyline_model::{CallId, Role, Time};

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
        let Some(session) = self.sessions.get(&session) else { return };
        if !session.state.is_open() || session.roster.len() > self.fx.config.silent_above {
            return;
        }
        let listens = |other: &CallId| {
            self.calls.get(other).is_some_and(|call| {
                let moderates = call.grant.is_some_and(|grant| grant.role == Role::Moderator);
                let is_free = call.question.is_none() && call.speaking.is_none() && !call.held;
                moderates && is_free && matches!(call.phase, Phase::Member(_))
            })
        };
        let moderators: Vec<CallId> = session.roster.calls().filter(listens).collect();
        for moderator in moderators {
            self.speak(now, moderator, vec![Prompt::CallerOnHold]);
        }
    }
}
