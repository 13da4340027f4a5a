//! A SIP user agent without a socket or a clock (RFC 3261): datagrams and time go in, datagrams
//! and events come out.

#![forbid(unsafe_code)]

pub mod message;
pub mod sdp;
