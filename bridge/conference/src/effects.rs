//! What the methods of a leg and of a session may do beside changing their own state.
//!
//! [`Call`] and [`Session`] are handed the effects and the time, and know nothing of each other's
//! tables: each can be read, and tested, alone. What concerns several of them is the bridge's.
//!
//! [`Call`]: crate::call::Call
//! [`Session`]: crate::session::Session

use std::collections::{BTreeSet, VecDeque};

use partyline_cdr_record::Record;
use partyline_model::{CallId, PlaybackId, SessionId};

use crate::config::Config;
use crate::event::Output;
use crate::ledger::{Gate, Ledger};
use crate::record::Clock;
use crate::timers::Timers;

/// Deadlines, records on their way to disk, and what is to be done outside.
pub(crate) struct Effects {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) ledger: Ledger,
    pub(crate) outputs: VecDeque<Output>,
    /// Legs whose state changed since the media plane was told.
    pub(crate) touched: BTreeSet<CallId>,
    /// Conferences whose members may see a change.
    pub(crate) changed: BTreeSet<SessionId>,
    last_playback: u32,
}

impl Effects {
    /// Nothing to do.
    pub(crate) fn new(config: Config, clock: Clock) -> Self {
        Self {
            config,
            clock,
            timers: Timers::default(),
            ledger: Ledger::default(),
            outputs: VecDeque::new(),
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
            last_playback: 0,
        }
    }

    /// A name for something that is played.
    pub(crate) const fn new_playback(&mut self) -> PlaybackId {
        self.last_playback = self.last_playback.wrapping_add(1);
        PlaybackId(self.last_playback)
    }

    /// Offers `records` to the disk; `gate` waits for them. Earlier ones go first.
    pub(crate) fn persist(&mut self, gate: Gate, records: Vec<Record>) {
        self.flush();
        let (token, records) = self.ledger.offer(gate, records);
        self.outputs.push_back(Output::Persist { token, records });
    }

    /// Offers the records that nothing waits for.
    pub(crate) fn flush(&mut self) {
        if let Some((token, records)) = self.ledger.offer_queued() {
            self.outputs.push_back(Output::Persist { token, records });
        }
    }
}
