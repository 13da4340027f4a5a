use super::{Decision, MISSES_TO_UP, UNKNOWN_TO_UP};
use crate::bands::{Bands, HOP};
use crate::detector::Event;
use crate::sound::sines;

/// Judges `audio` hop by hop; after each, how many windows are remembered and whether a key came up.
fn remembered(decision: &mut Decision, bands: &mut Bands, audio: &[i16]) -> Vec<(usize, bool)> {
    let judged = audio.chunks_exact(HOP).map(|hop| {
        bands.push(hop);
        let mut up = false;
        decision.handle(bands, false, &mut |event| up |= matches!(event, Event::Up { .. }));
        (decision.history.newest_first().count(), up)
    });
    judged.collect()
}

fn press() -> Vec<i16> {
    sines(20 * HOP, &[(770.0, 6_000.0), (1_336.0, 6_000.0)])
}

#[test]
fn only_the_windows_without_the_key_outlive_its_release() {
    let (mut decision, mut bands) = (Decision::new(), Bands::new());
    let audio = [press(), vec![0; 20 * HOP]].concat();
    let all = remembered(&mut decision, &mut bands, &audio);
    let up = all.iter().position(|&(_, up)| up).expect("the key comes up");
    assert!(all[up - 1].0 > MISSES_TO_UP);
    assert_eq!(all[up].0, MISSES_TO_UP);
    assert_eq!(all[up + 1].0, 0, "what is quiet ends every look");
}

#[test]
fn nothing_is_remembered_over_a_long_loss() {
    let (mut decision, mut bands) = (Decision::new(), Bands::new());
    remembered(&mut decision, &mut bands, &press());
    for lost in 1..=UNKNOWN_TO_UP {
        assert!(decision.history.newest_first().count() > 0 && !decision.is_forgotten(), "{lost}");
        bands.push_silence(HOP);
        decision.handle(&mut bands, true, &mut |_| ());
    }
    assert!(decision.history.newest_first().count() == 0 && decision.is_forgotten());
}
