//! The journal's thread: it gathers requests for a few milliseconds, syncs once for all of them,
//! and reports each under its token. Every five seconds it writes a sign of life.
//!
//! The queue is bounded. When it is full the caller is told at once and refuses the call; nothing
//! is dropped in silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use partyline_cdr_record::Record;
use partyline_model::{Time, WallTime};
use tokio::sync::watch;

use super::frame::Position;
use super::writer::Journal;

/// How long the thread waits for more once it has one request.
const GATHER: Duration = Duration::from_millis(2);
/// Time between signs of life: what a crash can cost at most, in the customer's favour.
const TICK: Duration = Duration::from_secs(5);
/// Requests synced together at most.
const GROUP: usize = 512;

/// The clocks, read by the thread. Monotonic time must be that which the records were made with.
pub trait Clock: Send + 'static {
    /// The monotonic and the wall clock, read together.
    fn now(&self) -> (Time, WallTime);
}

/// The system's clocks, counted from when this was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the shell's clock")]
    fn now(&self) -> (Time, WallTime) {
        let mono = Time::ZERO + self.start.elapsed();
        // A clock before 1970 stamps the epoch.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (mono, WallTime::default() + wall)
    }
}

/// Called by the thread after each group: every token with whether its records are durable.
pub type OnDurable = Box<dyn FnMut(Vec<(u64, Result<(), ()>)>) + Send>;

/// The queue is full, or the thread is gone: the records were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot take more at the moment")]
pub struct Full;

struct Request {
    token: u64,
    records: Vec<Record>,
}

/// What the thread counts.
#[derive(Debug, Default)]
struct Counters {
    records: AtomicU64,
    groups: AtomicU64,
    failed_groups: AtomicU64,
    refused: AtomicU64,
    sync_micros: AtomicU64,
    open_legs: AtomicU64,
    failing: AtomicBool,
}

/// How the journal does, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Records made durable since the start.
    pub records: u64,
    /// Groups written, each with one sync.
    pub groups: u64,
    /// Groups that failed; none of their records counts.
    pub failed_groups: u64,
    /// Requests refused because the queue was full.
    pub refused: u64,
    /// Microseconds spent writing and syncing, in total.
    pub sync_micros: u64,
    /// Legs open in the journal.
    pub open_legs: u64,
    /// Whether the last write failed. While it is set, calls should be refused with 503.
    pub failing: bool,
}

/// Starts the journal's thread.
#[derive(Debug)]
pub struct JournalThread;

/// How the rest of the program speaks to the thread. The thread ends, after writing what it has,
/// when the handle is dropped.
#[derive(Debug)]
pub struct JournalHandle {
    requests: Option<SyncSender<Request>>,
    counters: Arc<Counters>,
    durable: watch::Receiver<Position>,
    thread: Option<thread::JoinHandle<()>>,
}

impl JournalThread {
    /// Gives `journal` a thread. At most `queue` requests wait.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn spawn(
        journal: Journal,
        clock: impl Clock,
        queue: usize,
        on_durable: OnDurable,
    ) -> std::io::Result<JournalHandle> {
        let (requests, waiting) = sync_channel(queue);
        let (position, durable) = watch::channel(journal.end());
        let counters = Arc::new(Counters::default());
        let worker =
            Worker { journal, clock, waiting, on_durable, position, counters: counters.clone() };
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(|| worker.run())?;
        Ok(JournalHandle { requests: Some(requests), counters, durable, thread: Some(thread) })
    }
}

impl JournalHandle {
    /// Asks for `records` to be made durable together; the answer comes under `token`.
    ///
    /// # Errors
    /// [`Full`]: nothing was taken and no answer will come.
    pub fn submit(&self, token: u64, records: Vec<Record>) -> Result<(), Full> {
        let Some(requests) = &self.requests else { return Err(Full) };
        requests.try_send(Request { token, records }).map_err(|error| {
            match error {
                TrySendError::Full(_) | TrySendError::Disconnected(_) => {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            Full
        })
    }

    /// How the journal does.
    pub fn health(&self) -> Health {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Health {
            records: read(&counters.records),
            groups: read(&counters.groups),
            failed_groups: read(&counters.failed_groups),
            refused: read(&counters.refused),
            sync_micros: read(&counters.sync_micros),
            open_legs: read(&counters.open_legs),
            failing: counters.failing.load(Ordering::Relaxed),
        }
    }

    /// The end of what is durable, and every change of it.
    pub fn durable(&self) -> watch::Receiver<Position> {
        self.durable.clone()
    }

    /// Writes what waits, a last sign of life, and ends the thread.
    pub fn stop(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread had panicked");
        }
    }
}

impl Drop for JournalHandle {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Worker<C> {
    journal: Journal,
    clock: C,
    waiting: Receiver<Request>,
    on_durable: OnDurable,
    position: watch::Sender<Position>,
    counters: Arc<Counters>,
}

impl<C: Clock> Worker<C> {
    fn run(mut self) {
        let mut next_tick = self.clock.now().0 + TICK;
        loop {
            let (now, _) = self.clock.now();
            if now >= next_tick {
                next_tick = now + TICK;
                self.tick();
            }
            match self.waiting.recv_timeout(next_tick.since(now)) {
                Ok(first) => {
                    let group = self.gather(first);
                    self.write(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.tick(),
            }
        }
    }

    fn gather(&self, first: Request) -> Vec<Request> {
        let deadline = self.clock.now().0 + GATHER;
        let mut group = vec![first];
        while group.len() < GROUP {
            let left = deadline.since(self.clock.now().0);
            match self.waiting.recv_timeout(left) {
                Ok(request) => group.push(request),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        group
    }

    fn write(&mut self, group: Vec<Request>) {
        let (mono, wall) = self.clock.now();
        let records = group.iter().flat_map(|request| &request.records);
        let written = self.journal.append(records, mono, wall);
        let records = group.iter().map(|request| request.records.len()).sum::<usize>();
        let result = self.account(written, mono, records);
        (self.on_durable)(group.iter().map(|request| (request.token, result)).collect());
    }

    fn tick(&mut self) {
        let (mono, wall) = self.clock.now();
        let written = self.journal.tick(mono, wall);
        // A failed tick is in the counters; the next one tries again.
        let (Ok(()) | Err(())) = self.account(written, mono, 0);
    }

    fn account(
        &self,
        written: Result<(), crate::JournalError>,
        since: Time,
        records: usize,
    ) -> Result<(), ()> {
        let counters = &self.counters;
        let took = self.clock.now().0.since(since).as_micros();
        counters.sync_micros.fetch_add(u64::try_from(took).unwrap_or(0), Ordering::Relaxed);
        let open_legs = u64::try_from(self.journal.open_legs()).unwrap_or(u64::MAX);
        counters.open_legs.store(open_legs, Ordering::Relaxed);
        // A sign of life fits a full disk that has no room for a call's record.
        let failing = written.is_err() || self.journal.is_short();
        let failed_before = counters.failing.swap(failing, Ordering::Relaxed);
        match written {
            Ok(()) => {
                if failed_before && !failing {
                    tracing::warn!("the journal can be written again");
                }
                counters.groups.fetch_add(1, Ordering::Relaxed);
                let records = u64::try_from(records).unwrap_or(u64::MAX);
                counters.records.fetch_add(records, Ordering::Relaxed);
                self.position.send_replace(self.journal.end());
                Ok(())
            }
            Err(error) => {
                if !failed_before {
                    tracing::error!(%error, "the journal cannot be written: calls are refused");
                }
                counters.failed_groups.fetch_add(1, Ordering::Relaxed);
                Err(())
            }
        }
    }
}
