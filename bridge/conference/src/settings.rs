//! `*93`, `*94`: how callers are announced, and whether the conference goes on without a moderator.

use partyline_cdr_record::{AnnounceMode, FeatureCode, FeatureDetail};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_model::{CallId, SessionId, Time};

use crate::bridge::Bridge;
use crate::record::Event;

impl Bridge {
    /// `*93`: by name, by tone, not at all.
    pub(crate) fn announce_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let (to, prompt) = match session.rules.announce {
            AnnounceMode::Names => (AnnounceMode::Tones, Prompt::AnnounceTones),
            AnnounceMode::Tones => (AnnounceMode::Silent, Prompt::AnnounceNothing),
            AnnounceMode::Silent => (AnnounceMode::Names, Prompt::AnnounceNames),
        };
        session.rules.announce = to;
        let event = Event::of(FeatureCode::AnnounceMode, Command::Announce);
        self.event(now, id, event.with(FeatureDetail::Announce(to)));
        self.speak(now, id, vec![prompt]);
    }

    /// `*94`: goes on after the last moderator, or ends.
    pub(crate) fn continue_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let ends = !session.rules.ends_with_moderator;
        session.rules.ends_with_moderator = ends;
        let (code, prompt) = if ends {
            (FeatureCode::AutoContinueOff, Prompt::ContinueOff)
        } else {
            (FeatureCode::AutoContinueOn, Prompt::ContinueOn)
        };
        self.event(now, id, Event::of(code, Command::AutoContinue));
        self.speak(now, id, vec![prompt]);
    }
}
