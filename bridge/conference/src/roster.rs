//! Who is of a conference, in the order of joining.

use partyline_model::{CallId, Role};

/// The legs of one conference.
#[derive(Default)]
pub(crate) struct Roster {
    legs: Vec<(CallId, Role)>,
}

impl Roster {
    /// Adds a leg that is not in it.
    pub(crate) fn join(&mut self, call: CallId, role: Role) {
        debug_assert!(!self.legs.iter().any(|&(leg, _)| leg == call), "{call} is in twice");
        self.legs.push((call, role));
    }

    /// Removes a leg; its role, if it was in it.
    pub(crate) fn leave(&mut self, call: CallId) -> Option<Role> {
        let at = self.legs.iter().position(|&(leg, _)| leg == call)?;
        Some(self.legs.remove(at).1)
    }

    /// The role of a leg that is in it.
    pub(crate) fn role(&self, call: CallId) -> Option<Role> {
        self.legs.iter().find(|&&(leg, _)| leg == call).map(|&(_, role)| role)
    }

    /// Gives a leg that is in it another role.
    pub(crate) fn set_role(&mut self, call: CallId, to: Role) {
        if let Some((_, role)) = self.legs.iter_mut().find(|(leg, _)| *leg == call) {
            *role = to;
        }
    }

    /// The participants in the order of joining.
    pub(crate) fn participants(&self) -> impl Iterator<Item = CallId> {
        let legs = self.legs.iter().filter(|(_, role)| *role == Role::Participant);
        legs.map(|&(call, _)| call)
    }

    /// The moderators in the order of joining.
    pub(crate) fn moderators(&self) -> impl Iterator<Item = CallId> {
        let legs = self.legs.iter().filter(|(_, role)| *role == Role::Moderator);
        legs.map(|&(call, _)| call)
    }

    /// Puts a leg that is not in it in the place of one that is.
    pub(crate) fn take_place(&mut self, of: CallId, by: CallId) {
        debug_assert!(!self.legs.iter().any(|&(leg, _)| leg == by), "{by} is in twice");
        if let Some((leg, _)) = self.legs.iter_mut().find(|(leg, _)| *leg == of) {
            *leg = by;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    pub(crate) fn has_moderator(&self) -> bool {
        self.legs.iter().any(|&(_, role)| role == Role::Moderator)
    }

    /// The legs in the order of joining.
    pub(crate) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.legs.iter().map(|&(call, _)| call)
    }

    /// The legs in the order of joining, for a caller that changes them meanwhile.
    pub(crate) fn to_vec(&self) -> Vec<CallId> {
        self.calls().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_joining() {
        let mut roster = Roster::default();
        for (call, role) in [(3, Role::Participant), (1, Role::Moderator), (2, Role::Listener)] {
            roster.join(CallId(call), role);
        }
        assert!(roster.has_moderator());
        assert_eq!(roster.leave(CallId(1)), Some(Role::Moderator));
        assert_eq!(roster.leave(CallId(1)), None);
        roster.take_place(CallId(3), CallId(4));
        assert_eq!(roster.to_vec(), [CallId(4), CallId(2)]);
        assert!(!roster.has_moderator());
    }
}
