//! A judge that is in time on a busy machine: locked memory and a real-time priority, where they are
//! allowed. Without them a phone hears gaps that nobody sent.

use std::thread;

use anyhow::{Result, anyhow};
use rustix::mm::{MlockAllFlags, mlockall};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Below the bridge's media thread: the bridge is not to suffer from its judge.
const PRIORITY: u8 = 1;

/// Runs `play` on a thread of its own, which programs started elsewhere do not inherit from.
///
/// # Errors
/// What `play` says; the thread cannot be made or panicked.
pub fn steadily<T: Send>(play: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("phones".to_owned()).spawn_scoped(scope, || {
                // Refused on most machines of developers: the phones say themselves when they are late.
                let (Ok(()) | Err(_)) = ask();
                play()
            })?;
        thread.join().map_err(|_| anyhow!("the phones panicked"))?
    })
}

fn ask() -> Result<()> {
    mlockall(MlockAllFlags::CURRENT)?;
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let value = ThreadPriorityValue::try_from(PRIORITY).map_err(|error| anyhow!("{error}"))?;
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy)
        .map_err(|error| anyhow!("{error:?}"))
}
