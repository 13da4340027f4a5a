//! Where log lines go: to standard error, filtered and formatted as the configuration says.
//!
//! A thread of its own writes them, so that a slow disk or terminal stalls no call; what it cannot
//! write in time is dropped and counted. `tracing-appender` would do it too, with a calendar and a
//! rotation of files that nobody here wants.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Octets of lines that may wait; more are dropped.
const MOST: usize = 8 * 1024 * 1024;
/// For the last lines, when the program ends.
const PATIENCE: Duration = Duration::from_secs(2);

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines that were dropped so far.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

enum Message {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(Sender<()>),
}

/// The way to the thread that writes.
#[derive(Clone)]
struct Lines {
    queue: Sender<Message>,
    waiting: Arc<AtomicUsize>,
}

impl Write for Lines {
    /// Takes a whole line, for that is how the formatter writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.waiting.fetch_add(line.len(), Ordering::Relaxed) + line.len();
        let taken = waiting <= MOST && self.queue.send(Message::Line(line.to_vec())).is_ok();
        if !taken {
            self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logging while it lives; waits for the last lines when dropped.
pub(crate) struct Logging(Sender<Message>);

impl Drop for Logging {
    fn drop(&mut self) {
        let (written, done) = channel();
        if self.0.send(Message::Flush(written)).is_err() {
            return;
        }
        match done.recv_timeout(PATIENCE) {
            Ok(()) => {}
            // The last lines are lost, and there is nowhere to say so.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
}

/// Starts logging for the rest of the process.
///
/// # Errors
/// Logging was started before, or the system gives no thread.
pub(crate) fn start(log: &Log) -> anyhow::Result<Logging> {
    let filter = EnvFilter::try_new(&log.filter).context("log.filter cannot be understood")?;
    let (lines, queue) = spawn(io::stderr()).context("the system gives no thread for the log")?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || lines.clone());
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))?;
    Ok(Logging(queue))
}

fn spawn(out: impl Write + Send + 'static) -> io::Result<(Lines, Sender<Message>)> {
    let (queue, inbox) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let lines = Lines { queue: queue.clone(), waiting: waiting.clone() };
    Builder::new().name("log".to_owned()).spawn(move || write(&inbox, &waiting, out))?;
    Ok((lines, queue))
}

fn write(inbox: &Receiver<Message>, waiting: &AtomicUsize, mut out: impl Write) {
    let mut told = 0;
    for message in inbox {
        match message {
            Message::Line(line) => {
                if out.write_all(&line).is_err() {
                    DROPPED.fetch_add(1, Ordering::Relaxed);
                }
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::Flush(written) => {
                // Whoever asked may have lost patience; nobody is left to tell then.
                let (Ok(()) | Err(_)) = written.send(());
            }
        }
        let dropped = dropped();
        if dropped > told {
            // A log that cannot be written cannot say so: the metrics do.
            drop(writeln!(out, "{} log lines were dropped", dropped - told));
            told = dropped;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk that is held up while the lock is held.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_is_held_up_holds_no_writer_up_and_loses_little_and_says_so() {
        let disk = Slow::default();
        let (mut lines, queue) = spawn(disk.clone()).unwrap();
        let held = disk.0.lock().unwrap();
        let line = [b'x'; 1024];
        for _ in 0..10_000 {
            lines.write_all(&line).unwrap();
        }
        let lost = dropped();
        assert!((1_700..=1_900).contains(&lost), "{lost} of 10,000 KiB did not fit into 8 MiB");
        drop(held);
        drop(Logging(queue));
        let written = disk.0.lock().unwrap();
        let whole = written.iter().filter(|&&byte| byte == b'x').count();
        assert_eq!(whole, (10_000 - usize::try_from(lost).unwrap()) * 1024);
        let said = String::from_utf8_lossy(&written);
        assert!(said.contains(&format!("{lost} log lines were dropped")), "it says so");
    }
}
