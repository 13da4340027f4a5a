//! Which passcodes may be given out.
//!
//! For the tools that create passcodes. Looking one up never asks: a weak passcode that an
//! administrator insisted on works like any other.

use std::fmt;

use partyline_model::Number;

/// The fewest digits that the passcode prompt takes.
pub const MIN_PASSCODE: usize = 4;
/// The most digits that the passcode prompt takes.
pub const MAX_PASSCODE: usize = 12;
/// The fewest digits of a passcode that is not weak.
pub const MIN_STRONG_PASSCODE: usize = 6;

/// Why a text cannot be a passcode at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusablePasscode {
    /// Something other than the digits 0 to 9.
    NotDigits,
    /// Fewer than [`MIN_PASSCODE`] digits.
    TooShort,
    /// More than [`MAX_PASSCODE`] digits.
    TooLong,
}

impl fmt::Display for UnusablePasscode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDigits => f.write_str("a passcode holds the digits 0 to 9 only"),
            Self::TooShort => write!(f, "a passcode has at least {MIN_PASSCODE} digits"),
            Self::TooLong => write!(f, "a passcode has at most {MAX_PASSCODE} digits"),
        }
    }
}

impl std::error::Error for UnusablePasscode {}

/// Why a passcode is easily guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than [`MIN_STRONG_PASSCODE`] digits.
    Short,
    /// Counts up or down, but for one digit at most: `123456`, `0987651`.
    Run,
    /// Repeats itself, or has fewer than three different digits: `777777`, `123123`, `112121`.
    Repeat,
    /// Part of a number that callers dial to get here.
    DialInNumber,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "fewer than {MIN_STRONG_PASSCODE} digits"),
            Self::Run => f.write_str("the digits count up or down"),
            Self::Repeat => f.write_str("the digits repeat themselves"),
            Self::DialInNumber => f.write_str("the digits are part of a dial-in number"),
        }
    }
}

impl std::error::Error for Weakness {}

/// Whether callers can type `digits` at the passcode prompt.
///
/// # Errors
/// [`UnusablePasscode`]; no administrator may insist on such a one.
pub fn usable_passcode(digits: &str) -> Result<(), UnusablePasscode> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UnusablePasscode::NotDigits);
    }
    match digits.len() {
        0..MIN_PASSCODE => Err(UnusablePasscode::TooShort),
        MIN_PASSCODE..=MAX_PASSCODE => Ok(()),
        _ => Err(UnusablePasscode::TooLong),
    }
}

/// Why `digits`, a [usable](usable_passcode) passcode, is easily guessed by somebody who knows
/// the numbers that callers dial; `None` when it is not.
pub fn weak_passcode(digits: &str, dial_ins: &[Number]) -> Option<Weakness> {
    if digits.len() < MIN_STRONG_PASSCODE {
        return Some(Weakness::Short);
    }
    if is_run(digits) {
        return Some(Weakness::Run);
    }
    if is_repeat(digits) {
        return Some(Weakness::Repeat);
    }
    let dialled = dial_ins.iter().any(|number| number.as_str().contains(digits));
    dialled.then_some(Weakness::DialInNumber)
}

/// Whether one wrong, missing or surplus digit turns one passcode into the other: the passcodes
/// of one conference must not be that near to each other, or a participant becomes a moderator
/// by a slip of the finger.
pub fn too_similar(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let (short, long) = (short.as_bytes(), long.as_bytes());
    let differing = short.iter().zip(long).filter(|(x, y)| x != y).count();
    match long.len() - short.len() {
        0 => differing < 2,
        1 => (0..long.len()).any(|skip| {
            let rest = long[..skip].iter().chain(&long[skip + 1..]);
            rest.eq(short)
        }),
        _ => false,
    }
}

/// All digits, or all but one at an end, follow each other upwards or downwards; 9 and 0 are
/// neighbours.
fn is_run(digits: &str) -> bool {
    let steps: Vec<u8> = digits.as_bytes().windows(2).map(|w| (w[1] + 10 - w[0]) % 10).collect();
    let longest = |step| steps.split(|&s| s != step).map(<[u8]>::len).max().unwrap_or(0);
    // A run of n digits has n - 1 steps.
    longest(1).max(longest(9)) + 2 >= digits.len()
}

/// Fewer than three different digits, or one block over and over.
fn is_repeat(digits: &str) -> bool {
    let digits = digits.as_bytes();
    let different = (b'0'..=b'9').filter(|d| digits.contains(d)).count();
    let periodic = (1..=digits.len() / 2)
        .any(|period| digits.iter().zip(&digits[period..]).all(|(a, b)| a == b));
    different < 3 || periodic
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weakness(digits: &str) -> Option<Weakness> {
        let dial_ins = ["14165550123".parse().unwrap(), "442079460000".parse().unwrap()];
        weak_passcode(digits, &dial_ins)
    }

    #[test]
    fn passcodes_are_four_to_twelve_digits() {
        assert_eq!(usable_passcode("123"), Err(UnusablePasscode::TooShort));
        assert_eq!(usable_passcode("1234"), Ok(()));
        assert_eq!(usable_passcode("123456789012"), Ok(()));
        assert_eq!(usable_passcode("1234567890123"), Err(UnusablePasscode::TooLong));
        assert_eq!(usable_passcode("12*4"), Err(UnusablePasscode::NotDigits));
        assert_eq!(usable_passcode("12٣4"), Err(UnusablePasscode::NotDigits));
    }

    #[test]
    fn fewer_than_six_digits_are_weak() {
        assert_eq!(weakness("48151"), Some(Weakness::Short));
        assert_eq!(weakness("481516"), None);
    }

    #[test]
    fn runs_are_weak() {
        for run in ["123456", "654321", "890123", "210987", "1234567", "9123456", "1234569"] {
            assert_eq!(weakness(run), Some(Weakness::Run), "{run}");
        }
        for fine in ["124578", "1234890", "135790"] {
            assert_eq!(weakness(fine), None, "{fine}");
        }
    }

    #[test]
    fn repeats_are_weak() {
        for repeat in ["777777", "121212", "112121", "427427", "42742742", "48154815"] {
            assert_eq!(weakness(repeat), Some(Weakness::Repeat), "{repeat}");
        }
        for fine in ["427429", "481548", "484848151623"] {
            assert_eq!(weakness(fine), None, "{fine}");
        }
    }

    #[test]
    fn parts_of_dial_in_numbers_are_weak() {
        assert_eq!(weakness("550123"), Some(Weakness::DialInNumber));
        assert_eq!(weakness("14165550123"), Some(Weakness::DialInNumber));
        assert_eq!(weakness("207946"), Some(Weakness::DialInNumber));
        assert_eq!(weakness("550124"), None);
    }

    #[test]
    fn one_slip_apart_is_too_similar() {
        for (a, b) in
            [("481516", "481516"), ("481516", "481517"), ("481516", "4815162"), ("81516", "481516")]
        {
            assert!(too_similar(a, b) && too_similar(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("481516", "481561"),
            ("481516", "48151623"),
            ("481516", "815162"),
            ("481516", "5814162"),
        ] {
            assert!(!too_similar(a, b) && !too_similar(b, a), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn any_single_slip_is_seen(code in "[0-9]{4,12}", at in any::<prop::sample::Index>(), to in 0u8..10) {
            let at = at.index(code.len());
            let mut changed = code.clone().into_bytes();
            changed[at] = b'0' + to;
            let changed = String::from_utf8(changed).unwrap();
            let mut longer = code.clone();
            longer.insert(at, char::from(b'0' + to));
            prop_assert!(too_similar(&code, &changed) && too_similar(&longer, &code));
        }

        #[test]
        fn most_codes_are_strong_enough(code in "[0-9]{8}") {
            // Whatever the rules grow into, a random code must usually pass: none of the
            // rules fires on five different digits without a run or a period.
            let different = (b'0'..=b'9').filter(|d| code.as_bytes().contains(d)).count();
            prop_assume!(different >= 5);
            prop_assert!(matches!(weak_passcode(&code, &[]), None | Some(Weakness::Run)));
        }
    }
}
