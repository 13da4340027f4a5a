//! In which order the trunks that take calls out are tried for a number.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use partyline_model::Number;

use crate::routing::Routing;

/// The first digits of telephone numbers, country code first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(Box<str>);

/// A prefix is one to fifteen digits, with or without a plus before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixError;

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a prefix is one to fifteen digits, with or without a plus before them")
    }
}

impl std::error::Error for PrefixError {}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(digits.into())) } else { Err(PrefixError) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Who comes when: lower values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Digits of the number that no prefix of the trunk matches.
    unmatched: usize,
    priority: u16,
}

/// The places of the trunks that take calls out to `number`, in the order in which they are tried:
/// the longest matching prefix first, then the lowest priority; within one, those with a weight by
/// chance, as often first as their share of the weights, and then those without, as they stand. A
/// trunk without prefixes fits every number; one with prefixes, those that begin so.
///
/// `draw` gives 32 random bits.
pub fn order<'a>(
    number: Number,
    trunks: impl IntoIterator<Item = (usize, &'a Routing)>,
    mut draw: impl FnMut() -> u32,
) -> VecDeque<usize> {
    let length = number.as_str().len();
    let rank = |(place, routing): (usize, &Routing)| {
        let matched = matched(number, &routing.prefixes)?;
        let rank = Rank { unmatched: length - matched, priority: routing.priority };
        Some((rank, place, routing.weight))
    };
    let mut fitting: Vec<_> = trunks.into_iter().filter_map(rank).collect();
    fitting.sort_by_key(|(rank, place, _)| (*rank, *place));
    let mut order = VecDeque::with_capacity(fitting.len());
    for peers in fitting.chunk_by(|(one, ..), (other, ..)| one == other) {
        let (mut weighted, rest): (Vec<_>, Vec<_>) =
            peers.iter().map(|&(_, place, weight)| (place, weight)).partition(|peer| peer.1 > 0);
        while !weighted.is_empty() {
            let chosen = choose(&weighted, draw());
            order.push_back(weighted.remove(chosen).0);
        }
        order.extend(rest.into_iter().map(|(place, _)| place));
    }
    order
}

/// How many digits of `number` the longest matching prefix has; `None` when none matches.
fn matched(number: Number, prefixes: &[Prefix]) -> Option<usize> {
    if prefixes.is_empty() {
        return Some(0);
    }
    let matching = prefixes.iter().filter(|prefix| number.starts_with(&prefix.0));
    matching.map(|prefix| prefix.0.len()).max()
}

/// Which of `peers` comes first, by their weights.
fn choose(peers: &[(usize, u16)], drawn: u32) -> usize {
    let total: u64 = peers.iter().map(|&(_, weight)| u64::from(weight)).sum();
    // A fraction of the whole: no weight gains by where the remainder falls.
    let mut chance = (u64::from(drawn) * total) >> 32;
    let hit = peers.iter().position(|&(_, weight)| {
        let hit = chance < u64::from(weight);
        chance = chance.saturating_sub(weight.into());
        hit
    });
    hit.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        text.parse().expect("a number")
    }

    fn routing(prefixes: &[&str], priority: u16, weight: u16) -> Routing {
        let prefixes = prefixes.iter().map(|text| text.parse().expect("a prefix")).collect();
        Routing { prefixes, priority, weight, ..Routing::default() }
    }

    fn ordered(to: &str, trunks: &[Routing], draw: impl FnMut() -> u32) -> Vec<usize> {
        order(number(to), trunks.iter().enumerate(), draw).into()
    }

    #[test]
    fn without_settings_trunks_are_tried_as_they_stand() {
        let trunks = [routing(&[], 0, 0), routing(&[], 0, 0), routing(&[], 0, 0)];
        assert_eq!(ordered("442079460000", &trunks, || panic!("no chance")), [0, 1, 2]);
    }

    #[test]
    fn the_longest_prefix_goes_before_priority_and_a_trunk_for_other_numbers_is_left_out() {
        let trunks = [
            routing(&[], 0, 0),
            routing(&["+44"], 9, 0),
            routing(&["+33", "+4420"], 5, 0),
            routing(&["+33", "1"], 0, 0),
            routing(&["44"], 3, 0),
        ];
        assert_eq!(ordered("442079460000", &trunks, || 0), [2, 4, 1, 0]);
        assert_eq!(ordered("33142278186", &trunks, || 0), [3, 2, 0]);
        assert_eq!(ordered("4930123456", &trunks, || 0), [0]);
        assert_eq!(ordered("4930123456", &trunks[1..], || 0), [0; 0]);
    }

    #[test]
    fn a_prefix_is_read_with_and_without_its_plus() {
        assert_eq!("+44".parse::<Prefix>(), "44".parse());
        assert_eq!("44".parse::<Prefix>().map(|prefix| prefix.to_string()), Ok("+44".to_owned()));
        for text in ["", "+", "+44 20", "++44", "1234567890123456", "*1"] {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError), "{text}");
        }
    }

    /// A generator of well-mixed bits (SplitMix64).
    fn dice(mut state: u64) -> impl FnMut() -> u32 {
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default()
        }
    }

    #[test]
    fn weights_hold_over_many_draws() {
        let trunks =
            [routing(&[], 0, 1), routing(&[], 0, 0), routing(&[], 0, 6), routing(&[], 0, 3)];
        let mut draw = dice(7);
        let mut first = [0_u32; 4];
        for _ in 0..100_000 {
            let order = ordered("14165550100", &trunks, &mut draw);
            first[order[0]] += 1;
            assert_eq!(order[3], 1, "who has no weight comes last");
        }
        for (count, share) in first.into_iter().zip([10_000, 0, 60_000, 30_000]) {
            assert!(count.abs_diff(share) < 600, "{first:?}");
        }
    }

    prop_compose! {
        fn any_routing()(
            prefixes in prop::collection::vec("[1-3]{1,4}", 0..3),
            priority in 0_u16..3,
            weight in prop_oneof![Just(0_u16), 0_u16..4, Just(u16::MAX)],
        ) -> Routing {
            let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            routing(&prefixes, priority, weight)
        }
    }

    proptest! {
        #[test]
        fn each_trunk_that_fits_comes_once_and_a_better_one_before_a_worse(
            trunks in prop::collection::vec(any_routing(), 0..12),
            to in "[1-3]{7,9}",
            seed: u64,
        ) {
            let to = number(&to);
            let order: Vec<usize> = order(to, trunks.iter().enumerate(), dice(seed)).into();
            let fits = |routing: &Routing| {
                let mut prefixes = routing.prefixes.iter();
                routing.prefixes.is_empty() || prefixes.any(|prefix| to.starts_with(&prefix.0))
            };
            let mut places = order.clone();
            places.sort_unstable();
            let fitting: Vec<usize> =
                (0..trunks.len()).filter(|&place| fits(&trunks[place])).collect();
            prop_assert_eq!(places, fitting);
            for pair in order.windows(2) {
                let [one, other] = [&trunks[pair[0]], &trunks[pair[1]]];
                let [near, far] = [one, other].map(|trunk| matched(to, &trunk.prefixes).unwrap());
                prop_assert!(near >= far);
                if near == far {
                    prop_assert!(one.priority <= other.priority);
                    if one.priority == other.priority && one.weight == 0 {
                        prop_assert!(other.weight == 0 && pair[0] < pair[1]);
                    }
                }
            }
        }
    }
}
