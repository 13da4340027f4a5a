//! What a leg costs: a pure function of its record and a deck.

use std::sync::Arc;

use partyline_cdr_record::{AccessKind, CloseReason, Direction, Flags, LegRecord, LegState};
use partyline_model::{Number, WallTime};

use crate::deck::{ChargeKind, Deck, Rate};
use crate::money::{Money, Ratio};

/// One price for one thing, with all that is needed to compute it again by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub kind: ChargeKind,
    /// Destination, access or feature, as invoices print it.
    pub name: Arc<str>,
    /// The prefix of the number dialled that chose the rate.
    pub prefix: Arc<str>,
    /// Line of the deck's file with the rate.
    pub deck_line: u64,
    /// Seconds billed, a whole number of blocks.
    pub billed_seconds: u64,
    /// Price of 60 seconds.
    pub per_minute: Money,
    /// Connection or attempt fee in [`Self::amount`], as the deck writes it.
    pub fee: Money,
    /// The least that [`Self::amount`] is when any time was billed, as the deck writes it.
    pub minimum: Money,
    /// Rounded once, to the currency's decimals and two more.
    pub amount: Money,
    /// Tax category of the rate.
    pub tax_code: Arc<str>,
}

/// Why a leg that should cost something has no price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrated {
    /// The deck has no bridge rate for this access kind in force when the leg was answered.
    NoBridgeRate(AccessKind, Moment),
    /// The deck has no rate for the number dialled in force when the leg was answered.
    NoDestination(Moment),
    /// An outgoing leg without a number that was dialled.
    NoNumber,
    /// The plan that the account had at the answer has no deck.
    NoDeck {
        /// The plan.
        plan: u32,
    },
}

/// When a rate was looked for, and the nearest one that was not in force then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When the leg was answered.
    pub at: WallTime,
    /// Line of the deck with the rate that had ended, or had not begun.
    pub lapsed: Option<Lapsed>,
}

/// A rate that was not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// It ended before the call.
    Ended {
        /// Line of the deck.
        line: u64,
        /// When.
        at: WallTime,
    },
    /// It begins after the call.
    Begins {
        /// Line of the deck.
        line: u64,
        /// When.
        at: WallTime,
    },
}

impl Moment {
    fn new(at: WallTime, rate: Option<&Rate>) -> Self {
        let lapsed = rate.map(|rate| match rate.to {
            Some(to) if to <= at => Lapsed::Ended { line: rate.line, at: to },
            Some(_) | None => Lapsed::Begins { line: rate.line, at: rate.from },
        });
        Self { at, lapsed }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "for a call of {}", self.at)?;
        match self.lapsed {
            Some(Lapsed::Ended { line, at }) => write!(f, "; the one in line {line} ended at {at}"),
            Some(Lapsed::Begins { line, at }) => {
                write!(f, "; the one in line {line} begins at {at}")
            }
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Unrated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBridgeRate(access, moment) => {
                let access = access.as_str();
                write!(f, "the deck has no bridge rate for access kind {access} {moment}")
            }
            Self::NoDestination(moment) => {
                write!(f, "the deck has no rate for the number dialled {moment}")
            }
            Self::NoNumber => f.write_str("the record lacks the number dialled"),
            Self::NoDeck { plan } => {
                write!(f, "plan {plan}, which the account had at the answer, has no rate deck")
            }
        }
    }
}

impl std::error::Error for Unrated {}

/// The charges of a closed leg, none of them zero by accident: an answered leg either has a rate
/// for each part or is [`Unrated`].
///
/// The reference number takes no part; nor does the cause of the end: what was
/// answered for some time is billable.
///
/// # Errors
/// [`Unrated`] when the deck lacks a rate the leg needs.
pub fn rate(leg: &LegRecord, deck: &Deck) -> Result<Vec<Charge>, Unrated> {
    if [Flags::TEST, Flags::INTERNAL, Flags::FREE].into_iter().any(|f| leg.flags.contains(f)) {
        return Ok(Vec::new());
    }
    let answered = leg.answered_at.filter(|_| leg.is_billable());
    let mut charges = Vec::new();
    if let Some(at) = answered {
        let access = match leg.direction {
            Direction::In => leg.access_kind,
            Direction::Out => AccessKind::Dialout,
        };
        let rate = deck.bridge(access, at).ok_or_else(|| no_bridge_rate(deck, access, at))?;
        charges.push(price(rate, deck, leg.duration_ms));
    }
    if leg.direction == Direction::Out {
        let number = leg.dialed_number.ok_or(Unrated::NoNumber)?;
        let at = answered.unwrap_or(leg.invited_at);
        let rate = deck.long_distance(number, at);
        if answered.is_some() {
            let rate = rate.ok_or_else(|| no_destination(deck, number, at))?;
            charges.push(price(rate, deck, leg.duration_ms));
        } else if let Some(rate) =
            rate.filter(|rate| is_attempt(leg) && rate.attempt_fee > Money::ZERO)
        {
            charges.push(attempt(rate, deck));
        }
    }
    Ok(charges)
}

/// Whether an unbilled dial-out is an attempt that the callee or the network did not take: not one
/// that was answered, for however short a time, and not one that we cut off ourselves.
fn is_attempt(leg: &LegRecord) -> bool {
    let ours = match leg.close_reason {
        Some(CloseReason::Crash | CloseReason::Internal | CloseReason::Drain) => true,
        Some(_) | None => leg.state == LegState::OrphanClosed,
    };
    leg.answered_at.is_none() && !ours
}

fn no_bridge_rate(deck: &Deck, access: AccessKind, at: WallTime) -> Unrated {
    let lapsed = deck.lapsed(ChargeKind::Bridge, &[Some(access), None], &[""], at);
    Unrated::NoBridgeRate(access, Moment::new(at, lapsed))
}

fn no_destination(deck: &Deck, number: Number, at: WallTime) -> Unrated {
    let digits = number.as_str();
    let prefixes: Vec<_> = (0..=digits.len()).map(|len| &digits[..len]).collect();
    let lapsed = deck.lapsed(ChargeKind::LongDistance, &[None], &prefixes, at);
    Unrated::NoDestination(Moment::new(at, lapsed))
}

/// The price of a minute to `number` from `at` on: bridge and long distance together, so that
/// *price a minute* can be spoken before the call is placed.
///
/// # Errors
/// [`Unrated`] when the deck lacks one of the two rates.
pub fn quote(deck: &Deck, number: Number, at: WallTime) -> Result<Money, Unrated> {
    let access = AccessKind::Dialout;
    let bridge = deck.bridge(access, at).ok_or_else(|| no_bridge_rate(deck, access, at))?;
    let distance =
        deck.long_distance(number, at).ok_or_else(|| no_destination(deck, number, at))?;
    Ok(bridge.per_minute + distance.per_minute)
}

/// The charge for `duration_ms` at `rate`: whole seconds begun, in whole blocks, with the fee of the
/// call and at least its minimum, rounded once at the end.
pub fn price(rate: &Rate, deck: &Deck, duration_ms: u64) -> Charge {
    let seconds = duration_ms.div_ceil(1000);
    let billed = billed_seconds(seconds, rate.initial.into(), rate.increment.into());
    let (fee, minimum, amount) = if billed == 0 {
        (Money::ZERO, Money::ZERO, Money::ZERO)
    } else {
        // Over 60, so that nothing is rounded before the end.
        let numerator =
            rate.connection_fee.as_e8() * 60 + rate.per_minute.as_e8() * i128::from(billed);
        let exact = Ratio { numerator: numerator.max(rate.minimum.as_e8() * 60), denominator: 60 };
        let amount = exact.rounded(deck.decimals().for_lines(), deck.rounding());
        (rate.connection_fee, rate.minimum, amount)
    };
    Charge { fee, minimum, amount, ..charge(rate, billed) }
}

fn attempt(rate: &Rate, deck: &Deck) -> Charge {
    let fee = rate.attempt_fee;
    let amount = fee.rounded(deck.decimals().for_lines(), deck.rounding());
    Charge { fee, amount, ..charge(rate, 0) }
}

fn charge(rate: &Rate, billed_seconds: u64) -> Charge {
    Charge {
        kind: rate.kind,
        name: rate.name.clone(),
        prefix: rate.prefix.clone(),
        deck_line: rate.line,
        billed_seconds,
        per_minute: rate.per_minute,
        fee: Money::ZERO,
        minimum: Money::ZERO,
        amount: Money::ZERO,
        tax_code: rate.tax_code.clone(),
    }
}

/// Whole blocks that hold `seconds`: one of `initial`, then as many of `increment` as it takes.
/// With no increment, the first block is all there is.
fn billed_seconds(seconds: u64, initial: u64, increment: u64) -> u64 {
    match seconds {
        0 => 0,
        s if s <= initial || increment == 0 => initial,
        s => initial + (s - initial).div_ceil(increment) * increment,
    }
}
