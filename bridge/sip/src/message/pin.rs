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
/// The pin that comes with it is the first usable one. Blanks around the signs are allowed.
pub(super) fn mask(line: &[u8]) -> Option<(Vec<u8>, Option<Pin>)> {
    let mut masked: Option<Vec<u8>> = None;
    let mut pin = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = line[at..].iter().position(|&b| b == b';') {
        at += offset + 1;
        let Some(start) = value_start(line, at) else { continue };
        let end = value_end(line, start);
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

/// Where the value begins, when ` pin = ` stands at `at`.
fn value_start(line: &[u8], at: usize) -> Option<usize> {
    let at = skip_blanks(line, at);
    let end = at + 3;
    if !line.get(at..end)?.eq_ignore_ascii_case(b"pin") {
        return None;
    }
    let end = skip_blanks(line, end);
    (line.get(end) == Some(&b'=')).then(|| skip_blanks(line, end + 1))
}

fn skip_blanks(line: &[u8], at: usize) -> usize {
    at + line[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

fn value_end(line: &[u8], start: usize) -> usize {
    let ends = |b: &u8| matches!(b, b';' | b'?' | b'@' | b'>' | b',' | b'"' | b' ' | b'\t' | b':');
    start + line[start..].iter().position(ends).unwrap_or(line.len() - start)
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
        ];
        for (line, text, pin) in cases {
            assert_eq!(masked(line), Some((text.to_owned(), pin.map(str::to_owned))));
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        for line in ["", "sip:a@h;pinned=1", "sip:pin=1@h", ";pi", ";pin", ";spin=1"] {
            assert_eq!(masked(line), None, "{line}");
        }
    }
}
