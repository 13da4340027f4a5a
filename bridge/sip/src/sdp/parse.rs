//! From bytes to streams: RFC 8866 as far as negotiation reads it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sdp_types::{AddrType, Attribute, Connection, Media, NetType, Session};

use super::crypto;
use super::dtls;
use super::screen::{screen, time_of};
use super::stream::{Encoding, Format, MediaLine, RtcpAttribute, Stream, Transport};
use super::{Codec, Direction, SdpError};

/// RTP has as many payload types (RFC 3550 §5.1).
const PAYLOAD_TYPES: usize = 128;
/// The most formats of one `m=` line: no line can have more that differ.
const MAX_FORMATS: usize = PAYLOAD_TYPES;

/// A description, as far as it is read.
pub(super) struct Description {
    /// In order.
    pub(super) streams: Vec<Stream>,
    /// The first `t=` line: begin and end, in seconds since 1900; zeros without one.
    pub(super) time: (u64, u64),
}

/// The streams of a description, in order, and its time.
///
/// `o=`, `s=` and `t=` may be missing, lines may end in LF, attributes may be unknown.
pub(super) fn parse(body: &[u8]) -> Result<Description, SdpError> {
    let text = screen(body)?;
    let session = Session::parse(text.as_bytes()).map_err(|_| SdpError::Malformed)?;
    let direction = direction_of(&session.attributes);
    let streams = session.medias.iter().map(|media| stream(media, &session, direction));
    let time = time_of(body).unwrap_or_default();
    Ok(Description { streams: streams.collect::<Result<_, _>>()?, time })
}

fn stream(
    media: &Media,
    session: &Session,
    direction: Option<Direction>,
) -> Result<Stream, SdpError> {
    let connection = media.connections.first().or(session.connection.as_ref());
    let maps = values(&media.attributes, "rtpmap");
    Ok(Stream {
        line: MediaLine {
            media: media.media.clone(),
            port: media.port,
            proto: media.proto.clone(),
            formats: media.fmt.clone(),
        },
        transport: transport_of(media),
        formats: formats_of(media.fmt.split_ascii_whitespace(), maps)?,
        direction: direction_of(&media.attributes).or(direction).unwrap_or(Direction::SendRecv),
        address: connection.map_or(Err(SdpError::NoConnection), address_of),
        rtcp: values(&media.attributes, "rtcp").find_map(rtcp_of),
        rtcp_mux: media.attributes.iter().any(|a| is_flag(a, "rtcp-mux")),
        ptime: milliseconds(media, "ptime"),
        max_ptime: milliseconds(media, "maxptime"),
        crypto: crypto::usable(values(&media.attributes, "crypto")),
        dtls: dtls::Described::read(&media.attributes, &session.attributes),
    })
}

fn transport_of(media: &Media) -> Transport {
    let is_one_of = |protos: [&str; 2]| protos.iter().any(|p| p.eq_ignore_ascii_case(&media.proto));
    let plain = is_one_of(["RTP/AVP", "RTP/AVPF"]);
    let encrypted = is_one_of(["RTP/SAVP", "RTP/SAVPF"]);
    let by_dtls = is_one_of(["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]);
    let audio = media.media.eq_ignore_ascii_case("audio");
    // Several ports make a hierarchically encoded stream (RFC 8866 §5.14); G.711 has no layers.
    let one_port = media.num_ports.is_none_or(|n| n == 1);
    match audio {
        true if plain && one_port => Transport::PlainAudio,
        true if encrypted && one_port => Transport::EncryptedAudio,
        true if by_dtls && one_port => Transport::DtlsAudio,
        true => Transport::OtherAudio,
        false => Transport::Other,
    }
}

/// The known formats of an `m=` line, in its order.
///
/// `words` and `maps` (the values of `a=rtpmap`) are read once each, so that a description costs its
/// length: a payload type finds its map by its number.
fn formats_of<'a>(
    words: impl Iterator<Item = &'a str>,
    maps: impl Iterator<Item = &'a str>,
) -> Result<Vec<Format>, SdpError> {
    let mut mapped: [Option<&str>; PAYLOAD_TYPES] = [None; PAYLOAD_TYPES];
    for map in maps {
        let Some((number, encoding)) = map.trim_start().split_once([' ', '\t']) else { continue };
        let place = number.parse().ok().and_then(|number: usize| mapped.get_mut(number));
        if let Some(place) = place.filter(|place| place.is_none()) {
            *place = Some(encoding.trim());
        }
    }
    let mut formats = Vec::new();
    let mut seen = [false; PAYLOAD_TYPES];
    for (at, word) in words.enumerate() {
        if at == MAX_FORMATS {
            return Err(SdpError::TooManyFormats);
        }
        let Ok(payload_type) = word.parse::<u8>() else { continue };
        let Some(seen) = seen.get_mut(usize::from(payload_type)) else { continue };
        if !std::mem::replace(seen, true) {
            let mapped = mapped[usize::from(payload_type)];
            let encoding = encoding_of(payload_type, mapped);
            formats.extend(encoding.map(|encoding| Format { payload_type, encoding }));
        }
    }
    Ok(formats)
}

/// What `a=rtpmap` says, which goes before the static table of RFC 3551 §6.
fn encoding_of(payload_type: u8, mapped: Option<&str>) -> Option<Encoding> {
    let Some(mapped) = mapped else {
        let codec = Codec::ALL.into_iter().find(|c| c.payload_type() == payload_type)?;
        return Some(Encoding::Audio(codec));
    };
    let mut parts = mapped.split('/').map(str::trim);
    let (name, rate) = (parts.next()?, parts.next()?);
    let channels = parts.next().filter(|text| !text.is_empty()).unwrap_or("1");
    let rate: u32 = rate.parse().ok()?;
    if channels != "1" {
        return None;
    }
    if name.eq_ignore_ascii_case("telephone-event") {
        return Some(Encoding::TelephoneEvent(rate));
    }
    let mut codecs = Codec::ALL.into_iter().filter(|c| c.clock().hz() == rate);
    let codec = codecs.find(|c| name.eq_ignore_ascii_case(c.encoding_name()))?;
    Some(Encoding::Audio(codec))
}

fn direction_of(attributes: &[Attribute]) -> Option<Direction> {
    const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    attributes.iter().find_map(|a| ALL.into_iter().find(|d| is_flag(a, d.attribute())))
}

/// An IPv4 address may be written as one of IPv6 (RFC 4291 §2.5.5.2): it is one of IPv4 all the same,
/// and nothing of IPv6 reaches it.
fn address_of(connection: &Connection) -> Result<IpAddr, SdpError> {
    if connection.nettype != NetType::In {
        return Err(SdpError::UnusableAddress);
    }
    let text = connection.connection_address.as_str();
    let address = text.split_once('/').map_or(text, |(address, _ttl)| address);
    if let Ok(address) = address.parse::<IpAddr>() {
        return Ok(address.to_canonical());
    }
    // A name under .invalid means "not yet" or "on hold" where IPv4 has 0.0.0.0 (RFC 6157 §5).
    let invalid = address.rsplit('.').next().is_some_and(|l| l.eq_ignore_ascii_case("invalid"));
    match (invalid, &connection.addrtype) {
        (false, _) => Err(SdpError::HostName),
        (true, AddrType::Ip6) => Ok(Ipv6Addr::UNSPECIFIED.into()),
        (true, AddrType::Ip4 | AddrType::Other(_)) => Ok(Ipv4Addr::UNSPECIFIED.into()),
    }
}

/// `port [nettype addrtype address]`. A name for an address leaves that of RTP.
fn rtcp_of(value: &str) -> Option<RtcpAttribute> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|&port| port != 0)?;
    let address = words.nth(2).and_then(|a| a.parse::<IpAddr>().ok()).map(|a| a.to_canonical());
    let usable = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast();
    Some(RtcpAttribute { port, address: address.filter(usable) })
}

/// A packet time in milliseconds; zero says nothing.
fn milliseconds(media: &Media, name: &str) -> Option<u16> {
    let number = values(&media.attributes, name).find_map(|v| v.trim().parse::<u16>().ok());
    number.filter(|&ms| ms != 0)
}

pub(super) fn values<'a>(attributes: &'a [Attribute], name: &str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |a| a.attribute.eq_ignore_ascii_case(name))
        .filter_map(|a| a.value.as_deref())
}

fn is_flag(attribute: &Attribute, name: &str) -> bool {
    attribute.value.is_none() && attribute.attribute.trim().eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats of `words` lines with `maps` rtpmaps, and how many of both were looked at.
    fn read(words: usize, maps: usize) -> (Result<usize, SdpError>, usize) {
        let words: Vec<_> = (0..words).map(|n| (n % 120).to_string()).collect();
        let maps: Vec<_> = (0..maps).map(|n| format!("{} PCMA/8000", n % 120)).collect();
        let mut looks = 0;
        let counted = std::cell::RefCell::new(&mut looks);
        let count = |_: &&str| **counted.borrow_mut() += 1;
        let formats = formats_of(
            words.iter().map(String::as_str).inspect(count),
            maps.iter().map(String::as_str).inspect(count),
        );
        (formats.map(|formats| formats.len()), looks)
    }

    #[test]
    fn formats_cost_their_number_and_not_its_square() {
        assert_eq!(read(10, 10), (Ok(10), 20));
        assert_eq!(read(100, 400), (Ok(100), 500));
        assert_eq!(read(MAX_FORMATS, 500), (Ok(120), MAX_FORMATS + 500));
    }

    #[test]
    fn formats_are_capped() {
        assert_eq!(read(MAX_FORMATS + 1, 0).0, Err(SdpError::TooManyFormats));
        let (result, looks) = read(2_020, 500);
        assert_eq!(result, Err(SdpError::TooManyFormats));
        assert_eq!(looks, 500 + MAX_FORMATS + 1);
    }

    #[test]
    fn the_first_map_of_a_payload_type_holds() {
        let maps = ["8 PCMU/8000/", "8 PCMA/8000", "300 PCMU/8000", "x PCMU/8000"];
        let formats = formats_of(["8", "8", "300", "*"].into_iter(), maps.into_iter());
        let encoding = Encoding::Audio(Codec::Pcmu);
        assert_eq!(formats, Ok(vec![Format { payload_type: 8, encoding }]));
    }
}
