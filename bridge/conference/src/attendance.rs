//! Who is in a conference, for those who are in it too: numbers masked, those who withhold theirs
//! without.

use partyline_cdr_record::{Direction, LegRecord, Presentation};
use partyline_model::{CallId, Number, Role, SessionId, Uuid};

use crate::bridge::Bridge;
use crate::call::{Call, Phase};
use crate::event::Output;
use crate::session::Session;

/// A conference in session, as its members may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendance {
    /// The session.
    pub conf_id: Uuid,
    /// The conference's name.
    pub name: String,
    /// How many there are, listed or not.
    pub count: usize,
    /// The first of them, in the order of joining.
    pub members: Vec<Attendee>,
}

/// One leg in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attendee {
    /// The leg, as records name it.
    pub leg_id: Uuid,
    /// The number, masked; `None` where there is none or it is withheld.
    pub number: Option<String>,
    /// What the leg may do.
    pub role: Role,
    /// Whether the leg hears and is heard.
    pub state: AttendeeState,
    /// Whether the bridge called the leg.
    pub was_called: bool,
}

/// How a leg takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttendeeState {
    /// The leg hears the others and is heard.
    Talking,
    /// The leg hears the others.
    Muted,
    /// The leg hears hold music, talks in private or holds the conference itself.
    Away,
}

impl Bridge {
    /// The conference that a leg is in.
    pub fn session_of(&self, call: CallId) -> Option<SessionId> {
        self.calls.get(&call)?.session()
    }

    /// Who is in a conference; at most `most` are listed.
    pub fn attendance(&self, session: SessionId, most: usize) -> Option<Attendance> {
        let session = self.sessions.get(&session)?;
        let members = session.roster.calls().take(most);
        let members = members.filter_map(|id| Some(attendee(self.calls.get(&id)?, session)));
        Some(Attendance {
            conf_id: session.book.conf_id(),
            name: session.book.record().name.as_str().to_owned(),
            count: session.roster.len(),
            members: members.collect(),
        })
    }

    /// Something that members may see has changed, or may have.
    pub(crate) fn tell_attendance(&mut self) {
        for session in std::mem::take(&mut self.fx.changed) {
            self.fx.outputs.push_back(Output::Attendance { session });
        }
    }
}

fn attendee(call: &Call, session: &Session) -> Attendee {
    let record = call.book.record();
    let state = match &call.phase {
        Phase::Member(member) if member.room.is_some() => AttendeeState::Away,
        Phase::Member(_) if call.held || !session.state.is_mixed() => AttendeeState::Away,
        Phase::Member(member) if session.silences(call, member) => AttendeeState::Muted,
        Phase::Member(_) => AttendeeState::Talking,
        Phase::Apart(_)
        | Phase::Opening
        | Phase::Greeting(_)
        | Phase::Entry(_)
        | Phase::Leaving(_)
        | Phase::Callee(_) => AttendeeState::Away,
    };
    Attendee {
        leg_id: record.leg_id,
        number: number(record).map(masked),
        role: call.grant.map_or(Role::Listener, |grant| grant.role),
        state,
        was_called: record.direction == Direction::Out,
    }
}

/// The far end's number, unless it is withheld.
pub fn number(record: &LegRecord) -> Option<Number> {
    match (record.direction, record.ani_presentation) {
        (Direction::Out, _) => record.dialed_number,
        (Direction::In, Presentation::Allowed) => record.ani,
        (Direction::In, Presentation::Restricted | Presentation::Unavailable) => None,
    }
}

/// As an invoice prints it: four digits before and two behind, fewer of a short one.
pub fn masked(number: Number) -> String {
    let digits = number.as_str();
    let keep = digits.len().saturating_sub(6).min(4);
    let tail = digits.len().saturating_sub(2).max(keep);
    let dots = "•".repeat(tail - keep);
    format!("{}{dots}{}", &digits[..keep], &digits[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_masked_as_on_an_invoice() {
        let cases =
            [("14165550100", "1416•••••00"), ("4165550", "4••••50"), ("911", "•11"), ("12", "12")];
        for (number, shown) in cases {
            assert_eq!(masked(number.parse().expect("a number")), shown);
        }
    }
}
