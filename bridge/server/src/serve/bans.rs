//! Bans for who asks: orders and answers in JSON, and the line of the log.

use std::net::IpAddr;
use std::time::Duration;

use partyline_control::{Ban, Node, Unbannable};
use partyline_media_io::Clock;
use partyline_model::{Time, WallTime};
use serde_json::{Value, json};

/// The longest ban of an operator that ends by itself.
const LONGEST: u64 = 366 * 86_400;

/// What is to be done about bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    List,
    Add(IpAddr, Option<Duration>),
    Remove(IpAddr),
}

/// Who is banned, and why an order was not carried out.
pub(super) struct Answer {
    bans: Vec<Ban>,
    refused: Option<&'static str>,
    now: (Time, WallTime),
}

/// Reads an order: `{"order": "list"}`, `{"order": "add", "source": …, "seconds": …}`, which may be
/// left out, or `{"order": "remove", "source": …}`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn order(asked: &str) -> Result<Order, &'static str> {
    let asked: Value = serde_json::from_str(asked).map_err(|_| "expected a JSON object")?;
    let source = || {
        let source = asked["source"].as_str().and_then(|source| source.parse().ok());
        source.ok_or("expected an address as source")
    };
    match asked["order"].as_str() {
        Some("list") => Ok(Order::List),
        Some("add") => {
            let seconds = &asked["seconds"];
            let most = seconds.as_u64().filter(|seconds| (1..=LONGEST).contains(seconds));
            if !seconds.is_null() && most.is_none() {
                return Err("expected seconds from 1 to those of a year");
            }
            Ok(Order::Add(source()?, most.map(Duration::from_secs)))
        }
        Some("remove") => Ok(Order::Remove(source()?)),
        Some(_) | None => Err("expected the order list, add or remove"),
    }
}

/// Has the node do it.
pub(super) fn carry_out(order: Order, node: &mut Node, clock: Clock) -> Answer {
    let now = clock.now();
    let refused = match order {
        Order::List => None,
        Order::Add(source, lasting) => node.ban(now, source, lasting).err().map(|why| match why {
            Unbannable::TrunkHost => "it is the host of a [[trunk]], which is never banned",
            Unbannable::Full => "as many sources are banned as there may be",
        }),
        Order::Remove(source) => (!node.unban(now, source)).then_some("it is not banned"),
    };
    Answer { bans: node.bans(now), refused, now: (now, clock.wall()) }
}

impl Answer {
    /// The page: an object with the list of bans.
    pub(super) fn page(&self) -> Value {
        let (now, wall) = self.now;
        let ban = |ban: &Ban| {
            let left = ban.until.map(|until| until - now);
            let until = left.map(|left| {
                let left = i64::try_from(left.as_micros()).unwrap_or(i64::MAX);
                WallTime::from_micros(wall.as_micros().saturating_add(left)).to_string()
            });
            json!({
                "network": network(ban.source),
                "offence": ban.offence.name(),
                "times": ban.times,
                "seconds_left": left.map(|left| left.as_secs()),
                "until": until,
            })
        };
        let bans: Vec<Value> = self.bans.iter().map(ban).collect();
        json!({ "bans": bans, "refused": self.refused })
    }
}

fn network(source: IpAddr) -> String {
    format!("{source}/{}", if source.is_ipv4() { 32 } else { 64 })
}

/// One line for a ban.
pub(super) fn warn_of(ban: &Ban, clock: Clock) {
    let network = network(ban.source);
    tracing::warn!(
        source = network,
        offence = ban.offence.name(),
        times = ban.times,
        seconds = ban.until.map(|until| (until - clock.now()).as_secs()),
        "banned: nothing from there is listened to; `partyline ban list` shows all"
    );
}

#[cfg(test)]
mod tests {
    use partyline_control::Offence;

    use super::*;

    #[test]
    fn orders_are_read_and_what_is_none_is_told() {
        let ip: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(order(r#"{"order":"list"}"#), Ok(Order::List));
        let add = r#"{"order":"add","source":"192.0.2.7","seconds":60}"#;
        assert_eq!(order(add), Ok(Order::Add(ip, Some(Duration::from_secs(60)))));
        let endless = r#"{"order":"add","source":"192.0.2.7","seconds":null}"#;
        assert_eq!(order(endless), Ok(Order::Add(ip, None)));
        assert_eq!(order(r#"{"order":"remove","source":"192.0.2.7"}"#), Ok(Order::Remove(ip)));
        for bad in [
            "",
            "[]",
            r#"{"order":"burn"}"#,
            r#"{"order":"add"}"#,
            r#"{"order":"add","source":"192.0.2.7","seconds":0}"#,
            r#"{"order":"add","source":"192.0.2.7","seconds":1e99}"#,
            r#"{"order":"remove","source":"192.0.2.0/24"}"#,
        ] {
            assert!(order(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_page_says_whom_why_and_how_long() {
        let (source, offence) = ("2001:db8::".parse().unwrap(), Offence::Scan);
        let until = Some(Time::from_secs(100));
        let bans = vec![
            Ban { source, offence, until, times: 2 },
            Ban { source: "192.0.2.7".parse().unwrap(), until: None, offence, times: 1 },
        ];
        let now = (Time::from_secs(40), WallTime::from_micros(0));
        let page = Answer { bans, refused: None, now }.page();
        let first = &page["bans"][0];
        assert_eq!(
            (&first["network"], &first["offence"]),
            (&json!("2001:db8::/64"), &json!("scan"))
        );
        assert_eq!((&first["seconds_left"], &first["times"]), (&json!(60), &json!(2)));
        assert!(first["until"].as_str().is_some_and(|at| at.starts_with("1970-01-01T00:01:00")));
        assert_eq!(page["bans"][1]["seconds_left"], Value::Null);
    }
}
