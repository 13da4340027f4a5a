//! Bounds and a coarse sieve in front of the grammar.
//!
//! Only lines that negotiation reads go on. So a session identifier beyond 64 bits, a subject
//! in Latin-1 or a broken bandwidth line, all seen from real carriers, cost no call.

use super::SdpError;

/// Largest description that is read; well beyond what fits the largest INVITE over UDP.
pub const MAX_BYTES: usize = 16 * 1024;
const MAX_LINES: usize = 512;
const MAX_LINE_BYTES: usize = 4096;
const MAX_STREAMS: usize = 32;

/// The lines of `body` that matter, each ended by CRLF; bytes that are no UTF-8 are replaced.
/// Blanks at the end of a line, blank lines, and blanks or zeros at the end of all say nothing:
/// some senders count the zero that ends a string in C as text. Nor do the mark that begins a file
/// of UTF-8, a Ctrl-Z that ends one, and a `c=` line that comes again as it was.
pub(super) fn screen(body: &[u8]) -> Result<String, SdpError> {
    if body.len() > MAX_BYTES {
        return Err(SdpError::TooLarge);
    }
    let padding = |b: &u8| matches!(b, 0 | 0x1a | b' ' | b'\t' | b'\r' | b'\n');
    let end = body.iter().rposition(|b| !padding(b)).map_or(0, |at| at + 1);
    let body = &body[..end];
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut kept = String::with_capacity(body.len());
    let (mut count, mut streams) = (0, 0);
    // The last `c=` line of the same section.
    let mut connection: &[u8] = &[];
    let lines = body.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    for line in lines {
        let line = line.trim_ascii_end();
        let [key, rest @ ..] = line else { continue };
        count += 1;
        if count > MAX_LINES {
            return Err(SdpError::TooManyLines);
        }
        if rest.first() != Some(&b'=') {
            return Err(SdpError::Malformed);
        }
        if !matches!(key, b'm' | b'v' | b'c' | b'a') {
            continue;
        }
        if line.len() > MAX_LINE_BYTES {
            return Err(SdpError::LineTooLong);
        }
        let text = String::from_utf8_lossy(line);
        match key {
            b'c' if connection == line => continue,
            b'm' => {
                streams += 1;
                connection = &[];
                // The grammar has single spaces; some gateways write columns.
                for (i, word) in text.split_ascii_whitespace().enumerate() {
                    kept.push_str(if i == 0 { "" } else { " " });
                    kept.push_str(word);
                }
            }
            b'c' => {
                connection = line;
                kept.push_str(&text);
            }
            _ => kept.push_str(&text),
        }
        kept.push_str("\r\n");
    }
    if streams > MAX_STREAMS {
        return Err(SdpError::TooManyStreams);
    }
    Ok(kept)
}

/// The first `t=` line of a description: begin and end; `None` where it has none that can be read.
pub(super) fn time_of(body: &[u8]) -> Option<(u64, u64)> {
    let line = body.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"t="))?;
    let (start, stop) = std::str::from_utf8(line).ok()?.trim().split_once(' ')?;
    Some((start.parse().ok()?, stop.trim_start().parse().ok()?))
}
