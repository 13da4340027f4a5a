//! Walking a configuration: reading it from a TOML text, or writing it as one.
//!
//! Both walks go through the same description of the keys ([`super::raw`]), so that what can be
//! read can be printed. Reading finds every fault of a file, each with its place; what the keys
//! mean is not known here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use toml::de::{DeTable, DeValue};

use super::setting::Setting;

/// Visits the keys of a configuration, in the order of their description.
pub(super) trait Walk: Sized {
    /// A key and what it holds. Left alone when a file does not have it.
    fn setting<T: Setting>(&mut self, key: &'static str, value: &mut T) {
        self.checked(key, value, |_| Ok(()));
    }

    /// As [`Self::setting`], with a rule for the value.
    fn checked<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    );

    /// As [`Self::checked`], for a key that its table cannot do without.
    fn required<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    );

    /// Says that the table cannot do without `key`, whatever else it has.
    fn needs(&mut self, _key: &'static str) {}

    /// Whether the table has `key`, also where what it says is a fault.
    fn has(&self, _key: &'static str) -> bool {
        true
    }

    /// The table `[key]`.
    fn table(&mut self, key: &'static str, each: impl FnOnce(&mut Self));

    /// The tables `[[key]]`; those of a file take the place of `items`.
    fn tables<T: Default>(
        &mut self,
        key: &'static str,
        items: &mut Vec<T>,
        each: impl FnMut(&mut Self, &mut T),
    );
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The character in the line, from 1.
    pub(crate) column: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// The faults found so far, and where the keys are.
pub(super) struct Findings<'a> {
    text: &'a str,
    found: RefCell<Vec<(usize, String)>>,
    warned: RefCell<Vec<(usize, String)>>,
    places: RefCell<BTreeMap<String, usize>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            found: RefCell::default(),
            warned: RefCell::default(),
            places: RefCell::default(),
        }
    }

    fn add(&self, offset: usize, message: String) {
        self.found.borrow_mut().push((offset, message));
    }

    /// Adds a fault of the key at `path` (`sip.listen`), or of the whole file where it is not set.
    pub(super) fn add_at(&self, path: &str, message: String) {
        self.add(self.offset(path), message);
    }

    /// Adds a doubt about the key at `path`, which keeps nobody from using the file.
    pub(super) fn warn_at(&self, path: &str, message: String) {
        self.warned.borrow_mut().push((self.offset(path), message));
    }

    /// The first of two keys that the file sets; the second where it sets neither.
    pub(super) fn first_set<'k>(&self, [first, second]: [&'k str; 2]) -> &'k str {
        if self.places.borrow().contains_key(first) { first } else { second }
    }

    /// Adds a fault of two keys at the first of them that the file sets.
    pub(super) fn add_at_first(&self, keys: [&str; 2], message: String) {
        self.add_at(self.first_set(keys), message);
    }

    /// Adds a doubt about two keys at the first of them that the file sets.
    pub(super) fn warn_at_first(&self, keys: [&str; 2], message: String) {
        self.warn_at(self.first_set(keys), message);
    }

    fn offset(&self, path: &str) -> usize {
        self.places.borrow().get(path).copied().unwrap_or(0)
    }

    /// All faults and all doubts, each in the order of the file.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let places = |mut found: Vec<(usize, String)>| {
            found.sort();
            let each = found.into_iter();
            each.map(|(offset, message)| place(self.text, offset, message)).collect()
        };
        (places(self.found.into_inner()), places(self.warned.into_inner()))
    }
}

fn place(text: &str, offset: usize, message: String) -> Problem {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Problem { line, column, message }
}

/// Reads the file in `findings` along `walk`, and notes every fault there.
pub(super) fn read<'a>(findings: &Findings<'a>, walk: impl FnOnce(&mut Reader<'_, 'a>)) {
    let (document, errors) = DeTable::parse_recoverable(findings.text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        findings.add(offset, format!("{}: check quotes, brackets and commas", error.message()));
    }
    // The parser fills in what a broken line may have meant: judging that would confuse.
    if errors.is_empty() {
        let mut reader = Reader::new(document.get_ref(), 0, String::new(), findings);
        walk(&mut reader);
        reader.finish();
    }
}

/// Reads one table of a file.
pub(super) struct Reader<'t, 'a> {
    table: &'t DeTable<'a>,
    /// Where the table begins.
    offset: usize,
    /// The table's name with a dot after it; empty for the whole file.
    path: String,
    known: Vec<&'static str>,
    findings: &'t Findings<'a>,
}

impl<'t, 'a> Reader<'t, 'a> {
    fn new(
        table: &'t DeTable<'a>,
        offset: usize,
        path: String,
        findings: &'t Findings<'a>,
    ) -> Self {
        Self { table, offset, path, known: Vec::new(), findings }
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, &'t DeValue<'a>)> {
        self.known.push(key);
        let value = self.table.get(key)?;
        let offset = value.span().start;
        self.findings.places.borrow_mut().insert(format!("{}{key}", self.path), offset);
        Some((offset, value.get_ref()))
    }

    fn read_into<T: Setting>(
        &self,
        (offset, found): (usize, &DeValue<'_>),
        key: &str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    ) {
        let read = T::read(found).and_then(|new| match rule(&new) {
            Ok(()) => Ok(new),
            Err(reason) => Err(reason.to_owned()),
        });
        match read {
            Ok(new) => *value = new,
            Err(message) => self.findings.add(offset, format!("{}{key}: {message}", self.path)),
        }
    }

    fn child(&self, table: &'t DeTable<'a>, offset: usize, path: String) -> Self {
        Self::new(table, offset, path, self.findings)
    }

    /// Notes the keys that nothing asked for.
    fn finish(self) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let near = nearest(name, &self.known).map_or_else(
                || format!("known here: {}", self.known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            self.findings.add(key.span().start, format!("unknown key {}{name}; {near}", self.path));
        }
    }
}

impl Walk for Reader<'_, '_> {
    fn checked<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    ) {
        if let Some(found) = self.take(key) {
            self.read_into(found, key, value, rule);
        }
    }

    fn required<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    ) {
        match self.take(key) {
            Some(found) => self.read_into(found, key, value, rule),
            None => self.needs(key),
        }
    }

    fn needs(&mut self, key: &'static str) {
        if !self.table.contains_key(key) {
            self.findings.add(self.offset, format!("{}{key} is missing; add it", self.path));
        }
    }

    fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    fn table(&mut self, key: &'static str, each: impl FnOnce(&mut Self)) {
        let Some((offset, found)) = self.take(key) else { return };
        let path = format!("{}{key}.", self.path);
        let Some(table) = found.as_table() else {
            self.findings.add(offset, format!("{}{key} is a section: write [{key}]", self.path));
            return;
        };
        let mut child = self.child(table, offset, path);
        each(&mut child);
        child.finish();
    }

    fn tables<T: Default>(
        &mut self,
        key: &'static str,
        items: &mut Vec<T>,
        mut each: impl FnMut(&mut Self, &mut T),
    ) {
        let Some((offset, found)) = self.take(key) else { return };
        items.clear();
        let tables: Option<Vec<_>> = found.as_array().and_then(|list| {
            list.iter().map(|t| Some((t.span(), t.get_ref().as_table()?))).collect()
        });
        let Some(tables) = tables else {
            let message = format!("{0}{key} may come several times: write [[{0}{key}]]", self.path);
            self.findings.add(offset, message);
            return;
        };
        for (index, (span, table)) in tables.into_iter().enumerate() {
            let mut child = self.child(table, span.start, format!("{}{key}[{index}].", self.path));
            let mut item = T::default();
            each(&mut child, &mut item);
            child.finish();
            items.push(item);
        }
    }
}

/// The known key that `name` was most likely meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let near = known.iter().map(|&key| (distance(name, key), key)).min()?;
    // A third of the letters wrong is a slip; more is another word.
    (near.0 * 3 <= name.len().max(near.1.len())).then_some(near.1)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Writes a configuration as TOML, every key that has a value.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
    path: String,
}

impl Writer {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn under(&mut self, key: &str, brackets: (&str, &str), each: impl FnOnce(&mut Self)) {
        let outer = self.path.clone();
        self.path = if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") };
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.line(format_args!("{gap}{}{}{}", brackets.0, self.path.clone(), brackets.1));
        each(self);
        self.path = outer;
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a String takes every text");
    }
}

impl Walk for Writer {
    fn checked<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        _: impl FnOnce(&T) -> Result<(), &'static str>,
    ) {
        if let Some(value) = value.write() {
            self.line(format_args!("{key} = {value}"));
        }
    }

    fn required<T: Setting>(
        &mut self,
        key: &'static str,
        value: &mut T,
        rule: impl FnOnce(&T) -> Result<(), &'static str>,
    ) {
        self.checked(key, value, rule);
    }

    fn table(&mut self, key: &'static str, each: impl FnOnce(&mut Self)) {
        self.under(key, ("[", "]"), each);
    }

    fn tables<T: Default>(
        &mut self,
        key: &'static str,
        items: &mut Vec<T>,
        mut each: impl FnMut(&mut Self, &mut T),
    ) {
        for item in items {
            self.under(key, ("[[", "]]"), |writer| each(writer, item));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_key_and_other_words_do_not() {
        let known = ["listen", "advertised", "ports"];
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("advertized", &known), Some("advertised"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "é = 1\n  ö = 2\n";
        let at = |needle: &str| {
            let problem = place(text, text.find(needle).unwrap(), String::new());
            (problem.line, problem.column)
        };
        assert_eq!(at("é"), (1, 1));
        assert_eq!(at("="), (1, 3));
        assert_eq!(at("ö"), (2, 3));
    }
}
