
pub(crate) mod g711;
pub(crate) mod recorder;
pub(crate) mod rtp;
pub(crate) mod tone;
