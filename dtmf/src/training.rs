//! What the weights are learnt from: every look that the detector takes, with its features.
//!
//! For `tests/dtmf-bench/train.py` by way of the example `looks`; no part of a bridge needs it.

use crate::bands::HOP;
use crate::calls::Calls;

/// One look at one moment.
pub struct Row {
    /// The sample after its last one.
    pub end: u64,
    /// Its first sample.
    pub start: u64,
    /// Which length it has: 0 the shortest, which only raises suspicion.
    pub kind: usize,
    /// RFC 4733 §3.2 event code of the strongest pair.
    pub code: u8,
    /// Eleven features of the look and three of the residual, in the order of the weights.
    pub features: Vec<f32>,
}

/// Reports every look at `samples`, linear PCM at 8 kHz.
pub fn looks(samples: &[i16], report: &mut impl FnMut(Row)) {
    let mut call = Calls::<1>::new();
    for hop in samples.chunks_exact(HOP) {
        call.push([Some(hop)], HOP, &mut |_, _| ());
        call.rows(report);
    }
}
