//! Eight calls side by side hear what each hears alone.

use partyline_dtmf::tone::Burst;
use partyline_dtmf::{Detector, Event, Lanes};
use proptest::prelude::*;

/// 20 ms.
const FRAME: usize = 160;

/// What is on a line for a while.
#[derive(Clone, Debug)]
enum Part {
    Key {
        code: u8,
        milliseconds: u16,
        dbm0: i8,
    },
    Noise {
        milliseconds: u16,
        peak: i16,
    },
    Silence {
        milliseconds: u16,
    },
    /// Frames that never arrive.
    Loss {
        frames: u8,
    },
    /// The call is over, and another begins in its lane.
    Another,
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        6 => (0..16_u8, 25..140_u16, -40..0_i8)
            .prop_map(|(code, milliseconds, dbm0)| Part::Key { code, milliseconds, dbm0 }),
        3 => (10..300_u16, 0..20_000_i16)
            .prop_map(|(milliseconds, peak)| Part::Noise { milliseconds, peak }),
        4 => (10..200_u16).prop_map(|milliseconds| Part::Silence { milliseconds }),
        3 => (1..4_u8).prop_map(|frames| Part::Loss { frames }),
        1 => (9..80_u8).prop_map(|frames| Part::Loss { frames }),
        1 => Just(Part::Another),
    ]
}

/// A frame of one call: `None` never arrived. `true` when a new call begins with it.
type Heard = (Option<[i16; FRAME]>, bool);

fn frames(parts: &[Part]) -> Vec<Heard> {
    let (mut frames, mut sound, mut begins): (Vec<Heard>, Vec<i16>, bool) = Default::default();
    let mut state = 7_u32;
    for part in parts {
        match *part {
            Part::Key { code, milliseconds, dbm0 } => {
                let (level_dbm0, on_ms) = (f64::from(dbm0), u32::from(milliseconds));
                let burst = Burst { code, level_dbm0, on_ms, off_ms: 0, ..Burst::default() };
                sound.extend(burst.samples());
            }
            Part::Noise { milliseconds, peak } => {
                sound.extend((0..u32::from(milliseconds) * 8).map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let [.., low, high] = state.to_le_bytes();
                    let x = i32::from(i16::from_le_bytes([low, high])) * i32::from(peak);
                    i16::try_from(x >> 15).expect("no more than the peak")
                }));
            }
            Part::Silence { milliseconds } => {
                sound.resize(sound.len() + usize::from(milliseconds) * 8, 0);
            }
            Part::Loss { .. } | Part::Another => {}
        }
        // What does not fill a frame comes with the next part; a loss or a new call cuts it off.
        let whole = sound.len() / FRAME * FRAME;
        for frame in sound.drain(..whole).as_slice().as_chunks().0 {
            frames.push((Some(*frame), std::mem::take(&mut begins)));
        }
        if let Part::Loss { frames: count } = *part {
            sound.clear();
            for _ in 0..count {
                frames.push((None, std::mem::take(&mut begins)));
            }
        }
        if matches!(part, Part::Another) {
            sound.clear();
            begins = true;
        }
    }
    frames
}

/// What a detector of its own reports of each frame, and suspects after it.
fn alone(frames: &[Heard], count: usize) -> Vec<(Vec<Event>, Option<u64>)> {
    let mut detector = Detector::new();
    let heard = (0..count).map(|now| {
        let mut events = Vec::new();
        let (frame, begins) = frames.get(now).unwrap_or(&(None, false));
        if *begins {
            detector = Detector::new();
        }
        match frame {
            Some(frame) => detector.push(frame, &mut |event| events.push(event)),
            None => detector.push_lost(FRAME, &mut |event| events.push(event)),
        }
        (events, detector.suspected_since())
    });
    heard.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_lane_hears_what_its_call_hears_alone(
        calls in prop::collection::vec(prop::collection::vec(part(), 0..40), Lanes::COUNT),
    ) {
        let calls: Vec<Vec<Heard>> = calls.iter().map(|parts| frames(parts)).collect();
        let count = calls.iter().map(Vec::len).max().unwrap_or(0);
        let expected: Vec<_> = calls.iter().map(|frames| alone(frames, count)).collect();
        let mut lanes = Lanes::new();
        for now in 0..count {
            let mut heard = [None; Lanes::COUNT];
            for (lane, frames) in calls.iter().enumerate() {
                if let Some((frame, begins)) = frames.get(now) {
                    heard[lane] = frame.as_ref();
                    if *begins {
                        lanes.begin(lane);
                    }
                }
            }
            let mut events = vec![Vec::new(); Lanes::COUNT];
            lanes.push(&heard, &mut |lane, event| events[lane].push(event));
            for (lane, events) in events.into_iter().enumerate() {
                let (expected, suspected) = &expected[lane][now];
                prop_assert_eq!(&events, expected, "lane {}, frame {}", lane, now);
                prop_assert_eq!(lanes.suspected_since(lane), *suspected, "lane {}", lane);
            }
        }
    }
}

#[test]
fn the_size_of_the_frames_does_not_matter() {
    let press = Burst { code: 5, ..Burst::default() };
    let audio: Vec<i16> = [vec![0; 333], press.samples(), vec![0; 2_000]].concat();
    let mut expected = Vec::new();
    Detector::new().push(&audio, &mut |event| expected.push(event));
    assert_eq!(expected.len(), 2);

    fn heard<const SIZE: usize>(audio: &[i16]) -> Vec<Event> {
        let (mut lanes, mut events) = (Lanes::new(), Vec::new());
        for frame in audio.as_chunks::<SIZE>().0 {
            let mut frames = [None; Lanes::COUNT];
            frames[3] = Some(frame);
            lanes.push(&frames, &mut |lane, event| {
                assert_eq!(lane, 3, "nobody else is there");
                events.push(event);
            });
        }
        events
    }
    assert_eq!(heard::<1>(&audio), expected);
    assert_eq!(heard::<77>(&audio), expected);
    assert_eq!(heard::<160>(&audio), expected);
    assert_eq!(heard::<1_999>(&[audio.clone(), vec![0; 4_000]].concat()), expected);
}
