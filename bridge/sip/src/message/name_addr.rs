//! `name-addr` and `addr-spec`: From, To, Contact, Route and the identity headers.

use super::scan::{
    Malformed, Params, find, find_unquoted, quoted_end, split_once_unquoted, unquote,
};
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
    /// [`Malformed`] for an open quote or bracket, blanks inside the URI, and a bare URI with `?` or
    /// a comma (which needs brackets).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim_ascii();
        let (display, rest) = if text.starts_with('"') {
            let end = quoted_end(text)?;
            let rest = text[end..].trim_ascii_start().strip_prefix('<').ok_or(Malformed)?;
            (unquote(&text[..end]), rest)
        } else if let Some((display, rest)) = split_once_unquoted(text, '<') {
            let display = display.trim_ascii_end();
            // The bracket of a parameter's value: `sip:a@h;+sip.instance=<urn:uuid:1>`.
            if display.ends_with('=') && find(display, b';').is_some() {
                return Self::parse_bare(text);
            }
            // A name with a comma or semicolon wants quotes, and yet it is a name.
            if memchr::memchr2(b'"', b'>', display.as_bytes()).is_some() {
                return Err(Malformed);
            }
            (display.to_owned(), rest)
        } else {
            return Self::parse_bare(text);
        };
        let (uri, params) = split_once_unquoted(rest, '>').ok_or(Malformed)?;
        Ok(Self {
            display: Some(display).filter(|d| !d.is_empty()),
            uri: Uri::parse(uri.trim_ascii())?,
            params: Params::parse(params)?,
        })
    }

    /// Without brackets, parameters belong to the header and not to the URI (RFC 3261 §20.10). A
    /// semicolon before an `@` is still the user part's, as in `sip:7000;npdi@h;tag=1`: no header
    /// parameter has an `@` outside quotes.
    fn parse_bare(text: &str) -> Result<Self, Malformed> {
        let end = find(text, b';').unwrap_or(text.len());
        let host = find_unquoted(text, '@').filter(|at| *at > end);
        let longer = host.map(|at| text[at..].find(';').map_or(text.len(), |more| at + more));
        let read = |end: usize| {
            let uri = text[..end].trim_end();
            if uri.contains([',', '?']) { Err(Malformed) } else { Ok((Uri::parse(uri)?, end)) }
        };
        let (uri, end) = longer.map_or(Err(Malformed), read).or_else(|_| read(end))?;
        Ok(Self { display: None, uri, params: Params::parse(&text[end..])? })
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
            // Bare, with a `<` in a quoted parameter.
            (
                r#"sip:a@10.0.0.1:5094;+sip.instance="<urn:gsma:imei:35548888-144050-0>";tag=4"#,
                None,
                "sip:a@10.0.0.1:5094",
                Some("4"),
            ),
            (r#"<sip:a@h;x="a>b,;">;tag=5"#, None, r#"sip:a@h;x="a>b,;""#, Some("5")),
            (r#"sip:a@h;x="<";y=">";tag=6"#, None, "sip:a@h", Some("6")),
            ("sip:7000;npdi@h;tag=7", None, "sip:7000;npdi@h", Some("7")),
            (r#"sip:h;x="a@b";tag=8"#, None, "sip:h", Some("8")),
            ("sip:@h;tag=9", None, "sip:@h", Some("9")),
            ("<sip:a@h;lr=>;tag=10;", None, "sip:a@h;lr=", Some("10")),
            ("<sip:a@h>;tag=", None, "sip:a@h", None),
            ("< sip:a@h >;tag=11", None, "sip:a@h", Some("11")),
            ("Bell, A <sip:a@h>;tag=12", Some("Bell, A"), "sip:a@h", Some("12")),
            ("Pat; home <sip:a@h>;tag=13", Some("Pat; home"), "sip:a@h", Some("13")),
            ("<sip:a@h>;+sip.instance=<urn:uuid:1>;tag=14", None, "sip:a@h", Some("14")),
            ("sip:a@h;+sip.instance=<urn:uuid:1>;tag=15", None, "sip:a@h", Some("15")),
            ("<sip:100%@h>;tag=16", None, "sip:100%@h", Some("16")),
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
            "<sip:a @h>",
            "Bell, A sip:a@h",
            "sip:a@h;x=<y",
            "<sip:a@h>;x=<y\">",
            "<>",
            "sip:a@h?x=y",
            "",
            r#""A" sip:a@h"#,
            "<sip:a@h>;;;",
            r#"<sip:a@h;x=">"#,
            r#"sip:a@h;x="<"#,
            "sip:h,i;x=a@b",
        ] {
            assert_eq!(NameAddr::parse(bad), Err(Malformed), "{bad}");
        }
    }
}
