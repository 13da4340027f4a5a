//! The rules of RFC 3264: which stream, which codec, which direction.

use std::net::{IpAddr, SocketAddr};

use super::parse::parse;
use super::stream::Stream;
use super::write::{self, Accepted};
use super::{Codec, CodecOrder, Local, Negotiated, SdpError, TelephoneEvent};

/// Answers `offer` (RFC 3264 §6); the answer is [`Negotiated::sdp`].
///
/// Takes the first audio stream that suits and refuses the others with port 0, in their order.
/// One codec is answered, with the offer's payload types, and telephone-event when offered at its
/// clock rate or at 8000 Hz. A hold is answered with the direction reversed.
///
/// # Errors
/// Any [`SdpError`]; its [`status`](SdpError::status) refuses the offer.
pub fn answer(offer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
    let streams = parse(offer)?;
    let (index, chosen) = first_usable(&streams, local)?;
    let stream = &streams[index];
    let telephone_event = stream.telephone_event(chosen.codec.clock());
    let mut agreed = chosen.agree(stream, chosen.payload_type, telephone_event);
    agreed.formats = stream.audio(local.spoken()).collect();
    let accepted = Accepted { index, negotiated: &agreed };
    agreed.sdp = write::answer(&streams, &accepted, local);
    Ok(agreed)
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
    let chosen = choose(stream, local, CodecOrder::Offerer)?;
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
struct Chosen {
    codec: Codec,
    /// The type that the writer of the stream expects `codec` with.
    payload_type: u8,
    address: IpAddr,
}

impl Chosen {
    fn agree(
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
fn first_usable(streams: &[Stream], local: &Local) -> Result<(usize, Chosen), SdpError> {
    let mut why = SdpError::NoCommonMedia;
    for (index, stream) in streams.iter().enumerate() {
        match choose(stream, local, local.order) {
            Ok(chosen) => return Ok((index, chosen)),
            Err(error) if why == SdpError::NoCommonMedia => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

fn choose(stream: &Stream, local: &Local, order: CodecOrder) -> Result<Chosen, SdpError> {
    let address = stream.check(local.address)?;
    let ours = local.spoken();
    let codec = match order {
        CodecOrder::Offerer => stream.first_of(ours),
        CodecOrder::Ours => ours.iter().copied().find(|&c| stream.payload_type(c).is_some()),
    };
    let codec = codec.ok_or(SdpError::NoCommonCodec)?;
    let payload_type = stream.payload_type(codec).ok_or(SdpError::NoCommonCodec)?;
    Ok(Chosen { codec, payload_type, address })
}
