//! The five headers that every message has, read and checked once (RFC 3261 §8.1.1).

use super::header::Name;
use super::method::Method;
use super::name_addr::NameAddr;
use super::parse::Fault;
use super::via::Via;
use super::{Message, scan};

/// The sequence number and method of a transaction (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    /// The method; a response's is its request's.
    pub method: Method,
}

impl CSeq {
    /// Reads a CSeq; `None` when it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, method) = text.split_once([' ', '\t'])?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number = number.parse().ok().filter(|n| *n < 1 << 31)?;
        Some(Self { number, method: Method::parse(method.trim())? })
    }
}

/// What identifies a message's transaction and dialog.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The topmost Via.
    pub via: Via,
    /// Who asks.
    pub from: NameAddr,
    /// Who is asked.
    pub to: NameAddr,
    /// The Call-ID, whole.
    pub call_id: Box<str>,
    /// The CSeq.
    pub cseq: CSeq,
}

impl Envelope {
    /// Reads the five headers; each but Via must stand exactly once.
    ///
    /// # Errors
    /// The [`Fault`] that the message is answered or dropped for.
    pub fn read(message: &Message) -> Result<Self, Fault> {
        let via = message.headers.text(&Name::Via).ok_or(Fault::MissingHeader)?;
        let via = scan::split_list(via).next().unwrap_or_default();
        let call_id = single(message, &Name::CallId)?;
        if call_id.is_empty() || call_id.contains([' ', '\t']) {
            return Err(Fault::BadHeader);
        }
        Ok(Self {
            via: Via::parse(via).map_err(|_| Fault::BadHeader)?,
            from: address(message, &Name::From)?,
            to: address(message, &Name::To)?,
            call_id: call_id.into(),
            cseq: CSeq::parse(single(message, &Name::CSeq)?).ok_or(Fault::BadHeader)?,
        })
    }
}

fn single<'a>(message: &'a Message, name: &'a Name) -> Result<&'a str, Fault> {
    let mut values = message.headers.all(name);
    let value = values.next().ok_or(Fault::MissingHeader)?;
    if values.next().is_some() { Err(Fault::RepeatedHeader) } else { Ok(value.as_str()) }
}

fn address(message: &Message, name: &Name) -> Result<NameAddr, Fault> {
    NameAddr::parse(single(message, name)?).map_err(|_| Fault::BadHeader)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &str) -> Result<Envelope, Fault> {
        let text = format!("OPTIONS sip:a@h SIP/2.0\r\n{headers}\r\n\r\n");
        Envelope::read(&Message::parse(text.as_bytes()).expect("readable"))
    }

    const GOOD: &str = "Via: SIP/2.0/UDP h, SIP/2.0/UDP i\r\nf: <sip:a@h>;tag=1\r\nt: sip:b@h\r\ni: x@y\r\nCSeq: 0009\r\n OPTIONS";

    #[test]
    fn reads_the_five() {
        let envelope = read(GOOD).expect("complete");
        assert_eq!(envelope.from.tag(), Some("1"));
        assert_eq!(envelope.cseq, CSeq { number: 9, method: Method::Options });
        assert_eq!(&*envelope.call_id, "x@y");
    }

    #[test]
    fn names_what_is_missing_repeated_or_broken() {
        let without_id = GOOD.replace("i: x@y\r\n", "");
        assert_eq!(read(&without_id).err(), Some(Fault::MissingHeader));
        assert_eq!(read(&format!("{GOOD}\r\nTo: sip:c@h")).err(), Some(Fault::RepeatedHeader));
        for cseq in ["x OPTIONS", "1", "-1 OPTIONS", "2147483648 OPTIONS", "1 O P"] {
            let text = GOOD.replace("0009\r\n OPTIONS", cseq);
            assert_eq!(read(&text).err(), Some(Fault::BadHeader), "{cseq}");
        }
    }
}
