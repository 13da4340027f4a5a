//! An invoice as JSON: the document itself, money as strings, numbers masked.

use serde_json::{Value, json};

use crate::invoice::{Invoice, InvoicedLeg, Session};
use crate::money::{Decimals, Money};
use crate::rate::Charge;

/// `invoice` as indented JSON with a final line break.
pub fn invoice(invoice: &Invoice) -> String {
    let amount = |money: Money| money.to_fixed(invoice.decimals);
    let exact = |money: Money| money.to_fixed(invoice.decimals.for_lines());
    let header = &invoice.header;
    let value = json!({
        "schema": "partyline-invoice-1",
        "number": header.number,
        "issued": header.issued.to_string(),
        "due": header.due.to_string(),
        "period": {
            "first_day": header.period.first_day().to_string(),
            "last_day": header.period.last_day().to_string(),
            "time_zone": header.period.zone_name(),
        },
        "seller": party(&header.seller),
        "buyer": party(&header.buyer),
        "currency": invoice.currency,
        "deck": invoice.deck,
        "lines": invoice.lines.iter().map(|line| json!({
            "kind": line.kind.as_str(),
            "name": line.name,
            "legs": line.legs,
            "billed_s": line.billed_seconds,
            "per_min": line.per_minute.to_fixed(Decimals::new(8)),
            "fee": exact(line.fee),
            "amount": amount(line.amount),
        })).collect::<Vec<_>>(),
        "net": amount(invoice.net),
        "taxes": invoice.taxes.iter().map(|tax| json!({
            "label": tax.label,
            "base": amount(tax.base),
            "amount": amount(tax.amount),
        })).collect::<Vec<_>>(),
        "total": amount(invoice.total),
        "references": invoice.references.iter().map(|total| json!({
            "reference_number": total.reference,
            "conferences": total.conferences,
            "legs": total.legs,
            "billed_s": total.billed_seconds,
            "amount": exact(total.amount),
        })).collect::<Vec<_>>(),
        "line_rounding": exact(invoice.line_rounding),
        "conferences":
            invoice.sessions.iter().map(|s| session(s, &exact)).collect::<Vec<_>>(),
        "suspense": invoice.suspense.iter().map(|(leg, reason)| json!({
            "leg_id": leg.to_string(),
            "reason": reason.to_string(),
        })).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn party(party: &crate::Party) -> Value {
    json!({ "name": party.name, "address": party.address, "tax_id": party.tax_id })
}

fn session(session: &Session, exact: &impl Fn(Money) -> String) -> Value {
    json!({
        "conf_id": session.conf_id.map(|id| id.to_string()),
        "name": session.name,
        "reference_number": session.reference,
        "started_at": session.started_at.to_string(),
        "amount": exact(session.amount),
        "legs": session.legs.iter().map(|l| leg(l, exact)).collect::<Vec<_>>(),
    })
}

fn leg(leg: &InvoicedLeg, exact: &impl Fn(Money) -> String) -> Value {
    json!({
        "leg_id": leg.leg_id.to_string(),
        "direction": leg.direction.as_str(),
        "role": if leg.moderator { "host" } else { "participant" },
        "party": leg.party,
        "dnis": leg.dialled_in,
        "answered_at": leg.answered_at.map(|at| at.to_string()),
        "disconnected_at": leg.disconnected_at.map(|at| at.to_string()),
        "duration_ms": leg.duration_ms,
        "amount": exact(leg.amount()),
        "charges": leg.charges.iter().map(|c| charge(c, exact)).collect::<Vec<_>>(),
    })
}

fn charge(charge: &Charge, exact: &impl Fn(Money) -> String) -> Value {
    json!({
        "kind": charge.kind.as_str(),
        "name": charge.name,
        "prefix": charge.prefix,
        "deck_line": charge.deck_line,
        "billed_s": charge.billed_seconds,
        "per_min": charge.per_minute.to_fixed(Decimals::new(8)),
        "fee": exact(charge.fee),
        "amount": exact(charge.amount),
    })
}
