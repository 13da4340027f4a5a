//! `partyline user`: which telephones are registered with a running bridge.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::table::{Align, Table};
use super::trunk::{ask, reached_at};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// List the users of the configuration, and where each can be reached
    List(List),
}

/// Asks the running bridge at http.listen of its configuration.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  partyline user list
  partyline user list --json | jq '.users[] | select(.bindings == [])'")]
pub(super) struct List {
    /// Print what the bridge says as JSON
    #[arg(long)]
    json: bool,
}

impl UserCommand {
    pub(super) async fn run(
        self,
        config: &Config,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let Self::List(List { json }) = self;
        let page = ask(reached_at(config.http_listen), "/users").await?;
        let page: Value = serde_json::from_slice(&page).context("the answer is no JSON")?;
        if json {
            writeln!(out, "{page}")?;
        } else {
            writeln!(out, "{}", table(&page))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A row for each place where a user can be reached, and one for who can be reached nowhere.
fn table(page: &Value) -> Table {
    let columns = ["user", "number", "trunk", "from", "by", "until"];
    let mut table = Table::new(&columns.map(|column| (column, Align::Left)));
    for user in page["users"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let who = ["name", "number", "trunk"].map(|key| text(&user[key]));
        let bindings = user["bindings"].as_array().map(Vec::as_slice).unwrap_or_default();
        for binding in bindings {
            // Of a time, the fractions of its second say nothing here.
            let until = text(&binding["until"]);
            let until = until.split('.').next().unwrap_or_default().replace('T', " ");
            let place = [text(&binding["remote"]), text(&binding["transport"]), until];
            table.row(who.iter().cloned().chain(place).collect());
        }
        if bindings.is_empty() {
            let nowhere = ["-", "-", "not registered"].map(str::to_owned);
            table.row(who.into_iter().chain(nowhere).collect());
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_place_of_a_user_has_a_row() {
        let place = |port: u16| {
            json!({
                "contact": "sip:anna@192.0.2.7", "transport": "udp",
                "remote": format!("192.0.2.7:{port}"), "until": "2026-11-21T14:00:00.000000Z"
            })
        };
        let user = |name: &str, bindings: Vec<Value>| json!({ "name": name, "number": "14165550130", "trunk": "phones", "bindings": bindings });
        let users = [user("anna", vec![place(5060), place(5070)]), user("ben", Vec::new())];
        let text = table(&json!({ "users": users })).to_string();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 4, "{text}");
        assert!(rows[2].contains("192.0.2.7:5070") && rows[2].contains("2026-11-21 14:00:00"));
        assert!(rows[3].contains("ben") && rows[3].contains("not registered"));
    }
}
