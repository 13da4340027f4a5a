//! Addresses, URIs and hops written anew: what routing reads, and a user part that may be shown. What
//! is not plainly one is hidden whole. Each octet is looked at a few times, whatever it is.

use std::net::{IpAddr, Ipv6Addr};

use super::{HIDDEN, SHORT};
use crate::message::scan::find_unquoted;

/// Parameters of an address header.
const OF_HEADERS: [&str; 9] =
    ["tag", "expires", "reason", "privacy", "screen", "party", "q", "index", "ob"];
/// Parameters of a URI.
const OF_URIS: [&str; 5] = ["transport", "lr", "user", "ob", "cause"];
/// Parameters of a Via.
const OF_HOPS: [&str; 5] = ["branch", "received", "rport", "alias", "keep"];

/// Writes a `name-addr` or `addr-spec` without its name.
pub(super) fn write(out: &mut String, text: &str, shows: &dyn Fn(&str) -> bool) {
    if text == "*" {
        return out.push('*');
    }
    let parts = match find_unquoted(text, '<') {
        Some(open) => {
            let rest = &text[open + 1..];
            find_unquoted(rest, '>').map(|close| (&rest[..close], &rest[close + 1..]))
        }
        None => Some(text.split_at(text.find(';').unwrap_or(text.len()))),
    };
    let Some((uri, params)) = parts else { return out.push_str(HIDDEN) };
    out.push('<');
    write_uri(out, uri.trim(), shows);
    out.push('>');
    write_params(out, params, &OF_HEADERS, usize::MAX);
}

/// Writes a URI with the user part that may be shown.
pub(super) fn write_uri(out: &mut String, text: &str, shows: &dyn Fn(&str) -> bool) {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    if is("tel") {
        let number = rest.split(';').next().unwrap_or_default();
        out.push_str("tel:");
        return out.push_str(if shows(number) { number } else { HIDDEN });
    }
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let whole = &rest[..rest.find('?').unwrap_or(rest.len())];
    let (host, params) = whole.split_at(whole.find(';').unwrap_or(whole.len()));
    if !(is("sip") || is("sips")) || !is_host(host) {
        return out.push_str(HIDDEN);
    }
    out.push_str(if is("sips") { "sips:" } else { "sip:" });
    if let Some(user) = user {
        let user = user.split([':', ';']).next().unwrap_or_default();
        let is_shown = is_plain(user) && shows(user);
        out.push_str(if is_shown { user } else { HIDDEN });
        out.push('@');
    }
    out.push_str(host);
    write_params(out, params, &OF_URIS, SHORT);
}

/// Writes one hop of a Via.
pub(super) fn write_hop(out: &mut String, text: &str) {
    let (head, params) = text.split_at(text.find(';').unwrap_or(text.len()));
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/.-_:[] \t".contains(&b);
    out.push_str(if head.bytes().all(fits) { head.trim_end() } else { HIDDEN });
    write_params(out, params, &OF_HOPS, usize::MAX);
}

/// Whether it is a host, maybe with a port. Digits that are no address stand there when a number was
/// dialled without a user part.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, port) = inner.split_once(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok()
            && is_port(port.strip_prefix(':').unwrap_or(port));
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_named = host.bytes().any(|b| b.is_ascii_alphabetic()) && host.bytes().all(fits);
    is_port(port) && (is_named || host.parse::<IpAddr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a user part or a value stands for itself: nothing is escaped or quoted in it.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"%\"<>,;\\".contains(&b))
}

/// Writes those of the parameters that are `known`, with plain values of `digits` digits at most.
fn write_params(out: &mut String, mut text: &str, known: &[&str], digits: usize) {
    while let Some(rest) = text.trim_start().strip_prefix(';') {
        let end = find_unquoted(rest, ';').unwrap_or(rest.len());
        let param = &rest[..end];
        text = &rest[end..];
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
            None => (param.trim(), None),
        };
        let fits = |value: &str| {
            let count = value.bytes().filter(u8::is_ascii_digit).count();
            is_plain(value) && count <= digits
        };
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) && value.is_none_or(fits) {
            out.push(';');
            out.push_str(name);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = String::new();
        write(&mut out, text, &|user| user == "1001");
        out
    }

    #[test]
    fn what_is_not_plainly_an_address_is_hidden() {
        for (text, shown) in [
            (
                "\"a <4711> b\" <sip:1001@h:5060;transport=tcp;x=1>;tag=a;y",
                "<sip:1001@h:5060;transport=tcp>;tag=a",
            ),
            ("sip:1001@h;tag=4711", "<sip:1001@h>;tag=4711"),
            ("sip:1001;npdi@h;tag=1", "<*>;tag=1"),
            ("<sip:1001:4711@h>", "<sip:1001@h>"),
            ("<sip:10%301@h>", "<sip:*@h>"),
            ("<sip:4711@a@h>", "<*>"),
            ("<sip:4711>", "<*>"),
            ("<sip:47.11:5060>", "<*>"),
            ("<sip:192.0.2.1:5060;lr>", "<sip:192.0.2.1:5060;lr>"),
            ("<sips:[2001:db8::1]:5061>", "<sips:[2001:db8::1]:5061>"),
            ("<sip:[4711]>", "<*>"),
            ("<sip:h;user=4711;cause=302>", "<sip:h;cause=302>"),
            ("<sip:h?X=4711>", "<sip:h>"),
            ("<tel:1001;x=4711>", "<tel:1001>"),
            ("<tel:4711>", "<tel:*>"),
            ("<http://4711>", "<*>"),
            ("<sip:h>;reason=\"no-answer\";x=\"a;tag=4711\"", "<sip:h>;reason=no-answer"),
            ("<sip:4711", "*"),
            ("4711", "<*>"),
            ("*", "*"),
            ("", "<*>"),
        ] {
            assert_eq!(written(text), shown, "{text}");
        }
        let hop = |text: &str| {
            let mut out = String::new();
            write_hop(&mut out, text);
            out
        };
        let via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK4711;x=4711;rport";
        assert_eq!(hop(via), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK4711;rport");
        assert_eq!(hop("SIP/2.0/UDP <4711>;rport"), "*;rport");
    }
}
