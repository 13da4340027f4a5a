//! Decides from the windows of one leg when a key goes down and comes up.
//!
//! [`crate::look`] measures and [`crate::weights`] weighs; what is left is time: which press a
//! look belongs to, when it ended, and what is only an echo of it.

use crate::bands::{HOP, Heard, WINDOW};
use crate::detector::Event;
use crate::look::{Entry, History, Level, Look, Pair};
use crate::residual::{Reach, Residual};
use crate::tones::{IN_BAND, Tones};
use crate::training::Row;
use crate::weights::{look_features, most_of_residual, of_look, of_residual, residual_features};

/// Least share of the power that the strongest pair must have in the latest window to be judged.
const LEAST_PAIR: f32 = 0.3;
/// Least share of its band that each tone must have there.
const LEAST_IN_BAND: f32 = 0.3;
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

impl Window<'_> {
    /// The pair that the window itself shows: most of speech shows none, and need not be looked at
    /// any closer. `powers` are those of its tones.
    fn pair_shown(&self, powers: &[f32; 8]) -> Option<Pair> {
        let shown = Pair::strongest(powers);
        let [row, column] = shown.tones();
        let [low, high] = [powers[row], powers[column]];
        let pair = low + high;
        let drowned = self.background > 6.0 * pair;
        let rest = if drowned { self.level.total } else { self.level.total - self.background };
        let stands_out = pair > LEAST_PAIR * rest
            && low * IN_BAND[row] > LEAST_IN_BAND * self.level.bands[0]
            && high * IN_BAND[column] > LEAST_IN_BAND * self.level.bands[1];
        stands_out.then_some(shown)
    }
}

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

/// The end of a hop of one call.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) heard: Heard<'a>,
    /// Whether each of the latest hops had lost samples, the latest in bit 0.
    pub(crate) lost: u32,
    /// Hops so far.
    pub(crate) hop: u64,
}

impl Moment<'_> {
    /// What is left without the pair of a look that ends now.
    fn residual(&self, look: &Look) -> Residual {
        Residual::measure(&self.heard.past(), look.reach(), self.lost, look.hertz())
    }
}

/// The window that ends there.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) moment: Moment<'a>,
    pub(crate) level: Level,
    /// What was there before.
    pub(crate) background: f32,
    /// Whether enough of the power is in the bands, and in both.
    pub(crate) promising: bool,
}

/// The judgement over all windows so far.
#[derive(Clone)]
pub(crate) struct Decision {
    history: History,
    key: Option<Key>,
    past: Option<Past>,
    /// The pair that the latest window shows.
    shown: Option<Pair>,
    /// Where the tone that is suspected began.
    suspected: Option<u64>,
    /// Hops with lost samples since the last whole window.
    unknown: usize,
}

impl Decision {
    pub(crate) const fn new() -> Self {
        Self {
            history: History::new(),
            key: None,
            past: None,
            shown: None,
            suspected: None,
            unknown: 0,
        }
    }

    /// What a look in the latest window has to go by: for [`crate::training`].
    pub(crate) fn rows(&self, moment: &Moment<'_>, background: f32, report: &mut impl FnMut(Row)) {
        let Some(entry) = self.history.newest_first().next().filter(|e| e.hop == moment.hop) else {
            return;
        };
        let window = Window { moment: *moment, level: entry.level, background, promising: true };
        if entry.tones.is_none_or(|tones| window.pair_shown(&tones.powers()).is_none()) {
            return;
        }
        for look in self.history.looks(background, moment.lost) {
            let residual = moment.residual(&look);
            if look.is_first() && residual.has_ended() {
                continue;
            }
            report(Row {
                end: moment.hop * HOP as u64,
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

    pub(crate) const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Passes over a window that is too quiet for a key, while none is down.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.begin();
        self.history.keep_newest(0);
    }

    /// Passes over a window that promises no key, while none is down.
    #[inline(always)]
    pub(crate) fn pass(&mut self, level: Level, hop: u64) {
        self.begin();
        self.history.push(Entry { tones: None, level, hop });
        self.shown = None;
    }

    fn begin(&mut self) {
        self.unknown = 0;
        self.suspected = None;
    }

    /// Judges a window that may hold a key, or its end.
    pub(crate) fn handle(&mut self, window: &Window<'_>, report: &mut impl FnMut(Event)) {
        let Window { moment, level, .. } = *window;
        self.begin();
        let (tones, powers) = Tones::measure(moment.heard);
        self.history.push(Entry { tones: Some(tones), level, hop: moment.hop });
        if self.key.is_some() {
            self.follow_key(window, &powers, report);
        }
        let shown = if window.promising { window.pair_shown(&powers) } else { None };
        let earlier = std::mem::replace(&mut self.shown, shown);
        if let Some(pair) = shown
            && earlier == shown
            && self.key.is_none_or(|key| key.pair != pair)
        {
            self.judge(window, report);
        }
    }

    /// Passes over a window with lost samples: it ends nothing until many in a row do.
    pub(crate) fn handle_unknown(&mut self, lost: bool, report: &mut impl FnMut(Event)) {
        self.unknown += usize::from(lost);
        if self.unknown >= UNKNOWN_TO_UP {
            self.suspected = None;
            self.history = History::new();
            self.release(report);
        }
    }

    /// Carries the key that is down through this window, or lets it go.
    fn follow_key(
        &mut self,
        window: &Window<'_>,
        powers: &[f32; 8],
        report: &mut impl FnMut(Event),
    ) {
        let middle = middle_of(window.moment.hop);
        let Some(key) = &mut self.key else { return };
        let [row, column] = key.pair.tones();
        let (low, high) = (powers[row], powers[column]);
        let keeps = low > KEEPS * key.powers[0] && high > KEEPS * key.powers[1];
        let continues = || {
            low + high > SHARE_CONTINUES * window.level.total
                && low + high > FADE * key.power()
                && Pair::strongest(powers) == key.pair
        };
        if keeps || continues() {
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
    fn judge(&mut self, window: &Window<'_>, report: &mut impl FnMut(Event)) {
        let moment = &window.moment;
        let mut residual: Option<(Pair, Reach, Residual)> = None;
        let mut believed = None;
        for look in self.history.looks(window.background, moment.lost) {
            if look.kind > 0 && look.is_rising() {
                continue;
            }
            let by_itself = of_look(&look);
            if look.kind == 0 {
                if by_itself > 0.0 {
                    self.suspected = Some(self.start(&look));
                }
                continue;
            }
            if by_itself + most_of_residual(&look) <= 0.0 {
                continue;
            }
            if self.key.is_some_and(|key| key.pair == look.pair) {
                break;
            }
            let left = match residual {
                Some((pair, reach, left)) if (pair, reach) == (look.pair, look.reach()) => left,
                Some(_) | None => moment.residual(&look),
            };
            residual = Some((look.pair, look.reach(), left));
            if look.is_first() && left.has_ended() {
                continue;
            }
            if by_itself + of_residual(&look, &left) > 0.0 {
                believed = Some(look);
                break;
            }
        }
        let Some(look) = believed else { return };
        // Before that it was the last key that was heard.
        let free = self.key.map(|key| key.last).or(self.past.map(|past| past.end)).unwrap_or(0);
        let onset = self.onset(&look, moment.hop).max(free);
        let power = look.powers[0] + look.powers[1];
        if self.past.is_some_and(|past| past.echoes(look.pair, power, onset)) {
            return;
        }
        self.release(report);
        let key = Key {
            pair: look.pair,
            onset,
            last: middle_of(moment.hop),
            powers: look.powers,
            misses: 0,
        };
        self.key = Some(key);
        report(Event::Down { code: key.code(), onset });
    }

    /// The first sample of a look's first window.
    fn start(&self, look: &Look) -> u64 {
        let hop =
            self.history.newest_first().take(look.length()).last().map_or(0, |entry| entry.hop);
        (hop * HOP as u64).saturating_sub(WINDOW as u64)
    }

    /// Where the tones of a look began: the middle of the first window that holds them.
    fn onset(&self, look: &Look, hop: u64) -> u64 {
        let holds = |entry: &&Entry| {
            let [low, high] = entry.pair(look.pair);
            low > ONSET_PART * look.powers[0] && high > ONSET_PART * look.powers[1]
        };
        let first = self.history.newest_first().take_while(holds).last();
        middle_of(first.map_or(hop, |entry| entry.hop))
    }
}

/// The middle of the window that ends with a hop.
const fn middle_of(hop: u64) -> u64 {
    (hop * HOP as u64).saturating_sub(HALF)
}

#[cfg(test)]
mod tests;
