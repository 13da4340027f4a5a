//! Orders from outside and how the conferences are, for who asks at the shell.

use partyline_cdr_record::Actor;
use partyline_conference::{Input, LegSnapshot, NotDone, Order, SessionSnapshot};
use partyline_model::{Time, Uuid};

use crate::node::Node;

/// What came of an order, and its number.
pub(crate) type Ordered = (u64, Result<Option<Uuid>, NotDone>);

impl Node {
    /// Has the conference core do what somebody orders who is no leg; the leg that it is about, if
    /// it made or chose one. `by` is anybody but [`Actor::Leg`], and which of them.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn order(
        &mut self,
        now: Time,
        by: (Actor, Option<u64>),
        order: Order,
    ) -> Result<Option<Uuid>, NotDone> {
        self.orders += 1;
        let request = self.orders;
        self.tell(now, Input::Remote { request, by, order: Box::new(order) });
        let answer = self.ordered.take().filter(|(answered, _)| *answered == request);
        // The core answers within the step.
        answer.map_or(Err(NotDone::UnknownSession), |(_, result)| result)
    }

    /// The conferences in session, the longest running first.
    pub fn sessions(&self) -> Vec<SessionSnapshot> {
        self.bridge.sessions()
    }

    /// The session of this id.
    pub fn session(&self, conf_id: Uuid) -> Option<SessionSnapshot> {
        self.bridge.session_snapshot(conf_id)
    }

    /// The legs of the session of this id in the order of joining, then those who ask to be let in,
    /// then those who are called.
    pub fn legs_of(&self, conf_id: Uuid) -> Option<Vec<LegSnapshot>> {
        self.bridge.legs_of(conf_id)
    }

    /// The leg of this id, while it is of a session, asks to be let in or is called.
    pub fn leg(&self, leg_id: Uuid) -> Option<LegSnapshot> {
        self.bridge.leg_snapshot_of(leg_id)
    }
}
