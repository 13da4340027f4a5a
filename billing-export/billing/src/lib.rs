//! Rating and invoices: from closed leg records and a rate deck to documents that foot.
//!
//! A pure function of versioned inputs: the same records and deck give the same bytes. Integers
//! only, in 1e-8 of a currency unit; each amount is rounded once, where rating.md says. No file,
//! no database, no clock, so that the call path can ask for a price too ([`quote`]).

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod deck;
pub mod format;
mod invoice;
mod money;
mod period;
mod rate;

pub use deck::{ChargeKind, Deck, DeckError, DeckReason, Rate};
pub use invoice::{
    Header, Invoice, InvoicedLeg, Line, Party, ReferenceTotal, Session, Tax, TaxRate, masked,
};
pub use iso_currency::Currency;
pub use jiff::civil::Date;
pub use money::{Decimals, Money, MoneyError, Rounding};
pub use period::{Month, MonthError, Period, PeriodError};
pub use rate::{Charge, Unrated, price, quote, rate};
