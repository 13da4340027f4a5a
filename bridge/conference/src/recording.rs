//! `*4`: recording a conference, and telling everybody.

use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail, Text};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_model::{CallId, RecordingId, SessionId, Time};

use crate::bridge::Bridge;
use crate::call::{Choice, Phase, Topic};
use crate::event::Output;
use crate::record::{Event, millis};
use crate::remote::By;
use crate::session::{Recording, Session};

impl Bridge {
    /// `*4`: stops at once, starts after a confirmation.
    pub(crate) fn record_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        let Some(session) = self.sessions.get(&session_id) else { return };
        if session.recording.is_some() {
            return self.stop_recording(now, By::Leg(id), session_id);
        }
        if !self.entitlements(session.account).is_some_and(|bought| bought.record) {
            let why = DenyReason::Entitlement;
            return self.deny(now, id, Command::Record, why, Prompt::RecordingDenied);
        }
        self.ask(now, id, Topic::Choice(Choice::ConfirmRecord), 1, vec![Prompt::RecordConfirm]);
    }

    /// The recording was confirmed.
    pub(crate) fn recording_confirmed(&mut self, now: Time, id: CallId) {
        if let Some(session_id) = self.calls.get(&id).and_then(|call| call.session()) {
            self.start_recording(now, By::Leg(id), session_id);
        }
    }

    /// Starts a recording, of which everybody is told.
    pub(crate) fn start_recording(&mut self, now: Time, by: By, session_id: SessionId) {
        let recording = self.new_recording();
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        if session.recording.is_some() {
            // Another moderator was quicker; everybody has heard of it.
            return;
        }
        session.recording = Some(Recording::begin(recording, now));
        let (mix, conf_id) = (session.mix, session.book.conf_id());
        let file = format!("{conf_id}-{}.wav", recording.0);
        session.book.record_mut().recording_ref = Some(Text::new(&file));
        let revision = session.book.next_revision();
        let members = session.roster.to_vec();
        self.fx.ledger.push(revision);
        self.note_by(now, by, Event::of(FeatureCode::RecordStart, Command::Record));
        for member in members {
            self.event(now, member, Event::new(FeatureCode::Consent));
            // Who is aside does not hear the announcement.
            if self.calls.get(&member).is_some_and(|call| matches!(call.phase, Phase::Apart(_))) {
                self.speak(now, member, vec![Prompt::RecordingStarted]);
            }
        }
        self.fx.outputs.push_back(Output::Record { mix, recording, conf_id, file });
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.announce_at_once(&mut self.fx, vec![Prompt::RecordingStarted]);
        }
    }

    /// `*4` was not confirmed.
    pub(crate) fn recording_cancelled(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::RecordStart, Command::Record).failed());
        self.speak(now, id, vec![Prompt::Cancelled]);
    }

    /// `*98`: pauses the recording, or resumes it.
    pub(crate) fn pause_code(&mut self, now: Time, id: CallId, session_id: SessionId) {
        if let Err(why) = self.toggle_recording(now, By::Leg(id), session_id) {
            self.deny(now, id, Command::PauseRecording, why, Prompt::NotRecorded);
        }
    }

    /// Pauses a recording, or resumes it.
    pub(crate) fn toggle_recording(
        &mut self,
        now: Time,
        by: By,
        session_id: SessionId,
    ) -> Result<(), DenyReason> {
        let session = self.sessions.get_mut(&session_id).ok_or(DenyReason::State)?;
        let recording = session.recording.as_mut().ok_or(DenyReason::State)?;
        let gap = recording.toggle(now);
        let recording = recording.id;
        let output = Output::PauseRecord { recording, paused: gap.is_none() };
        self.fx.outputs.push_back(output);
        let (code, detail, prompt) = match gap {
            None => (FeatureCode::RecordPause, FeatureDetail::None, Prompt::RecordingPaused),
            Some(gap) => {
                let gap = FeatureDetail::Millis(millis(gap));
                (FeatureCode::RecordResume, gap, Prompt::RecordingResumed)
            }
        };
        self.note_by(now, by, Event::of(code, Command::PauseRecording).with(detail));
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.announce_at_once(&mut self.fx, vec![prompt]);
        }
        Ok(())
    }

    /// Stops the recording; nothing where there is none.
    pub(crate) fn stop_recording(&mut self, now: Time, by: By, session_id: SessionId) {
        let Some(length) = self.take_recording(now, session_id) else { return };
        let event = Event::of(FeatureCode::RecordStop, Command::Record);
        self.note_by(now, by, event.with(FeatureDetail::Millis(length)));
        self.announce(session_id, vec![Prompt::RecordingStopped]);
    }

    /// Stops the recording of a conference that ends, if there is one.
    pub(crate) fn stop_recording_of(&mut self, now: Time, session_id: SessionId) {
        let Some(length) = self.take_recording(now, session_id) else { return };
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let event = Event::of_system(FeatureCode::RecordStop);
        session.note(now, &mut self.fx, event.with(FeatureDetail::Millis(length)));
    }

    /// The recording could not be started, or not go on: all are told, and the call goes on.
    pub(crate) fn recording_failed(&mut self, now: Time, recording: RecordingId) {
        let is_it = |session: &&mut Session| {
            session.recording.is_some_and(|running| running.id == recording)
        };
        let Some(session) = self.sessions.values_mut().find(is_it) else { return };
        let Some(running) = session.recording.take() else { return };
        session.book.recorded(running.length(now));
        let detail = FeatureDetail::Millis(millis(running.length(now)));
        let event = Event::of_system(FeatureCode::RecordStop).failed().with(detail);
        session.note(now, &mut self.fx, event);
        session.announce(&mut self.fx, vec![Prompt::RecordingFailed]);
    }

    /// Ends the recording; its length in milliseconds.
    fn take_recording(&mut self, now: Time, session_id: SessionId) -> Option<u64> {
        let session = self.sessions.get_mut(&session_id)?;
        let recording = session.recording.take()?;
        let length = recording.length(now);
        session.book.recorded(length);
        self.fx.outputs.push_back(Output::StopRecord { recording: recording.id });
        Some(millis(length))
    }
}
