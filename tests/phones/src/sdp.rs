//! The little SDP a telephone speaks (RFC 8866, RFC 3264): one audio stream, PCMU or PCMA, telephone
//! events, and one suite of SRTP (RFC 4568), or a fingerprint for DTLS (RFC 8122). No ICE, no video: other streams of an offer are refused
//! with port 0.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::config::Encryption;
use crate::media::dtls::{FarEnd, Fingerprint};
use crate::media::g711::Codec;
use crate::media::srtp::{Master, SrtpKeys, base64};

/// The one suite that phones speak.
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// The payload type a phone offers for telephone events.
const EVENT_TYPE: u8 = 101;

/// Which way audio flows, seen from the one who wrote it (RFC 8866 §6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaDirection {
    SendReceive,
    SendOnly,
    ReceiveOnly,
    Inactive,
}

impl MediaDirection {
    fn attribute(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn parse(attribute: &str) -> Option<Self> {
        let all = [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly, Self::Inactive];
        all.into_iter().find(|direction| direction.attribute() == attribute)
    }

    fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }

    fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }

    /// What an answerer who wants `self` may say to an offer of `offered`, RFC 3264 §6.1.
    fn answering(self, offered: Self) -> Self {
        match (self.sends() && offered.receives(), self.receives() && offered.sends()) {
            (true, true) => Self::SendReceive,
            (true, false) => Self::SendOnly,
            (false, true) => Self::ReceiveOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// What the far end described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    address: IpAddr,
    port: u16,
    payload_types: Vec<u8>,
    /// Payload types mapped to telephone-event at 8 kHz.
    event_types: Vec<u8>,
    direction: MediaDirection,
    /// `RTP/SAVP`.
    only_encrypted: bool,
    /// Tag and key of the suite that phones speak.
    crypto: Option<(u32, Master)>,
    /// `UDP/TLS/RTP/SAVP`.
    over_dtls: bool,
    fingerprint: Option<Fingerprint>,
    /// The value of `a=setup`.
    setup: Option<String>,
    /// The `m=` lines' kinds, to answer each with a line of its own.
    streams: Vec<String>,
}

impl Description {
    /// The codecs that a phone knows, in the order of the description.
    fn codecs(&self) -> impl Iterator<Item = Codec> {
        self.payload_types.iter().filter_map(|&number| Codec::from_payload_type(number))
    }

    /// Reads a body; `None` without an audio stream or an address for it.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut reader = Reader::default();
        for line in text.lines() {
            if let Some((kind, value)) = line.trim_end().split_once('=') {
                reader.line(kind, value);
            }
        }
        let audio = reader.audio?;
        Some(Self {
            address: audio.address.or(reader.address)?,
            port: audio.port,
            payload_types: audio.payload_types,
            event_types: audio.event_types,
            direction: audio.direction.or(reader.direction).unwrap_or(MediaDirection::SendReceive),
            only_encrypted: audio.only_encrypted,
            crypto: audio.crypto,
            over_dtls: audio.over_dtls,
            fingerprint: audio.fingerprint,
            setup: audio.setup,
            streams: reader.streams,
        })
    }
}

#[derive(Default)]
struct Reader {
    address: Option<IpAddr>,
    direction: Option<MediaDirection>,
    streams: Vec<String>,
    audio: Option<AudioLine>,
    in_audio: bool,
}

#[derive(Default)]
struct AudioLine {
    address: Option<IpAddr>,
    port: u16,
    payload_types: Vec<u8>,
    event_types: Vec<u8>,
    direction: Option<MediaDirection>,
    only_encrypted: bool,
    crypto: Option<(u32, Master)>,
    over_dtls: bool,
    fingerprint: Option<Fingerprint>,
    setup: Option<String>,
}

impl Reader {
    fn line(&mut self, kind: &str, value: &str) {
        match kind {
            "m" => self.stream(value),
            "c" => {
                let address = value.split_whitespace().nth(2).and_then(|text| text.parse().ok());
                match &mut self.audio {
                    Some(audio) if self.in_audio => audio.address = address,
                    Some(_) => {}
                    None => self.address = address,
                }
            }
            "a" => self.attribute(value),
            _ => {}
        }
    }

    fn stream(&mut self, value: &str) {
        self.streams.push(value.to_owned());
        let mut words = value.split_whitespace();
        let is_audio = words.next() == Some("audio");
        self.in_audio = is_audio && self.audio.is_none();
        if self.in_audio {
            let port = words.next().and_then(|port| port.split('/').next()?.parse().ok());
            let proto = words.next().unwrap_or_default();
            let (only_encrypted, over_dtls) =
                (proto.contains("SAVP"), proto.starts_with("UDP/TLS/"));
            let payload_types = words.filter_map(|word| word.parse().ok()).collect();
            let port = port.unwrap_or(0);
            let line = AudioLine {
                port,
                payload_types,
                only_encrypted,
                over_dtls,
                ..AudioLine::default()
            };
            self.audio = Some(line);
        }
    }

    fn attribute(&mut self, value: &str) {
        let direction = MediaDirection::parse(value);
        let Some(audio) = &mut self.audio else {
            self.direction = direction.or(self.direction);
            return;
        };
        if !self.in_audio {
            return;
        }
        audio.direction = direction.or(audio.direction);
        if let Some(value) = value.strip_prefix("crypto:") {
            audio.crypto = audio.crypto.or_else(|| crypto(value));
        }
        if let Some(value) = value.strip_prefix("fingerprint:sha-256 ") {
            audio.fingerprint = fingerprint(value);
        }
        if let Some(value) = value.strip_prefix("setup:") {
            audio.setup = Some(value.to_owned());
        }
        let Some((number, name)) = value.strip_prefix("rtpmap:").and_then(|v| v.split_once(' '))
        else {
            return;
        };
        if name.trim().eq_ignore_ascii_case("telephone-event/8000") {
            audio.event_types.extend(number.parse::<u8>().ok());
        }
    }
}

/// Tag and key of an `a=crypto` line in the suite of the phones.
fn crypto(value: &str) -> Option<(u32, Master)> {
    let mut words = value.split_whitespace();
    let tag = words.next()?.parse().ok()?;
    words.next().filter(|&suite| suite == SUITE)?;
    let key = words.next()?.strip_prefix("inline:")?.split('|').next()?;
    Some((tag, base64::decode(key)?))
}

/// Thirty-two pairs of digits between colons.
fn fingerprint(value: &str) -> Option<Fingerprint> {
    let octets: Option<Vec<u8>> =
        value.trim().split(':').map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    octets?.try_into().ok()
}

/// What both ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Where audio goes; `None` while it must not be sent.
    pub(crate) send_to: Option<SocketAddr>,
    pub(crate) codec: Codec,
    /// The far end's payload type of telephone events.
    pub(crate) event_type: Option<u8>,
    /// The keys, when it is encrypted.
    pub(crate) srtp: Option<SrtpKeys>,
    /// Who the keys are to be agreed on with, by DTLS.
    pub(crate) dtls: Option<FarEnd>,
}

/// A phone's side of offer and answer.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// What SDP names.
    address: SocketAddr,
    /// Where audio goes in place of where the far end wants it.
    relay: Option<SocketAddr>,
    codec: Codec,
    /// Sent in place of the first codec where the far end has it.
    speaks: Option<Codec>,
    events: Events,
    session: u32,
    version: u32,
    direction: MediaDirection,
    encryption: Encryption,
    key: Master,
    /// Of the phone's certificate.
    fingerprint: Option<Fingerprint>,
    /// Whether the phone began the handshake that it had.
    began: Option<bool>,
}

/// What an `m=` block says of encryption: its profile, and lines of its own.
struct Security(&'static str, String);

/// Whether a phone speaks telephone events at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Events {
    Offered,
    Unknown,
}

impl Terms {
    pub(crate) fn new(address: SocketAddr, codec: Codec, events: Events, session: u32) -> Self {
        let direction = MediaDirection::SendReceive;
        Self {
            address,
            relay: None,
            codec,
            speaks: None,
            events,
            session,
            version: 1,
            direction,
            encryption: Encryption::Off,
            key: [0; 30],
            fingerprint: None,
            began: None,
        }
    }

    /// The same terms with a codec that is sent in place of the first one.
    pub(crate) fn speaking(self, codec: Option<Codec>) -> Self {
        Self { speaks: codec, ..self }
    }

    /// The same terms with encryption, under this key.
    pub(crate) fn encrypting(self, encryption: Encryption, key: Master) -> Self {
        Self { encryption, key, ..self }
    }

    /// The same terms with another address.
    pub(crate) fn naming(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// The same terms with a certificate.
    pub(crate) fn certified(self, fingerprint: Option<Fingerprint>) -> Self {
        Self { fingerprint, ..self }
    }

    /// The same terms with a relay before the phone's address.
    pub(crate) fn through(self, relay: SocketAddr) -> Self {
        Self { address: relay, relay: Some(relay), ..self }
    }

    /// The codec of the next offer, and preferred in an answer.
    pub(crate) fn set_codec(&mut self, codec: Codec) {
        self.codec = codec;
    }

    /// The direction of the next offer or answer: held or open.
    pub(crate) fn set_direction(&mut self, direction: MediaDirection) {
        self.direction = direction;
    }

    pub(crate) fn direction(&self) -> MediaDirection {
        self.direction
    }

    /// An offer of the phone's one codec, so that a test knows what it gets.
    pub(crate) fn offer(&mut self) -> String {
        let event_type = (self.events == Events::Offered).then_some(EVENT_TYPE);
        let security = match self.encryption {
            Encryption::Off => Security("RTP/AVP", String::new()),
            Encryption::Offered => Security("RTP/AVP", self.crypto_line(1)),
            Encryption::Required => Security("RTP/SAVP", self.crypto_line(1)),
            Encryption::Dtls => Security("UDP/TLS/RTP/SAVP", self.setup_lines("actpass")),
        };
        let audio = self.audio_line(&[self.codec], event_type, self.direction, &security);
        self.session_lines() + &audio
    }

    /// The answer to an offer, or `None` when no codec of it is known.
    pub(crate) fn answer(&mut self, offer: &Description) -> Option<(String, Agreed)> {
        let agreed = self.common(offer)?;
        let first = self.first(offer)?;
        let second = Some(agreed.codec).filter(|&codec| codec != first);
        let codecs: Vec<Codec> = std::iter::once(first).chain(second).collect();
        let direction = self.direction.answering(offer.direction);
        let mut text = self.session_lines();
        let mut taken = false;
        for stream in &offer.streams {
            let mut words = stream.split_whitespace();
            let kind = words.next().unwrap_or("audio");
            if kind == "audio" && !taken {
                taken = true;
                let tag = offer.crypto.filter(|_| agreed.srtp.is_some()).map(|(tag, _)| tag);
                let proto = match (offer.over_dtls, offer.only_encrypted) {
                    (true, _) => "UDP/TLS/RTP/SAVP",
                    (false, true) => "RTP/SAVP",
                    (false, false) => "RTP/AVP",
                };
                let lines = match agreed.dtls {
                    Some(FarEnd { begins: true, .. }) => self.setup_lines("active"),
                    Some(FarEnd { begins: false, .. }) => self.setup_lines("passive"),
                    None => tag.map(|tag| self.crypto_line(tag)).unwrap_or_default(),
                };
                let security = Security(proto, lines);
                text += &self.audio_line(&codecs, agreed.event_type, direction, &security);
            } else {
                let rest: Vec<&str> = words.skip(1).collect();
                write!(text, "m={kind} 0 {}\r\n", rest.join(" ")).expect("a String takes all");
            }
        }
        Some((text, agreed))
    }

    /// What an answer to the phone's own offer comes to.
    pub(crate) fn accept(&mut self, answer: &Description) -> Option<Agreed> {
        self.common(answer)
    }

    /// Who the far end of a handshake is, where DTLS is spoken at all.
    fn far_end(&mut self, other: &Description) -> Option<FarEnd> {
        let fingerprint = other.fingerprint.filter(|_| self.encryption == Encryption::Dtls)?;
        let begins = match other.setup.as_deref()? {
            "active" => false,
            "passive" => true,
            // It is the phone that answers: it begins, unless that is settled.
            _ => self.began.unwrap_or(true),
        };
        self.began = Some(begins);
        Some(FarEnd { fingerprint, begins })
    }

    /// The codec of the phone, or the first one of the other's that it knows.
    fn first(&self, other: &Description) -> Option<Codec> {
        let mut known = other.codecs();
        known.find(|&codec| codec == self.codec).or_else(|| other.codecs().next())
    }

    fn common(&mut self, other: &Description) -> Option<Agreed> {
        let spoken = self.speaks.filter(|&codec| other.codecs().any(|known| known == codec));
        let codec = spoken.or_else(|| self.first(other))?;
        let event_type =
            other.event_types.iter().copied().find(|number| {
                self.events == Events::Offered && other.payload_types.contains(number)
            });
        // RFC 3264 §8.4: an address of zeros is the old way to hold.
        let open = other.port != 0 && !other.address.is_unspecified();
        let flows = self.direction == MediaDirection::SendReceive && other.direction.receives();
        let far = || SocketAddr::new(other.address, other.port);
        let send_to = (open && flows).then(|| self.relay.unwrap_or_else(far));
        let dtls = self.far_end(other);
        let wanted = matches!(self.encryption, Encryption::Offered | Encryption::Required);
        let theirs = other.crypto.filter(|_| wanted).map(|(_, key)| key);
        let srtp = theirs.map(|theirs| SrtpKeys { ours: self.key, theirs });
        // Neither side may take an encrypted stream for a plain one.
        let must = other.only_encrypted
            || matches!(self.encryption, Encryption::Required | Encryption::Dtls);
        let agreed = Agreed { send_to, codec, event_type, srtp, dtls };
        (srtp.is_some() || dtls.is_some() || !must).then_some(agreed)
    }

    fn crypto_line(&self, tag: u32) -> String {
        format!("a=crypto:{tag} {SUITE} inline:{}\r\n", base64::encode(&self.key))
    }

    fn setup_lines(&self, setup: &str) -> String {
        let octets = self.fingerprint.unwrap_or_default();
        let pairs: Vec<String> = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        format!("a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n", pairs.join(":"))
    }

    fn session_lines(&mut self) -> String {
        let version = self.version;
        self.version += 1;
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let session = self.session;
        format!(
            "v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n"
        )
    }

    fn audio_line(
        &self,
        codecs: &[Codec],
        event_type: Option<u8>,
        direction: MediaDirection,
        Security(proto, lines): &Security,
    ) -> String {
        let numbers = codecs.iter().map(|codec| codec.payload_type()).chain(event_type);
        let numbers: String = numbers.map(|number| format!(" {number}")).collect();
        let mut text = format!("m=audio {} {proto}{numbers}\r\n", self.address.port());
        text += lines;
        for codec in codecs {
            let (number, name) = (codec.payload_type(), codec.name());
            write!(text, "a=rtpmap:{number} {name}/8000\r\n").expect("a String takes all");
        }
        if let Some(event) = event_type {
            let map = format!("a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
            text += &map;
        }
        let attribute = direction.attribute();
        text + &format!("a=ptime:20\r\na={attribute}\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(codec: Codec, events: Events) -> Terms {
        Terms::new("127.0.0.2:4000".parse().unwrap(), codec, events, 1)
    }

    fn read(text: &str) -> Description {
        Description::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn offer_and_answer_agree_at_both_ends() {
        let mut caller = terms(Codec::Pcma, Events::Offered);
        let mut callee =
            Terms::new("127.0.0.3:5000".parse().unwrap(), Codec::Pcmu, Events::Offered, 2);
        let (answer, at_callee) = callee.answer(&read(&caller.offer())).unwrap();
        let at_caller = caller.accept(&read(&answer)).unwrap();
        assert_eq!(at_caller.codec, Codec::Pcma);
        assert_eq!(at_callee.codec, Codec::Pcma);
        assert_eq!(at_caller.event_type, Some(101));
        assert_eq!(at_caller.send_to, Some("127.0.0.3:5000".parse().unwrap()));
        assert_eq!(at_callee.send_to, Some("127.0.0.2:4000".parse().unwrap()));
    }

    #[test]
    fn relay_stands_in_the_offer_and_gets_the_audio() {
        let relay = "127.0.0.9:7000".parse().unwrap();
        let mut caller = terms(Codec::Pcmu, Events::Unknown).through(relay);
        let offer = caller.offer();
        assert!(offer.contains("c=IN IP4 127.0.0.9\r\n"), "{offer}");
        assert!(offer.contains("m=audio 7000 RTP/AVP 0\r\n"), "{offer}");
        let answer = "c=IN IP4 127.0.0.3\r\nm=audio 5000 RTP/AVP 0\r\n";
        assert_eq!(caller.accept(&read(answer)).unwrap().send_to, Some(relay));
        let held = format!("{answer}a=inactive\r\n");
        assert_eq!(caller.accept(&read(&held)).unwrap().send_to, None);
    }

    #[test]
    fn events_of_the_far_end_keep_its_number() {
        let offer = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 9 RTP/AVP 18 8 96\r\n\
                     a=rtpmap:96 telephone-event/8000\r\n";
        let (answer, agreed) = terms(Codec::Pcmu, Events::Offered).answer(&read(offer)).unwrap();
        assert_eq!((agreed.codec, agreed.event_type), (Codec::Pcma, Some(96)));
        assert!(answer.contains("m=audio 4000 RTP/AVP 8 96\r\n"), "{answer}");
        let without = terms(Codec::Pcmu, Events::Unknown).answer(&read(offer)).unwrap();
        assert_eq!(without.1.event_type, None);
    }

    #[test]
    fn held_far_end_gets_no_audio() {
        for hold in ["a=sendonly", "a=inactive"] {
            let offer = format!("c=IN IP4 10.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n{hold}\r\n");
            let (answer, agreed) =
                terms(Codec::Pcmu, Events::Unknown).answer(&read(&offer)).unwrap();
            assert_eq!(agreed.send_to, None);
            assert!(!answer.contains("a=sendrecv"), "{answer}");
        }
        let zeros = read("c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 0\r\n");
        assert_eq!(terms(Codec::Pcmu, Events::Unknown).accept(&zeros).unwrap().send_to, None);
    }

    #[test]
    fn streams_that_are_not_audio_are_refused_in_their_place() {
        let offer = "c=IN IP4 10.0.0.1\r\nm=video 7 RTP/AVP 34\r\nm=audio 9 RTP/AVP 0\r\n";
        let (answer, _) = terms(Codec::Pcmu, Events::Unknown).answer(&read(offer)).unwrap();
        let video = answer.find("m=video 0 RTP/AVP 34").unwrap();
        assert!(video < answer.find("m=audio 4000").unwrap());
    }

    #[test]
    fn offer_without_a_known_codec_has_no_answer() {
        let offer = read("c=IN IP4 10.0.0.1\r\nm=audio 9 RTP/AVP 18\r\n");
        assert_eq!(terms(Codec::Pcmu, Events::Offered).answer(&offer), None);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Description::parse(&body);
        }

        #[test]
        fn no_lines_panic(lines in proptest::collection::vec("[mca]=[ -~]{0,40}", 0..10)) {
            if let Some(offer) = Description::parse(lines.join("\r\n").as_bytes()) {
                let _ = terms(Codec::Pcmu, Events::Offered).answer(&offer);
            }
        }
    }
}
