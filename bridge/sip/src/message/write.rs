//! The wire writer.

use super::{Message, Name, StartLine};

impl Message {
    /// The message as one datagram; Content-Length is added.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        match &self.start {
            StartLine::Request { method, uri } => {
                out.extend_from_slice(format!("{method} {uri} SIP/2.0\r\n").as_bytes());
            }
            StartLine::Response { status, reason } => {
                out.extend_from_slice(format!("SIP/2.0 {status} {reason}\r\n").as_bytes());
            }
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| **name != Name::ContentLength) {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            value.write_to(&mut out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        out.extend_from_slice(&self.body);
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::message::{Message, Method, Name, Status, Value};

    fn name() -> impl Strategy<Value = Name> {
        prop_oneof![
            Just(Name::Via),
            Just(Name::From),
            Just(Name::Diversion),
            "X-[a-z]{1,8}".prop_map(|n| Name::parse(&n)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            fields in prop::collection::vec((name(), "[!-~]([ -~\u{a1}-\u{ff}]{0,40}[!-~])?"), 0..20),
            body in prop::collection::vec(any::<u8>(), 0..200),
            code in 100u16..700,
        ) {
            let starts = [
                Message::request(Method::Info, "sip:a@h"),
                Message::response(Status::new(code).unwrap_or(Status::OK)),
            ];
            for mut message in starts {
                for (name, value) in &fields {
                    message.headers.push(name.clone(), Value::new(value.clone()));
                }
                message.body = body.clone().into();
                let bytes = message.to_bytes();
                let back = Message::parse(&bytes).expect("our own writing is readable");
                prop_assert_eq!(back.fault, None);
                prop_assert_eq!(&back.start, &message.start);
                prop_assert_eq!(&back.headers, &message.headers);
                prop_assert_eq!(&back.body, &message.body);
                prop_assert_eq!(back.to_bytes(), bytes);
            }
        }

        #[test]
        fn any_bytes_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert!(Message::parse(&message.to_bytes()).is_ok());
            }
        }
    }
}
