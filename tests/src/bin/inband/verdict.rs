//! What became of each call, told by the bridge's records alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bridge_tests::real::records::{Event, Leg};

/// What the first entry of a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It opened the caller's own conference.
    Right,
    /// It opened nothing: some key was missed, mistaken or made up.
    Refused,
    /// It opened another conference.
    OtherRoom,
    /// The call was answered and nothing was made of its keys.
    Unheard,
    /// The bridge did not answer the call.
    NoAnswer,
}

impl Outcome {
    /// In the order of reports.
    pub(crate) const ALL: [Self; 5] =
        [Self::Right, Self::Refused, Self::OtherRoom, Self::Unheard, Self::NoAnswer];

    /// Reads a leg's record. `empty` says that an entry held nothing but its end, or timed out:
    /// no passcode was refused, but what came then was not the first entry.
    fn of(leg: Option<&Leg>, room: &str, empty: bool) -> Self {
        let Some(leg) = leg.filter(|leg| leg.is_answered()) else { return Self::NoAnswer };
        let refused = leg.number("auth_failures").is_none_or(|count| count > 0);
        match leg.text("conference") {
            _ if refused || empty => Self::Refused,
            "" => Self::Unheard,
            conference if conference == room => Self::Right,
            _ => Self::OtherRoom,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Right => "right",
            Self::Refused => "refused",
            Self::OtherRoom => "other room",
            Self::Unheard => "unheard",
            Self::NoAnswer => "no answer",
        })
    }
}

/// The outcome of each call, by its SIP Call-ID and the conference it was meant for.
pub(crate) fn outcomes<'a>(
    calls: impl Iterator<Item = (&'a str, &'a str)>,
    legs: &[Leg],
    events: &[Event],
) -> Vec<Outcome> {
    let by_call: BTreeMap<_, _> = legs.iter().map(|leg| (leg.text("sip_call_id"), leg)).collect();
    let no_input = events.iter().filter(|event| event.name() == "no_input");
    let empty: BTreeSet<_> = no_input.map(Event::leg).collect();
    let of = |(call, room)| {
        let leg = by_call.get(call).copied();
        Outcome::of(leg, room, leg.is_some_and(|leg| empty.contains(leg.id())))
    };
    calls.map(of).collect()
}

/// Packets received and jitter in milliseconds, from what `partyline cdr show` prints of a leg.
pub(crate) fn sound(shown: &str) -> Option<(u64, u64)> {
    let row = shown.lines().find(|line| line.starts_with("sound "))?;
    let mut words = row.split_whitespace().zip(row.split_whitespace().skip(1));
    let packets = words.clone().find(|(_, unit)| *unit == "packets")?.0;
    let jitter = words.find(|(name, _)| *name == "jitter")?.1;
    Some((packets.parse().ok()?, jitter.parse().ok()?))
}

/// The share of the bridge's ticks that began more than 20 ms late, in percent, from its metrics.
pub(crate) fn late_ticks(metrics: &str) -> Option<f64> {
    let value = |name: &str| -> Option<f64> {
        let name = format!("partyline_media_tick_lateness_seconds_{name} ");
        metrics.lines().find_map(|line| line.strip_prefix(&*name))?.trim().parse().ok()
    };
    let (all, in_time) = (value("count")?, value("bucket{le=\"0.020000\"}")?);
    (all > 0.0).then(|| 100.0 * (all - in_time) / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(call: &str, rest: &str) -> Leg {
        let answered = r#""answered_at":"2026-11-22T00:00:00Z""#;
        Leg::parse(&format!(r#"{{"leg_id":"leg-{call}","sip_call_id":"{call}",{answered}{rest}}}"#))
            .unwrap()
    }

    #[test]
    fn sound_is_read_from_a_shown_record() {
        let shown = "cause   normal\n\
            sound   PCMA 20 ms, 297 packets in, 436 out, 137 lost, jitter 2 ms\n";
        assert_eq!(sound(shown), Some((297, 2)));
        assert_eq!(sound("cause   normal\n"), None);
    }

    #[test]
    fn late_ticks_are_read_from_the_metrics() {
        let name = "partyline_media_tick_lateness_seconds";
        let metrics = format!(
            "{name}_bucket{{le=\"0.010000\"}} 60\n{name}_bucket{{le=\"0.020000\"}} 75\n\
             {name}_bucket{{le=\"+Inf\"}} 80\n{name}_count 80\n"
        );
        assert_eq!(late_ticks(&metrics), Some(6.25));
        assert_eq!(late_ticks("partyline_calls 0\n"), None);
    }

    #[test]
    fn outcome_is_that_of_the_first_entry() {
        let legs = [
            leg("a", r#","conference":"room-1","auth_failures":0"#),
            leg("b", r#","conference":"room-1","auth_failures":1"#),
            leg("c", r#","conference":"room-9","auth_failures":0"#),
            leg("d", r#","conference":null,"auth_failures":0"#),
            leg("e", r#","conference":"room-1","auth_failures":0"#),
            leg("f", r#","conference":"room-1""#),
            Leg::parse(r#"{"leg_id":"leg-g","sip_call_id":"g","answered_at":null}"#).unwrap(),
        ];
        let event = |line| Event::parse(line).unwrap();
        let events = [
            event(r#"{"leg_id":"leg-a","event":"auth_ok"}"#),
            event(r#"{"leg_id":"leg-e","event":"no_input"}"#),
        ];
        let calls = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|call| (call, "room-1"));
        let wanted = [
            Outcome::Right,
            Outcome::Refused,
            Outcome::OtherRoom,
            Outcome::Unheard,
            Outcome::Refused,
            Outcome::Refused,
            Outcome::NoAnswer,
            Outcome::NoAnswer,
        ];
        assert_eq!(outcomes(calls.into_iter(), &legs, &events), wanted);
    }
}
