use super::{Decision, MISSES_TO_UP, UNKNOWN_TO_UP};
use crate::bands::HOP;
use crate::calls::Calls;
use crate::detector::Event;
use crate::sound::sines;

/// Hears `audio` hop by hop; after each, how many windows are remembered and whether a key came up.
fn remembered(call: &mut Calls<1>, audio: &[i16]) -> Vec<(usize, bool)> {
    let judged = audio.chunks_exact(HOP).map(|hop| {
        let mut up = false;
        call.push([Some(hop)], HOP, &mut |_, event| up |= matches!(event, Event::Up { .. }));
        (memory(call.decision(0)), up)
    });
    judged.collect()
}

fn memory(decision: &Decision) -> usize {
    decision.history.newest_first().count()
}

fn press() -> Vec<i16> {
    sines(20 * HOP, &[(770.0, 6_000.0), (1_336.0, 6_000.0)])
}

#[test]
fn only_the_windows_without_the_key_outlive_its_release() {
    let audio = [press(), vec![0; 20 * HOP]].concat();
    let all = remembered(&mut Calls::new(), &audio);
    let up = all.iter().position(|&(_, up)| up).expect("the key comes up");
    assert!(all[up - 1].0 > MISSES_TO_UP);
    assert_eq!(all[up].0, MISSES_TO_UP);
    assert_eq!(all[up + 1].0, 0, "what is quiet ends every look");
}

#[test]
fn nothing_is_remembered_over_a_long_loss() {
    let mut call = Calls::<1>::new();
    remembered(&mut call, &press());
    for lost in 1..=UNKNOWN_TO_UP {
        assert!(memory(call.decision(0)) > 0 && !call.decision(0).is_forgotten(), "{lost}");
        call.push([None], HOP, &mut |_, _| ());
    }
    assert!(memory(call.decision(0)) == 0 && call.decision(0).is_forgotten());
}
