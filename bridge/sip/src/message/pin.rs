//! The `;pin=` parameter: a passcode in a dialled URI, kept out of every text we hold or write.

use partyline_model::Digit;
use zeroize::Zeroizing;

/// More digits than any passcode has; a longer value is masked and not handed on.
const MAX_DIGITS: usize = 32;

/// A passcode that came in the dialled URI.
///
/// It has neither `Debug` nor `Clone`, and wipes itself.
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    fn new(value: &[u8]) -> Option<Self> {
        let fits = !value.is_empty()
            && value.len() <= MAX_DIGITS
            && value.iter().all(|&b| Digit::from_char(char::from(b)).is_ok());
        fits.then(|| Self(Zeroizing::new(value.to_vec())))
    }

    /// The digits in order, 1 to 32 of them.
    pub fn digits(&self) -> impl Iterator<Item = Digit> {
        self.0.iter().filter_map(|&b| Digit::from_char(char::from(b)).ok())
    }
}

/// `line` with the value of each `;pin=` replaced by `*`; `None` when there is none.
///
/// The pin that comes with it is the first usable one. Blanks around the signs are allowed, the
/// signs may be escaped and the value quoted: whoever writes so gets no passcode into our texts.
pub(super) fn mask(line: &[u8]) -> Option<(Vec<u8>, Option<Pin>)> {
    let mut masked: Option<Vec<u8>> = None;
    let mut pin = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = line[at..].iter().position(|&b| matches!(b, b';' | b'%')) {
        at += offset;
        let Some(name) = sign(line, at, b';') else {
            at += 1;
            continue;
        };
        at = name;
        let Some(start) = value_start(line, name) else { continue };
        let (start, end) = value(line, start);
        pin = pin.or_else(|| Pin::new(&line[start..end]));
        let out = masked.get_or_insert_default();
        out.extend_from_slice(&line[copied..start]);
        out.push(b'*');
        copied = end;
        at = end;
    }
    let mut masked = masked?;
    masked.extend_from_slice(&line[copied..]);
    Some((masked, pin))
}

/// Where what follows `wanted` begins, if that stands at `at`, plain or escaped (`%3B`).
fn sign(line: &[u8], at: usize, wanted: u8) -> Option<usize> {
    match *line.get(at)? {
        b if b == wanted => Some(at + 1),
        b'%' => {
            let hex = std::str::from_utf8(line.get(at + 1..at + 3)?).ok()?;
            (u8::from_str_radix(hex, 16) == Ok(wanted)).then_some(at + 3)
        }
        _ => None,
    }
}

/// Where the value begins, when ` pin = ` stands at `at`.
fn value_start(line: &[u8], at: usize) -> Option<usize> {
    let at = skip_blanks(line, at);
    let end = at + 3;
    if !line.get(at..end)?.eq_ignore_ascii_case(b"pin") {
        return None;
    }
    let end = skip_blanks(line, end);
    sign(line, end, b'=').map(|end| skip_blanks(line, end))
}

fn skip_blanks(line: &[u8], at: usize) -> usize {
    at + line[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// From where to where the value goes, without its quotes. An open quote takes in the rest.
fn value(line: &[u8], start: usize) -> (usize, usize) {
    let to = |start: usize, ends: fn(&u8) -> bool| {
        (start, start + line[start..].iter().position(ends).unwrap_or(line.len() - start))
    };
    if line.get(start) == Some(&b'"') {
        return to(start + 1, |&b| b == b'"');
    }
    to(start, |b| matches!(b, b';' | b'?' | b'@' | b'>' | b',' | b'"' | b' ' | b'\t' | b':' | b'%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(line: &str) -> Option<(String, Option<String>)> {
        mask(line.as_bytes()).map(|(text, pin)| {
            let pin = pin.map(|p| p.digits().map(Digit::to_char).collect());
            (String::from_utf8_lossy(&text).into_owned(), pin)
        })
    }

    #[test]
    fn the_passcode_is_taken_out_wherever_it_stands() {
        let cases = [
            ("sip:100@h;pin=1234", "sip:100@h;pin=*", Some("1234")),
            ("<sip:100;PIN=12#@h;x=1>", "<sip:100;PIN=*@h;x=1>", Some("12#")),
            ("a; pin = 77 ;pin=88", "a; pin = * ;pin=*", Some("77")),
            ("a;pin=", "a;pin=*", None),
            ("a;pin=hello", "a;pin=*", None),
            ("<sip:100@h;pin=\"1234\";x=1>", "<sip:100@h;pin=\"*\";x=1>", Some("1234")),
            ("a;pin=\"1234", "a;pin=\"*", Some("1234")),
            ("sip:100%3Bpin%3D1234@h", "sip:100%3Bpin%3D*@h", Some("1234")),
            ("sip:100;pin=1234%23@h", "sip:100;pin=*%23@h", Some("1234")),
        ];
        for (line, text, pin) in cases {
            assert_eq!(masked(line), Some((text.to_owned(), pin.map(str::to_owned))));
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        for line in [
            "",
            "sip:a@h;pinned=1",
            "sip:pin=1@h",
            ";pi",
            ";pin",
            ";spin=1",
            "%3",
            "%3Bpi",
            "%pin=1",
        ] {
            assert_eq!(masked(line), None, "{line}");
        }
    }
}
