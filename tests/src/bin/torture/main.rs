//! `make torture`: what attackers do, done to the real bridge on loopback addresses, each attack
//! with its mark.
//!
//! `--quick` takes about a minute, with few tries and small floods; the whole takes a quarter of an hour,
//! and with `--guessing` an hour. `--program` names another bridge: an older one shows that
//! an attack works where nothing was done about it. Every load is bounded in time and number, and
//! no packet leaves 127.0.0.0/8.

// A shell around the bridge, in real time.
#![allow(clippy::disallowed_methods)]

mod attacks;
mod kit;
mod marks;
mod options;
mod place;
mod stalls;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use bridge_tests::real::checks::{conclude, say};

use attacks::{
    description, dialog, early, flood, foreign, guessing, reinvite, siege, silent, third_party,
};
use marks::Marks;
use options::Options;
use place::Place;

/// An attack.
struct Attack {
    name: &'static str,
    run: fn(&Place, &Options, &mut Marks) -> Result<()>,
    /// Whether its marks depend on time, so that it wants the machine for itself.
    alone: bool,
}

const ATTACKS: [Attack; 10] = [
    Attack { name: "silent", run: silent::run, alone: false },
    Attack { name: "reinvite", run: reinvite::run, alone: false },
    Attack { name: "early", run: early::run, alone: false },
    Attack { name: "third-party", run: third_party::run, alone: false },
    Attack { name: "foreign", run: foreign::run, alone: false },
    Attack { name: "guessing", run: guessing::run, alone: false },
    Attack { name: "description", run: description::run, alone: true },
    Attack { name: "dialog", run: dialog::run, alone: true },
    Attack { name: "flood", run: flood::run, alone: true },
    Attack { name: "siege", run: siege::run, alone: true },
];

fn main() -> ExitCode {
    conclude("torture", Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)))
}

fn run(options: &Options) -> Result<ExitCode> {
    let mut marks = Marks::default();
    let wanted = ATTACKS.iter().enumerate().filter(|(_, attack)| options.wants(attack.name));
    // In a minute: those that wait more than they work, at one time.
    let (together, alone): (Vec<_>, Vec<_>) =
        wanted.partition(|(_, attack)| options.quick && !attack.alone);
    let played = std::thread::scope(|scope| {
        let threads = together.iter().map(|&one| scope.spawn(move || play(one, options)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for one in played {
        marks.append(one.map_err(|_| anyhow!("an attack broke off"))??);
    }
    for one in alone {
        marks.append(play(one, options)?);
    }
    Ok(marks.finish(!options.quick))
}

/// One attack, on a bridge of its own.
fn play((number, attack): (usize, &Attack), options: &Options) -> Result<Marks> {
    let began = Instant::now();
    let mut marks = Marks::default();
    let place = Place::new(options, number)?;
    (attack.run)(&place, options, &mut marks)
        .with_context(|| format!("the attack {}", attack.name))?;
    say(format_args!("      {} took {:.0} s", attack.name, began.elapsed().as_secs_f64()));
    Ok(marks)
}
