//! Our offers and answers as text.

use partyline_model::{DtlsRole, Fingerprint};
use sdp_types::{Attribute, Connection, Media, Origin, Session, Time};

use super::stream::{MediaLine, Stream};
use super::{ClockRate, Codec, Crypto, Direction, Keying, Local, Negotiated, crypto, dtls};

/// The stream that an answer accepts.
pub(super) struct Accepted<'a> {
    /// Which `m=` line of the offer.
    pub(super) index: usize,
    /// Of the offer.
    pub(super) time: (u64, u64),
    pub(super) negotiated: &'a Negotiated,
}

/// The answer that accepts one stream of `offered` and refuses the others.
pub(super) fn answer(offered: &[Stream], accepted: &Accepted<'_>, local: &Local) -> Vec<u8> {
    let agreed = accepted.negotiated;
    let medias = offered.iter().enumerate().map(|(index, stream)| {
        if index != accepted.index {
            return refused(&stream.line);
        }
        let body = Audio {
            proto: &stream.line.proto,
            codecs: &[(agreed.receive_payload_type, agreed.codec)],
            telephone_event: agreed.telephone_event.map(|t| (t.receive, t.clock)),
            rtcp_mux: agreed.rtcp_mux,
            direction: agreed.direction,
            ptime_ms: agreed.ptime_ms,
            keys: Keys::answering(agreed.srtp.as_ref(), local),
        };
        body.media(local)
    });
    write(local, accepted.time, medias.collect())
}

/// One audio stream of ours.
pub(super) struct Audio<'a> {
    pub(super) proto: &'a str,
    pub(super) codecs: &'a [(u8, Codec)],
    /// Payload type and clock of telephone events.
    pub(super) telephone_event: Option<(u8, ClockRate)>,
    pub(super) rtcp_mux: bool,
    pub(super) direction: Direction,
    pub(super) ptime_ms: u16,
    pub(super) keys: Keys,
}

/// What of ours a stream has for encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    /// Keys, each with its tag.
    Sdes(Vec<Crypto>),
    /// Our certificate, and our role where it is for us to say.
    Dtls(Fingerprint, Option<DtlsRole>),
}

impl Keys {
    /// What answers `theirs`.
    pub(super) fn answering(theirs: Option<&Keying>, local: &Local) -> Self {
        match theirs {
            None => Self::None,
            Some(Keying::Sdes(theirs)) => Self::Sdes(ours(theirs, local).into_iter().collect()),
            Some(Keying::Dtls(peer)) => match &local.srtp.dtls {
                Some(end) => Self::Dtls(end.fingerprint.clone(), Some(peer.role)),
                None => Self::None,
            },
        }
    }
}

/// Our line for one of the other side's: its tag, our key.
fn ours(theirs: &Crypto, local: &Local) -> Option<Crypto> {
    let key = local.srtp.key(theirs.key.suite())?.clone();
    Some(Crypto { tag: theirs.tag, key })
}

impl Audio<'_> {
    pub(super) fn media(&self, local: &Local) -> Media {
        let types = self.codecs.iter().map(|&(pt, _)| pt).chain(self.telephone_event.map(|e| e.0));
        let mut attributes: Vec<Attribute> = self
            .codecs
            .iter()
            .map(|(pt, c)| {
                Attribute::with_value(
                    "rtpmap",
                    format!("{pt} {}/{}", c.encoding_name(), c.clock().hz()),
                )
            })
            .collect();
        if let Some((pt, clock)) = self.telephone_event {
            let map = format!("{pt} telephone-event/{}", clock.hz());
            attributes.push(Attribute::with_value("rtpmap", map));
            attributes.push(Attribute::with_value("fmtp", format!("{pt} 0-15")));
        }
        match &self.keys {
            Keys::None => {}
            Keys::Sdes(lines) => {
                attributes.extend(lines.iter().map(|line| {
                    Attribute::with_value("crypto", crypto::write(line.tag, &line.key))
                }))
            }
            Keys::Dtls(fingerprint, role) => attributes.extend(dtls::write(fingerprint, *role)),
        }
        attributes.push(Attribute::with_value("ptime", self.ptime_ms));
        attributes.push(Attribute::new(self.direction.attribute()));
        if self.rtcp_mux {
            attributes.push(Attribute::new("rtcp-mux"));
        }
        Media {
            attributes,
            ..bare("audio", local.port, self.proto, types.map(|t| t.to_string()).collect())
        }
    }
}

/// The refusal of one stream: its own line with port 0 (RFC 3264 §6).
pub(super) fn refused(line: &MediaLine) -> Media {
    let formats = line.formats.split_ascii_whitespace().map(str::to_owned).collect();
    bare(&line.media, 0, &line.proto, formats)
}

fn bare(media: &str, port: u16, proto: &str, formats: Vec<String>) -> Media {
    Media {
        media: media.to_owned(),
        port,
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats.join(" "),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

pub(super) fn write(local: &Local, (start, stop): (u64, u64), medias: Vec<Media>) -> Vec<u8> {
    let session = Session {
        connection: Some(Connection::from_ip_addr(local.address)),
        medias,
        times: vec![Time::new(start, stop)],
        ..Session::new(
            Origin::with_ip_addr(local.session_id, local.session_version, local.address),
            "-",
        )
    };
    session.to_string().into_bytes()
}
