//! The charges of an invoice, one row each: what its every printed amount recomputes from.
//!
//! RFC 4180, CRLF, UTF-8, RFC 3339 UTC, a point as decimal sign, numbers masked as on the invoice,
//! fees and prices as the deck writes them; new columns come at the end.
//! `amount` = `fee` + `per_min` × `billed_s` / 60, at least `min_charge`, rounded once; without
//! billed time it is the `fee`.
//!
//! People open the file in a spreadsheet, which takes a cell that begins with `=`, `+`, `-` or `@`
//! for a formula. Cells that hold people's words (`conference`, `reference_number`, `party`,
//! `name`, `deck`) are therefore guarded, and only these: see [`guarded`] for the rule and how a
//! program takes the guard off. Every other column is digits, identifiers, times and words of ours.

use std::borrow::Cow;

use partyline_model::WallTime;

use crate::invoice::Invoice;
use crate::money::Decimals;

const COLUMNS: [&str; 24] = [
    "conf_id",
    "conference",
    "reference_number",
    "leg_id",
    "direction",
    "role",
    "party",
    "dnis",
    "answered_at",
    "disconnected_at",
    "duration_ms",
    "kind",
    "name",
    "prefix",
    "deck_line",
    "billed_s",
    "per_min",
    "fee",
    "amount",
    "currency",
    "min_charge",
    "deck",
    "deck_version",
    "tax_code",
];

/// The charges of `invoice` in the order of its sessions.
///
/// # Errors
/// None in practice: the rows are written to memory.
pub fn charges(invoice: &Invoice) -> Result<Vec<u8>, csv::Error> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let at = |time: Option<WallTime>| time.map_or_else(String::new, |t| t.to_string());
    let as_in_the_deck = Decimals::new(8);
    for session in &invoice.sessions {
        let conf_id = session.conf_id.map_or_else(String::new, |id| id.to_string());
        let name = guarded(&session.name);
        let reference = guarded(session.reference.as_deref().unwrap_or_default());
        for leg in &session.legs {
            for charge in &leg.charges {
                writer.write_record([
                    conf_id.as_str(),
                    &name,
                    &reference,
                    &leg.leg_id.to_string(),
                    leg.direction.as_str(),
                    leg.role(),
                    &guarded(&leg.party),
                    &leg.dialled_in,
                    &at(leg.answered_at),
                    &at(leg.disconnected_at),
                    &leg.duration_ms.to_string(),
                    charge.kind.as_str(),
                    &guarded(&charge.name),
                    &charge.prefix,
                    &charge.deck_line.to_string(),
                    &charge.billed_seconds.to_string(),
                    &charge.per_minute.to_fixed(as_in_the_deck),
                    &charge.fee.to_fixed(as_in_the_deck),
                    &charge.amount.to_fixed(invoice.decimals.for_lines()),
                    invoice.currency,
                    &charge.minimum.to_fixed(as_in_the_deck),
                    &guarded(&leg.rated_by.deck),
                    &leg.rated_by.version.to_string(),
                    &guarded(&charge.tax_code),
                ])?;
            }
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// `text` so that no spreadsheet computes it.
///
/// Where a cell may begin, that is at the start of the text and behind each `;`, tab, CR or LF
/// (which separate cells where the comma is the decimal sign), blanks passed over, an apostrophe
/// goes in front of `=`, `+`, `-`, `@`, their full-width forms, NUL and an apostrophe. A program
/// that wants the text takes away one apostrophe at each such place.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut begins = true;
    for (at, c) in text.char_indices() {
        if begins && is_trigger(c) {
            if out.is_empty() {
                out.push_str(&text[..at]);
            }
            out.push('\'');
        }
        if !out.is_empty() {
            out.push(c);
        }
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || begins && c.is_whitespace();
    }
    if out.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

const fn is_trigger(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\'' | '\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the rule tells a program to do.
    fn unguarded(text: &str) -> String {
        let mut out = String::new();
        let (mut begins, mut chars) = (true, text.chars().peekable());
        while let Some(c) = chars.next() {
            if begins && c == '\'' && chars.peek().is_some_and(|&next| is_trigger(next)) {
                begins = false;
                out.extend(chars.next());
                continue;
            }
            out.push(c);
            begins = matches!(c, ';' | '\t' | '\r' | '\n') || begins && c.is_whitespace();
        }
        out
    }

    #[test]
    fn words_that_a_spreadsheet_would_compute_are_guarded() {
        for (text, safe) in [
            ("=HYPERLINK(\"http://example.com\")", "'=HYPERLINK(\"http://example.com\")"),
            ("+1 416", "'+1 416"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\t'=1"),
            ("\r\n=1", "\r\n'=1"),
            ("  =1", "  '=1"),
            ("＝1", "'＝1"),
            ("Board;=1;=2", "Board;'=1;'=2"),
            ("'quoted", "''quoted"),
            ("", ""),
            ("a-b = c+d @ e's", "a-b = c+d @ e's"),
            ("1416•••••00", "1416•••••00"),
        ] {
            assert_eq!(guarded(text), safe);
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_a_formula_and_nothing_is_lost(text in "[=+@'; \t\r\na-]{0,12}") {
            let safe = guarded(&text);
            for cell in safe.split([';', '\t', '\r', '\n']) {
                let cell = cell.trim_start();
                prop_assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell:?} of {safe:?}");
            }
            prop_assert_eq!(unguarded(&safe), text);
        }
    }
}
