//! What SIP in a capture tells: what the payload types of a stream mean, and digits in INFO.
//!
//! Messages in UDP datagrams only. Session descriptions are read line by line and forgivingly: what
//! a strict peer refuses may be the very cause of a complaint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use partyline_media::Codec;
use partyline_model::WallTime;
use partyline_sip::message::{InfoBody, Message, Method, Name, StartLine};

use crate::press::{Note, Press, Source};

/// What a payload type stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// G.711: tones are looked for.
    Audio(Codec),
    /// Telephone events (RFC 4733), durations in units of this clock.
    Events {
        /// Units in a second.
        clock_hz: u32,
    },
    /// A codec that is not decoded here, or comfort noise, by its name.
    Other(Box<str>),
    /// Nothing in the capture says what it is.
    Unknown,
}

impl Format {
    /// What a payload type is when no session description maps it (RFC 3551 §6).
    pub(crate) fn fixed(payload_type: u8) -> Self {
        let name = match payload_type {
            0 => return Self::Audio(Codec::Pcmu),
            8 => return Self::Audio(Codec::Pcma),
            3 => "GSM",
            4 => "G723",
            9 => "G722",
            13 | 19 => "CN",
            15 => "G728",
            18 => "G729",
            _ => return Self::Unknown,
        };
        Self::Other(name.into())
    }

    /// What the value of `a=rtpmap` behind the payload type says.
    fn mapped(encoding: &str) -> Self {
        let mut parts = encoding.trim().split('/');
        let name = parts.next().unwrap_or_default();
        let clock_hz = parts.next().and_then(|clock| clock.trim().parse().ok()).unwrap_or(8_000);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("telephone-event") {
            return Self::Events { clock_hz };
        }
        match clock_hz {
            8_000 if is("PCMU") => Self::Audio(Codec::Pcmu),
            8_000 if is("PCMA") => Self::Audio(Codec::Pcma),
            _ => Self::Other(encoding.trim().into()),
        }
    }
}

/// What is sent to a media address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Described {
    formats: BTreeMap<u8, Format>,
    /// SRTP: nothing in the packets can be read.
    pub(crate) encrypted: bool,
}

impl Described {
    pub(crate) fn format(&self, payload_type: u8) -> Option<&Format> {
        self.formats.get(&payload_type)
    }
}

/// The digits of one SIP dialog in one direction.
pub struct Dialog {
    /// The Call-ID.
    pub call_id: String,
    /// Who sent them.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// In the order in which they were sent; onsets count from the beginning of the capture.
    pub presses: Vec<Press>,
}

/// A digit by INFO and how it was answered.
struct Info {
    cseq: Box<str>,
    press: Press,
    answer: Option<u16>,
}

/// A dialog's direction: Call-ID, source, destination.
type Direction = (String, SocketAddr, SocketAddr);

/// All SIP of a capture.
#[derive(Default)]
pub(crate) struct Signalling {
    described: BTreeMap<SocketAddr, Described>,
    infos: BTreeMap<Direction, Vec<Info>>,
    /// By Call-ID and CSeq.
    without_key: BTreeSet<(String, Box<str>)>,
}

impl Signalling {
    /// Takes a datagram that [`is_sip`].
    pub(crate) fn handle(
        &mut self,
        (at, since_start): (WallTime, Duration),
        (source, destination): (SocketAddr, SocketAddr),
        payload: &[u8],
    ) {
        let Ok(mut message) = Message::parse(payload) else { return };
        for (address, described) in describe(&message.body) {
            self.described.insert(address, described);
        }
        let call_id = message.headers.text(&Name::CallId).unwrap_or_default().to_owned();
        let cseq: Box<str> = message.headers.text(&Name::CSeq).unwrap_or_default().into();
        match &message.start {
            StartLine::Request { method: Method::Info, .. } => {
                let length = relay_duration(&message.body);
                let is_whole = message.fault.is_none();
                let digit = match message.take_info() {
                    InfoBody::Digit(digit) => digit,
                    InfoBody::Empty if is_whole => return,
                    InfoBody::Flash | InfoBody::Unsupported => return,
                    InfoBody::Garbled | InfoBody::Empty => {
                        self.without_key.insert((call_id, cseq));
                        return;
                    }
                };
                let infos = self.infos.entry((call_id, source, destination)).or_default();
                if infos.iter().any(|info| info.cseq == cseq) {
                    return;
                }
                let press = Press {
                    digit,
                    source: Source::Info,
                    onset: since_start,
                    at: Some(at),
                    length,
                    reported: since_start,
                    level: None,
                    notes: Vec::new(),
                };
                infos.push(Info { cseq, press, answer: None });
            }
            StartLine::Request { .. } => {}
            StartLine::Response { status, .. } => {
                let infos = self.infos.get_mut(&(call_id, destination, source));
                let asked = infos.into_iter().flatten().find(|info| info.cseq == cseq);
                if let Some(info) = asked.filter(|_| !status.is_provisional()) {
                    info.answer = Some(status.code());
                }
            }
        }
    }

    /// INFO requests of a kind that carries keys, in which no key could be read.
    pub(crate) fn infos_without_key(&self) -> u64 {
        self.without_key.len() as u64
    }

    /// What session descriptions say about what is sent to `address`; behind an address that was
    /// translated on the way, what they say about the only one with this port.
    pub(crate) fn described(&self, address: SocketAddr) -> Option<&Described> {
        self.described.get(&address).or_else(|| {
            let mut same = self.described.iter().filter(|(a, _)| a.port() == address.port());
            let (_, described) = same.next()?;
            same.next().is_none().then_some(described)
        })
    }

    /// Every direction of a dialog in which digits were sent.
    pub(crate) fn finish(self) -> Vec<Dialog> {
        let dialog = |((call_id, source, destination), infos): (Direction, Vec<Info>)| {
            let presses = infos.into_iter().map(|info| {
                let mut press = info.press;
                match info.answer {
                    Some(200..300) => {}
                    Some(status) => press.notes.push(Note::Refused(status)),
                    None => press.notes.push(Note::Unanswered),
                }
                press
            });
            Dialog { call_id, source, destination, presses: presses.collect() }
        };
        self.infos.into_iter().map(dialog).collect()
    }
}

/// Whether the first line is a SIP request's or response's (RFC 3261 §7), or, of a datagram of
/// which the beginning was captured, may become one.
pub(crate) fn is_sip(payload: &[u8], cut: bool) -> bool {
    let line = payload.split(|&b| b == b'\n').next().unwrap_or_default();
    if cut && line.len() == payload.len() && begins_request(line) {
        return true;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.starts_with(b"SIP/2.0 ")
        || line.first().is_some_and(u8::is_ascii_uppercase) && line.ends_with(b" SIP/2.0")
}

/// A method and the beginning of a URI.
fn begins_request(line: &[u8]) -> bool {
    let mut words = line.split(|&b| b == b' ');
    let method = words.next().unwrap_or_default();
    let uri = words.next().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && [&b"sip:"[..], b"sips:", b"tel:"].iter().any(|scheme| uri.starts_with(scheme))
}

/// The `Duration=` line of application/dtmf-relay, in milliseconds.
fn relay_duration(body: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(body).ok()?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("duration").then_some(value)
    })?;
    value.trim().parse().ok().map(Duration::from_millis)
}

/// The audio streams of the session description in a body (RFC 8866), also inside multipart.
fn describe(body: &[u8]) -> Vec<(SocketAddr, Described)> {
    let text = String::from_utf8_lossy(body);
    let mut session: Option<IpAddr> = None;
    let mut streams: Vec<(Option<IpAddr>, u16, Described)> = Vec::new();
    let mut in_audio = false;
    for line in text.lines() {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match kind {
            "v" => session = None,
            "m" => {
                let stream = audio(value);
                in_audio = stream.is_some();
                streams.extend(stream.map(|(port, described)| (session, port, described)));
            }
            "c" if streams.is_empty() => session = address(value),
            "c" => {
                if let Some(stream) = streams.last_mut().filter(|_| in_audio) {
                    stream.0 = address(value);
                }
            }
            "a" => {
                if let Some(stream) = streams.last_mut().filter(|_| in_audio) {
                    map(&mut stream.2, value);
                }
            }
            _ => {}
        }
    }
    let placed = streams.into_iter().filter_map(|(ip, port, described)| {
        let address = SocketAddr::new(ip?, port);
        (port != 0).then_some((address, described))
    });
    placed.collect()
}

/// The port and the formats of an `m=audio` line.
fn audio(line: &str) -> Option<(u16, Described)> {
    let mut words = line.split_ascii_whitespace();
    if !words.next()?.eq_ignore_ascii_case("audio") {
        return None;
    }
    let port = words.next()?.split('/').next()?.parse().ok()?;
    let encrypted = words.next()?.to_ascii_uppercase().contains("SAVP");
    let numbers = words.filter_map(|word| word.parse().ok()).filter(|&number: &u8| number < 128);
    let formats = numbers.map(|number| (number, Format::fixed(number))).collect();
    Some((port, Described { formats, encrypted }))
}

fn address(line: &str) -> Option<IpAddr> {
    let address = line.split_ascii_whitespace().nth(2)?;
    address.split('/').next()?.parse().ok()
}

fn map(described: &mut Described, attribute: &str) {
    let Some(mapping) = attribute.strip_prefix("rtpmap:") else { return };
    let Some((number, encoding)) = mapping.trim_start().split_once([' ', '\t']) else { return };
    if let Some(number) = number.parse().ok().filter(|&number: &u8| number < 128) {
        described.formats.insert(number, Format::mapped(encoding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> (SocketAddr, SocketAddr) {
        ("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap())
    }

    #[test]
    fn a_description_says_where_which_type_means_what() {
        let body = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 96 97 9\r\n\
                    a=rtpmap:96 telephone-event/8000\r\na=rtpmap:97 opus/48000/2\r\n\
                    m=video 5000 RTP/AVP 31\r\nc=IN IP4 203.0.113.1\r\na=rtpmap:98 x/1\r\n\
                    m=audio 6000 RTP/SAVP 8\r\nc=IN IP6 2001:db8::1\r\nm=audio 0 RTP/AVP 0\r\n";
        let streams = describe(body.as_bytes());
        let [(first, audio), (second, secret)] = &streams[..] else {
            panic!("{} streams", streams.len())
        };
        assert_eq!((*first, audio.encrypted), ("192.0.2.1:4000".parse().unwrap(), false));
        assert_eq!(audio.format(0), Some(&Format::Audio(Codec::Pcmu)));
        assert_eq!(audio.format(96), Some(&Format::Events { clock_hz: 8_000 }));
        assert_eq!(audio.format(97), Some(&Format::Other("opus/48000/2".into())));
        assert_eq!(audio.format(9), Some(&Format::Other("G722".into())));
        assert_eq!(audio.format(98), None);
        assert_eq!((*second, secret.encrypted), ("[2001:db8::1]:6000".parse().unwrap(), true));
    }

    #[test]
    fn an_info_is_one_press_however_often_it_is_sent_and_its_answer_is_told() {
        let (phone, bridge) = places();
        let info = |cseq: u32| {
            format!(
                "INFO sip:b@198.51.100.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                 From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c1\r\nCSeq: {cseq} INFO\r\n\
                 Content-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n\
                 Signal=5\r\nDuration=160\r\n"
            )
        };
        let answer = |cseq: u32, status: &str| {
            format!(
                "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                 From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c1\r\nCSeq: {cseq} INFO\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        };
        let mut signalling = Signalling::default();
        let mut send = |from, to, text: &str| {
            let at = (WallTime::from_micros(7), Duration::from_millis(3));
            signalling.handle(at, (from, to), text.as_bytes());
        };
        send(phone, bridge, &info(1));
        send(phone, bridge, &info(1));
        send(bridge, phone, &answer(1, "200 OK"));
        send(phone, bridge, &info(2));
        send(bridge, phone, &answer(2, "415 Unsupported Media Type"));
        send(phone, bridge, &info(3));
        let dialogs = signalling.finish();
        let [dialog] = &dialogs[..] else { panic!("{} dialogs", dialogs.len()) };
        assert_eq!((dialog.call_id.as_str(), dialog.source), ("c1", phone));
        assert!(dialog.presses.iter().all(|press| press.digit.to_char() == '5'));
        assert_eq!(dialog.presses[0].length, Some(Duration::from_millis(160)));
        let notes: Vec<_> = dialog.presses.iter().map(|press| press.notes.clone()).collect();
        assert_eq!(notes, [vec![], vec![Note::Refused(415)], vec![Note::Unanswered]]);
    }

    #[test]
    fn an_info_whose_key_is_missing_is_counted_once() {
        let (phone, bridge) = places();
        let mut signalling = Signalling::default();
        let mut send = |cseq: u32, kind: &str, length: usize, body: &str| {
            let text = format!(
                "INFO sip:b@198.51.100.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
                 From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: c1\r\nCSeq: {cseq} INFO\r\n\
                 Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let at = (WallTime::from_micros(7), Duration::ZERO);
            signalling.handle(at, (phone, bridge), text.as_bytes());
        };
        // Cut before its body, and captured twice; without a key; keep-alives and other matters.
        send(1, "application/dtmf-relay", 24, "");
        send(1, "application/dtmf-relay", 24, "");
        send(2, "application/dtmf-relay", 7, "Signal=");
        send(3, "application/dtmf-relay", 0, "");
        send(4, "application/media_control+xml", 3, "<x>");
        send(5, "application/hook-flash", 3, "x=1");
        assert_eq!(signalling.infos_without_key(), 2);
        assert!(signalling.finish().is_empty());
    }

    #[test]
    fn what_is_not_sip_is_left_alone() {
        for payload in [&b""[..], b"\x80\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\n", b"INFO sip:b@x"]
        {
            assert!(!is_sip(payload, false));
        }
        for payload in [&b"INFO sip:b@x"[..], b"ACK sips:b", b"SIP/2.0 2"] {
            assert!(is_sip(payload, true));
        }
        for payload in [&b""[..], b"\x80\0\0\0", b"GET /", b" sip:b@x", b"INFO sip:b@x\r\n"] {
            assert!(!is_sip(payload, true));
        }
    }
}
