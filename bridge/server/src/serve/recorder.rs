//! Recordings on disk: one thread that takes frames from the media thread and writes WAV files.
//!
//! A file's header is put right once a second, so that what a crash leaves behind plays to within
//! a second of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use partyline_media_io::{Outlet, RecordingFrame};
use partyline_model::RecordingId;
use tokio::sync::mpsc::UnboundedSender;

/// How often waiting frames are fetched; their ring holds many times more.
const ROUND: Duration = Duration::from_millis(50);
/// Frames between two repairs of a header: a second.
const FRAMES_PER_FLUSH: u32 = 50;
/// Rounds that a closed recording is kept for frames that are still on their way.
const LINGER_ROUNDS: u32 = 4;

const FORMAT: WavSpec = WavSpec {
    channels: 1,
    sample_rate: 8_000,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

enum Request {
    Open { recording: RecordingId, file: String },
    Close { recording: RecordingId },
}

/// The handle of the recorder's thread; it ends, with every file whole, when this is dropped.
pub(super) struct Recorder {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Writes into `folder` what comes out of `frames`; a recording that cannot be written is
    /// reported to `failed` once.
    pub(super) fn start(
        folder: PathBuf,
        frames: Outlet<RecordingFrame>,
        failed: UnboundedSender<RecordingId>,
    ) -> io::Result<Self> {
        let (requests, inbox) = channel();
        let mut writer = Writer { folder, frames, failed, open: BTreeMap::new() };
        let thread =
            Builder::new().name("recorder".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    pub(super) fn open(&self, recording: RecordingId, file: String) {
        self.ask(Request::Open { recording, file });
    }

    pub(super) fn close(&self, recording: RecordingId) {
        self.ask(Request::Close { recording });
    }

    fn ask(&self, request: Request) {
        let gone = self.requests.as_ref().is_none_or(|inbox| inbox.send(request).is_err());
        if gone {
            tracing::error!("the recorder has ended: recordings are not written");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        drop(self.requests.take());
        let panicked = self.thread.take().is_some_and(|thread| thread.join().is_err());
        if panicked {
            tracing::error!("the recorder panicked");
        }
    }
}

struct Open {
    wav: WavWriter<BufWriter<File>>,
    path: PathBuf,
    unflushed: u32,
    /// Rounds left, once closed.
    lingers: Option<u32>,
}

struct Writer {
    folder: PathBuf,
    frames: Outlet<RecordingFrame>,
    failed: UnboundedSender<RecordingId>,
    open: BTreeMap<RecordingId, Open>,
}

impl Writer {
    fn run(&mut self, inbox: &Receiver<Request>) {
        loop {
            match inbox.recv_timeout(ROUND) {
                Ok(Request::Open { recording, file }) => self.begin(recording, &file),
                Ok(Request::Close { recording }) => {
                    if let Some(open) = self.open.get_mut(&recording) {
                        open.lingers = Some(LINGER_ROUNDS);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.round(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.take_frames();
        }
        self.take_frames();
        for (recording, open) in std::mem::take(&mut self.open) {
            self.finish(recording, open);
        }
    }

    fn begin(&mut self, recording: RecordingId, file: &str) {
        let path = self.folder.join(Path::new(file).file_name().unwrap_or_default());
        let opened = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(hound::Error::IoError)
            .and_then(|file| WavWriter::new(BufWriter::new(file), FORMAT));
        match opened {
            Ok(wav) => {
                let open = Open { wav, path, unflushed: 0, lingers: None };
                self.open.insert(recording, open);
            }
            Err(error) => self.fail(recording, &path, &error),
        }
    }

    fn take_frames(&mut self) {
        while let Some(frame) = self.frames.poll() {
            let Some(open) = self.open.get_mut(&frame.recording) else { continue };
            if let Err(error) = open.write(&frame)
                && let Some(open) = self.open.remove(&frame.recording)
            {
                self.fail(frame.recording, &open.path, &error);
            }
        }
    }

    /// Lets closed recordings go when their last frames have had time to come.
    fn round(&mut self) {
        let mut ended = Vec::new();
        for (&recording, open) in &mut self.open {
            match &mut open.lingers {
                None => {}
                Some(0) => ended.push(recording),
                Some(rounds) => *rounds -= 1,
            }
        }
        for recording in ended {
            if let Some(open) = self.open.remove(&recording) {
                self.finish(recording, open);
            }
        }
    }

    fn finish(&self, recording: RecordingId, open: Open) {
        let Open { wav, path, .. } = open;
        match wav.finalize() {
            Ok(()) => tracing::info!(file = %path.display(), "recording complete"),
            Err(error) => self.fail(recording, &path, &error),
        }
    }

    fn fail(&self, recording: RecordingId, path: &Path, error: &hound::Error) {
        tracing::error!(file = %path.display(), %error, "a recording cannot be written");
        if self.failed.send(recording).is_err() {
            tracing::debug!("the node has ended");
        }
    }
}

impl Open {
    fn write(&mut self, frame: &RecordingFrame) -> Result<(), hound::Error> {
        for &sample in &frame.samples {
            self.wav.write_sample(sample)?;
        }
        self.unflushed += 1;
        if self.unflushed >= FRAMES_PER_FLUSH {
            self.unflushed = 0;
            self.wav.flush()?;
        }
        Ok(())
    }
}
