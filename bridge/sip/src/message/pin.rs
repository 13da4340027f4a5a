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
    /// The pound that ends a passcode on a keypad is no part of it.
    fn new(mut value: Zeroizing<Vec<u8>>) -> Option<Self> {
        if value.last() == Some(&b'#') {
            value.pop();
        }
        let fits = !value.is_empty()
            && value.len() <= MAX_DIGITS
            && value.iter().all(|&b| Digit::from_char(char::from(b)).is_ok());
        fits.then_some(Self(value))
    }

    /// The digits in order, 1 to 32 of them.
    pub fn digits(&self) -> impl Iterator<Item = Digit> {
        self.0.iter().filter_map(|&b| Digit::from_char(char::from(b)).ok())
    }
}

/// Whether a `;pin=` stands in a text, in any of the ways that [`mask`] knows.
pub(crate) fn has_pin(text: &str) -> bool {
    mask(text.as_bytes()).is_some()
}

/// `line` with the value of each `;pin=` replaced by `*`; `None` when there is none.
///
/// The pin that comes with it is the first usable one. Blanks around the signs are allowed, every
/// octet may be escaped, and the value quoted: whoever writes so gets no passcode into our texts.
pub(super) fn mask(line: &[u8]) -> Option<(Vec<u8>, Option<Pin>)> {
    let mut masked: Option<Vec<u8>> = None;
    let mut pin = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(offset) = memchr::memchr2(b';', b'%', &line[at..]) {
        let Some((sign, name)) = octet(line, at + offset) else { break };
        at = name;
        // Looked at behind a semicolon only: blanks behind each of many escapes would be read again.
        let start = (sign == b';').then(|| value_start(line, name)).flatten();
        let Some(start) = start else { continue };
        let (start, end, found) = value(line, start);
        pin = pin.or(found);
        let out = masked.get_or_insert_default();
        out.extend_from_slice(&line[copied..start]);
        out.push(b'*');
        (copied, at) = (end, end);
    }
    let mut masked = masked?;
    masked.extend_from_slice(&line[copied..]);
    Some((masked, pin))
}

/// The octet that stands at `at`, plain or escaped (`%3B`), and where the next one begins.
fn octet(line: &[u8], at: usize) -> Option<(u8, usize)> {
    let plain = *line.get(at)?;
    let digit = |at: usize| {
        let digit = char::from(*line.get(at)?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    let escaped = (plain == b'%').then(|| digit(at + 1).zip(digit(at + 2))).flatten();
    Some(escaped.map_or((plain, at + 1), |(high, low)| (high << 4 | low, at + 3)))
}

/// Where the value begins, when ` pin = ` stands at `at`.
fn value_start(line: &[u8], at: usize) -> Option<usize> {
    let mut at = skip_blanks(line, at);
    for wanted in *b"pin" {
        let (letter, next) = octet(line, at)?;
        at = (letter.eq_ignore_ascii_case(&wanted)).then_some(next)?;
    }
    let (sign, next) = octet(line, skip_blanks(line, at))?;
    (sign == b'=').then(|| skip_blanks(line, next))
}

fn skip_blanks(line: &[u8], mut at: usize) -> usize {
    while let Some((b' ' | b'\t', next)) = octet(line, at) {
        at = next;
    }
    at
}

/// From where to where the value goes, without its quotes, and the passcode in it. An open quote
/// takes in the rest. A sign that would end the value is masked with it when it is escaped: what
/// follows may be meant as part of it.
fn value(line: &[u8], start: usize) -> (usize, usize, Option<Pin>) {
    let quoted = line.get(start) == Some(&b'"');
    let start = start + usize::from(quoted);
    let ends = |b: u8| match quoted {
        true => b == b'"',
        false => matches!(b, b';' | b'?' | b'@' | b'>' | b',' | b'"' | b' ' | b'\t' | b':'),
    };
    // Never longer, so that no copy of it is left behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(MAX_DIGITS + 2));
    let (mut at, mut open) = (start, true);
    while let Some((octet, next)) = octet(line, at).filter(|_| !ends(line[at])) {
        open &= !ends(octet);
        if open && digits.len() < MAX_DIGITS + 2 {
            digits.push(octet);
        }
        at = next;
    }
    (start, at, Pin::new(digits))
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
            ("<sip:100;PIN=12#@h;x=1>", "<sip:100;PIN=*@h;x=1>", Some("12")),
            ("a; pin = 77 ;pin=88", "a; pin = * ;pin=*", Some("77")),
            ("a;pin=", "a;pin=*", None),
            ("a;pin=hello", "a;pin=*", None),
            ("<sip:100@h;pin=\"1234\";x=1>", "<sip:100@h;pin=\"*\";x=1>", Some("1234")),
            ("a;pin=\"1234", "a;pin=\"*", Some("1234")),
            ("sip:100%3Bpin%3D1234@h", "sip:100%3Bpin%3D*@h", Some("1234")),
            ("sip:100;pin=1234%23@h", "sip:100;pin=*@h", Some("1234")),
            ("sip:100;p%69n=1234@h", "sip:100;p%69n=*@h", Some("1234")),
            ("sip:100%3b%70%49%4E%3d62%37003@h", "sip:100%3b%70%49%4E%3d*@h", Some("627003")),
            ("<sip:h;lr;x%3Bpin=%36%32>;y", "<sip:h;lr;x%3Bpin=*>;y", Some("62")),
            ("a;%20pin%20=%201", "a;%20pin%20=%20*", Some("1")),
            ("sip:100%3Bpin=12%3Bx=1@h;y", "sip:100%3Bpin=*@h;y", Some("12")),
            ("a;pin=12%4034@h", "a;pin=*@h", Some("12")),
            ("a;pin=12%zz@h", "a;pin=*@h", None),
            ("a;pin=%", "a;pin=*", None),
        ];
        for (line, text, pin) in cases {
            assert_eq!(masked(line), Some((text.to_owned(), pin.map(str::to_owned))));
        }
    }

    /// Time that grows with the square of these would take minutes.
    #[test]
    fn a_line_costs_its_octets() {
        for (many, sign) in [("%20", ""), ("%20", ";"), (";%20", ""), ("%3B", ""), ("%25", "%3B")] {
            let line = format!("{sign}{}", many.repeat(200_000));
            assert_eq!(masked(&line), None, "{sign}{many}");
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
            ";p%69ne=1",
            "%3",
            ";p%",
            ";%2570in=1",
        ] {
            assert_eq!(masked(line), None, "{line}");
        }
    }
}
