//! SIP messages (RFC 3261 §7): a lenient reader and a plain writer. It keeps headers as text in
//! their order; what they mean is the dialog's and the agent's business.

use std::fmt::Write as _;

/// Longest datagram that is looked at.
const MAX_BYTES: usize = 65_535;

/// A request's method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Info,
    Options,
    Update,
    Prack,
    Other(String),
}

impl Method {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "INFO" => Self::Info,
            "OPTIONS" => Self::Options,
            "UPDATE" => Self::Update,
            "PRACK" => Self::Prack,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Info => "INFO",
            Self::Options => "OPTIONS",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Other(name) => name,
        }
    }
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    Request { method: Method, uri: String },
    Response { status: u16, reason: String },
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn request(method: Method, uri: &str) -> Self {
        let start = Start::Request { method, uri: uri.to_owned() };
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    /// A response with the headers that RFC 3261 §8.2.6.2 copies; `tag` goes to a To without one.
    pub(crate) fn response(request: &Self, status: u16, tag: Option<&str>) -> Self {
        let start = Start::Response { status, reason: reason(status).to_owned() };
        let mut response = Self { start, headers: Vec::new(), body: Vec::new() };
        for (name, value) in &request.headers {
            let copied = ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"];
            let Some(name) = copied.into_iter().find(|copy| is_header(name, copy)) else {
                continue;
            };
            let value = match tag {
                Some(tag) if name == "To" && tag_of(value).is_none() => {
                    format!("{value};tag={tag}")
                }
                Some(_) | None => value.clone(),
            };
            response.headers.push((name.to_owned(), value));
        }
        response
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_body(mut self, kind: &str, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self.with("Content-Type", kind)
    }

    /// Reads a datagram; `None` when it is no SIP message with a start line and a Call-ID.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        let (head, body) = split_head(bytes)?;
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let start = parse_start(lines.next()?)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // Folded: belongs to the line before, RFC 3261 §7.3.1.
                let (_, value) = headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':')?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut message = Self { start, headers, body: body.to_vec() };
        if let Some(length) = message.header("Content-Length").and_then(|text| text.parse().ok()) {
            message.body.truncate(length);
        }
        message.header("Call-ID").is_some().then_some(message)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = match &self.start {
            Start::Request { method, uri } => format!("{} {uri} SIP/2.0\r\n", method.name()),
            Start::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").expect("a String takes all");
        }
        write!(text, "Content-Length: {}\r\n\r\n", self.body.len()).expect("a String takes all");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The first header of this name or its compact form.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let wanted = self.headers.iter().filter(move |(header, _)| is_header(header, name));
        wanted.map(|(_, value)| value.as_str())
    }

    /// The number and the method of CSeq.
    pub(crate) fn cseq(&self) -> Option<(u32, Method)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.trim().parse().ok()?, Method::parse(method.trim())))
    }

    /// The topmost Via, when several stand in one line the first of them.
    pub(crate) fn via(&self) -> Option<&str> {
        self.header("Via")?.split(',').next().map(str::trim)
    }

    /// The branch of the topmost Via; empty when there is none.
    pub(crate) fn branch(&self) -> &str {
        self.via().and_then(|via| parameter(via, "branch")).unwrap_or("")
    }

    pub(crate) fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    pub(crate) fn tag_in_from(&self) -> Option<&str> {
        self.header("From").and_then(tag_of)
    }

    pub(crate) fn tag_in_to(&self) -> Option<&str> {
        self.header("To").and_then(tag_of)
    }

    /// All values of Record-Route in their order.
    pub(crate) fn record_routes(&self) -> Vec<String> {
        self.headers("Record-Route").flat_map(split_list).collect()
    }
}

/// The URI inside `<>`, or the bare one before its parameters.
pub(crate) fn uri_of(value: &str) -> Option<&str> {
    let uri = match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        None => value.split(';').next()?.trim(),
    };
    (!uri.is_empty()).then_some(uri)
}

/// The user part of the URI in a From or To; empty when it has none.
pub(crate) fn user_of(value: &str) -> &str {
    let uri = uri_of(value).unwrap_or("");
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

fn tag_of(value: &str) -> Option<&str> {
    // Parameters of the header come after the bracket; those inside it are the URI's.
    let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
    parameter(after, "tag")
}

/// The value of `;name=value`, or an empty one for `;name`.
pub(crate) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn split_list(value: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0_u32, false);
    for character in value.chars() {
        match character {
            '"' => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character == ',' && depth == 0 && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn is_header(header: &str, name: &str) -> bool {
    let compact = match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Type" => "c",
        "Content-Length" => "l",
        _ => name,
    };
    header.eq_ignore_ascii_case(name) || header.eq_ignore_ascii_case(compact)
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    for (mark, length) in [(&b"\r\n\r\n"[..], 4), (&b"\n\n"[..], 2)] {
        if let Some(end) = bytes.windows(length).position(|window| window == mark) {
            return Some((&bytes[..end], &bytes[end + length..]));
        }
    }
    None
}

fn parse_start(line: &str) -> Option<Start> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let status = status.parse().ok().filter(|status| (100..700).contains(status))?;
        return Some(Start::Response { status, reason: reason.to_owned() });
    }
    let mut words = line.split(' ');
    let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
    let upper = !method.is_empty() && method.bytes().all(|octet| octet.is_ascii_uppercase());
    let good = upper && !uri.is_empty() && version == "SIP/2.0" && words.next().is_none();
    good.then(|| Start::Request { method: Method::parse(method), uri: uri.to_owned() })
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INVITE: &str = "INVITE sip:100@127.0.0.1 SIP/2.0\r\n\
        v: SIP/2.0/UDP 127.0.0.9:5070;branch=z9hG4bKabc;rport, SIP/2.0/UDP 1.1.1.1\r\n\
        f: \"Anna; tag=no\" <sip:anna@127.0.0.9;tag=uri>;tag=real\r\n\
        To: <sip:100@127.0.0.1>\r\n\
        i: one@two\r\n\
        CSeq: 7 INVITE\r\n\
        Subject: folded\r\n  twice\r\n\
        Record-Route: <sip:1.1.1.1;lr>, <sip:2.2.2.2;lr>\r\n\
        l: 4\r\n\r\nbodyXX";

    #[test]
    fn compact_folded_and_listed_headers_are_read() {
        let message = Message::parse(INVITE.as_bytes()).unwrap();
        assert_eq!(message.branch(), "z9hG4bKabc");
        assert_eq!(message.tag_in_from(), Some("real"));
        assert_eq!(message.tag_in_to(), None);
        assert_eq!(message.cseq(), Some((7, Method::Invite)));
        assert_eq!(message.header("Subject"), Some("folded twice"));
        assert_eq!(message.record_routes(), ["<sip:1.1.1.1;lr>", "<sip:2.2.2.2;lr>"]);
        assert_eq!(message.body, b"body");
        assert_eq!(user_of(message.header("From").unwrap()), "anna");
    }

    #[test]
    fn response_copies_what_it_must_and_adds_a_tag() {
        let request = Message::parse(INVITE.as_bytes()).unwrap();
        let bytes = Message::response(&request, 180, Some("mine")).to_bytes();
        let response = Message::parse(&bytes).unwrap();
        assert_eq!(response.start, Start::Response { status: 180, reason: "Ringing".into() });
        assert_eq!(response.tag_in_to(), Some("mine"));
        assert_eq!(response.branch(), "z9hG4bKabc");
        assert_eq!(response.header("Subject"), None);
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Message::parse(&bytes);
        }

        #[test]
        fn no_broken_invite_panics(at in 0usize..400, with: u8, cut in 0usize..500) {
            let mut bytes = INVITE.as_bytes().to_vec();
            let place = at % bytes.len();
            bytes[place] = with;
            bytes.truncate(cut);
            if let Some(message) = Message::parse(&bytes) {
                let _ = (message.cseq(), message.branch().len(), message.record_routes());
                let _ = (message.tag_in_from(), message.header("From").map(user_of));
            }
        }

        #[test]
        fn messages_come_back_as_written(
            user in "[a-z0-9+]{1,12}", value in "[!-~]{1,30}", body in "[ -~]{0,60}",
        ) {
            let message = Message::request(Method::Info, &format!("sip:{user}@127.0.0.1"))
                .with("Call-ID", "x")
                .with("X-Any", value)
                .with_body("text/plain", &body);
            let read = Message::parse(&message.to_bytes()).unwrap();
            prop_assert_eq!(&read.start, &message.start);
            prop_assert_eq!(&read.body, &message.body);
            prop_assert_eq!(read.header("X-Any"), message.header("X-Any"));
        }
    }
}
