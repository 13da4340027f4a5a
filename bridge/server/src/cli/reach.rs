//! What `*1` reaches, in words: which ranges listed prefixes seem to open and do not.

use std::fmt::Write;

use partyline_dialplan::Plan;
use partyline_directory::DialOutPolicy;

/// Columns of a line.
const WIDTH: usize = 96;

/// The ranges with prices of their own that the prefixes do not open, with how to open them;
/// `None` when they open all that they seem to.
pub(super) fn left_closed(policy: &DialOutPolicy) -> Option<String> {
    let closed = Plan::nanp().left_closed(&policy.prefixes);
    let first = closed.first()?.prefixes.first()?;
    let mut text = format!(
        "*1 calls numbers that begin with {}. Not among them are ranges with prices of their own;\n\
         list those that are wanted as well (--dial-out {},{first}):",
        policy.prefixes.join(", "),
        policy.prefixes.join(","),
    );
    let mut column = WIDTH;
    for (index, apart) in closed.iter().enumerate() {
        let comma = if index + 1 < closed.len() { "," } else { "" };
        let item = format!("{} {}{comma}", apart.name, apart.prefixes.join(" "));
        column += 1 + item.len();
        if column > WIDTH {
            text.push_str("\n ");
            column = 2 + item.len();
        }
        // Writing to a string does not fail.
        write!(text, " {item}").unwrap_or_default();
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefixes: &[&str]) -> Option<String> {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        left_closed(&DialOutPolicy { prefixes, ..DialOutPolicy::default() })
    }

    #[test]
    fn a_country_code_says_what_it_does_not_open() {
        let text = of(&["1"]).unwrap();
        assert!(
            text.contains("Jamaica 1658 1876,") && text.contains("--dial-out 1,1264"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(!text.contains("Jersey"), "{text}");
        assert_eq!(of(&["1416", "33"]), None);
        assert_eq!(of(&[]), None);
    }
}
