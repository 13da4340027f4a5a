//! At which line of a CSV text a record begins, as an editor counts.
//!
//! The CSV reader's own count is one too low behind CRLF and does not see blank lines that it
//! skips, so people were sent to the wrong line.

/// Counts the lines of one text, from its beginning onwards.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    text: &'a [u8],
    /// Everything before it is counted.
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    /// Counts from line 1 of `text`, which is the text that the reader was given.
    pub const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line, the first being 1, of the first character at or behind `offset` that ends no
    /// line. Offsets are asked for in ascending order; an earlier one gets the last answer.
    ///
    /// LF, CRLF and CR end a line.
    pub fn line(&mut self, offset: u64) -> u64 {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        while let Some(&byte) = self.text.get(self.at) {
            let ends = match byte {
                b'\n' => true,
                b'\r' => self.text.get(self.at + 1) != Some(&b'\n'),
                _ => false,
            };
            if self.at >= offset && !matches!(byte, b'\n' | b'\r') {
                break;
            }
            self.line += u64::from(ends);
            self.at += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines at which the records of `text` begin, the header first.
    fn records(text: &str) -> Vec<u64> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut lines = Lines::new(text.as_bytes());
        let records = reader.records().map(|record| record.unwrap().position().unwrap().byte());
        records.map(|offset| lines.line(offset)).collect()
    }

    #[test]
    fn lines_are_counted_as_editors_do_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "1,2", "", "3,4", "\"5", "6\",7", "", "", "8,9", ""].join(end);
            assert_eq!(records(&text), [1, 2, 4, 5, 9], "{end:?}");
        }
    }

    #[test]
    fn a_text_that_ends_early_has_a_last_line() {
        let mut lines = Lines::new(b"a\r\nb");
        assert_eq!((lines.line(0), lines.line(3), lines.line(99), lines.line(0)), (1, 2, 2, 2));
    }
}
