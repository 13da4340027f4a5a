//! Traced calls on disk, where `trace.keep_hours` says so: one thread appends what is over to a file
//! for each hour, `trace/2026-11-30T14.jsonl` in the data folder, and removes what is too old.
//!
//! Only what `partyline trace` shows is written. What a full disk or a slow one does not take is
//! counted and gone: no call waits for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use partyline_control::Traced;
use partyline_media_io::Clock;
use partyline_model::WallTime;

use super::trace;

/// The folder below the data folder.
pub(crate) const FOLDER: &str = "trace";
/// Bundles of a second each that may wait for the disk.
const WAITING: usize = 64;
/// All files together; beyond it the oldest go before their time.
const MOST_OCTETS: u64 = 4 << 30;
/// `2026-11-30T14` names the file of an hour.
const HOUR: usize = 13;

/// The handle of the thread, which ends when this is dropped.
pub(super) struct Shelf {
    bundles: Option<SyncSender<Vec<Traced>>>,
    thread: Option<JoinHandle<()>>,
}

impl Shelf {
    /// Keeps traces for `hours` below `data`.
    pub(super) fn start(data: &Path, hours: u8, clock: Clock) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let (bundles, inbox) = sync_channel(WAITING);
        let keeper = Keeper { folder, hours, clock, open: None };
        let thread = Builder::new().name("traces".to_owned()).spawn(move || keeper.run(&inbox))?;
        Ok(Self { bundles: Some(bundles), thread: Some(thread) })
    }

    /// Has a bundle written; whether it is.
    pub(super) fn put(&self, bundle: Vec<Traced>) -> bool {
        self.bundles.as_ref().is_some_and(|bundles| bundles.try_send(bundle).is_ok())
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        drop(self.bundles.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the traces panicked");
        }
    }
}

struct Keeper {
    folder: PathBuf,
    hours: u8,
    clock: Clock,
    /// The hour's name and its file.
    open: Option<(String, File)>,
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Vec<Traced>>) {
        let mut failing = false;
        while let Ok(bundle) = inbox.recv() {
            let written = self.write(&bundle);
            if let (Err(error), false) = (&written, failing) {
                tracing::warn!(%error, "traces are not kept on disk");
            }
            failing = written.is_err();
        }
    }

    fn write(&mut self, bundle: &[Traced]) -> io::Result<()> {
        let hour = self.clock.wall().to_string().get(..HOUR).unwrap_or_default().to_owned();
        let file = match self.open.take() {
            Some((name, file)) if name == hour => file,
            Some(_) | None => {
                self.tidy()?;
                let path = self.folder.join(format!("{hour}.jsonl"));
                OpenOptions::new().append(true).create(true).mode(0o600).open(path)?
            }
        };
        let (_, file) = self.open.insert((hour, file));
        let lines: String =
            bundle.iter().map(|call| trace::line(call, self.clock) + "\n").collect();
        file.write_all(lines.as_bytes())
    }

    /// Removes the files of hours that are over for long, and the oldest of too many octets.
    fn tidy(&self) -> io::Result<()> {
        let kept = Duration::from_secs(3600 * (u64::from(self.hours) + 1));
        let micros = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let since = WallTime::from_micros(self.clock.wall().as_micros().saturating_sub(micros));
        let since = since.to_string();
        let mut octets = 0;
        for path in files(&self.folder)?.into_iter().rev() {
            octets += fs::metadata(&path)?.len();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if since.get(..HOUR).is_some_and(|since| name.as_str() < since) || octets > MOST_OCTETS
            {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// The files of traces in `folder`, the oldest first; none where there is no folder.
///
/// # Errors
/// The system's.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = paths.collect::<io::Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use partyline_control::TraceKind;

    use super::*;

    fn traced(call_id: &str) -> Traced {
        Traced {
            kind: TraceKind::Call,
            call_id: call_id.to_owned(),
            is_outbound: false,
            trunk: None,
            caller: String::new(),
            user: None,
            is_live: false,
            messages: Vec::new(),
            left_out: 0,
        }
    }

    #[test]
    fn a_call_is_a_line_of_its_hour_and_old_hours_are_removed() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        fs::create_dir(&folder).unwrap();
        for name in ["2020-01-01T00.jsonl", "2020-01-01T01.txt"] {
            fs::write(folder.join(name), "x").unwrap();
        }
        let shelf = Shelf::start(data.path(), 72, Clock::start()).unwrap();
        assert!(shelf.put(vec![traced("a"), traced("b")]) && shelf.put(vec![traced("c")]));
        drop(shelf);
        let kept = files(&folder).unwrap();
        let text: String = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<_> = lines.iter().map(|line| line["call_id"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(!folder.join("2020-01-01T00.jsonl").exists());
        assert!(folder.join("2020-01-01T01.txt").exists(), "nobody knows whose that is");
        let mode = fs::metadata(&kept[0]).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
        assert_eq!(files(&data.path().join("none")).unwrap(), Vec::<PathBuf>::new());
    }
}
