//! The receiving side.

use std::fmt;

use partyline_model::SrtpKey;

use crate::cipher::{Cipher, ENCRYPTED, INDEX_WORD, Place};
use crate::derive::Protocol;
use crate::header::{RTCP_CLEAR, RtpHeader, rtcp_source};
use crate::index::{Window, guess};

/// How many sources a far end may have under one key; packets of further ones are refused. A source
/// that is forgotten could be played again from its beginning.
pub const SOURCES: usize = 64;

/// Why a packet is not taken. It is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The packet is too short, or no RTP or RTCP.
    Malformed,
    /// The packet was not sealed under this key: it is forged or damaged, plain, or of another key.
    Forged,
    /// The packet came before, or is too old to know.
    Replayed,
    /// The packet is of one source too many.
    TooManySources,
}

/// What was received of one SSRC.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
}

/// Unprotects what a far end sends under one master key.
pub struct Unprotector {
    rtp: Cipher,
    rtcp: Cipher,
    /// Its room is there from the start.
    sources: Vec<Source>,
    /// Of a key before this one: sources and how often their numbers had gone round.
    rollovers: Vec<(u32, u64)>,
}

impl Unprotector {
    /// A receiver that has received nothing yet under `key`.
    pub fn new(key: &SrtpKey) -> Self {
        Self {
            rtp: Cipher::new(key, Protocol::Rtp),
            rtcp: Cipher::new(key, Protocol::Rtcp),
            sources: Vec::with_capacity(SOURCES),
            rollovers: Vec::new(),
        }
    }

    /// The receiver of the same far end after it changed its key to `key`. By RFC 3711 §3.3.1 its
    /// sources keep count of their rounds; many begin anew. Both are understood.
    #[must_use]
    pub fn rekeyed(&self, key: &SrtpKey) -> Self {
        let counted = |source: &Source| {
            let rounds = source.rtp.map_or(0, |window| window.rollovers());
            (rounds > 0).then_some((source.ssrc, rounds))
        };
        let is_heard = |ssrc: u32| self.sources.iter().any(|source| source.ssrc == ssrc);
        let before = self.rollovers.iter().copied().filter(|&(ssrc, _)| !is_heard(ssrc));
        let rollovers = self.sources.iter().filter_map(counted).chain(before);
        Self { rollovers: rollovers.take(SOURCES).collect(), ..Self::new(key) }
    }

    /// Unprotects an SRTP packet in place and returns how many of its octets are the RTP packet.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the packet was believed.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = RtpHeader::read(packet).ok_or(Refused::Malformed)?;
        let len = packet.len().checked_sub(self.rtp.tag_len()).ok_or(Refused::Malformed)?;
        if header.len > len {
            return Err(Refused::Malformed);
        }
        let place = self.place_of(header.ssrc)?;
        let window = place.and_then(|place| self.sources[place].rtp);
        if let Some(window) = window {
            let index = window.guess(header.sequence).ok_or(Refused::Replayed)?;
            if window.has(index) {
                return Err(Refused::Replayed);
            }
            let sealed_for = Place { ssrc: header.ssrc, index };
            if !self.rtp.open_rtp(sealed_for, header.len, packet) {
                return Err(Refused::Forged);
            }
            self.source(place, header.ssrc).rtp.get_or_insert(window).note(index);
            return Ok(len);
        }
        let index = self.first_index(&header, packet).ok_or(Refused::Forged)?;
        self.source(place, header.ssrc).rtp = Some(Window::starting(index));
        Ok(len)
    }

    /// Opens the first packet of a source and returns its index: its number has not gone round yet,
    /// or just has and what came before it was lost, or as often as under the key before.
    fn first_index(&self, header: &RtpHeader, packet: &mut [u8]) -> Option<u64> {
        let RtpHeader { ssrc, sequence, len } = *header;
        let first = u64::from(sequence);
        let just_gone_round = (sequence < 0x8000).then_some(first + 0x1_0000);
        let before = self.rollovers.iter().find(|(source, _)| *source == ssrc);
        let counted_on = before.and_then(|(_, rounds)| {
            // Its number may have gone round meanwhile, too.
            let middle = (rounds << 16) + if sequence < 0x8000 { 0xffff } else { 0x8000 };
            guess(middle, sequence)
        });
        let same_round = before.map(|(_, rounds)| (rounds << 16) + first);
        [Some(first), just_gone_round, same_round, counted_on]
            .into_iter()
            .flatten()
            .find(|&index| self.rtp.open_rtp(Place { ssrc, index }, len, packet))
    }

    /// As [`Unprotector::unprotect_rtp`] for SRTCP.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the packet was believed.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let trailer = self.rtcp.tag_len() + INDEX_WORD;
        let len = packet.len().checked_sub(trailer).ok_or(Refused::Malformed)?;
        let ssrc = rtcp_source(&packet[..len]).filter(|_| len >= RTCP_CLEAR);
        let ssrc = ssrc.ok_or(Refused::Malformed)?;
        let word = self.rtcp.index_word(packet).ok_or(Refused::Malformed)?;
        if word & ENCRYPTED == 0 {
            // Nobody agreed on UNENCRYPTED_SRTCP (RFC 4568 §6.3.2).
            return Err(Refused::Forged);
        }
        let index = u64::from(word & !ENCRYPTED);
        let place = self.place_of(ssrc)?;
        let window = place.and_then(|place| self.sources[place].rtcp);
        if window.is_some_and(|window| window.has(index)) {
            return Err(Refused::Replayed);
        }
        if !self.rtcp.open_rtcp(Place { ssrc, index }, packet) {
            return Err(Refused::Forged);
        }
        self.source(place, ssrc).rtcp.get_or_insert(Window::starting(index)).note(index);
        Ok(len)
    }

    /// Where a source is; `None` for one that is new and has room.
    fn place_of(&self, ssrc: u32) -> Result<Option<usize>, Refused> {
        match self.sources.iter().rposition(|source| source.ssrc == ssrc) {
            None if self.sources.len() == SOURCES => Err(Refused::TooManySources),
            place => Ok(place),
        }
    }

    /// A source that was heard under this key, noted if it is new.
    fn source(&mut self, place: Option<usize>, ssrc: u32) -> &mut Source {
        let place = place.unwrap_or_else(|| {
            self.sources.push(Source { ssrc, rtp: None, rtcp: None });
            self.sources.len() - 1
        });
        &mut self.sources[place]
    }
}

impl fmt::Debug for Unprotector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.len();
        f.debug_struct("Unprotector").field("sources", &sources).finish_non_exhaustive()
    }
}
