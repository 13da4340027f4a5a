//! What a refusal of a call of ours says beside its status.

use std::cmp::Reverse;

use super::Endpoint;
use super::outgoing::Purpose;
use crate::event::{Event, RedirectContact, RefusalTerms};
use crate::message::scan::read_seconds;
use crate::message::{Message, Name, NameAddr, Scheme, Status};
use crate::transaction::RequestId;

/// The most Contacts of a redirection that are read.
const MOST_CONTACTS: usize = 16;

impl Endpoint {
    /// Reports what else the refusal of a call says, where it says anything. The end of the call is
    /// reported after it.
    pub(super) fn report_terms(&mut self, request: RequestId, status: Status, refusal: &Message) {
        let purpose = self.outgoing.get(&request).map(|outgoing| outgoing.purpose);
        let Some(Purpose::Dial(dialog)) = purpose else { return };
        if self.dialogs.get(&dialog).is_none_or(|dialog| dialog.state.has_ended()) {
            return;
        }
        let retry_after = refusal.headers.text(&Name::RetryAfter).and_then(read_seconds);
        let redirects = (300..400).contains(&status.code());
        let contacts = if redirects { contacts(refusal) } else { Vec::new() };
        if retry_after.is_some() || !contacts.is_empty() {
            let terms = RefusalTerms { status, retry_after, contacts };
            self.emit(Event::Terms { dialog, terms });
        }
    }
}

/// The Contacts of a redirection that can be called, by their q, those of one q as they stand.
fn contacts(refusal: &Message) -> Vec<RedirectContact> {
    let items = refusal.headers.items(&Name::Contact).take(MOST_CONTACTS);
    let read = items.filter_map(|item| NameAddr::parse(item).ok()).filter_map(|contact| {
        let uri = &contact.uri;
        let fits = uri.scheme() == Scheme::Sip && !uri.has_headers();
        let hop = uri.next_hop().filter(|_| fits)?;
        let likely = contact.params.value("q").map_or(Some(1000), thousandths)?;
        Some((likely, RedirectContact { user: uri.user(), hop }))
    });
    let mut contacts: Vec<_> = read.collect();
    contacts.sort_by_key(|(likely, _)| Reverse(*likely));
    contacts.into_iter().map(|(_, contact)| contact).collect()
}

/// A q value (RFC 3261 §25.1: 0 to 1 with three decimals) in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_q_has_three_decimals_from_nought_to_one() {
        let read = ["0", "0.5", "0.05", "0.123", "1", "1.0", "1.000"].map(thousandths);
        assert_eq!(read, [0, 500, 50, 123, 1000, 1000, 1000].map(Some));
        for text in ["", ".5", "1.001", "2", "0.1234", "0.5x", "-0", "1e0"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn contacts_come_by_their_q_and_those_that_cannot_be_called_do_not() {
        let mut refusal = Message::response(Status::new(302).expect("a status"));
        refusal.headers.add(Name::Contact, "<sip:a@192.0.2.1>;q=0.2, <sip:b@192.0.2.2:5070>");
        refusal.headers.add(Name::Contact, "<sip:c@192.0.2.3>;q=0.9, <mailto:d@example.com>, x");
        refusal.headers.add(Name::Contact, "<sip:e@192.0.2.4?Replaces=x>, <tel:+14165550100>");
        let users = contacts(&refusal).into_iter().map(|contact| contact.user.unwrap_or_default());
        assert_eq!(users.collect::<Vec<_>>(), ["b", "c", "a"]);
    }
}
