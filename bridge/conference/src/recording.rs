//! `*4`: recording a conference, and telling everybody.

use partyline_cdr_record::{DenyReason, FeatureCode, FeatureDetail, Text};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::Command;
use partyline_model::{CallId, RecordingId, RoomId, Time};

use crate::bridge::Bridge;
use crate::call::{Phase, Topic};
use crate::event::Output;
use crate::record::{Event, millis};
use crate::room::Recording;

impl Bridge {
    /// `*4`: stops at once, starts after a confirmation.
    pub(crate) fn record_code(&mut self, now: Time, id: CallId, room_id: RoomId) {
        let Some(room) = self.rooms.get(&room_id) else { return };
        if room.recording.is_some() {
            return self.stop_recording(now, id, room_id);
        }
        if !self.entitlements(room.account).is_some_and(|bought| bought.record) {
            let why = DenyReason::Entitlement;
            return self.deny(now, id, Command::Record, why, Prompt::RecordingDenied);
        }
        self.ask(now, id, Topic::ConfirmRecord, 1, vec![Prompt::RecordConfirm]);
    }

    /// The recording was confirmed.
    pub(crate) fn start_recording(&mut self, now: Time, id: CallId) {
        let Some(room_id) = self.calls.get(&id).and_then(|call| call.room()) else { return };
        let recording = self.new_recording();
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        if room.recording.is_some() {
            // Another moderator was quicker; everybody has heard of it.
            return;
        }
        room.recording = Some(Recording { id: recording, by: id, since: now });
        let conf_id = room.book.conf_id();
        let file = format!("{conf_id}-{}.wav", recording.0);
        room.book.record_mut().recording_ref = Some(Text::new(&file));
        let revision = room.book.next_revision();
        let members = room.roster.to_vec();
        self.ledger.push(revision);
        self.event(now, id, Event::of(FeatureCode::RecordStart, Command::Record));
        for member in members {
            self.event(now, member, Event::new(FeatureCode::Consent));
            // Who is aside does not hear the announcement.
            if self.calls.get(&member).is_some_and(|call| matches!(call.phase, Phase::Apart(_))) {
                self.speak(now, member, vec![Prompt::RecordingStarted]);
            }
        }
        self.outputs.push_back(Output::Record { room: room_id, recording, conf_id, file });
        self.announce(room_id, vec![Prompt::RecordingStarted]);
    }

    /// `*4` was not confirmed.
    pub(crate) fn recording_cancelled(&mut self, now: Time, id: CallId) {
        self.event(now, id, Event::of(FeatureCode::RecordStart, Command::Record).failed());
        self.speak(now, id, vec![Prompt::Cancelled]);
    }

    fn stop_recording(&mut self, now: Time, id: CallId, room_id: RoomId) {
        let Some(length) = self.take_recording(now, room_id) else { return };
        let event = Event::of(FeatureCode::RecordStop, Command::Record);
        self.event(now, id, event.with(FeatureDetail::Millis(length)));
        self.announce(room_id, vec![Prompt::RecordingStopped]);
    }

    /// Stops the recording of a conference that ends, if there is one.
    pub(crate) fn stop_recording_of(&mut self, now: Time, room_id: RoomId) {
        let Some(id) = self.recorder(room_id) else { return };
        let Some(length) = self.take_recording(now, room_id) else { return };
        let event = Event::new(FeatureCode::RecordStop);
        self.event(now, id, event.with(FeatureDetail::Millis(length)));
    }

    /// The recording could not be started, or not go on: all are told, and the call goes on.
    pub(crate) fn recording_failed(&mut self, now: Time, recording: RecordingId) {
        let failed = self.rooms.iter_mut().find_map(|(&room_id, room)| {
            let running = room.recording.take_if(|running| running.id == recording)?;
            room.book.recorded(running.length(now));
            Some((room_id, running))
        });
        let Some((room_id, running)) = failed else { return };
        let by = if self.calls.get(&running.by).and_then(|call| call.room()) == Some(room_id) {
            Some(running.by)
        } else {
            self.rooms.get(&room_id).and_then(|room| room.roster.calls().next())
        };
        if let Some(by) = by {
            let detail = FeatureDetail::Millis(millis(running.length(now)));
            self.event(now, by, Event::new(FeatureCode::RecordStop).failed().with(detail));
        }
        self.announce(room_id, vec![Prompt::RecordingFailed]);
    }

    /// Ends the recording; its length in milliseconds.
    fn take_recording(&mut self, now: Time, room_id: RoomId) -> Option<u64> {
        let room = self.rooms.get_mut(&room_id)?;
        let recording = room.recording.take()?;
        let length = recording.length(now);
        room.book.recorded(length);
        self.outputs.push_back(Output::StopRecord { recording: recording.id });
        Some(millis(length))
    }

    /// The leg whose event says that the recording of `room_id` ended: who started it, if it is
    /// still there, else whoever has been there longest.
    fn recorder(&self, room_id: RoomId) -> Option<CallId> {
        let room = self.rooms.get(&room_id)?;
        let by = room.recording?.by;
        room.roster.calls().find(|&id| id == by).or_else(|| room.roster.calls().next())
    }
}
