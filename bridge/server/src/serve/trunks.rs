//! What is known of the trunks, for `/trunks`, `/metrics` and the log.

use partyline_control::{Node, PingCounts, TrunkChange, TrunkName, TrunkState, TrunkStatus};
use partyline_media_io::Clock;
use partyline_model::{Time, WallTime};
use partyline_sip::Target;
use partyline_sip::locate::LookupFault;
use serde_json::{Value, json};

/// One trunk at a moment.
#[derive(Clone, Debug)]
pub(super) struct TrunkSample {
    pub(super) status: TrunkStatus,
    since: WallTime,
    /// When the registration ends, where there is one.
    until: Option<WallTime>,
}

impl TrunkSample {
    /// Every trunk of the node.
    pub(super) fn all(node: &Node, clock: Clock) -> Vec<Self> {
        let (now, wall) = (clock.now(), clock.wall());
        let of = |status: TrunkStatus| {
            let until = status.binding.and_then(|binding| binding.until);
            let since = ago(wall, now, status.since);
            Self { since, until: until.map(|until| wall + (until - now)), status }
        };
        node.trunk_states().into_iter().map(of).collect()
    }

    /// 1 while calls may go out by the trunk, as far as is known.
    pub(super) const fn up(&self) -> u8 {
        match self.status.state {
            TrunkState::Unwatched | TrunkState::Unknown | TrunkState::Up => 1,
            TrunkState::Down(_) | TrunkState::Left => 0,
        }
    }

    /// 1 while the trunk has our registration; `None` where it is to have none.
    pub(super) fn registered(&self) -> Option<u8> {
        self.status.binding.map(|binding| u8::from(binding.until.is_some()))
    }

    fn json(&self) -> Value {
        let TrunkStatus { id, name, state, last_status, binding, pings, names, .. } = &self.status;
        let reason = match state {
            TrunkState::Down(fault) => Some(fault.to_string()),
            TrunkState::Unwatched | TrunkState::Unknown | TrunkState::Up | TrunkState::Left => None,
        };
        let registration = binding.map(|binding| {
            let until = self.until.map(|until| until.to_string());
            json!({ "bound": binding.until.is_some(), "until": until })
        });
        let pings = pings.map(|counts| {
            let each = results(counts).map(|(result, count)| (result.to_owned(), count.into()));
            Value::Object(each.into_iter().collect())
        });
        json!({
            "id": id,
            "name": name,
            "state": state.name(),
            "reason": reason,
            "since": self.since.to_string(),
            "last_status": last_status.map(|status| status.code()),
            "registration": registration,
            "pings": pings,
            "names": names.iter().map(name_json).collect::<Vec<_>>(),
        })
    }
}

/// A name of a trunk, where it leads, and what is wrong with it.
fn name_json(name: &TrunkName) -> Value {
    let addresses: Vec<_> = name.addresses.iter().map(written).collect();
    let fault = name.fault.map(|fault| match fault {
        LookupFault::Silent => "name servers do not answer",
        LookupFault::Nothing => "there is no address of use",
    });
    let withheld = name.withheld.iter().map(|(ip, owner)| json!({ "address": ip, "trunk": owner }));
    let withheld: Vec<Value> = withheld.collect();
    json!({ "name": name.name, "addresses": addresses, "fault": fault, "withheld": withheld })
}

fn written(target: &Target) -> String {
    format!("{} {}", target.transport, target.address)
}

/// One line for a name of a trunk that leads elsewhere, or could not be looked up.
pub(super) fn say_name(name: &TrunkName) {
    let TrunkName { trunk, name, addresses, fault, withheld } = name;
    for (ip, owner) in withheld {
        tracing::warn!(
            trunk,
            name,
            address = %ip,
            "the trunk's name leads into a network of the trunk {owner:?}, whose address it stays: \
             calls from there are not this trunk's; list the address itself if they are"
        );
    }
    let at = addresses.iter().map(written).collect::<Vec<_>>().join(", ");
    let why = fault.map(|fault| match fault {
        LookupFault::Silent => "no name server says where it is; look at dns.servers",
        LookupFault::Nothing => "it has no address of use; is it spelt as its operator spells it?",
    });
    match why {
        None => tracing::info!(trunk, name, at, "the trunk's name was looked up"),
        Some(why) if addresses.is_empty() => {
            tracing::warn!(trunk, name, "the trunk's name leads nowhere: {why}");
        }
        Some(why) => tracing::warn!(
            trunk,
            name,
            at,
            "the trunk's name cannot be looked up: {why}; where it led holds on"
        ),
    }
}

/// The page: an object with the list of all trunks, in the order of the configuration.
pub(super) fn page(trunks: &[TrunkSample]) -> String {
    let all: Vec<Value> = trunks.iter().map(TrunkSample::json).collect();
    json!({ "trunks": all }).to_string()
}

/// What came of pings, by the names of metrics.
pub(super) const fn results(counts: PingCounts) -> [(&'static str, u64); 4] {
    let PingCounts { answered, refused, silent, unreachable } = counts;
    [("answered", answered), ("refused", refused), ("silent", silent), ("unreachable", unreachable)]
}

/// What the wall clock read then.
fn ago(wall: WallTime, now: Time, then: Time) -> WallTime {
    let micros = i64::try_from((now - then).as_micros()).unwrap_or(i64::MAX);
    WallTime::from_micros(wall.as_micros().saturating_sub(micros))
}

/// One line for a trunk that has come to another state.
pub(super) fn say(change: &TrunkChange) {
    let TrunkChange { name, state } = change;
    match state {
        TrunkState::Up => tracing::info!(trunk = name, "the trunk is up"),
        TrunkState::Down(fault) => tracing::warn!(
            trunk = name,
            "the trunk is down: {fault}; calls out pass it over while another is up"
        ),
        TrunkState::Left => tracing::info!(trunk = name, "the registration is taken back"),
        // A trunk whose registration is lost without a reason yet is asked again at once.
        TrunkState::Unknown | TrunkState::Unwatched => {
            tracing::info!(trunk = name, "it is not known whether the trunk is up");
        }
    }
}

#[cfg(test)]
pub(super) fn example() -> TrunkSample {
    use partyline_control::{Binding, TrunkFault};
    TrunkSample {
        status: TrunkStatus {
            id: 2,
            name: "carrier \"a\"".to_owned(),
            state: TrunkState::Down(TrunkFault::Silent),
            since: Time::ZERO,
            last_status: None,
            binding: Some(Binding { until: Some(Time::ZERO) }),
            pings: Some(PingCounts { answered: 7, refused: 0, silent: 3, unreachable: 0 }),
            names: vec![TrunkName {
                trunk: "carrier".to_owned(),
                name: "sip.carrier.example".to_owned(),
                addresses: Vec::new(),
                fault: Some(LookupFault::Silent),
                withheld: vec![("192.0.2.7".parse().expect("an address"), "office".to_owned())],
            }],
        },
        since: WallTime::from_micros(1_795_269_600_000_000),
        until: Some(WallTime::from_micros(1_795_269_660_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_of_each_trunk_what_is_known() {
        let page: Value = serde_json::from_str(&page(&[example()])).expect("JSON");
        let trunk = &page["trunks"][0];
        assert_eq!((&trunk["id"], &trunk["name"]), (&json!(2), &json!("carrier \"a\"")));
        assert_eq!(trunk["state"], "down");
        assert_eq!(trunk["reason"], "OPTIONS has no answer");
        assert_eq!(trunk["since"], "2026-11-21T14:00:00.000000Z");
        assert_eq!(trunk["names"][0]["name"], "sip.carrier.example");
        assert_eq!(trunk["names"][0]["fault"], "name servers do not answer");
        let withheld = &trunk["names"][0]["withheld"][0];
        assert_eq!(
            (&withheld["address"], &withheld["trunk"]),
            (&json!("192.0.2.7"), &json!("office"))
        );
        assert_eq!(trunk["registration"]["bound"], true);
        assert_eq!(trunk["registration"]["until"], "2026-11-21T14:01:00.000000Z");
        assert_eq!(
            (&trunk["pings"]["answered"], &trunk["pings"]["silent"]),
            (&json!(7), &json!(3))
        );
    }
}
