//! A session description without keys: which streams there are, where, with what codecs.

/// Attributes whose value says nothing secret (RFC 8866 §6, RFC 3605, RFC 5761, RFC 4145).
const WHOLE: [&str; 14] = [
    "rtpmap", "fmtp", "ptime", "maxptime", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp",
    "rtcp-mux", "setup", "mid", "group", "rtcp-fb",
];

/// The description as it may be shown; what is no line of one is left out.
pub(super) fn redact(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut shown = String::with_capacity(text.len());
    for line in text.split(['\r', '\n']) {
        let Some((kind, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        match kind {
            "v" | "c" | "b" | "t" | "m" => add(&mut shown, kind, value),
            // The user name is the far end's to choose.
            "o" => {
                let rest = value.split_once(' ').map_or("", |(_, rest)| rest);
                add(&mut shown, "o", &format!("- {rest}"));
            }
            "s" => add(&mut shown, "s", "-"),
            "a" => add(&mut shown, "a", &attribute(value)),
            "k" => add(&mut shown, "k", "*"),
            _ => {}
        }
    }
    shown
}

fn add(shown: &mut String, kind: &str, value: &str) {
    for part in [kind, "=", value, "\r\n"] {
        shown.push_str(part);
    }
}

fn attribute(text: &str) -> String {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let name = name.trim();
    if name.eq_ignore_ascii_case("crypto") {
        return crypto(value);
    }
    if WHOLE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return text.to_owned();
    }
    let fits = name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
    match (fits, value.is_empty()) {
        (false, _) => "*".to_owned(),
        (true, true) => name.to_owned(),
        (true, false) => format!("{name}:*"),
    }
}

/// Tag and suite of `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…` (RFC 4568 §9.1).
fn crypto(value: &str) -> String {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next().filter(|tag| tag.len() < 10 && tag.bytes().all(|b| b.is_ascii_digit()));
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    // No base64 has an underscore: a key in the wrong place is none.
    let is_suite = |text: &str| text.len() < 40 && text.contains('_') && text.bytes().all(fits);
    let suite = words.next().filter(|word| is_suite(word));
    format!("crypto:{} {} inline:*", tag.unwrap_or("*"), suite.unwrap_or("*"))
}
