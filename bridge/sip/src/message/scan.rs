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

/// Where the ASCII sign `wanted` stands for the first time.
pub(super) fn find(text: &str, wanted: u8) -> Option<usize> {
    debug_assert!(wanted.is_ascii(), "an octet that stands for nothing else in UTF-8");
    memchr::memchr(wanted, text.as_bytes())
}

/// Splits at the first `separator`, as [`str::split_once`] does.
pub(super) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = find(text, separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Where `wanted` stands for the first time outside quoted strings. An open quote hides the rest.
pub(crate) fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    debug_assert!(wanted.is_ascii(), "an octet that stands for nothing else in UTF-8");
    let sign = u8::try_from(wanted).ok()?;
    // What comes before any quote needs no second look.
    let at = memchr::memchr2(sign, b'"', text.as_bytes())?;
    if text.as_bytes()[at] == sign {
        return Some(at);
    }
    let (mut quoted, mut escaped) = (false, false);
    let found = text.as_bytes()[at..].iter().position(|&b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b => return !quoted && b == sign,
        }
        false
    });
    Some(at + found?)
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
    // Without a comma there is one item, whatever is quoted.
    if find(text, b',').is_none() {
        return text.len();
    }
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
///
/// They are kept as the text that was read, and read again when one is asked for: a header has few,
/// and most are never asked for.
#[derive(Clone, Debug, Default)]
pub struct Params(Box<str>);

impl Params {
    /// Reads `*( ";" name [ "=" value ] )`, blanks allowed around each sign. A semicolon at
    /// the end is passed over, and a value may be empty: phones send both.
    ///
    /// # Errors
    /// [`Malformed`] for an empty name, a stray quote or anything between parameters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        ParamsRef::parse(text).map(|params| Self(params.0.into()))
    }

    /// Names and values in order; a flag has none.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.borrow().iter()
    }

    /// The value of the first parameter of this name (in any case): `Some(None)` for a flag.
    pub fn find(&self, name: &str) -> Option<Option<&str>> {
        self.borrow().find(name)
    }

    /// The value of the first parameter of this name, unless it is empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.borrow().value(name)
    }

    /// Sets or adds `name`; `None` makes it a flag.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let mut text = String::with_capacity(self.0.len() + name.len() + 24);
        let mut is_new = true;
        for (known, old) in self.iter() {
            let is_it = is_new && known.eq_ignore_ascii_case(name);
            is_new &= !is_it;
            write_param(&mut text, known, if is_it { value } else { old });
        }
        if is_new {
            write_param(&mut text, name, value);
        }
        self.0 = text.into();
    }

    /// Takes `name` out, however often it stands there.
    pub fn remove(&mut self, name: &str) {
        if self.find(name).is_none() {
            return;
        }
        let mut text = String::with_capacity(self.0.len());
        for (known, value) in self.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name)) {
            write_param(&mut text, known, value);
        }
        self.0 = text.into();
    }

    fn borrow(&self) -> ParamsRef<'_> {
        ParamsRef(&self.0)
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Params {}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrow().fmt(f)
    }
}

fn write_param(out: &mut String, name: &str, value: Option<&str>) {
    out.push(';');
    out.push_str(name);
    if let Some(value) = value {
        out.push('=');
        out.push_str(value);
    }
}

/// [`Params`] in somebody else's text, which was read without a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParamsRef<'a>(&'a str);

impl<'a> ParamsRef<'a> {
    /// As [`Params::parse`].
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        let text = text.trim_ascii();
        let mut rest = text;
        while next_param(&mut rest)?.is_some() {}
        Ok(Self(text))
    }

    /// Parameters in a text that [`ParamsRef::parse`] has read before.
    pub(super) fn of(text: &'a str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "read before: {text}");
        Self(text)
    }

    /// Names and values in order; a flag has none.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || next_param(&mut rest).ok().flatten())
    }

    /// The value of the first parameter of this name (in any case): `Some(None)` for a flag.
    pub(super) fn find(self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The value of the first parameter of this name, unless it is empty.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        self.find(name).flatten().filter(|value| !value.is_empty())
    }
}

impl fmt::Display for ParamsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            f.write_str(";")?;
            f.write_str(name)?;
            if let Some(value) = value {
                f.write_str("=")?;
                f.write_str(value)?;
            }
        }
        Ok(())
    }
}

/// Takes one parameter off a trimmed text: `None` at its end.
fn next_param<'a>(rest: &mut &'a str) -> Result<Option<(&'a str, Option<&'a str>)>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let text = rest.strip_prefix(';').ok_or(Malformed)?.trim_ascii_start();
    if text.is_empty() {
        *rest = text;
        return Ok(None);
    }
    let end = text.bytes().position(|b| matches!(b, b';' | b'=' | b'"')).unwrap_or(text.len());
    let name = text[..end].trim_ascii_end();
    if name.is_empty() || name.bytes().any(|b| matches!(b, b' ' | b'\t' | b'<' | b'>' | b',')) {
        return Err(Malformed);
    }
    let Some(value) = text[end..].strip_prefix('=') else {
        *rest = &text[end..];
        return Ok(Some((name, None)));
    };
    let value = value.trim_ascii_start();
    let end = value_end(value)?;
    *rest = value[end..].trim_ascii_start();
    Ok(Some((name, Some(value[..end].trim_ascii_end()))))
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
    let ends = |b| matches!(b, b';' | b'"' | b'<' | b'>');
    let end = value.bytes().position(ends).unwrap_or(value.len());
    let trimmed = value[..end].trim_ascii_end();
    if trimmed.bytes().any(|b| matches!(b, b' ' | b'\t' | b',')) {
        return Err(Malformed);
    }
    Ok(end)
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
