//! Star codes: which keys make which command.
//!
//! The map is data, a [`Profile`] for each family of bridges that callers may know. No code is the
//! beginning of another one in the same menu, so that a command fires on its last key. Who may use a
//! command is asked of [`Command::allowed`]: a menu hears a moderator's codes from a participant too,
//! so that the refusal can be spoken and recorded. Time-outs are the caller's ([`INTER_DIGIT`]).

mod fault;
mod keys;
mod lint;
mod page;
mod profile;
mod profiles;
mod proof;

use std::sync::Arc;
use std::time::Duration;

use partyline_model::{Digit, Role};

pub use fault::{ProfileError, ProfileErrorKind};
pub use keys::Keys;
use keys::Typed;
pub use profile::{Code, Profile};
pub use profiles::{Profiles, ProfilesError};

use crate::Prompt;

/// How long a begun code waits for its next key; then [`Matcher::reset`] drops it in silence.
pub const INTER_DIGIT: Duration = Duration::from_secs(3);

/// Declares the commands from one list: what each does, its name in profiles, where it is heard, from
/// whom, and its words in the help.
macro_rules! commands {
    ($($(#[doc = $does:literal])+ $command:ident = $name:literal, $place:ident, $who:ident, $spoken:ident;)*) => {
        /// What a caller can ask for by keys.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[doc = $does])+ $command,)*
        }

        impl Command {
            /// Every command, in the order of their description.
            pub const ALL: &'static [Self] = &[$(Self::$command,)*];

            /// Its name in profiles: `dial_out`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$command => $name,)*
                }
            }

            /// A sentence for people on what the command does.
            pub const fn does(self) -> &'static str {
                match self {
                    $(Self::$command => concat!($($does),+).trim_ascii(),)*
                }
            }

            /// Where it means something.
            pub const fn place(self) -> Place {
                match self {
                    $(Self::$command => Place::$place,)*
                }
            }

            /// The clip of the help that follows the keys.
            pub const fn spoken(self) -> Prompt {
                match self {
                    $(Self::$command => Prompt::$spoken,)*
                }
            }

            const fn audience(self) -> Audience {
                match self {
                    $(Self::$command => Audience::$who,)*
                }
            }
        }
    };
}

commands! {
    /// Mute or open the own line.
    Mute = "mute", Room, Speakers, HelpMute;
    /// Start or stop the recording.
    Record = "record", Room, Moderators, HelpRecord;
    /// Hear how many people are in the conference.
    Count = "count", Room, Everyone, HelpCount;
    /// Hear the codes.
    Help = "help", Room, Everyone, HelpAgain;
    /// Call someone.
    DialOut = "dial_out", Room, Moderators, HelpDialOut;
    /// Set the reference number.
    Reference = "reference", Room, Moderators, HelpReference;
    /// Set or remove the security passcode.
    Security = "security", Room, Moderators, HelpSecurity;
    /// End the conference for everyone.
    End = "end", Room, Moderators, HelpEnd;
    /// Raise or lower the hand.
    Hand = "hand", Room, Speakers, HelpHand;
    /// Open the line of the next raised hand; once more, close it and take the next.
    NextQuestion = "next_question", Room, Moderators, HelpQuestion;
    /// From conversation to questions, to presentation, and back.
    Mode = "mode", Room, Moderators, HelpLecture;
    /// Mute all participants, or open all lines.
    MuteAll = "mute_all", Room, Moderators, HelpMuteAll;
    /// Lock or unlock the conference.
    Lock = "lock", Room, Moderators, HelpLock;
    /// Hear who is in the conference; as a moderator, one by one.
    RollCall = "roll_call", Room, Speakers, HelpRollCall;
    /// Tell all who is in the conference.
    RollCallAloud = "roll_call_aloud", Room, Moderators, HelpRollCallPublic;
    /// Disconnect who joined or was called last.
    Drop = "drop", Room, Moderators, HelpDisconnect;
    /// Announce callers by name, by tone or not at all.
    Announce = "announce", Room, Moderators, HelpAnnounce;
    /// Let the conference go on without a moderator, or not.
    AutoContinue = "auto_continue", Room, Moderators, HelpContinue;
    /// Pause or resume the recording.
    PauseRecording = "pause_recording", Room, Moderators, HelpPause;
    /// Go to a private room, or return.
    PrivateRoom = "private_room", Room, Moderators, HelpPrivateRoom;
    /// Become a moderator, by the moderator passcode.
    Promote = "promote", Room, Guests, HelpPromote;
    /// While talking to a callee in private: bring the callee into the conference.
    BringBoth = "bring_both", DialOut, Moderators, HelpAddCallee;
    /// While calling or talking in private: drop the callee and return alone.
    ReturnAlone = "return_alone", DialOut, Moderators, HelpReturn;
}

impl Command {
    /// The command with this name in profiles.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.name() == name)
    }

    /// For people, who may use the command: `everyone`, `speakers` or `moderators`.
    pub const fn whose(self) -> &'static str {
        match self.audience() {
            Audience::Everyone => "everyone",
            Audience::Speakers => "speakers",
            Audience::Guests => "all but moderators",
            Audience::Moderators => "moderators",
        }
    }

    /// Whether `role` may use the command at all; the account may still forbid it.
    pub const fn allowed(self, role: Role) -> bool {
        match (self.audience(), role) {
            (Audience::Everyone, Role::Moderator | Role::Participant | Role::Listener)
            | (Audience::Speakers, Role::Moderator | Role::Participant)
            | (Audience::Guests, Role::Participant | Role::Listener)
            | (Audience::Moderators, Role::Moderator) => true,
            (Audience::Guests, Role::Moderator)
            | (Audience::Speakers, Role::Listener)
            | (Audience::Moderators, Role::Participant | Role::Listener) => false,
        }
    }
}

/// Where a command means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the conference.
    Room,
    /// Aside with somebody called.
    DialOut,
}

/// Whose a command is.
#[derive(Clone, Copy)]
enum Audience {
    Everyone,
    /// All who may be heard: all but listeners.
    Speakers,
    /// All but moderators.
    Guests,
    Moderators,
}

/// Which codes are listened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// In the conference.
    Room(Role),
    /// A moderator with a callee in private: ringing or talking.
    DialOut,
}

impl Menu {
    /// Every menu, in the order of a profile's tables.
    pub const ALL: [Self; 4] = [
        Self::Room(Role::Moderator),
        Self::Room(Role::Participant),
        Self::Room(Role::Listener),
        Self::DialOut,
    ];

    /// Its table in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Room(Role::Moderator) => "moderator",
            Self::Room(Role::Participant) => "participant",
            Self::Room(Role::Listener) => "listener",
            Self::DialOut => "dial_out",
        }
    }

    /// Whose keys it listens to.
    pub const fn role(self) -> Role {
        match self {
            Self::Room(role) => role,
            Self::DialOut => Role::Moderator,
        }
    }

    const fn place(self) -> Place {
        match self {
            Self::Room(Role::Moderator | Role::Participant | Role::Listener) => Place::Room,
            Self::DialOut => Place::DialOut,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Room(Role::Moderator) => 0,
            Self::Room(Role::Participant) => 1,
            Self::Room(Role::Listener) => 2,
            Self::DialOut => 3,
        }
    }
}

/// What a key amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// A bare key outside any code: counted, not answered (star-code rule 1).
    Ignored,
    /// The code is begun; more keys may follow within [`INTER_DIGIT`].
    Pending,
    /// The code is complete: what it asks for, and its keys as they were typed.
    Command(Command, Keys),
    /// The keys make no code of this menu.
    Unknown,
}

/// Collects the keys of one leg, key by key.
///
/// Has no `Debug`: it holds digits.
#[derive(Clone)]
pub struct Matcher {
    profile: Arc<Profile>,
    menu: Menu,
    /// The keys of the begun code; a prefix of at least one code of the menu.
    typed: Typed,
}

impl Matcher {
    /// Listens for the codes that `profile` has in `menu`, with nothing typed.
    pub const fn new(profile: Arc<Profile>, menu: Menu) -> Self {
        Self { profile, menu, typed: Typed::EMPTY }
    }

    /// The codes that are listened for.
    pub const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Takes the next key.
    ///
    /// A star after a begun code begins a new one, so that a slip is mended by pressing the right
    /// code; `**` stays help.
    pub fn push(&mut self, digit: Digit) -> Match {
        let found = self.extend(digit);
        if found != Match::Unknown || digit != Digit::STAR {
            return found;
        }
        self.extend(digit)
    }

    /// Adds `digit` to the begun code; clears it unless the outcome is [`Match::Pending`].
    fn extend(&mut self, digit: Digit) -> Match {
        let bare = self.typed.is_empty();
        self.typed.push(digit);
        let complete = self.profile.heard(self.menu).find(|code| self.typed.is(code.keys)).copied();
        if let Some(Code { keys, command }) = complete {
            self.reset();
            return Match::Command(command, keys);
        }
        if self.profile.heard(self.menu).any(|code| self.typed.begins(code.keys)) {
            return Match::Pending;
        }
        self.reset();
        if bare { Match::Ignored } else { Match::Unknown }
    }

    /// Whether a code is begun and waits for its next key.
    pub const fn is_pending(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Drops the begun code: after [`INTER_DIGIT`] without a key, or when a dialogue takes over.
    pub const fn reset(&mut self) {
        self.typed = Typed::EMPTY;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mute_and_record_stay_where_the_cards_print_them() {
        for menu in [Menu::Room(Role::Moderator), Menu::Room(Role::Participant)] {
            assert_eq!(press(menu, "*6"), [Match::Pending, done(Command::Mute, "*6")]);
            assert_eq!(press(menu, "*4"), [Match::Pending, done(Command::Record, "*4")]);
        }
    }

    #[test]
    fn a_code_carries_the_keys_that_were_typed() {
        assert_eq!(press(Menu::DialOut, "*2")[1], done(Command::BringBoth, "*2"));
        assert_eq!(press(Menu::DialOut, "#2")[1], done(Command::BringBoth, "#2"));
        let slip = press(Menu::Room(Role::Moderator), "*9*92");
        assert_eq!(slip.last(), Some(&done(Command::Security, "*92")));
    }

    #[test]
    fn only_star_nine_waits_for_a_third_key() {
        for code in
            Menu::ALL.iter().flat_map(|&menu| spectel().heard(menu).copied().collect::<Vec<_>>())
        {
            let keys = code.keys.as_str();
            assert!(keys.len() == 2 || keys.starts_with("*9"), "{keys} waits");
        }
    }

    #[test]
    fn every_command_has_a_name_and_a_code_of_the_usual_profile() {
        for &command in Command::ALL {
            assert_eq!(Command::named(command.name()), Some(command));
            assert!(command.does().ends_with('.') && !command.does().starts_with(' '));
            let coded = |menu: &Menu| spectel().keys(*menu, command).is_some();
            assert!(Menu::ALL.iter().any(coded), "{command:?} cannot be dialled");
        }
        assert_eq!(Command::named("hang_glide"), None);
    }

    #[test]
    fn three_key_codes_wait_for_their_last_key() {
        let menu = Menu::Room(Role::Moderator);
        let wait = Match::Pending;
        assert_eq!(press(menu, "*91"), [wait, wait, done(Command::Reference, "*91")]);
        assert_eq!(press(menu, "*92"), [wait, wait, done(Command::Security, "*92")]);
        assert_eq!(press(menu, "*99"), [wait, wait, done(Command::End, "*99")]);
        assert_eq!(press(menu, "*9D"), [wait, wait, Match::Unknown]);
    }

    #[test]
    fn bare_digits_are_ignored_in_the_room() {
        let menu = Menu::Room(Role::Participant);
        assert!(press(menu, "0123456789#ABCD").iter().all(|m| *m == Match::Ignored));
    }

    #[test]
    fn a_star_after_a_slip_begins_a_new_code() {
        let menu = Menu::Room(Role::Moderator);
        let wait = Match::Pending;
        assert_eq!(press(menu, "*9*6"), [wait, wait, wait, done(Command::Mute, "*6")]);
        assert_eq!(press(menu, "**"), [wait, done(Command::Help, "**")]);
        let dialogue = press(Menu::DialOut, "**2");
        assert_eq!(dialogue, [wait, wait, done(Command::BringBoth, "*2")]);
    }

    #[test]
    fn the_dial_out_dialogue_takes_star_and_pound() {
        for (keys, command) in [
            ("*2", Command::BringBoth),
            ("#2", Command::BringBoth),
            ("*3", Command::ReturnAlone),
            ("#3", Command::ReturnAlone),
        ] {
            assert_eq!(press(Menu::DialOut, keys), [Match::Pending, done(command, keys)]);
        }
        assert_eq!(press(Menu::DialOut, "*4"), [Match::Pending, Match::Unknown]);
        assert_eq!(press(Menu::Room(Role::Moderator), "#2"), [Match::Ignored, Match::Ignored]);
    }

    #[test]
    fn reset_forgets_a_begun_code() {
        let mut matcher = Matcher::new(Profile::spectel(), Menu::Room(Role::Moderator));
        assert_eq!(matcher.push(Digit::STAR), Match::Pending);
        assert!(matcher.is_pending());
        matcher.reset();
        assert!(!matcher.is_pending());
        assert_eq!(matcher.push(digit('6')), Match::Ignored);
    }

    #[test]
    fn participants_and_listeners_are_refused_what_is_a_moderators() {
        for &command in Command::ALL {
            let promotes = command == Command::Promote;
            let everyone = promotes || matches!(command, Command::Count | Command::Help);
            let speaks = matches!(command, Command::Mute | Command::Hand | Command::RollCall);
            let speakers = everyone || speaks;
            assert_eq!(command.allowed(Role::Moderator), !promotes, "{command:?}");
            assert_eq!(command.allowed(Role::Participant), speakers, "{command:?}");
            assert_eq!(command.allowed(Role::Listener), everyone, "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn any_keys_leave_the_matcher_able_to_hear_the_next_code(keys in "[0-9*#A-D]{0,40}") {
            let mut matcher = Matcher::new(Profile::spectel(), Menu::Room(Role::Moderator));
            for key in keys.chars() {
                let pending = matcher.push(digit(key)) == Match::Pending;
                prop_assert_eq!(pending, matcher.is_pending());
            }
            matcher.reset();
            matcher.push(Digit::STAR);
            prop_assert_eq!(matcher.push(digit('6')), done(Command::Mute, "*6"));
        }
    }

    fn spectel() -> Arc<Profile> {
        Profile::spectel()
    }

    fn done(command: Command, keys: &str) -> Match {
        Match::Command(command, Keys::parse(keys).unwrap())
    }

    fn digit(key: char) -> Digit {
        Digit::from_char(key).unwrap_or(Digit::POUND)
    }

    fn press(menu: Menu, keys: &str) -> Vec<Match> {
        let mut matcher = Matcher::new(spectel(), menu);
        keys.chars().map(|key| matcher.push(digit(key))).collect()
    }
}
