//! A month's charges as a document that foots.
//!
//! Rated legs go in, an [`Invoice`] comes out: lines rounded once, a net that is the sum of the
//! printed lines, taxes, totals by reference number, and each leg behind them. Numbers of people
//! are masked here, so that no format can print them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use iso_currency::Currency;
use jiff::civil::Date;
use partyline_cdr_record::{ConferenceRecord, Direction, LegRecord, Presentation};
use partyline_model::{Number, Role, Uuid, WallTime};

use crate::deck::{ChargeKind, Deck, decimals};
use crate::money::{Decimals, Money, Ratio, Rounding};
use crate::period::Period;
use crate::plans::{Plans, Version};
use crate::rate::{Charge, Unrated};

/// An invoice with more legs is printed as a summary; its legs stand in the CSV and the JSON.
pub const MOST_PRINTED_LEGS: usize = 2_000;

/// Who sends the invoice or receives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Legal name.
    pub name: String,
    /// Postal address, a line each.
    pub address: Vec<String>,
    /// Tax registration, as it is to be printed.
    pub tax_id: Option<String>,
}

/// A tax on the whole net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxRate {
    /// As printed: `HST 13 %`.
    pub label: String,
    /// In hundredths of a percent: 1300 for 13 %.
    pub basis_points: u32,
}

/// What stands on an invoice besides its charges.
#[derive(Clone, Debug)]
pub struct Header {
    /// Invoice number; `None` while it is a draft.
    pub number: Option<String>,
    /// Date of issue.
    pub issued: Date,
    /// Payable until.
    pub due: Date,
    /// The month it is for.
    pub period: Period,
    /// Who is paid.
    pub seller: Party,
    /// Who pays.
    pub buyer: Party,
    /// Taxes on the net.
    pub taxes: Vec<TaxRate>,
    /// How to pay and until when to dispute, a paragraph each.
    pub notes: Vec<String>,
}

/// A group of equal charges: one printed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is for.
    pub kind: ChargeKind,
    /// Access kind or destination.
    pub name: Arc<str>,
    /// Price of 60 seconds, the same for all charges of the line.
    pub per_minute: Money,
    /// Connection or attempt fee of each charge, the same for all charges of the line.
    pub fee: Money,
    /// How many legs.
    pub legs: u64,
    /// Seconds billed.
    pub billed_seconds: u64,
    /// Sum of the charges, rounded once to the currency's decimals.
    pub amount: Money,
}

/// A tax on the net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tax {
    /// As printed.
    pub label: String,
    /// What it is a part of.
    pub base: Money,
    /// The tax, rounded once.
    pub amount: Money,
}

/// The charges under one reference number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceTotal {
    /// The reference number; `None` for the conferences without one.
    pub reference: Option<String>,
    /// How many conferences.
    pub conferences: u64,
    /// How many legs.
    pub legs: u64,
    /// Bridge seconds billed.
    pub billed_seconds: u64,
    /// Exact sum of the charges at line precision.
    pub amount: Money,
}

/// A conference and the legs it is billed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id of the conference session; `None` for legs that never joined one.
    pub conf_id: Option<Uuid>,
    /// Name of the conference.
    pub name: String,
    /// Its reference number.
    pub reference: Option<String>,
    /// When it began, or its first leg.
    pub started_at: WallTime,
    /// Its legs, in the order they came.
    pub legs: Vec<InvoicedLeg>,
    /// Exact sum of the charges at line precision.
    pub amount: Money,
}

/// A leg as an invoice shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoicedLeg {
    /// The record behind it.
    pub leg_id: Uuid,
    /// In or out.
    pub direction: Direction,
    /// When it was answered; `None` for an attempt.
    pub answered_at: Option<WallTime>,
    /// When it ended.
    pub disconnected_at: Option<WallTime>,
    /// Time from answer to end, in milliseconds.
    pub duration_ms: u64,
    /// Caller (incoming) or callee (outgoing), masked.
    pub party: String,
    /// The dial-in number; empty for outgoing legs.
    pub dialled_in: String,
    /// Whether the leg was a moderator's.
    pub moderator: bool,
    /// What it was rated by.
    pub rated_by: Arc<RatedBy>,
    /// Its charges at line precision.
    pub charges: Vec<Charge>,
}

/// A version of a deck.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RatedBy {
    /// The deck's own name.
    pub deck: String,
    /// Its plan.
    pub plan: u32,
    /// Counts the decks of the plan from 1; 0 when it is not known.
    pub version: u32,
}

impl InvoicedLeg {
    /// `moderator` or `participant`.
    pub const fn role(&self) -> &'static str {
        if self.moderator { "moderator" } else { "participant" }
    }

    /// Exact sum of its charges at line precision.
    pub fn amount(&self) -> Money {
        self.charges.iter().map(|charge| charge.amount).sum()
    }
}

/// A month's invoice for one account.
#[derive(Clone, Debug)]
pub struct Invoice {
    /// What stands on it besides the charges.
    pub header: Header,
    /// ISO 4217 code of all amounts.
    pub currency: &'static str,
    /// Decimals of the currency.
    pub decimals: Decimals,
    /// The decks that it was rated with.
    pub decks: Vec<Arc<RatedBy>>,
    /// Printed lines, by kind and name.
    pub lines: Vec<Line>,
    /// Exact sum of the printed lines.
    pub net: Money,
    /// Taxes on the net.
    pub taxes: Vec<Tax>,
    /// Net and taxes.
    pub total: Money,
    /// Totals by reference number, those without one last.
    pub references: Vec<ReferenceTotal>,
    /// What rounding each line to the currency's decimals added to the sum of all charges.
    pub line_rounding: Money,
    /// Everything behind it, by start.
    pub sessions: Vec<Session>,
    /// Legs that cost something but have no rate: never billed at zero in silence.
    pub suspense: Vec<(Uuid, Unrated)>,
}

/// The charges of a period's legs, taken in one by one, so that the records need not be in memory
/// together.
#[derive(Clone, Debug)]
pub struct Tally<'p> {
    period: Period,
    plans: &'p Plans,
    /// One invoice for each: an account may have had plans in several currencies.
    groups: BTreeMap<&'static str, Group>,
    suspense: Vec<(Uuid, Unrated)>,
}

/// Charges in one currency.
#[derive(Clone, Debug)]
struct Group {
    currency: Currency,
    /// That of all its decks; half up when they differ, whichever leg came last.
    rounding: Option<Rounding>,
    decks: BTreeSet<Arc<RatedBy>>,
    sessions: BTreeMap<Option<Uuid>, Session>,
}

impl<'p> Tally<'p> {
    /// Nothing yet.
    pub const fn new(period: Period, plans: &'p Plans) -> Self {
        Self { period, plans, groups: BTreeMap::new(), suspense: Vec::new() }
    }

    /// Rates a closed leg; one that ended outside of the period is left out. Legs come in the
    /// order of their end.
    pub fn add(&mut self, leg: &LegRecord) {
        if !leg.disconnected_at.is_some_and(|at| self.period.contains(at)) {
            return;
        }
        match self.plans.rate(leg) {
            Ok((charges, _)) if charges.is_empty() => {}
            Ok((charges, version)) => {
                let currency = version.deck.currency();
                let group =
                    self.groups.entry(currency.code()).or_insert_with(|| Group::new(currency));
                group.add(leg, charges, version);
            }
            Err(unrated) => self.suspense.push((leg.leg_id, unrated)),
        }
    }

    /// Legs that cost something but have no rate: never billed at zero in silence.
    pub fn suspense(&self) -> &[(Uuid, Unrated)] {
        &self.suspense
    }

    /// The conferences that the legs were in.
    pub fn conferences(&self) -> BTreeSet<Uuid> {
        self.groups.values().flat_map(|group| group.sessions.keys()).copied().flatten().collect()
    }

    /// One invoice for each currency that has charges, by its code.
    pub fn invoices(
        self,
        header: &Header,
        conferences: &BTreeMap<Uuid, ConferenceRecord>,
    ) -> Vec<Invoice> {
        let Self { groups, suspense, .. } = self;
        let invoice =
            |group: Group| Invoice::total(header.clone(), group, conferences, suspense.clone());
        groups.into_values().map(invoice).collect()
    }

    /// The invoice over what there is in `currency`, also when that is nothing.
    pub fn invoice(
        mut self,
        header: Header,
        currency: Currency,
        conferences: &BTreeMap<Uuid, ConferenceRecord>,
    ) -> Invoice {
        let group = self.groups.remove(currency.code()).unwrap_or_else(|| Group::new(currency));
        Invoice::total(header, group, conferences, self.suspense)
    }
}

impl Group {
    const fn new(currency: Currency) -> Self {
        Self { currency, rounding: None, decks: BTreeSet::new(), sessions: BTreeMap::new() }
    }

    fn add(&mut self, leg: &LegRecord, charges: Vec<Charge>, version: &Version) {
        let Version { plan, version, ref deck, .. } = *version;
        let by = RatedBy { deck: deck.id().to_owned(), plan, version };
        let known = self.decks.get(&by).cloned();
        let by = known.unwrap_or_else(|| {
            let by = Arc::new(by);
            self.decks.insert(by.clone());
            by
        });
        self.rounding = Some(match self.rounding {
            Some(Rounding::HalfUp) => Rounding::HalfUp,
            Some(Rounding::HalfEven) | None => deck.rounding(),
        });
        let session = self.sessions.entry(leg.conf_id).or_insert_with(|| Session {
            conf_id: leg.conf_id,
            name: String::new(),
            reference: None,
            started_at: leg.invited_at,
            legs: Vec::new(),
            amount: Money::ZERO,
        });
        session.legs.push(invoiced(leg, by, charges));
    }
}

impl Invoice {
    /// Rates `legs` with `deck` and groups the charges. Legs outside the header's period are left
    /// out.
    pub fn build(
        header: Header,
        legs: &[LegRecord],
        conferences: &[ConferenceRecord],
        deck: &Deck,
    ) -> Self {
        let plans = Plans::of(deck.clone());
        let mut tally = Tally::new(header.period.clone(), &plans);
        for leg in legs {
            tally.add(leg);
        }
        let conferences = conferences.iter().map(|c| (c.conf_id, c.clone())).collect();
        tally.invoice(header, deck.currency(), &conferences)
    }

    /// How many legs stand on it.
    pub fn legs(&self) -> usize {
        self.sessions.iter().map(|session| session.legs.len()).sum()
    }

    /// Whether it has too many legs to be printed one by one.
    pub fn is_summary(&self) -> bool {
        self.legs() > MOST_PRINTED_LEGS
    }

    fn total(
        header: Header,
        group: Group,
        conferences: &BTreeMap<Uuid, ConferenceRecord>,
        suspense: Vec<(Uuid, Unrated)>,
    ) -> Self {
        let Group { currency, rounding, decks, sessions } = group;
        let sessions = named(sessions, conferences);
        let (decimals, rounding) = (decimals(currency), rounding.unwrap_or(Rounding::HalfUp));
        let lines = lines(&sessions, decimals, rounding);
        let net = lines.iter().map(|line| line.amount).sum();
        let taxes: Vec<_> =
            header.taxes.iter().map(|rate| tax(rate, net, decimals, rounding)).collect();
        let exact: Money = sessions.iter().map(|session| session.amount).sum();
        Self {
            currency: currency.code(),
            decimals,
            decks: decks.into_iter().collect(),
            total: net + taxes.iter().map(|tax| tax.amount).sum(),
            references: references(&sessions),
            line_rounding: net - exact,
            header,
            lines,
            net,
            taxes,
            sessions,
            suspense,
        }
    }
}

/// The sessions with what their records say of them, by start.
fn named(
    sessions: BTreeMap<Option<Uuid>, Session>,
    conferences: &BTreeMap<Uuid, ConferenceRecord>,
) -> Vec<Session> {
    let mut sessions: Vec<_> = sessions.into_values().collect();
    for session in &mut sessions {
        if let Some(record) = session.conf_id.and_then(|id| conferences.get(&id)) {
            session.name = record.name.to_string();
            session.reference = record.reference_number.as_ref().map(ToString::to_string);
            session.started_at = record.started_at;
        }
        session.legs.sort_by_key(|leg| (leg.answered_at, leg.leg_id));
        session.amount = session.legs.iter().map(InvoicedLeg::amount).sum();
    }
    sessions.sort_by_key(|session| (session.started_at, session.conf_id));
    sessions
}

fn invoiced(leg: &LegRecord, rated_by: Arc<RatedBy>, charges: Vec<Charge>) -> InvoicedLeg {
    let party = match leg.direction {
        Direction::In => shown_caller(leg),
        Direction::Out => leg.dialed_number.map_or_else(String::new, masked),
    };
    InvoicedLeg {
        leg_id: leg.leg_id,
        direction: leg.direction,
        answered_at: leg.answered_at,
        disconnected_at: leg.disconnected_at,
        duration_ms: leg.duration_ms,
        party,
        dialled_in: leg.dnis.map_or_else(String::new, |number| number.to_string()),
        moderator: leg.access_code_role == Some(Role::Moderator),
        rated_by,
        charges,
    }
}

/// A withheld number is billed but not shown to the host.
fn shown_caller(leg: &LegRecord) -> String {
    match (leg.ani_presentation, leg.ani) {
        (Presentation::Allowed, Some(number)) => masked(number),
        (Presentation::Allowed, None) | (Presentation::Unavailable, _) => "unavailable".into(),
        (Presentation::Restricted, _) => "withheld".into(),
    }
}

/// Keeps up to four leading digits, country and area, and the last two: `1416•••••00`.
pub fn masked(number: Number) -> String {
    let digits = number.as_str();
    let keep = digits.len().saturating_sub(6).min(4);
    let tail = digits.len().saturating_sub(2).max(keep);
    let dots = "•".repeat(tail - keep);
    format!("{}{dots}{}", &digits[..keep], &digits[tail..])
}

fn lines(sessions: &[Session], decimals: Decimals, rounding: Rounding) -> Vec<Line> {
    let mut lines = BTreeMap::<(ChargeKind, &str, Money, Money), Line>::new();
    let charges = sessions.iter().flat_map(|s| &s.legs).flat_map(|leg| &leg.charges);
    for charge in charges {
        let line = lines
            .entry((charge.kind, &charge.name, charge.per_minute, charge.fee))
            .or_insert_with(|| Line {
                kind: charge.kind,
                name: charge.name.clone(),
                per_minute: charge.per_minute,
                fee: charge.fee,
                legs: 0,
                billed_seconds: 0,
                amount: Money::ZERO,
            });
        line.legs += 1;
        line.billed_seconds += charge.billed_seconds;
        line.amount += charge.amount;
    }
    lines
        .into_values()
        .map(|line| Line { amount: line.amount.rounded(decimals, rounding), ..line })
        .collect()
}

fn tax(rate: &TaxRate, net: Money, decimals: Decimals, rounding: Rounding) -> Tax {
    let numerator = net.as_e8() * i128::from(rate.basis_points);
    let amount = Ratio { numerator, denominator: 10_000 }.rounded(decimals, rounding);
    Tax { label: rate.label.clone(), base: net, amount }
}

fn references(sessions: &[Session]) -> Vec<ReferenceTotal> {
    // `true` sorts after `false`: the sum without a reference comes last.
    let mut totals = BTreeMap::<(bool, Option<&str>), ReferenceTotal>::new();
    for session in sessions {
        let reference = session.reference.as_deref();
        let total =
            totals.entry((reference.is_none(), reference)).or_insert_with(|| ReferenceTotal {
                reference: session.reference.clone(),
                conferences: 0,
                legs: 0,
                billed_seconds: 0,
                amount: Money::ZERO,
            });
        total.conferences += u64::from(session.conf_id.is_some());
        total.legs += session.legs.len() as u64;
        let charges = session.legs.iter().flat_map(|leg| &leg.charges);
        let bridge = charges.filter(|charge| charge.kind == ChargeKind::Bridge);
        total.billed_seconds += bridge.map(|charge| charge.billed_seconds).sum::<u64>();
        total.amount += session.amount;
    }
    totals.into_values().collect()
}
