//! The attacks, one module each; each prints what it saw and marks it.

pub(crate) mod description;
pub(crate) mod dialog;
pub(crate) mod early;
pub(crate) mod flood;
pub(crate) mod foreign;
pub(crate) mod guessing;
pub(crate) mod reinvite;
pub(crate) mod scene;
pub(crate) mod siege;
pub(crate) mod silent;
pub(crate) mod third_party;
