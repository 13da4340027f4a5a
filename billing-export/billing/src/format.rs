//! How invoices are written for machines. Bytes only: files are the caller's.

pub mod csv;
pub mod json;
