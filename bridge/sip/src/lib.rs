//! To be written.

pub mod sdp;
