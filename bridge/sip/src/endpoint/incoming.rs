//! What an INVITE says, as the node is told it.

use bytes::Bytes;

use super::receive::Request;
use crate::admission::Callers;
use crate::event::{DialogId, Incoming};
use crate::message::{Headers, Name};
use crate::{called, caller};

/// The longest Call-ID that is handed on.
const MAX_CALL_ID_BYTES: usize = 128;
/// The most signatures that are handed on, and the most octets of each: one more than is read.
const MAX_IDENTITIES: usize = 5;
const MAX_IDENTITY_BYTES: usize = 4097;

/// Reads the caller's part of an INVITE.
pub(super) fn read(dialog: DialogId, request: &mut Request, offer: Option<Bytes>) -> Incoming {
    let headers = &request.message.headers;
    let from = &request.envelope.from;
    Incoming {
        dialog,
        request_uri: request.uri.as_str().to_owned(),
        dnis_raw: request.uri.user_raw().unwrap_or_default().to_owned(),
        called: called::read(&request.uri, &request.envelope.to.uri, &request.message),
        request_host: request.uri.host().map(ToString::to_string).unwrap_or_default(),
        from_display: from.display.clone(),
        from_tag: from.tag().map(str::to_owned),
        callers: caller::read(from, headers),
        presentation: caller::presentation(from, headers),
        sip_call_id: cut(&request.envelope.call_id, MAX_CALL_ID_BYTES),
        flow: request.flow,
        offer,
        pin: request.message.pin.take(),
        identities: identities(headers),
        user: None,
        takeover: None,
    }
}

/// The Identity headers: one more than anybody reads, of which the last says that there are too many,
/// and cut where they are too long.
fn identities(headers: &Headers) -> Vec<Box<str>> {
    let values = headers.all(&Name::Identity).take(MAX_IDENTITIES);
    values.map(|value| cut(value.as_str(), MAX_IDENTITY_BYTES).into()).collect()
}

/// The number by which a caller is told apart from others of the same source; `None` when it is
/// withheld.
pub(super) fn caller(request: &Request, callers: Callers) -> Option<String> {
    let Callers::ByNumber(places) = callers else { return None };
    caller::number(&request.envelope.from, &request.message.headers, places)
}

fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_call_ids_are_cut_between_characters() {
        assert_eq!(cut("short", MAX_CALL_ID_BYTES), "short");
        assert_eq!(cut(&format!("{}é", "a".repeat(127)), MAX_CALL_ID_BYTES).len(), 127);
    }

    #[test]
    fn signatures_are_kept_up_to_one_more_and_one_octet_more_than_is_read() {
        let long = "a".repeat(MAX_IDENTITY_BYTES + 7);
        let text = format!("INVITE sip:h SIP/2.0\r\nIdentity: x\r\ny: {long}\r\nIDENTITY: z\r\n");
        let read = |text: &str| {
            let message = crate::message::Message::parse(format!("{text}\r\n").as_bytes());
            let kept = identities(&message.expect("readable").headers);
            kept.iter().map(|one| one.len()).collect::<Vec<_>>()
        };
        assert_eq!(read(&text), [1, MAX_IDENTITY_BYTES, 1]);
        assert_eq!(read(&text.replace("Identity: x\r\n", &"y: x\r\n".repeat(9))).len(), 5);
    }
}
