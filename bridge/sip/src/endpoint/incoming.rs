//! What an INVITE says about its caller. Identity headers that do not parse are passed over: none
//! of them decides whether a call is taken here.

use bytes::Bytes;

use super::receive::Request;
use crate::admission::Callers;
use crate::called;
use crate::event::{DialogId, Incoming, Presentation};
use crate::message::{Headers, Name, NameAddr};

/// The longest Call-ID that is handed on.
const MAX_CALL_ID_BYTES: usize = 128;

/// The longest number by which a caller is told apart; no number is longer.
const MAX_CALLER_BYTES: usize = 64;

/// The most identities that are looked at for a number: RFC 3325 §9.1 has two.
const MAX_IDENTITIES: usize = 8;

/// Reads the caller's part of an INVITE.
pub(super) fn read(dialog: DialogId, request: &mut Request, offer: Option<Bytes>) -> Incoming {
    let headers = &request.message.headers;
    let from = &request.envelope.from;
    let from_user = from.uri.subscribers().next();
    Incoming {
        dialog,
        request_uri: request.uri.as_str().to_owned(),
        dnis_raw: request.uri.user_raw().unwrap_or_default().to_owned(),
        called: called::read(&request.uri, &request.envelope.to.uri, &request.message),
        request_host: request.uri.host().map(ToString::to_string).unwrap_or_default(),
        from_display: from.display.clone(),
        from_tag: from.tag().map(str::to_owned),
        p_asserted_identities: users(headers, &Name::PAssertedIdentity).collect(),
        presentation: presentation(headers, from, from_user.as_deref()),
        from_user,
        sip_call_id: cut(&request.envelope.call_id),
        flow: request.flow,
        offer,
        pin: request.message.pin.take(),
    }
}

/// The number by which a caller is told apart from others of the same source; `None` when it is
/// withheld.
pub(super) fn caller(request: &Request, callers: Callers) -> Option<String> {
    let Callers::ByNumber { asserted } = callers else { return None };
    let (headers, from) = (&request.message.headers, &request.envelope.from);
    let believed = || users(headers, &Name::PAssertedIdentity).next().filter(|_| asserted);
    let user = believed().or_else(|| from.uri.subscribers().next())?;
    let shown = user.len() <= MAX_CALLER_BYTES && !user.eq_ignore_ascii_case("anonymous");
    shown.then_some(user)
}

/// The users of an identity header's values, in their order, over all its lines.
fn users<'a>(headers: &'a Headers, name: &'a Name) -> impl Iterator<Item = String> {
    let values = headers.items(name).take(MAX_IDENTITIES);
    values.filter_map(|item| NameAddr::parse(item).ok()?.uri.subscribers().next())
}

/// RFC 3323 §4.2 and RFC 3325 §9.3 for the header, RFC 3261 §8.1.1.3 for the anonymous From.
fn presentation(headers: &Headers, from: &NameAddr, user: Option<&str>) -> Presentation {
    let asks = |value: &str| {
        let mut kinds = value.split([';', ',']).map(str::trim);
        kinds.any(|kind| ["id", "user", "header"].iter().any(|k| kind.eq_ignore_ascii_case(k)))
    };
    let anonymous = |text: &str| text.trim().eq_ignore_ascii_case("anonymous");
    if headers.all(&Name::Privacy).any(|value| asks(value.as_str()))
        || user.is_some_and(anonymous)
        || from.display.as_deref().is_some_and(anonymous)
    {
        Presentation::Restricted
    } else if user.is_none() {
        Presentation::Unavailable
    } else {
        Presentation::Allowed
    }
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

    fn presentation_of(from: &str, privacy: &str) -> Presentation {
        let mut headers = Headers::default();
        headers.add(Name::Privacy, privacy);
        let from = NameAddr::parse(from).expect("an address");
        presentation(&headers, &from, from.uri.user().as_deref())
    }

    #[test]
    fn privacy_and_anonymous_callers_are_restricted() {
        assert_eq!(presentation_of("<sip:416@h>", "none"), Presentation::Allowed);
        assert_eq!(presentation_of("<sip:416@h>", "critical; ID"), Presentation::Restricted);
        let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
        assert_eq!(presentation_of(anonymous, ""), Presentation::Restricted);
        assert_eq!(presentation_of("<sip:h>", ""), Presentation::Unavailable);
    }

    #[test]
    fn long_call_ids_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&format!("{}é", "a".repeat(127))).len(), 127);
    }
}
