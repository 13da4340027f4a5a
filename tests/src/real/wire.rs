//! SIP and SDP as text, written and read without any code of the bridge.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

/// A number that is another each time, for tags, branches and Call-IDs.
#[derive(Clone, Debug)]
pub struct Names(u64);

impl Names {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one (SplitMix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// It, as a word.
    pub fn word(&mut self) -> String {
        format!("{:016x}", self.number())
    }
}

/// A request that is yet to be written.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI.
    pub uri: &'a str,
    /// The address in Via and Contact.
    pub address: SocketAddr,
    /// What follows the cookie in the branch of Via.
    pub branch: &'a str,
    /// From, with its tag.
    pub from: &'a str,
    /// To, with its tag where there is one.
    pub to: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// The number in CSeq.
    pub cseq: u32,
    /// Further header lines, each with its end of line.
    pub more: &'a str,
    /// Content-Type and body.
    pub body: Option<(&'a str, &'a str)>,
}

impl Request<'_> {
    /// The request as it is sent.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let Self { method, uri, address, branch, from, to, call_id, cseq, more, body } = self;
        let (kind, body) = body.unwrap_or_default();
        let mut text = String::with_capacity(600 + body.len() + more.len());
        write!(
            text,
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:caller@{address}>\r\n{more}",
        )
        .unwrap_or_default();
        if !kind.is_empty() {
            write!(text, "Content-Type: {kind}\r\n").unwrap_or_default();
        }
        write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap_or_default();
        text.into_bytes()
    }
}

/// An offer of PCMU and telephone events (101), for sound to `address`.
pub fn offer(address: SocketAddr, version: u32) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "v=0\r\no=- 7 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// A message that came in.
pub struct Message<'a> {
    text: Cow<'a, str>,
    head: usize,
}

impl<'a> Message<'a> {
    /// Takes a datagram; `None` when it has no end of headers.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let head = text.find("\r\n\r\n")?;
        Some(Self { text, head })
    }

    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Its status, when it is a response.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Its method, when it is a request; that of its CSeq, when it is a response.
    pub fn method(&self) -> &str {
        let line = match self.status() {
            Some(_) => self.header("CSeq").and_then(|cseq| cseq.split(' ').nth(1)),
            None => self.first_line().split(' ').next(),
        };
        line.unwrap_or_default()
    }

    /// The Request-URI.
    pub fn uri(&self) -> &str {
        self.first_line().split(' ').nth(1).unwrap_or_default()
    }

    /// The sequence number in CSeq.
    pub fn cseq(&self) -> u32 {
        let number = self.header("CSeq").and_then(|cseq| cseq.split(' ').next()?.parse().ok());
        number.unwrap_or_default()
    }

    /// The values of a header, in order.
    pub fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.text[..self.head].lines().skip(1).filter_map(move |line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The first value of a header.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        self.headers(name).next()
    }

    /// Where the description in the body wants sound.
    pub fn media(&self) -> Option<SocketAddr> {
        let body = self.text.get(self.head..)?;
        let ip = body.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
        let port = body.lines().find_map(|line| line.strip_prefix("m=audio "))?;
        let port: u16 = port.split(' ').next()?.parse().ok()?;
        Some((ip.trim().parse::<Ipv4Addr>().ok()?, port).into())
    }

    /// A response to it, without a body.
    pub fn answer(&self, status: &str, tag: &str) -> Vec<u8> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in self.headers(name) {
                let needs_tag = name == "To" && !value.contains(";tag=");
                let tag = if needs_tag { format!(";tag={tag}") } else { String::new() };
                write!(text, "{name}: {value}{tag}\r\n").unwrap_or_default();
            }
        }
        text += "Content-Length: 0\r\n\r\n";
        text.into_bytes()
    }
}

/// The URI between angle brackets.
pub fn uri_of(value: &str) -> Option<&str> {
    value.split_once('<')?.1.split_once('>').map(|(uri, _)| uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_read_as_it_was_written() {
        let address: SocketAddr = ([127, 1, 2, 3], 5070).into();
        let body = offer(address, 1);
        let request = Request {
            method: "INVITE",
            uri: "sip:100@127.0.0.1",
            address,
            branch: "b",
            from: "<sip:a@b>;tag=1",
            to: "<sip:100@127.0.0.1>",
            call_id: "c",
            cseq: 7,
            more: "Privacy: id\r\n",
            body: Some(("application/sdp", &body)),
        };
        let bytes = request.write();
        let read = Message::parse(&bytes).unwrap();
        assert_eq!((read.method(), read.cseq(), read.status()), ("INVITE", 7, None));
        assert_eq!(read.header("privacy"), Some("id"));
        assert_eq!(read.media(), Some(address));
        let answer = read.answer("486 Busy Here", "2");
        let answer = Message::parse(&answer).unwrap();
        assert_eq!((answer.status(), answer.method()), (Some(486), "INVITE"));
        assert_eq!(answer.header("To"), Some("<sip:100@127.0.0.1>;tag=2"));
    }
}
