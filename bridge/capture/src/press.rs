//! One key press as an operator sees it.

use std::time::Duration;

use partyline_model::{Digit, WallTime};

/// How a key press was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// As a tone among the sound.
    InBand,
    /// As a telephone event (RFC 4733).
    Event,
    /// In a SIP INFO.
    Info,
}

/// How loud a press is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The two tones together, in dBm0.
    pub dbm0: f64,
    /// The high tone over the low one, in dB; telephone events have none.
    pub twist_db: Option<f64>,
}

/// What may explain that a press did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Packets, so many, are missing within the press or beside it.
    Lost(u64),
    /// Packets are missing right before the first that was captured of an event.
    StartLost,
    /// No packet says that the event ended.
    NoEnd,
    /// The press goes on where the recording ends.
    StillHeld,
    /// Shorter than the 40 ms that a receiver must recognise (ITU-T Q.24).
    Short,
    /// Weaker than the -25 dBm that receivers are built for (ITU-T Q.24, table A-1).
    Weak,
    /// The tones differ by more than receivers must bear: high 4 dB above or 8 dB below low.
    Twisted,
    /// The INFO was answered by this status.
    Refused(u16),
    /// The INFO was not answered.
    Unanswered,
    /// The same press came by this way, too.
    Also(Source),
}

/// A key press. It holds a digit: no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Press {
    /// Which key.
    pub digit: Digit,
    /// How it was sent.
    pub source: Source,
    /// When it began, from the beginning of the recording, stream or dialog.
    pub onset: Duration,
    /// When it began; `None` in a recording without a clock.
    pub at: Option<WallTime>,
    /// How long it lasted, when that is known.
    pub length: Option<Duration>,
    /// When the detector was certain, from the beginning of the recording: the end of the 20 ms
    /// frame or of the packet that made it so. For other sources when the first packet came.
    pub reported: Duration,
    /// How loud it was, when that is known.
    pub level: Option<Level>,
    /// What may explain a complaint.
    pub notes: Vec<Note>,
}

impl Press {
    /// Notes what its length and level alone tell.
    pub(crate) fn judge(&mut self) {
        /// ITU-T Q.24, table A-1: signals of at least this length are accepted.
        const SHORTEST: Duration = Duration::from_millis(40);
        const WEAKEST_DBM0: f64 = -25.0;
        if self.length.is_some_and(|length| length < SHORTEST) {
            self.notes.push(Note::Short);
        }
        let Some(level) = self.level else { return };
        if level.dbm0 < WEAKEST_DBM0 {
            self.notes.push(Note::Weak);
        }
        if level.twist_db.is_some_and(|twist| !(-8.0..=4.0).contains(&twist)) {
            self.notes.push(Note::Twisted);
        }
    }
}
