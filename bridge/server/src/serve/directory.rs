//! Watches the store for changes of accounts, conferences, passcodes and numbers.

use std::sync::Arc;
use std::time::Duration;

use partyline_cdr_store::Store;
use partyline_cdr_store::keys::Keys;
use partyline_directory::Snapshot;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How often the version is read: a change is in force within a second.
const POLL: Duration = Duration::from_millis(500);
/// Polls between two lines in the log about the same trouble.
const SAID_EVERY: u64 = 120;

/// Sends a snapshot for each change until nobody listens.
pub(super) async fn watch(
    store: Store,
    keys: Arc<Keys>,
    mut known: u64,
    changed: mpsc::Sender<Arc<Snapshot>>,
) {
    let mut failed = 0_u64;
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !changed.is_closed() {
        ticks.tick().await;
        match next(&store, &keys, known).await {
            Ok(None) => {}
            Ok(Some(snapshot)) => {
                known = snapshot.version();
                tracing::info!(version = known, "directory changed");
                if changed.send(Arc::new(snapshot)).await.is_err() {
                    return;
                }
            }
            // What is in force stays in force. Said once a minute.
            Err(error) => {
                if failed.is_multiple_of(SAID_EVERY) {
                    tracing::error!(%error, times = failed + 1, "the directory cannot be read");
                }
                failed += 1;
                continue;
            }
        }
        failed = 0;
    }
}

async fn next(store: &Store, keys: &Keys, known: u64) -> anyhow::Result<Option<Snapshot>> {
    if store.directory_version().await? == known {
        return Ok(None);
    }
    Ok(Some(store.load_snapshot(keys.pepper()).await?))
}
