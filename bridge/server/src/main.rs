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
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output has seen enough, as in `partyline cdr list | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
