//! `name-addr` and `addr-spec`: From, To, Contact, Route and the identity headers.

use super::scan::{Malformed, Params, quoted_end, unquote};
use super::uri::Uri;

/// A display name, a URI and header parameters (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, quotes and escapes resolved; `None` when absent or empty.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// What follows the address; the tag is here.
    pub params: Params,
}

impl NameAddr {
    /// Reads one address, not a list.
    ///
    /// # Errors
    /// [`Malformed`] for an open quote or bracket, blanks inside the brackets, a comma in an
    /// unquoted name, and a bare URI with `?` (which needs brackets).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let (display, rest) = if text.starts_with('"') {
            let end = quoted_end(text)?;
            let rest = text[end..].trim_start().strip_prefix('<').ok_or(Malformed)?;
            (unquote(&text[..end]), rest)
        } else if let Some((display, rest)) = text.split_once('<') {
            let display = display.trim_end();
            if display.contains(['"', ',', ';', '>']) {
                return Err(Malformed);
            }
            (display.to_owned(), rest)
        } else {
            return Self::parse_bare(text);
        };
        let (uri, params) = rest.split_once('>').ok_or(Malformed)?;
        Ok(Self {
            display: Some(display).filter(|d| !d.is_empty()),
            uri: Uri::parse(uri)?,
            params: Params::parse(params)?,
        })
    }

    /// Without brackets, parameters belong to the header and not to the URI.
    fn parse_bare(text: &str) -> Result<Self, Malformed> {
        let end = text.find(';').unwrap_or(text.len());
        let uri = text[..end].trim_end();
        if uri.contains([',', '?']) {
            return Err(Malformed);
        }
        Ok(Self { display: None, uri: Uri::parse(uri)?, params: Params::parse(&text[end..])? })
    }

    /// The tag (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&str> {
        self.params.value("tag")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_phones_send() {
        let cases = [
            (r#""A \"B\" C" <sip:a@h;x=y>;tag=1"#, Some("A \"B\" C"), "sip:a@h;x=y", Some("1")),
            ("sip:a@h;tag=2", None, "sip:a@h", Some("2")),
            ("caller<sip:a@h>", Some("caller"), "sip:a@h", None),
            ("A. Bell  <sip:a@h> ; tag = 3", Some("A. Bell"), "sip:a@h", Some("3")),
            ("<tel:+14165550100>", None, "tel:+14165550100", None),
            (r#""" <sip:a@h>"#, None, "sip:a@h", None),
        ];
        for (text, display, uri, tag) in cases {
            let got = NameAddr::parse(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(got.display.as_deref(), display);
            assert_eq!((got.uri.as_str(), got.tag()), (uri, tag));
        }
    }

    #[test]
    fn refuses_open_quotes_brackets_and_bare_commas() {
        for bad in [
            r#""A <sip:a@h>"#,
            "<sip:a@h",
            "< sip:a@h >",
            "Bell, A <sip:a@h>",
            "sip:a@h?x=y",
            "",
            r#""A" sip:a@h"#,
            "<sip:a@h>;;;",
        ] {
            assert_eq!(NameAddr::parse(bad), Err(Malformed), "{bad}");
        }
    }
}
