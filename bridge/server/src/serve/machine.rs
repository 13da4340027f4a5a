//! What the bridge asks of the machine so that sound is in time, and what it says when it is not.
//!
//! The working set is locked in memory: pages of the program that the system may drop have to be
//! read from the disk again in the middle of a call. The media thread has a real-time priority and
//! the others a better niceness, where that is allowed; what is refused is said once, with what to
//! do. Late ticks are told once a minute with what is known of their cause.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use partyline_media_io::Stats;
use rustix::io;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

/// The media thread's: above everything without a real-time priority and below most that has one.
pub(super) const REALTIME: u8 = 2;
/// Of all threads, nice(2).
const NICENESS: i32 = -10;
/// Between two words about late ticks.
const MINUTE: Duration = Duration::from_secs(60);
/// The media thread has said by then what it was granted.
const SETTLED: Duration = Duration::from_millis(200);

/// What was granted to the whole process, or why it was not.
pub(super) struct Granted {
    memory: Result<(), String>,
    niceness: Result<(), String>,
}

impl Granted {
    /// Asks for it. To be called before threads are made, which inherit the niceness.
    pub(super) fn ask() -> Self {
        let niceness = setpriority_process(None, NICENESS).map_err(|error| error.to_string());
        Self { memory: lock_memory(), niceness }
    }

    /// Whether the working set is locked in memory.
    pub(super) fn is_locked(&self) -> bool {
        self.memory.is_ok()
    }
}

/// Locks all that is mapped, and each later page from its first use on.
fn lock_memory() -> Result<(), String> {
    if !may_lock_all() {
        return Err("the limit of locked memory is too small".to_owned());
    }
    let lock = |flags| mlockall(flags).map_err(|error: io::Errno| error.to_string());
    // Reads in the whole program. Stacks and heaps that are never used stay unmade: ONFAULT.
    lock(MlockAllFlags::CURRENT)?;
    lock(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
}

/// Whether there is no limit to what may be locked. With one, locking would go well today and a later
/// growth of the heap would fail.
fn may_lock_all() -> bool {
    let mut limit = getrlimit(Resource::Memlock);
    limit.current = limit.maximum;
    if limit.maximum.is_none() {
        return setrlimit(Resource::Memlock, limit).is_ok();
    }
    let own = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // Within a user namespace the capability lifts no limit.
    let whole = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    own && fs::read_to_string("/proc/self/uid_map").is_ok_and(whole)
}

/// Says what was refused, then what was late in each minute, until the runtime ends.
pub(super) async fn watch(granted: Granted, media: Arc<Stats>) {
    sleep(SETTLED).await;
    let refused = refusals(&granted, &media);
    if refused.is_empty() {
        tracing::info!("the media thread has real-time priority and the memory is locked");
    }
    for (what, why) in refused {
        tracing::warn!(
            "{what} was refused ({why}): on a busy machine callers may hear gaps; {HOW}"
        );
    }
    let mut minutes = interval_at(Instant::now() + MINUTE, MINUTE);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Seen::of(&media);
    loop {
        minutes.tick().await;
        let now = Seen::of(&media);
        let (late, skipped) = (now.late - before.late, now.skipped - before.skipped);
        let worst = media.take_worst();
        if late + skipped > 0 {
            let stolen = now.stolen.zip(before.stolen).map(|(now, then)| now.saturating_sub(then));
            let known = now.thread.zip(before.thread).map(|(now, before)| now.since(before));
            tracing::warn!(
                late,
                skipped,
                of = now.ticks - before.ticks,
                worst_ms = worst.as_millis(),
                waited_for_core_ms = known.map(|known| known.waited.as_millis()),
                on_core_ms = known.map(|known| known.ran.as_millis()),
                page_faults = known.map(|known| known.faults),
                stolen_ms = stolen.map(|stolen| stolen.as_millis()),
                realtime = media.realtime().is_some_and(|held| held.is_ok()),
                memory_locked = granted.is_locked(),
                "the media thread was late in the last minute: callers may have heard gaps"
            );
        }
        before = now;
    }
}

const HOW: &str = "allow it by LimitRTPRIO=2, LimitNICE=-10 and LimitMEMLOCK=infinity in the \
                   service, or setcap cap_sys_nice,cap_ipc_lock+ep on the program";

fn refusals<'a>(granted: &'a Granted, media: &'a Stats) -> Vec<(&'static str, &'a str)> {
    let reason = |result: &'a Result<(), String>| result.as_ref().err().map(String::as_str);
    [
        ("locked memory", reason(&granted.memory)),
        ("a better niceness", reason(&granted.niceness)),
        ("real-time priority of the media thread", media.realtime().and_then(Result::err)),
    ]
    .into_iter()
    .filter_map(|(what, why)| Some((what, why?)))
    .collect()
}

/// What the system knows of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadTimes {
    /// On a core.
    pub(super) ran: Duration,
    /// Ready, and no core was free.
    pub(super) waited: Duration,
    /// Pages that were read from a disk.
    pub(super) faults: u64,
}

impl ThreadTimes {
    /// Of the media thread; `None` where the system does not tell.
    pub(super) fn of(media: &Stats) -> Option<Self> {
        let folder = format!("/proc/self/task/{}", media.thread()?);
        let read = |name: &str| fs::read_to_string(format!("{folder}/{name}")).ok();
        Self::parse(&read("schedstat")?, &read("stat")?)
    }

    /// From `schedstat` (nanoseconds run and waited) and `stat`, whose twelfth field counts major
    /// faults, proc_pid_stat(5). The second field is a name in parentheses, with anything in it.
    fn parse(schedstat: &str, stat: &str) -> Option<Self> {
        let mut nanos = schedstat.split_whitespace().map(|word| word.parse().ok());
        let mut next = || nanos.next().flatten().map(Duration::from_nanos);
        let (ran, waited) = (next()?, next()?);
        let (_, fields) = stat.rsplit_once(')')?;
        let faults = fields.split_whitespace().nth(9)?.parse().ok()?;
        Some(Self { ran, waited, faults })
    }

    fn since(self, before: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
            faults: self.faults.saturating_sub(before.faults),
        }
    }
}

/// The counts at one moment.
struct Seen {
    ticks: u64,
    late: u64,
    skipped: u64,
    thread: Option<ThreadTimes>,
    /// What a hypervisor gave to others while this machine was ready, over all cores.
    stolen: Option<Duration>,
}

impl Seen {
    fn of(media: &Stats) -> Self {
        Self {
            ticks: media.ticks.get(),
            late: media.late_ticks(),
            skipped: media.ticks_skipped.get(),
            thread: ThreadTimes::of(media),
            stolen: fs::read_to_string("/proc/stat").ok().and_then(|stat| stolen(&stat)),
        }
    }
}

/// The eighth number of the first line of `/proc/stat`, in hundredths of a second, proc_stat(5).
fn stolen(stat: &str) -> Option<Duration> {
    let hundredths: u64 = stat.strip_prefix("cpu ")?.split_whitespace().nth(7)?.parse().ok()?;
    Some(Duration::from_millis(hundredths.saturating_mul(10)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_knows_of_a_thread_is_read() {
        let stat = "77 (media-0 (x) R) S 1 77 77 0 -1 4194304 210 0 13 0 5 6 0 0 -3 0 9 0 12 1 2 3";
        let times = ThreadTimes::parse("5000000 7000000 12\n", stat).unwrap();
        let ms = Duration::from_millis;
        assert_eq!(times, ThreadTimes { ran: ms(5), waited: ms(7), faults: 13 });
        let later = ThreadTimes { ran: ms(8), waited: ms(7), faults: 14 };
        assert_eq!(later.since(times), ThreadTimes { ran: ms(3), waited: ms(0), faults: 1 });
        assert_eq!(stolen("cpu  1 2 3 4 5 6 7 89 0 0\ncpu0 1"), Some(ms(890)));
        assert_eq!(stolen("cpu  1 2 3"), None);
        assert_eq!(ThreadTimes::parse("", stat), None);
        assert_eq!(ThreadTimes::parse("1 2 3", "77 media S 1"), None);
    }

    #[test]
    fn what_was_refused_is_told() {
        let granted = Granted { memory: Err("no".to_owned()), niceness: Ok(()) };
        let media = Stats::default();
        assert_eq!(refusals(&granted, &media), [("locked memory", "no")]);
        assert!(!granted.is_locked());
    }
}
