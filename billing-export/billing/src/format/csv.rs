//! The charges of an invoice, one row each: what its every printed amount recomputes from.
//!
//! Machine profile of exports-and-invoices.md D1: RFC 4180, CRLF, UTF-8, RFC 3339 UTC, a point as
//! decimal sign, numbers masked as on the invoice.

use partyline_model::WallTime;

use crate::invoice::Invoice;
use crate::money::Decimals;

const COLUMNS: [&str; 20] = [
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
    for session in &invoice.sessions {
        for leg in &session.legs {
            for charge in &leg.charges {
                writer.write_record([
                    session.conf_id.map_or_else(String::new, |id| id.to_string()),
                    session.name.clone(),
                    session.reference.clone().unwrap_or_default(),
                    leg.leg_id.to_string(),
                    leg.direction.as_str().to_owned(),
                    if leg.moderator { "host" } else { "participant" }.to_owned(),
                    leg.party.clone(),
                    leg.dialled_in.clone(),
                    at(leg.answered_at),
                    at(leg.disconnected_at),
                    leg.duration_ms.to_string(),
                    charge.kind.as_str().to_owned(),
                    charge.name.to_string(),
                    charge.prefix.to_string(),
                    charge.deck_line.to_string(),
                    charge.billed_seconds.to_string(),
                    charge.per_minute.to_fixed(Decimals::new(8)),
                    charge.fee.to_fixed(invoice.decimals.for_lines()),
                    charge.amount.to_fixed(invoice.decimals.for_lines()),
                    invoice.currency.to_owned(),
                ])?;
            }
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}
