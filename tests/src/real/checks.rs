//! A list of checks, each a line of PASS or FAIL.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Counts what failed; prints each check as it is made.
#[derive(Debug, Default)]
pub struct Checks {
    passed: usize,
    failed: usize,
}

impl Checks {
    /// Prints `what` as passed or failed; `detail` says what was measured.
    pub fn check(&mut self, passed: bool, what: impl Display, detail: impl Display) {
        let word = if passed { "PASS" } else { "FAIL" };
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        say(format_args!("{word}  {what}: {detail}"));
    }

    /// Counts what another list counted too.
    pub fn append(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// How many checks were made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.passed + self.failed
    }

    /// Prints the sum; success only when something was checked and nothing failed.
    #[must_use]
    pub fn finish(self, name: &str) -> ExitCode {
        say(format_args!("{name}: {} of {} checks passed", self.passed, self.made()));
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The exit code of a program; says why when it came to no result.
pub fn conclude(name: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        say(format_args!("{name}: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Prints a line at once.
pub fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    // When nobody reads any more, the exit code still tells.
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}
