//! placeholder
/// Store.
pub struct Store;
