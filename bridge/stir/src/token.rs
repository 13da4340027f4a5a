//! One Identity header (RFC 8224 §4) and the PASSporT in it (RFC 8225), as far as it says of itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::place::Place;
use crate::verdict::{Attest, Reason};

/// The longest header that is read; those of carriers have less than 1,500 octets.
pub const LONGEST_HEADER: usize = 4096;
/// The most callees that a token may name.
const MOST_CALLEES: usize = 16;
/// The longest number, of digits, `*` and `#` (RFC 8225 §5.2.1 by way of RFC 3966).
const LONGEST_NUMBER: usize = 20;

/// What a token is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who calls, and how far the carrier vouches for it (RFC 8588).
    Shaken(Attest),
    /// That a call to this number was sent on (RFC 8946).
    Div(Box<str>),
}

/// A token that is well-formed; nothing says yet that it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passport {
    pub(crate) kind: Kind,
    /// Where the certificate is; why not, where it is nowhere that could be asked.
    pub(crate) place: Option<Place>,
    /// Seconds since 1970.
    pub(crate) issued_at: i64,
    pub(crate) caller: Box<str>,
    pub(crate) callees: Vec<Box<str>>,
    /// What is signed.
    pub(crate) input: Box<str>,
    pub(crate) signature: [u8; 64],
}

impl Passport {
    /// Reads the value of an Identity header. `Ok(None)` for a token of a kind that is not read here:
    /// RFC 8224 §6.2 has it passed over.
    ///
    /// # Errors
    /// Why the header is worth nothing.
    pub fn read(header: &str) -> Result<Option<Self>, Reason> {
        if header.len() > LONGEST_HEADER {
            return Err(Reason::TooLarge);
        }
        let mut parts = header.split(';').map(str::trim);
        let token = parts.next().unwrap_or_default();
        let params = Params::read(parts)?;
        let mut pieces = token.split('.');
        let (Some(head), Some(body), Some(signature), None) =
            (pieces.next(), pieces.next(), pieces.next(), pieces.next())
        else {
            return Err(Reason::Malformed);
        };
        if head.is_empty() && body.is_empty() {
            // The compact form, which SHAKEN does not use (RFC 8588 §3).
            return Ok(None);
        }
        let head = object(head)?;
        let text = |key: &str| head.get(key).and_then(Value::as_str);
        if !text("typ").is_some_and(|typ| typ.eq_ignore_ascii_case("passport")) {
            return Err(Reason::Malformed);
        }
        if text("alg") != Some("ES256") || params.alg.is_some_and(|alg| alg != "ES256") {
            return Err(Reason::Algorithm);
        }
        let kind = text("ppt");
        if params.ppt.is_some_and(|ppt| Some(ppt) != kind) || head.contains_key("crit") {
            return Err(Reason::Malformed);
        }
        let Some(kind @ ("shaken" | "div")) = kind else { return Ok(None) };
        let body = object(body)?;
        let kind = match kind {
            "shaken" => Kind::Shaken(attest(&body)?),
            _ => Kind::Div(number(body.get("div").and_then(|div| div.get("tn")))?),
        };
        // Both say where it is, and have to agree (RFC 8224 §4).
        let place = text("x5u").filter(|x5u| params.info == Some(*x5u)).and_then(Place::parse);
        let input = token.rsplit_once('.').map(|(input, _)| input).unwrap_or_default();
        Ok(Some(Self {
            kind,
            place,
            issued_at: body.get("iat").and_then(Value::as_i64).ok_or(Reason::Malformed)?,
            caller: number(body.get("orig").and_then(|orig| orig.get("tn")))?,
            callees: callees(&body)?,
            input: input.into(),
            signature: octets(signature)?.try_into().map_err(|_| Reason::Malformed)?,
        }))
    }

    /// Where its certificate is.
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

/// The parameters behind the token.
#[derive(Default)]
struct Params<'a> {
    info: Option<&'a str>,
    alg: Option<&'a str>,
    ppt: Option<&'a str>,
}

impl<'a> Params<'a> {
    fn read(parts: impl Iterator<Item = &'a str>) -> Result<Self, Reason> {
        let mut params = Self::default();
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            let place = if name.eq_ignore_ascii_case("info") {
                &mut params.info
            } else if name.eq_ignore_ascii_case("alg") {
                &mut params.alg
            } else if name.eq_ignore_ascii_case("ppt") {
                &mut params.ppt
            } else {
                continue;
            };
            let bare = |open, close| value.strip_prefix(open)?.strip_suffix(close);
            let value = bare('<', '>').or_else(|| bare('"', '"')).unwrap_or(value);
            if place.replace(value).is_some() {
                return Err(Reason::Malformed);
            }
        }
        Ok(params)
    }
}

fn octets(text: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Reason::Malformed)
}

fn object(text: &str) -> Result<serde_json::Map<String, Value>, Reason> {
    match serde_json::from_slice(&octets(text)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Reason::Malformed),
    }
}

fn attest(body: &serde_json::Map<String, Value>) -> Result<Attest, Reason> {
    // RFC 8588 §3 has both in every token.
    let origid = body.get("origid").and_then(Value::as_str);
    let attest = body.get("attest").and_then(Value::as_str).and_then(Attest::of_letter);
    attest.filter(|_| origid.is_some_and(|id| !id.is_empty())).ok_or(Reason::Malformed)
}

/// A canonical number (RFC 8224 §8.3): no plus and no separators.
fn number(value: Option<&Value>) -> Result<Box<str>, Reason> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    let fits = |b: u8| b.is_ascii_digit() || matches!(b, b'*' | b'#');
    let is_number = (1..=LONGEST_NUMBER).contains(&text.len()) && text.bytes().all(fits);
    if is_number { Ok(text.into()) } else { Err(Reason::Malformed) }
}

fn callees(body: &serde_json::Map<String, Value>) -> Result<Vec<Box<str>>, Reason> {
    let listed = body.get("dest").and_then(|dest| dest.get("tn")).and_then(Value::as_array);
    match listed.map(Vec::as_slice) {
        Some([]) | None => Err(Reason::Malformed),
        Some(list) if list.len() > MOST_CALLEES => Err(Reason::TooLarge),
        Some(list) => list.iter().map(|one| number(Some(one))).collect(),
    }
}
