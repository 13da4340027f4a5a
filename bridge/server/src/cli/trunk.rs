//! `partyline trunk`: what a running bridge knows of its trunks, asked over its HTTP listener.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::Context;
use axum::body::Body;
use axum::http::{Request, header};
use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ask::{LONGEST, exchange};
use super::table::{Align, Table};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum TrunkCommand {
    /// Say which trunks are up, and which registration lasts until when
    Status(Status),
}

/// Asks the running bridge at http.listen of its configuration. Exit code 1 when a trunk is down.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline trunk status
  partyline trunk status --json | jq '.trunks[] | select(.state == \"down\")'")]
pub(super) struct Status {
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

impl TrunkCommand {
    pub(super) async fn run(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let Self::Status(Status { json }) = self;
        let page = ask(reached_at(config.http_listen), "/trunks").await?;
        let page: Value = serde_json::from_slice(&page).context("the answer is no JSON")?;
        if json {
            writeln!(out, "{page}")?;
        } else {
            writeln!(out, "{}", table(&page))?;
        }
        let down = trunks(&page).any(|trunk| trunk["state"] == "down");
        Ok(if down { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The address that reaches a listener of this machine.
pub(super) fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A page of the bridge at an address.
pub(super) async fn ask(at: SocketAddr, page: &str) -> anyhow::Result<Vec<u8>> {
    let host = format!("http://{at}");
    let asked = async {
        let stream = TcpStream::connect(at).await.with_context(|| {
            format!(
                "no bridge answers at {host}: is one running, with the same --config? Its \
                 http.listen says where it answers"
            )
        })?;
        let request = Request::get(page).header(header::HOST, at.to_string()).body(Body::empty())?;
        exchange(stream, &host, request).await
    };
    let asked = timeout(LONGEST, asked).await;
    asked.with_context(|| format!("the bridge at {host} does not answer"))?
}

fn trunks(page: &Value) -> impl Iterator<Item = &Value> {
    page["trunks"].as_array().into_iter().flatten()
}

/// Why a trunk is down; while it is not, what is wrong with its names.
fn reason(trunk: &Value) -> String {
    if let Some(reason) = trunk["reason"].as_str() {
        return reason.to_owned();
    }
    let names = trunk["names"].as_array().into_iter().flatten();
    let faults = names.flat_map(|name| {
        let called = name["name"].as_str().unwrap_or_default();
        let fault = name["fault"].as_str().map(|fault| format!("{called}: {fault}"));
        let withheld = name["withheld"].as_array().into_iter().flatten().filter_map(move |it| {
            let (ip, owner) = (it["address"].as_str()?, it["trunk"].as_str()?);
            Some(format!("{called}: {ip} is in a network of {owner}, and stays that trunk's"))
        });
        fault.into_iter().chain(withheld)
    });
    faults.collect::<Vec<_>>().join("; ")
}

fn table(page: &Value) -> Table {
    let mut table = Table::new(&[
        ("id", Align::Right),
        ("trunk", Align::Left),
        ("state", Align::Left),
        ("since", Align::Left),
        ("registered until", Align::Left),
        ("last", Align::Right),
        ("pings ok/bad", Align::Right),
        ("reason", Align::Left),
    ]);
    for trunk in trunks(page) {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
        };
        // Of a time, the fractions of its second say nothing here.
        let time = |value: &Value| {
            let text = text(value);
            text.split('.').next().map(|whole| whole.replace('T', " ")).unwrap_or_default()
        };
        let registration = &trunk["registration"];
        let until = match (registration.is_object(), &registration["until"]) {
            (false, _) => "-".to_owned(),
            (true, Value::Null) => "none".to_owned(),
            (true, until) => time(until),
        };
        let count = |result: &str| trunk["pings"][result].as_u64().unwrap_or(0);
        let bad = count("refused") + count("silent") + count("unreachable");
        let pings = if trunk["pings"].is_object() {
            format!("{}/{bad}", count("answered"))
        } else {
            "-".to_owned()
        };
        table.row(vec![
            text(&trunk["id"]),
            text(&trunk["name"]),
            text(&trunk["state"]),
            time(&trunk["since"]),
            until,
            text(&trunk["last_status"]),
            pings,
            reason(trunk),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listener_of_every_address_is_reached_on_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:9060", "127.0.0.1:9060"),
            ("[::]:9060", "[::1]:9060"),
            ("127.0.0.9:9061", "127.0.0.9:9061"),
        ] {
            assert_eq!(reached_at(listen.parse().unwrap()).to_string(), expected);
        }
    }

    const LOST: &str = "a.example: silence; b.example: 192.0.2.7 is in a network of office, and stays \
                        that trunk's";

    #[test]
    fn each_trunk_has_a_line() {
        let page = json!({ "trunks": [
            { "id": 1, "name": "a", "state": "up", "since": "2026-11-21T14:00:00.000000Z",
              "registration": { "bound": true, "until": "2026-11-21T14:10:00.500000Z" },
              "last_status": 200, "pings": null, "reason": null,
              "names": [{ "name": "a.example", "addresses": [], "fault": "silence" },
                         { "name": "b.example", "addresses": [], "fault": null,
                           "withheld": [{ "address": "192.0.2.7", "trunk": "office" }] }] },
            { "id": 2, "name": "b\u{1b}[2J", "state": "down", "since": "2026-11-21T14:00:00.000000Z",
              "registration": null, "last_status": null, "reason": "OPTIONS has no answer",
              "pings": { "answered": 7, "refused": 1, "silent": 2, "unreachable": 0 } },
        ]});
        let text = table(&page).to_string();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").filter(|s| !s.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(lines[1][1..4], ["a", "up", "2026-11-21 14:00:00"]);
        assert_eq!(lines[1][4..], ["2026-11-21 14:10:00", "200", "-", LOST]);
        assert_eq!(lines[2][1..3], ["b\\u{1b}[2J", "down"]);
        assert_eq!(lines[2][4..], ["-", "7/3", "OPTIONS has no answer"]);
        assert_eq!(table(&json!([])).to_string().lines().count(), 1);
    }
}
