//! The sending side.

use std::fmt;

use partyline_model::SrtpKey;

use crate::cipher::{Cipher, INDEX_WORD, Place};
use crate::derive::Protocol;
use crate::header::{RTCP_CLEAR, RtpHeader, rtcp_source};
use crate::index::guess;

/// The first SRTCP index that has no number any more: the key is used up (RFC 3711 §9.2).
const END_OF_RTCP: u32 = 1 << 31;

/// Protects the packets of one source under one master key.
///
/// Its packets come in the order of their sequence numbers, none twice: under one key two packets of
/// one number would give each other away. Whoever needs another SSRC needs another key.
pub struct Protector {
    rtp: Cipher,
    rtcp: Cipher,
    /// The source of the stream and the index of its last packet.
    last: Option<(u32, u64)>,
    /// Of the next SRTCP packet; it runs on whatever the source.
    rtcp_index: u32,
}

impl Protector {
    /// A sender that has sent nothing yet under `key`.
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: Cipher::new(key, Protocol::Rtp),
            rtcp: Cipher::new(key, Protocol::Rtcp),
            last: None,
            rtcp_index: 0,
        }
    }

    /// Protects the RTP packet in the first `len` octets of `buffer` and returns how many it has
    /// then. `None` when it is no RTP packet or of another source, there is no room for its tag, its
    /// number is not beyond the last one's, or the key is used up: it must then not be sent.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let header = RtpHeader::read(buffer.get(..len)?)?;
        let index = match self.last {
            Some((ssrc, last)) => {
                guess(last, header.sequence).filter(|&index| ssrc == header.ssrc && index > last)?
            }
            None => header.sequence.into(),
        };
        let packet = buffer.get_mut(..len + self.rtp.tag_len())?;
        self.rtp.seal_rtp(Place { ssrc: header.ssrc, index }, header.len, packet);
        self.last = Some((header.ssrc, index));
        Some(packet.len())
    }

    /// As [`Protector::protect_rtp`] for a compound RTCP packet.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let ssrc = rtcp_source(buffer.get(..len)?).filter(|_| len >= RTCP_CLEAR)?;
        let index = Some(self.rtcp_index).filter(|&index| index < END_OF_RTCP)?;
        let packet = buffer.get_mut(..len + self.rtcp.tag_len() + INDEX_WORD)?;
        self.rtcp.seal_rtcp(Place { ssrc, index: index.into() }, packet);
        self.rtcp_index = index + 1;
        Some(packet.len())
    }
}

impl fmt::Debug for Protector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protector").finish_non_exhaustive()
    }
}
