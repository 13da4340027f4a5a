//! What the node and the records know, in the words of the interface.

use partyline_cdr_record::{
    Actor, AnnounceMode, ConferenceRecord, ConferenceState, DialoutKind, Direction, FeatureCode,
    FeatureDetail, FeatureRecord, LegRecord, Outcome, Record, TalkMode,
};
use partyline_conference::masked;
use partyline_control::{LegSnapshot, LegStage, RecordingState, SessionSnapshot, SessionState};
use partyline_live::{
    Actor as Doer, ActorKind, Announce, Event, Hand, Id, Leg, Mode, Muted, Reference, Session,
};
use partyline_model::{Number, Uuid};
use serde_json::{Map, Value, json};

const fn id<K>(uuid: Uuid) -> Id<K> {
    Id::new(uuid.0)
}

fn number(number: Number, full: bool) -> String {
    if full { number.as_str().to_owned() } else { masked(number) }
}

pub(super) fn session(of: &SessionSnapshot) -> Session {
    Session {
        id: id(of.conf_id),
        conference: of.conference.0,
        account: of.account.0,
        title: of.title.clone(),
        state: match of.state {
            SessionState::Waiting => "waiting",
            SessionState::Live => "live",
            SessionState::Ending => "ending",
            SessionState::Closing => "closing",
        }
        .to_owned(),
        mode: match of.mode {
            TalkMode::Conversation => Mode::Conversation,
            TalkMode::Questions => Mode::Questions,
            TalkMode::Presentation => Mode::Presentation,
        },
        locked: of.locked,
        security_passcode: of.security_passcode,
        recording: match of.recording {
            RecordingState::Off => "off",
            RecordingState::Recording => "recording",
            RecordingState::Paused => "paused",
        }
        .to_owned(),
        announce: match of.announce {
            AnnounceMode::Names => Announce::Names,
            AnnounceMode::Tones => Announce::Tones,
            AnnounceMode::Silent => Announce::Silent,
        },
        auto_continue: of.auto_continue,
        started_by: of.started_by.map(id),
        started_at: of.started_at.to_string(),
        legs_now: of.legs_now,
        legs_peak: of.legs_peak,
        legs_total: of.legs_total,
        hands: of.hands,
        knocking: of.knocking,
        reference: of.reference.as_ref().map(|value| Reference { value: value.to_string() }),
    }
}

pub(super) fn leg(of: &LegSnapshot, full: bool) -> Leg {
    Leg {
        id: id(of.leg_id),
        session: id(of.session),
        direction: direction(of.direction).to_owned(),
        origin: match of.dialout_kind {
            DialoutKind::None => "caller",
            DialoutKind::Operator => "operator",
            DialoutKind::ModeratorStar | DialoutKind::ModeratorRefer => "moderator",
            DialoutKind::Api | DialoutKind::Blast => "api",
        }
        .to_owned(),
        number: of.number.map(|of| number(of, full)),
        dnis: of.dnis.map(|dnis| dnis.as_str().to_owned()),
        role: of.role.as_str().to_owned(),
        state: match of.stage {
            LegStage::Invited => "invited",
            LegStage::Ringing => "ringing",
            LegStage::Answered => "answered",
            LegStage::Knocking => "knocking",
            LegStage::Holding => "holding",
            LegStage::In => "in",
            LegStage::Private => "private",
        }
        .to_owned(),
        muted: Muted {
            own: of.muted.own,
            moderator: of.muted.moderator,
            all: of.muted.all,
            mode: of.muted.mode,
        },
        hold: of.hold,
        hand: of.hand.map(|(position, since)| Hand { position, since: since.to_string() }),
        has_word: of.has_word,
        private_room: of.private_room,
        invited_at: of.invited_at.to_string(),
        answered_at: of.answered_at.map(|at| at.to_string()),
        joined_at: of.joined_at.map(|at| at.to_string()),
    }
}

const fn direction(of: Direction) -> &'static str {
    match of {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// The event that a record is; `None` where it is none for those who follow.
pub(super) fn event(record: &Record, full: bool) -> Option<Event> {
    match record {
        Record::Feature(feature) => Some(feature_event(feature, full)),
        Record::Leg(leg) => leg_event(leg, full),
        Record::Conference(conference) => session_event(conference),
        Record::Dialog(_) | Record::Tick(_) => None,
    }
}

fn of_system(kind: &str, at: String, data: Value) -> Event {
    Event {
        kind: kind.to_owned(),
        session: None,
        leg: None,
        target: None,
        seq: None,
        occurred_at: at,
        actor: Doer { kind: ActorKind::System, id: None },
        via: "bridge".to_owned(),
        outcome: Outcome::Ok.as_str().to_owned(),
        data,
    }
}

/// The beginning and the end of a leg.
fn leg_event(leg: &LegRecord, full: bool) -> Option<Event> {
    let far_end = partyline_conference::shown_number(leg).map(|of| number(of, full));
    let event = if leg.is_closed() {
        let at = leg.disconnected_at.unwrap_or(leg.invited_at);
        let data = json!({
            "direction": direction(leg.direction),
            "number": far_end,
            "reason": leg.close_reason.map(|reason| reason.as_str()),
            "by": leg.release_by.map(|by| by.of(leg.direction)),
            "sip": leg.sip_status,
            "q850": leg.q850,
            "duration_ms": leg.duration_ms,
        });
        of_system("leg.ended", at.to_string(), data)
    } else if leg.rev == 0 {
        let data = json!({ "direction": direction(leg.direction), "number": far_end });
        of_system("leg.created", leg.invited_at.to_string(), data)
    } else {
        return None;
    };
    Some(Event { leg: Some(id(leg.leg_id)), session: leg.conf_id.map(id), ..event })
}

/// The beginning and the end of a session.
fn session_event(of: &ConferenceRecord) -> Option<Event> {
    let event = if of.state == ConferenceState::Closed {
        let at = of.ended_at.unwrap_or(of.started_at);
        let data = json!({
            "reason": of.close_reason.map(|reason| reason.as_str()),
            "legs_peak": of.peak_legs,
            "legs_total": of.leg_count,
        });
        of_system("session.ended", at.to_string(), data)
    } else if of.rev == 0 {
        let data = json!({ "title": of.name.as_str(), "conference": of.conference_id.0 });
        of_system("session.created", of.started_at.to_string(), data)
    } else {
        return None;
    };
    Some(Event { session: Some(id(of.conf_id)), ..event })
}

fn feature_event(of: &FeatureRecord, full: bool) -> Event {
    let by_key = !of.pattern.as_str().is_empty();
    let (kind, via) = match of.actor {
        Actor::Leg => (ActorKind::Leg, if by_key { "key" } else { "call" }),
        Actor::Operator => (ActorKind::Operator, "console"),
        Actor::Portal => (ActorKind::Portal, "portal"),
        Actor::Api => (ActorKind::Api, "api"),
        Actor::Schedule => (ActorKind::Schedule, "schedule"),
        Actor::System => (ActorKind::System, "bridge"),
    };
    let mut data = Map::new();
    data.insert("code".to_owned(), of.code.as_str().into());
    if let Some(why) = of.denied {
        data.insert("reason".to_owned(), why.as_str().into());
    }
    if by_key {
        data.insert("keys".to_owned(), of.pattern.as_str().into());
    }
    if !of.code.is_about_a_secret()
        && let Value::Object(detail) = detail(&of.detail, full)
    {
        data.extend(detail);
    }
    Event {
        kind: kind_of(of).to_owned(),
        session: of.conf_id.map(id),
        leg: (!of.is_of_session()).then(|| id(of.leg_id)),
        target: of.target_leg.map(id),
        seq: (of.conf_seq > 0).then_some(of.conf_seq),
        occurred_at: of.at.to_string(),
        actor: Doer { kind, id: of.actor_id },
        via: via.to_owned(),
        outcome: of.outcome.as_str().to_owned(),
        data: Value::Object(data),
    }
}

fn detail(of: &FeatureDetail, full: bool) -> Value {
    match of {
        FeatureDetail::None => Value::Null,
        FeatureDetail::Count(count) => json!({ "count": count }),
        FeatureDetail::Reference { value, previous } => json!({
            "value": value.as_ref().map(ToString::to_string),
            "previous": previous.as_ref().map(ToString::to_string),
        }),
        FeatureDetail::Number(of) => json!({ "number": number(*of, full) }),
        FeatureDetail::Status(status) => json!({ "status": status }),
        FeatureDetail::Millis(millis) => json!({ "duration_ms": millis }),
        FeatureDetail::Mode { from, to } => json!({ "from": from.as_str(), "to": to.as_str() }),
        FeatureDetail::Announce(to) => json!({ "announce": to.as_str() }),
        FeatureDetail::Room(room) => json!({ "room": room }),
    }
}

/// The type of an event. What was denied or cancelled is not named as if it had been done.
fn kind_of(of: &FeatureRecord) -> &'static str {
    let (area, word) = area_of(of.code);
    match of.outcome {
        Outcome::Denied if area != "auth" => "feature.denied",
        Outcome::Failed if area == "feature" => "feature.failed",
        Outcome::Ok | Outcome::Denied | Outcome::Failed => word,
    }
}

/// The type of an event that was done. The area says how a failure is named: `feature` by a type of
/// its own, others as they are.
const fn area_of(code: FeatureCode) -> (&'static str, &'static str) {
    use FeatureCode as Code;
    match code {
        Code::RecordStart => ("feature", "record.started"),
        Code::RecordStop => ("record", "record.stopped"),
        Code::RecordPause => ("feature", "record.paused"),
        Code::RecordResume => ("feature", "record.resumed"),
        Code::MuteSelf => ("feature", "mute.self"),
        Code::UnmuteSelf => ("feature", "mute.self_off"),
        Code::MuteAll => ("feature", "mute.all"),
        Code::UnmuteAll => ("feature", "mute.all_off"),
        Code::MuteByModerator => ("feature", "mute.moderator"),
        Code::UnmuteByModerator => ("feature", "mute.moderator_off"),
        Code::Lock => ("feature", "session.locked"),
        Code::Unlock => ("feature", "session.unlocked"),
        Code::LockKnock => ("feature", "knock.asked"),
        Code::LockReject => ("feature", "knock.refused"),
        Code::LockAdmit => ("feature", "knock.admitted"),
        Code::DialoutStart => ("feature", "dialout.started"),
        Code::DialoutRinging => ("dialout", "dialout.ringing"),
        Code::DialoutAnswered => ("dialout", "dialout.answered"),
        Code::DialoutJoined => ("dialout", "dialout.joined"),
        Code::DialoutDropped => ("dialout", "dialout.dropped"),
        Code::DialoutRejected => ("dialout", "dialout.rejected"),
        Code::DialoutNoAnswer => ("dialout", "dialout.no_answer"),
        Code::DialoutBusy => ("dialout", "dialout.busy"),
        Code::DialoutFailed => ("dialout", "dialout.failed"),
        Code::DialoutUnconfirmed => ("dialout", "dialout.unconfirmed"),
        Code::RollCall | Code::RollCallPublic => ("feature", "rollcall"),
        Code::LectureMode => ("feature", "session.mode"),
        Code::HandRaise => ("feature", "hand.raised"),
        Code::HandLower => ("feature", "hand.lowered"),
        Code::QaOpen => ("feature", "qa.opened"),
        Code::QaClose => ("feature", "qa.closed"),
        Code::SecurityOn => ("feature", "secpass.on"),
        Code::SecurityOff => ("feature", "secpass.off"),
        Code::SecurityOk => ("auth", "secpass.ok"),
        Code::SecurityFail => ("auth", "secpass.fail"),
        Code::ReferenceSet => ("feature", "reference.set"),
        Code::EndConference => ("feature", "session.end_ordered"),
        Code::Kick => ("feature", "kick"),
        Code::Breakout => ("feature", "leg.private"),
        Code::Promote => ("feature", "role.promoted"),
        Code::AnnounceMode => ("feature", "session.announce"),
        Code::AutoContinueOn => ("feature", "session.auto_continue"),
        Code::AutoContinueOff => ("feature", "session.auto_continue_off"),
        Code::AuthOk => ("auth", "leg.authenticated"),
        Code::AuthFail | Code::AuthReject | Code::AuthDenied => ("auth", "auth.failed"),
        Code::HoldStart => ("leg", "leg.holding"),
        Code::Consent => ("leg", "consent"),
        Code::Join => ("leg", "leg.joined"),
        Code::Leave => ("leg", "leg.left"),
        Code::ConferenceStart => ("leg", "session.started"),
        Code::FarEndHold => ("leg", "leg.held"),
        Code::FarEndResume => ("leg", "leg.resumed"),
        Code::NoSound => ("leg", "leg.not_heard"),
        // `data.code` says which.
        Code::Count
        | Code::Help
        | Code::DialoutBarred
        | Code::Operator
        | Code::OperatorPublic
        | Code::Volume
        | Code::Welcome
        | Code::NoInput
        | Code::JoinFull
        | Code::HoldTimeout
        | Code::AloneTimeout
        | Code::PlaceTaken
        | Code::PlaceGiven
        | Code::CameBeside => ("leg", "feature.used"),
    }
}
