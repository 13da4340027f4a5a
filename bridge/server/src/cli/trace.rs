//! `partyline trace`: the SIP messages of calls as a ladder, asked of the running bridge over the
//! socket in its data folder. What is shown was redacted before the bridge kept it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use partyline_control::TraceFilter;
use serde_json::{Value, json};

use super::ask::ask_here;
use super::pcap;
use super::table::{Align, Table, harmless};
use crate::config::Config;
use crate::serve::{TRACES, trace_files};

/// The fewest digits that are a telephone number.
const SHORTEST: usize = 7;
/// How wide the arrow of a ladder is.
const ARROW: usize = 34;

/// Shows the SIP messages of calls that are up or were, without credentials, keys, dialled digits
/// and bodies, numbers masked. Asks the running bridge over the socket in its data folder. Exit code 1 when there is
/// no such call.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline trace                             the last five calls, refused ones and strangers' too
  partyline trace --list --last 50            a line for each of the last fifty
  partyline trace --call 7f3a                 the call whose Call-ID begins so
  partyline trace --from 4165550123 --messages   a caller's calls, with their texts
  partyline trace --trunk carrier --last 1 --pcap call.pcap")]
pub(super) struct Trace {
    /// The Call-ID, or how it begins; `partyline cdr show` has it
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// The caller's number, with or without its country code, or the name of a user who registers
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// The trunk, as the configuration calls it
    #[arg(long, value_name = "NAME")]
    trunk: Option<String>,
    /// At most so many calls, the latest: 1 to 200
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=200))]
    last: u16,
    /// A line for each call in place of its ladder
    #[arg(long, conflicts_with_all = ["json", "messages"])]
    list: bool,
    /// Under each message its text
    #[arg(long, conflicts_with = "json")]
    messages: bool,
    /// Show telephone numbers in full
    #[arg(long)]
    full: bool,
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
    /// Write the messages to a packet capture, without sound; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "messages", "list"])]
    pcap: Option<PathBuf>,
}

impl Trace {
    pub(super) async fn run(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let mut page = self.find(config).await?;
        if !self.full {
            mask(&mut page);
        }
        let calls = page["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        if self.json {
            writeln!(out, "{page}")?;
        } else if let Some(file) = &self.pcap {
            ensure!(!calls.is_empty(), "there is no such call: no packet capture is written");
            pcap::write(calls, file, out)?;
        } else if self.list {
            writeln!(out, "{}", list(calls))?;
        } else if calls.is_empty() {
            writeln!(out, "no such call: {}", ADVICE)?;
        } else {
            for call in calls {
                writeln!(out, "{}", ladder(call, self.messages))?;
            }
        }
        Ok(if calls.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// What the bridge has in memory, and what is on disk; that alone where no bridge runs.
    async fn find(&self, config: &Config) -> anyhow::Result<Value> {
        let folder = config.data_dir.join(TRACES);
        let mut calls = self.on_disk(&folder)?;
        match self.ask(config).await {
            Ok(page) => {
                let mut page: Value =
                    serde_json::from_slice(&page).context("the answer is no JSON")?;
                let live = page["calls"].as_array_mut().map(std::mem::take).unwrap_or_default();
                // What the bridge still has may have gone on since it was written.
                calls.retain(|call| !live.iter().any(|known| is_same(known, call)));
                calls.extend(live);
            }
            Err(error) if calls.is_empty() => return Err(error),
            Err(_) => {}
        }
        calls.sort_by_key(began);
        let first = calls.len().saturating_sub(usize::from(self.last));
        Ok(json!({ "calls": calls.split_off(first) }))
    }

    /// The latest calls on disk that are asked for.
    fn on_disk(&self, folder: &Path) -> anyhow::Result<Vec<Value>> {
        let most = usize::from(self.last);
        let filter = TraceFilter {
            call_id: self.call.clone(),
            from: self.from.clone(),
            trunk: self.trunk.clone(),
            last: most,
        };
        let fits = |call: &Value| {
            let text = |key| call[key].as_str();
            let [call_id, caller] = ["call_id", "caller"].map(|key| text(key).unwrap_or_default());
            let takes = |caller| filter.takes(call_id, caller, text("trunk"));
            takes(caller) || text("user").is_some_and(takes)
        };
        let files = trace_files(folder)
            .with_context(|| format!("cannot read the traces in {}", folder.display()))?;
        let mut found = VecDeque::new();
        for path in files {
            let file =
                File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for line in BufReader::new(file).lines() {
                // A line that a crash cut off is none.
                let call = serde_json::from_str(&line?).unwrap_or(Value::Null);
                if fits(&call) && call.is_object() {
                    found.push_back(call);
                }
                if found.len() > most {
                    found.pop_front();
                }
            }
        }
        Ok(found.into())
    }

    async fn ask(&self, config: &Config) -> anyhow::Result<Vec<u8>> {
        let question = json!({
            "call_id": self.call,
            "from": self.from,
            "trunk": self.trunk,
            "last": self.last,
        });
        ask_here(config, "/trace", &question).await
    }
}

const ADVICE: &str = "the bridge keeps the last thousand since its start; a call that reached no \
                      trunk of it is a stranger's, and one that reached it not at all is stopped \
                      before: look at addresses, ports and firewalls";

/// When the first message came or went, in milliseconds since 1970.
fn began(call: &Value) -> i64 {
    let at = messages(call).first().and_then(|first| first["at"].as_str());
    let at = at.and_then(|at| at.parse::<jiff::Timestamp>().ok());
    at.map_or(i64::MIN, jiff::Timestamp::as_millisecond)
}

/// Whether both are one call: a Call-ID may come again, and two readings of clocks differ a little.
fn is_same(one: &Value, other: &Value) -> bool {
    one["call_id"] == other["call_id"] && began(one).abs_diff(began(other)) < 1000
}

/// Masks the telephone numbers of the page.
fn mask(page: &mut Value) {
    match page {
        Value::String(text) => *text = masked(text),
        Value::Array(all) => all.iter_mut().for_each(mask),
        Value::Object(all) => {
            if let Some(Value::String(caller)) = all.get_mut("caller") {
                *caller = masked_number(caller);
            }
            all.values_mut().for_each(mask);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A number without the digits in its middle; a shorter one is an extension. In a packet capture it
/// still has to be a user part.
fn masked_number(text: &str) -> String {
    let number = text.strip_prefix('+').unwrap_or(text);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits < SHORTEST || !number.chars().all(|c| c.is_ascii_digit() || separates(c)) {
        return text.to_owned();
    }
    let keep = (digits - 6).min(4);
    let mut place = 0;
    let hide = |c: char| {
        place += usize::from(c.is_ascii_digit());
        let is_hidden = c.is_ascii_digit() && place > keep && place <= digits - 2;
        if is_hidden { 'x' } else { c }
    };
    text.chars().map(hide).collect()
}

/// Whether it stands between the digits of a number for the eye only (RFC 3966 §3).
const fn separates(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')')
}

/// `text` with the number of every URI masked.
fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find(':') {
        let (scheme, after) = rest.split_at(colon + 1);
        shown.push_str(scheme);
        let span = |is: &dyn Fn(char) -> bool| after.find(|c| !is(c)).unwrap_or(after.len());
        let digits = span(&|c| c.is_ascii_digit() || c == '+');
        let number = span(&|c| c.is_ascii_digit() || c == '+' || separates(c));
        // An address has dots as well, and no user before it.
        let is_number = after[number..].starts_with('@') || scheme.ends_with("tel:");
        let end = if is_number { number } else { digits };
        let is_uri = ["sip:", "sips:", "tel:"].iter().any(|known| scheme.ends_with(known));
        let user = after.get(..end).filter(|_| is_uri);
        shown.push_str(&user.map(masked_number).unwrap_or_default());
        rest = after.get(user.map_or(0, str::len)..).unwrap_or_default();
    }
    shown + rest
}

/// Text of the page; control characters are written out.
fn text(value: &Value) -> String {
    harmless(value.as_str().unwrap_or_default().to_owned())
}

/// Hours to milliseconds of a time.
fn clock(value: &Value) -> String {
    let text = text(value);
    let time = text.split_once('T').map_or("", |(_, time)| time);
    time.get(..12).unwrap_or_default().to_owned()
}

/// Seconds since midnight, to the microsecond.
fn seconds(value: &Value) -> Option<f64> {
    let text = value.as_str()?;
    let (_, time) = text.split_once('T')?;
    let mut parts = time.trim_end_matches('Z').splitn(3, ':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

fn messages(call: &Value) -> &[Value] {
    call["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What became of a call: the last status of its first request, or that it is up.
fn outcome(call: &Value) -> String {
    let first = |message: &&Value| {
        let cseq = message["cseq"].as_str().unwrap_or_default();
        cseq.ends_with("INVITE") || call["kind"] != "call" && call["kind"] != "refused"
    };
    let statuses = messages(call).iter().filter(first).map(|message| text(&message["start"]));
    let mut finals = statuses.filter(|start| start.starts_with(|c: char| c.is_ascii_digit()));
    let last = finals.next_back().unwrap_or_else(|| "no answer".to_owned());
    if call["live"] == true { format!("up: {last}") } else { last }
}

/// Who is at the far end, for people.
fn peer(call: &Value) -> String {
    match call["trunk"].as_str() {
        Some(trunk) => harmless(trunk.to_owned()),
        None => messages(call).first().map(|seen| text(&seen["remote"])).unwrap_or_default(),
    }
}

fn list(calls: &[Value]) -> Table {
    let mut table = Table::new(&[
        ("time (UTC)", Align::Left),
        ("kind", Align::Left),
        ("dir", Align::Left),
        ("trunk or address", Align::Left),
        ("caller", Align::Left),
        ("outcome", Align::Left),
        ("messages", Align::Right),
        ("Call-ID", Align::Left),
    ]);
    for call in calls {
        table.row(vec![
            messages(call).first().map(|first| clock(&first["at"])).unwrap_or_default(),
            text(&call["kind"]),
            text(&call["direction"]),
            peer(call),
            text(&call["caller"]),
            outcome(call),
            messages(call).len().to_string(),
            text(&call["call_id"]),
        ]);
    }
    table
}

/// A ladder: the far end on the left, the bridge on the right, the time since the first message.
fn ladder(call: &Value, with_texts: bool) -> String {
    let mut shown = String::new();
    let caller = text(&call["caller"]);
    let from = if caller.is_empty() { String::new() } else { format!(" from {caller}") };
    let kind = match call["kind"].as_str() {
        Some("register") => "registration".to_owned(),
        Some("options") => "ping".to_owned(),
        Some("stranger") => "call of a stranger".to_owned(),
        Some("refused") => "call refused at once".to_owned(),
        Some(_) | None => "call".to_owned(),
    };
    let way = if call["direction"] == "out" { "out by" } else { "in by" };
    let mut line = |text: String| {
        shown.push_str(&text);
        shown.push('\n');
    };
    line(format!("{kind} {way} {}{from}, {}", peer(call), outcome(call)));
    line(format!("Call-ID {}", text(&call["call_id"])));
    let first = messages(call).first();
    let began = first.and_then(|first| seconds(&first["at"])).unwrap_or_default();
    if let Some(first) = first {
        line(format!("{} UTC", clock(&first["at"])));
    }
    let half = messages(call).len() / 2;
    for (place, message) in messages(call).iter().enumerate() {
        if place == half && call["left_out"].as_u64().unwrap_or(0) > 0 {
            line(format!("{:>10}  … {} messages are not kept …", "", call["left_out"]));
        }
        line(rung(message, began));
        if with_texts {
            for of_text in message["text"].as_str().unwrap_or_default().lines() {
                line(format!("{:>10}  | {}", "", harmless(of_text.to_owned())));
            }
        }
    }
    shown
}

/// Seconds from one time of day to another, which may be past midnight. What came and what was sent
/// for it may bear times that differ by less than a clock tells: never is one before the other.
fn since(began: f64, at: f64) -> f64 {
    const DAY: f64 = 86_400.0;
    let past = at - began;
    if past < -DAY / 2.0 { past + DAY } else { past.max(0.0) }
}

fn rung(message: &Value, began: f64) -> String {
    let at = seconds(&message["at"]).unwrap_or(began);
    let since = since(began, at);
    let start = text(&message["start"]);
    let short = start.split(' ').next().unwrap_or_default();
    let shown = match short.parse::<u16>() {
        Ok(_) => start.clone(),
        Err(_) => short.to_owned(),
    };
    let shown: String = shown.chars().take(ARROW - 6).collect();
    let dashes = "─".repeat(ARROW.saturating_sub(4 + shown.chars().count()));
    let arrow = if message["direction"] == "out" {
        format!("<── {shown} {dashes}")
    } else {
        format!("─── {shown} {dashes}>")
    };
    let mut notes = vec![format!("{} {}", text(&message["transport"]), text(&message["remote"]))];
    let uri = start.split_once(' ').filter(|_| short.parse::<u16>().is_err());
    notes.extend(uri.map(|(_, uri)| uri.to_owned()));
    let cseq = text(&message["cseq"]);
    if short.parse::<u16>().is_ok() && !cseq.ends_with("INVITE") {
        notes.push(format!("to {}", cseq.split(' ').next_back().unwrap_or_default()));
    }
    for key in ["sdp", "reason"] {
        let note = text(&message[key]);
        if !note.is_empty() {
            notes.push(note);
        }
    }
    if message["repeated"] == true {
        notes.push("again".to_owned());
    }
    format!("{since:>10.3}  {arrow:<width$}  {}", notes.join("; "), width = ARROW + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: &str, direction: &str, start: &str, cseq: &str) -> Value {
        json!({
            "at": format!("2026-11-30T{at}Z"), "direction": direction, "transport": "udp",
            "local": null, "remote": "192.0.2.9:5060", "repeated": false, "start": start,
            "cseq": cseq, "reason": null, "sdp": null, "text": "BYE x\r\n\u{1b}[2J\r\n",
        })
    }

    fn call() -> Value {
        let mut answer = message("23:59:59.600000", "out", "200 OK", "1 INVITE");
        answer["sdp"] = json!("audio 192.0.2.1:4000 RTP/AVP PCMU");
        json!({
            "kind": "call", "call_id": "a@b\u{1b}", "direction": "in", "trunk": "line",
            "caller": "+14165550123", "live": false, "left_out": 3, "messages": [
                message("23:59:59.500000", "in", "INVITE sip:*@192.0.2.1", "1 INVITE"),
                answer,
                message("00:00:01.000000", "in", "BYE sip:192.0.2.1", "2 BYE"),
                message("00:00:01.001000", "out", "200 OK", "2 BYE"),
            ],
        })
    }

    #[test]
    fn no_message_comes_before_the_first_and_midnight_is_passed() {
        assert!((since(100.5, 100.75) - 0.25).abs() < 1e-6);
        assert!(since(100.5, 100.499_999).abs() < 1e-6, "by less than a clock tells");
        assert!((since(86_399.5, 1.0) - 1.5).abs() < 1e-6);
    }

    #[test]
    fn a_ladder_has_a_rung_for_each_message_with_the_time_since_the_first() {
        let text = ladder(&call(), false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "call in by line from +14165550123, 200 OK");
        assert_eq!(lines[1], "Call-ID a@b\\u{1b}");
        assert_eq!(lines[2], "23:59:59.500 UTC");
        assert!(lines[3].starts_with("     0.000  ─── INVITE ─"), "{text}");
        assert!(lines[3].ends_with("─>  udp 192.0.2.9:5060; sip:*@192.0.2.1"), "{text}");
        assert!(lines[4].starts_with("     0.100  <── 200 OK ─"), "{text}");
        assert!(lines[4].ends_with("; audio 192.0.2.1:4000 RTP/AVP PCMU"), "{text}");
        assert!(lines[5].contains("3 messages are not kept"), "{text}");
        assert!(lines[6].starts_with("     1.500  ─── BYE ─"), "over midnight: {text}");
        assert!(lines[7].ends_with("; to BYE"), "{text}");
        assert_eq!(lines.len(), 8);
        assert!(ladder(&call(), true).contains("| \\u{1b}[2J\n"), "no terminal obeys it");
    }

    #[test]
    fn numbers_are_masked_in_every_text_and_extensions_are_not() {
        for (text, shown) in [
            ("+14165550123", "+1416xxxxx23"),
            ("4165550123", "4165xxxx23"),
            ("5550123", "5xxxx23"),
            ("1001", "1001"),
            ("4165550123x", "4165550123x"),
            ("+1-416-555-0182", "+1-416-xxx-xx82"),
            ("(416)555.0123", "(416)5xx.xx23"),
            ("", ""),
        ] {
            assert_eq!(masked_number(text), shown);
        }
        let text = "To: <sip:+14165550123@h:5060>;tag=4165550123\r\nP: <tel:+1-416-555-0123>, \
                    <sip:192.168.100.200>, <sip:192.168.100.200:5060>";
        let shown = "To: <sip:+1416xxxxx23@h:5060>;tag=4165550123\r\nP: <tel:+1-416-xxx-xx23>, \
                     <sip:192.168.100.200>, <sip:192.168.100.200:5060>";
        assert_eq!(masked(text), shown);
        let mut page = json!({ "calls": [call()] });
        page["calls"][0]["messages"][0]["start"] = json!("INVITE sip:+14165550123@h");
        mask(&mut page);
        let page = page.to_string();
        assert!(!page.contains("555") && page.contains("+1416xxxxx23"), "{page}");
        assert!(page.contains("192.0.2.9:5060"), "{page}");
    }

    #[test]
    fn a_list_has_a_line_for_each_call_and_what_became_of_it() {
        let mut calls = vec![call(), call(), call()];
        calls[1]["live"] = json!(true);
        (calls[2]["trunk"], calls[2]["kind"]) = (Value::Null, json!("stranger"));
        calls[2]["messages"] =
            json!([message("10:00:00.000000", "in", "INVITE sip:h", "1 INVITE")]);
        let text = list(&calls).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].contains("line") && lines[1].contains("  200 OK  "), "{text}");
        assert!(lines[2].contains("  up: 200 OK  "), "{text}");
        assert!(lines[3].contains("192.0.2.9:5060") && lines[3].contains("no answer"), "{text}");
    }
}
