//! A rate deck: what a second costs, by kind of charge, destination and time.
//!
//! Reads the CSV and refuses a deck in which two rows could claim the same leg.
//! Time-of-day windows (`window`) are not understood: a deck that uses one is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use iso_currency::Currency;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use partyline_cdr_record::AccessKind;
use partyline_model::{Number, WallTime};

use crate::lines::Lines;
use crate::money::{Decimals, Money, MoneyError, Rounding};

/// What a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeKind {
    /// The leg's time on the bridge, by access kind.
    Bridge,
    /// The telephone call that the bridge placed, by the number dialled.
    LongDistance,
    /// A feature used, such as a recording, by its name.
    Feature,
}

impl ChargeKind {
    /// As decks and exports write it: `bridge`, `ld`, `feature`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::LongDistance => "ld",
            Self::Feature => "feature",
        }
    }
}

/// One row of a deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Line of the deck's file, the header being line 1.
    pub line: u64,
    /// Leading digits of the dialled numbers it is for; empty for all.
    pub prefix: Arc<str>,
    /// Name of the destination or feature, as invoices print it.
    pub name: Arc<str>,
    /// What it charges for.
    pub kind: ChargeKind,
    /// Only legs that came in this way; `None` for all.
    pub access: Option<AccessKind>,
    /// Price of 60 seconds.
    pub per_minute: Money,
    /// Seconds of the first block, billed whole.
    pub initial: u32,
    /// Seconds of each further block, billed whole; 0 when nothing follows the first.
    pub increment: u32,
    /// Once for each answered call.
    pub connection_fee: Money,
    /// The least that an answered call costs.
    pub minimum: Money,
    /// For a dialled call that was not answered.
    pub attempt_fee: Money,
    /// From this instant on.
    pub from: WallTime,
    /// Up to, not including, this instant; `None` for ever.
    pub to: Option<WallTime>,
    /// Tax category, handed on to the charges.
    pub tax_code: Arc<str>,
}

impl Rate {
    pub(crate) fn holds_at(&self, at: WallTime) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.to.is_none_or(|to| other.from < to) && other.to.is_none_or(|to| self.from < to)
    }
}

type Key = (ChargeKind, Option<AccessKind>, Arc<str>);

/// A validated rate deck. Immutable: a changed deck is another deck.
#[derive(Clone, Debug)]
pub struct Deck {
    id: Box<str>,
    currency: Currency,
    rounding: Rounding,
    rates: BTreeMap<Key, Vec<Rate>>,
}

/// What is wrong with a deck, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckError {
    /// Line of the file, the header being line 1.
    pub line: u64,
    /// Column name; empty when the whole row is meant.
    pub column: &'static str,
    /// What is wrong there.
    pub reason: DeckReason,
}

/// What is wrong with one cell or row of a deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeckReason {
    /// Not CSV: unbalanced quotes or a row of another length than the header.
    Csv,
    /// The header lacks a column that every deck needs.
    MissingColumn,
    /// No column has this name, so that nothing in it would be charged.
    UnknownColumn {
        /// As the header has it.
        name: String,
    },
    /// The header has the column twice.
    DoubleColumn,
    /// The deck has no name.
    NoName,
    /// No telephone number begins with 0: not the prefix of one as it is dialled internationally.
    PrefixZero,
    /// The file has no rates.
    Empty,
    /// The cell's word is none of those known for its column.
    UnknownWord,
    /// Not an amount.
    Amount(MoneyError),
    /// Amounts and durations are not negative.
    Negative,
    /// Not a whole number of seconds up to 86,400.
    Seconds,
    /// `init_s` and `inc_s` are both 0: no second could be billed.
    NoIncrement,
    /// A prefix is up to 15 digits.
    Prefix,
    /// Not an IANA time zone.
    Zone,
    /// Not a date (2026-01-31) or a date and time (2026-01-31 00:00).
    Date,
    /// That local time does not exist or exists twice in the row's zone: the clocks change then.
    AmbiguousTime,
    /// `eff_to` is not after `eff_from`.
    EmptySpan,
    /// Not an ISO 4217 currency code.
    Currency,
    /// All rows of a deck share one currency, one `deck_id` and one rounding.
    Mixed,
    /// Time-of-day windows are not supported.
    Window,
    /// Features are not charged yet.
    Feature,
    /// The column has a meaning in rows of kind `ld` only.
    OnlyDistance,
    /// The column has a meaning in rows of kind `bridge` only.
    OnlyBridge,
    /// An earlier row has the same kind, access kind and prefix at the same time.
    Overlap {
        /// That row's line.
        with: u64,
    },
}

impl fmt::Display for DeckReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "not readable as CSV: check quotes and the number of fields",
            Self::MissingColumn => "the header lacks this column",
            Self::UnknownColumn { name } => {
                let known: Vec<_> = COLUMNS.into_iter().flatten().copied().collect();
                return write!(f, "unknown column {name:?}; known: {}", known.join(", "));
            }
            Self::DoubleColumn => "the header has this column twice",
            Self::NoName => "must not be empty; it is how `partyline deck use` names the deck",
            Self::PrefixZero => "begins with 0, as no number does; write 44, not 0044 or 044",
            Self::Empty => "the deck has no rates",
            Self::UnknownWord => "unknown value",
            Self::Amount(error) => return error.fmt(f),
            Self::Negative => "must not be negative",
            Self::Seconds => "must be whole seconds from 0 to 86400",
            Self::NoIncrement => "init_s and inc_s are both 0; give the block that is billed",
            Self::Prefix => "must be at most 15 digits, without +",
            Self::Zone => "unknown time zone; use an IANA name such as America/Toronto",
            Self::Date => "must be a date or a date and time, such as 2026-01-31 00:00",
            Self::AmbiguousTime => {
                "falls into a change of the clocks in this zone; choose another time or UTC"
            }
            Self::EmptySpan => "eff_to must be later than eff_from",
            Self::Currency => "unknown currency; use an ISO 4217 code such as USD",
            Self::Mixed => "differs from the first row; one deck has one value here",
            Self::Window => "time-of-day windows are not supported; leave the column empty",
            Self::Feature => {
                "features are not charged yet, so this rate would earn nothing; remove the row"
            }
            Self::OnlyDistance => "is looked at in rows of kind ld only; leave it empty here",
            Self::OnlyBridge => "is looked at in rows of kind bridge only; leave it empty here",
            Self::Overlap { with } => {
                return write!(
                    f,
                    "same kind, access kind and prefix as line {with} at the same time; \
                     end that row with eff_to or remove one of the two"
                );
            }
        })
    }
}

impl fmt::Display for DeckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.column.is_empty() {
            write!(f, ", {}", self.column)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for DeckError {}

impl Deck {
    /// Reads and checks the CSV text of a deck; columns may stand in any order.
    ///
    /// # Errors
    /// Every row's first fault, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<DeckError>> {
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers = match reader.headers() {
            Ok(headers) => Columns::new(headers).map_err(|e| vec![e])?,
            Err(_) => return Err(vec![whole(1, DeckReason::Csv)]),
        };
        let mut errors = Vec::new();
        let mut deck: Option<Self> = None;
        let mut lines = Lines::new(text.as_bytes());
        for row in reader.records() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    let at = error.position().map_or(0, csv::Position::byte);
                    errors.push(whole(lines.line(at), DeckReason::Csv));
                    continue;
                }
            };
            let line = lines.line(row.position().map_or(0, csv::Position::byte));
            let row = Row { line, columns: &headers, cells: &row };
            if let Err(error) = row.read().and_then(|(head, rate)| head.add(&mut deck, rate)) {
                errors.push(error);
            }
        }
        match deck {
            _ if !errors.is_empty() => Err(errors),
            Some(deck) => Ok(deck),
            None => Err(vec![whole(1, DeckReason::Empty)]),
        }
    }

    /// The deck's own name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The currency of every amount in it.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// Decimals of the currency (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD.
    pub fn decimals(&self) -> Decimals {
        decimals(self.currency)
    }

    /// What happens to ties.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// All rates, ordered by kind, access kind, prefix and start.
    pub fn rates(&self) -> impl Iterator<Item = &Rate> {
        self.rates.values().flatten()
    }

    /// The bridge rate for legs that came in by `access`, at `at`: a row for that kind before a
    /// row for all.
    pub fn bridge(&self, access: AccessKind, at: WallTime) -> Option<&Rate> {
        self.bridge_for(Some(access), at)
    }

    /// The bridge rate for one access kind, else for all; `None` asks for that of all.
    pub(crate) fn bridge_for(&self, access: Option<AccessKind>, at: WallTime) -> Option<&Rate> {
        let own = self.find(ChargeKind::Bridge, access, "", at);
        own.or_else(|| self.find(ChargeKind::Bridge, None, "", at))
    }

    /// The long-distance rate for `dialled` at `at`: the longest prefix among the rows in force.
    pub fn long_distance(&self, dialled: Number, at: WallTime) -> Option<&Rate> {
        self.distance_for(dialled.as_str(), at)
    }

    /// The long-distance rate for numbers that begin with `digits`.
    pub(crate) fn distance_for(&self, digits: &str, at: WallTime) -> Option<&Rate> {
        (0..=digits.len())
            .rev()
            .find_map(|len| self.find(ChargeKind::LongDistance, None, &digits[..len], at))
    }

    /// The rate of the feature named `name`, at `at`.
    pub fn feature(&self, name: &str, at: WallTime) -> Option<&Rate> {
        self.find(ChargeKind::Feature, None, name, at)
    }

    /// A rate for the same as `find` looks for, that is not in force at `at`: the one that ended
    /// last before, else the one that begins next.
    pub(crate) fn lapsed(
        &self,
        kind: ChargeKind,
        accesses: &[Option<AccessKind>],
        prefixes: &[&str],
        at: WallTime,
    ) -> Option<&Rate> {
        let keys =
            prefixes.iter().flat_map(|p| accesses.iter().map(move |a| (kind, *a, (*p).into())));
        let rows: Vec<_> = keys.filter_map(|key: Key| self.rates.get(&key)).flatten().collect();
        let ended = rows.iter().filter(|rate| rate.to.is_some_and(|to| to <= at));
        let begins = rows.iter().filter(|rate| rate.from > at);
        let ended = ended.max_by_key(|rate| rate.to);
        ended.or_else(|| begins.min_by_key(|rate| rate.from)).copied()
    }

    fn find(
        &self,
        kind: ChargeKind,
        access: Option<AccessKind>,
        prefix: &str,
        at: WallTime,
    ) -> Option<&Rate> {
        self.rates.get(&(kind, access, prefix.into()))?.iter().find(|rate| rate.holds_at(at))
    }
}

/// Decimals of a currency (ISO 4217); two where the standard names none.
pub(crate) fn decimals(currency: Currency) -> Decimals {
    let exponent = currency.exponent().unwrap_or(2);
    Decimals::new(u8::try_from(exponent).unwrap_or(2))
}

/// The values that all rows share.
struct Head {
    id: Box<str>,
    currency: Currency,
    rounding: Rounding,
}

impl Head {
    fn add(self, deck: &mut Option<Deck>, rate: Rate) -> Result<(), DeckError> {
        let Self { id, currency, rounding } = self;
        let deck = deck.get_or_insert_with(|| Deck {
            id: id.clone(),
            currency,
            rounding,
            rates: BTreeMap::new(),
        });
        for (column, same) in [
            ("deck_id", deck.id == id),
            ("currency", deck.currency == currency),
            ("rounding", deck.rounding == rounding),
        ] {
            if !same {
                return Err(DeckError { line: rate.line, column, reason: DeckReason::Mixed });
            }
        }
        // Features are told apart by name: they have no prefix.
        let key = match rate.kind {
            ChargeKind::Feature => rate.name.clone(),
            ChargeKind::Bridge | ChargeKind::LongDistance => rate.prefix.clone(),
        };
        let rows = deck.rates.entry((rate.kind, rate.access, key)).or_default();
        if let Some(other) = rows.iter().find(|other| other.overlaps(&rate)) {
            return Err(whole(rate.line, DeckReason::Overlap { with: other.line }));
        }
        rows.push(rate);
        rows.sort_by_key(|rate| rate.from);
        Ok(())
    }
}

fn whole(line: u64, reason: DeckReason) -> DeckError {
    DeckError { line, column: "", reason }
}

/// Where each known column stands.
struct Columns(BTreeMap<&'static str, usize>);

const REQUIRED: [&str; 7] =
    ["deck_id", "prefix", "name", "kind", "currency", "per_min", "eff_from"];
const OPTIONAL: [&str; 12] = [
    "country",
    "access_kind",
    "init_s",
    "inc_s",
    "conn_fee",
    "min_charge",
    "attempt_fee",
    "window",
    "tz",
    "eff_to",
    "rounding",
    "tax_code",
];

const COLUMNS: [&[&str]; 2] = [&REQUIRED, &OPTIONAL];

/// What is wrong with the names of the columns in the header of `text`.
pub(crate) fn header_faults(text: &str) -> Vec<DeckError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let Ok(headers) = reader.headers() else { return Vec::new() };
    let names: Vec<&str> = headers.iter().map(str::trim).collect();
    let known = || COLUMNS.into_iter().flatten().copied();
    // Spreadsheets write columns without a name behind the last one.
    let unknown = names.iter().filter(|name| !name.is_empty() && known().all(|k| k != **name));
    let unknown =
        unknown.map(|name| whole(1, DeckReason::UnknownColumn { name: (*name).to_owned() }));
    let double = known().filter(|known| names.iter().filter(|name| *name == known).count() > 1);
    let double =
        double.map(|column| DeckError { line: 1, column, reason: DeckReason::DoubleColumn });
    unknown.chain(double).collect()
}

impl Columns {
    fn new(headers: &csv::StringRecord) -> Result<Self, DeckError> {
        let at = |name: &'static str| headers.iter().position(|h| h.trim() == name);
        let mut columns = BTreeMap::new();
        for name in REQUIRED {
            let reason = DeckReason::MissingColumn;
            columns.insert(name, at(name).ok_or(DeckError { line: 1, column: name, reason })?);
        }
        columns.extend(OPTIONAL.into_iter().filter_map(|name| Some((name, at(name)?))));
        Ok(Self(columns))
    }
}

struct Row<'a> {
    line: u64,
    columns: &'a Columns,
    cells: &'a csv::StringRecord,
}

impl Row<'_> {
    fn read(&self) -> Result<(Head, Rate), DeckError> {
        let head = Head {
            id: self.cell("deck_id").into(),
            currency: crate::money::currency(self.cell("currency"))
                .ok_or_else(|| self.fault("currency", DeckReason::Currency))?,
            rounding: self.word(
                "rounding",
                &[
                    ("", Rounding::HalfUp),
                    ("half_up", Rounding::HalfUp),
                    ("half_even", Rounding::HalfEven),
                ],
            )?,
        };
        if !self.cell("window").is_empty() {
            return Err(self.fault("window", DeckReason::Window));
        }
        let (from, to) = self.span()?;
        let rate = Rate {
            line: self.line,
            prefix: self.prefix()?,
            name: self.cell("name").into(),
            kind: self.word(
                "kind",
                &[
                    ("bridge", ChargeKind::Bridge),
                    ("ld", ChargeKind::LongDistance),
                    ("feature", ChargeKind::Feature),
                ],
            )?,
            access: self.access()?,
            per_minute: self.amount("per_min")?,
            initial: self.seconds("init_s", 60)?,
            increment: self.seconds("inc_s", 60)?,
            connection_fee: self.amount("conn_fee")?,
            minimum: self.amount("min_charge")?,
            attempt_fee: self.amount("attempt_fee")?,
            from,
            to,
            tax_code: self.cell("tax_code").into(),
        };
        if rate.initial == 0 && rate.increment == 0 {
            return Err(self.fault("inc_s", DeckReason::NoIncrement));
        }
        Ok((head, rate))
    }

    fn cell(&self, column: &'static str) -> &str {
        self.columns.0.get(column).and_then(|&at| self.cells.get(at)).unwrap_or_default().trim()
    }

    fn fault(&self, column: &'static str, reason: DeckReason) -> DeckError {
        DeckError { line: self.line, column, reason }
    }

    fn word<T: Copy>(&self, column: &'static str, words: &[(&str, T)]) -> Result<T, DeckError> {
        let cell = self.cell(column);
        let found = words.iter().find(|(word, _)| *word == cell);
        found.map(|&(_, value)| value).ok_or_else(|| self.fault(column, DeckReason::UnknownWord))
    }

    fn access(&self) -> Result<Option<AccessKind>, DeckError> {
        let cell = self.cell("access_kind");
        if cell.is_empty() {
            return Ok(None);
        }
        let kind = cell.parse().map_err(|_| self.fault("access_kind", DeckReason::UnknownWord))?;
        Ok(Some(kind))
    }

    fn amount(&self, column: &'static str) -> Result<Money, DeckError> {
        let cell = self.cell(column);
        if cell.is_empty() && column != "per_min" {
            return Ok(Money::ZERO);
        }
        let amount: Money =
            cell.parse().map_err(|error| self.fault(column, DeckReason::Amount(error)))?;
        if amount < Money::ZERO {
            Err(self.fault(column, DeckReason::Negative))
        } else {
            Ok(amount)
        }
    }

    fn seconds(&self, column: &'static str, default: u32) -> Result<u32, DeckError> {
        match self.cell(column) {
            "" => Ok(default),
            cell => match cell.parse() {
                Ok(seconds) if seconds <= 86_400 => Ok(seconds),
                Ok(_) | Err(_) => Err(self.fault(column, DeckReason::Seconds)),
            },
        }
    }

    fn prefix(&self) -> Result<Arc<str>, DeckError> {
        let cell = self.cell("prefix");
        let digits = cell.bytes().all(|b| b.is_ascii_digit());
        if digits && cell.len() <= 15 {
            Ok(cell.into())
        } else {
            Err(self.fault("prefix", DeckReason::Prefix))
        }
    }

    /// `eff_from` and `eff_to`, local times of the row's zone, as instants.
    fn span(&self) -> Result<(WallTime, Option<WallTime>), DeckError> {
        let zone = match self.cell("tz") {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| self.fault("tz", DeckReason::Zone))?,
        };
        let instant = |column| -> Result<WallTime, DeckError> {
            let cell = self.cell(column).replacen(' ', "T", 1);
            let local: DateTime = cell.parse().map_err(|_| self.fault(column, DeckReason::Date))?;
            let timestamp = zone
                .to_ambiguous_timestamp(local)
                .unambiguous()
                .map_err(|_| self.fault(column, DeckReason::AmbiguousTime))?;
            Ok(WallTime::from_micros(timestamp.as_microsecond()))
        };
        let from = instant("eff_from")?;
        let to = if self.cell("eff_to").is_empty() { None } else { Some(instant("eff_to")?) };
        if to.is_some_and(|to| to <= from) {
            return Err(self.fault("eff_to", DeckReason::EmptySpan));
        }
        Ok((from, to))
    }
}
