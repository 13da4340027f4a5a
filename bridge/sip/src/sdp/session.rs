//! What our descriptions have said so far, as far as a later offer of ours has to keep to it.

use super::dtls::Side;
use super::negotiate::choose;
use super::parse::parse;
use super::stream::{MediaLine, Stream};
use super::write::{self, Audio, Keys};
use super::{
    Codec, CodecOrder, Crypto, Direction, Keying, Local, Negotiated, Offer, SdpError, SrtpPolicy,
    TelephoneEvent, Terms,
};

/// The payload type that we offer telephone-event with unless the session has another use for it;
/// the number that most equipment uses.
const TELEPHONE_EVENT: u8 = 101;
/// The dynamic payload types (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

/// How much an offer of ours asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every codec that we speak.
    #[default]
    All,
    /// What our last description had: nothing is to change.
    Same,
}

/// A session from our side: its streams, and the numbers that we receive by.
///
/// A later offer has as many `m=` lines as the session, in the same order, and gives no payload type
/// another meaning (RFC 3264 §8, §8.3.2). No offer repeats a hold of the far end's: whether we may
/// send is for its answer to say (RFC 6337 §5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The `m=` lines; empty before the first exchange, when we offer one.
    lines: Vec<MediaLine>,
    /// Which of them is our audio.
    index: usize,
    described: Described,
    /// What else audio goes by: numbers of the far end's.
    others: Vec<(u8, Codec)>,
    /// How the stream is encrypted that runs.
    srtp: Option<Keying>,
    /// Of our last offer.
    scope: Scope,
}

/// The audio of a description of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Described {
    /// Payload types, best first; empty before the first description.
    codecs: Vec<(u8, Codec)>,
    /// The payload type of telephone-event.
    event: Option<u8>,
    rtcp_mux: bool,
    ptime_ms: Option<u16>,
}

impl Session {
    /// The session that our answer to `offer` makes.
    pub fn answered(offer: &Offer) -> Self {
        let agreed = offer.negotiated();
        let running = (agreed.receive_payload_type, agreed.codec);
        Self {
            lines: offer.lines().cloned().collect(),
            index: offer.index(),
            described: Described {
                codecs: vec![running],
                event: agreed.telephone_event.map(|event| event.receive),
                rtcp_mux: agreed.rtcp_mux,
                ptime_ms: Some(agreed.ptime_ms),
            },
            others: agreed.formats.clone(),
            srtp: agreed.srtp.clone(),
            scope: Scope::Same,
        }
    }

    /// Offers one audio stream, both ways, and telephone-event (RFC 3264 §5, §8).
    pub fn offer(&mut self, local: &Local, scope: Scope) -> Vec<u8> {
        self.scope = scope;
        let Described { codecs, event, rtcp_mux, ptime_ms } = self.description(local);
        let keys = self.keys(local);
        let clock = codecs.first().map_or(local.spoken()[0], |&(_, codec)| codec).clock();
        let body = Audio {
            proto: match self.lines.get(self.index) {
                Some(line) => &line.proto,
                None if local.srtp.policy != SrtpPolicy::Required => "RTP/AVP",
                None if matches!(keys, Keys::Dtls(..)) => "UDP/TLS/RTP/SAVP",
                None => "RTP/SAVP",
            },
            codecs: &codecs,
            telephone_event: event.map(|number| (number, clock)),
            rtcp_mux,
            direction: Direction::SendRecv,
            ptime_ms: ptime_ms.unwrap_or(local.ptime_ms),
            keys,
        };
        let mut medias: Vec<_> = self.lines.iter().map(write::refused).collect();
        match medias.get_mut(self.index) {
            Some(ours) => *ours = body.media(local),
            None => medias.push(body.media(local)),
        }
        write::write(local, (0, 0), medias)
    }

    /// Takes the other side's answer to our last [`Session::offer`], which was of the same `local`.
    ///
    /// The payload types of the answer are used for sending, those of our offer for receiving
    /// (RFC 3264 §6.1).
    ///
    /// # Errors
    /// Any [`SdpError`]; the session is as it was.
    pub fn accept(&mut self, answer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
        let mut streams = parse(answer)?.streams;
        if self.index >= streams.len() {
            return Err(SdpError::NoCommonMedia);
        }
        let theirs = streams.swap_remove(self.index);
        let ours = self.description(local);
        // An answer cannot ask to share a port that we did not offer to share (RFC 5761 §5.1.1).
        let mut stream = Stream { rtcp_mux: theirs.rtcp_mux && ours.rtcp_mux, ..theirs };
        // Nor with a suite that we did not offer, nor by DTLS when we did not.
        let keys = self.keys(local);
        let lines = if let Keys::Sdes(lines) = &keys { lines.as_slice() } else { &[] };
        stream.crypto.retain(|line| lines.iter().any(|k| k.key.suite() == line.key.suite()));
        let stream = &stream;
        let terms = Terms { order: CodecOrder::Offerer, ..local.terms() };
        let dtls = terms.dtls.filter(|_| matches!(keys, Keys::Dtls(..)));
        let chosen = choose(stream, Side::Answer, &Terms { dtls, ..terms })?;
        let offered = ours.codecs.iter().find(|format| format.1 == chosen.codec);
        let receive = offered.map_or(chosen.codec.payload_type(), |format| format.0);
        let telephone_event = stream
            .telephone_event(chosen.codec.clock())
            .zip(ours.event)
            .map(|(theirs, receive)| TelephoneEvent { receive, ..theirs });
        let mut agreed = chosen.agree(stream, receive, telephone_event);
        // Its own numbers are those that it wants to receive, and yet some equipment sends by them.
        self.others = stream.audio(local.spoken()).collect();
        agreed.formats = ours.codecs.iter().chain(&self.others).copied().collect();
        if self.lines.is_empty() {
            self.lines = vec![stream.line.clone()];
        }
        self.described = Described { rtcp_mux: stream.rtcp_mux, ..ours };
        self.srtp.clone_from(&agreed.srtp);
        Ok(agreed)
    }

    /// What our last offer, or one with its scope, has for encryption: what is in use, or all keys
    /// that we have, numbered from 1. Where the keys come from stays as it is.
    fn keys(&self, local: &Local) -> Keys {
        let end = local.srtp.dtls.as_ref().filter(|end| match &self.srtp {
            Some(running) => running.dtls().is_some(),
            None => end.preferred && local.srtp.policy != SrtpPolicy::Off,
        });
        if self.scope == Scope::Same && !self.described.codecs.is_empty() {
            return match (&self.srtp, end) {
                (Some(Keying::Dtls(_)), Some(end)) => Keys::Dtls(end.fingerprint.clone(), None),
                (running, _) => Keys::answering(running.as_ref(), local),
            };
        }
        if let Some(end) = end {
            return Keys::Dtls(end.fingerprint.clone(), None);
        }
        let numbered = (1..).zip(&local.srtp.keys);
        Keys::Sdes(numbered.map(|(tag, key)| Crypto { tag, key: key.clone() }).collect())
    }

    /// The audio of our last offer, or of one with its scope.
    fn description(&self, local: &Local) -> Described {
        let described = &self.described;
        if self.scope == Scope::Same && !described.codecs.is_empty() {
            return described.clone();
        }
        let mut codecs = described.codecs.clone();
        for &codec in local.spoken() {
            let theirs = self.others.iter().find(|format| format.1 == codec);
            // Where the session has the static number for something else, the codec has none.
            let own =
                Some((codec.payload_type(), codec)).filter(|&(number, _)| self.is_free(number));
            let is_new = !codecs.iter().any(|format| format.1 == codec);
            codecs.extend(theirs.copied().or(own).filter(|_| is_new));
        }
        let event = described.event.or_else(|| {
            std::iter::once(TELEPHONE_EVENT).chain(DYNAMIC).find(|&number| self.is_free(number))
        });
        // Two handshakes for one call are one too many: RTCP shares the port (RFC 5764 §4.1).
        let is_first = described.codecs.is_empty();
        let rtcp_mux = described.rtcp_mux || is_first && matches!(self.keys(local), Keys::Dtls(..));
        Described { codecs, event, rtcp_mux, ..*described }
    }

    /// Whether the session has no meaning yet for this payload type.
    fn is_free(&self, number: u8) -> bool {
        let line = self.lines.get(self.index).map_or("", |line| line.formats.as_str());
        let ours = &self.described;
        let is_ours = ours.event == Some(number) || ours.codecs.iter().any(|f| f.0 == number);
        !is_ours && !line.split_ascii_whitespace().any(|word| word.parse() == Ok(number))
    }
}
