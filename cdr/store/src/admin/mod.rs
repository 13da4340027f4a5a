//! What administrators change: accounts, conferences, passcodes, dial-in numbers, rate decks,
//! invoices; and the directory that a running bridge is given.
//!
//! Every change is made through [`Change`], one transaction: all of it or nothing, one by one and
//! in bulk alike, with the entries of the audit log that say who made it. Files are parsed and rates
//! are validated by the caller.

mod audit;
mod change;
mod checked;
mod directory;
mod invoiced;
mod money;
mod passcode;
mod sound;

pub use audit::{Act, Actor, Audited, Break, Entry, FieldChange, Verified, Via};
pub use change::{Change, Closed};
pub use invoiced::Unbilled;
pub use money::{Deck, Invoice, NewInvoice};
pub use passcode::{PasscodeRow, Strength};
