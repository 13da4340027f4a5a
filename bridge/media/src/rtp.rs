//! What travels on the RTP and RTCP ports. Knows no legs, rooms or sound.

pub(crate) mod demux;
pub(crate) mod jitter;
pub(crate) mod packet;
pub(crate) mod reception;
pub(crate) mod rtcp;
pub(crate) mod telephone_event;

/// One sample of an 8 kHz clock, in nanoseconds.
pub(crate) const NANOS_PER_SAMPLE: u64 = 125_000;
