//! The readers of `partyline dtmf`: whatever a file holds, something is listed or it is refused.

use std::time::Duration;

use partyline_capture::wav::Wav;
use partyline_capture::{Capture, Press};

/// Most sound that is listened to: a minute of seeds' rates.
const LONGEST: Duration = Duration::from_secs(60);
/// Most channels that are listened to.
const CHANNELS: usize = 3;

/// A WAV file.
pub fn wav_file(data: &[u8]) {
    let Ok(wav) = Wav::parse(data) else { return };
    assert!(wav.channels() > 0 && wav.rate() > 0);
    // Filters for rates that no recorder has are long: the same code, for minutes.
    if wav.length() > LONGEST || wav.rate() % 25 != 0 {
        return;
    }
    for channel in 0..wav.channels().min(CHANNELS) {
        check(&wav.presses(channel), wav.length());
    }
}

/// A packet capture.
pub fn packet_capture(data: &[u8]) {
    let (report, _) = Capture::read(data);
    let packets =
        report.streams.iter().map(|stream| stream.counts.packets + stream.counts.repeated);
    assert!(packets.sum::<u64>() + report.sip_messages <= report.frames);
    let digits = report.dialogs.iter().map(|dialog| dialog.presses.len() as u64);
    assert!(digits.sum::<u64>() <= report.sip_messages, "a key that nobody sent");
    for stream in &report.streams {
        assert!(stream.counts.packets > 0 && stream.counts.gaps <= stream.counts.lost);
        let onsets: Vec<_> = stream.presses.iter().map(|press| press.onset).collect();
        assert!(onsets.is_sorted(), "keys are listed as they went down");
        assert!(!stream.encrypted || stream.presses.is_empty());
    }
}

/// Presses lie within the sound, one after the other.
fn check(presses: &[Press], length: Duration) {
    let frame = Duration::from_millis(40);
    let mut last = Duration::ZERO;
    for press in presses {
        assert!(press.onset >= last && press.onset < length && press.reported <= length + frame);
        last = press.onset;
    }
}
