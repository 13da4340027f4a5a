//! `N` calls side by side: a hop of each is split and weighed at once, then each is judged.
//!
//! What is done alike for every call, loud or quiet, lies in arrays that vectors go through. A call
//! alone is `N` = 1, so that its result is the same in any company.

use crate::background::Background;
use crate::bands::{Bands, HOP, Powers, WINDOW_HOPS};
use crate::decision::{Decision, Moment, Window};
use crate::detector::Event;
use crate::look::Level;
use crate::simd::{Kernel, LANES, Vectors, widest};
use crate::tones::IN_BAND;
use crate::training::Row;

/// A hop with less power than this has nothing to split: -60 dBm0.
const QUIET: f32 = 250.0;
/// Least power of a window that may hold a key: -51 dBm0.
const LEAST_TOTAL: f32 = 2_000.0;
/// Least share of the power that the two bands must have for their tones to be looked at.
const LEAST_INSIDE: f32 = 0.35;
/// Bounds of the low band's power over the high band's.
const INSIDE_RATIOS: [f32; 2] = [0.06, 40.0];
/// A background this much stronger than what is in the bands is not subtracted from the rest.
const DROWNING: f32 = 6.0;

/// At most as many as a vector has lanes.
#[derive(Clone)]
pub(crate) struct Calls<const N: usize> {
    bands: Bands<N>,
    background: Background<N>,
    decisions: [Decision; N],
    /// Hops so far,
    hop: u64,
    /// and before each call began.
    began: [u64; N],
    /// Whether the hop that is being filled misses samples.
    missing: [bool; N],
    /// Whether each of the latest hops missed samples, the latest in bit 0.
    lost: [u32; N],
    /// A bit for each call that has a key down,
    keys: u8,
    /// and for each that was too quiet to remember anything of.
    resting: u8,
}

impl<const N: usize> Calls<N> {
    const FITS: () = assert!(N <= LANES, "a call needs a lane");
    /// A bit for each call.
    const ALL: u8 = u8::MAX >> (LANES - N);

    pub(crate) const fn new() -> Self {
        let () = Self::FITS;
        Self {
            bands: Bands::new(),
            background: Background::new(),
            decisions: [const { Decision::new() }; N],
            hop: 0,
            began: [0; N],
            missing: [false; N],
            lost: [0; N],
            keys: 0,
            resting: 0,
        }
    }

    /// Begins anew with a call.
    pub(crate) fn forget(&mut self, call: usize) {
        self.bands.forget(call);
        self.background.forget(call);
        self.decisions[call] = Decision::new();
        self.began[call] = self.hop;
        self.missing[call] = false;
        self.lost[call] = 0;
        self.keys &= !(1 << call);
    }

    pub(crate) const fn decision(&self, call: usize) -> &Decision {
        &self.decisions[call]
    }

    /// What a look in the latest window of the first call has to go by: for [`crate::training`].
    pub(crate) fn rows(&self, report: &mut impl FnMut(Row)) {
        let (hop, lost) = (self.hop - self.began[0], self.lost[0]);
        let moment = Moment { heard: self.bands.heard(0), lost, hop };
        self.decisions[0].rows(&moment, self.background.powers()[0], report);
    }

    /// Hears `count` samples of each call; `None` never arrived.
    #[inline]
    pub(crate) fn push(
        &mut self,
        mut sound: [Option<&[i16]>; N],
        mut count: usize,
        report: &mut impl FnMut(usize, Event),
    ) {
        let missing = sound.each_ref().map(Option::is_none);
        while count > 0 {
            let taken = self.bands.push(&sound, count);
            count -= taken;
            if count > 0 {
                for samples in sound.iter_mut().flatten() {
                    *samples = &samples[taken..];
                }
            }
            for (any, missing) in self.missing.iter_mut().zip(missing) {
                *any |= missing;
            }
            while self.bands.is_hop_whole() {
                self.judge(report);
                self.missing = if self.bands.is_between_hops() { [false; N] } else { missing };
            }
        }
    }

    /// Passes over whole hops of which nothing arrived, where that can change nothing but the
    /// count; how many samples those are.
    pub(crate) fn skip_lost(&mut self, samples: usize) -> usize {
        if !self.bands.is_between_hops() || !self.decisions.iter().all(Decision::is_forgotten) {
            return 0;
        }
        let hops = samples / HOP;
        self.hop += hops as u64;
        hops * HOP
    }

    /// Judges the hop that is whole.
    #[inline]
    fn judge(&mut self, report: &mut impl FnMut(usize, Event)) {
        self.hop += 1;
        let known = if self.lost == [0; N] && self.missing == [false; N] {
            Self::ALL
        } else {
            self.windows_known()
        };
        let Self { bands, background, .. } = self;
        // What is in a lane without a call does not matter.
        let weigh = Weigh { bands, background, known: known | !Self::ALL };
        let Weighed { powers, loud, promising } = widest(weigh);
        let level = |call| Level {
            total: powers.total[call],
            bands: [powers.bands[0][call], powers.bands[1][call]],
        };
        for call in calls_of(Self::ALL & !known) {
            let report = &mut |event| report(call, event);
            self.decisions[call].handle_unknown(self.missing[call], report);
        }
        // The key that is down may be all that keeps a quiet window from being passed over.
        let closer = known & (loud & promising | self.keys);
        for call in calls_of(known & loud & !closer) {
            self.decisions[call].pass(level(call), self.hop - self.began[call]);
        }
        for call in calls_of(known & !loud & !closer & !self.resting) {
            self.decisions[call].rest();
        }
        self.resting = known & !loud & !closer;
        for call in calls_of(closer) {
            let heard = self.bands.heard(call);
            let hop = self.hop - self.began[call];
            let window = Window {
                moment: Moment { heard, lost: self.lost[call], hop },
                level: level(call),
                background: self.background.powers()[call],
                promising: promising >> call & 1 != 0,
            };
            self.decisions[call].handle(&window, &mut |event| report(call, event));
        }
        for call in calls_of(closer | Self::ALL & !known) {
            let bit = u8::from(self.decisions[call].has_key()) << call;
            self.keys = self.keys & !(1 << call) | bit;
        }
    }

    /// A bit for each call whose window misses nothing, now that another hop is in it.
    fn windows_known(&mut self) -> u8 {
        let mut known = Self::ALL;
        for (call, lost) in self.lost.iter_mut().enumerate() {
            *lost = *lost << 1 | u32::from(self.missing[call]);
            if *lost & ((1 << WINDOW_HOPS) - 1) != 0 {
                known &= !(1 << call);
            }
        }
        known
    }
}

/// Splits the next hop and weighs the window that it ends against its background.
struct Weigh<'a, const N: usize> {
    bands: &'a mut Bands<N>,
    background: &'a mut Background<N>,
    /// A bit for each call whose window misses nothing.
    known: u8,
}

struct Weighed {
    powers: Powers,
    /// A bit for each call that is loud enough for a key,
    loud: u8,
    /// and for each that has enough of its power in the bands, and in both.
    promising: u8,
}

impl<const N: usize> Kernel for Weigh<'_, N> {
    type Output = Weighed;

    #[inline(always)]
    fn run(self, v: impl Vectors) -> Weighed {
        let powers = self.bands.split(v, QUIET);
        let total = v.load(&powers.total);
        let low = v.load(&powers.bands[0]) * v.all(INSIDE[0]);
        let high = v.load(&powers.bands[1]) * v.all(INSIDE[1]);
        let inside = low + high;
        self.background.push(v, total, total - inside, self.known);
        let background = v.load(self.background.powers());
        let rest = total - v.where_above(inside * v.all(DROWNING), background, background);
        let [least, most] = INSIDE_RATIOS;
        let promising = v.above(inside, rest * v.all(LEAST_INSIDE))
            & v.above(low, high * v.all(least))
            & v.above(high * v.all(most), low);
        Weighed { powers, loud: v.above(total, v.all(LEAST_TOTAL)), promising }
    }
}

/// The numbers of the bits that are set.
fn calls_of(mut bits: u8) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let call = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (call < LANES).then_some(call)
    })
}

/// What a band's power is multiplied by to be that of a tone in the middle of its group.
static INSIDE: [f32; 2] = [
    4.0 / (IN_BAND[0] + IN_BAND[1] + IN_BAND[2] + IN_BAND[3]),
    4.0 / (IN_BAND[4] + IN_BAND[5] + IN_BAND[6] + IN_BAND[7]),
];
