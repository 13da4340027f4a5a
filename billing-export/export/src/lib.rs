//! Invoices for people: the PDF, from an invoice that is already rated and summed.
//!
//! Bytes in, bytes out. It prints what `partyline-billing` computed and computes no amount.

#![forbid(unsafe_code)]

mod page;
mod pdf;
mod sheet;

pub use pdf::{PdfError, Printed, invoice};
