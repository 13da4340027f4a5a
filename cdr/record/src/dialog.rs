//! What is needed to tell the far end of a call that the bridge no longer has it.
//!
//! Signalling only: no digit, no passcode, no key. It stays in the journal; no report has it.

use partyline_model::Uuid;

use crate::Text;

/// The dialog of an answered leg (RFC 3261 §12), so that the next run can send BYE when this one
/// dies.
#[derive(Clone, Debug, PartialEq)]
pub struct DialogRecord {
    /// The leg.
    pub leg_id: Uuid,
    /// Whether the far end has been told: nothing is left to do, and the rest is empty.
    pub told: bool,
    /// The Call-ID.
    pub call_id: Text<512>,
    /// Our From in requests, tag included.
    pub local: Text<1024>,
    /// Our To in requests, tag included.
    pub remote: Text<1024>,
    /// The number of our last request.
    pub cseq: u32,
    /// Where requests go: the far end's Contact.
    pub target: Text<1024>,
    /// The route set, in order.
    pub routes: Vec<Text<1024>>,
    /// The address and port that the far end was met at.
    pub peer: Text<64>,
    /// Our address and port that it was met on.
    pub interface: Option<Text<64>>,
}

impl DialogRecord {
    /// The most octets that its texts may have together. A dialog with more is not recorded.
    pub const MOST: usize = 8192;

    /// The mark that the far end of a leg has been told.
    pub fn told(leg_id: Uuid) -> Self {
        Self {
            leg_id,
            told: true,
            call_id: Text::default(),
            local: Text::default(),
            remote: Text::default(),
            cseq: 0,
            target: Text::default(),
            routes: Vec::new(),
            peer: Text::default(),
            interface: None,
        }
    }
}
