//! What a registrar's response grants.

use std::time::Duration;

use crate::message::scan::read_seconds;
use crate::message::{Message, Name, NameAddr, Uri};

/// Routes that are kept of each kind; those behind are left out.
const MAX_ROUTES: usize = 8;
/// Bindings that are looked through for ours.
const MAX_BINDINGS: usize = 64;

/// The routes that a registrar names in its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Service-Route (RFC 3608): the Route of requests through this registrar, in order.
    pub service: Vec<Uri>,
    /// Path (RFC 3327): the proxies that calls to us will come through, in order.
    pub path: Vec<Uri>,
}

/// A binding as the response has it.
pub(super) struct Granted {
    /// How long it lasts; zero when it has ended.
    pub(super) expires: Duration,
    pub(super) routes: Routes,
}

impl Granted {
    /// Reads a 2xx. The time of our own contact counts, before that of the Expires header, before
    /// what we asked for (RFC 3261 §10.2.4). Proxies change host and port of contacts; by its user
    /// part ours is known nevertheless.
    pub(super) fn read(response: &Message, contact: &Uri, asked: Duration) -> Self {
        let bindings = response.headers.items(&Name::Contact).take(MAX_BINDINGS);
        let ours = bindings
            .filter_map(|text| NameAddr::parse(text).ok())
            .filter(|binding| is_same(&binding.uri, contact))
            .max_by_key(|binding| binding.params.value("expires").and_then(read_seconds));
        let of_contact = ours.and_then(|ours| read_seconds(ours.params.value("expires")?));
        let expires = of_contact.or_else(|| seconds(response, &Name::Expires)).unwrap_or(asked);
        let routes = Routes {
            service: uris(response, &Name::ServiceRoute),
            path: uris(response, &Name::Path),
        };
        Self { expires, routes }
    }
}

fn is_same(one: &Uri, other: &Uri) -> bool {
    match other.user_raw() {
        Some(user) => one.user_raw() == Some(user),
        None => one == other,
    }
}

fn uris(response: &Message, name: &Name) -> Vec<Uri> {
    let read = response.headers.items(name).filter_map(|text| NameAddr::parse(text).ok());
    read.map(|address| address.uri).take(MAX_ROUTES).collect()
}

/// The seconds that a header begins with.
pub(super) fn seconds(response: &Message, name: &Name) -> Option<Duration> {
    read_seconds(response.headers.text(name)?)
}

/// How long a refusal asks us to wait (RFC 3261 §20.33).
pub(super) fn retry_after(response: &Message) -> Duration {
    seconds(response, &Name::RetryAfter).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Status;

    fn granted(headers: &[(Name, &str)]) -> (u64, Routes) {
        let mut response = Message::response(Status::OK);
        for (name, text) in headers {
            response.headers.add(name.clone(), *text);
        }
        let contact = Uri::parse("sip:tok3n@192.0.2.1:5060").expect("a URI");
        let granted = Granted::read(&response, &contact, Duration::from_secs(600));
        (granted.expires.as_secs(), granted.routes)
    }

    #[test]
    fn the_time_of_our_own_contact_counts_first() {
        let others = (Name::Contact, "<sip:a@h>;expires=9, \"x\" <sip:b@h>;expires=8");
        let expires = (Name::Expires, "1800");
        let ours = (Name::Contact, "<sip:tok3n@203.0.113.9:41000;x=y>;q=0.5;expires=77");
        let plain = (Name::Contact, "<sip:tok3n@192.0.2.1:5060>");
        for (headers, seconds) in [
            (vec![], 600),
            (vec![expires.clone()], 1800),
            (vec![others.clone()], 600),
            (vec![others.clone(), expires.clone(), ours.clone()], 77),
            (vec![plain.clone(), expires.clone()], 1800),
            (vec![plain.clone(), ours], 77),
            (vec![(Name::Contact, "<sip:tok3n@h>;expires=\"5\""), expires], 1800),
            (vec![(Name::Contact, "<sip:tok3n@h>;expires=0")], 0),
            (vec![(Name::Contact, "<sip:tok3n@h>;expires=99999999999")], u32::MAX.into()),
            (vec![(Name::Expires, "x")], 600),
        ] {
            assert_eq!(granted(&headers).0, seconds, "{headers:?}");
        }
    }

    #[test]
    fn routes_are_kept_in_order_and_not_without_end() {
        let service = "<sip:a.example;lr>, <sip:b.example;lr>".to_owned();
        let many = vec!["<sip:p.example;lr>"; 20].join(",");
        let headers = [(Name::ServiceRoute, &*service), (Name::Path, &*many), (Name::Path, "?")];
        let routes = granted(&headers).1;
        let texts: Vec<_> = routes.service.iter().map(Uri::as_str).collect();
        assert_eq!(texts, ["sip:a.example;lr", "sip:b.example;lr"]);
        assert_eq!(routes.path.len(), MAX_ROUTES);
    }
}
