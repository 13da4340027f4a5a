//! The comma list that challenges and credentials are written in: a scheme, then its parameters,
//! and perhaps another scheme (RFC 7235 §2.1). One pass from left to right.

use crate::message::scan::{Malformed, is_token, quoted_end, split_list};

/// One piece of the list between two commas.
pub(super) enum Piece<'a> {
    /// A scheme, and the parameter behind it, where there is one.
    Scheme(&'a str, Option<Result<Param<'a>, Malformed>>),
    /// A further parameter of the scheme before.
    Param(Result<Param<'a>, Malformed>),
}

/// `name = value`.
///
/// A quoted value comes without its quotes and with its escapes: digests are made over that
/// (`unq` in RFC 7616 §3.4), and it can be quoted again as it is.
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

impl Param<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The pieces of a header value; empty ones are passed over.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    split_list(text).filter(|item| !item.is_empty()).map(|item| {
        let end = item.find([' ', '\t', '=']).unwrap_or(item.len());
        let rest = item[end..].trim_start();
        if rest.starts_with('=') {
            return Piece::Param(param(item));
        }
        Piece::Scheme(&item[..end], (!rest.is_empty()).then(|| param(rest)))
    })
}

fn param(text: &str) -> Result<Param<'_>, Malformed> {
    let (name, value) = text.split_once('=').ok_or(Malformed)?;
    let (name, value) = (name.trim_end(), value.trim());
    let value = if value.starts_with('"') {
        if quoted_end(value)? != value.len() {
            return Err(Malformed);
        }
        &value[1..value.len() - 1]
    } else if value.contains([' ', '\t', '"']) {
        return Err(Malformed);
    } else {
        value
    };
    if is_token(name) { Ok(Param { name, value }) } else { Err(Malformed) }
}

/// `text` fit to stand between quotes as it is: no quote and no control character, and each
/// backslash before another character.
pub(super) fn is_quotable(text: &str) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        match c {
            c if c.is_control() => return false,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let show = |param: Result<Param<'_>, Malformed>| match param {
            Ok(param) => format!("{}={}", param.name, param.value),
            Err(Malformed) => "?".to_owned(),
        };
        let shown = pieces(text).map(|piece| match piece {
            Piece::Scheme(scheme, param) => {
                format!("[{scheme}]{}", param.map(show).unwrap_or_default())
            }
            Piece::Param(param) => show(param),
        });
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn several_schemes_stand_in_one_list() {
        let cases = [
            (r#"Digest realm="a, \"b\"",nonce=x"#, r#"[Digest]realm=a, \"b\"|nonce=x"#),
            ("Digest a = \"b\" , c\t=d,, e=", "[Digest]a=b|c=d|e="),
            ("Basic realm=\"r\", Digest  a=b, Negotiate", "[Basic]realm=r|[Digest]a=b|[Negotiate]"),
            ("Negotiate YII==, Digest a=b", "[Negotiate]YII==|[Digest]a=b"),
            ("Digest a=\"b, c=d", "[Digest]?"),
            ("Digest a=\"b\"c, d=e f,=g, h@=i", "[Digest]?|?|?|?"),
            ("", ""),
            (", ,", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_could_leave_its_quotes_is_not_quotable() {
        for good in ["", "a b", r"a\\", r#"\""#, "é"] {
            assert!(is_quotable(good), "{good}");
        }
        for bad in ["\"", "a\\", r#"\\""#, "a\r", "\0"] {
            assert!(!is_quotable(bad), "{bad}");
        }
    }
}
