//! `partyline`: the conference bridge and its administration, in one program.
//!
//! This file only hands the command line to [`cli`] and turns what comes back into an exit code.

#![forbid(unsafe_code)]

mod cli;
mod clock;
mod config;
mod data;
mod demo;
mod logging;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = cli::run(cli::Cli::parse(), &mut std::io::stdout());
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            drop(writeln!(std::io::stderr(), "error: {}", told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once: some print their cause themselves.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        known if known.contains(&cause) => told,
        known => format!("{known}: {cause}"),
    })
}

/// The reader of our output has seen enough, as in `partyline cdr list | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use partyline_cdr_store::StoreError;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let (path, source) = ("x.db".into(), std::io::Error::other("the disk is full"));
        let error = Err::<(), _>(StoreError::Io { path, source });
        let error = error.context("there is no backup").context("sorry").unwrap_err();
        assert_eq!(told(&error), "sorry: there is no backup: x.db: the disk is full");
    }
}
