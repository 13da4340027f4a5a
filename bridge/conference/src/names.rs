//! How callers are named to each other: by the end of their number, or as a guest.

use partyline_dialplan::{Prompt, say};

use crate::attendance;
use crate::call::Call;

/// Digits of a number that are said.
const SAID: usize = 4;

impl Call {
    /// The name of the caller: "caller ending 4 1 2 2", "guest three".
    pub(crate) fn name(&self) -> Vec<Prompt> {
        if let Some(number) = attendance::number(self.book.record()) {
            let digits = number.as_str();
            let mut said = vec![Prompt::CallerEnding];
            said.extend(say::digits(&digits[digits.len().saturating_sub(SAID)..]));
            return said;
        }
        let mut said = vec![Prompt::Guest];
        said.extend(say::count(self.guest));
        said
    }
}
