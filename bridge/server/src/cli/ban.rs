//! `partyline ban`: whom a running bridge listens to no more, asked over the socket in its data
//! folder.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::ask::ask_here;
use super::table::{Align, Table};
use crate::config::Config;

/// Bans are kept in memory: a bridge that starts knows none. `partyline ban list --nft` is for a
/// firewall that is to keep them, or to spare the bridge the sight of them.
#[derive(Debug, Subcommand)]
pub(super) enum BanCommand {
    /// List who is banned, for what, and for how long
    List(List),
    /// Ban an address, until it is removed unless --for says so; of IPv6 its /64
    Add(Add),
    /// Listen to an address again
    Remove(Remove),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline ban list
  partyline ban list --json | jq -r '.bans[].network'
  partyline ban list --nft | nft -f -         sets banned4 and banned6 of table inet partyline, for a
                                              rule of yours: ip saddr @banned4 drop")]
pub(super) struct List {
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
    /// Print commands for nft that fill two sets anew
    #[arg(long, conflicts_with = "json")]
    nft: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline ban add 192.0.2.7
  partyline ban add 2001:db8::7 --for 12h")]
pub(super) struct Add {
    /// The address
    address: IpAddr,
    /// For how long, such as 30m or 12h
    #[arg(long = "for", value_name = "TIME")]
    lasting: Option<SignedDuration>,
}

#[derive(Args, Debug)]
pub(super) struct Remove {
    /// The address
    address: IpAddr,
}

impl BanCommand {
    pub(super) async fn run(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let order = match &self {
            Self::List(_) => json!({ "order": "list" }),
            Self::Add(add) => {
                let seconds = add.lasting.map(|lasting| lasting.as_secs());
                json!({ "order": "add", "source": add.address, "seconds": seconds })
            }
            Self::Remove(remove) => json!({ "order": "remove", "source": remove.address }),
        };
        let page = ask(config, &order).await?;
        let page: Value = serde_json::from_slice(&page).context("the answer is no JSON")?;
        if let Some(why) = page["refused"].as_str() {
            anyhow::bail!("{}: {why}", order["source"].as_str().unwrap_or_default());
        }
        match self {
            Self::List(List { json: true, .. }) => writeln!(out, "{page}")?,
            Self::List(List { nft: true, .. }) => write!(out, "{}", nft(&page))?,
            Self::List(_) => writeln!(out, "{}", table(&page))?,
            Self::Add(Add { address, .. }) => writeln!(out, "{address} is banned")?,
            Self::Remove(Remove { address }) => writeln!(out, "{address} is banned no more")?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn ask(config: &Config, order: &Value) -> anyhow::Result<Vec<u8>> {
    ensure!(order["seconds"].as_i64().is_none_or(|seconds| seconds > 0), "--for: expected a time");
    ask_here(config, "/bans", order).await
}

fn bans(page: &Value) -> &[Value] {
    page["bans"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn table(page: &Value) -> Table {
    let columns = [
        ("address", Align::Left),
        ("for", Align::Left),
        ("times", Align::Right),
        ("until", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for ban in bans(page) {
        let text = |key: &str| ban[key].as_str().unwrap_or_default().to_owned();
        let until = ban["until"].as_str().unwrap_or("it is removed").to_owned();
        table.row(vec![text("network"), text("offence"), ban["times"].to_string(), until]);
    }
    table
}

/// Commands that make two sets and fill them anew, in one transaction.
fn nft(page: &Value) -> String {
    let mut text = String::from("add table inet partyline\n");
    for (family, kind, flags) in
        [("4", "ipv4_addr", "timeout"), ("6", "ipv6_addr", "interval, timeout")]
    {
        let set = format!("inet partyline banned{family}");
        let of_family = bans(page).iter().filter_map(|ban| {
            let network = ban["network"].as_str()?;
            let is_v6 = network.contains(':');
            // A single address of IPv4 stands without its bits: its set has no intervals.
            let network = if is_v6 { network } else { network.strip_suffix("/32")? };
            let lasting = ban["seconds_left"].as_u64();
            let lasting = lasting.map(|seconds| format!(" timeout {}s", seconds.max(1)));
            (is_v6 == (family == "6")).then(|| network.to_owned() + &lasting.unwrap_or_default())
        });
        let elements: Vec<String> = of_family.collect();
        let made =
            writeln!(text, "add set {set} {{ type {kind}; flags {flags}; }}\nflush set {set}");
        let filled = if elements.is_empty() {
            Ok(())
        } else {
            writeln!(text, "add element {set} {{ {} }}", elements.join(", "))
        };
        made.and(filled).expect("a text takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn page() -> Value {
        json!({ "bans": [
            { "network": "192.0.2.7/32", "offence": "scan", "times": 2, "seconds_left": 60, "until": "x" },
            { "network": "192.0.2.8/32", "offence": "operator", "times": 1, "seconds_left": null },
            { "network": "2001:db8::/64", "offence": "garbage", "times": 1, "seconds_left": 0 },
        ]})
    }

    #[test]
    fn bans_are_listed_in_columns() {
        let shown = table(&page()).to_string();
        assert!(shown.contains("192.0.2.7/32") && shown.contains("it is removed"), "{shown}");
    }

    #[test]
    fn nft_gets_two_sets_whose_elements_end_by_themselves() {
        let text = nft(&page());
        for line in [
            "add set inet partyline banned4 { type ipv4_addr; flags timeout; }",
            "add element inet partyline banned4 { 192.0.2.7 timeout 60s, 192.0.2.8 }",
            "add element inet partyline banned6 { 2001:db8::/64 timeout 1s }",
        ] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
        assert!(!nft(&json!({ "bans": [] })).contains("element"), "nothing to add");
    }

    #[test]
    fn nft_loads_what_is_printed_where_it_is_there_and_may() {
        let check = |text: &str| {
            let mut nft = Command::new("nft")
                .args(["-c", "-f", "-"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .ok()?;
            nft.stdin.take()?.write_all(text.as_bytes()).ok()?;
            let said = nft.wait_with_output().ok()?;
            Some((said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned()))
        };
        // It needs rights, and a kernel that has it, also to check only.
        if !matches!(check("add table inet partyline\n"), Some((true, _))) {
            return;
        }
        let (loads, said) = check(&nft(&page())).expect("it runs");
        assert!(loads, "{said}");
    }
}
