//! Cutting SIP messages out of a stream (RFC 3261 §7.5, §18.3) and out of WebSocket messages
//! (RFC 7118 §5).
//!
//! Octets go in as they come, in pieces of any length; whole messages, pings and pongs
//! (RFC 5626 §4.4.1) come out. Each octet is looked at a fixed number of times. Where the end of a
//! message is not known beyond doubt, nothing more is cut: the stream is [`Broken`]. What a message
//! says is read elsewhere.

use bytes::Bytes;

use super::parse::{MAX_HEADER_BYTES, MAX_MESSAGE_BYTES, split_line, unfold};
use super::scan::is_token_byte;

/// The longest head of a message on a stream: start line and header fields.
pub const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, as [`super::Message::parse`] takes it.
    Message(Bytes),
    /// A double CRLF of the side that opened the connection; a CRLF is the answer.
    Ping,
    /// The CRLF that answers a ping of ours.
    Pong,
    /// The stream can be followed no further; the connection is to be closed. Comes once, and
    /// nothing comes after it.
    Broken {
        /// Why.
        reason: Broken,
        /// The head of a message whose Content-Length is no number: enough to answer it with 400.
        head: Option<Bytes>,
    },
}

/// Why a stream can be followed no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
    /// What came is not the first line of a SIP message.
    NotSip,
    /// The head is longer than [`MAX_HEAD_BYTES`].
    LongHead,
    /// Head and body are longer than [`MAX_MESSAGE_BYTES`], or than the framer's own limit.
    LongMessage,
    /// The message has no Content-Length, which it needs on a stream (RFC 3261 §18.3).
    NoContentLength,
    /// Content-Length is no number, or stands there again with another.
    BadContentLength,
}

impl Broken {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::NotSip,
        Self::LongHead,
        Self::LongMessage,
        Self::NoContentLength,
        Self::BadContentLength,
    ];

    /// As metrics name the reason.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotSip => "not_sip",
            Self::LongHead => "long_head",
            Self::LongMessage => "long_message",
            Self::NoContentLength => "no_content_length",
            Self::BadContentLength => "bad_content_length",
        }
    }
}

/// Who opened the connection: a line end alone means something else to each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Accepted,
    Opened,
}

/// Where a framer is in its stream.
#[derive(Debug)]
enum Place {
    /// Between two messages: whether a CR came last, and how many CRLF before it.
    Gap { cr: bool, line_ends: u8 },
    /// In the head, whose last line begins at `line`.
    Head { line: usize },
    /// In the body of a message of so many octets, its head included.
    Body { whole: usize },
    /// Behind something that cannot be followed.
    Lost,
}

const GAP: Place = Place::Gap { cr: false, line_ends: 0 };

/// Cuts one stream into messages.
#[derive(Debug)]
pub struct Framer {
    side: Side,
    most: usize,
    place: Place,
    /// The message as far as it came.
    held: Vec<u8>,
    work: u64,
}

impl Framer {
    /// A framer for a connection that the peer opened.
    pub fn accepted() -> Self {
        Self::new(Side::Accepted)
    }

    /// A framer for a connection that we opened.
    pub fn opened() -> Self {
        Self::new(Side::Opened)
    }

    fn new(side: Side) -> Self {
        Self { side, most: MAX_MESSAGE_BYTES, place: GAP, held: Vec::new(), work: 0 }
    }

    /// The same framer for messages of at most `octets`.
    #[must_use]
    pub fn limited_to(self, octets: usize) -> Self {
        Self { most: octets.min(MAX_MESSAGE_BYTES), ..self }
    }

    /// Octets of a message that is not whole yet.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Octets that were looked at so far: at most twice those that came.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Takes octets from the front of `input` until something is whole; `None` when all of
    /// `input` is taken and more is needed. Call it until then.
    pub fn take(&mut self, input: &mut &[u8]) -> Option<Frame> {
        while !input.is_empty() {
            let frame = match self.place {
                Place::Gap { cr, line_ends } => self.gap(input, cr, line_ends),
                Place::Head { line } => self.head(input, line),
                Place::Body { whole } => self.body(input, whole),
                Place::Lost => {
                    *input = &[];
                    None
                }
            };
            if frame.is_some() {
                return frame;
            }
        }
        None
    }

    /// Takes one octet between messages.
    fn gap(&mut self, input: &mut &[u8], cr: bool, line_ends: u8) -> Option<Frame> {
        let &octet = input.first()?;
        match octet {
            b'\r' => {
                self.place = Place::Gap { cr: true, line_ends: if cr { 0 } else { line_ends } }
            }
            b'\n' if cr => {
                self.place = Place::Gap { cr: false, line_ends: line_ends + 1 };
                self.pass(input);
                return self.line_end(line_ends + 1);
            }
            // The parser passes over a zero too: phones send it to keep a binding open.
            b'\n' | 0 => self.place = GAP,
            _ if is_token_byte(octet) => {
                self.place = Place::Head { line: 0 };
                return None;
            }
            _ => return Some(self.lose(Broken::NotSip, None)),
        }
        self.pass(input);
        None
    }

    fn pass(&mut self, input: &mut &[u8]) {
        *input = &input[1..];
        self.count(1);
    }

    fn line_end(&mut self, line_ends: u8) -> Option<Frame> {
        let frame = match (self.side, line_ends) {
            (Side::Opened, _) => Frame::Pong,
            (Side::Accepted, 2..) => Frame::Ping,
            (Side::Accepted, _) => return None,
        };
        self.place = GAP;
        Some(frame)
    }

    /// Takes the rest of a line of the head, or as much of it as there is.
    fn head(&mut self, input: &mut &[u8], line: usize) -> Option<Frame> {
        let end = input.iter().position(|&octet| octet == b'\n');
        let length = end.map_or(input.len(), |at| at + 1);
        self.count(length);
        let most = if line == 0 { MAX_HEADER_BYTES } else { MAX_HEAD_BYTES };
        if self.held.len() + length > most.min(self.most) {
            return Some(self.lose(Broken::LongHead, None));
        }
        self.held.extend_from_slice(&input[..length]);
        *input = &input[length..];
        end?;
        if line == 0 && !is_start_line(&self.held) {
            return Some(self.lose(Broken::NotSip, None));
        }
        if !matches!(&self.held[line..], b"\r\n" | b"\n") {
            self.place = Place::Head { line: self.held.len() };
            return None;
        }
        self.head_is_whole()
    }

    fn head_is_whole(&mut self) -> Option<Frame> {
        self.count(self.held.len());
        match content_length(&self.held) {
            Ok(length) if self.held.len().saturating_add(length) > self.most => {
                Some(self.lose(Broken::LongMessage, None))
            }
            Ok(0) => Some(self.message()),
            Ok(length) => {
                self.place = Place::Body { whole: self.held.len() + length };
                None
            }
            Err(reason @ Broken::BadContentLength) => {
                let head = Bytes::from(std::mem::take(&mut self.held));
                Some(self.lose(reason, Some(head)))
            }
            Err(reason) => Some(self.lose(reason, None)),
        }
    }

    fn body(&mut self, input: &mut &[u8], whole: usize) -> Option<Frame> {
        let length = (whole - self.held.len()).min(input.len());
        self.count(length);
        self.held.extend_from_slice(&input[..length]);
        *input = &input[length..];
        (self.held.len() == whole).then(|| self.message())
    }

    fn message(&mut self) -> Frame {
        self.place = GAP;
        Frame::Message(Bytes::from(std::mem::take(&mut self.held)))
    }

    fn lose(&mut self, reason: Broken, head: Option<Bytes>) -> Frame {
        self.place = Place::Lost;
        self.held = Vec::new();
        Frame::Broken { reason, head }
    }

    fn count(&mut self, octets: usize) {
        self.work += u64::try_from(octets).unwrap_or(u64::MAX);
    }
}

/// One WebSocket message, text or binary: exactly one SIP message, or a keep-alive (RFC 7118 §5,
/// §6). Its end is the frame's, so that Content-Length may be missing.
pub fn websocket_message(payload: Bytes) -> Frame {
    let broken = |reason| Frame::Broken { reason, head: None };
    if payload.len() > MAX_MESSAGE_BYTES {
        return broken(Broken::LongMessage);
    }
    match &payload[..] {
        b"\r\n\r\n" => Frame::Ping,
        b"" | b"\r\n" => Frame::Pong,
        text if is_start_line(text) => Frame::Message(payload),
        _ => broken(Broken::NotSip),
    }
}

/// Whether `text` begins with a line that has SIP's version at one of its ends (RFC 3261 §7.1, §7.2).
fn is_start_line(text: &[u8]) -> bool {
    let (line, _) = split_line(text);
    let is_version =
        |word: &[u8]| word.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"));
    let last = line.trim_ascii_end().rsplit(|&octet| octet == b' ').next();
    is_version(line) || last.is_some_and(is_version)
}

/// What the Content-Length of a whole head says.
fn content_length(head: &[u8]) -> Result<usize, Broken> {
    let (_, mut rest) = split_line(head);
    let mut found = None;
    loop {
        let (line, after) = split_line(rest);
        if line.is_empty() {
            return found.ok_or(Broken::NoContentLength);
        }
        let (line, after) = unfold(line, after);
        rest = after;
        let Some(colon) = line.iter().position(|&octet| octet == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let value = line[colon + 1..].trim_ascii();
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| is_number);
        match (number.map(str::parse), found) {
            (Some(Ok(length)), None) => found = Some(length),
            // Said twice, meant once.
            (Some(Ok(length)), Some(before)) if length == before => {}
            _ => return Err(Broken::BadContentLength),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Message;

    const OPTIONS: &str = "OPTIONS sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n";

    fn with_body(body: &str) -> String {
        format!("{OPTIONS}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Everything in `stream`, handed over in pieces of `piece` octets.
    fn cut(framer: &mut Framer, stream: &[u8], piece: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        for mut input in stream.chunks(piece) {
            while let Some(frame) = framer.take(&mut input) {
                frames.push(frame);
            }
            assert!(input.is_empty());
        }
        frames
    }

    fn whole(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn broken(stream: &str) -> Option<Broken> {
        match cut(&mut Framer::accepted(), stream.as_bytes(), 7).pop()? {
            Frame::Broken { reason, .. } => Some(reason),
            Frame::Message(_) | Frame::Ping | Frame::Pong => None,
        }
    }

    #[test]
    fn messages_are_cut_the_same_however_they_come() {
        let (first, second, third) = (with_body(""), with_body("v=0\r\n\r\n"), with_body("x"));
        let stream = format!("\r\n{first}{second}\r\n\r\n{third}");
        let expected = [whole(&first), whole(&second), Frame::Ping, whole(&third)];
        for piece in 1..=stream.len() {
            let frames = cut(&mut Framer::accepted(), stream.as_bytes(), piece);
            assert_eq!(frames, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_work_grows_with_the_octets_and_not_with_the_pieces() {
        let long = format!("{OPTIONS}{}Content-Length: 9000\r\n\r\n", "a: b\r\n".repeat(1000));
        let stream = format!("{long}{}", "x".repeat(9000)).repeat(10);
        for piece in [1, 2, 100, stream.len()] {
            let mut framer = Framer::accepted();
            assert_eq!(cut(&mut framer, stream.as_bytes(), piece).len(), 10);
            let most = 2 * u64::try_from(stream.len()).expect("small");
            assert!(framer.work() <= most, "{} of {most}, in pieces of {piece}", framer.work());
        }
    }

    #[test]
    fn line_ends_alone_are_pings_to_one_side_and_pongs_to_the_other() {
        let of = |mut framer: Framer, stream: &str| cut(&mut framer, stream.as_bytes(), 1);
        let stream = "\r\n\r\n\r\n\r\n\r\n";
        assert_eq!(of(Framer::accepted(), stream), [Frame::Ping, Frame::Ping]);
        assert_eq!(of(Framer::opened(), "\r\n\r\n"), [Frame::Pong, Frame::Pong]);
        assert_eq!(of(Framer::accepted(), "\n\n\0\r\r\n\n\r"), []);
    }

    #[test]
    fn a_length_that_is_missing_or_no_number_ends_the_stream_and_cuts_nothing() {
        let behind = with_body("");
        for (lines, expected) in [
            ("", Broken::NoContentLength),
            ("X-Content-Length: 4\r\n", Broken::NoContentLength),
            ("Content-Length: -1\r\n", Broken::BadContentLength),
            ("Content-Length: 4x\r\n", Broken::BadContentLength),
            ("Content-Length:\r\n", Broken::BadContentLength),
            ("l: 4\r\nContent-Length: 5\r\n", Broken::BadContentLength),
            ("l: 99999999999999999999999\r\n", Broken::BadContentLength),
            ("l: 65535\r\n", Broken::LongMessage),
        ] {
            let stream = format!("{OPTIONS}{lines}\r\n{behind}");
            assert_eq!(broken(&stream), Some(expected), "{lines}");
        }
    }

    #[test]
    fn a_wrong_length_can_still_be_answered() {
        let stream = format!("{OPTIONS}l: -1\r\n\r\nabc");
        let frames = cut(&mut Framer::accepted(), stream.as_bytes(), 1000);
        let [Frame::Broken { head: Some(head), .. }] = &frames[..] else { panic!("{frames:?}") };
        let message = Message::parse(head).expect("readable");
        assert_eq!(message.fault, Some(crate::message::Fault::ContentLength));
    }

    #[test]
    fn compact_folded_and_bare_forms_of_the_length_are_read() {
        for line in [
            "l:3\n",
            "l: 3\r\nContent-Length: 03\r\n",
            "CONTENT-LENGTH : 3 \r\n",
            "Content-Length:\r\n  3\r\n",
            "L: 003\r\n",
        ] {
            let message = format!("{OPTIONS}{line}\r\nabc");
            let stream = format!("{message}{OPTIONS}");
            assert_eq!(cut(&mut Framer::accepted(), stream.as_bytes(), 5), [whole(&message)]);
        }
    }

    #[test]
    fn what_is_not_sip_is_found_out_early() {
        let hello = "\u{16}\u{3}\u{1}\u{2}";
        for stream in [hello, "GET / HTTP/1.1\r\n", "abc\r\n", &"a".repeat(9000), "SSH-2.0-x\r\n"] {
            assert!(matches!(broken(stream), Some(Broken::NotSip | Broken::LongHead)), "{stream}");
        }
        assert_eq!(
            broken(&format!("{OPTIONS}{}", "a: b\r\n".repeat(6000))),
            Some(Broken::LongHead)
        );
    }

    #[test]
    fn who_may_say_little_is_cut_short() {
        let message = with_body(&"x".repeat(4000));
        let mut framer = Framer::accepted().limited_to(4000);
        let frames = cut(&mut framer, message.as_bytes(), 100);
        assert_eq!(frames, [Frame::Broken { reason: Broken::LongMessage, head: None }]);
        assert_eq!(framer.held(), 0);
    }

    #[test]
    fn a_websocket_message_is_one_sip_message() {
        let of = |text: &str| websocket_message(Bytes::copy_from_slice(text.as_bytes()));
        let message = format!("{OPTIONS}\r\nabc");
        assert_eq!(of(&message), whole(&message));
        assert_eq!((of("\r\n\r\n"), of("\r\n")), (Frame::Ping, Frame::Pong));
        assert_eq!(of("hello"), Frame::Broken { reason: Broken::NotSip, head: None });
        let long = with_body(&"x".repeat(66_000));
        assert_eq!(of(&long), Frame::Broken { reason: Broken::LongMessage, head: None });
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_give_the_same_and_stay_bounded(
            stream in proptest::collection::vec(
                prop_oneof![
                    Just(b"OPTIONS sip:a@h SIP/2.0\r\n".to_vec()),
                    Just(b"Content-Length: 4\r\n".to_vec()),
                    Just(b"l: 0\r\n".to_vec()),
                    Just(b"\r\n".to_vec()),
                    Just(b"\n\n".to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..9),
                ],
                0..20,
            ),
            piece in 1_usize..60,
        ) {
            let stream = stream.concat();
            let one = cut(&mut Framer::accepted(), &stream, stream.len().max(1));
            let mut framer = Framer::accepted();
            let many = cut(&mut framer, &stream, piece);
            prop_assert!(framer.held() <= stream.len());
            prop_assert_eq!(&one, &many);
            for frame in one {
                // What was cut is what the parser reads: the body is all there, and nothing else.
                if let Frame::Message(bytes) = frame {
                    let message = Message::parse(&bytes);
                    let fault = message.as_ref().ok().and_then(|m| m.fault);
                    prop_assert_ne!(fault, Some(crate::message::Fault::BodyTooShort));
                    prop_assert_ne!(fault, Some(crate::message::Fault::Truncated));
                }
            }
        }
    }
}
