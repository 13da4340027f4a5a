//! From a command to the node, and back.

use partyline_cdr_record::{Actor, AnnounceMode, DenyReason, TalkMode};
use partyline_control::{LegOrder, Node, NotDone, Order, RecordOrder, SessionOrder};
use partyline_live::{Announce, Command, Fault, Id, Leg, Mode, RecordAction, Session};
use partyline_model::{Time, Uuid};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::followers::{Followers, Told};
use super::{fault, show};

/// A question for the control task, or an order.
pub(in crate::serve) enum Question {
    /// Anything but to follow.
    Command {
        /// What.
        command: Command,
        /// Whose.
        by: (Actor, Option<u64>),
        /// What has come of it.
        answer: oneshot::Sender<Result<Value, Fault>>,
    },
    /// Follow what happens.
    Follow {
        /// Where it is told.
        follower: mpsc::Sender<Told>,
        /// From here on.
        answer: oneshot::Sender<()>,
    },
}

impl Question {
    /// Has the node answer; whether anybody waits for that.
    pub(in crate::serve) fn put(
        self,
        node: &mut Node,
        now: Time,
        followers: &mut Followers,
    ) -> bool {
        match self {
            Self::Command { command, by, answer } => {
                // An order that nobody waits for any more is not carried out.
                !answer.is_closed() && answer.send(carry_out(command, by, node, now)).is_ok()
            }
            Self::Follow { follower, answer } => {
                followers.add(follower);
                answer.send(()).is_ok()
            }
        }
    }
}

const fn uuid<K>(id: Id<K>) -> Uuid {
    Uuid(id.uuid)
}

fn no_session() -> Fault {
    refusal(NotDone::UnknownSession)
}

fn carry_out(
    command: Command,
    by: (Actor, Option<u64>),
    node: &mut Node,
    now: Time,
) -> Result<Value, Fault> {
    if let Command::Sessions {} = command {
        let sessions: Vec<Session> = node.sessions().iter().map(show::session).collect();
        return Ok(json!({ "sessions": sessions }));
    }
    if let Command::Session { session } = command {
        let found = node.session(uuid(session)).ok_or_else(no_session)?;
        return Ok(json!({ "session": show::session(&found) }));
    }
    if let Command::Legs { session, full } = command {
        let found = node.legs_of(uuid(session)).ok_or_else(no_session)?;
        let legs: Vec<Leg> = found.iter().map(|leg| show::leg(leg, full)).collect();
        return Ok(json!({ "legs": legs }));
    }
    if let Command::Leg { leg, full } = command {
        let found = node.leg(uuid(leg)).ok_or_else(|| refusal(NotDone::UnknownLeg))?;
        return Ok(json!({ "leg": show::leg(&found, full) }));
    }
    let order = order(command)?;
    let leg = node.order(now, by, order).map_err(refusal)?;
    Ok(json!({ "leg": leg.map(|leg| Id::<Leg>::new(leg.0)) }))
}

fn order(command: Command) -> Result<Order, Fault> {
    let to_session = |session: Id<Session>, order| Order::Session(uuid(session), order);
    let to_leg = |leg: Id<Leg>, order| Order::Leg(uuid(leg), order);
    Ok(match command {
        Command::Mute { leg } => to_leg(leg, LegOrder::Mute(true)),
        Command::Unmute { leg } => to_leg(leg, LegOrder::Mute(false)),
        Command::Admit { leg } => to_leg(leg, LegOrder::Admit),
        Command::Refuse { leg } => to_leg(leg, LegOrder::Refuse),
        Command::LowerHand { leg } => to_leg(leg, LegOrder::LowerHand),
        Command::Drop { leg } => to_leg(leg, LegOrder::Drop),
        Command::Room { leg, room } => to_leg(leg, LegOrder::Room(room)),
        Command::MuteAll { session } => to_session(session, SessionOrder::MuteAll(true)),
        Command::UnmuteAll { session } => to_session(session, SessionOrder::MuteAll(false)),
        Command::Mode { session, mode } => to_session(session, SessionOrder::Mode(talk_mode(mode))),
        Command::Lock { session } => to_session(session, SessionOrder::Lock(true)),
        Command::Unlock { session } => to_session(session, SessionOrder::Lock(false)),
        Command::NextHand { session } => to_session(session, SessionOrder::NextHand),
        Command::Record { session, action } => {
            let action = match action {
                RecordAction::Start => RecordOrder::Start,
                RecordAction::Pause => RecordOrder::Pause,
                RecordAction::Resume => RecordOrder::Resume,
                RecordAction::Stop => RecordOrder::Stop,
            };
            to_session(session, SessionOrder::Record(action))
        }
        Command::Announce { session, announce } => {
            let announce = match announce {
                Announce::Names => AnnounceMode::Names,
                Announce::Tones => AnnounceMode::Tones,
                Announce::Silent => AnnounceMode::Silent,
            };
            to_session(session, SessionOrder::Announce(announce))
        }
        Command::AutoContinue { session, on } => {
            to_session(session, SessionOrder::AutoContinue(on))
        }
        Command::Reference { session, value } => {
            let value = value.map(|value| value.parse()).transpose();
            let value = value.map_err(|error| fault("invalid", &format!("value: {error}")))?;
            to_session(session, SessionOrder::Reference(value))
        }
        Command::Dial { session, to } => to_session(session, SessionOrder::Dial(to)),
        Command::End { session } => to_session(session, SessionOrder::End),
        Command::Sessions {}
        | Command::Session { .. }
        | Command::Legs { .. }
        | Command::Leg { .. }
        | Command::Watch { .. } => return Err(fault("invalid", "that is no order")),
    })
}

const fn talk_mode(mode: Mode) -> TalkMode {
    match mode {
        Mode::Conversation => TalkMode::Conversation,
        Mode::Questions => TalkMode::Questions,
        Mode::Presentation => TalkMode::Presentation,
    }
}

/// Why an order is not done, for programs and for people.
fn refusal(why: NotDone) -> Fault {
    let detail = match why {
        NotDone::UnknownSession => "no conference in session has this id, or it is over",
        NotDone::UnknownLeg => "no leg of a conference has this id, or it is gone",
        NotDone::Denied(DenyReason::Role) => {
            "not for the role of this leg: moderators are muted by themselves only, and listeners \
             have no line to open"
        }
        NotDone::Denied(DenyReason::Entitlement) => "the account does not have this feature",
        NotDone::Denied(DenyReason::State) => {
            "not as things are now: look at the session and the leg"
        }
        NotDone::Denied(DenyReason::Policy) => "a rule of the account forbids it",
        NotDone::Barred => "the account may not call this number, or any",
        NotDone::Capacity => "as many are being called as may be, or the conference is full",
        NotDone::Invalid => "that is no telephone number, or no room from 0 to 9",
    };
    fault(why.word(), detail)
}
