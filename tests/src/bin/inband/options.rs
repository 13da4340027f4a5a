//! What the command line asks for. No judgement: an unknown word ends the program.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};

/// How it is called.
pub(crate) const USAGE: &str = "usage: inband [--calls N] [--loss PERCENT] [--speech DB] \
    [--right N] [--times FACTOR --spandsp PROGRAM] [--seed N] [--save FOLDER]";

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// Passcodes to key, one a call.
    pub(crate) calls: usize,
    /// Packets that the relay loses, in percent.
    pub(crate) loss: f64,
    /// How far the speech lies below the keys, in dB.
    pub(crate) speech: f64,
    /// Passcodes that the bridge must get right at least.
    pub(crate) right: usize,
    /// How many times as many as spandsp.
    pub(crate) times: usize,
    /// Makes everything that is left to chance.
    pub(crate) seed: u64,
    /// The program that lists what spandsp hears.
    pub(crate) spandsp: Option<PathBuf>,
    /// Where the received sound goes.
    pub(crate) save: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calls: 1000,
            loss: 1.0,
            speech: 15.0,
            right: 0,
            times: 0,
            seed: 1,
            spandsp: None,
            save: None,
        }
    }
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.into_iter();
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} without a value; {USAGE}"))?;
            match name.as_str() {
                "--calls" => options.calls = number(&name, &value)?,
                "--loss" => options.loss = number(&name, &value)?,
                "--speech" => options.speech = number(&name, &value)?,
                "--right" => options.right = number(&name, &value)?,
                "--times" => options.times = number(&name, &value)?,
                "--seed" => options.seed = number(&name, &value)?,
                "--spandsp" => options.spandsp = Some(value.into()),
                "--save" => options.save = Some(value.into()),
                _ => bail!("no option {name:?}; {USAGE}"),
            }
        }
        ensure!((1..=9999).contains(&options.calls), "--calls is a number from 1 to 9999");
        ensure!((0.0..=100.0).contains(&options.loss), "--loss is in percent");
        ensure!((0.0..=60.0).contains(&options.speech), "--speech is from 0 to 60 dB");
        let compares = options.times > 0;
        ensure!(!compares || options.spandsp.is_some(), "--times needs --spandsp");
        ensure!(compares || options.right > 0, "nothing is demanded: --right or --times");
        Ok(options)
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().ok().with_context(|| format!("{name}: {value:?} is no such number; {USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_become_options_and_others_keep_their_defaults() {
        let options = parse("--calls 40 --loss 3 --speech 5 --right 38").unwrap();
        let wanted = Options { calls: 40, loss: 3.0, speech: 5.0, right: 38, ..Options::default() };
        assert_eq!(options, wanted);
    }

    #[test]
    fn run_that_could_not_fail_is_refused() {
        for line in
            ["", "--calls 40", "--right 0", "--times 2", "--right", "--right x", "--wrong 1"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
