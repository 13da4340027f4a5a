//! What a leg costs: a pure function of its record and a deck (rating.md C.1).

use partyline_cdr_record::{AccessKind, Direction, Flags, LegRecord};
use partyline_model::{Number, WallTime};

use crate::deck::{ChargeKind, Deck, Rate};
use crate::money::{Money, Ratio};

/// One price for one thing, with all that is needed to compute it again by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What it is for.
    pub kind: ChargeKind,
    /// Destination, access or feature, as invoices print it.
    pub name: Box<str>,
    /// The prefix of the number dialled that chose the rate.
    pub prefix: Box<str>,
    /// Line of the deck's file with the rate.
    pub deck_line: u64,
    /// Seconds billed, a whole number of blocks.
    pub billed_seconds: u64,
    /// Price of 60 seconds.
    pub per_minute: Money,
    /// Connection or attempt fee in [`Self::amount`].
    pub fee: Money,
    /// Rounded once, to the currency's decimals and two more.
    pub amount: Money,
}

/// Why a leg that should cost something has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrated {
    /// The deck has no bridge rate for this access kind at the time of the answer.
    NoBridgeRate(AccessKind),
    /// The deck knows no prefix of the number dialled at the time of the answer.
    NoDestination,
    /// An outgoing leg without a number that was dialled.
    NoNumber,
}

impl std::fmt::Display for Unrated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBridgeRate(access) => {
                write!(f, "the deck has no bridge rate for access kind {}", access.as_str())
            }
            Self::NoDestination => f.write_str("the deck has no rate for the number dialled"),
            Self::NoNumber => f.write_str("the record lacks the number dialled"),
        }
    }
}

impl std::error::Error for Unrated {}

/// The charges of a closed leg, none of them zero by accident: an answered leg either has a rate
/// for each part or is [`Unrated`].
///
/// The reference number takes no part (decisions.md 12); nor does the cause of the end: what was
/// answered for some time is billable (cdr.md A.6).
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
        let rate = deck.bridge(access, at).ok_or(Unrated::NoBridgeRate(access))?;
        charges.push(price(rate, deck, leg.duration_ms));
    }
    if leg.direction == Direction::Out {
        let number = leg.dialed_number.ok_or(Unrated::NoNumber)?;
        let at = answered.unwrap_or(leg.invited_at);
        let rate = deck.long_distance(number, at);
        if answered.is_some() {
            charges.push(price(rate.ok_or(Unrated::NoDestination)?, deck, leg.duration_ms));
        } else if let Some(rate) = rate.filter(|rate| rate.attempt_fee > Money::ZERO) {
            charges.push(attempt(rate, deck));
        }
    }
    Ok(charges)
}

/// The price of a minute to `number` from `at` on: bridge and long distance together, so that
/// *price a minute* can be spoken before the call is placed.
///
/// # Errors
/// [`Unrated`] when the deck lacks one of the two rates.
pub fn quote(deck: &Deck, number: Number, at: WallTime) -> Result<Money, Unrated> {
    let bridge =
        deck.bridge(AccessKind::Dialout, at).ok_or(Unrated::NoBridgeRate(AccessKind::Dialout))?;
    let distance = deck.long_distance(number, at).ok_or(Unrated::NoDestination)?;
    Ok(bridge.per_minute + distance.per_minute)
}

/// The charge for `duration_ms` at `rate` (R2 to R4).
pub fn price(rate: &Rate, deck: &Deck, duration_ms: u64) -> Charge {
    let seconds = duration_ms.div_ceil(1000);
    let billed = billed_seconds(seconds, rate.initial.into(), rate.increment.into());
    let (fee, amount) = if billed == 0 {
        (Money::ZERO, Money::ZERO)
    } else {
        // Over 60, so that nothing is rounded before the end.
        let numerator =
            rate.connection_fee.as_e8() * 60 + rate.per_minute.as_e8() * i128::from(billed);
        let exact = Ratio { numerator: numerator.max(rate.minimum.as_e8() * 60), denominator: 60 };
        let amount = exact.rounded(deck.decimals().for_lines(), deck.rounding());
        (rate.connection_fee, amount)
    };
    charge(rate, billed, fee, amount)
}

fn attempt(rate: &Rate, deck: &Deck) -> Charge {
    let fee = rate.attempt_fee.rounded(deck.decimals().for_lines(), deck.rounding());
    charge(rate, 0, fee, fee)
}

fn charge(rate: &Rate, billed_seconds: u64, fee: Money, amount: Money) -> Charge {
    Charge {
        kind: rate.kind,
        name: rate.name.clone(),
        prefix: rate.prefix.clone(),
        deck_line: rate.line,
        billed_seconds,
        per_minute: rate.per_minute,
        fee,
        amount,
    }
}

/// Whole blocks that hold `seconds`: one of `initial`, then as many of `increment` as it takes
/// (R3). With no increment, the first block is all there is.
fn billed_seconds(seconds: u64, initial: u64, increment: u64) -> u64 {
    match seconds {
        0 => 0,
        s if s <= initial || increment == 0 => initial,
        s => initial + (s - initial).div_ceil(increment) * increment,
    }
}
