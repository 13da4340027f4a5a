//! Rating and invoices: from closed leg records and a rate deck to documents that foot.
//!
//! A pure function of versioned inputs: the same records and deck give the same bytes. Integers
//! only, in 1e-8 of a currency unit; each amount is rounded once, where its type says. No file,
//! no database, no clock, so that the call path can ask for a price too ([`quote`]).

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod check;
mod deck;
pub mod format;
mod invoice;
mod lines;
mod money;
mod period;
mod plans;
mod rate;

pub use check::{Jump, jumps};
pub use deck::{ChargeKind, Deck, DeckError, DeckReason, Rate};
pub use invoice::{
    Header, Invoice, InvoicedLeg, Line, MOST_PRINTED_LEGS, Party, RatedBy, ReferenceTotal, Session,
    Tally, Tax, TaxRate, masked,
};
pub use iso_currency::Currency;
pub use jiff::civil::Date;
pub use lines::Lines;
pub use money::{Decimals, Money, MoneyError, Rounding, currency};
pub use period::{Month, MonthError, Period, PeriodError};
pub use plans::{Plans, Version};
pub use rate::{Charge, Lapsed, Moment, Unrated, price, quote, rate};
