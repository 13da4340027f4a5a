//! One leg as the conference sees it: its phase, what it is asked, what plays to it.
//!
//! What an input does to it is in the module of the phase.

use std::sync::Arc;

use partyline_cdr_record::{Direction, Pattern, Reference};
use partyline_dialplan::Prompt;
use partyline_dialplan::star::{Command, Keys, Matcher, Menu, Profile};
use partyline_directory::Snapshot;
use partyline_model::{AccountId, CallId, ConferenceId, MixId, PlaybackId, Role, SessionId, Time};
use partyline_secret::SecretDigits;

use crate::claim::Claim;
use crate::effects::Effects;
use crate::event::Output;
use crate::event::{RefusalCodes, Talk};
use crate::guard::{Caller, Stranger, Tries};
use crate::guess::{Guess, Secret};
use crate::invited::Owed;
use crate::record::{Close, Event, LegBook};
use crate::remote::By;
use crate::roll::Roll;
use crate::session::Session;
use crate::timers::{CallTimer, Timer};

/// One leg, from its offer to its end.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) phase: Phase,
    pub(crate) book: LegBook,
    /// What the leg may enter, by its passcode or by the moderator who dialled it.
    pub(crate) grant: Option<Grant>,
    /// What the leg is asked; its keys answer that before anything else.
    pub(crate) question: Option<Question>,
    /// What the leg has typed in answer, or ahead of the first question. Wiped when it is classified.
    pub(crate) typed: SecretDigits,
    /// The secret that the leg has typed and waits for the answer to.
    pub(crate) guess: Option<Guess>,
    /// The directory at the answer, until it is known who pays: the plan of then prices the leg.
    pub(crate) answered_under: Option<Arc<Snapshot>>,
    /// By what guesses of the leg are counted, beside the number that was dialled.
    pub(crate) caller: Option<Caller>,
    /// With whom the leg waits for a first answer, under attack.
    pub(crate) stranger: Stranger,
    /// Wrong guesses of the leg at the secret that it is asked for.
    pub(crate) tries: Tries,
    /// The prompt that plays to the leg.
    pub(crate) speaking: Option<PlaybackId>,
    /// What the media plane was told last.
    pub(crate) told: Presence,
    /// The last command and when: the same one right after is one key press seen twice.
    pub(crate) last_command: Option<(Command, Time)>,
    /// The last code that the leg typed: what it asked for, and its keys, for the record.
    pub(crate) keyed: Option<(Command, Keys)>,
    /// Whether the far end holds us: what comes from it then is its hold music.
    pub(crate) held: bool,
    /// Whether the far end said that it sends media.
    pub(crate) expects_media: bool,
    /// Whether the far end has confirmed the answer: then it is where it says.
    pub(crate) confirmed: bool,
    /// How the call is refused while it is not answered.
    pub(crate) codes: RefusalCodes,
    /// Keys pressed in the conference outside any code. Which they were is not kept.
    pub(crate) stray_digits: u32,
    /// Who is to be told what comes of the leg, while it is called by another's telephone.
    pub(crate) owed: Option<Owed>,
    /// Which guest of its conference the leg is, if it has no number that may be told.
    pub(crate) guest: u32,
    /// Wrong tries at becoming a moderator.
    pub(crate) wrong_promotions: u8,
    /// The place that the leg came for, until it has it.
    pub(crate) claim: Option<Claim>,
    /// The session that the leg is on its way into: what it has shown there is worth nothing in another.
    pub(crate) bound: Option<SessionId>,
}

impl Call {
    pub(crate) const fn new(id: CallId, phase: Phase, book: LegBook, typed: SecretDigits) -> Self {
        Self {
            id,
            phase,
            book,
            grant: None,
            question: None,
            typed,
            guess: None,
            answered_under: None,
            caller: None,
            stranger: Stranger::Withheld,
            tries: Tries::NONE,
            speaking: None,
            told: Presence::SILENT,
            last_command: None,
            keyed: None,
            held: false,
            expects_media: false,
            confirmed: false,
            codes: RefusalCodes::USUAL,
            stray_digits: 0,
            owed: None,
            guest: 0,
            wrong_promotions: 0,
            claim: None,
            bound: None,
        }
    }

    /// The conference in session that the leg is in.
    pub(crate) const fn session(&self) -> Option<SessionId> {
        match &self.phase {
            Phase::Member(member) | Phase::Apart(Apart { member, .. }) => Some(member.session),
            Phase::Opening
            | Phase::Greeting(_)
            | Phase::Entry(_)
            | Phase::Leaving(_)
            | Phase::Callee(_) => None,
        }
    }

    /// The keys by which the leg asked for `command`; none where something else asked for it.
    pub(crate) fn pattern(&self, command: Command) -> Pattern {
        let keyed = self.keyed.filter(|(keyed, _)| *keyed == command);
        keyed.map_or(Pattern::NONE, |(_, keys)| Pattern::new(keys.as_str()))
    }

    /// Whether the leg is in the main conference: not aside, and in no private room.
    pub(crate) const fn is_in_main(&self) -> bool {
        matches!(&self.phase, Phase::Member(Member { room: None, .. }))
    }

    /// Whether the leg asks to be let into a locked conference.
    pub(crate) const fn knocks(&self) -> bool {
        matches!(&self.phase, Phase::Entry(Entry { knocks_at: Some(_), .. }))
    }

    /// Whether the bridge called the leg.
    pub(crate) fn is_outbound(&self) -> bool {
        self.book.record().direction == Direction::Out
    }

    /// Whether keys of the leg may be a secret before they are classified.
    pub(crate) fn types_a_secret(&self) -> bool {
        // What is typed while a verdict waits belongs to the next try.
        let waits = self.guess.as_ref().is_some_and(|guess| guess.secret == Secret::Promote);
        waits
            || matches!(
                self.question,
                Some(Question {
                    topic: Topic::NewSecurity
                        | Topic::NewSecurityAgain(_)
                        | Topic::Security
                        | Topic::Promote,
                    ..
                })
            )
    }
}

/// What a leg hears, is asked and leaves in the records.
impl Call {
    /// What is heard and sent may have changed.
    pub(crate) fn touch(&self, fx: &mut Effects) {
        fx.touched.insert(self.id);
    }

    /// Plays `prompts` in place of what plays.
    pub(crate) fn speak(&mut self, now: Time, fx: &mut Effects, prompts: Vec<Prompt>) {
        let playback = fx.new_playback();
        self.speaking = Some(playback);
        let guard = fx.config.playback_guard;
        fx.timers.set(Timer::Call(self.id, CallTimer::Playback), now, guard);
        fx.outputs.push_back(Output::Play { call: self.id, playback, prompts });
        self.touch(fx);
    }

    /// Stops what plays.
    pub(crate) fn hush(&mut self, fx: &mut Effects) {
        if self.speaking.take().is_some() {
            fx.timers.cancel(Timer::Call(self.id, CallTimer::Playback));
            fx.outputs.push_back(Output::StopPlay { call: self.id });
            self.touch(fx);
        }
    }

    /// Writes an event of the leg, in the sequence of the session that the leg is in.
    pub(crate) fn note(
        &mut self,
        now: Time,
        fx: &mut Effects,
        session: Option<&mut Session>,
        mut event: Event,
    ) {
        event.pattern = event.command.map_or(Pattern::NONE, |command| self.pattern(command));
        let role = self.grant.map(|grant| grant.role);
        let place = session.map(|session| session.book.next_event());
        fx.ledger.push(self.book.event(now, place, (role, event)));
    }

    /// Asks about `topic`. Without prompts the time for the first key begins at once.
    pub(crate) fn ask(
        &mut self,
        now: Time,
        fx: &mut Effects,
        question: Question,
        prompts: Vec<Prompt>,
    ) {
        let first = fx.config.first_key(&question.topic);
        self.typed.clear();
        self.question = Some(question);
        let key = Timer::Call(self.id, CallTimer::Key);
        self.touch(fx);
        if prompts.is_empty() {
            fx.timers.set(key, now, first);
        } else {
            fx.timers.cancel(key);
            self.speak(now, fx, prompts);
        }
    }

    /// Takes the question back, answered or not.
    pub(crate) fn take_question(&mut self, fx: &mut Effects) -> Option<Question> {
        let question = self.question.take()?;
        fx.timers.cancel(Timer::Call(self.id, CallTimer::Key));
        self.touch(fx);
        Some(question)
    }
}

/// Where a leg is in the call flow.
pub(crate) enum Phase {
    /// The leg came in; its first revisions are on their way to disk.
    Opening,
    /// The answer went out; the first prompt waits until the far end can hear it.
    Greeting(Greeting),
    /// The leg answers the questions that lead to a conference.
    Entry(Entry),
    /// The leg is of a conference: waiting or in the mix, as the room's state says.
    Member(Member),
    /// The leg is of a conference, and aside to call somebody.
    Apart(Apart),
    /// The leg hears its last prompt and is hung up after it.
    Leaving(Close),
    /// The bridge dialled the leg for a moderator, who has not brought it into the conference.
    Callee(Callee),
}

/// Waiting to be heard.
#[derive(Clone, Copy, Default)]
pub(crate) struct Greeting {
    /// When the far end was known to have our answer: by its confirmation or its first media.
    pub(crate) heard: Option<Time>,
    /// Whether a sign of life came.
    pub(crate) alive: bool,
}

/// What is settled on the way into a conference.
#[derive(Default)]
pub(crate) struct Entry {
    /// The reference number was asked for, whatever came of it.
    pub(crate) referred: bool,
    /// The reference number that was given.
    pub(crate) reference: Option<Reference>,
    /// The security passcode was given.
    pub(crate) verified: bool,
    /// The leg was told that the conference is recorded.
    pub(crate) noticed: bool,
    /// The locked conference that the leg asks to be let into.
    pub(crate) knocks_at: Option<SessionId>,
    /// A moderator let the leg in.
    pub(crate) admitted: bool,
}

/// What a leg may enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) account: AccountId,
    pub(crate) conference: ConferenceId,
    pub(crate) role: Role,
}

/// A leg of a conference.
pub(crate) struct Member {
    pub(crate) session: SessionId,
    /// Muted by its own key.
    pub(crate) muted: bool,
    /// Muted with all others: its own key opens the line.
    pub(crate) hushed: bool,
    /// Muted by a moderator: its own key does not open the line.
    pub(crate) barred: bool,
    /// The mix of the private room that the leg is in; `None` in the main conference.
    pub(crate) room: Option<MixId>,
    pub(crate) keys: Matcher,
}

impl Member {
    pub(crate) const fn new(session: SessionId, role: Role, codes: Arc<Profile>) -> Self {
        Self {
            session,
            muted: false,
            hushed: false,
            barred: false,
            room: None,
            keys: Matcher::new(codes, Menu::Room(role)),
        }
    }
}

/// A moderator aside with a call of its own.
pub(crate) struct Apart {
    /// The place in the conference that the moderator comes back to.
    pub(crate) member: Member,
    pub(crate) stage: ApartStage,
    pub(crate) keys: Matcher,
}

/// How far a moderator's call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApartStage {
    /// The number is asked for.
    Number,
    /// The call is on its way: not yet in private with the callee.
    Calling(CallId),
    /// In private with the callee, in a mix of their own.
    Talking(CallId, MixId),
}

impl ApartStage {
    /// The callee, once there is one.
    pub(crate) const fn callee(self) -> Option<CallId> {
        match self {
            Self::Number => None,
            Self::Calling(callee) | Self::Talking(callee, _) => Some(callee),
        }
    }
}

/// A leg dialled for a moderator, or by order from outside.
pub(crate) struct Callee {
    /// Who had it dialled.
    pub(crate) by: By,
    pub(crate) stage: CalleeStage,
}

/// How far the callee has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CalleeStage {
    /// The open record of the callee is on its way to disk; no call before it is there.
    Opening,
    /// The call went out.
    Dialled,
    /// The callee answered; nobody hears it before that is on disk.
    Recording,
    /// The callee hears why it was called.
    Greeted,
    /// The callee talks to the moderator in this mix.
    Talking(MixId),
}

/// Something a leg is asked.
pub(crate) struct Question {
    pub(crate) topic: Topic,
    /// Tries that are left, the running one among them.
    pub(crate) tries: u8,
}

/// What a leg is asked.
pub(crate) enum Topic {
    /// Its conference passcode.
    Passcode,
    /// A reference number.
    Reference(Asked),
    /// The conference's security passcode.
    Security,
    /// A security passcode for the conference (`*92`).
    NewSecurity,
    /// The new security passcode once more; holds the first.
    NewSecurityAgain(SecretDigits),
    /// A number to call.
    Number,
    /// The moderator passcode, in the conference.
    Promote,
    /// Something that one key answers.
    Choice(Choice),
}

/// What one key answers.
pub(crate) enum Choice {
    /// Whether this is the right reference number.
    ReadBack(Asked, Reference),
    /// Whether to record.
    ConfirmRecord,
    /// Whether to end the conference.
    ConfirmEnd,
    /// Whether somebody who was called wants to join.
    Invited,
    /// Whether to ask to be let into a locked conference.
    Knock,
    /// What to do with who is here, one by one.
    Roll(Box<Roll>),
    /// Whom to put out.
    Drop(Vec<CallId>),
    /// Which private room to go to.
    Room,
}

/// On what occasion a reference number is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Before joining: the account requires one.
    OnEntry,
    /// In the conference, right after joining it; no answer is an answer.
    AfterEntry,
    /// By `*91`.
    ByStar,
}

impl Asked {
    /// What asks for the number.
    pub(crate) const fn prompt(self) -> Prompt {
        match self {
            Self::OnEntry | Self::ByStar => Prompt::EnterReference,
            Self::AfterEntry => Prompt::EnterReferenceOrSkip,
        }
    }
}

/// What the media plane is to do with a leg: a pure function of the leg's and its room's state
/// ([`crate::presence`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) mix: Option<MixId>,
    pub(crate) music: bool,
    pub(crate) talk: Talk,
}

impl Presence {
    /// How a leg begins.
    pub(crate) const SILENT: Self = Self { mix: None, music: false, talk: Talk::Secret };
}
