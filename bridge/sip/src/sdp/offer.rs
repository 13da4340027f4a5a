//! The other side's offer: read once, answered as often as a port or a version changes.

use std::net::IpAddr;

use super::negotiate::first_usable;
use super::parse::{Description, parse};
use super::stream::{MediaLine, Stream};
use super::write::{self, Accepted};
use super::{Codec, CodecOrder, DtlsEnd, Local, Negotiated, SdpError, SrtpPolicy, USUAL_PTIME_MS};

/// What we take of an offer, whatever port we answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms<'a> {
    /// Where our media is: its address family decides.
    pub address: IpAddr,
    /// What we speak, best first; an empty list stands for [`Codec::ALL`].
    pub codecs: &'a [Codec],
    /// Whose order decides.
    pub order: CodecOrder,
    /// Audio in each packet that we send when the other side asks for no other, in milliseconds.
    pub ptime_ms: u16,
    /// Whether the stream is to be encrypted.
    pub srtp: SrtpPolicy,
    /// Our end of DTLS, where we make handshakes.
    pub dtls: Option<&'a DtlsEnd>,
    /// Where the far end's SIP came from: whoever names a private address for media and was met
    /// outside is left to begin a handshake.
    pub met: Option<IpAddr>,
}

impl Terms<'_> {
    /// Every codec, in the offerer's order, for media at `address`.
    pub const fn at(address: IpAddr, srtp: SrtpPolicy) -> Self {
        let (codecs, order) = (&Codec::ALL, CodecOrder::Offerer);
        Self { address, codecs, order, ptime_ms: USUAL_PTIME_MS, srtp, dtls: None, met: None }
    }

    /// What we speak, never empty.
    pub(super) const fn spoken(&self) -> &[Codec] {
        if self.codecs.is_empty() { &Codec::ALL } else { self.codecs }
    }
}

/// An offer that can be answered (RFC 3264 §6).
///
/// The first audio stream that suits is taken, and the others are refused with port 0, in their
/// order. One codec is answered, with the offer's payload types, and telephone-event when offered
/// at its clock rate or at 8000 Hz. A hold is answered with the direction reversed. Of `a=crypto`
/// lines one is answered, with our key for its suite under its tag (RFC 4568 §5.1.2); or a
/// fingerprint with ours, and the role that is left to us (RFC 5763 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    streams: Vec<Stream>,
    /// The time that the offer gives, which its answer repeats.
    time: (u64, u64),
    /// Which of them is taken.
    index: usize,
    agreed: Negotiated,
}

impl Offer {
    /// Reads an offer and chooses what suits.
    ///
    /// # Errors
    /// Any [`SdpError`]; its [`status`](SdpError::status) refuses the offer.
    pub fn read(body: &[u8], terms: &Terms<'_>) -> Result<Self, SdpError> {
        let Description { streams, time } = parse(body)?;
        let (index, chosen) = first_usable(&streams, terms)?;
        let stream = &streams[index];
        let telephone_event = stream.telephone_event(chosen.codec.clock());
        let mut agreed = chosen.agree(stream, chosen.payload_type, telephone_event);
        agreed.formats = stream.audio(terms.spoken()).collect();
        Ok(Self { streams, time, index, agreed })
    }

    /// What both sides agree on once the answer is sent; its text is empty.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.agreed
    }

    /// The `m=` lines, in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = &MediaLine> {
        self.streams.iter().map(|stream| &stream.line)
    }

    /// Which line is taken.
    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// The answer, with the address, port and version of `local`.
    pub fn answer(&self, local: &Local) -> Vec<u8> {
        let accepted = Accepted { index: self.index, time: self.time, negotiated: &self.agreed };
        write::answer(&self.streams, &accepted, local)
    }
}
