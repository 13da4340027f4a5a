//! A conference in session: its state, its legs, what is set for it.
//!
//! What one owner decides for a conference is here: its state, who is in it and in what order, the
//! sequence of its events, capacity, recording, the security passcode. What is a leg's own (its record,
//! prompts, keys, own mute) is in [`Call`](crate::call::Call), and stays with whoever answered the leg.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use partyline_cdr_record::AnnounceMode;
use partyline_dialplan::Prompt;
use partyline_model::{
    AccountId, CallId, ConferenceId, MixId, PlaybackId, RecordingId, Role, Time,
};
use partyline_secret::SecretDigits;

use crate::effects::Effects;
use crate::event::Output;
use crate::floor::Floor;
use crate::record::{Close, Event, SessionBook};
use crate::roster::Roster;

/// In which movements are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// One conference in session: from its first leg to its last.
pub(crate) struct Session {
    pub(crate) conference: ConferenceId,
    pub(crate) account: AccountId,
    /// The mix of those who are not aside.
    pub(crate) mix: MixId,
    pub(crate) rules: Rules,
    pub(crate) state: State,
    pub(crate) roster: Roster,
    pub(crate) book: SessionBook,
    /// The security passcode, asked of legs that join after it was set. Wiped with the room.
    pub(crate) security: Option<SecretDigits>,
    pub(crate) recording: Option<Recording>,
    /// Who may speak, and who wants to.
    pub(crate) floor: Floor,
    /// Whether participants have to ask to be let in.
    pub(crate) locked: bool,
    /// Who asked, the longest waiting first.
    pub(crate) knocking: Vec<CallId>,
    /// Who is called by order from outside and is not in yet.
    pub(crate) called: Vec<CallId>,
    /// The mixes of the private rooms that were used, by their number.
    pub(crate) rooms: BTreeMap<u8, MixId>,
    /// How many came whose number is not known or withheld.
    pub(crate) guests: u32,
    /// When the last few came or went: announcing is shortened while many do.
    pub(crate) movements: VecDeque<Time>,
    /// Whether the one leg in the mix has been alone for long enough to get music.
    pub(crate) alone_music: bool,
    /// The last prompt for the whole room, while it plays: music would stand in for it.
    pub(crate) announced: Option<PlaybackId>,
    /// Whether the one leg of the conference was told, or need not be, that it is alone.
    pub(crate) alone_told: bool,
    /// Whether there ever were two legs: only then is the last one told that it is alone.
    pub(crate) had_company: bool,
}

/// How the conference was configured when the session began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Legs wait for a moderator.
    pub(crate) waits_for_moderator: bool,
    /// Most legs.
    pub(crate) max_legs: usize,
    /// How joins and leaves are heard.
    pub(crate) announce: AnnounceMode,
    /// The conference ends after the last moderator.
    pub(crate) ends_with_moderator: bool,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// Legs wait for the moderator and do not hear each other.
    Waiting,
    /// The legs talk.
    Live,
    /// The legs talk; the last moderator left, and the conference ends unless one returns.
    Ending,
    /// The farewell plays or played; legs are hung up in groups.
    Closing {
        /// What their records will say.
        close: Close,
        /// The farewell.
        farewell: PlaybackId,
    },
}

impl State {
    /// Whether its legs are in the mix.
    pub(crate) const fn is_mixed(self) -> bool {
        match self {
            Self::Waiting => false,
            Self::Live | Self::Ending | Self::Closing { .. } => true,
        }
    }

    /// Whether the farewell plays or played.
    pub(crate) const fn is_closing(self) -> bool {
        matches!(self, Self::Closing { .. })
    }

    /// Whether its legs may use star codes.
    pub(crate) const fn is_open(self) -> bool {
        match self {
            Self::Live | Self::Ending => true,
            Self::Waiting | Self::Closing { .. } => false,
        }
    }
}

/// A recording that runs, or pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) id: RecordingId,
    /// What was recorded before the last pause.
    before: Duration,
    /// Since when it runs; `None` while it pauses.
    since: Option<Time>,
    /// Since when it pauses.
    paused: Option<Time>,
}

impl Recording {
    /// A recording that begins at `now`.
    pub(crate) const fn begin(id: RecordingId, now: Time) -> Self {
        Self { id, before: Duration::ZERO, since: Some(now), paused: None }
    }

    /// What was recorded.
    pub(crate) fn length(&self, now: Time) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Whether it pauses.
    pub(crate) const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Pauses, or goes on; how long the pause was, when it is over.
    pub(crate) fn toggle(&mut self, now: Time) -> Option<Duration> {
        self.before = self.length(now);
        let paused = self.paused.take();
        (self.since, self.paused) = match paused {
            Some(_) => (Some(now), None),
            None => (None, Some(now)),
        };
        paused.map(|paused| now.since(paused))
    }
}

impl Session {
    /// Whether a leg with `role` that joins has to wait.
    pub(crate) const fn holds(&self, role: Role) -> bool {
        let waiting = matches!(self.state, State::Waiting) && self.rules.waits_for_moderator;
        waiting && !matches!(role, Role::Moderator)
    }

    /// Writes an event that no leg did.
    pub(crate) fn note(&mut self, now: Time, fx: &mut Effects, event: Event) {
        fx.ledger.push(self.book.event(now, event));
    }

    /// What the legs hear may have changed.
    pub(crate) fn touch(&self, fx: &mut Effects) {
        fx.touched.extend(self.roster.calls());
    }

    /// Plays `prompts` to everybody, in the main mix and in private rooms.
    pub(crate) fn announce(&mut self, fx: &mut Effects, prompts: Vec<Prompt>) -> PlaybackId {
        for &mix in self.rooms.values() {
            let playback = fx.new_playback();
            fx.outputs.push_back(Output::PlayMix { mix, playback, prompts: prompts.clone() });
        }
        let playback = fx.new_playback();
        self.announced = Some(playback);
        fx.outputs.push_back(Output::PlayMix { mix: self.mix, playback, prompts });
        self.touch(fx);
        playback
    }

    /// Plays `prompts` to everybody in place of what plays: they must not come late.
    pub(crate) fn announce_at_once(
        &mut self,
        fx: &mut Effects,
        prompts: Vec<Prompt>,
    ) -> PlaybackId {
        if self.announced.is_some() {
            for &mix in self.rooms.values().chain([&self.mix]) {
                fx.outputs.push_back(Output::HushMix { mix });
            }
        }
        self.announce(fx, prompts)
    }

    /// A prompt for all was played: if it was the last, somebody alone may hear music again.
    pub(crate) fn announced(&mut self, fx: &mut Effects, playback: PlaybackId) {
        if self.announced.take_if(|last| *last == playback).is_some() {
            self.touch(fx);
        }
    }

    /// A tone for all, unless the conference is silent or too large for it.
    pub(crate) fn tone(&mut self, fx: &mut Effects, tone: Prompt) {
        let heard = self.rules.announce != AnnounceMode::Silent;
        if self.state.is_open() && heard && self.roster.len() <= fx.config.silent_above {
            self.announce(fx, vec![tone]);
        }
    }

    /// Somebody came or went: by name, by tone, or unheard, as the conference has it. Large
    /// conferences, and those where many come at once, hear tones for names.
    pub(crate) fn announce_caller(
        &mut self,
        now: Time,
        fx: &mut Effects,
        (tone, name): (Prompt, Vec<Prompt>),
    ) {
        self.moves(fx, now);
        let few = self.roster.len() <= fx.config.names_up_to
            && self.movements.len() <= fx.config.names_a_minute;
        if self.rules.announce == AnnounceMode::Names && few && self.state.is_open() {
            let said = if tone == Prompt::ToneJoin { Prompt::HasJoined } else { Prompt::HasLeft };
            let mut prompts = name;
            prompts.push(said);
            self.announce(fx, prompts);
        } else {
            self.tone(fx, tone);
        }
    }

    /// Notes that somebody comes or goes at `now`.
    pub(crate) fn moves(&mut self, fx: &Effects, now: Time) {
        self.movements.retain(|&at| now.since(at) < MINUTE);
        if self.movements.len() <= fx.config.names_a_minute {
            self.movements.push_back(now);
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.roster.len() >= self.rules.max_legs
    }
}
