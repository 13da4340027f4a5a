//! A leg and its events in words: what a table, a page or a JSON line shows of them.
//!
//! Telephone numbers are masked unless asked for in full; a withheld number stays withheld in a
//! table even then, and stands in JSON beside its mark.

use partyline_billing::masked;
use partyline_cdr_record::{
    Attestation, Direction, FeatureDetail, FeatureRecord, LegRecord, LegState, Presentation,
    Quality, role_name,
};
use partyline_model::{Number, Role, WallTime};
use serde_json::{Value, json};

use super::times;

/// Whether telephone numbers are shown in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Full,
    Masked,
}

impl Numbers {
    fn show(self, number: Number) -> String {
        match self {
            Self::Full => number.to_string(),
            Self::Masked => masked(number),
        }
    }
}

/// A leg with the names of what it refers to.
pub(super) struct Leg<'a> {
    pub(super) record: &'a LegRecord,
    pub(super) numbers: Numbers,
    /// The account's time zone.
    pub(super) zone: String,
    pub(super) conference: String,
    pub(super) reference: String,
    /// The trunks that it came in and went out by, `2 carrier` by the configuration of today.
    pub(super) trunks: [String; 2],
}

impl Leg<'_> {
    pub(super) fn time(&self) -> String {
        times::local(self.record.invited_at, &self.zone)
    }

    /// Who called.
    pub(super) fn from(&self) -> String {
        match (self.record.direction, self.record.ani_presentation, self.record.ani) {
            (Direction::In, Presentation::Restricted, _) => "withheld".to_owned(),
            (_, _, Some(number)) => self.numbers.show(number),
            (Direction::In, _, None) => "unknown".to_owned(),
            (Direction::Out, _, None) => "bridge".to_owned(),
        }
    }

    /// Who was called. Dial-in numbers are public.
    pub(super) fn to(&self) -> String {
        match self.record.direction {
            Direction::In => match self.record.dnis {
                Some(number) => number.to_string(),
                None => self.record.dnis_raw.to_string(),
            },
            Direction::Out => {
                self.record.dialed_number.map_or_else(String::new, |n| self.numbers.show(n))
            }
        }
    }

    pub(super) fn role(&self) -> &'static str {
        self.record.access_code_role.map_or("", Role::as_str)
    }

    pub(super) fn duration(&self) -> String {
        match self.record.state {
            LegState::Open | LegState::Answered => String::new(),
            LegState::Closed | LegState::OrphanClosed => times::clock_time(self.record.duration_ms),
        }
    }

    /// Why it ended, with the SIP status of a call that was not answered; `up` while it lasts.
    pub(super) fn cause(&self) -> String {
        if !self.record.is_closed() {
            return "up".to_owned();
        }
        let reason = self.record.close_reason.map_or("unknown", |reason| reason.as_str());
        match self.record.sip_status.filter(|_| self.record.answered_at.is_none()) {
            Some(status) => format!("{reason} {status}"),
            None => reason.to_owned(),
        }
    }

    /// The page that shows the leg.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let record = self.record;
        let at = |at: Option<WallTime>| at.map_or(String::new(), |at| times::local(at, &self.zone));
        let codes: Vec<_> =
            record.access_codes.iter().map(|c| format!("{} {}", c.passcode, c.mask)).collect();
        let [trunk_in, trunk_out] = self.trunks.clone();
        let all = [
            ("leg", record.leg_id.to_string()),
            ("conference", self.conference.clone()),
            ("session", record.conf_id.map_or(String::new(), |id| id.to_string())),
            ("account", record.account_id.map_or(String::new(), |id| id.0.to_string())),
            ("direction", record.direction.to_string()),
            ("from", self.from()),
            ("number signed", record.ani_attest.map_or("", signed).to_owned()),
            ("to", self.to()),
            ("access", record.access_kind.to_string()),
            ("role", self.role().to_owned()),
            ("passcodes", codes.join(", ")),
            ("passcodes refused", record.auth_failures.to_string()),
            ("invited", at(Some(record.invited_at))),
            ("rang", at(record.ringing_at)),
            ("answered", at(record.answered_at)),
            ("joined", at(record.joined_at)),
            ("left", at(record.left_at)),
            ("ended", at(record.disconnected_at)),
            ("duration", self.duration()),
            ("in conference", times::clock_time(record.conf_ms)),
            ("on hold", times::clock_time(record.hold_ms)),
            ("cause", self.cause()),
            ("ended by", record.release_by.map_or("", |by| by.of(record.direction)).to_owned()),
            ("Q.850", record.q850.map_or(String::new(), |cause| cause.to_string())),
            ("reference", self.reference.clone()),
            ("placed by leg", record.dialout_by_leg.map_or(String::new(), |id| id.to_string())),
            ("trunk in", trunk_in),
            ("trunk out", trunk_out),
            ("SIP Call-ID", record.sip_call_id.to_string()),
            ("sound", record.quality.as_ref().map_or(String::new(), sound)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// One line for programs; times in UTC.
    pub(super) fn json(&self) -> Value {
        let record = self.record;
        let number = |number: Option<Number>| number.map(|n| self.numbers.show(n));
        let at = |at: Option<WallTime>| at.map(|at| at.to_string());
        json!({
            "leg_id": record.leg_id.to_string(),
            "rev": record.rev,
            "state": record.state.as_str(),
            "account_id": record.account_id.map(|id| id.0),
            "conference_id": record.conference_id.map(|id| id.0),
            "conference": self.conference,
            "conf_id": record.conf_id.map(|id| id.to_string()),
            "direction": record.direction.as_str(),
            "access_kind": record.access_kind.as_str(),
            "ani": number(record.ani),
            "ani_presentation": record.ani_presentation.as_str(),
            "ani_attest": record.ani_attest.map(|attest| attest.as_str()),
            "dnis": record.dnis.map(|n| n.to_string()),
            "dialed_number": number(record.dialed_number),
            "dialout_by_leg": record.dialout_by_leg.map(|id| id.to_string()),
            "role": record.access_code_role.map(Role::as_str),
            "passcodes": record.access_codes.iter().map(|c| c.passcode.0).collect::<Vec<_>>(),
            "auth_failures": record.auth_failures,
            "invited_at": at(Some(record.invited_at)),
            "ringing_at": at(record.ringing_at),
            "answered_at": at(record.answered_at),
            "joined_at": at(record.joined_at),
            "left_at": at(record.left_at),
            "disconnected_at": at(record.disconnected_at),
            "duration_ms": record.duration_ms,
            "conf_ms": record.conf_ms,
            "hold_ms": record.hold_ms,
            "reference_number": (!self.reference.is_empty()).then_some(&self.reference),
            "close_reason": record.close_reason.map(|reason| reason.as_str()),
            "release_by": record.release_by.map(|by| by.of(record.direction)),
            "q850": record.q850,
            "sip_status": record.sip_status,
            "trunk_in": record.trunk_in,
            "trunk_out": record.trunk_out,
            "sip_call_id": record.sip_call_id.as_str(),
        })
    }
}

/// What an attestation is to people.
const fn signed(attest: Attestation) -> &'static str {
    match attest {
        Attestation::Full => "A: the carrier knows the caller, and that the number is his",
        Attestation::Partial => "B: the carrier knows the caller",
        Attestation::Gateway => "C: the carrier has the call from elsewhere",
        Attestation::None => "no",
        Attestation::Invalid => "invalid: the signature is worth nothing",
        Attestation::Unchecked => "unchecked: the certificate was not had",
    }
}

fn sound(quality: &Quality) -> String {
    format!(
        "{} {} ms, {} packets in, {} out, {} lost, jitter {} ms",
        quality.codec,
        quality.ptime_ms,
        quality.rx_packets,
        quality.tx_packets,
        quality.lost,
        quality.jitter_p95_ms
    )
}

/// A row of the table of events.
pub(super) fn feature_cells(feature: &FeatureRecord, leg: &Leg<'_>) -> Vec<String> {
    let party = match leg.record.direction {
        _ if feature.is_of_session() => format!("({})", feature.actor),
        Direction::In => leg.from(),
        Direction::Out => leg.to(),
    };
    let outcome = match feature.denied {
        Some(reason) => format!("{}: {reason}", feature.outcome),
        None => feature.outcome.to_string(),
    };
    let detail = match &feature.detail {
        FeatureDetail::None => String::new(),
        FeatureDetail::Count(count) => count.to_string(),
        FeatureDetail::Reference { value, .. } => {
            value.as_ref().map_or("removed".to_owned(), ToString::to_string)
        }
        FeatureDetail::Number(number) => leg.numbers.show(*number),
        FeatureDetail::Status(status) => format!("SIP {status}"),
        FeatureDetail::Millis(ms) => times::clock_time(*ms),
        FeatureDetail::Mode { from, to } => format!("{from} to {to}"),
        FeatureDetail::Announce(mode) => mode.to_string(),
        FeatureDetail::Room(room) => format!("room {room}"),
    };
    vec![
        times::local(feature.at, &leg.zone),
        party,
        feature.code.to_string(),
        feature.pattern.to_string(),
        outcome,
        detail,
    ]
}

/// One line for programs.
pub(super) fn feature_json(feature: &FeatureRecord, numbers: Numbers) -> Value {
    let detail = match &feature.detail {
        FeatureDetail::None => Value::Null,
        FeatureDetail::Count(count) => json!({ "count": count }),
        FeatureDetail::Reference { value, previous } => json!({
            "reference_number": value.as_ref().map(ToString::to_string),
            "previous": previous.as_ref().map(ToString::to_string),
        }),
        FeatureDetail::Number(number) => json!({ "number": numbers.show(*number) }),
        FeatureDetail::Status(status) => json!({ "sip_status": status }),
        FeatureDetail::Millis(ms) => json!({ "ms": ms }),
        FeatureDetail::Mode { from, to } => {
            json!({ "from": from.as_str(), "to": to.as_str() })
        }
        FeatureDetail::Announce(mode) => json!({ "mode": mode.as_str() }),
        FeatureDetail::Room(room) => json!({ "room": room }),
    };
    json!({
        "leg_id": (!feature.is_of_session()).then(|| feature.leg_id.to_string()),
        "actor": feature.actor.as_str(),
        "actor_id": feature.actor_id,
        "role": feature.role.map(role_name),
        "feature_seq": feature.feature_seq,
        "conf_id": feature.conf_id.map(|id| id.to_string()),
        "conf_seq": feature.conf_seq,
        "at": feature.at.to_string(),
        "event": feature.code.as_str(),
        "pattern": feature.pattern.as_str(),
        "outcome": feature.outcome.as_str(),
        "denied": feature.denied.map(|reason| reason.as_str()),
        "target_leg": feature.target_leg.map(|id| id.to_string()),
        "detail": detail,
    })
}
