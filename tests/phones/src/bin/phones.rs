//! Test phones from the shell: play a story, or make a number of equal calls.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use partyline_phones::story::{PhoneLog, Plan, Played, Story, StoryLine, plan};
use partyline_phones::udp::RunEnd;
use partyline_phones::{Audio, Keys, PhoneConfig, Script, Step};

/// Test phones over real UDP sockets on 127.0.0.0/8. Exit code: 0 all as expected, 1 not, 2 usage.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Play a story of several phones and judge what they expect.
    Play(PlayOptions),
    /// Make a number of equal calls: key in digits, hum, hang up.
    Call(CallOptions),
}

#[derive(Args)]
struct Common {
    /// Where calls go, such as 127.0.0.1:5060.
    #[arg(long)]
    target: Option<SocketAddr>,
    /// Address of the first phone; the others take those after it.
    #[arg(long, default_value = "127.0.0.2")]
    from: Ipv4Addr,
    /// Write a JSON log for each phone into this folder.
    #[arg(long)]
    log: Option<PathBuf>,
}

#[derive(Args)]
struct PlayOptions {
    #[command(flatten)]
    common: Common,
    /// The story, JSON; its files are looked up from its folder.
    story: PathBuf,
}

#[derive(Args)]
struct CallOptions {
    #[command(flatten)]
    common: Common,
    /// How many calls.
    #[arg(long, default_value_t = 1)]
    calls: u32,
    /// New calls a second.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// The number to dial.
    #[arg(long, default_value = "100")]
    to: String,
    /// The first caller's number; the others count on from it.
    #[arg(long, default_value_t = 14_165_550_100)]
    caller: u64,
    /// Keys to press after the answer; a comma waits a second.
    #[arg(long, default_value = "")]
    digits: String,
    /// Seconds from the last key to hanging up.
    #[arg(long, default_value_t = 10.0)]
    hold: f64,
    /// Hum this many Hz during the hold; silence otherwise.
    #[arg(long)]
    tone: Option<f64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("phones: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    match &options.command {
        Verb::Play(play) => {
            let path = &play.story;
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let story = Story::parse(&text).with_context(|| path.display().to_string())?;
            let folder = path.parent().unwrap_or(Path::new("."));
            let plan = plan(&story, play.common.target, play.common.from, folder)?;
            finish(&plan.play()?, play.common.log.as_deref(), Detail::Each)
        }
        Verb::Call(call) => {
            finish(&equal_calls(call)?.play()?, call.common.log.as_deref(), Detail::Failures)
        }
    }
}

fn equal_calls(call: &CallOptions) -> Result<Plan> {
    let target = call.common.target.context("--target is needed")?;
    ensure!(call.rate > 0, "--rate must be above 0");
    let hold = Duration::try_from_secs_f64(call.hold).context("--hold")?;
    let keys = Keys::parse(&call.digits).context("--digits: a key that no telephone has")?;
    // Room for the ramp, a slow answer, the keys, and a BYE that must be repeated.
    let patience = Duration::from_secs(45);
    let keys_take = Duration::from_secs(1) * u32::try_from(call.digits.len())?;
    let limit = hold + keys_take + patience + Duration::from_secs(1) * (call.calls / call.rate);
    let mut lines = Vec::new();
    for number in 0..call.calls {
        let name = format!("call-{number:04}");
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = PhoneConfig::new(&name, unbound, unbound, target);
        config.to.clone_from(&call.to);
        // Nobody asks what was heard: little of it is kept.
        config.keep = Duration::from_secs(1);
        config.from = format!("+{}", call.caller + u64::from(number));
        let mut script = Script::new()
            .then(Step::WaitUntil(Duration::from_secs(1) * number / call.rate))
            .call()
            .until_answered(Duration::from_secs(10));
        if !keys.is_empty() {
            script = script.then(Step::Press(keys.clone()));
        }
        if let Some(hz) = call.tone {
            script = script.say(Audio::Tone { hz, dbm0: -18.0 });
        }
        let script = script.wait(hold).then(Step::ExpectUp).hang_up();
        let first = u32::from(call.common.from);
        let address = Ipv4Addr::from(first.checked_add(number).context("too many addresses")?);
        lines.push(StoryLine { config, address, sip_port: 0, script, heard: None });
    }
    Ok(Plan { lines, limit })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Each,
    Failures,
}

fn finish(played: &Played, folder: Option<&Path>, detail: Detail) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut failed = 0_usize;
    for log in &played.logs {
        for outcome in &log.expectations {
            failed += usize::from(!outcome.met);
            if outcome.met && detail == Detail::Failures {
                continue;
            }
            let (word, at) = (if outcome.met { "ok  " } else { "FAIL" }, outcome.ms);
            let (phone, what, seen) = (&log.phone, &outcome.what, &outcome.detail);
            writeln!(out, "{word} {:>4}.{:03} {phone}: {what} ({seen})", at / 1000, at % 1000)?;
        }
    }
    if let Some(folder) = folder {
        write_logs(folder, &played.logs)?;
    }
    let calls = || played.logs.iter().flat_map(|log| &log.calls);
    let answered = calls().filter(|call| call.answered_ms.is_some()).count();
    let end = match played.end {
        RunEnd::Done => "all stories ended",
        RunEnd::TimeUp => "the time was up",
    };
    writeln!(out, "{} calls, {answered} answered, {failed} failures; {end}", calls().count())?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn write_logs(folder: &Path, logs: &[PhoneLog]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for log in logs {
        // A name is the story's own text: it must not lead out of the folder.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let file: String = log.phone.chars().map(plain).collect();
        let path = folder.join(file + ".json");
        let text = serde_json::to_string_pretty(log)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
