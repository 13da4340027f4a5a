//! What an INVITE says, as the node is told it.

use bytes::Bytes;

use super::receive::Request;
use crate::admission::Callers;
use crate::event::{DialogId, Incoming};
use crate::{called, caller};

/// The longest Call-ID that is handed on.
const MAX_CALL_ID_BYTES: usize = 128;

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
        sip_call_id: cut(&request.envelope.call_id),
        flow: request.flow,
        offer,
        pin: request.message.pin.take(),
        user: None,
    }
}

/// The number by which a caller is told apart from others of the same source; `None` when it is
/// withheld.
pub(super) fn caller(request: &Request, callers: Callers) -> Option<String> {
    let Callers::ByNumber(places) = callers else { return None };
    caller::number(&request.envelope.from, &request.message.headers, places)
}

fn cut(call_id: &str) -> String {
    let mut end = call_id.len().min(MAX_CALL_ID_BYTES);
    while !call_id.is_char_boundary(end) {
        end -= 1;
    }
    call_id[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_call_ids_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&format!("{}é", "a".repeat(127))).len(), 127);
    }
}
