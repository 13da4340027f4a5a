//! What is said of an object in the audit log, by the names that columns of an import have.

use partyline_directory::{Account, Conference, DialIn};

/// A name and a value; `None` where there is none.
type Field = (&'static str, Option<String>);

fn some(value: impl ToString) -> Option<String> {
    Some(value.to_string()).filter(|text| !text.is_empty())
}

const fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

pub(super) fn account_fields(account: &Account) -> Vec<Field> {
    // Taken apart, so that nothing new is left out.
    let Account {
        id: _,
        name,
        tenant_id,
        status,
        entitlements,
        caller_id,
        time_zone,
        currency,
        country_code,
        rate_plan,
    } = account;
    vec![
        ("name", some(name)),
        ("tenant", some(tenant_id)),
        ("status", some(status)),
        ("time_zone", some(time_zone)),
        ("currency", some(currency)),
        ("country_code", some(country_code)),
        ("record", some(yes_no(entitlements.record))),
        ("dial_out", some(entitlements.dial_out.prefixes.join(" "))),
        ("dial_out_max", some(entitlements.dial_out.max_concurrent)),
        ("security_passcode", some(yes_no(entitlements.security_passcode))),
        ("reference_number", some(entitlements.reference_number)),
        ("caller_id", caller_id.and_then(some)),
        ("deck", Some(*rate_plan).filter(|plan| *plan > 0).and_then(some)),
    ]
}

pub(super) fn conference_fields(conference: &Conference) -> Vec<Field> {
    let Conference {
        id: _,
        account,
        name,
        starts_with,
        max_legs,
        announce,
        enabled,
        ends_with_moderator,
    } = conference;
    vec![
        ("name", some(name)),
        ("account", some(account.0)),
        ("starts_with", some(starts_with)),
        ("max_legs", some(max_legs)),
        ("announce", some(announce)),
        ("enabled", some(yes_no(*enabled))),
        ("ends_with_moderator", some(yes_no(*ends_with_moderator))),
    ]
}

pub(super) fn dial_in_fields(dial_in: &DialIn) -> Vec<Field> {
    let DialIn { number: _, aliases, account, access_kind, language, welcome } = dial_in;
    vec![
        ("aliases", some(aliases.join(" "))),
        ("account", account.and_then(|id| some(id.0))),
        ("access_kind", some(access_kind)),
        ("language", some(language)),
        ("welcome", welcome.clone()),
    ]
}
