//! Rooms by their rules: who is in a conference, who is heard, and which events that leaves.
//!
//! A plain model to hold the call flow against, written from the description of the star codes and of
//! the call flow, and from no line of the core. Prompts take no time here. What it leaves out is calls
//! out, reference numbers, wrong secrets, takeovers and drain. [`super::rooms`] plays both side by side.

use std::collections::{BTreeMap, VecDeque};

use partyline_cdr_record::{
    AnnounceMode, CloseReason, DenyReason, FeatureCode as Code, FeatureDetail as Detail, TalkMode,
};
use partyline_model::Role;

mod codes;
mod doors;

use codes::Asked;

/// Milliseconds since the beginning.
pub type Millis = u64;
/// A caller, by the number of his call.
pub type Who = u32;

const SECOND: Millis = 1000;
/// How long the moderator is waited for, and how long somebody may stand at a locked door.
const HOLD_LIMIT: Millis = 20 * 60 * SECOND;
/// From the last moderator's leaving to the end.
const ENDING: Millis = 120 * SECOND;
/// So long where the network lost him.
const ENDING_LOST: Millis = 300 * SECOND;
/// How long one caller may be alone.
const ALONE: Millis = 15 * 60 * SECOND;

/// How a conference is set up.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Callers wait for a moderator.
    pub waits: bool,
    /// The conference ends after its last moderator.
    pub ends_with_moderator: bool,
    /// Most legs.
    pub most: usize,
}

/// What an event should say.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Who did it; nobody, where no leg did.
    pub by: Option<Who>,
    /// What.
    pub code: Code,
    /// What came of it.
    pub outcome: Came,
    /// To whom, where it is another.
    pub to: Option<Who>,
    /// What is worth keeping besides.
    pub detail: Detail,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It took effect.
    Done,
    /// It came to nothing.
    Failed,
    /// It was not allowed.
    Denied(DenyReason),
}

/// Where a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere yet, and asked for what lets him in.
    Entry,
    /// At a locked door.
    Door,
    /// Waiting for the moderator.
    Hold,
    /// In the conference; in a private room above 0.
    Room(u8),
}

/// One caller.
#[derive(Clone, Debug)]
pub struct Person {
    /// What he may do.
    pub role: Role,
    /// Where he is.
    pub place: Place,
    own_mute: bool,
    soft_mute: bool,
    hard_mute: bool,
    held: bool,
    asked: Option<Asked>,
    /// Until when an answer, or the next key of a code, is waited for.
    until: Option<Millis>,
    /// The keys of a begun code.
    typed: String,
    last: Option<(codes::Command, Millis)>,
    /// Until when he waits for the moderator or at the door.
    patience: Millis,
    admitted: bool,
    verified: bool,
    noticed: bool,
    /// Time on hold, in the main conference and in private rooms.
    pub spent: [Millis; 3],
    since: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Live,
    /// Ends at that time unless a moderator returns.
    Ending(Millis),
}

/// A recording: when it began or went on, what was recorded before that, since when it pauses.
#[derive(Clone, Copy, Debug)]
struct Tape {
    since: Millis,
    before: Millis,
    paused: Option<Millis>,
}

#[derive(Clone, Debug)]
struct Conference {
    state: State,
    /// In the order of joining.
    roster: Vec<Who>,
    mode: TalkMode,
    all_muted: bool,
    hands: Vec<(Who, Millis)>,
    word: Option<(Who, Millis)>,
    locked: bool,
    knocking: Vec<Who>,
    tape: Option<Tape>,
    secured: bool,
    announce: AnnounceMode,
    ends_with_moderator: bool,
    alone_until: Option<Millis>,
}

/// One conference and its callers.
#[derive(Clone, Debug)]
pub struct Model {
    rules: Rules,
    now: Millis,
    people: BTreeMap<Who, Person>,
    conference: Option<Conference>,
    /// Whose last prompt on the way in was played: they go on.
    going_on: VecDeque<Who>,
    events: Vec<Told>,
    /// Who is gone, why, and what he spent where.
    gone: BTreeMap<Who, (CloseReason, [Millis; 3])>,
}

impl Model {
    /// A conference that nobody is in.
    pub fn new(rules: Rules) -> Self {
        let (people, gone) = (BTreeMap::new(), BTreeMap::new());
        let (events, going_on) = (Vec::new(), VecDeque::new());
        Self { rules, now: 0, people, conference: None, going_on, events, gone }
    }

    /// Events since this was asked last.
    pub fn take_events(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.events)
    }

    /// Who is gone since this was asked last.
    pub fn take_gone(&mut self) -> BTreeMap<Who, (CloseReason, [Millis; 3])> {
        std::mem::take(&mut self.gone)
    }

    /// The members in the order of joining, with their roles.
    pub fn roster(&self) -> Vec<(Who, Role)> {
        let roster = self.conference.iter().flat_map(|conference| &conference.roster);
        roster.map(|&who| (who, self.people[&who].role)).collect()
    }

    /// Everybody whose call is up.
    pub fn people(&self) -> impl Iterator<Item = (Who, &Person)> {
        self.people.iter().map(|(&who, person)| (who, person))
    }

    /// Whether a caller's call is up.
    pub fn is_up(&self, who: Who) -> bool {
        self.people.contains_key(&who)
    }

    /// Whether what a caller says reaches those in the same place.
    pub fn is_heard(&self, who: Who) -> bool {
        let (Some(conference), Some(person)) = (&self.conference, self.people.get(&who)) else {
            return false;
        };
        let Place::Room(_) = person.place else { return false };
        let secret = person.asked.as_ref().is_some_and(Asked::is_secret);
        !secret && !person.held && !conference.is_muted(who, person)
    }

    fn tell(&mut self, by: impl Into<Option<Who>>, code: Code) -> &mut Told {
        let by = by.into();
        self.events.push(Told { by, code, outcome: Came::Done, to: None, detail: Detail::None });
        self.events.last_mut().expect("it was pushed")
    }

    fn deny(&mut self, by: Who, code: Code, why: DenyReason) {
        self.tell(by, code).outcome = Came::Denied(why);
    }

    fn fail(&mut self, by: Who, code: Code) {
        self.tell(by, code).outcome = Came::Failed;
    }

    fn person(&mut self, who: Who) -> &mut Person {
        self.people.get_mut(&who).expect("the caller is there")
    }

    fn room(&mut self) -> &mut Conference {
        self.conference.as_mut().expect("the conference is in session")
    }

    fn move_to(&mut self, who: Who, place: Place) {
        let now = self.now;
        let person = self.person(who);
        let spent = now - person.since;
        match person.place {
            Place::Entry | Place::Door => {}
            Place::Hold => person.spent[0] += spent,
            Place::Room(0) => person.spent[1] += spent,
            Place::Room(_) => person.spent[2] += spent,
        }
        (person.place, person.since) = (place, now);
    }
}

impl Conference {
    fn is_muted(&self, who: Who, person: &Person) -> bool {
        let presents = self.mode == TalkMode::Presentation
            && person.place == Place::Room(0)
            && self.word.is_none_or(|(speaker, _)| speaker != who);
        match person.role {
            Role::Listener => true,
            Role::Moderator => person.own_mute,
            Role::Participant => {
                person.own_mute || person.soft_mute || person.hard_mute || presents
            }
        }
    }
}

/// What happens to a caller.
impl Model {
    /// Calls, and types the passcode of a role.
    pub fn join(&mut self, who: Who, role: Role) {
        let person = Person {
            role,
            place: Place::Entry,
            own_mute: false,
            soft_mute: false,
            hard_mute: false,
            held: false,
            asked: None,
            until: None,
            typed: String::new(),
            last: None,
            patience: Millis::MAX,
            admitted: false,
            verified: false,
            noticed: false,
            spent: [0; 3],
            since: self.now,
        };
        self.people.insert(who, person);
        self.tell(who, Code::AuthOk);
        self.go_on(who);
        self.settle();
    }

    /// Hangs up, or is lost by the network.
    pub fn leave(&mut self, who: Who, reason: CloseReason) {
        if self.is_up(who) {
            self.end(who, reason, reason != CloseReason::Normal);
            self.settle();
        }
    }

    /// The far end holds the conference, or comes back.
    pub fn hold(&mut self, who: Who, held: bool) {
        let Some(person) = self.people.get_mut(&who) else { return };
        if std::mem::replace(&mut person.held, held) != held {
            self.tell(who, if held { Code::FarEndHold } else { Code::FarEndResume });
        }
    }

    /// The node is gone, with everybody: nothing is left but what was written.
    pub fn crash(&mut self) -> Vec<Who> {
        self.conference = None;
        std::mem::take(&mut self.people).into_keys().collect()
    }

    /// Lets time pass.
    pub fn wait(&mut self, until: Millis) {
        while let Some((at, due)) = self.next_due().filter(|&(at, _)| at <= until) {
            self.now = at;
            match due {
                Due::Answer(who) => self.no_answer(who),
                Due::Patience(who) => self.out_of_patience(who),
                Due::Alone => {
                    let who = self.room().roster[0];
                    self.tell(who, Code::AloneTimeout);
                    self.end(who, CloseReason::AloneTimeout, false);
                }
                Due::End => self.end_all(),
            }
            self.settle();
        }
        self.now = until;
    }

    fn next_due(&self) -> Option<(Millis, Due)> {
        let people = self.people.iter().flat_map(|(&who, person)| {
            let answer = person.until.map(|at| (at, Due::Answer(who)));
            let waits = matches!(person.place, Place::Hold | Place::Door);
            let patience = waits.then_some((person.patience, Due::Patience(who)));
            answer.into_iter().chain(patience)
        });
        let conference = self.conference.iter().flat_map(|conference| {
            let ending = match conference.state {
                State::Ending(at) => Some((at, Due::End)),
                State::Waiting | State::Live => None,
            };
            conference.alone_until.map(|at| (at, Due::Alone)).into_iter().chain(ending)
        });
        people.chain(conference).min()
    }

    fn settle(&mut self) {
        while let Some(who) = self.going_on.pop_front() {
            if self.is_up(who) {
                self.go_on(who);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Answer(Who),
    Patience(Who),
    Alone,
    End,
}
