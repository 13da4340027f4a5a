//! Which mix, which music, which talk: for each leg a pure function of state.
//!
//! No module tells the media plane to start or stop music or to move a leg. They change state and
//! mark the leg as touched; what follows from the state is compared with what the media plane was
//! told last. So music cannot go on by accident, and no leg is in two mixes.

use std::collections::BTreeMap;

use partyline_model::{CallId, SessionId};

use crate::bridge::Bridge;
use crate::call::{Apart, ApartStage, Call, Callee, CalleeStage, Member, Phase, Presence};
use crate::event::{Output, Talk};
use crate::session::{Session, State};

/// What the media plane is to do with `call`.
fn presence(call: &Call, sessions: &BTreeMap<SessionId, Session>) -> Presence {
    match &call.phase {
        Phase::Entry(entry) if entry.knocks_at.is_some() => {
            let music = call.speaking.is_none();
            Presence { mix: None, music, talk: Talk::Muted }
        }
        Phase::Opening | Phase::Greeting(_) | Phase::Entry(_) => Presence::SILENT,
        Phase::Leaving(_) => Presence { talk: Talk::Muted, ..Presence::SILENT },
        Phase::Member(member) => sessions
            .get(&member.session)
            .map_or(Presence::SILENT, |session| in_session(call, member, session)),
        Phase::Apart(Apart { stage: ApartStage::Talking(_, mix), .. })
        | Phase::Callee(Callee { stage: CalleeStage::Talking(mix), .. }) => {
            let talk = if call.held { Talk::Muted } else { Talk::Open };
            Presence { mix: Some(*mix), music: false, talk }
        }
        Phase::Apart(Apart { stage: ApartStage::Number | ApartStage::Calling(_), .. })
        | Phase::Callee(Callee {
            stage:
                CalleeStage::Opening
                | CalleeStage::Dialled
                | CalleeStage::Recording
                | CalleeStage::Greeted,
            ..
        }) => Presence { mix: None, music: false, talk: Talk::Muted },
    }
}

fn in_session(call: &Call, member: &Member, session: &Session) -> Presence {
    let talk = if call.types_a_secret() {
        Talk::Secret
    } else if call.held || !session.state.is_mixed() || session.silences(call, member) {
        Talk::Muted
    } else {
        Talk::Open
    };
    let quiet = call.speaking.is_none();
    let (mix, music) = match session.state {
        State::Waiting => (None, quiet),
        State::Live | State::Ending if member.room.is_some() => (member.room, false),
        State::Live | State::Ending => {
            (Some(session.mix), session.alone_music && quiet && session.announced.is_none())
        }
        State::Closing { .. } => (Some(session.mix), false),
    };
    Presence { mix, music, talk }
}

impl Bridge {
    /// `call`'s state changed.
    pub(crate) fn touch(&mut self, call: CallId) {
        self.fx.touched.insert(call);
    }

    /// The state of `session` changed, and with it what its legs hear.
    pub(crate) fn touch_session(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get(&session) {
            session.touch(&mut self.fx);
        }
    }

    /// Tells the media plane what changed for the legs that were touched.
    pub(crate) fn settle(&mut self) {
        // Leaving before joining: a mix of two is over before its legs are in the next one.
        let touched: Vec<CallId> = std::mem::take(&mut self.fx.touched).into_iter().collect();
        let changes: Vec<(CallId, Presence, Presence)> = touched
            .into_iter()
            .filter_map(|id| {
                let call = self.calls.get_mut(&id)?;
                self.fx.changed.extend(call.session());
                let wanted = presence(call, &self.sessions);
                let told = std::mem::replace(&mut call.told, wanted);
                (told != wanted).then_some((id, told, wanted))
            })
            .collect();
        for &(call, told, wanted) in &changes {
            if told.music && !wanted.music {
                self.fx.outputs.push_back(Output::Music { call, on: false });
            }
            if told.mix.is_some() && told.mix != wanted.mix {
                self.fx.outputs.push_back(Output::Leave { call });
            }
        }
        for (call, told, wanted) in changes {
            if told.talk != wanted.talk {
                self.fx.outputs.push_back(Output::Talk { call, talk: wanted.talk });
            }
            if let Some(mix) = wanted.mix.filter(|_| told.mix != wanted.mix) {
                self.fx.outputs.push_back(Output::Join { call, mix });
            }
            if wanted.music && !told.music {
                self.fx.outputs.push_back(Output::Music { call, on: true });
            }
        }
    }
}
