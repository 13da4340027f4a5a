//! How far a prefix of calls out reaches.

use partyline_dialplan::codes_opened_by;

/// Most countries of one prefix that are named.
const NAMED: usize = 12;

/// A prefix that is not yet a country code, such as `8`, opens every country whose code begins with
/// it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{prefix} is not a country code; it would open {countries}. List the codes that are wanted, or \
     insist"
)]
pub struct WideReach {
    /// The prefix.
    pub prefix: String,
    /// What it would open, in words.
    pub countries: String,
}

/// What a prefix opens, in words.
pub fn countries(prefix: &str) -> String {
    let all: Vec<_> = codes_opened_by(prefix).collect();
    match &all[..] {
        [] => "no country".to_owned(),
        [(code, country)] if prefix.len() > code.len() => format!("in {country}"),
        [(_, country)] => (*country).to_owned(),
        _ => {
            let named = all.iter().take(NAMED).map(|(code, country)| format!("{country} {code}"));
            let named = named.collect::<Vec<_>>().join(", ");
            let more = all.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{} countries: {named}{more}", all.len())
        }
    }
}

/// Refuses a prefix that is not yet a country code, unless `insisted`.
///
/// # Errors
/// The first such prefix, with what it would open.
pub fn check_reach(prefixes: &[String], insisted: bool) -> Result<(), WideReach> {
    let is_wide =
        |prefix: &&String| codes_opened_by(prefix).any(|(code, _)| code.len() > prefix.len());
    match prefixes.iter().find(is_wide) {
        Some(wide) if !insisted => {
            Err(WideReach { prefix: wide.clone(), countries: countries(wide) })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_many_countries_wants_a_yes() {
        let check = |prefix: &str, yes| check_reach(&[prefix.to_owned()], yes);
        for code in ["1", "7", "44", "1876", "4420", "999"] {
            assert!(check(code, false).is_ok(), "{code}");
        }
        for wide in ["8", "4", "35", "97"] {
            let error = check(wide, false).unwrap_err().to_string();
            assert!(error.contains("not a country code"), "{error}");
            assert!(check(wide, true).is_ok(), "{wide}");
        }
    }
}
