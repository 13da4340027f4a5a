//! What `*1` reaches, in words: which countries listed prefixes open, and which ranges they seem to
//! open and do not.

use std::fmt::Write;

use partyline_dialplan::Plan;
use partyline_directory::DialOutPolicy;
use partyline_operations::countries;

/// Columns of a line.
const WIDTH: usize = 96;

/// What each prefix opens: `44 (United Kingdom)`; `None` for none.
pub(super) fn opened(policy: &DialOutPolicy) -> Option<String> {
    let each = policy.prefixes.iter().map(|prefix| format!("{prefix} ({})", countries(prefix)));
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| format!("*1 opens {}", each.join(", ")))
}

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
    fn each_prefix_says_what_it_opens() {
        let opened = |prefixes: &[&str]| {
            let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
            opened(&DialOutPolicy { prefixes, ..DialOutPolicy::default() })
        };
        let text = opened(&["36", "1416", "999"]).unwrap();
        assert_eq!(
            text,
            "*1 opens 36 (Hungary), 1416 (in North America and the Caribbean), 999 (no country)"
        );
        let text = opened(&["8"]).unwrap();
        assert!(text.contains("Japan 81") && text.contains("countries"), "{text}");
        assert_eq!(opened(&[]), None);
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
        assert_eq!(of(&["1416", "354"]), None);
        assert_eq!(of(&[]), None);
    }
}
