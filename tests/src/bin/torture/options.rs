//! What this program is told.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The attacks by name, in their order.
pub(crate) const NAMES: [&str; 10] = [
    "silent",
    "reinvite",
    "early",
    "description",
    "third-party",
    "dialog",
    "foreign",
    "flood",
    "siege",
    "guessing",
];

/// What is run, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// A minute in all, fewer tries, and a busy machine is forgiven.
    pub(crate) quick: bool,
    /// Guessing for ten minutes each, in place of one.
    pub(crate) guessing: bool,
    /// The program under test, when it is not the one beside this.
    pub(crate) program: Option<PathBuf>,
    /// The attacks, all without.
    pub(crate) attacks: Vec<String>,
    /// The one case of guessing that is played, by its place; all without.
    pub(crate) case: Option<usize>,
    /// Tries of each hijack.
    pub(crate) tries: usize,
}

impl Options {
    /// Reads arguments.
    ///
    /// # Errors
    /// One is not known.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            quick: false,
            guessing: false,
            program: None,
            attacks: Vec::new(),
            case: None,
            tries: 100,
        };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => {
                    options.quick = true;
                    options.tries = 5;
                }
                "--guessing" => options.guessing = true,
                "--program" => {
                    options.program = Some(words.next().context("--program FILE")?.into())
                }
                "--case" => options.case = Some(words.next().context("--case 1")?.parse()?),
                "--tries" => options.tries = words.next().context("--tries COUNT")?.parse()?,
                name if NAMES.contains(&name) => options.attacks.push(name.to_owned()),
                other => bail!(
                    "{other:?} is not known; there are --quick, --guessing, --case 1 to 5, \
                     --program FILE, --tries COUNT and the attacks {}",
                    NAMES.join(" ")
                ),
            }
        }
        Ok(options)
    }

    /// Whether an attack is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.attacks.is_empty() || self.attacks.iter().any(|attack| attack == name)
    }
}
