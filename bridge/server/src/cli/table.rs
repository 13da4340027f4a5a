//! Columns of text for a terminal.

use std::fmt;

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A header and rows, printed in columns as wide as they need.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; `cells` are as many as there are columns.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.into_iter().map(harmless).collect());
    }
}

/// `text` with what a terminal would obey written out: names may be older than the rules for them,
/// and far ends write what they like.
pub(super) fn harmless(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    let shown = text.chars().map(|c| match c {
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    });
    shown.collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in std::iter::once(&header).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for ((cell, &width), (_, align)) in row.iter().zip(&widths).zip(&self.columns) {
                line += &match align {
                    Align::Left => format!("{cell:<width$}  "),
                    Align::Right => format!("{cell:>width$}  "),
                };
            }
            let end = if index == self.rows.len() { "" } else { "\n" };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let mut table = Table::new(&[("name", Align::Left), ("legs", Align::Right)]);
        table.row(vec!["Zürich".to_owned(), "7".to_owned()]);
        table.row(vec!["••".to_owned(), "10000".to_owned()]);
        assert_eq!(table.to_string(), "name     legs\nZürich      7\n••      10000");
    }

    #[test]
    fn a_terminal_obeys_no_cell() {
        let mut table = Table::new(&[("name", Align::Left), ("id", Align::Left)]);
        table.row(vec!["a\u{1b}[2Jb\nc\u{9b}é".to_owned(), "1".to_owned()]);
        assert_eq!(table.to_string().lines().nth(1), Some("a\\u{1b}[2Jb\\nc\\u{9b}é  1"));
    }
}
