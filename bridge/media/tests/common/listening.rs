//! A caller whose sound is searched for keys, and what becomes of it: in another caller's ear and
//! in the recording.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::OnceLock;
use std::time::Duration;

use partyline_dtmf::tone::Burst;
use partyline_media::{Command, InBand, LegConfig};

use crate::common::{Bench, RECORDING, ROOM, config, leg, mu_decode, mu_encode};

/// Frames before the sound begins. In the middle of them there is a click, which shows by how much
/// the sound is delayed on its way.
const PRELUDE: usize = 10;
const CLICK_AT: usize = 5 * FRAME + 80;
pub(crate) const FRAME: usize = 160;
/// -60 dBFS.
pub(crate) const INAUDIBLE: i16 = 33;

/// What became of the sound, sample for sample at the place where it was.
pub(crate) struct Heard {
    /// What the other caller hears.
    pub(crate) room: Vec<i16>,
    /// What is recorded.
    pub(crate) recorded: Vec<i16>,
    /// What it took from the caller to the room, in samples.
    pub(crate) delay: usize,
    /// The digits that were reported.
    pub(crate) digits: String,
}

/// Caller 1, who is searched for keys, with caller 2 in a room that is recorded.
pub(crate) fn room(in_band: InBand) -> Bench {
    let mut bench = Bench::new();
    for number in 1..=2 {
        let in_band = if number == 1 { in_band } else { InBand::Off };
        bench.start(LegConfig { in_band, ..config(leg(number)) }, leg(number));
        bench.command(Command::Join { leg: leg(number), room: ROOM });
    }
    bench.command(Command::Record { room: ROOM, recording: RECORDING });
    bench
}

/// Sends `sound` to a new room; frames of which `is_lost` says so never arrive.
pub(crate) fn pass(sound: &[i16], is_lost: impl FnMut(usize) -> bool) -> Heard {
    pass_through(&mut room(InBand::On), sound, is_lost)
}

/// Sends `sound` to a room in which nothing is heard any longer of what went before.
pub(crate) fn pass_through(
    bench: &mut Bench,
    sound: &[i16],
    mut is_lost: impl FnMut(usize) -> bool,
) -> Heard {
    bench.forget();
    let mut prelude = vec![0; PRELUDE * FRAME];
    prelude[CLICK_AT] = 20_000;
    for frame in prelude.chunks(FRAME) {
        send(bench, frame, false);
    }
    for (n, frame) in sound.chunks(FRAME).enumerate() {
        send(bench, frame, is_lost(n));
    }
    for _ in 0..PRELUDE {
        send(bench, &[0; FRAME], false);
    }
    let room = bench.heard.sound.remove(&leg(2)).unwrap_or_default();
    let recorded = bench.heard.recorded.remove(&RECORDING).unwrap_or_default();
    let clicked = room.iter().position(|s| s.abs() > 10_000).expect("the click is heard");
    let delay = clicked - CLICK_AT;
    let part = delay + prelude.len()..delay + prelude.len() + sound.len();
    Heard {
        room: room[part.clone()].to_vec(),
        recorded: recorded[part].to_vec(),
        delay,
        digits: bench.digits(leg(1)),
    }
}

/// One frame from caller 1, half a tick before it is played.
pub(crate) fn send(bench: &mut Bench, frame: &[i16], is_lost: bool) {
    bench.now += Duration::from_millis(10);
    let octets: Vec<u8> = (0..FRAME).map(|k| encode(*frame.get(k).unwrap_or(&0))).collect();
    if is_lost {
        let stream = bench.streams.get_mut(&leg(1)).expect("started");
        stream.sequence = stream.sequence.wrapping_add(1);
        stream.timestamp = stream.timestamp.wrapping_add(160);
    } else {
        bench.send(leg(1), &octets);
    }
    bench.now += Duration::from_millis(10);
    bench.tick();
}

/// µ-law of every value, looked up.
fn encode(sample: i16) -> u8 {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (i16::MIN..=i16::MAX).map(mu_encode).collect());
    table[usize::try_from(i32::from(sample) - i32::from(i16::MIN)).expect("not below the least")]
}

/// The sound as G.711 carries it.
pub(crate) fn coded(sound: &[i16]) -> Vec<i16> {
    sound.iter().map(|&sample| mu_decode(encode(sample))).collect()
}

/// The sound, turned down to where the room's limiter leaves it alone.
pub(crate) fn unlimited(mut sound: Vec<i16>) -> Vec<i16> {
    let peak = sound.iter().map(|sample| i32::from(*sample).abs()).max().unwrap_or(0).max(20_000);
    for sample in &mut sound {
        *sample =
            i16::try_from(i32::from(*sample) * 20_000 / peak).expect("no greater than before");
    }
    sound
}

/// Samples from `onset` on until the sound is no louder than -60 dBFS, and stays so until `end`.
pub(crate) fn leak(sound: &[i16], onset: usize, end: usize) -> usize {
    let last = sound[onset..end].iter().rposition(|sample| sample.abs() > INAUDIBLE);
    last.map_or(0, |last| last + 1)
}

/// Samples that are not as they were sent, of those in frames that hold speech, and those in all.
pub(crate) fn muted(sent: &[i16], heard: &[i16]) -> (usize, usize) {
    let (mut muted, mut spoken) = (0, 0);
    for (sent, heard) in coded(sent).chunks(FRAME).zip(heard.chunks(FRAME)) {
        // -45 dBFS: quieter is a pause.
        if sent.iter().any(|sample| sample.abs() > 184) {
            spoken += sent.len();
            muted += sent.iter().zip(heard).filter(|(sent, heard)| sent != heard).count();
        }
    }
    (muted, spoken)
}

/// Presses of one kind, with their onsets all over the frame.
#[derive(Clone, Copy)]
pub(crate) struct Presses {
    pub(crate) burst: Burst,
    /// How much the sound under them is turned up, in 1/256.
    pub(crate) gain: i32,
}

/// Silence before and after each press, in samples: 200 ms.
pub(crate) const PAUSE: usize = 1_600;

impl Presses {
    /// Twenty presses, each a millisecond further into its frame, over `speech`; and their onsets.
    pub(crate) fn over(self, speech: &[i16]) -> (Vec<i16>, Vec<usize>) {
        let (mut sound, mut onsets) = (Vec::new(), Vec::new());
        for offset in 0..20 {
            sound.resize(sound.len().next_multiple_of(FRAME) + PAUSE + offset * 8, 0);
            onsets.push(sound.len());
            sound.extend(self.burst.samples());
        }
        if !speech.is_empty() {
            // Elsewhere in the speech for each key.
            let under = speech.iter().cycle().skip(usize::from(self.burst.code) * 40_000);
            for (sample, &under) in sound.iter_mut().zip(under) {
                let sum = i32::from(*sample) + i32::from(under) * self.gain / 256;
                *sample = i16::try_from(sum.clamp(-32_768, 32_767)).expect("clamped");
            }
        }
        (sound, onsets)
    }

    /// How long each leaks to the room, or to the recording if longer, in samples.
    pub(crate) fn leaks(self, speech: &[i16], is_lost: impl FnMut(usize) -> bool) -> Vec<usize> {
        let (sound, onsets) = self.over(speech);
        let heard = pass(&sound, is_lost);
        let len = usize::try_from(self.burst.on_ms).expect("short") * 8;
        onsets
            .into_iter()
            .map(|onset| {
                let end = onset + len;
                leak(&heard.room, onset, end).max(leak(&heard.recorded, onset, end))
            })
            .collect()
    }
}

/// Every key at these levels of the low tone and twists, for so long.
pub(crate) fn presses(levels: &[(f64, f64)], millis: &[u32], gain: i32) -> Vec<Presses> {
    let mut all = Vec::new();
    for code in 0..16 {
        for &(level_dbm0, twist_db) in levels {
            for &on_ms in millis {
                let burst =
                    Burst { code, level_dbm0, twist_db, on_ms, off_ms: 200, ..Burst::default() };
                all.push(Presses { burst, gain });
            }
        }
    }
    all
}

/// A loss that is the same in each run: a share of `per_mille` of the frames.
pub(crate) fn loses(per_mille: u32) -> impl FnMut(usize) -> bool {
    let mut state = 1_u32;
    move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % 1_000 < per_mille
    }
}
