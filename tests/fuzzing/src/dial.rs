//! Dial plans, and the numbers that are held against them.

use std::sync::LazyLock;

use partyline_dialplan::{Outbound, Plan};

/// Numbers of every kind, held against whatever plan was read.
const NUMBERS: [&str; 8] =
    ["", "911", "+911", "4165550100", "14165550100", "011442079460000", "00", "+449001234567"];

/// Reads `data` as a plan and classifies numbers by it.
pub fn dial_plan(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Plan::parse(&text) {
        Ok(plan) => {
            for number in NUMBERS {
                for country in ["", "1", "44"] {
                    if let Ok(Outbound { number, .. }) = plan.classify(number, country) {
                        assert!(number.to_string().len() >= 7, "{number} is no one's number");
                    }
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Holds `data`, a country code up to a line end and a number behind it, against the plan that
/// the bridge ships.
pub fn dialled_number(data: &[u8]) {
    static PLAN: LazyLock<Plan> = LazyLock::new(Plan::nanp);
    let text = String::from_utf8_lossy(data);
    let (country, typed) = text.split_once('\n').unwrap_or(("1", &text));
    let Ok(found) = PLAN.classify(typed, country) else { return };
    let again = PLAN.classify(&format!("+{}", found.number), country);
    assert_eq!(again, Ok(found), "E.164 means what was typed");
    let spaced: String = typed.chars().flat_map(|c| [c, '-']).collect();
    assert_eq!(PLAN.classify(&spaced, country), Ok(found), "separators mean nothing");
    assert!(found.number.to_string().len() >= 7, "a service, not a number");
}
