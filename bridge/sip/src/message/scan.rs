//! The lexical ground of RFC 3261 §25.1 that every header shares: tokens, quoted strings, comma
//! lists and parameters. Each function reads its text once, from left to right.

use std::fmt;
use std::time::Duration;

/// A header, URI or start line does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text does not follow the grammar of RFC 3261 section 25")
    }
}

impl std::error::Error for Malformed {}

/// Whether `text` is a non-empty `token`.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(super) fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b)
}

/// The end of the quoted string that `text` begins with, one past its closing quote.
pub(crate) fn quoted_end(text: &str) -> Result<usize, Malformed> {
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(at + 1),
            _ => {}
        }
    }
    Err(Malformed)
}

/// The contents of a quoted string (quotes included in `text`), escapes resolved.
pub(crate) fn unquote(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// `text` as a quoted string: quotes and backslashes escaped, line breaks made spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Where `wanted` stands for the first time outside quoted strings. An open quote hides the rest.
pub(crate) fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    debug_assert!(wanted.is_ascii(), "an octet that stands for nothing else in UTF-8");
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b => return !quoted && char::from(b) == wanted,
        }
        false
    })
}

/// Splits at the first `separator` outside quoted strings, as [`str::split_once`] does anywhere.
pub(crate) fn split_once_unquoted(text: &str, separator: char) -> Option<(&str, &str)> {
    let at = find_unquoted(text, separator)?;
    Some((&text[..at], &text[at + separator.len_utf8()..]))
}

/// Splits a comma list outside quotes and angle brackets; items come trimmed, empty ones too.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = list_item_end(text);
        rest = text.get(end + 1..);
        Some(text[..end].trim())
    })
}

fn list_item_end(text: &str) -> usize {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => return at,
            _ => {}
        }
    }
    text.len()
}

/// Parameters in the order they came: `;name` or `;name=value`. Values keep their quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(Box<str>, Option<Box<str>>)>);

impl Params {
    /// Reads `*( ";" name [ "=" value ] )`, blanks allowed around each sign. A semicolon at
    /// the end is passed over, and a value may be empty: phones send both.
    ///
    /// # Errors
    /// [`Malformed`] for an empty name, a stray quote or anything between parameters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut params = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            rest = rest.strip_prefix(';').ok_or(Malformed)?.trim_start();
            let end = rest.find([';', '=', '"']).unwrap_or(rest.len());
            let name = rest[..end].trim_end();
            if rest.is_empty() {
                break;
            }
            if name.is_empty() || name.contains([' ', '\t', '<', '>', ',']) {
                return Err(Malformed);
            }
            rest = &rest[end..];
            let Some(value) = rest.strip_prefix('=') else {
                params.push((name.into(), None));
                continue;
            };
            let value = value.trim_start();
            let end = value_end(value)?;
            params.push((name.into(), Some(value[..end].trim_end().into())));
            rest = value[end..].trim_start();
        }
        Ok(Self(params))
    }

    /// Names and values in order; a flag has none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_deref()))
    }

    /// The value of the first parameter of this name (in any case): `Some(None)` for a flag.
    pub fn find(&self, name: &str) -> Option<Option<&str>> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_deref())
    }

    /// The value of the first parameter of this name, unless it is empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.find(name).flatten().filter(|value| !value.is_empty())
    }

    /// Sets or adds `name`; `None` makes it a flag.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        let value = value.map(String::into_boxed_str);
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// Takes `name` out, however often it stands there.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }
}

fn value_end(value: &str) -> Result<usize, Malformed> {
    if value.starts_with('"') {
        return quoted_end(value);
    }
    // `+sip.instance=<urn:uuid:...>`, whose quotes some phones forget.
    if value.starts_with('<') {
        let end = value.find(['>', '"']).ok_or(Malformed)?;
        return if value[end..].starts_with('>') { Ok(end + 1) } else { Err(Malformed) };
    }
    let end = value.find([';', '"', '<', '>']).unwrap_or(value.len());
    let trimmed = value[..end].trim_end();
    if trimmed.contains([' ', '\t', ',']) {
        return Err(Malformed);
    }
    Ok(end)
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// Decimal digits, and what stands behind them after another sign; too large a number is the
/// largest (RFC 3261 §20.19: up to 2^32-1).
pub(crate) fn read_seconds(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).filter(|digits| !digits.is_empty())?;
    let seconds: u32 = digits.parse().unwrap_or(u32::MAX);
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let items: Vec<_> = split_list(r#""a, \"b" <sip:x,y@z>, c ,d"#).collect();
        assert_eq!(items, [r#""a, \"b" <sip:x,y@z>"#, "c", "d"]);
        assert_eq!(split_list("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn quoting_goes_both_ways() {
        for text in ["", "plain", r#"say "hi" \ bye"#] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote("a\r\nVia: x"), "\"a  Via: x\"");
    }

    #[test]
    fn parameters_keep_order_and_ignore_case() {
        let params = Params::parse(r#" ; Tag = a1 ;lr; q="0;5""#);
        let params = params.unwrap_or_default();
        assert_eq!(params.value("tag"), Some("a1"));
        assert_eq!(params.find("LR"), Some(None));
        assert_eq!(params.value("q"), Some("\"0;5\""));
        assert_eq!(params.to_string(), ";Tag=a1;lr;q=\"0;5\"");
        for bad in [";;", ";;a", ";a;;b", ";=x", ";a=\"", "a", ";a=b c", ";a=,"] {
            assert_eq!(Params::parse(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn an_empty_value_and_a_last_semicolon_are_no_fault() {
        for (text, written) in [
            ("", ""),
            (";", ""),
            (" ;lr ; ", ";lr"),
            (";lr=", ";lr="),
            (";rport= ;branch=x;ttl=", ";rport=;branch=x;ttl="),
        ] {
            let params = Params::parse(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(params.to_string(), written);
        }
        let params = Params::parse(";tag=;lr=").unwrap_or_default();
        assert_eq!((params.value("tag"), params.find("lr")), (None, Some(Some(""))));
    }

    #[test]
    fn quotes_hide_the_signs_within() {
        assert_eq!(find_unquoted(r#"a;b="<\"<>";c=<"#, '<'), Some(14));
        assert_eq!(find_unquoted(r#""<"#, '<'), None);
        assert_eq!(split_once_unquoted(r#"x="@"é@y"#, '@'), Some((r#"x="@"é"#, "y")));
    }
}
