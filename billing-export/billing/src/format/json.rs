//! An invoice as JSON: the document itself, whole, money as strings, numbers masked.
//!
//! It is what is frozen when an invoice is issued, so [`read`] gives back all that is printed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use iso_currency::Currency;
use jiff::civil::Date;
use partyline_model::{Uuid, WallTime};
use serde::{Deserialize, Serialize, Serializer};

use crate::deck::{ChargeKind, decimals};
use crate::invoice::{
    Header, Invoice, InvoicedLeg, Line, Party, RatedBy, ReferenceTotal, Session, Tax,
};
use crate::money::{Decimals, Money};
use crate::period::Period;
use crate::rate::Charge;

const SCHEMA: &str = "partyline-invoice-1";

/// `invoice` as JSON with a final line break: indented, but for one too long to be printed.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn invoice(invoice: &Invoice) -> Result<Vec<u8>, serde_json::Error> {
    let document = document(invoice);
    let mut out = if invoice.is_summary() {
        serde_json::to_vec(&document)?
    } else {
        serde_json::to_vec_pretty(&document)?
    };
    out.push(b'\n');
    Ok(out)
}

/// Why a frozen document cannot be read.
#[derive(Debug)]
pub struct ReadError(String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the document cannot be read: {}", self.0)
    }
}

impl std::error::Error for ReadError {}

/// The invoice that [`invoice`] wrote, of this version of the program or an earlier one, but for
/// the calls that were left out of it. What an earlier version did not write is empty: the notes,
/// the least charges, the version of the deck.
///
/// # Errors
/// [`ReadError`] when it is no such document.
pub fn read(text: &[u8]) -> Result<Invoice, ReadError> {
    let read: DocumentText<Vec<SessionText<Vec<LegText>>>> =
        serde_json::from_slice(text).map_err(|error| ReadError(error.to_string()))?;
    if read.schema != SCHEMA {
        return Err(ReadError(format!("its schema is {:?}, not {SCHEMA:?}", read.schema)));
    }
    read.invoice().map_err(|what| ReadError(format!("a wrong {what}")))
}

/// The items of a list, made while they are written: an invoice of a hundred thousand legs is not
/// in memory twice.
struct Seq<'a, T, U>(&'a [T], &'a dyn Fn(&'a T) -> U);

impl<T, U: Serialize> Serialize for Seq<'_, T, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(self.1))
    }
}

#[derive(Deserialize, Serialize)]
struct DocumentText<S> {
    schema: String,
    number: Option<String>,
    issued: String,
    due: String,
    period: PeriodText,
    seller: PartyText,
    buyer: PartyText,
    #[serde(default)]
    notes: Vec<String>,
    currency: String,
    /// The names of the decks: all that earlier versions wrote of them.
    deck: String,
    #[serde(default)]
    decks: Vec<DeckText>,
    lines: Vec<LineText>,
    net: String,
    taxes: Vec<TaxText>,
    total: String,
    references: Vec<ReferenceText>,
    line_rounding: String,
    conferences: S,
    #[serde(default)]
    suspense: Vec<SuspenseText>,
}

#[derive(Deserialize, Serialize)]
struct PeriodText {
    first_day: String,
    last_day: String,
    time_zone: String,
}

#[derive(Deserialize, Serialize)]
struct PartyText {
    name: String,
    address: Vec<String>,
    tax_id: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct DeckText {
    deck: String,
    plan: u32,
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct LineText {
    kind: String,
    name: String,
    legs: u64,
    billed_s: u64,
    per_min: String,
    fee: String,
    amount: String,
}

#[derive(Deserialize, Serialize)]
struct TaxText {
    label: String,
    base: String,
    amount: String,
}

#[derive(Deserialize, Serialize)]
struct ReferenceText {
    reference_number: Option<String>,
    conferences: u64,
    legs: u64,
    billed_s: u64,
    amount: String,
}

#[derive(Deserialize, Serialize)]
struct SessionText<L> {
    conf_id: Option<String>,
    name: String,
    reference_number: Option<String>,
    started_at: String,
    amount: String,
    legs: L,
}

#[derive(Deserialize, Serialize)]
struct LegText {
    leg_id: String,
    direction: String,
    /// `moderator` or `participant`; `host` in documents of earlier versions.
    role: String,
    party: String,
    dnis: String,
    answered_at: Option<String>,
    disconnected_at: Option<String>,
    duration_ms: u64,
    amount: String,
    /// Which of the decks, counted from 0.
    #[serde(default)]
    deck: usize,
    charges: Vec<ChargeText>,
}

#[derive(Deserialize, Serialize)]
struct ChargeText {
    kind: String,
    name: String,
    prefix: String,
    deck_line: u64,
    billed_s: u64,
    per_min: String,
    fee: String,
    #[serde(default)]
    min_charge: Option<String>,
    amount: String,
    #[serde(default)]
    tax_code: String,
}

#[derive(Deserialize, Serialize)]
struct SuspenseText {
    leg_id: String,
    reason: String,
}

fn document(invoice: &Invoice) -> impl Serialize + '_ {
    let amount = |money: Money| money.to_fixed(invoice.decimals);
    let exact = |money: Money| money.to_fixed(invoice.decimals.for_lines());
    let header = &invoice.header;
    let decks: BTreeMap<_, _> = invoice.decks.iter().zip(0..).collect();
    DocumentText {
        schema: SCHEMA.to_owned(),
        number: header.number.clone(),
        issued: header.issued.to_string(),
        due: header.due.to_string(),
        period: PeriodText {
            first_day: header.period.first_day().to_string(),
            last_day: header.period.last_day().to_string(),
            time_zone: header.period.zone_name().to_owned(),
        },
        seller: party(&header.seller),
        buyer: party(&header.buyer),
        notes: header.notes.clone(),
        currency: invoice.currency.to_owned(),
        deck: invoice.decks.iter().map(|by| &*by.deck).collect::<Vec<_>>().join(", "),
        decks: invoice.decks.iter().map(|by| deck(by)).collect(),
        lines: invoice
            .lines
            .iter()
            .map(|line| LineText {
                kind: line.kind.as_str().to_owned(),
                name: line.name.to_string(),
                legs: line.legs,
                billed_s: line.billed_seconds,
                per_min: price(line.per_minute),
                fee: price(line.fee),
                amount: amount(line.amount),
            })
            .collect(),
        net: amount(invoice.net),
        taxes: invoice
            .taxes
            .iter()
            .map(|tax| TaxText {
                label: tax.label.clone(),
                base: amount(tax.base),
                amount: amount(tax.amount),
            })
            .collect(),
        total: amount(invoice.total),
        references: invoice
            .references
            .iter()
            .map(|total| ReferenceText {
                reference_number: total.reference.clone(),
                conferences: total.conferences,
                legs: total.legs,
                billed_s: total.billed_seconds,
                amount: exact(total.amount),
            })
            .collect(),
        line_rounding: exact(invoice.line_rounding),
        conferences: Sessions { invoice, decks },
        suspense: invoice
            .suspense
            .iter()
            .map(|(leg, reason)| SuspenseText {
                leg_id: leg.to_string(),
                reason: reason.to_string(),
            })
            .collect(),
    }
}

/// The conferences of an invoice.
struct Sessions<'a> {
    invoice: &'a Invoice,
    decks: BTreeMap<&'a Arc<RatedBy>, usize>,
}

impl Serialize for Sessions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let exact = self.invoice.decimals.for_lines();
        let leg = |leg: &InvoicedLeg| {
            let deck = self.decks.get(&leg.rated_by).copied().unwrap_or_default();
            leg_text(leg, deck, exact)
        };
        serializer.collect_seq(self.invoice.sessions.iter().map(|session| SessionText {
            conf_id: session.conf_id.map(|id| id.to_string()),
            name: session.name.clone(),
            reference_number: session.reference.clone(),
            started_at: session.started_at.to_string(),
            amount: session.amount.to_fixed(exact),
            legs: Seq(&session.legs, &leg),
        }))
    }
}

fn party(party: &Party) -> PartyText {
    let Party { name, address, tax_id } = party.clone();
    PartyText { name, address, tax_id }
}

fn deck(by: &RatedBy) -> DeckText {
    DeckText { deck: by.deck.clone(), plan: by.plan, version: by.version }
}

/// A price or fee, with all the decimals that a deck may give it.
fn price(money: Money) -> String {
    money.to_fixed(Decimals::new(8))
}

fn leg_text(leg: &InvoicedLeg, deck: usize, exact: Decimals) -> LegText {
    LegText {
        leg_id: leg.leg_id.to_string(),
        direction: leg.direction.as_str().to_owned(),
        role: leg.role().to_owned(),
        party: leg.party.clone(),
        dnis: leg.dialled_in.clone(),
        answered_at: leg.answered_at.map(|at| at.to_string()),
        disconnected_at: leg.disconnected_at.map(|at| at.to_string()),
        duration_ms: leg.duration_ms,
        amount: leg.amount().to_fixed(exact),
        deck,
        charges: leg
            .charges
            .iter()
            .map(|charge| ChargeText {
                kind: charge.kind.as_str().to_owned(),
                name: charge.name.to_string(),
                prefix: charge.prefix.to_string(),
                deck_line: charge.deck_line,
                billed_s: charge.billed_seconds,
                per_min: price(charge.per_minute),
                fee: price(charge.fee),
                min_charge: Some(price(charge.minimum)),
                amount: charge.amount.to_fixed(exact),
                tax_code: charge.tax_code.to_string(),
            })
            .collect(),
    }
}

/// What is wrong in a document.
type Wrong = &'static str;

impl DocumentText<Vec<SessionText<Vec<LegText>>>> {
    fn invoice(self) -> Result<Invoice, Wrong> {
        let currency = Currency::from_code(&self.currency).ok_or("currency")?;
        let mut decks: Vec<_> = self
            .decks
            .into_iter()
            .map(|DeckText { deck, plan, version }| Arc::new(RatedBy { deck, plan, version }))
            .collect();
        if decks.is_empty() && !self.deck.is_empty() {
            decks.push(Arc::new(RatedBy { deck: self.deck, plan: 0, version: 0 }));
        }
        let header = Header {
            number: self.number,
            issued: date(&self.issued)?,
            due: date(&self.due)?,
            period: self.period.period()?,
            seller: self.seller.party(),
            buyer: self.buyer.party(),
            // Rates are of use to sum up; the sums are read.
            taxes: Vec::new(),
            notes: self.notes,
        };
        let sessions = self.conferences.into_iter().map(|session| session.session(&decks));
        let sessions = sessions.collect::<Result<Vec<_>, _>>()?;
        Ok(Invoice {
            header,
            currency: currency.code(),
            decimals: decimals(currency),
            lines: self.lines.into_iter().map(LineText::line).collect::<Result<_, _>>()?,
            net: money(&self.net)?,
            taxes: self.taxes.into_iter().map(TaxText::tax).collect::<Result<_, _>>()?,
            total: money(&self.total)?,
            references: self
                .references
                .into_iter()
                .map(ReferenceText::total)
                .collect::<Result<_, _>>()?,
            line_rounding: money(&self.line_rounding)?,
            sessions,
            suspense: Vec::new(),
            decks,
        })
    }
}

impl PeriodText {
    fn period(&self) -> Result<Period, Wrong> {
        let month = self.first_day.get(..7).and_then(|month| month.parse().ok());
        Period::new(month.ok_or("period")?, &self.time_zone).map_err(|_| "time zone")
    }
}

impl PartyText {
    fn party(self) -> Party {
        let Self { name, address, tax_id } = self;
        Party { name, address, tax_id }
    }
}

impl LineText {
    fn line(self) -> Result<Line, Wrong> {
        Ok(Line {
            kind: kind(&self.kind)?,
            name: self.name.into(),
            per_minute: money(&self.per_min)?,
            fee: money(&self.fee)?,
            legs: self.legs,
            billed_seconds: self.billed_s,
            amount: money(&self.amount)?,
        })
    }
}

impl TaxText {
    fn tax(self) -> Result<Tax, Wrong> {
        Ok(Tax { label: self.label, base: money(&self.base)?, amount: money(&self.amount)? })
    }
}

impl ReferenceText {
    fn total(self) -> Result<ReferenceTotal, Wrong> {
        Ok(ReferenceTotal {
            reference: self.reference_number,
            conferences: self.conferences,
            legs: self.legs,
            billed_seconds: self.billed_s,
            amount: money(&self.amount)?,
        })
    }
}

impl SessionText<Vec<LegText>> {
    fn session(self, decks: &[Arc<RatedBy>]) -> Result<Session, Wrong> {
        Ok(Session {
            conf_id: self.conf_id.as_deref().map(id).transpose()?,
            name: self.name,
            reference: self.reference_number,
            started_at: instant(&self.started_at)?,
            legs: self.legs.into_iter().map(|leg| leg.leg(decks)).collect::<Result<_, _>>()?,
            amount: money(&self.amount)?,
        })
    }
}

impl LegText {
    fn leg(self, decks: &[Arc<RatedBy>]) -> Result<InvoicedLeg, Wrong> {
        Ok(InvoicedLeg {
            leg_id: id(&self.leg_id)?,
            direction: self.direction.parse().map_err(|_| "direction")?,
            answered_at: self.answered_at.as_deref().map(instant).transpose()?,
            disconnected_at: self.disconnected_at.as_deref().map(instant).transpose()?,
            duration_ms: self.duration_ms,
            party: self.party,
            dialled_in: self.dnis,
            moderator: match self.role.as_str() {
                "moderator" | "host" => true,
                "participant" => false,
                _ => return Err("role"),
            },
            rated_by: decks.get(self.deck).ok_or("deck")?.clone(),
            charges: self.charges.into_iter().map(ChargeText::charge).collect::<Result<_, _>>()?,
        })
    }
}

impl ChargeText {
    fn charge(self) -> Result<Charge, Wrong> {
        let minimum = self.min_charge.as_deref().map(money).transpose()?;
        Ok(Charge {
            kind: kind(&self.kind)?,
            name: self.name.into(),
            prefix: self.prefix.into(),
            deck_line: self.deck_line,
            billed_seconds: self.billed_s,
            per_minute: money(&self.per_min)?,
            fee: money(&self.fee)?,
            minimum: minimum.unwrap_or_default(),
            amount: money(&self.amount)?,
            tax_code: self.tax_code.into(),
        })
    }
}

fn kind(text: &str) -> Result<ChargeKind, Wrong> {
    let known = [ChargeKind::Bridge, ChargeKind::LongDistance, ChargeKind::Feature];
    known.into_iter().find(|kind| kind.as_str() == text).ok_or("kind")
}

fn money(text: &str) -> Result<Money, Wrong> {
    text.parse().map_err(|_| "amount")
}

fn date(text: &str) -> Result<Date, Wrong> {
    text.parse().map_err(|_| "date")
}

fn id(text: &str) -> Result<Uuid, Wrong> {
    text.parse().map_err(|_| "id")
}

fn instant(text: &str) -> Result<WallTime, Wrong> {
    let at: jiff::Timestamp = text.parse().map_err(|_| "time")?;
    Ok(WallTime::from_micros(at.as_microsecond()))
}
