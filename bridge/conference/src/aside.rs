//! `*3` of a moderator: private rooms, each with a mix of its own.

use partyline_cdr_record::{FeatureCode, FeatureDetail};
use partyline_dialplan::star::Command;
use partyline_dialplan::{Prompt, say};
use partyline_model::{CallId, Digit, Time};

use crate::bridge::Bridge;
use crate::call::{Choice, Phase, Topic};
use crate::record::{Event, Place};
use crate::remote::By;

impl Bridge {
    /// `*3`: which room?
    pub(crate) fn room_code(&mut self, now: Time, id: CallId) {
        self.ask(now, id, Topic::Choice(Choice::Room), 1, vec![Prompt::EnterRoomNumber]);
    }

    /// The moderator chose a room; 0 is the main conference.
    pub(crate) fn room_chose(&mut self, now: Time, id: CallId, digit: Option<Digit>) {
        let Some(room) = digit.and_then(Digit::decimal) else {
            self.event(now, id, Event::of(FeatureCode::Breakout, Command::PrivateRoom).failed());
            return self.speak(now, id, vec![Prompt::Cancelled]);
        };
        self.enter_room(now, By::Leg(id), id, room);
    }

    /// `id` is sent to a private room; 0 is the main conference.
    pub(crate) fn enter_room(&mut self, now: Time, by: By, id: CallId, room: u8) {
        self.move_to_room(now, id, room);
        let event = Event::of(FeatureCode::Breakout, Command::PrivateRoom);
        self.note_by_about(now, by, event.with(FeatureDetail::Room(room)), id);
        let mut prompts = vec![Prompt::ReturningToMain];
        if room > 0 {
            prompts = vec![Prompt::YouAreInRoom];
            prompts.extend(say::count(room.into()));
        }
        self.speak_unasked(now, id, prompts);
    }

    /// `id` is in this private room from here on; in room 0, in the main conference.
    pub(crate) fn move_to_room(&mut self, now: Time, id: CallId, room: u8) {
        let mix = self.new_mix();
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Member(member) = &mut call.phase else { return };
        let Some(session) = self.sessions.get_mut(&member.session) else { return };
        let session_id = member.session;
        member.room = (room > 0).then(|| *session.rooms.entry(room).or_insert(mix));
        let place = if room > 0 { Place::Private } else { Place::Conference };
        call.book.move_to(place, now);
        call.touch(&mut self.fx);
        self.watch_alone(now, session_id);
    }
}
