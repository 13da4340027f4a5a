//! What became of each caller, by his record.

use std::collections::BTreeMap;

use bridge_tests::real::checks::Checks;
use bridge_tests::real::records::{Event, Leg};

use crate::hall::{HOST, Hall};

/// Looks at every caller's ending, record and events.
pub(crate) fn judge(hall: &Hall, legs: &[Leg], events: &[Event], checks: &mut Checks) {
    let by_call: BTreeMap<&str, &Leg> =
        legs.iter().map(|leg| (leg.text("sip_call_id"), leg)).collect();
    let mut did: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        did.entry(event.leg()).or_default().push(event.name());
    }
    let hands = hall.hands();
    let mut wrong = Vec::new();
    for (caller, &phone) in hall.phones.iter().enumerate() {
        let fault = match by_call.get(hall.call_id(phone)) {
            None => Some("has no record".to_owned()),
            Some(leg) => {
                fault(hall, caller, leg, did.get(leg.id()).map_or(&[], Vec::as_slice), &hands)
            }
        };
        wrong.extend(fault.map(|fault| format!("caller {caller} {fault}")));
    }
    let all = hall.phones.len();
    checks.check(
        wrong.is_empty(),
        "every caller's ending, record and events are his own",
        format_args!("{} of {all}; {:?}", all - wrong.len(), &wrong[..wrong.len().min(5)]),
    );
    let raised: Vec<&str> = events
        .iter()
        .filter(|event| event.name() == "hand_raise" && event.is_ok())
        .map(Event::leg)
        .collect();
    let in_order: Vec<&str> = hands
        .iter()
        .filter_map(|&caller| Some(by_call.get(hall.call_id(hall.phones[caller]))?.id()))
        .collect();
    checks.check(
        raised == in_order,
        "hands stand in the order in which they went up",
        raised.len(),
    );
    let late = by_call.get(hall.call_id(hall.late));
    let turned_away = late.is_some_and(|leg| {
        leg.is_closed()
            && leg.text("close_reason") == "auth_reject"
            && leg.text("joined_at").is_empty()
    });
    checks.check(turned_away, "who came to the locked door did not come in", turned_away);
}

/// What is wrong with a caller, if anything is.
fn fault(hall: &Hall, caller: usize, leg: &Leg, did: &[&str], hands: &[usize]) -> Option<String> {
    let mut expected = vec!["auth_ok"];
    if caller == HOST {
        let acts = ["conference_start", "join", "mute_all", "qa_open", "roll_call", "lock"];
        expected.extend(acts);
        expected.push("end_conf");
    } else {
        expected.push("join");
        if hands.contains(&caller) {
            expected.push("hand_raise");
        }
        if hands.first() == Some(&caller) {
            expected.push("qa_close");
        }
    }
    expected.push("leave");
    if did != expected {
        return Some(format!("did {did:?}, not {expected:?}"));
    }
    if !hall.was_hung_up(hall.phones[caller]) {
        return Some("was not hung up by the bridge".to_owned());
    }
    let role = if caller == HOST { "moderator" } else { "participant" };
    let says = ["close_reason", "release_by", "role"].map(|field| leg.text(field));
    let should = ["ended_by_moderator", "moderator", role];
    (says != should || !leg.is_closed()).then(|| format!("has {says:?} in its record"))
}
