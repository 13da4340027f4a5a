//! `make sip-load`: how many requests and calls a second the bridge's signalling carries.
//!
//! `sipload options` asks by OPTIONS as fast as the bridge answers, with the bridge on one processor
//! and this program on another; beside it, in the same minute, a bare echo of datagrams says what the
//! machine gives. `sipload calls` makes calls at a fixed rate, hangs up on each and says how long
//! each took to be answered. Every load ends by itself, and no packet leaves 127.0.0.0/8.

// A shell around the bridge, in real time.
#![allow(clippy::disallowed_methods)]

mod calls;
mod echo;
mod options;
mod place;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use bridge_tests::real::checks::{Checks, conclude};

use words::{Load, Words};

fn main() -> ExitCode {
    conclude("sipload", Words::parse(std::env::args().skip(1)).and_then(|words| run(&words)))
}

fn run(words: &Words) -> Result<ExitCode> {
    let mut checks = Checks::default();
    match words.load {
        Load::Options => options::run(words, &mut checks)?,
        Load::Calls => calls::run(words, &mut checks)?,
        Load::Echo => return echo::run(),
    }
    Ok(checks.finish("sipload"))
}
