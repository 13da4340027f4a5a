//! How the store follows the journal, for those who must know: health, metrics, the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use partyline_model::Time;

use super::Ingested;
use crate::StoreError;
use crate::journal::{Clock, Position, SystemClock};

/// Between two lines in the log about the same trouble.
const AGAIN: Duration = Duration::from_secs(60);

/// How the store follows the journal, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestHealth {
    /// Octets that are durable in the journal and not in the store, as of the last failed round.
    pub lag_octets: u64,
    /// For how long something has been waiting; zero while nothing is.
    pub lag: Duration,
    /// Rounds that failed.
    pub failed_rounds: u64,
    /// Records that were new.
    pub added: u64,
    /// Records whose revision was there with other content; not taken.
    pub conflicts: u64,
    /// Frames that this program cannot read.
    pub unknown: u64,
    /// Octets of the journal that were damaged and skipped.
    pub damaged_octets: u64,
    /// Places of journals that are not in the store, whenever they were found.
    pub places: u64,
    /// How often the journal was read from its beginning since it was not the one before.
    pub begun_anew: u64,
}

/// Shows how the store follows.
#[derive(Clone, Debug, Default)]
pub struct IngestWatch(pub(super) Arc<Watched>);

impl IngestWatch {
    /// How the store follows at this moment.
    pub fn health(&self) -> IngestHealth {
        self.0.health()
    }
}

/// What the follower notes.
#[derive(Debug, Default)]
pub(super) struct Watched {
    clock: SystemClock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    health: IngestHealth,
    done: Position,
    /// Since when something has been waiting.
    since: Option<Time>,
    said: Option<Time>,
}

impl Watched {
    fn with<R>(&self, note: impl FnOnce(&mut State, Time) -> R) -> R {
        let (now, _) = self.clock.now();
        // Counters have no invariant that a panic could break.
        note(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    fn health(&self) -> IngestHealth {
        self.with(|state, now| {
            let lag = state.since.map_or(Duration::ZERO, |since| now.since(since));
            IngestHealth { lag, ..state.health }
        })
    }

    pub(super) fn reaches_for(&self, limit: Position) {
        self.with(|state, now| {
            if state.done != limit {
                state.since.get_or_insert(now);
            }
        });
    }

    pub(super) fn count(&self, round: &Ingested) {
        self.with(|state, _| {
            let health = &mut state.health;
            health.added += round.added;
            health.conflicts += round.conflicts;
            health.unknown += round.unknown;
            let places = round.damaged.iter().chain(&round.set_aside);
            health.damaged_octets += places.map(|damage| damage.octets).sum::<u64>();
        });
    }

    pub(super) fn places(&self, places: u64) {
        self.with(|state, _| {
            if places > state.health.places {
                tracing::error!(
                    places,
                    "places of the journal are not in the store: calls may be missing, and \
                     partyline invoice names the places"
                );
            }
            state.health.places = places;
        });
    }

    pub(super) fn begins_anew(&self) {
        self.with(|state, _| state.health.begun_anew += 1);
    }

    pub(super) fn caught_up(&self, limit: Position) {
        self.with(|state, _| {
            state.done = limit;
            state.since = None;
            state.health.lag_octets = 0;
            if state.said.take().is_some() {
                tracing::warn!("the store takes records again: none waits in the journal");
            }
        });
    }

    pub(super) fn failed(&self, octets: Option<u64>, error: &StoreError) {
        self.with(|state, now| {
            state.health.failed_rounds += 1;
            state.since.get_or_insert(now);
            state.health.lag_octets = octets.unwrap_or(state.health.lag_octets);
            if state.said.is_none_or(|said| now.since(said) >= AGAIN) {
                state.said = Some(now);
                let octets = state.health.lag_octets;
                tracing::error!(
                    %error, octets,
                    "records wait in the journal: the store cannot take them"
                );
            }
        });
    }
}
