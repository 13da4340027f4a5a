//! Amounts and the one place where they are rounded. No floating point.

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

/// How many [`Money`] steps make one currency unit.
const PER_UNIT: i128 = 100_000_000;

/// An amount in 1e-8 of a currency unit; the currency is known from where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// What happens to a value exactly between two printable ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Away from zero, so that a full credit mirrors its invoice to the cent.
    #[default]
    HalfUp,
    /// To the even neighbour.
    HalfEven,
}

/// How many decimals are printed: 0 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimals(u8);

impl Decimals {
    /// `count` decimals; more than 8 become 8, the resolution of [`Money`].
    pub const fn new(count: u8) -> Self {
        Self(if count > 8 { 8 } else { count })
    }

    /// Two more, the precision of a rated call before lines are summed.
    #[must_use]
    pub const fn for_lines(self) -> Self {
        Self::new(self.0 + 2)
    }

    /// The number of decimals.
    pub const fn count(self) -> u8 {
        self.0
    }

    fn step(self) -> i128 {
        10_i128.pow(u32::from(8 - self.0))
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `e8` steps of 1e-8.
    pub const fn from_e8(e8: i128) -> Self {
        Self(e8)
    }

    /// Steps of 1e-8.
    pub const fn as_e8(self) -> i128 {
        self.0
    }

    /// Rounds to `decimals`.
    #[must_use]
    pub fn rounded(self, decimals: Decimals, rounding: Rounding) -> Self {
        Ratio { numerator: self.0, denominator: 1 }.rounded(decimals, rounding)
    }

    /// With all its decimals and at least two: `0.10`, `0.00319496`.
    pub fn to_plain(self) -> String {
        let text = self.to_fixed(Decimals::new(8));
        let kept = text.trim_end_matches('0').len().max(text.len() - 6);
        text[..kept].to_owned()
    }

    /// With exactly `decimals` decimals, a point, no thousands separators. Rounds half up when the
    /// amount has more.
    pub fn to_fixed(self, decimals: Decimals) -> String {
        let steps = self.rounded(decimals, Rounding::HalfUp).0 / decimals.step();
        let sign = if steps < 0 { "-" } else { "" };
        let (steps, scale) = (steps.unsigned_abs(), 10_u128.pow(u32::from(decimals.0)));
        if decimals.0 == 0 {
            return format!("{sign}{steps}");
        }
        let width = usize::from(decimals.0);
        format!("{sign}{}.{:0width$}", steps / scale, steps % scale)
    }
}

/// The currency of an ISO 4217 code, if somebody can pay in it: metals, funds and tests (XAU,
/// CHE, XTS) have codes too, and so has "no currency".
pub fn currency(code: &str) -> Option<iso_currency::Currency> {
    let known = iso_currency::Currency::from_code(code);
    known.filter(|currency| !currency.is_special() && !currency.is_fund())
}

/// An exact fraction of [`Money`] steps, rounded once at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    /// In 1e-8 of a unit, times the denominator.
    pub(crate) numerator: i128,
    /// Positive.
    pub(crate) denominator: i128,
}

impl Ratio {
    pub(crate) fn rounded(self, decimals: Decimals, rounding: Rounding) -> Money {
        let step = decimals.step();
        let divisor = self.denominator * step;
        let magnitude = self.numerator.abs();
        let (whole, rest) = (magnitude / divisor, magnitude % divisor);
        let up = match (2 * rest).cmp(&divisor) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => match rounding {
                Rounding::HalfUp => true,
                Rounding::HalfEven => whole % 2 == 1,
            },
        };
        Money((whole + i128::from(up)) * step * self.numerator.signum())
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, rhs: Self) -> Self {
        Self(self.0 + rhs.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, rhs: Self) {
        self.0 += rhs.0;
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, rhs: Self) -> Self {
        Self(self.0 - rhs.0)
    }
}

impl Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// Not digits with at most one decimal point.
    Syntax,
    /// More than 8 decimals: it could not be kept exactly.
    TooFine,
    /// More than 12 digits before the point.
    TooLarge,
}

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "an amount is digits with an optional decimal point, like 0.0490",
            Self::TooFine => "an amount has at most 8 decimals",
            Self::TooLarge => "an amount has at most 12 digits before the point",
        })
    }
}

impl std::error::Error for MoneyError {}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.')
        {
            return Err(MoneyError::Syntax);
        }
        if fraction.len() > 8 {
            return Err(MoneyError::TooFine);
        }
        if whole.trim_start_matches('0').len() > 12 {
            return Err(MoneyError::TooLarge);
        }
        let whole: i128 = whole.parse().map_err(|_| MoneyError::Syntax)?;
        let fraction: i128 = format!("{fraction:0<8}").parse().map_err(|_| MoneyError::Syntax)?;
        let e8 = whole * PER_UNIT + fraction;
        Ok(Self(if negative { -e8 } else { e8 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn what_nobody_can_pay_in_is_no_currency() {
        let none = ["XX", "X"].concat();
        for code in [none.as_str(), "XTS", "XAU", "XDR", "XBA", "CHE", "BOV", "usd", "US", ""] {
            assert_eq!(currency(code), None, "{code}");
        }
        for code in ["CAD", "USD", "XAF", "XPF", "CHF", "JPY"] {
            assert_eq!(currency(code).map(|known| known.code()), Some(code));
        }
    }

    #[test]
    fn ties_go_away_from_zero_or_to_even() {
        let two = Decimals::new(2);
        for (text, up, even) in [
            ("0.145", "0.15", "0.14"),
            ("0.285", "0.29", "0.28"),
            ("0.135", "0.14", "0.14"),
            ("-6.505", "-6.51", "-6.50"),
            ("0.14499999", "0.14", "0.14"),
        ] {
            assert_eq!(money(text).rounded(two, Rounding::HalfUp), money(up), "{text}");
            assert_eq!(money(text).rounded(two, Rounding::HalfEven), money(even), "{text}");
        }
    }

    #[test]
    fn prints_fixed_decimals_without_separators() {
        assert_eq!(money("1234567.5").to_fixed(Decimals::new(2)), "1234567.50");
        assert_eq!(money("-0.005").to_fixed(Decimals::new(2)), "-0.01");
        assert_eq!(money("-0.001").to_fixed(Decimals::new(2)), "0.00");
        assert_eq!(money("45").to_fixed(Decimals::new(0)), "45");
        assert_eq!(
            ["0.1", "45", "0.00319496"].map(|text| money(text).to_plain()),
            ["0.10", "45.00", "0.00319496"]
        );
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", ".", "1.", ".5", "1,000.00", "1e3", "+1", "1.2.3", " 1", "١"] {
            assert_eq!(text.parse::<Money>(), Err(MoneyError::Syntax), "{text:?}");
        }
        assert_eq!("0.123456789".parse::<Money>(), Err(MoneyError::TooFine));
        assert_eq!("1234567890123".parse::<Money>(), Err(MoneyError::TooLarge));
    }

    proptest! {
        #[test]
        fn text_round_trips(e8 in -1_000_000_000_000_000_i128..1_000_000_000_000_000) {
            let amount = Money::from_e8(e8);
            prop_assert_eq!(amount.to_fixed(Decimals::new(8)).parse(), Ok(amount));
        }

        #[test]
        fn rounding_moves_by_at_most_half_a_step(e8 in any::<i64>(), decimals in 0_u8..=8) {
            let decimals = Decimals::new(decimals);
            let amount = Money::from_e8(i128::from(e8));
            for rounding in [Rounding::HalfUp, Rounding::HalfEven] {
                let rounded = amount.rounded(decimals, rounding);
                prop_assert_eq!(rounded.as_e8() % decimals.step(), 0);
                prop_assert!(2 * (rounded - amount).as_e8().abs() <= decimals.step());
            }
        }
    }
}
