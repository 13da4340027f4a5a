//! Keys, the codes they make, and what those do.

use partyline_cdr_record::{
    AnnounceMode, DenyReason, FeatureCode as Code, FeatureDetail as Detail, TalkMode,
};
use partyline_model::Role;

use super::doors::{ONE_KEY, SECURITY};
use super::{Came, Millis, Model, Place, SECOND, State, Tape, Who};

/// Between the keys of a code.
const NEXT_KEY: Millis = 3 * SECOND;
/// The moderator passcode.
const PASSCODE: Millis = 8 * SECOND;
/// The same command again so soon is one key press.
const DUPLICATE: Millis = 500;

/// What a caller is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Knock,
    /// Tries that are left.
    Security(u8),
    NewSecurity,
    SecurityAgain,
    Promote,
    Record,
    End,
    PrivateRoom,
    Drop(Who),
    /// Who is left, and whom it is about.
    Roll(Vec<Who>, Who),
}

impl Asked {
    pub(super) const fn is_secret(&self) -> bool {
        match self {
            Self::NewSecurity | Self::SecurityAgain | Self::Promote | Self::Security(_) => true,
            Self::Knock
            | Self::Record
            | Self::End
            | Self::PrivateRoom
            | Self::Drop(_)
            | Self::Roll(..) => false,
        }
    }
}

impl Asked {
    /// What is written where nothing comes of it.
    pub(super) const fn comes_to_nothing(&self) -> Option<Code> {
        match self {
            Self::Record => Some(Code::RecordStart),
            Self::End => Some(Code::EndConference),
            Self::PrivateRoom => Some(Code::Breakout),
            Self::Drop(_) => Some(Code::Kick),
            Self::NewSecurity | Self::SecurityAgain => Some(Code::SecurityOn),
            Self::Promote => Some(Code::Promote),
            Self::Knock | Self::Security(_) | Self::Roll(..) => None,
        }
    }
}

/// What keys ask for, by the event that it leaves where it is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command(Code);

/// The codes that each role hears an answer to, with whose they are.
fn meaning(role: Role, keys: &str) -> Option<(Command, bool)> {
    let everyone = match keys {
        "*#" => Some(Code::Count),
        "**" => Some(Code::Help),
        _ => None,
    };
    let moderator = match keys {
        "*1" => Some(Code::DialoutStart),
        "*2" => Some(Code::QaOpen),
        "*4" => Some(Code::RecordStart),
        "*7" => Some(Code::Lock),
        _ => None,
    };
    let speaker = match keys {
        "*6" => Some(Code::MuteSelf),
        "*8" => Some(Code::RollCall),
        _ => None,
    };
    let only = match keys {
        "*3" => Some(Code::Breakout),
        "*5" => Some(Code::LectureMode),
        "*91" => Some(Code::ReferenceSet),
        "*92" => Some(Code::SecurityOn),
        "*93" => Some(Code::AnnounceMode),
        "*94" => Some(Code::AutoContinueOn),
        "*95" => Some(Code::MuteAll),
        "*96" => Some(Code::RollCallPublic),
        "*97" => Some(Code::Kick),
        "*98" => Some(Code::RecordPause),
        "*99" => Some(Code::EndConference),
        _ => None,
    };
    let hand = matches!(keys, "*5" | "*9").then_some(Code::HandRaise);
    let promote = (keys == "*3").then_some(Code::Promote);
    let (allowed, refused) = match role {
        Role::Moderator => (everyone.or(speaker).or(moderator).or(only), None),
        Role::Participant => (everyone.or(speaker).or(hand).or(promote), moderator),
        Role::Listener => (everyone.or(promote), speaker.or(hand).or(moderator)),
    };
    let allowed = allowed.map(|code| (Command(code), true));
    allowed.or(refused.map(|code| (Command(code), false)))
}

/// Keys.
impl Model {
    /// Whether these keys would go where this model does not: a number to call, or a wrong secret.
    pub fn goes_too_far(&self, who: Who, keys: &str) -> bool {
        let Some(person) = self.people.get(&who) else { return false };
        let dials = keys == "*1" || person.typed == "*" && keys.starts_with('1');
        let dials = dials && person.role == Role::Moderator;
        let secret = match &person.asked {
            Some(Asked::Promote) => !["#", "*", "48291573#"].contains(&keys),
            Some(Asked::Security(_)) => keys != "5073#",
            Some(Asked::NewSecurity | Asked::SecurityAgain) => !["5073#", "*"].contains(&keys),
            // The first key may bring him to where the others are one.
            Some(Asked::Knock) => keys.len() > 1,
            _ => false,
        };
        dials || secret
    }

    /// A key, or the keys of a secret with their pound.
    pub fn press(&mut self, who: Who, keys: &str) {
        if !self.is_up(who) {
            return;
        }
        if self.person(who).asked.as_ref().is_some_and(Asked::is_secret) {
            self.secret(who, keys);
            return self.settle();
        }
        for key in keys.chars() {
            if self.is_up(who) {
                self.key(who, key);
                self.settle();
            }
        }
    }

    fn key(&mut self, who: Who, key: char) {
        let person = self.person(who);
        if let Some(asked) = person.asked.take() {
            person.until = None;
            return self.answer(who, asked, Some(key));
        }
        match person.place {
            Place::Entry | Place::Door => {}
            Place::Hold | Place::Room(_) => self.code_key(who, key),
        }
    }

    fn code_key(&mut self, who: Who, key: char) {
        let now = self.now;
        let person = self.person(who);
        if person.typed.is_empty() && key != '*' {
            return;
        }
        person.typed.push(key);
        person.until = None;
        let (role, typed) = (person.role, person.typed.clone());
        if let Some((command, allowed)) = meaning(role, &typed) {
            self.person(who).typed.clear();
            return self.command(who, command, allowed);
        }
        let person = self.person(who);
        if typed == "*" || (typed == "*9" && role == Role::Moderator) {
            person.until = Some(now + NEXT_KEY);
        } else if key == '*' {
            // A star after a slip begins anew.
            person.typed = "*".to_owned();
            person.until = Some(now + NEXT_KEY);
        } else {
            person.typed.clear();
        }
    }

    /// The time for a key is over.
    pub(super) fn no_answer(&mut self, who: Who) {
        let person = self.person(who);
        person.until = None;
        person.typed.clear();
        match person.asked.take() {
            None => {}
            Some(Asked::Security(tries)) => self.security_silent(who, tries),
            Some(Asked::NewSecurity | Asked::SecurityAgain) => self.fail(who, Code::SecurityOn),
            Some(Asked::Promote) => self.fail(who, Code::Promote),
            Some(asked) => self.answer(who, asked, None),
        }
    }

    /// What is typed where a secret is asked for.
    fn secret(&mut self, who: Who, keys: &str) {
        let now = self.now;
        let person = self.person(who);
        let Some(asked) = person.asked.take() else { return };
        person.until = None;
        match (asked, keys) {
            (Asked::Promote, "*") => self.ask(who, Asked::Promote, now + PASSCODE),
            (Asked::Promote, "#") => self.fail(who, Code::Promote),
            (Asked::Promote, _) => self.promote(who),
            (Asked::NewSecurity, "*") => {
                self.room().secured = false;
                self.tell(who, Code::SecurityOff);
            }
            (Asked::NewSecurity, _) => self.ask(who, Asked::SecurityAgain, now + SECURITY),
            (Asked::SecurityAgain, "*") => self.fail(who, Code::SecurityOn),
            (Asked::SecurityAgain, _) => {
                self.room().secured = true;
                self.tell(who, Code::SecurityOn);
            }
            _ => {
                self.person(who).verified = true;
                if self.conference.as_ref().is_some_and(|conference| conference.secured) {
                    self.tell(who, Code::SecurityOk);
                }
                self.go_on(who);
            }
        }
    }

    fn promote(&mut self, who: Who) {
        self.drop_word(who, who, None);
        let person = self.person(who);
        person.role = Role::Moderator;
        (person.soft_mute, person.hard_mute) = (false, false);
        self.tell(who, Code::Promote);
        let conference = self.room();
        conference.hands.retain(|&(other, _)| other != who);
        if let State::Ending(_) = conference.state {
            conference.state = State::Live;
        }
    }

    /// One key answers, or none in time.
    fn answer(&mut self, who: Who, asked: Asked, key: Option<char>) {
        let left_by_star = asked.comes_to_nothing().filter(|_| !asked.is_secret());
        if let (Some(code), Some('*')) = (left_by_star, key) {
            self.fail(who, code);
            return self.code_key(who, '*');
        }
        match (asked, key) {
            (Asked::Knock, key) => self.knock(who, key),
            (Asked::Record, Some('1')) => self.record(who),
            (Asked::Record, _) => self.fail(who, Code::RecordStart),
            (Asked::End, Some('1')) => {
                self.tell(who, Code::EndConference);
                self.end_all();
            }
            (Asked::End, _) => self.fail(who, Code::EndConference),
            (Asked::PrivateRoom, Some(room @ '0'..='9')) => {
                let room = u8::try_from(room).map_or(0, |room| room - b'0');
                self.move_to(who, Place::Room(room));
                self.tell(who, Code::Breakout).detail = Detail::Room(room);
            }
            (Asked::PrivateRoom, _) => self.fail(who, Code::Breakout),
            (Asked::Drop(last), Some('1')) => {
                if self.room().roster.contains(&last) {
                    self.kick(who, last);
                }
            }
            (Asked::Drop(_), _) => self.fail(who, Code::Kick),
            (Asked::Roll(..), Some('*')) => self.code_key(who, '*'),
            (Asked::Roll(..), Some('#')) => {}
            (Asked::Roll(left, at), key) => self.review(who, left, at, key),
            (
                Asked::Security(_) | Asked::NewSecurity | Asked::SecurityAgain | Asked::Promote,
                _,
            ) => {}
        }
    }
}

/// What codes do.
impl Model {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events are no commands")]
    fn command(&mut self, who: Who, command: Command, allowed: bool) {
        let now = self.now;
        let person = self.person(who);
        let last = person.last.replace((command, now));
        if last.is_some_and(|(before, at)| before == command && now - at < DUPLICATE) {
            return;
        }
        let Command(code) = command;
        if !allowed {
            return self.deny(who, code, DenyReason::Role);
        }
        if self.room().state == State::Waiting {
            return self.deny(who, code, DenyReason::State);
        }
        let people = u32::try_from(self.room().roster.len()).unwrap_or(u32::MAX);
        match code {
            Code::Count => self.tell(who, code).detail = Detail::Count(people),
            Code::Help => drop(self.tell(who, code)),
            Code::RollCallPublic => self.tell(who, code).detail = Detail::Count(people),
            Code::RollCall => {
                self.tell(who, code).detail = Detail::Count(people);
                if self.person(who).role == Role::Moderator {
                    let conference = self.room();
                    let others = conference.knocking.iter().chain(&conference.roster);
                    let left = others.copied().filter(|&other| other != who).collect();
                    self.next_name(who, left);
                }
            }
            Code::MuteSelf => self.mute(who),
            Code::HandRaise => self.hand(who),
            Code::QaOpen => self.next_question(who),
            Code::LectureMode => self.next_mode(who),
            Code::MuteAll => self.mute_all(who),
            Code::Lock => self.lock(who),
            Code::RecordStart if self.room().tape.is_some() => self.stop_tape(Some(who)),
            Code::RecordStart => self.ask(who, Asked::Record, now + ONE_KEY),
            Code::RecordPause => self.pause(who),
            Code::EndConference => self.ask(who, Asked::End, now + ONE_KEY),
            Code::Breakout => self.ask(who, Asked::PrivateRoom, now + ONE_KEY),
            Code::Kick => match self.room().roster.iter().rfind(|&&other| other != who) {
                Some(&last) => self.ask(who, Asked::Drop(last), now + ONE_KEY),
                None => self.deny(who, code, DenyReason::State),
            },
            Code::AnnounceMode => {
                let to = match self.room().announce {
                    AnnounceMode::Names => AnnounceMode::Tones,
                    AnnounceMode::Tones => AnnounceMode::Silent,
                    AnnounceMode::Silent => AnnounceMode::Names,
                };
                self.room().announce = to;
                self.tell(who, code).detail = Detail::Announce(to);
            }
            Code::AutoContinueOn => {
                let ends = &mut self.room().ends_with_moderator;
                *ends = !*ends;
                let goes_on = !*ends;
                self.tell(who, if goes_on { code } else { Code::AutoContinueOff });
            }
            Code::SecurityOn => self.ask(who, Asked::NewSecurity, now + SECURITY),
            Code::Promote => self.ask(who, Asked::Promote, now + PASSCODE),
            // The account has no reference numbers.
            _ => self.deny(who, code, DenyReason::Entitlement),
        }
    }

    fn mute(&mut self, who: Who) {
        let Some(conference) = &self.conference else { return };
        let person = &self.people[&who];
        let guest = person.role == Role::Participant;
        let closed = conference.is_muted(who, person);
        let presents = conference.mode == TalkMode::Presentation
            && person.place == Place::Room(0)
            && conference.word.is_none_or(|(speaker, _)| speaker != who);
        if closed && guest && (person.hard_mute || presents) {
            return self.deny(who, Code::MuteSelf, DenyReason::State);
        }
        let person = self.person(who);
        (person.own_mute, person.soft_mute) = (!closed, false);
        self.tell(who, if closed { Code::UnmuteSelf } else { Code::MuteSelf });
    }

    fn hand(&mut self, who: Who) {
        let now = self.now;
        let hands = &mut self.room().hands;
        let place = hands.iter().position(|&(other, _)| other == who);
        let (code, place) = if let Some(at) = place {
            hands.remove(at);
            (Code::HandLower, at + 1)
        } else {
            hands.push((who, now));
            (Code::HandRaise, hands.len())
        };
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.tell(who, code).detail = Detail::Count(place);
    }

    fn next_question(&mut self, who: Who) {
        let now = self.now;
        let ended = self.take_word(who);
        if self.room().hands.is_empty() {
            if !ended {
                self.deny(who, Code::QaOpen, DenyReason::State);
            }
            return;
        }
        let (next, since) = self.room().hands.remove(0);
        self.room().word = Some((next, now));
        let person = self.person(next);
        (person.own_mute, person.soft_mute, person.hard_mute) = (false, false, false);
        let told = self.tell(who, Code::QaOpen);
        (told.to, told.detail) = (Some(next), Detail::Millis(now - since));
    }

    fn take_word(&mut self, by: Who) -> bool {
        let conference = self.room();
        let closes = conference.mode != TalkMode::Conversation || conference.all_muted;
        let Some((speaker, _)) = conference.word else { return false };
        self.person(speaker).soft_mute = closes;
        self.drop_word(speaker, by, Some(speaker));
        true
    }

    fn next_mode(&mut self, who: Who) {
        let conference = self.room();
        let from = conference.mode;
        let to = match from {
            TalkMode::Conversation => TalkMode::Questions,
            TalkMode::Questions => TalkMode::Presentation,
            TalkMode::Presentation => TalkMode::Conversation,
        };
        (conference.mode, conference.all_muted) = (to, to != TalkMode::Conversation);
        if to == TalkMode::Conversation {
            conference.hands.clear();
        }
        self.take_word(who);
        self.close_all(to != TalkMode::Conversation);
        self.tell(who, Code::LectureMode).detail = Detail::Mode { from, to };
    }

    fn close_all(&mut self, close: bool) -> u32 {
        let mut changed = 0;
        for who in self.room().roster.clone() {
            let person = self.person(who);
            if person.role == Role::Participant && person.soft_mute != close {
                person.soft_mute = close;
                changed += 1;
            }
        }
        changed
    }

    fn mute_all(&mut self, who: Who) {
        if self.room().mode == TalkMode::Presentation {
            return self.deny(who, Code::MuteAll, DenyReason::State);
        }
        let close = !self.room().all_muted;
        self.room().all_muted = close;
        let changed = self.close_all(close);
        let code = if close { Code::MuteAll } else { Code::UnmuteAll };
        self.tell(who, code).detail = Detail::Count(changed);
    }

    fn lock(&mut self, who: Who) {
        let conference = self.room();
        conference.locked = !conference.locked;
        let (locked, knocking) = (conference.locked, conference.knocking.clone());
        self.tell(who, if locked { Code::Lock } else { Code::Unlock });
        for caller in knocking.into_iter().filter(|_| !locked) {
            self.tell(who, Code::LockAdmit).to = Some(caller);
            self.admit(caller);
        }
    }

    fn record(&mut self, who: Who) {
        let now = self.now;
        if self.room().tape.is_some() {
            return;
        }
        self.room().tape = Some(Tape { since: now, before: 0, paused: None });
        self.tell(who, Code::RecordStart);
        for member in self.room().roster.clone() {
            self.tell(member, Code::Consent);
        }
    }

    fn pause(&mut self, who: Who) {
        let now = self.now;
        let Some(tape) = &mut self.room().tape else {
            return self.deny(who, Code::RecordPause, DenyReason::State);
        };
        let (code, detail) = if let Some(paused) = tape.paused.take() {
            tape.since = now;
            (Code::RecordResume, Detail::Millis(now - paused))
        } else {
            (tape.before, tape.paused) = (tape.before + now - tape.since, Some(now));
            (Code::RecordPause, Detail::None)
        };
        self.tell(who, code).detail = detail;
    }

    fn kick(&mut self, by: Who, who: Who) {
        self.tell(by, Code::Kick).to = Some(who);
        self.end(who, partyline_cdr_record::CloseReason::Kicked, false);
    }

    /// The next of a roll call who is still there.
    fn next_name(&mut self, who: Who, mut left: Vec<Who>) {
        left.retain(|other| self.is_up(*other));
        if !left.is_empty() {
            let at = left.remove(0);
            let until = self.now + ONE_KEY;
            self.ask(who, Asked::Roll(left, at), until);
        }
    }

    /// A key about somebody in the roll call.
    fn review(&mut self, who: Who, left: Vec<Who>, at: Who, key: Option<char>) {
        let place = self.people.get(&at).map(|person| person.place);
        match (place, key) {
            (Some(Place::Door), Some('1')) => {
                self.tell(who, Code::LockReject).to = Some(at);
                self.turn_away(at);
            }
            (Some(Place::Door), Some('4')) => {
                self.tell(who, Code::LockAdmit).to = Some(at);
                self.admit(at);
            }
            (Some(Place::Room(_)), Some('1')) => self.kick(who, at),
            (Some(Place::Room(_)), Some('2')) => self.bar(who, at),
            _ => {}
        }
        if self.is_up(who) {
            self.next_name(who, left);
        }
    }

    fn bar(&mut self, by: Who, who: Who) {
        let person = self.person(who);
        if person.role != Role::Participant {
            return;
        }
        person.hard_mute = !person.hard_mute;
        let closed = person.hard_mute;
        if !closed {
            person.soft_mute = false;
        }
        let code = if closed { Code::MuteByModerator } else { Code::UnmuteByModerator };
        self.tell(by, code).to = Some(who);
    }
}

impl Came {
    /// The reason why not.
    pub const fn why(self) -> Option<DenyReason> {
        match self {
            Self::Denied(why) => Some(why),
            Self::Done | Self::Failed => None,
        }
    }
}
