//! Digits that nobody may read by accident.

use partyline_model::Digit;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::page::Slot;

/// The most digits that a place holds; typed-ahead digits beyond are refused.
pub const MAX_DIGITS: usize = 32;

/// Up to 32 digits in locked memory, wiped when dropped.
///
/// There is no way to format, copy, compare with `==` or count them:
///
/// ```compile_fail,E0277
/// fn show(digits: &partyline_secret::SecretDigits) -> String { format!("{digits:?}") }
/// ```
/// ```compile_fail,E0277
/// fn show(digits: &partyline_secret::SecretDigits) -> String { format!("{digits}") }
/// ```
/// ```compile_fail,E0277
/// fn copy<T: Clone>(_: &T) {}
/// fn same(digits: &partyline_secret::SecretDigits) { copy(digits) }
/// ```
/// ```compile_fail,E0369
/// fn same(digits: &partyline_secret::SecretDigits) -> bool { digits == digits }
/// ```
/// ```compile_fail,E0599
/// fn count(digits: &partyline_secret::SecretDigits) -> usize { digits.len() }
/// ```
///
/// What there is:
///
/// ```
/// use partyline_model::Digit;
///
/// let mut vault = partyline_secret::Vault::swappable()?;
/// let (mut once, mut again) = (vault.digits()?, vault.digits()?);
/// for c in "4471".chars().filter_map(|c| Digit::from_char(c).ok()) {
///     assert!(once.push(c).is_ok() && again.push(c).is_ok());
/// }
/// assert!(once.within(4, 10) && once.matches(&again));
/// # Ok::<(), partyline_secret::VaultError>(())
/// ```
pub struct SecretDigits {
    /// Byte 0 is the number of digits, bytes 1 to 32 their characters; the rest is zero.
    slot: Slot,
}

/// The place already holds [`MAX_DIGITS`] digits; the digit was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no room for another digit")
    }
}

impl std::error::Error for Full {}

impl SecretDigits {
    /// `slot` is all zero.
    pub(crate) fn new(slot: Slot) -> Self {
        Self { slot }
    }

    /// Appends `digit`; any of the sixteen keys.
    ///
    /// # Errors
    /// [`Full`] when 32 digits are there; they stay.
    pub fn push(&mut self, digit: Digit) -> Result<(), Full> {
        let [len, room @ ..] = self.slot.bytes_mut();
        let place = room[..MAX_DIGITS].get_mut(usize::from(*len)).ok_or(Full)?;
        // A character of the sixteen keys is ASCII.
        *place = u8::try_from(digit.to_char()).unwrap_or_default();
        *len += 1;
        Ok(())
    }

    /// Takes out the digit that was typed first: typed-ahead digits go through the call flow one
    /// by one, as if they were typed then.
    pub fn shift(&mut self) -> Option<Digit> {
        let [len, room @ ..] = self.slot.bytes_mut();
        *len = len.checked_sub(1)?;
        let first = char::from(room[0]);
        room.copy_within(1.., 0);
        Digit::from_char(first).ok()
    }

    /// Wipes the digits; the place stays.
    pub fn clear(&mut self) {
        self.slot.bytes_mut().zeroize();
    }

    /// Whether nothing has been typed.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether there are at least `min` and at most `max` digits.
    pub fn within(&self, min: usize, max: usize) -> bool {
        (min..=max).contains(&self.count())
    }

    /// Whether both hold the same digits; takes the same time whatever they hold.
    pub fn matches(&self, other: &Self) -> bool {
        self.slot.bytes().ct_eq(other.slot.bytes()).into()
    }

    /// **Shows the secret** to `reader`, as ASCII characters; the caller answers for where they
    /// go. Its one use is the keyed HMAC that looks a passcode up.
    pub fn expose<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        reader(&self.slot.bytes()[1..=self.count()])
    }

    /// The digits as text, for digits that the call flow has classified as no secret: a number to
    /// dial, a reference number. The place is wiped.
    #[must_use = "the digits are gone from here"]
    pub fn reveal(self) -> String {
        self.expose(|digits| digits.iter().copied().map(char::from).collect())
    }

    fn count(&self) -> usize {
        usize::from(self.slot.bytes()[0])
    }

    #[cfg(test)]
    pub(crate) fn slot_index(&self) -> usize {
        self.slot.index()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Vault;

    fn digit(c: char) -> Digit {
        Digit::from_char(c).unwrap_or(Digit::STAR)
    }

    fn typed(vault: &mut Vault, text: &str) -> SecretDigits {
        let mut digits = vault.digits().unwrap();
        for c in text.chars() {
            assert!(digits.push(digit(c)).is_ok());
        }
        digits
    }

    #[test]
    fn thirty_two_digits_fit_and_no_more() {
        let mut vault = Vault::swappable().unwrap();
        let text = "0123456789*#ABCD".repeat(2);
        let mut digits = typed(&mut vault, &text);
        assert_eq!(digits.push(digit('1')), Err(Full));
        assert!(digits.within(32, 32));
        assert_eq!(digits.reveal(), text);
    }

    #[test]
    fn only_equal_content_and_length_match() {
        let mut vault = Vault::swappable().unwrap();
        let secret = typed(&mut vault, "4471");
        for (text, same) in
            [("4471", true), ("4472", false), ("447", false), ("44710", false), ("", false)]
        {
            assert_eq!(secret.matches(&typed(&mut vault, text)), same, "{text}");
        }
        assert!(vault.digits().unwrap().matches(&vault.digits().unwrap()));
    }

    #[test]
    fn a_cleared_place_keeps_no_byte() {
        let mut vault = Vault::swappable().unwrap();
        let page = vault.page(0);
        let mut digits = typed(&mut vault, "987654");
        digits.clear();
        assert!(digits.is_empty());
        assert!(page.peek(digits.slot_index()) == [0; 64]);
    }

    #[test]
    fn a_shifted_digit_is_gone_from_memory() {
        let mut vault = Vault::swappable().unwrap();
        let page = vault.page(0);
        let mut digits = typed(&mut vault, "73");
        assert!(digits.shift() == Some(digit('7')));
        assert!(digits.shift() == Some(digit('3')));
        assert!(digits.shift().is_none());
        assert!(page.peek(digits.slot_index()) == [0; 64]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(char),
        Shift,
        Clear,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => prop::sample::select("0123456789*#ABCD".chars().collect::<Vec<_>>())
                .prop_map(Step::Push),
            2 => Just(Step::Shift),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_short_string(steps in prop::collection::vec(any_step(), 0..120)) {
            let mut vault = Vault::swappable().unwrap();
            let mut digits = vault.digits().unwrap();
            let mut model = String::new();
            for step in steps {
                match step {
                    Step::Push(c) if model.len() < MAX_DIGITS => {
                        prop_assert!(digits.push(digit(c)).is_ok());
                        model.push(c);
                    }
                    Step::Push(c) => prop_assert_eq!(digits.push(digit(c)), Err(Full)),
                    Step::Shift => {
                        let first = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(digits.shift().map(Digit::to_char), first);
                    }
                    Step::Clear => {
                        digits.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!(digits.is_empty(), model.is_empty());
                prop_assert!(digits.within(model.len(), model.len()));
                prop_assert!(digits.expose(|bytes| bytes == model.as_bytes()));
            }
            prop_assert_eq!(digits.reveal(), model);
        }
    }
}
