//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) for one G.711 audio stream.
//!
//! [`Offer`] is the other side's offer, read once, from which the answer is written; [`Session`]
//! writes ours and takes the other side's answer. A re-offer is answered like the first one; what a
//! later offer of ours must keep to is in the session.
//!
//! Not done here: the handshake of DTLS-SRTP, ICE, BUNDLE, video, fax, and the choice of the RTP port.

mod crypto;
mod dtls;
mod error;
mod negotiate;
mod offer;
mod parse;
mod screen;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod write;

use std::net::{IpAddr, SocketAddr};

pub use crypto::{Crypto, KeyExchange, Keying, Srtp, SrtpPolicy};
pub use dtls::{DtlsEnd, DtlsPeer};
pub use error::SdpError;
pub use negotiate::{accept, answer, offer};
pub use offer::{Offer, Terms};
pub use partyline_model::{ClockRate, Codec, Direction, TelephoneEvent};
pub use screen::MAX_BYTES;
pub use session::{Scope, Session};

/// The packet time of RFC 3551 §4.2.
pub const USUAL_PTIME_MS: u16 = 20;

/// Whose order of codecs decides when we answer (RFC 3264 §6.1 asks for the offerer's).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecOrder {
    /// The first codec of the offer that we speak.
    #[default]
    Offerer,
    /// The first codec of [`Local::codecs`] that is in the offer.
    Ours,
}

/// Our end of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where we want to receive, as the other side must see it.
    pub address: IpAddr,
    /// Our RTP port. RTCP comes to the next one, or to the same one after `a=rtcp-mux`.
    pub port: u16,
    /// `sess-id` of `o=`; constant for the life of the dialog.
    pub session_id: u64,
    /// `sess-version` of `o=`. The caller raises it by one when the description differs from
    /// the last one it sent in this dialog, and only then (RFC 3264 §8).
    pub session_version: u64,
    /// What we speak, best first; an empty list stands for [`Codec::ALL`].
    pub codecs: Vec<Codec>,
    /// Whose order decides.
    pub order: CodecOrder,
    /// What our offers ask for, and what we send when the other side asks for no other: 10 to 60 ms
    /// in steps of 10.
    pub ptime_ms: u16,
    /// Whether the stream is encrypted, and our keys.
    pub srtp: Srtp,
    /// Where the far end's SIP came from.
    pub met: Option<IpAddr>,
}

impl Local {
    /// An end at `rtp` that speaks every codec and leaves the choice to the offerer; `o=`
    /// starts with version 0.
    pub fn new(rtp: SocketAddr, session_id: u64) -> Self {
        Self {
            address: rtp.ip(),
            port: rtp.port(),
            session_id,
            session_version: 0,
            codecs: Codec::ALL.to_vec(),
            order: CodecOrder::Offerer,
            ptime_ms: USUAL_PTIME_MS,
            srtp: Srtp::default(),
            met: None,
        }
    }

    /// What of our end an offer is judged by.
    pub fn terms(&self) -> Terms<'_> {
        Terms {
            address: self.address,
            codecs: &self.codecs,
            order: self.order,
            ptime_ms: self.ptime_ms,
            srtp: self.srtp.policy,
            dtls: self.srtp.dtls.as_ref(),
            met: self.met,
        }
    }

    /// What we speak, never empty.
    fn spoken(&self) -> &[Codec] {
        if self.codecs.is_empty() { &Codec::ALL } else { &self.codecs }
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The answer to send; empty when the answer was the other side's ([`accept`]) or is not
    /// written yet ([`Offer::negotiated`]).
    pub sdp: Vec<u8>,
    /// The codec to send.
    pub codec: Codec,
    /// The RTP payload type to send `codec` with.
    pub payload_type: u8,
    /// The RTP payload type that `codec` arrives with.
    pub receive_payload_type: u8,
    /// Every payload type that audio may arrive with, and its codec: those of our offer, or of the
    /// other side's (RFC 3264 §5.1, §7). Of two codecs for one number the first counts.
    pub formats: Vec<(u8, Codec)>,
    /// Named events, when both sides have them.
    pub telephone_event: Option<TelephoneEvent>,
    /// Where to send RTP. Its address is unspecified (`0.0.0.0`, `::`) when the other side
    /// holds in the manner of RFC 2543; `direction` then forbids sending.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP: `a=rtcp` (RFC 3605), else the RTP port itself with `rtcp_mux`, else
    /// the next port. `None` when there is no next port or the address is unspecified.
    pub remote_rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port in both directions (RFC 5761).
    pub rtcp_mux: bool,
    /// What we may do.
    pub direction: Direction,
    /// Audio in each packet that we send: 10 to 60 ms in steps of 10; [`Local::ptime_ms`] unless asked.
    pub ptime_ms: u16,
    /// Where the keys come from, if the stream is encrypted. By SDES the other side sends under this
    /// one, and we under ours for the same suite ([`Srtp::key`]).
    pub srtp: Option<Keying>,
}
