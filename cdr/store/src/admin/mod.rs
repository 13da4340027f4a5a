//! What administrators change: accounts, conferences, passcodes, dial-in numbers, rate decks,
//! invoices; and the directory that a running bridge is given.
//!
//! Every change is made through [`Change`], one transaction: all of it or nothing, one by one and
//! in bulk alike. Files are parsed and rates are validated by the caller.

mod change;
mod checked;
mod directory;
mod invoiced;
mod money;
mod passcode;
mod sound;

pub use change::{Change, Closed};
pub use invoiced::Unbilled;
pub use money::{Deck, Invoice, NewInvoice};
pub use passcode::{PasscodeRow, Strength};
