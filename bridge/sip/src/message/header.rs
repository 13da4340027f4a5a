//! Header names, header values as they came, and the list of both.

use std::fmt;
use std::sync::Arc;

macro_rules! names {
    ($($variant:ident $text:literal $($compact:literal)?;)*) => {
        /// A header field name (RFC 3261 §20 and extensions); compact forms are resolved.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
            /// Any other name, as it came.
            Other(Box<str>),
        }

        impl Name {
            /// The name that `text` stands for, in any case, long or compact.
            pub fn parse(text: &str) -> Self {
                $(
                    if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($compact))? {
                        return Self::$variant;
                    }
                )*
                Self::Other(text.into())
            }

            /// The long form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

names! {
    Via "Via" "v";
    From "From" "f";
    To "To" "t";
    CallId "Call-ID" "i";
    CSeq "CSeq";
    MaxForwards "Max-Forwards";
    Contact "Contact" "m";
    Route "Route";
    RecordRoute "Record-Route";
    ContentLength "Content-Length" "l";
    ContentType "Content-Type" "c";
    ContentEncoding "Content-Encoding" "e";
    ContentDisposition "Content-Disposition";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    Allow "Allow";
    Supported "Supported" "k";
    Require "Require";
    Unsupported "Unsupported";
    RetryAfter "Retry-After";
    Warning "Warning";
    Reason "Reason";
    Timestamp "Timestamp";
    UserAgent "User-Agent";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    PCalledPartyId "P-Called-Party-ID";
    RemotePartyId "Remote-Party-ID";
    Privacy "Privacy";
    Diversion "Diversion";
    HistoryInfo "History-Info";
    WwwAuthenticate "WWW-Authenticate";
    ProxyAuthenticate "Proxy-Authenticate";
    Authorization "Authorization";
    ProxyAuthorization "Proxy-Authorization";
    Expires "Expires";
    MinExpires "Min-Expires";
    Path "Path";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" "x";
    MinSe "Min-SE";
    RSeq "RSeq";
    RAck "RAck";
    ReferTo "Refer-To" "r";
    ReferSub "Refer-Sub";
    ReferredBy "Referred-By" "b";
    Replaces "Replaces";
    Join "Join";
    Event "Event" "o";
    SubscriptionState "Subscription-State";
    AllowEvents "Allow-Events" "u";
    Identity "Identity" "y";
}

/// The text of a header: unfolded, trimmed, and able to go out again byte for byte.
///
/// A value that is not UTF-8 is read as Latin-1, and written as Latin-1 again.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// Shared with the responses to a request, which repeat most of it.
    text: Arc<str>,
    charset: Charset,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
}

impl Value {
    /// A value of our own making. Line breaks become spaces: no text can add a header.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: one_line(&text.into()), charset: Charset::Utf8 }
    }

    /// Reads one logical line, already unfolded. A carriage return within it becomes a space: what
    /// we copy into a response must not end a line there.
    pub(crate) fn from_wire(bytes: &[u8]) -> Self {
        let decoded = match std::str::from_utf8(bytes) {
            Ok(text) => {
                let text = text.trim_ascii();
                Self { text: one_line(text), charset: Charset::Utf8 }
            }
            Err(_) => Self {
                charset: Charset::Latin1,
                ..Self::new(bytes.trim_ascii().iter().map(|&b| char::from(b)).collect::<String>())
            },
        };
        debug_assert!(!decoded.text.contains('\n'), "lines end there");
        decoded
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value with ASCII text put after it.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Self { text: format!("{}{suffix}", self.text).into(), charset: self.charset }
    }

    /// A part of this value, in the same character set.
    pub(crate) fn part(&self, part: &str) -> Self {
        Self { text: part.into(), charset: self.charset }
    }

    /// Appends the bytes that stand on the wire.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        match self.charset {
            Charset::Utf8 => out.extend_from_slice(self.text.as_bytes()),
            // Every character came from one byte, or is ASCII of ours.
            Charset::Latin1 => {
                out.extend(self.text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')));
            }
        }
    }
}

/// The text with a space for each sign that ends a line.
fn one_line(text: &str) -> Arc<str> {
    if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_some() {
        text.replace(['\r', '\n'], " ").into()
    } else {
        text.into()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// The header fields of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Name, Value)>);

impl Headers {
    /// None yet, and room for `fields`, so that what usually comes is put in its place once.
    pub(crate) fn with_room(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: Name, value: Value) {
        self.0.push((name, value));
    }

    /// Adds a field of our own making before all others.
    pub fn put_first(&mut self, name: Name, text: impl Into<String>) {
        self.0.insert(0, (name, Value::new(text)));
    }

    /// Adds a field of our own making at the end.
    pub fn add(&mut self, name: Name, text: impl Into<String>) {
        self.push(name, Value::new(text));
    }

    /// Puts another text in the place of the first value of `name`, where there is one.
    pub(crate) fn replace(&mut self, name: &Name, text: impl Into<String>) {
        if let Some((_, value)) = self.0.iter_mut().find(|(n, _)| n == name) {
            *value = Value::new(text);
        }
    }

    /// Adds every field of `others` at the end.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// Takes every field of `name` out.
    pub fn remove(&mut self, name: &Name) {
        self.0.retain(|(n, _)| n != name);
    }

    /// Every value of `name`, one for each header line.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v)
    }

    /// The first value of `name`.
    pub fn first(&self, name: &Name) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The text of the first value of `name`.
    pub fn text(&self, name: &Name) -> Option<&str> {
        self.first(name).map(Value::as_str)
    }

    /// The items of a comma list, across header lines, without empty ones.
    pub fn items<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|v| super::scan::split_list(v.as_str())).filter(|i| !i.is_empty())
    }

    /// Every field in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Value)> {
        self.0.iter().map(|(n, v)| (n, v))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_long_names_are_one() {
        assert_eq!(Name::parse("v"), Name::Via);
        assert_eq!(Name::parse("cALL-iD"), Name::CallId);
        assert_eq!(Name::parse("X-Thing").as_str(), "X-Thing");
    }

    #[test]
    fn latin_1_goes_out_as_it_came() {
        let value = Value::from_wire(b"\"Jos\xe9\" <sip:j@a>").with_suffix(";tag=1");
        let mut out = Vec::new();
        value.write_to(&mut out);
        assert_eq!(out, b"\"Jos\xe9\" <sip:j@a>;tag=1");
        assert!(value.as_str().starts_with("\"Jos\u{e9}\""));
    }

    #[test]
    fn no_value_adds_a_header() {
        assert_eq!(Value::from_wire(b" a\rb\xff").as_str(), "a b\u{ff}");
        assert_eq!(Value::from_wire(b" a\rb \r ").as_str(), "a b", "no blank is left at the end");
        assert_eq!(Value::new("a\r\nEvil: b").as_str(), "a  Evil: b");
    }

    #[test]
    fn every_field_of_a_name_is_taken_out_and_no_other() {
        let mut headers = Headers::default();
        for (name, text) in [(Name::Path, "a"), (Name::Route, "b"), (Name::Path, "c")] {
            headers.add(name, text);
        }
        headers.remove(&Name::Path);
        assert_eq!(headers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn items_run_across_lines() {
        let mut headers = Headers::default();
        headers.add(Name::Require, "a, b");
        headers.add(Name::Require, "c,");
        assert_eq!(headers.items(&Name::Require).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
