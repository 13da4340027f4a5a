//! The rules of RFC 3264: which stream, which codec, which direction.

use std::net::{IpAddr, SocketAddr};

use super::parse::parse;
use super::stream::Stream;
use super::write;
use super::{Codec, CodecOrder, Local, Negotiated, Offer, SdpError, TelephoneEvent, Terms};

/// Reads `offer` and answers it, in one step; the answer is [`Negotiated::sdp`].
///
/// # Errors
/// Any [`SdpError`]; its [`status`](SdpError::status) refuses the offer.
pub fn answer(offer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
    let offer = Offer::read(offer, &local.terms())?;
    Ok(Negotiated { sdp: offer.answer(local), ..offer.negotiated().clone() })
}

/// Takes the other side's answer to our [`offer`](super::offer) of the same `local`.
///
/// Reads the first `m=` line, as we offered one. The payload types of the answer are used for
/// sending, those of our offer for receiving (RFC 3264 §6.1).
///
/// # Errors
/// Any [`SdpError`]; the call has then no audio and must be ended, after its ACK.
pub fn accept(answer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
    let first = parse(answer)?.into_iter().next().ok_or(SdpError::NoCommonMedia)?;
    // We do not offer to share the port, so that an answer cannot ask for it (RFC 5761 §5.1.1).
    let stream = &Stream { rtcp_mux: false, ..first };
    let chosen = choose(stream, &Terms { order: CodecOrder::Offerer, ..local.terms() })?;
    let telephone_event = stream
        .telephone_event(chosen.codec.clock())
        .map(|theirs| TelephoneEvent { receive: write::TELEPHONE_EVENT_PAYLOAD_TYPE, ..theirs });
    let mut agreed = chosen.agree(stream, chosen.codec.payload_type(), telephone_event);
    let ours = local.spoken().iter().map(|&codec| (codec.payload_type(), codec));
    // Its own numbers are those that it wants to receive, and yet some equipment sends by them.
    agreed.formats = ours.chain(stream.audio(local.spoken())).collect();
    Ok(agreed)
}

/// What was chosen of one stream.
pub(super) struct Chosen {
    pub(super) codec: Codec,
    /// The type that the writer of the stream expects `codec` with.
    pub(super) payload_type: u8,
    address: IpAddr,
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
            ptime_ms: stream.packet_time(),
        }
    }
}

/// The first stream that suits, or why the first audio stream does not.
pub(super) fn first_usable(
    streams: &[Stream],
    terms: &Terms<'_>,
) -> Result<(usize, Chosen), SdpError> {
    let mut why = SdpError::NoCommonMedia;
    for (index, stream) in streams.iter().enumerate() {
        match choose(stream, terms) {
            Ok(chosen) => return Ok((index, chosen)),
            Err(error) if why == SdpError::NoCommonMedia => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

fn choose(stream: &Stream, terms: &Terms<'_>) -> Result<Chosen, SdpError> {
    let address = stream.check(terms.address)?;
    let ours = terms.spoken();
    let codec = match terms.order {
        CodecOrder::Offerer => stream.first_of(ours),
        CodecOrder::Ours => ours.iter().copied().find(|&c| stream.payload_type(c).is_some()),
    };
    let codec = codec.ok_or(SdpError::NoCommonCodec)?;
    let payload_type = stream.payload_type(codec).ok_or(SdpError::NoCommonCodec)?;
    Ok(Chosen { codec, payload_type, address })
}
