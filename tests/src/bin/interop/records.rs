//! The call records beside the calls that were placed.

use anyhow::{Context, Result, ensure};
use bridge_tests::real::bridge::Setup;
use bridge_tests::real::records::Leg;

use crate::cases::{Case, Phones};

/// Compares all records with what `cases` expect of theirs.
///
/// # Errors
/// A call has no record or two, or one that is open or says something else.
pub(crate) fn check(bridge: &Setup, cases: &[&Case]) -> Result<()> {
    let least = cases.iter().map(|case| case.records.count.start()).sum();
    let legs = bridge.closed_legs(least)?;
    let mut known = 0;
    for case in cases {
        known += of_case(case, &legs).with_context(|| case.name)?;
    }
    ensure!(legs.len() == known, "{} records are of no call", legs.len() - known);
    Ok(())
}

/// The number of its records.
fn of_case(case: &Case, legs: &[Leg]) -> Result<usize> {
    // baresip makes Call-IDs of its own, and is the only one to come with its numbers.
    let is_his = |leg: &&Leg| match &case.phones {
        Phones::Sipp(_) => {
            let call_id = leg.text("sip_call_id");
            call_id.strip_prefix(case.name).is_some_and(|rest| {
                rest.strip_prefix('-')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
        }
        Phones::Baresip(pair) => pair.numbers.contains(&leg.text("ani")),
        Phones::Carrier(_) | Phones::Network(_) => false,
    };
    let expected = &case.records;
    let his: Vec<&Leg> = legs.iter().filter(is_his).collect();
    let count = his.len();
    ensure!(expected.count.contains(&count), "{count} records, expected {:?}", expected.count);
    for leg in his {
        let what = || format!("{} {}", leg.text("sip_call_id"), leg.text("close_reason"));
        ensure!(leg.text("state") == "closed", "not closed: {}", what());
        for (field, values) in expected.fields {
            let value = leg.text(field);
            ensure!(
                values.contains(&value),
                "{field} is {value:?}, expected {values:?}: {}",
                what()
            );
        }
    }
    Ok(count)
}
