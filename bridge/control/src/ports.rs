//! Which leg has which RTP port.

use std::collections::{BTreeMap, VecDeque};

use partyline_model::CallId;

use crate::config::PortRange;

/// The free and the taken ports of a node.
///
/// A port that was given back goes to the end of the line: packets of the old call that are still
/// on their way die out before it is used again.
#[derive(Debug)]
pub(crate) struct Ports {
    free: VecDeque<u16>,
    taken: BTreeMap<CallId, u16>,
}

impl Ports {
    pub(crate) fn new(range: PortRange) -> Self {
        Self { free: range.even_ports().collect(), taken: BTreeMap::new() }
    }

    /// A port for `call`, in exchange for the one it has.
    pub(crate) fn take(&mut self, call: CallId) -> Option<u16> {
        let port = self.free.pop_front();
        self.release(call);
        self.taken.insert(call, port?);
        port
    }

    pub(crate) fn of(&self, call: CallId) -> Option<u16> {
        self.taken.get(&call).copied()
    }

    pub(crate) fn release(&mut self, call: CallId) {
        self.free.extend(self.taken.remove(&call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_given_back_is_used_last() {
        let mut ports = Ports::new(PortRange::new(20_000, 20_005).unwrap());
        assert_eq!(ports.take(CallId(1)), Some(20_000));
        ports.release(CallId(1));
        assert_eq!(ports.take(CallId(2)), Some(20_002));
        assert_eq!(ports.take(CallId(3)), Some(20_004));
        assert_eq!(ports.take(CallId(4)), Some(20_000));
        assert_eq!(ports.take(CallId(5)), None);
        assert_eq!(ports.of(CallId(3)), Some(20_004));
    }

    #[test]
    fn a_leg_whose_port_was_occupied_gets_another() {
        let mut ports = Ports::new(PortRange::new(20_000, 20_003).unwrap());
        assert_eq!(ports.take(CallId(1)), Some(20_000));
        assert_eq!(ports.take(CallId(1)), Some(20_002));
        assert_eq!(ports.take(CallId(1)), Some(20_000));
    }
}
