//! The rules of RFC 3264: which stream, which codec, which direction.

use std::net::{IpAddr, SocketAddr};

use super::dtls::Side;
use super::stream::Stream;
use super::{
    Codec, CodecOrder, Keying, Local, Negotiated, Offer, Scope, SdpError, Session, SrtpPolicy,
    TelephoneEvent, Terms,
};

/// Reads `offer` and answers it, in one step; the answer is [`Negotiated::sdp`].
///
/// # Errors
/// Any [`SdpError`]; its [`status`](SdpError::status) refuses the offer.
pub fn answer(offer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
    let offer = Offer::read(offer, &local.terms())?;
    Ok(Negotiated { sdp: offer.answer(local), ..offer.negotiated().clone() })
}

/// Offers one audio stream, both ways: every codec of `local` in its order, and telephone-event
/// (RFC 3264 §5). The first offer of a [`Session`].
pub fn offer(local: &Local) -> Vec<u8> {
    Session::default().offer(local, Scope::All)
}

/// Takes the other side's answer to our [`offer`] of the same `local`, as [`Session::accept`] does.
///
/// # Errors
/// Any [`SdpError`]; the call has then no audio and must be ended, after its ACK.
pub fn accept(answer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
    Session::default().accept(answer, local)
}

/// What was chosen of one stream.
pub(super) struct Chosen {
    pub(super) codec: Codec,
    /// The type that the writer of the stream expects `codec` with.
    pub(super) payload_type: u8,
    address: IpAddr,
    /// The packet time, unless the other side asks for another.
    ptime_ms: u16,
    /// Where the keys come from, if the stream is encrypted.
    pub(super) srtp: Option<Keying>,
}

impl Chosen {
    pub(super) fn agree(
        &self,
        stream: &Stream,
        receive_payload_type: u8,
        telephone_event: Option<TelephoneEvent>,
    ) -> Negotiated {
        let remote_rtp = SocketAddr::new(self.address, stream.line.port);
        // An unspecified address is the hold of RFC 2543: nothing may be sent to it
        // (RFC 3264 §8.4), whatever the direction attribute says.
        let mut direction = stream.direction.reversed();
        if self.address.is_unspecified() {
            direction = direction.without_sending();
        }
        Negotiated {
            sdp: Vec::new(),
            codec: self.codec,
            payload_type: self.payload_type,
            receive_payload_type,
            formats: Vec::new(),
            telephone_event,
            remote_rtp,
            remote_rtcp: stream.rtcp_address(remote_rtp),
            rtcp_mux: stream.rtcp_mux,
            direction,
            ptime_ms: stream.packet_time(self.ptime_ms),
            srtp: self.srtp.clone(),
        }
    }
}

/// The first stream that suits, or why the first audio stream does not. Some describe the same sound
/// twice, plain and encrypted: the encrypted one is taken where that is wanted.
pub(super) fn first_usable(
    streams: &[Stream],
    terms: &Terms<'_>,
) -> Result<(usize, Chosen), SdpError> {
    let mut why = SdpError::NoCommonMedia;
    let mut plain = None;
    for (index, stream) in streams.iter().enumerate() {
        match choose(stream, Side::Offer, terms) {
            Ok(chosen) if chosen.srtp.is_some() || terms.srtp == SrtpPolicy::Off => {
                return Ok((index, chosen));
            }
            Ok(chosen) => {
                plain.get_or_insert((index, chosen));
            }
            Err(error) if why == SdpError::NoCommonMedia => why = error,
            Err(_) => {}
        }
    }
    plain.ok_or(why)
}

pub(super) fn choose(stream: &Stream, side: Side, terms: &Terms<'_>) -> Result<Chosen, SdpError> {
    let address = stream.check(terms.address)?;
    let ours = terms.spoken();
    let codec = match terms.order {
        CodecOrder::Offerer => stream.first_of(ours),
        CodecOrder::Ours => ours.iter().copied().find(|&c| stream.payload_type(c).is_some()),
    };
    let codec = codec.ok_or(SdpError::NoCommonCodec)?;
    let payload_type = stream.payload_type(codec).ok_or(SdpError::NoCommonCodec)?;
    let srtp = stream.asked(terms.met).choose(side, terms)?;
    Ok(Chosen { codec, payload_type, address, ptime_ms: terms.ptime_ms, srtp })
}
