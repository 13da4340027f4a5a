//! The answer of a peer to a challenge of ours (RFC 3261 §20.7, §20.28; RFC 7616 §3.4).

use super::algorithm::Algorithm;
use super::params::{Param, Piece, pieces};
use crate::message::scan::Malformed;

/// More parameters than any answer has.
const MAX_PARAMS: usize = 24;

/// An answer as it came, complete and with nothing twice.
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    pub(super) uri: &'a str,
    pub(super) response: &'a str,
    /// `None` for an algorithm that we do not speak.
    pub(super) algorithm: Option<Algorithm>,
    /// The count as it came and as a number, and the cnonce: with `qop=auth`.
    pub(super) protection: Option<(&'a str, u32, &'a str)>,
}

impl<'a> Credentials<'a> {
    /// Reads one header value. `Ok(None)` when it is for another scheme.
    pub(super) fn read(text: &'a str) -> Result<Option<Self>, Malformed> {
        let mut pieces = pieces(text);
        let Some(Piece::Scheme(scheme, first)) = pieces.next() else { return Err(Malformed) };
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Ok(None);
        }
        let mut params: Vec<Param<'a>> = Vec::new();
        let rest = pieces.map(|piece| match piece {
            Piece::Scheme(..) => Err(Malformed),
            Piece::Param(param) => param,
        });
        for param in first.into_iter().chain(rest) {
            let param = param?;
            if params.len() == MAX_PARAMS || params.iter().any(|other| other.is(param.name)) {
                return Err(Malformed);
            }
            params.push(param);
        }
        Self::collect(&params).map(Some)
    }

    fn collect(params: &[Param<'a>]) -> Result<Self, Malformed> {
        let find = |name: &str| params.iter().find(|param| param.is(name)).map(|param| param.value);
        let need = |name: &str| find(name).ok_or(Malformed);
        let protection = match find("qop") {
            None | Some("") => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let count = need("nc")?;
                Some((count, read_count(count)?, need("cnonce")?))
            }
            Some(_) => return Err(Malformed),
        };
        Ok(Self {
            user: need("username")?,
            realm: need("realm")?,
            nonce: need("nonce")?,
            uri: need("uri")?,
            response: need("response")?,
            algorithm: find("algorithm").map_or(Some(Algorithm::DEFAULT), Algorithm::parse),
            protection,
        })
    }
}

/// Eight hexadecimal digits.
fn read_count(text: &str) -> Result<u32, Malformed> {
    let fits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { u32::from_str_radix(text, 16).map_err(|_| Malformed) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Hash;

    const WHOLE: &str = "Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:r\", \
                         response=\"00\", qop=auth, nc=0000001f, cnonce=\"c\"";

    #[test]
    fn an_answer_is_read_whole() {
        let text = format!("{WHOLE}, algorithm=SHA-256, opaque=\"\", future=1");
        let Ok(Some(read)) = Credentials::read(&text) else { panic!("readable") };
        assert_eq!((read.user, read.realm, read.nonce, read.uri), ("bob", "r", "n", "sip:r"));
        assert_eq!(read.response, "00");
        assert_eq!(read.algorithm, Some(Algorithm { hash: Hash::Sha256, session: false }));
        assert_eq!(read.protection, Some(("0000001f", 31, "c")));
        let old = WHOLE.replace(", qop=auth, nc=0000001f, cnonce=\"c\"", "");
        let Ok(Some(read)) = Credentials::read(&old) else { panic!("readable") };
        assert_eq!((read.algorithm, read.protection), (Some(Algorithm::DEFAULT), None));
    }

    #[test]
    fn what_is_missing_twice_or_of_another_kind_is_no_answer() {
        assert!(matches!(Credentials::read("Basic Ym9iOmE="), Ok(None)));
        let many: String = (0..MAX_PARAMS).map(|n| format!(", p{n}=1")).collect();
        for bad in [
            String::new(),
            "username=\"bob\"".to_owned(),
            "Digest".to_owned(),
            format!("{WHOLE}, realm=\"s\""),
            format!("{WHOLE}, Digest a=b"),
            format!("{WHOLE}{many}"),
            format!("{WHOLE}, broken"),
            WHOLE.replace("nonce=\"n\", ", ""),
            WHOLE.replace("qop=auth", "qop=auth-int"),
            WHOLE.replace("0000001f", "1f"),
            WHOLE.replace("0000001f", "+000001f"),
            WHOLE.replace("cnonce=\"c\"", "x=1"),
            WHOLE.replace("\"n\"", "\"n"),
        ] {
            assert!(matches!(Credentials::read(&bad), Err(Malformed)), "{bad}");
        }
    }
}
