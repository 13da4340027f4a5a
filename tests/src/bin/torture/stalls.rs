//! Whether the machine had time: a bare timer and a bare sync to disk beside each attack, and the
//! processor time that others took.
//!
//! A lost packet or a slow answer on a machine that is busy with something else proves nothing; a
//! hijacked leg does.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The timer's period, and how much later than it counts as a stall.
const PERIOD: Duration = Duration::from_millis(2);
const STALL: Duration = Duration::from_millis(10);
/// Between two syncs to disk.
const SYNCS: u32 = 100;
/// From here on the machine is said to have been too busy to judge.
const WORST: Duration = Duration::from_millis(25);
const SLOW_DISK: Duration = Duration::from_millis(40);
const OTHERS: f64 = 0.6;
/// Ticks of /proc in a second: the same on every Linux.
const TICKS: f64 = 100.0;

/// What was measured in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stall {
    worst: Duration,
    stalls: u32,
    disk: Duration,
    /// Processors that neither the bridge nor this program used.
    others: f64,
}

impl Stall {
    /// How much later than on a quiet machine an answer may come that takes some ten turns of the
    /// processor and of the disk.
    pub(crate) fn explains(&self) -> Duration {
        (self.worst + self.disk) * 10
    }

    /// Whether what depends on time cannot be judged.
    pub(crate) fn is_busy(&self) -> bool {
        self.worst >= WORST || self.disk >= SLOW_DISK || self.others >= OTHERS
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "machine: {} timers 10 ms late or more, the worst {:.1} ms; slowest sync {:.1} ms; \
             others took {:.2} processors",
            self.stalls,
            self.worst.as_secs_f64() * 1e3,
            self.disk.as_secs_f64() * 1e3,
            self.others
        )
    }
}

/// Measures beside everything else until dropped.
pub(crate) struct Stalls {
    seen: Arc<Mutex<Stall>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    bridge: u32,
    since: (Instant, Used),
}

/// Processor time in ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    all: f64,
    ours: f64,
}

impl Stalls {
    /// Begins to measure; syncs a file of its own in `folder`.
    pub(crate) fn start(folder: &Path, bridge: u32) -> Self {
        let seen = Arc::new(Mutex::new(Stall::default()));
        let over = Arc::new(AtomicBool::new(false));
        let timer = (seen.clone(), over.clone());
        let disk = (seen.clone(), over.clone(), folder.join("sync-probe"));
        let threads = vec![
            std::thread::spawn(move || watch_timer(&timer.0, &timer.1)),
            std::thread::spawn(move || watch_disk(&disk.0, &disk.1, &disk.2)),
        ];
        Self { seen, over, threads, bridge, since: (Instant::now(), used(bridge)) }
    }

    /// What was measured since the last call.
    pub(crate) fn take(&mut self) -> Stall {
        let mut stall =
            self.seen.lock().map(|mut seen| std::mem::take(&mut *seen)).unwrap_or_default();
        let (began, before) =
            std::mem::replace(&mut self.since, (Instant::now(), used(self.bridge)));
        let seconds = began.elapsed().as_secs_f64().max(0.01);
        let (all, ours) = (self.since.1.all - before.all, self.since.1.ours - before.ours);
        stall.others = ((all - ours) / TICKS / seconds).max(0.0);
        stall
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic there has been printed.
            thread.join().unwrap_or_default();
        }
    }
}

fn watch_timer(seen: &Mutex<Stall>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let before = Instant::now();
        std::thread::sleep(PERIOD);
        let late = before.elapsed().saturating_sub(PERIOD);
        if let Ok(mut seen) = seen.lock() {
            seen.worst = seen.worst.max(late);
            seen.stalls += u32::from(late >= STALL);
        }
    }
}

fn watch_disk(seen: &Mutex<Stall>, over: &AtomicBool, path: &PathBuf) {
    // Without a file there is nothing to measure; the bridge's own journal will say why.
    let Ok(mut file) = File::create(path) else { return };
    while !over.load(Ordering::Relaxed) {
        let before = Instant::now();
        let synced = file.write_all(&[0; 512]).and_then(|()| file.sync_data());
        if let (Ok(()), Ok(mut seen)) = (synced, seen.lock()) {
            seen.disk = seen.disk.max(before.elapsed());
        }
        std::thread::sleep(PERIOD * SYNCS);
    }
}

/// Processor time of the whole machine, and of the bridge and this program.
fn used(bridge: u32) -> Used {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    // All but idle and waiting for disks; what guests used is in user time already.
    let busy = fields.iter().take(8).enumerate().filter(|(place, _)| ![3, 4].contains(place));
    let of = |process: String| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let rest = text.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let times = rest.split_whitespace().skip(11).take(2);
        times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
    };
    let all = busy.map(|(_, ticks)| ticks).sum();
    Used { all, ours: of("self".to_owned()) + of(bridge.to_string()) }
}

/// The most memory that a process had so far, in kilobytes.
pub(crate) fn peak_memory(process: u32) -> Option<u64> {
    memory(process, "VmHWM:")
}

/// The memory that a process has, in kilobytes.
pub(crate) fn memory_now(process: u32) -> Option<u64> {
    memory(process, "VmRSS:")
}

fn memory(process: u32, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
