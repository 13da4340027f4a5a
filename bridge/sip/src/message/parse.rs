//! The wire parser for one datagram (RFC 3261 §7, §18.3). One pass, limits on everything.
//!
//! Whatever can still be answered comes back as a [`Message`] with its first [`Fault`] noted;
//! typed headers are read by [`super::Envelope`] and the other modules when they are needed.

use std::borrow::Cow;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::header::{Headers, Name, Value};
use super::method::Method;
use super::pin::{self, Pin};
use super::status::Status;
use super::{Message, StartLine};

/// The largest message: what a UDP datagram can hold.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// The most header fields in a message.
pub const MAX_HEADERS: usize = 256;

/// The longest header field, unfolded.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// As many header fields as most messages have.
const USUAL: usize = 16;

/// Why a datagram cannot even be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing but line ends or zeros: keeps a NAT binding open.
    KeepAlive,
    /// Longer than [`MAX_MESSAGE_BYTES`], or with a first line longer than [`MAX_HEADER_BYTES`].
    Oversized,
    /// The first line is none of SIP's.
    NotSip,
}

/// What is wrong with a message that can still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request line has stray blanks.
    RequestLine,
    /// The version is not SIP/2.0.
    Version,
    /// A header has a stray line end in it.
    HeaderLine,
    /// More than [`MAX_HEADERS`] fields.
    TooManyHeaders,
    /// A field longer than [`MAX_HEADER_BYTES`].
    HeaderTooLong,
    /// The datagram ends before the header does.
    Truncated,
    /// Content-Length is no number, or there are two.
    ContentLength,
    /// Content-Length promises more than came.
    BodyTooShort,
    /// A header that every message needs is missing.
    MissingHeader,
    /// A header that may stand once stands twice.
    RepeatedHeader,
    /// A header that we read breaks its grammar.
    BadHeader,
}

impl Fault {
    /// The status of the response.
    pub fn status(self) -> Status {
        match self {
            Self::Version => Status::VERSION_NOT_SUPPORTED,
            Self::TooManyHeaders | Self::HeaderTooLong => Status::MESSAGE_TOO_LARGE,
            Self::RequestLine
            | Self::HeaderLine
            | Self::Truncated
            | Self::ContentLength
            | Self::BodyTooShort
            | Self::MissingHeader
            | Self::RepeatedHeader
            | Self::BadHeader => Status::BAD_REQUEST,
        }
    }

    /// A reason phrase that tells the sender's engineer where to look.
    pub fn reason_phrase(self) -> &'static str {
        match self {
            Self::RequestLine => "Malformed Request-Line",
            Self::Version => "Version Not Supported",
            Self::HeaderLine => "Malformed Header Line",
            Self::TooManyHeaders => "Too Many Header Fields",
            Self::HeaderTooLong => "Header Field Too Long",
            Self::Truncated => "Message Ends Within Header",
            Self::ContentLength => "Malformed Content-Length",
            Self::BodyTooShort => "Body Shorter Than Content-Length",
            Self::MissingHeader => "Mandatory Header Missing",
            Self::RepeatedHeader => "Header Field Repeated",
            Self::BadHeader => "Malformed Header Field",
        }
    }
}

impl Message {
    /// Reads one datagram.
    ///
    /// # Errors
    /// [`Unreadable`] when there is nothing that a response could be made from.
    pub fn parse(datagram: &[u8]) -> Result<Self, Unreadable> {
        if datagram.len() > MAX_MESSAGE_BYTES {
            return Err(Unreadable::Oversized);
        }
        let blank = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        let begin = datagram.iter().position(|b| !blank(b)).ok_or(Unreadable::KeepAlive)?;
        let (line, mut rest) = split_line(&datagram[begin..]);
        if line.len() > MAX_HEADER_BYTES {
            return Err(Unreadable::Oversized);
        }
        let mut reader = Reader::start(line)?;
        loop {
            let (line, after) = split_line(rest);
            if line.is_empty() {
                reader.note_if(rest.is_empty(), Fault::Truncated);
                rest = after;
                break;
            }
            let (line, after) = unfold(line, after);
            rest = after;
            if !reader.header(&line) {
                return Ok(reader.message);
            }
        }
        reader.body(rest);
        Ok(reader.message)
    }
}

/// The line without its end (CRLF, or LF alone), and what follows.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Joins continuation lines (RFC 3261 §7.3.1): each fold becomes one space.
pub(super) fn unfold<'a>(first: &'a [u8], mut rest: &'a [u8]) -> (Cow<'a, [u8]>, &'a [u8]) {
    let mut line = Cow::Borrowed(first);
    while matches!(rest.first(), Some(b' ' | b'\t')) {
        let (next, after) = split_line(rest);
        let joined = line.to_mut();
        joined.push(b' ');
        joined.extend_from_slice(next.trim_ascii());
        rest = after;
    }
    (line, rest)
}

/// The message as far as it is read.
struct Reader {
    message: Message,
    content_length: Option<usize>,
}

impl Reader {
    fn start(line: &[u8]) -> Result<Self, Unreadable> {
        let (text, pin) = read_text(line);
        let text = text.as_str();
        let mut fault = None;
        let start = if let Some(rest) = text.strip_prefix("SIP/2.0 ") {
            response_line(rest).ok_or(Unreadable::NotSip)?
        } else {
            let (start, found) = request_line(text).ok_or(Unreadable::NotSip)?;
            // `Value` trims, so blanks after the version show in the bytes only.
            fault = found.or(line
                .last()
                .is_some_and(|b| b.is_ascii_whitespace())
                .then_some(Fault::RequestLine));
            start
        };
        let message =
            Message { headers: Headers::with_room(USUAL), fault, pin, ..Message::new(start) };
        Ok(Self { message, content_length: None })
    }

    fn note_if(&mut self, wrong: bool, fault: Fault) {
        if wrong && self.message.fault.is_none() {
            self.message.fault = Some(fault);
        }
    }

    /// Takes one logical line; false when reading must stop.
    fn header(&mut self, line: &[u8]) -> bool {
        if line.len() > MAX_HEADER_BYTES {
            self.note_if(true, Fault::HeaderTooLong);
            return false;
        }
        if self.message.headers.len() == MAX_HEADERS {
            self.note_if(true, Fault::TooManyHeaders);
            return false;
        }
        let colon = memchr::memchr(b':', line);
        let name = colon.and_then(|at| std::str::from_utf8(line[..at].trim_ascii()).ok());
        let (Some(at), Some(name)) = (colon, name.filter(|n| super::scan::is_token(n))) else {
            // No header that anybody needs (RFC 3261 §8.2): one that is lacks then.
            return true;
        };
        let value = &line[at + 1..];
        self.note_if(memchr::memchr(b'\r', value).is_some(), Fault::HeaderLine);
        self.field(Name::parse(name), value);
        true
    }

    fn field(&mut self, name: Name, value: &[u8]) {
        if name == Name::ContentLength {
            let value = value.trim_ascii();
            if value.is_empty() {
                return;
            }
            let text = std::str::from_utf8(value).ok();
            let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let length = text.and_then(|text| text.parse().ok());
            let differs = self.content_length.is_some() && self.content_length != length;
            self.note_if(length.is_none() || differs, Fault::ContentLength);
            self.content_length = length;
            return;
        }
        // These route messages and come back to their owner; they must stay as they are.
        let routes = matches!(name, Name::Via | Name::Route | Name::RecordRoute | Name::Contact);
        let whole = value;
        let (value, pin) = if routes { (Value::from_wire(value), None) } else { read_text(value) };
        let kept = &mut self.message.credentials;
        let is_credentials = matches!(name, Name::Authorization | Name::ProxyAuthorization);
        if is_credentials && kept.len() < MOST_CREDENTIALS && pin::mask(whole).is_some() {
            kept.extend(std::str::from_utf8(whole).ok().map(|it| Zeroizing::new(it.to_owned())));
        }
        if name == Name::To && self.message.pin.is_none() {
            self.message.pin = pin;
        }
        self.message.headers.push(name, value);
    }

    fn body(&mut self, rest: &[u8]) {
        let length = self.content_length.unwrap_or(rest.len());
        self.note_if(length > rest.len(), Fault::BodyTooShort);
        self.message.body = Bytes::copy_from_slice(&rest[..length.min(rest.len())]);
    }
}

/// Credentials of one message that are kept with the passcode in them: a request has those of each proxy
/// on its way, and ours are one.
const MOST_CREDENTIALS: usize = 4;

/// The text of a line with any passcode taken out before a copy is made.
fn read_text(bytes: &[u8]) -> (Value, Option<Pin>) {
    match pin::mask(bytes) {
        Some((masked, pin)) => (Value::from_wire(&masked), pin),
        None => (Value::from_wire(bytes), None),
    }
}

fn response_line(rest: &str) -> Option<StartLine> {
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let status = Status::new(code.parse().ok()?)?;
    Some(StartLine::Response { status, reason: reason.into() })
}

fn request_line(text: &str) -> Option<(StartLine, Option<Fault>)> {
    let (method, rest) = text.split_once(' ')?;
    let (uri, version) = rest.rsplit_once(' ')?;
    let (protocol, number) = version.split_once('/')?;
    if !protocol.eq_ignore_ascii_case("SIP") || !super::scan::is_token(number) {
        return None;
    }
    let start = StartLine::Request { method: Method::parse(method)?, uri: uri.into() };
    let fault = if number != "2.0" {
        Some(Fault::Version)
    } else if uri.is_empty() || uri.contains([' ', '\t']) {
        Some(Fault::RequestLine)
    } else {
        None
    };
    Some((start, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Message {
        Message::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why:?}: {text}"))
    }

    fn fault(text: &str) -> Option<Fault> {
        parse(text).fault
    }

    #[test]
    fn folds_compact_names_bare_line_feeds_and_leading_blank_lines_are_read() {
        let m = parse(
            "\r\n\r\nOPTIONS sip:a@h SIP/2.0\nv: SIP/2.0/UDP h\n ;branch=z9hG4bK1\nl: 2\n\nabcd",
        );
        assert_eq!(m.headers.text(&Name::Via), Some("SIP/2.0/UDP h ;branch=z9hG4bK1"));
        assert_eq!((&m.body[..], m.fault), (&b"ab"[..], None));
    }

    #[test]
    fn what_nobody_needs_may_be_no_header_and_a_length_may_be_said_twice() {
        for lines in ["nonsense", "X Y: z", ": x", "\u{e9}: x", "l: 2\r\nContent-Length: 2", "l:"] {
            let text = format!("OPTIONS sip:a@h SIP/2.0\r\n{lines}\r\nTo: x\r\n\r\nab");
            let m = parse(&text);
            assert_eq!((&m.body[..], m.fault), (&b"ab"[..], None), "{lines}");
            assert_eq!(m.headers.text(&Name::To), Some("x"));
        }
    }

    #[test]
    fn without_content_length_the_body_is_the_rest() {
        assert_eq!(parse("OPTIONS sip:a@h SIP/2.0\r\nTo: x\r\n\r\nabcd").body, &b"abcd"[..]);
    }

    #[test]
    fn each_fault_is_named() {
        let cases = [
            ("OPTIONS  sip:a@h SIP/2.0\r\n\r\n", Fault::RequestLine),
            ("OPTIONS sip:a@h SIP/2.0 \r\n\r\n", Fault::RequestLine),
            ("OPTIONS sip:a@h SIP/3.0\r\n\r\n", Fault::Version),
            ("OPTIONS sip:a@h SIP/2.0\r\nSubject: a\rb\r\n\r\n", Fault::HeaderLine),
            ("OPTIONS sip:a@h SIP/2.0\r\nTo: x\r\n", Fault::Truncated),
            ("OPTIONS sip:a@h SIP/2.0\r\nl: -1\r\n\r\n", Fault::ContentLength),
            ("OPTIONS sip:a@h SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\nabc", Fault::ContentLength),
            ("OPTIONS sip:a@h SIP/2.0\r\nl: 4\r\n\r\nabc", Fault::BodyTooShort),
        ];
        for (text, expected) in cases {
            assert_eq!(fault(text), Some(expected), "{text}");
        }
        let many = format!("OPTIONS sip:a@h SIP/2.0\r\n{}\r\n", "a: b\r\n".repeat(257));
        assert_eq!(fault(&many), Some(Fault::TooManyHeaders));
        let long = format!("OPTIONS sip:a@h SIP/2.0\r\na: {}\r\n\r\n", "b".repeat(8200));
        assert_eq!(fault(&long), Some(Fault::HeaderTooLong));
    }

    #[test]
    fn what_is_not_sip_is_unreadable() {
        let cases = [
            (&b"\r\n\r\n"[..], Unreadable::KeepAlive),
            (b"\0\0\0\0", Unreadable::KeepAlive),
            (b"", Unreadable::KeepAlive),
            (b"GET / HTTP/1.1\r\n\r\n", Unreadable::NotSip),
            (b"SIP/2.0 4294967301 big\r\n\r\n", Unreadable::NotSip),
            (b"SIP/2.0 20 x\r\n\r\n", Unreadable::NotSip),
            (&[b'a'; 65_536], Unreadable::Oversized),
            (&[b'a'; MAX_HEADER_BYTES + 1], Unreadable::Oversized),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Message::parse(bytes).err(), Some(expected));
        }
    }

    #[test]
    fn a_passcode_leaves_no_text() {
        let m = parse("INVITE sip:100@h;pin=4711 SIP/2.0\r\nTo: <sip:100@h;pin=4711>\r\n\r\n");
        assert!(m.pin.as_ref().is_some_and(|p| p.digits().count() == 4));
        assert!(!format!("{m:?}").contains("4711"));
        assert!(!String::from_utf8_lossy(&m.to_bytes()).contains("4711"));
    }
}
