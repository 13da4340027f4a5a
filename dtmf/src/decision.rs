//! Decides from a run of windows whether a key is down.
//!
//! Speech passes through every DTMF frequency but does not stay: a key is believed only when one
//! pair of tones holds most of the power, at its nominal frequencies, steady in level and in
//! frequency, without the overtones of a voice or an instrument, for 40 ms. Nothing here looks at
//! samples, except for the overtones of a pair that has passed every other test.

use crate::detector::Event;
use crate::goertzel::{self, FREQUENCIES, HOP, Spectrum, WINDOW};

/// Windows in a row before a key is believed: 20 ms, and 5 ms for each after the first.
const SHORTEST_RUN: usize = 4;
/// From this run length on, the power share asked for is at its lowest.
const LONG_RUN: usize = 14;
/// Windows remembered of a run.
const RUN_MEMORY: usize = 16;
/// The share of the power that the pair must hold, over a short run and over a long one.
const SHARE_SHORT: f32 = 0.88;
const SHARE_LONG: f32 = 0.78;
/// A window with less than this in the pair cannot be part of a run.
const SHARE_CANDIDATE: f32 = 0.75;
/// A window with less than this in the pair does not continue a key.
const SHARE_CONTINUES: f32 = 0.15;
/// Least power of a tone: -48 dBm0.
const LEAST_POWER: f32 = 4_115.0;
/// Most by which the low group may exceed the high group: 10 dB.
const MOST_TWIST: f32 = 10.0;
/// Most by which the high group may exceed the low group: 6.5 dB.
const MOST_REVERSE_TWIST: f32 = 4.47;
/// Frequency tolerance: 1.55 % and 3 Hz over a run, a little more in one window. Q.24 table A-1
/// asks for 1.5 % to be heard and 3.5 % to be refused.
const TOLERANCE_RUN: f32 = 0.0155;
const TOLERANCE_WINDOW: f32 = 0.020;
const TOLERANCE_HERTZ: f32 = 3.0;
/// How far a tone's level may wander over a run, in dB: three windows of four are within it.
const LEVEL_WANDER: f32 = 1.2;
/// How far a tone's frequency may wander over a run, in Hz rms.
const FREQUENCY_WANDER: f32 = 5.0;
/// Most power at twice a tone's frequency, as a share of that tone's.
const MOST_HARMONIC: f32 = 0.04;
/// Tones nearer than this, in hertz, leak into each other's measurement.
const RESOLUTION: f64 = 120.0;
/// Windows without the key after which it is up: 30 ms. Interruptions shorter than that are
/// bridged (Q.24 §A.4).
const MISSES_TO_UP: usize = 6;
/// Windows in a row with lost samples that end a key or a run: 200 ms.
const UNKNOWN_TO_UP: usize = 40;
/// The same key this soon after its end (samples) and this much weaker is its own echo.
const ECHO_SPAN: u64 = 2_000;
const ECHO_RATIO: f32 = 0.16;
/// A key continues in a window only while it keeps this share of the power it went down with.
const FADE_RATIO: f32 = 0.03;
/// Windows whose least total power is the stationary background: 400 ms.
const BACKGROUND_MEMORY: usize = 80;
/// The background ends this many windows before the one judged, which it shares no sample with.
const BACKGROUND_GAP: usize = 5;
/// How far a tone's onset lies inside the first window that shows it, and its end inside the last.
const EDGE: u64 = HOP as u64;

/// RFC 4733 §3.2 event code of each row and column.
const CODES: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// What is known of one window.
pub(crate) enum Verdict {
    /// All its samples arrived.
    Heard(Spectrum),
    /// Some of its samples were lost.
    Unknown,
}

/// The strongest row with the strongest column.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pair {
    row: usize,
    column: usize,
}

impl Pair {
    fn strongest(spectrum: &Spectrum) -> Self {
        let (rows, columns) = spectrum.power.split_at(4);
        Self { row: strongest(rows), column: strongest(columns) }
    }

    fn code(self) -> u8 {
        CODES[self.row][self.column]
    }

    /// The column's place among all eight tones.
    fn high(self) -> usize {
        4 + self.column
    }
}

/// One window of a run.
#[derive(Clone, Copy, Default)]
struct Look {
    share: f32,
    /// Levels of row and column, in dB.
    levels: [f32; 2],
    /// Deviations of row and column, in Hz.
    deviations: [f32; 2],
    power: f32,
}

/// A pair that keeps looking like a key, window after window.
#[derive(Clone)]
struct Run {
    pair: Pair,
    /// Where its first window starts, and its latest.
    start: u64,
    last: u64,
    length: usize,
    looks: [Look; RUN_MEMORY],
}

/// A key that is down.
#[derive(Clone, Copy)]
struct Key {
    pair: Pair,
    onset: u64,
    /// Where the last window that held it starts.
    last: u64,
    power: f32,
    misses: usize,
}

/// A key that came up.
#[derive(Clone, Copy)]
struct Past {
    pair: Pair,
    end: u64,
    power: f32,
}

/// The judgement over all windows so far.
#[derive(Clone)]
pub(crate) struct Decision {
    earlier: Option<Spectrum>,
    run: Option<Run>,
    key: Option<Key>,
    past: Option<Past>,
    background: Background,
    /// Windows in a row that had lost samples.
    unknown: usize,
    suspects: bool,
}

impl Decision {
    pub(crate) fn new() -> Self {
        Self {
            earlier: None,
            run: None,
            key: None,
            past: None,
            background: Background::new(),
            unknown: 0,
            suspects: false,
        }
    }

    pub(crate) fn suspects(&self) -> bool {
        self.suspects || self.key.is_some()
    }

    /// Where the key that is down, or the run that may become one, began.
    pub(crate) fn suspected_since(&self) -> Option<u64> {
        let run = self.run.as_ref().filter(|_| self.suspects).map(|run| run.start);
        self.key.map(|key| key.onset).or(run)
    }

    /// Ends a key that is down and forgets what was heard.
    pub(crate) fn reset(&mut self, report: &mut impl FnMut(Event)) {
        if let Some(key) = self.key.take() {
            self.let_go(key, report);
        }
        *self = Self::new();
    }

    /// Judges the window that starts at sample `start`.
    pub(crate) fn handle(
        &mut self,
        start: u64,
        verdict: Verdict,
        window: &[f32; WINDOW],
        report: &mut impl FnMut(Event),
    ) {
        let spectrum = match verdict {
            Verdict::Heard(spectrum) => spectrum,
            Verdict::Unknown => return self.handle_unknown(report),
        };
        self.unknown = 0;
        let pair = Pair::strongest(&spectrum);
        let look = self.look(&spectrum, pair);
        self.earlier = Some(spectrum);
        self.background.push(spectrum.total);
        self.follow_key(start, pair, &look, report);
        let candidate = is_candidate(&spectrum, pair, &look);
        self.suspects = candidate;
        self.follow_run(start, pair, &look, candidate);
        self.judge_run(&spectrum, window, report);
    }

    /// Passes over a window with lost samples: it ends nothing until many in a row do.
    fn handle_unknown(&mut self, report: &mut impl FnMut(Event)) {
        self.earlier = None;
        self.unknown += 1;
        if self.unknown < UNKNOWN_TO_UP {
            return;
        }
        self.suspects = false;
        self.run = None;
        if let Some(key) = self.key.take() {
            self.let_go(key, report);
        }
    }

    /// Measures `pair` in a window, against the window before and the background.
    fn look(&self, spectrum: &Spectrum, pair: Pair) -> Look {
        let tones = [pair.row, pair.high()];
        let deviations = match &self.earlier {
            Some(earlier) => tones.map(|tone| spectrum.deviation(earlier, tone)),
            // Unknown, so that this window can only continue a key.
            None => [f32::INFINITY; 2],
        };
        let mut power = tones.map(|tone| spectrum.power[tone]);
        for (power, deviation) in power.iter_mut().zip(deviations) {
            *power *= goertzel::off_frequency_loss(deviation);
        }
        let sum = power[0] + power[1];
        let least = self.background.least();
        // A background above the pair itself is no background to it.
        let rest = if least > 4.0 * sum { spectrum.total } else { spectrum.total - least };
        Look {
            share: sum / rest.max(sum).max(1.0),
            levels: power.map(|power| 10.0 * power.max(1.0).log10()),
            deviations,
            power: sum,
        }
    }

    /// Carries the key that is down through this window, or lets it go.
    fn follow_key(&mut self, start: u64, pair: Pair, look: &Look, report: &mut impl FnMut(Event)) {
        let Some(key) = &mut self.key else { return };
        let continues =
            pair == key.pair && look.share > SHARE_CONTINUES && look.power > key.power * FADE_RATIO;
        if continues {
            key.last = start;
            key.misses = 0;
            return;
        }
        key.misses += 1;
        if key.misses >= MISSES_TO_UP {
            let key = *key;
            self.key = None;
            self.let_go(key, report);
        }
    }

    fn let_go(&mut self, key: Key, report: &mut impl FnMut(Event)) {
        let end = key.last + WINDOW as u64 - EDGE;
        self.past = Some(Past { pair: key.pair, end, power: key.power });
        report(Event::Up { code: key.pair.code(), length: end.saturating_sub(key.onset) });
    }

    /// Adds a candidate window to the run, starts another, or ends it.
    fn follow_run(&mut self, start: u64, pair: Pair, look: &Look, candidate: bool) {
        if !candidate {
            self.run = None;
            return;
        }
        match &mut self.run {
            Some(run) if run.pair == pair => run.push(start, look),
            Some(_) | None => {
                let looks = [Look::default(); RUN_MEMORY];
                let mut run = Run { pair, start, last: start, length: 0, looks };
                run.push(start, look);
                self.run = Some(run);
            }
        }
    }

    /// Believes the run, if it has earned it.
    fn judge_run(
        &mut self,
        spectrum: &Spectrum,
        window: &[f32; WINDOW],
        report: &mut impl FnMut(Event),
    ) {
        let Some(run) = &self.run else { return };
        if run.length < SHORTEST_RUN
            || self.key.is_some_and(|key| key.pair == run.pair)
            || !run.is_steady_pair()
            || has_harmonics(spectrum, run.pair, window)
        {
            return;
        }
        let (pair, power, onset, last) = (run.pair, run.power(), run.start + EDGE, run.last);
        if self.past.is_some_and(|past| past.echoes(pair, power, onset)) {
            return;
        }
        if let Some(key) = self.key.take() {
            self.let_go(key, report);
        }
        self.key = Some(Key { pair, onset, last, power, misses: 0 });
        report(Event::Down { code: pair.code(), onset });
    }
}

impl Past {
    /// Whether a pair that begins at `onset` is this key coming back from the far end.
    fn echoes(&self, pair: Pair, power: f32, onset: u64) -> bool {
        pair == self.pair && onset < self.end + ECHO_SPAN && power < self.power * ECHO_RATIO
    }
}

impl Run {
    fn push(&mut self, start: u64, look: &Look) {
        self.last = start;
        self.looks[self.length % RUN_MEMORY] = *look;
        self.length += 1;
    }

    /// The windows remembered, in no particular order.
    fn looks(&self) -> &[Look] {
        &self.looks[..self.length.min(RUN_MEMORY)]
    }

    fn power(&self) -> f32 {
        self.median(|look| look.power)
    }

    /// Whether the run as a whole is one pair of steady tones that hold enough of the power.
    fn is_steady_pair(&self) -> bool {
        let long = (self.looks().len() - SHORTEST_RUN) as f32 / (LONG_RUN - SHORTEST_RUN) as f32;
        let share = SHARE_SHORT + (SHARE_LONG - SHARE_SHORT) * long.min(1.0);
        if self.median(|look| look.share) <= share {
            return false;
        }
        let tones = [self.pair.row, self.pair.high()];
        tones.into_iter().enumerate().all(|(group, tone)| {
            let level = self.median(|look| look.levels[group]);
            let wander = self.spread(|look| (look.levels[group] - level).abs());
            let deviation = self.median(|look| look.deviations[group]);
            wander < LEVEL_WANDER
                && deviation.abs() < tolerance(tone, TOLERANCE_RUN)
                && self.deviation_rms(group) < FREQUENCY_WANDER
        })
    }

    /// The rms of a tone's deviations about their mean, in Hz.
    fn deviation_rms(&self, group: usize) -> f32 {
        let looks = self.looks();
        let count = looks.len() as f32;
        let mean = looks.iter().map(|look| look.deviations[group]).sum::<f32>() / count;
        let squares = looks.iter().map(|look| (look.deviations[group] - mean).powi(2)).sum::<f32>();
        (squares / count).sqrt()
    }

    fn median(&self, of: impl Fn(&Look) -> f32) -> f32 {
        self.quantile(of, |count| count / 2)
    }

    /// The value that three quarters of the windows stay under.
    fn spread(&self, of: impl Fn(&Look) -> f32) -> f32 {
        self.quantile(of, |count| count * 3 / 4)
    }

    fn quantile(&self, of: impl Fn(&Look) -> f32, rank: impl Fn(usize) -> usize) -> f32 {
        let mut values = [0.0; RUN_MEMORY];
        let looks = self.looks();
        let values = &mut values[..looks.len()];
        for (value, look) in values.iter_mut().zip(looks) {
            *value = of(look);
        }
        values.sort_unstable_by(f32::total_cmp);
        values[rank(values.len()).min(values.len() - 1)]
    }
}

/// The least total power of a stretch of past windows: hum, dial tone and line noise keep it up,
/// speech and music let it fall.
#[derive(Clone)]
struct Background {
    totals: [f32; BACKGROUND_MEMORY + BACKGROUND_GAP],
    next: usize,
    least: f32,
}

impl Background {
    fn new() -> Self {
        Self { totals: [0.0; BACKGROUND_MEMORY + BACKGROUND_GAP], next: 0, least: 0.0 }
    }

    fn push(&mut self, total: f32) {
        self.totals[self.next] = total;
        self.next = (self.next + 1) % self.totals.len();
        // Oldest first, and the newest few left out.
        let (newer, older) = self.totals.split_at(self.next);
        self.least = older
            .iter()
            .chain(newer)
            .take(BACKGROUND_MEMORY)
            .fold(f32::INFINITY, |least, &total| least.min(total));
    }

    fn least(&self) -> f32 {
        self.least
    }
}

/// Whether one window alone could be part of a key press.
fn is_candidate(spectrum: &Spectrum, pair: Pair, look: &Look) -> bool {
    let (low, high) = (spectrum.power[pair.row], spectrum.power[pair.high()]);
    look.share > SHARE_CANDIDATE
        && low > LEAST_POWER
        && high > LEAST_POWER
        && low < high * MOST_TWIST
        && high < low * MOST_REVERSE_TWIST
        && look.deviations[0].abs() < tolerance(pair.row, TOLERANCE_WINDOW)
        && look.deviations[1].abs() < tolerance(pair.high(), TOLERANCE_WINDOW)
}

/// Whether the pair is the bottom of two harmonic series: a voice, an instrument.
///
/// Some rows' overtones lie so near the pair's column that a window cannot tell them apart; only
/// the column's overtone is looked for in those pairs.
fn has_harmonics(spectrum: &Spectrum, pair: Pair, window: &[f32; WINDOW]) -> bool {
    let clear = (2.0 * FREQUENCIES[pair.row] - FREQUENCIES[pair.high()]).abs() > RESOLUTION;
    let overtone_of =
        |tone| goertzel::second_harmonic(window, tone) > spectrum.power[tone] * MOST_HARMONIC;
    overtone_of(pair.high()) || (clear && overtone_of(pair.row))
}

/// Hertz that tone `tone` may be off, at `share` of its frequency.
#[expect(clippy::cast_possible_truncation, reason = "the eight frequencies are exact in f32")]
fn tolerance(tone: usize, share: f32) -> f32 {
    FREQUENCIES[tone] as f32 * share + TOLERANCE_HERTZ
}

/// Where the greatest of `powers` is.
fn strongest(powers: &[f32]) -> usize {
    let mut best = 0;
    for (index, &power) in powers.iter().enumerate() {
        if power > powers[best] {
            best = index;
        }
    }
    best
}
