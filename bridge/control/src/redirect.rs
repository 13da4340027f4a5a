//! Redirections of calls out (RFC 3261 §8.1.3.4), as far as a trunk's policy lets them be followed:
//! to the same number at another address of the same trunk, never twice to one.

use std::net::{IpAddr, SocketAddr};

use partyline_model::Number;
use partyline_sip::RedirectContact;
use partyline_sip::message::Host;

use crate::call_map::Dialling;
use crate::config::{Site, Trunk};

/// The most redirections that one call follows.
const MOST: usize = 5;

/// Notes where a call goes when `trunk`, whose addresses are known, has redirected it to `contacts`.
pub(crate) fn note(
    dialling: &mut Dialling,
    trunk: &Trunk,
    is_at: impl Fn(IpAddr) -> bool,
    contacts: &[RedirectContact],
) {
    if !trunk.routing.follow_redirects {
        return;
    }
    let number = dialling.number;
    let followed = &dialling.followed;
    let known = |address: &SocketAddr| {
        followed.contains(address)
            || trunk.destination.as_ref().and_then(Site::address) == Some(*address)
    };
    let mut next: Vec<SocketAddr> = Vec::new();
    for contact in contacts {
        let address = within(trunk, number, contact);
        let address = address.filter(|address| is_at(address.ip()) && !known(address));
        next.extend(address.filter(|address| !next.contains(address)));
    }
    dialling.redirects = next.into_iter().take(MOST.saturating_sub(followed.len())).collect();
}

/// The address of a Contact that stands for the same number and the trunk's transport.
fn within(trunk: &Trunk, number: Number, contact: &RedirectContact) -> Option<SocketAddr> {
    let hop = &contact.hop;
    let Host::Address(ip) = hop.host else { return None };
    let same_number = trunk.numbers.is_dialled(contact.user.as_deref()?, number);
    let same_way = !hop.secure && hop.transport.is_none_or(|by| by == trunk.transport);
    let port = hop.port.unwrap_or(trunk.transport.default_port());
    (same_number && same_way).then_some(SocketAddr::new(ip, port))
}
