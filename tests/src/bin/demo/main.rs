//! `make demo`: three people call the bridge, talk, mute, record, dial out and hang up, on real
//! sockets; then their call records and their invoice are shown, and checked against the phones.

mod bill;
mod story;
mod verdict;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bridge_tests::real::bridge::{Network, Options, Passcodes, Setup};
use bridge_tests::real::cast::{Cast, line};
use bridge_tests::real::checks::{Checks, conclude, say};
use bridge_tests::real::speech::Speech;
use bridge_tests::real::steady::steadily;
use story::{Callers, Number};

/// Everything that is written, below the folder that `make demo` runs in.
const FOLDER: &str = "demo-out";
/// The conference of the demonstration account.
const CONFERENCE: &str = "1";
/// All calls are over by then.
const LIMIT: Duration = Duration::from_secs(150);
/// How often the invoice is asked for; each time waits 10 s for the database.
const INVOICE_TRIES: usize = 6;

fn main() -> ExitCode {
    conclude("demo", run())
}

fn run() -> Result<ExitCode> {
    let network = Network::usual();
    let speech = Speech::load()?;
    let lines = Callers::lines(|| line(network.bridge()))?;
    let options =
        Options { log: "info", trunk: Some(lines.dan.sip_address()), media_sources: None };
    let setup = Setup::new(Path::new(FOLDER), network, &options)?;
    say("Starting the bridge ...");
    let bridge = setup.start()?;
    let codes = setup.passcodes(CONFERENCE)?;
    say(format_args!(
        "The bridge takes calls at {}. Ann leads a conference; Bo (keys as tones in",
        setup.sip()
    ));
    say("the voice) and Cy (keys by SIP INFO) come first and wait; Dan will be called.");
    say("");

    let mut cast = Cast::new()?;
    let callers = Callers::seat(&mut cast, lines, setup.sip())?;
    callers.rehearse(&mut cast, &speech, &codes);
    steadily(|| cast.tell(LIMIT))?;
    let lateness = lateness(&setup.metrics()?, &cast);

    let legs = setup.closed_legs(callers.all().len())?;
    say("\nTheir call records (partyline cdr list):\n");
    let table = setup.run(&["cdr", "list"])?;
    say(table.trim_end());
    let month = month_of(&table);
    let out = setup.folder().display().to_string();
    say("\nTheir invoice (partyline invoice):\n");
    let words = ["invoice", "--account", "Demo", "--month", &month, "--out", &out, "--interim"];
    say(invoice(&setup, &words)?.trim_end());

    say("\nWhat the bridge says, set beside what the phones saw:\n");
    let mut checks = Checks::default();
    say(lateness);
    verdict::story(&mut checks, &cast);
    verdict::records(&mut checks, &cast, &callers, &legs);
    verdict::goodbyes(&mut checks, &cast, &callers);
    verdict::invoice(&mut checks, setup.folder(), &legs)?;
    let status = bridge.terminate()?;
    checks.check(status.success(), "the bridge ends well after SIGTERM", status);
    verdict::recording(&mut checks, &setup.recordings()?)?;
    verdict::log(&mut checks, &setup.log(), &codes)?;
    let code = checks.finish("demo");
    how_to_call(&setup, &codes, setup.sip());
    Ok(code)
}

/// Writes the invoice. The bridge refuses while records wait for the database, as they do beside a
/// disk that others keep busy for longer than it waits itself: then once more.
fn invoice(setup: &Setup, words: &[&str]) -> Result<String> {
    for _ in 1..INVOICE_TRIES {
        match setup.run(words) {
            Err(error) if format!("{error:#}").contains("wait in the journal") => {
                say("once more: the database lacks records yet (this machine's disk is busy)");
            }
            done => return done,
        }
    }
    setup.run(words)
}

/// Whether the machine kept up, in the bridge's words and the phones'.
fn lateness(metrics: &str, cast: &Cast) -> String {
    let of = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or("?").to_owned()
    };
    format!(
        "The machine: {} of the bridge's {} ticks of 20 ms began 20 ms late or more, {} were left \
         out; the phones\nwere up to {} ms late, {} steps were repeated. Locked memory {}, real-time \
         priority {}.\n",
        of("partyline_media_ticks_late_total"),
        of("partyline_media_ticks_total"),
        of("partyline_media_ticks_skipped_total"),
        cast.late().as_millis(),
        cast.repeats(),
        of("partyline_memory_locked"),
        of("partyline_media_realtime"),
    )
}

/// The month of the newest call in its account's time zone: the table begins with the time.
fn month_of(table: &str) -> String {
    let newest = table.lines().nth(1).unwrap_or_default();
    newest.chars().take("2026-11".len()).collect()
}

fn how_to_call(setup: &Setup, codes: &Passcodes, sip: SocketAddr) {
    let shown = |path: &Path| {
        let here = std::env::current_dir().unwrap_or_default();
        path.strip_prefix(&here).unwrap_or(path).display().to_string()
    };
    say(format_args!(
        "\nThe invoice, the recording, the records and the log are in {FOLDER}/.\n\n\
         Call it yourself, with any softphone on this machine (no account, no registration, UDP):\n  \
         keep it running   {} --config {} serve\n  \
         call              sip:{}@{sip}\n  \
         passcodes         {}# leads the conference, {}# takes part in it\n  \
         star codes        ** tells them, *6 mutes, *4 records, *# counts, *99 ends it",
        shown(setup.program()),
        shown(&setup.config()),
        Number::DIAL_IN.0,
        codes.moderator,
        codes.participant,
    ));
}
