//! Decides from the windows of one leg when a key goes down and comes up.
//!
//! [`crate::look`] measures and [`crate::weights`] weighs; what is left is time: which press a
//! look belongs to, when it ended, and what is only an echo of it.

use crate::background::Background;
use crate::bands::{Bands, HOP, Powers, WINDOW, WINDOW_HOPS};
use crate::detector::Event;
use crate::look::{Entry, History, Look, Pair};
use crate::residual::Residual;
use crate::tones::{IN_BAND, Tones};
use crate::training::Row;
use crate::weights::{look_features, most_of_residual, of_look, of_residual, residual_features};

/// A hop with less power than this has nothing to split: -60 dBm0.
const QUIET: f32 = 250.0;
/// Least power of a window that may hold a key: -51 dBm0.
const LEAST_TOTAL: f32 = 2_000.0;
/// Least share of the power that the two bands must have for their tones to be looked at.
const LEAST_INSIDE: f32 = 0.35;
/// Least share of the power that the strongest pair must have in the latest window to be judged.
const LEAST_PAIR: f32 = 0.3;
/// Least share of its band that each tone must have there.
const LEAST_IN_BAND: f32 = 0.3;
/// Bounds of the low band's power over the high band's.
const INSIDE_RATIOS: [f32; 2] = [0.06, 40.0];
/// A key goes on while its pair is the strongest with this share of the power, and has not faded
/// to this part of the power it went down with,
const SHARE_CONTINUES: f32 = 0.15;
const FADE: f32 = 0.03;
/// or while both tones keep this part of their power, whatever is louder.
const KEEPS: f32 = 0.16;
/// Windows without the key after which it is up: 30 ms. Interruptions of 25 ms are bridged, those
/// of 40 ms part two presses (Q.24 §A.4).
const MISSES_TO_UP: usize = 6;
/// Hops with lost samples, and no whole window between them, that end a key: 200 ms.
const UNKNOWN_TO_UP: usize = 40;
/// The same key this soon after its end (samples) and this much weaker is its own echo.
const ECHO_SPAN: u64 = 2_000;
const ECHO_RATIO: f32 = 0.16;
/// A window that holds this part of a tone's power has its middle about where the tone begins.
const ONSET_PART: f32 = 0.25;
/// From a window's middle to its end, in samples.
const HALF: u64 = WINDOW as u64 / 2;

/// RFC 4733 §3.2 event code of each row and column.
const CODES: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// A key that is down.
#[derive(Clone, Copy)]
struct Key {
    pair: Pair,
    onset: u64,
    /// Middle of the last window that held it.
    last: u64,
    powers: [f32; 2],
    misses: usize,
}

impl Key {
    fn power(&self) -> f32 {
        self.powers[0] + self.powers[1]
    }

    const fn code(&self) -> u8 {
        CODES[self.pair.row][self.pair.column]
    }
}

/// A key that came up.
#[derive(Clone, Copy)]
struct Past {
    pair: Pair,
    end: u64,
    power: f32,
}

impl Past {
    /// Whether a pair that begins at `onset` is this key coming back from the far end.
    fn echoes(&self, pair: Pair, power: f32, onset: u64) -> bool {
        pair == self.pair && onset < self.end + ECHO_SPAN && power < self.power * ECHO_RATIO
    }
}

/// The judgement over all windows so far.
#[derive(Clone)]
pub(crate) struct Decision {
    history: History,
    background: Background,
    key: Option<Key>,
    past: Option<Past>,
    /// The pair that the latest window shows.
    shown: Option<Pair>,
    /// Where the tone that is suspected began.
    suspected: Option<u64>,
    /// Hops so far.
    hop: u64,
    /// Whether each of the latest hops had lost samples, the latest in bit 0.
    lost: u32,
    /// Hops with lost samples since the last whole window.
    unknown: usize,
}

impl Decision {
    pub(crate) const fn new() -> Self {
        Self {
            history: History::new(),
            background: Background::new(),
            key: None,
            past: None,
            shown: None,
            suspected: None,
            hop: 0,
            lost: 0,
            unknown: 0,
        }
    }

    /// What a look in the latest window has to go by: for [`crate::training`].
    pub(crate) fn rows(&self, bands: &Bands, report: &mut impl FnMut(Row)) {
        let Some(entry) = self.history.newest_first().next().filter(|e| e.hop == self.hop) else {
            return;
        };
        if entry.tones.is_none() || self.pair_shown(entry).is_none() {
            return;
        }
        for look in self.history.looks(self.background.power()) {
            let residual = Residual::measure(bands.past(), self.lost, look.hertz());
            report(Row {
                end: self.hop * HOP as u64,
                start: self.start(&look),
                kind: look.kind,
                code: CODES[look.pair.row][look.pair.column],
                features: [&look_features(&look)[..], &residual_features(&residual)[..]].concat(),
            });
        }
    }

    /// Where the key that is down, or the tone that may become one, began.
    pub(crate) fn suspected_since(&self) -> Option<u64> {
        self.key.map(|key| key.onset).or(self.suspected)
    }

    /// Whether so much was lost that nothing is left of what was heard before.
    pub(crate) const fn is_forgotten(&self) -> bool {
        self.unknown >= UNKNOWN_TO_UP
    }

    /// Passes over hops that are lost like the many before them.
    pub(crate) fn skip(&mut self, hops: u64) {
        self.hop += hops;
    }

    /// Judges the hop that `bands` completed; `lost` says that it misses samples.
    pub(crate) fn handle(&mut self, bands: &mut Bands, lost: bool, report: &mut impl FnMut(Event)) {
        let powers = bands.split(QUIET);
        self.hop += 1;
        self.lost = self.lost << 1 | u32::from(lost);
        if self.lost & ((1 << WINDOW_HOPS) - 1) != 0 {
            return self.handle_unknown(lost, report);
        }
        self.unknown = 0;
        let [low, high] = [powers.bands[0] * INSIDE[0], powers.bands[1] * INSIDE[1]];
        self.background.push(powers.total, powers.total - low - high);
        self.suspected = None;
        if powers.total < LEAST_TOTAL && self.key.is_none() {
            self.history.keep_newest(0);
            return;
        }
        let promising = self.is_promising(&powers, low, high);
        let tones = if promising || self.key.is_some() {
            Tones::measure(bands.latest())
        } else {
            Tones::NONE
        };
        let entry = Entry {
            tones,
            powers: tones.powers(),
            total: powers.total,
            bands: powers.bands,
            hop: self.hop,
        };
        self.history.push(entry);
        self.follow_key(&entry, report);
        let shown = if promising { self.pair_shown(&entry) } else { None };
        let earlier = std::mem::replace(&mut self.shown, shown);
        if let Some(pair) = shown
            && earlier == shown
            && self.key.is_none_or(|key| key.pair != pair)
        {
            self.judge(bands, report);
        }
    }

    /// Passes over a window with lost samples: it ends nothing until many in a row do.
    fn handle_unknown(&mut self, lost: bool, report: &mut impl FnMut(Event)) {
        self.unknown += usize::from(lost);
        if self.unknown >= UNKNOWN_TO_UP {
            self.suspected = None;
            self.history = History::new();
            self.release(report);
        }
    }

    /// Whether enough of the power is in the bands, and in both.
    fn is_promising(&self, powers: &Powers, low: f32, high: f32) -> bool {
        let inside = low + high;
        let background = self.background.power();
        let rest = if background > 6.0 * inside { powers.total } else { powers.total - background };
        inside > LEAST_INSIDE * rest
            && low > high * INSIDE_RATIOS[0]
            && low < high * INSIDE_RATIOS[1]
    }

    /// The pair that the latest window itself shows: most of speech shows none, and need not be
    /// looked at any closer.
    fn pair_shown(&self, window: &Entry) -> Option<Pair> {
        let shown = Pair::strongest(&window.powers);
        let [row, column] = shown.tones();
        let [low, high] = [window.powers[row], window.powers[column]];
        let pair = low + high;
        let background = self.background.power();
        let rest = if background > 6.0 * pair { window.total } else { window.total - background };
        let stands_out = pair > LEAST_PAIR * rest
            && low * IN_BAND[row] > LEAST_IN_BAND * window.bands[0]
            && high * IN_BAND[column] > LEAST_IN_BAND * window.bands[1];
        stands_out.then_some(shown)
    }

    /// Carries the key that is down through this window, or lets it go.
    fn follow_key(&mut self, window: &Entry, report: &mut impl FnMut(Event)) {
        let middle = self.middle();
        let Some(key) = &mut self.key else { return };
        let [low, high] = window.pair(key.pair);
        let strongest = Pair::strongest(&window.powers) == key.pair
            && low + high > SHARE_CONTINUES * window.total
            && low + high > FADE * key.power();
        let keeps = low > KEEPS * key.powers[0] && high > KEEPS * key.powers[1];
        if strongest || keeps {
            key.last = middle;
            key.misses = 0;
            return;
        }
        key.misses += 1;
        if key.misses >= MISSES_TO_UP {
            // No later look may see the end of this press and take it for another.
            self.history.keep_newest(MISSES_TO_UP);
            self.release(report);
        }
    }

    fn release(&mut self, report: &mut impl FnMut(Event)) {
        let Some(key) = self.key.take() else { return };
        // The last window that held it has its middle about where the tone ended.
        self.past = Some(Past { pair: key.pair, end: key.last, power: key.power() });
        report(Event::Up { code: key.code(), length: key.last.saturating_sub(key.onset) });
    }

    /// Believes the first look that earns it.
    fn judge(&mut self, bands: &Bands, report: &mut impl FnMut(Event)) {
        let mut residual: Option<(Pair, Residual)> = None;
        let mut believed = None;
        for look in self.history.looks(self.background.power()) {
            let by_itself = of_look(&look);
            if look.kind == 0 {
                if by_itself > 0.0 {
                    self.suspected = Some(self.start(&look));
                }
                continue;
            }
            if by_itself + most_of_residual(&look) <= 0.0 || look.is_rising() {
                continue;
            }
            if self.key.is_some_and(|key| key.pair == look.pair) {
                break;
            }
            let left = match residual {
                Some((pair, left)) if pair == look.pair => left,
                Some(_) | None => Residual::measure(bands.past(), self.lost, look.hertz()),
            };
            residual = Some((look.pair, left));
            if by_itself + of_residual(&look, &left) > 0.0 {
                believed = Some(look);
                break;
            }
        }
        let Some(look) = believed else { return };
        // Before that it was the last key that was heard.
        let free = self.key.map(|key| key.last).or(self.past.map(|past| past.end)).unwrap_or(0);
        let onset = self.onset(&look).max(free);
        let power = look.powers[0] + look.powers[1];
        if self.past.is_some_and(|past| past.echoes(look.pair, power, onset)) {
            return;
        }
        self.release(report);
        let key =
            Key { pair: look.pair, onset, last: self.middle(), powers: look.powers, misses: 0 };
        self.key = Some(key);
        report(Event::Down { code: key.code(), onset });
    }

    /// The middle of the latest window.
    const fn middle(&self) -> u64 {
        (self.hop * HOP as u64).saturating_sub(HALF)
    }

    /// The first sample of a look's first window.
    fn start(&self, look: &Look) -> u64 {
        let hop =
            self.history.newest_first().take(look.length()).last().map_or(0, |entry| entry.hop);
        (hop * HOP as u64).saturating_sub(WINDOW as u64)
    }

    /// Where the tones of a look began: the middle of the first window that holds them.
    fn onset(&self, look: &Look) -> u64 {
        let holds = |entry: &&Entry| {
            let [low, high] = entry.pair(look.pair);
            low > ONSET_PART * look.powers[0] && high > ONSET_PART * look.powers[1]
        };
        let first = self.history.newest_first().take_while(holds).last();
        let hop = first.map_or(self.hop, |entry| entry.hop);
        (hop * HOP as u64).saturating_sub(HALF)
    }
}

/// What a band's power is multiplied by to be that of a tone in the middle of its group.
static INSIDE: [f32; 2] = [
    4.0 / (IN_BAND[0] + IN_BAND[1] + IN_BAND[2] + IN_BAND[3]),
    4.0 / (IN_BAND[4] + IN_BAND[5] + IN_BAND[6] + IN_BAND[7]),
];

#[cfg(test)]
mod tests;
