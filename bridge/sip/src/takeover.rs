//! Replaces and Join: an INVITE that is about a dialog of ours (RFC 3891, RFC 3911).
//!
//! Read here, and no more: which dialog it names is looked up when the node has found that the caller
//! may know (`endpoint/takeover.rs`).

use std::borrow::Cow;

use crate::event::DialogId;
use crate::message::{Headers, Name, Params, Value, scan, unescape};

/// The tag of who understands Replaces (RFC 3891 §6.2).
pub(crate) const REPLACES: &str = "replaces";
/// The tag of who understands Join (RFC 3911 §7.2).
pub(crate) const JOIN: &str = "join";
/// The longest of either header, in octets.
const MAX_OCTETS: usize = 1024;

/// A dialog of ours that an INVITE is about, as the INVITE names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// What is to become of the dialog.
    pub aim: Aim,
    /// The Call-ID of the dialog.
    pub call_id: Box<str>,
    /// Our tag.
    pub to_tag: Box<str>,
    /// The tag of the far end.
    pub from_tag: Box<str>,
}

/// What an INVITE wants of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The new call takes the place of the dialog, which ends.
    Replace {
        /// Only while the dialog is not answered.
        early_only: bool,
    },
    /// The new call comes beside the dialog.
    Join,
}

/// Why a dialog cannot be taken over or joined: what its INVITE is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// No dialog has these names, or the one that has is not answered: 481.
    NoDialog,
    /// The dialog is over: 603, for whom it concerns.
    Over(DialogId),
    /// The dialog is answered, and was to be replaced before that only: 486, for whom it concerns.
    Answered(DialogId),
}

/// Whether a message is about another dialog.
pub(crate) fn is_in(headers: &Headers) -> bool {
    headers.first(&Name::Replaces).is_some() || headers.first(&Name::Join).is_some()
}

/// The dialog that an INVITE is about.
///
/// # Errors
/// What is wrong: two dialogs, or a header that does not follow the grammar. Both are a 400
/// (RFC 3891 §3, RFC 3911 §4).
pub(crate) fn read(headers: &Headers) -> Result<Option<Takeover>, &'static str> {
    let mut named = headers.all(&Name::Replaces).map(|value| (true, value));
    let mut joined = headers.all(&Name::Join).map(|value| (false, value));
    let first = named.next().or_else(|| joined.next());
    if named.next().or_else(|| joined.next()).is_some() {
        return Err("Replaces And Join Name One Dialog");
    }
    let Some((replaces, value)) = first else { return Ok(None) };
    let read = parse(value, replaces);
    read.map(Some).ok_or(if replaces { "Malformed Replaces" } else { "Malformed Join" })
}

/// `callid *( ";" param )` with one to-tag and one from-tag.
fn parse(value: &Value, replaces: bool) -> Option<Takeover> {
    let text = value.as_str();
    if text.len() > MAX_OCTETS {
        return None;
    }
    // Of a Refer-To, where its signs are escaped, some copy it as it stands there.
    let text = if text.contains(';') { Cow::Borrowed(text) } else { Cow::Owned(unescape(text)) };
    let (call_id, params) = text.split_at(text.find(';')?);
    let call_id = call_id.trim_ascii();
    if call_id.is_empty() || !call_id.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return None;
    }
    let params = Params::parse(params).ok()?;
    let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
    for (name, value) in params.iter() {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let tag = if is("to-tag") {
            &mut to_tag
        } else if is("from-tag") {
            &mut from_tag
        } else {
            early_only |= replaces && is("early-only");
            continue;
        };
        let value = value.filter(|value| scan::is_token(value))?;
        if tag.replace(Box::from(value)).is_some() {
            return None;
        }
    }
    let aim = if replaces { Aim::Replace { early_only } } else { Aim::Join };
    Some(Takeover { aim, call_id: call_id.into(), to_tag: to_tag?, from_tag: from_tag? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn read_in(headers: &str) -> Result<Option<Takeover>, &'static str> {
        let text = format!("INVITE sip:h SIP/2.0\r\n{headers}\r\n\r\n");
        let message = Message::parse(text.as_bytes()).expect("readable");
        read(&message.headers)
    }

    fn named(aim: Aim, call_id: &str, to: &str, from: &str) -> Takeover {
        Takeover { aim, call_id: call_id.into(), to_tag: to.into(), from_tag: from.into() }
    }

    #[test]
    fn a_dialog_is_named_in_every_form_of_either_header() {
        let replace = |early_only| Aim::Replace { early_only };
        for (headers, expected) in [
            ("Replaces: a@h;to-tag=1;from-tag=2", named(replace(false), "a@h", "1", "2")),
            (
                "replaces:\ta@h ; From-Tag = 2;\r\n TO-TAG\r\n =1 ;EARLY-only",
                named(replace(true), "a@h", "1", "2"),
            ),
            (
                "Replaces: <\"a\">?{x}@[h];from-tag=2;to-tag=1;x=\"y;to-tag=3\";z;",
                named(replace(false), "<\"a\">?{x}@[h]", "1", "2"),
            ),
            (
                "Replaces: a%40h%3Bto-tag%3D1%3bfrom-tag%3D2%3Bearly-only",
                named(replace(true), "a@h", "1", "2"),
            ),
            ("Replaces: a%40h;to-tag=0;from-tag=0", named(replace(false), "a%40h", "0", "0")),
            ("JOIN: a@h;to-tag=1;from-tag=2;early-only", named(Aim::Join, "a@h", "1", "2")),
        ] {
            assert_eq!(read_in(headers), Ok(Some(expected)), "{headers}");
        }
        assert_eq!(read_in("Supported: replaces, join"), Ok(None));
    }

    #[test]
    fn what_names_no_dialog_or_two_is_malformed() {
        let long = format!("Replaces: {};to-tag=1;from-tag=2", "a".repeat(1024));
        for headers in [
            "Replaces: ",
            "Replaces: a@h",
            "Replaces: a@h;to-tag=1",
            "Replaces: a@h;from-tag=1",
            "Replaces: ;to-tag=1;from-tag=2",
            "Replaces: a b;to-tag=1;from-tag=2",
            "Replaces: a@h;to-tag=1;from-tag=",
            "Replaces: a@h;to-tag=1;from-tag",
            "Replaces: a@h;to-tag=1;from-tag=\"2\"",
            "Replaces: a@h;to-tag=1;from-tag=2;to-tag=1",
            "Replaces: a@h;to-tag=1;from-tag=2;FROM-TAG=2",
            "Replaces: a@h;to-tag=1;from-tag=2;;",
            "Replaces: a@h;to-tag=1;from-tag=2, b@h;to-tag=3;from-tag=4",
            "Replaces: a@h%3Bto-tag%3D1%3Bfrom-tag%3",
            "Replaces: a@h;to-tag=1;from-tag=2\r\nReplaces: a@h;to-tag=1;from-tag=2",
            "Join: a@h;to-tag=1;from-tag=2\r\nReplaces: a@h;to-tag=1;from-tag=2",
            "Join: a@h;to-tag=1;from-tag=2\r\njoin: b@h;to-tag=1;from-tag=2",
            "Join: a@h;to-tag=1",
            long.as_str(),
        ] {
            assert!(read_in(headers).is_err(), "{headers}");
        }
    }

    #[test]
    fn a_header_of_many_parameters_costs_its_octets() {
        let many = format!("Replaces: a@h;to-tag=1;from-tag=2{}", ";x".repeat(480));
        assert!(matches!(read_in(&many), Ok(Some(_))));
    }
}
