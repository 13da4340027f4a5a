//! `*93`, `*94`: how callers are announced, and whether the conference goes on without a moderator.

use partyline_cdr_record::{AnnounceMode, FeatureCode, FeatureDetail};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_model::{CallId, SessionId, Time};

use crate::bridge::Bridge;
use crate::record::Event;
use crate::remote::By;

impl Bridge {
    /// `*93`: by name, by tone, not at all.
    pub(crate) fn announce_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let to = match session.rules.announce {
            AnnounceMode::Names => AnnounceMode::Tones,
            AnnounceMode::Tones => AnnounceMode::Silent,
            AnnounceMode::Silent => AnnounceMode::Names,
        };
        self.set_announce(now, By::Leg(id), session_id, to);
    }

    /// How callers are announced from here on.
    pub(crate) fn set_announce(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
        to: AnnounceMode,
    ) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.rules.announce = to;
        let prompt = match to {
            AnnounceMode::Names => Prompt::AnnounceNames,
            AnnounceMode::Tones => Prompt::AnnounceTones,
            AnnounceMode::Silent => Prompt::AnnounceNothing,
        };
        let event = Event::of(FeatureCode::AnnounceMode, Command::Announce);
        self.note_by(now, by, event.with(FeatureDetail::Announce(to)));
        self.answer_by(now, by, vec![prompt]);
    }

    /// `*94`: goes on after the last moderator, or ends.
    pub(crate) fn continue_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        let ends = !session.rules.ends_with_moderator;
        self.set_ends(now, By::Leg(id), session_id, ends);
    }

    /// Whether the conference ends after the last moderator.
    pub(crate) fn set_ends(&mut self, now: Time, by: By, session_id: SessionId, ends: bool) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        session.rules.ends_with_moderator = ends;
        let (code, prompt) = if ends {
            (FeatureCode::AutoContinueOff, Prompt::ContinueOff)
        } else {
            (FeatureCode::AutoContinueOn, Prompt::ContinueOn)
        };
        self.note_by(now, by, Event::of(code, Command::AutoContinue));
        self.answer_by(now, by, vec![prompt]);
    }
}
