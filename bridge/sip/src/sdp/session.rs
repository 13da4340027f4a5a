//! What our descriptions have said so far, as far as a later offer of ours has to keep to it.

use super::negotiate::choose;
use super::parse::parse;
use super::stream::{MediaLine, Stream};
use super::write::{self, Audio};
use super::{
    Codec, CodecOrder, Crypto, Direction, Local, Negotiated, Offer, SdpError, SrtpPolicy,
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
    /// The line of the other side that the stream is encrypted by.
    crypto: Option<Crypto>,
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
            crypto: agreed.srtp.clone(),
            scope: Scope::Same,
        }
    }

    /// Offers one audio stream, both ways, and telephone-event (RFC 3264 §5, §8).
    pub fn offer(&mut self, local: &Local, scope: Scope) -> Vec<u8> {
        self.scope = scope;
        let Described { codecs, event, rtcp_mux, ptime_ms } = self.description(local);
        let clock = codecs.first().map_or(local.spoken()[0], |&(_, codec)| codec).clock();
        let body = Audio {
            proto: match self.lines.get(self.index) {
                Some(line) => &line.proto,
                None if local.srtp.policy == SrtpPolicy::Required => "RTP/SAVP",
                None => "RTP/AVP",
            },
            codecs: &codecs,
            telephone_event: event.map(|number| (number, clock)),
            rtcp_mux,
            direction: Direction::SendRecv,
            ptime_ms: ptime_ms.unwrap_or(local.ptime_ms),
            crypto: self.keys(local),
        };
        let mut medias: Vec<_> = self.lines.iter().map(write::refused).collect();
        match medias.get_mut(self.index) {
            Some(ours) => *ours = body.media(local),
            None => medias.push(body.media(local)),
        }
        write::write(local, medias)
    }

    /// Takes the other side's answer to our last [`Session::offer`], which was of the same `local`.
    ///
    /// The payload types of the answer are used for sending, those of our offer for receiving
    /// (RFC 3264 §6.1).
    ///
    /// # Errors
    /// Any [`SdpError`]; the session is as it was.
    pub fn accept(&mut self, answer: &[u8], local: &Local) -> Result<Negotiated, SdpError> {
        let mut streams = parse(answer)?;
        if self.index >= streams.len() {
            return Err(SdpError::NoCommonMedia);
        }
        let theirs = streams.swap_remove(self.index);
        let ours = self.description(local);
        // An answer cannot ask to share a port that we did not offer to share (RFC 5761 §5.1.1).
        let mut stream = Stream { rtcp_mux: theirs.rtcp_mux && ours.rtcp_mux, ..theirs };
        // Nor with a suite that we did not offer.
        let keys = self.keys(local);
        stream.crypto.retain(|line| keys.iter().any(|k| k.key.suite() == line.key.suite()));
        let stream = &stream;
        let chosen = choose(stream, &Terms { order: CodecOrder::Offerer, ..local.terms() })?;
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
        self.crypto.clone_from(&agreed.srtp);
        Ok(agreed)
    }

    /// The keys of our last offer, or of one with its scope: all that we have, numbered from 1, or
    /// the one in use under its number.
    fn keys(&self, local: &Local) -> Vec<Crypto> {
        if self.scope == Scope::Same && !self.described.codecs.is_empty() {
            return self.crypto.iter().filter_map(|theirs| write::ours(theirs, local)).collect();
        }
        (1..).zip(&local.srtp.keys).map(|(tag, key)| Crypto { tag, key: key.clone() }).collect()
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
        Described { codecs, event, ..*described }
    }

    /// Whether the session has no meaning yet for this payload type.
    fn is_free(&self, number: u8) -> bool {
        let line = self.lines.get(self.index).map_or("", |line| line.formats.as_str());
        let ours = &self.described;
        let is_ours = ours.event == Some(number) || ours.codecs.iter().any(|f| f.0 == number);
        !is_ours && !line.split_ascii_whitespace().any(|word| word.parse() == Ok(number))
    }
}
