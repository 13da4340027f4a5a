//! Rows of an import file: from cells to what they add.
//!
//! Looks at one row at a time and knows nothing of the store: names are resolved when rows are
//! added.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use clap::ValueEnum;
use partyline_billing::Lines;
use partyline_directory::{AccessKind, Account, Conference, DialIn};
use partyline_model::{AccountId, ConferenceId, Role};
use partyline_operations::{country_code, currency, prefixes, time_zone, yes_no};
use zeroize::Zeroizing;

use super::Fault;
use crate::cli::passcode::CodeRole;

/// What a row says. Accounts and conferences are named as the file names them; where `given` is,
/// it names the columns that are not empty: only they change what is there already.
pub(super) enum Row {
    Account { account: Account, given: Given, address: String, deck: Option<String> },
    Conference { account: String, conference: Conference, given: Given, codes: [(Role, Code); 2] },
    Passcode { conference: String, role: Role, code: Code },
    DialIn { account: Option<String>, dial_in: DialIn, given: Given },
}

/// Columns of a row that are not empty.
pub(super) struct Given(Vec<&'static str>);

impl Given {
    /// Whether the row says something in `column`.
    pub(super) fn has(&self, column: &str) -> bool {
        self.0.contains(&column)
    }
}

/// The digits of a passcode.
pub(super) enum Code {
    Given(Zeroizing<String>),
    Random,
}

const KINDS: [&str; 4] = ["account", "conference", "passcode", "dial_in"];

/// Every column, and the kinds that it is for.
const COLUMNS: [(&str, &[&str]); 28] = [
    ("kind", &KINDS),
    ("account", &["conference", "dial_in"]),
    ("name", &["account", "conference"]),
    ("address", &["account"]),
    ("time_zone", &["account"]),
    ("currency", &["account"]),
    ("country_code", &["account"]),
    ("record", &["account"]),
    ("dial_out", &["account"]),
    ("dial_out_max", &["account"]),
    ("security_passcode", &["account"]),
    ("reference_number", &["account"]),
    ("caller_id", &["account"]),
    ("deck", &["account"]),
    ("starts_with", &["conference"]),
    ("max_legs", &["conference"]),
    ("announce", &["conference"]),
    ("enabled", &["conference"]),
    ("ends_with_moderator", &["conference"]),
    ("moderator", &["conference"]),
    ("participant", &["conference"]),
    ("conference", &["passcode"]),
    ("role", &["passcode"]),
    ("passcode", &["passcode"]),
    ("number", &["dial_in"]),
    ("aliases", &["dial_in"]),
    ("access_kind", &["dial_in"]),
    ("welcome", &["dial_in"]),
];

/// Reads a file: the rows that can be read, with their lines, and what is wrong with the others.
pub(super) fn read(text: &[u8]) -> (Vec<(u64, Row)>, Vec<Fault>) {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let columns = match reader.headers() {
        Ok(header) => columns(header, &mut faults),
        Err(_) => Vec::new(),
    };
    if columns.is_empty() && faults.is_empty() {
        faults.push(Fault { line: 1, message: "not CSV text with a header".to_owned() });
    }
    if !faults.is_empty() {
        return (rows, faults);
    }
    let mut lines = Lines::new(text);
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = lines.line(record.position().map_or(0, csv::Position::byte));
                let mut cells = Cells::new(line, &columns, &record);
                rows.extend(cells.row().map(|row| (line, row)));
                faults.append(&mut cells.faults);
            }
            Err(error) => {
                let at = error.position().map_or(0, csv::Position::byte);
                faults.push(unreadable(lines.line(at), &error));
            }
        }
    }
    (rows, faults)
}

fn columns(header: &csv::StringRecord, faults: &mut Vec<Fault>) -> Vec<&'static str> {
    let mut columns = Vec::new();
    for name in header {
        match COLUMNS.iter().find(|(known, _)| *known == name) {
            Some((known, _)) if columns.contains(known) => {
                faults.push(Fault { line: 1, message: format!("column {name:?} is there twice") });
            }
            Some((known, _)) => columns.push(known),
            None => {
                let known: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
                let message = format!("unknown column {name:?}; known: {}", known.join(", "));
                faults.push(Fault { line: 1, message });
            }
        }
    }
    if !columns.contains(&"kind") {
        faults.push(Fault { line: 1, message: "the header lacks the column \"kind\"".to_owned() });
    }
    columns
}

/// Says what is wrong without the row, which may hold passcodes.
fn unreadable(line: u64, error: &csv::Error) -> Fault {
    let message = if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        format!("{len} fields, but the header has {expected_len}")
    } else {
        "not readable as CSV: check quotes, and that the text is UTF-8".to_owned()
    };
    Fault { line, message }
}

struct Cells<'a> {
    line: u64,
    cells: BTreeMap<&'static str, &'a str>,
    faults: Vec<Fault>,
}

impl<'a> Cells<'a> {
    fn new(line: u64, columns: &[&'static str], record: &'a csv::StringRecord) -> Self {
        let filled = columns.iter().copied().zip(record).filter(|(_, cell)| !cell.is_empty());
        Self { line, cells: filled.collect(), faults: Vec::new() }
    }

    fn fault(&mut self, message: String) {
        self.faults.push(Fault { line: self.line, message });
    }

    /// The row, unless something is wrong with it.
    fn row(&mut self) -> Option<Row> {
        let kind = self.text("kind").unwrap_or_default();
        let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else {
            self.fault(format!("kind: {kind:?} is none of {}", KINDS.join(", ")));
            return None;
        };
        let strange = |(name, kinds): &&(&'static str, &[&str])| {
            self.cells.contains_key(name) && !kinds.contains(&kind)
        };
        let strange: Vec<_> = COLUMNS.iter().filter(strange).map(|(name, _)| *name).collect();
        for name in strange {
            self.fault(format!("{name}: is not for kind {kind}; leave it empty"));
        }
        let row = match kind {
            "account" => self.account(),
            "conference" => self.conference(),
            "passcode" => self.passcode(),
            _ => self.dial_in(),
        };
        row.filter(|_| self.faults.is_empty())
    }

    fn account(&mut self) -> Option<Row> {
        let mut account = partyline_operations::blank_account(self.required("name")?);
        self.read("time_zone", &mut account.time_zone, time_zone);
        self.read("currency", &mut account.currency, currency);
        self.read("country_code", &mut account.country_code, country_code);
        let entitled = &mut account.entitlements;
        self.read("record", &mut entitled.record, yes_no);
        self.read("dial_out", &mut entitled.dial_out.prefixes, prefixes);
        self.read("dial_out_max", &mut entitled.dial_out.max_concurrent, whole);
        self.read("security_passcode", &mut entitled.security_passcode, yes_no);
        self.read("reference_number", &mut entitled.reference_number, FromStr::from_str);
        self.read("caller_id", &mut account.caller_id, |text| text.parse().map(Some));
        let address = self.text("address").unwrap_or_default().split('|');
        let address: Vec<_> = address.map(str::trim).collect();
        let deck = self.text("deck").map(str::to_owned);
        let address = address.join("\n");
        Some(Row::Account { account, given: self.given(), address, deck })
    }

    fn conference(&mut self) -> Option<Row> {
        let account = self.required("account");
        let mut conference = Conference {
            id: ConferenceId(0),
            account: AccountId(0),
            name: self.required("name")?,
            starts_with: partyline_directory::StartsWith::default(),
            max_legs: partyline_operations::DEFAULT_MAX_LEGS,
            announce: partyline_directory::Announce::default(),
            enabled: true,
            ends_with_moderator: false,
        };
        self.read("starts_with", &mut conference.starts_with, FromStr::from_str);
        self.read("max_legs", &mut conference.max_legs, |text| match whole(text) {
            Ok(0) => Err("expected at least 1"),
            other => other,
        });
        self.read("announce", &mut conference.announce, FromStr::from_str);
        self.read("enabled", &mut conference.enabled, yes_no);
        self.read("ends_with_moderator", &mut conference.ends_with_moderator, yes_no);
        let codes = [
            (Role::Moderator, self.code("moderator")),
            (Role::Participant, self.code("participant")),
        ];
        Some(Row::Conference { account: account?, conference, given: self.given(), codes })
    }

    fn passcode(&mut self) -> Option<Row> {
        let mut role = CodeRole::Participant;
        let conference = self.required("conference");
        self.required("role")?;
        self.read("role", &mut role, |text| {
            CodeRole::from_str(text, false).map_err(|_| "expected moderator or participant")
        });
        Some(Row::Passcode {
            conference: conference?,
            role: role.role(),
            code: self.code("passcode"),
        })
    }

    fn dial_in(&mut self) -> Option<Row> {
        self.required("number")?;
        let mut number = None;
        self.read("number", &mut number, |text| text.parse().map(Some));
        let mut aliases = Vec::new();
        self.read("aliases", &mut aliases, |text| {
            text.split_whitespace().map(partyline_operations::alias).collect()
        });
        let mut access_kind = AccessKind::Local;
        self.read("access_kind", &mut access_kind, FromStr::from_str);
        let dial_in = DialIn {
            number: number?,
            aliases,
            account: None,
            access_kind,
            language: partyline_operations::LANGUAGE.to_owned(),
            welcome: self.text("welcome").map(str::to_owned),
        };
        let account = self.text("account").map(str::to_owned);
        Some(Row::DialIn { account, dial_in, given: self.given() })
    }

    fn given(&self) -> Given {
        Given(self.cells.keys().copied().collect())
    }

    fn text(&self, column: &'static str) -> Option<&'a str> {
        self.cells.get(column).copied()
    }

    fn required(&mut self, column: &'static str) -> Option<String> {
        let text = self.text(column).map(str::to_owned);
        if text.is_none() {
            self.fault(format!("{column}: is missing"));
        } else if self.text(column).is_some_and(|text| text.chars().any(char::is_control)) {
            self.fault(format!("{column}: leave line breaks and control characters out"));
        }
        text
    }

    /// Leaves `value` alone where the cell is empty.
    fn read<T, E: Display>(
        &mut self,
        column: &'static str,
        value: &mut T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) {
        let Some(text) = self.text(column) else { return };
        match parse(text) {
            Ok(new) => *value = new,
            Err(error) => self.fault(format!("{column}: {error}, found {text:?}")),
        }
    }

    /// The digits are judged when they are added, and never repeated in an error.
    fn code(&self, column: &'static str) -> Code {
        match self.text(column) {
            Some(digits) => Code::Given(Zeroizing::new(digits.to_owned())),
            None => Code::Random,
        }
    }
}

fn whole<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a whole number that is not too large")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let (_, faults) = read(text.as_bytes());
        faults.into_iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect()
    }

    #[test]
    fn every_fault_of_a_file_is_found_with_its_line() {
        let found = faults(
            "kind,name,account,max_legs,number,time_zone\n\
             account,Acme,,,,Mars/X\n\
             conference,,Acme,0,,\n\
             dial_in,,,,12a,\n\
             account,Acme,Acme,,,\n\
             room,,,,,\n\
             account,Acme\n",
        );
        let expected = [
            "2: time_zone: unknown time zone",
            "3: name: is missing",
            "4: number: a telephone number holds digits only",
            "5: account: is not for kind account",
            "6: kind: \"room\" is none of",
            "7: 2 fields, but the header has 6",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} / {expected}");
        }
    }

    #[test]
    fn lines_are_those_of_an_editor_whatever_ends_them() {
        let text = "kind,name\naccount,A\n\nroom,B\naccount\n\"account\",\"C\nD\"\nroom,E\n";
        for end in ["\n", "\r\n", "\r"] {
            let found = faults(&text.replace('\n', end));
            let lines: Vec<_> = found.iter().map(|fault| &fault[..2]).collect();
            assert_eq!(lines, ["4:", "5:", "6:", "8:"], "{end:?}: {found:?}");
        }
    }

    #[test]
    fn an_unknown_column_stops_the_file() {
        let found = faults("kind,nmae\naccount,Acme\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("1: unknown column \"nmae\"; known: kind, account"));
        assert_eq!(faults("name\nAcme\n"), ["1: the header lacks the column \"kind\""]);
        assert_eq!(faults("kind,kind\n"), ["1: column \"kind\" is there twice"]);
    }

    #[test]
    fn a_fault_beside_a_passcode_does_not_repeat_it() {
        let text = "kind,conference,role,passcode\npasscode,1,boss,48151623\npasscode,1,48151623\n";
        let found = faults(text);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|fault| !fault.contains("48151623")), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }

        #[test]
        fn no_row_makes_it_panic(cells in proptest::collection::vec("[a-z0-9_ ,\"|\n]{0,12}", 0..20)) {
            let text = format!("kind,name,account,number\n{}", cells.join(","));
            read(text.as_bytes());
        }
    }
}
