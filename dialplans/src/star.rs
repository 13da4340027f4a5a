//! Star codes: which keys make which command.
//!
//! The map is data. No code is the beginning of another one in the same menu, so that a command
//! fires on its last key; only `*9` waits for a second digit. Who may use a command is asked of
//! [`Command::allowed`]: the map hears a moderator's codes from a participant too, so that the
//! refusal can be spoken and recorded. Time-outs are the caller's ([`INTER_DIGIT`]).

use std::time::Duration;

use partyline_model::{Digit, Role};

/// How long a begun code waits for its next key; then [`Matcher::reset`] drops it in silence.
pub const INTER_DIGIT: Duration = Duration::from_secs(3);

/// What a caller can ask for by keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// `*6`: mute or open the caller's own line.
    Mute,
    /// `*4`: start or stop the recording.
    Record,
    /// `*#`: hear how many people are in the conference.
    Count,
    /// `**`: hear the codes.
    Help,
    /// `*1`: call someone.
    DialOut,
    /// `*91`: set the reference number.
    Reference,
    /// `*92`: set or remove the security passcode.
    Security,
    /// `*99`: end the conference for everyone.
    End,
    /// `*2` or `#2` while talking to a callee in private: bring the callee into the conference.
    BringBoth,
    /// `*3` or `#3` while calling or talking in private: drop the callee and return alone.
    ReturnAlone,
}

impl Command {
    /// Every command, in the order of the map.
    pub const ALL: [Self; 10] = [
        Self::Mute,
        Self::Record,
        Self::Count,
        Self::Help,
        Self::DialOut,
        Self::Reference,
        Self::Security,
        Self::End,
        Self::BringBoth,
        Self::ReturnAlone,
    ];

    /// The keys as printed on the card; for a command with a synonym, the star form.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Mute => "*6",
            Self::Record => "*4",
            Self::Count => "*#",
            Self::Help => "**",
            Self::DialOut => "*1",
            Self::Reference => "*91",
            Self::Security => "*92",
            Self::End => "*99",
            Self::BringBoth => "*2",
            Self::ReturnAlone => "*3",
        }
    }

    /// Whether `role` may use the command at all; the account may still forbid it.
    pub const fn allowed(self, role: Role) -> bool {
        match self {
            Self::Count | Self::Help => true,
            Self::Mute => matches!(role, Role::Moderator | Role::Participant),
            Self::Record
            | Self::DialOut
            | Self::Reference
            | Self::Security
            | Self::End
            | Self::BringBoth
            | Self::ReturnAlone => matches!(role, Role::Moderator),
        }
    }
}

/// Which codes are listened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// In the conference.
    Room(Role),
    /// A moderator with a callee in private: ringing or talking.
    DialOut,
}

/// One code: its keys and what they ask for.
type Code = (&'static str, Command);

/// The codes of the room. The same for every role as long as no key means two things.
const ROOM: &[Code] = &[
    ("*6", Command::Mute),
    ("*4", Command::Record),
    ("*#", Command::Count),
    ("**", Command::Help),
    ("*1", Command::DialOut),
    ("*91", Command::Reference),
    ("*92", Command::Security),
    ("*99", Command::End),
];

/// The codes of the dial-out dialogue. Callers know both the star and the pound form.
const DIAL_OUT: &[Code] = &[
    ("*2", Command::BringBoth),
    ("#2", Command::BringBoth),
    ("*3", Command::ReturnAlone),
    ("#3", Command::ReturnAlone),
];

impl Menu {
    const fn codes(self) -> &'static [Code] {
        match self {
            Self::Room(Role::Moderator | Role::Participant | Role::Listener) => ROOM,
            Self::DialOut => DIAL_OUT,
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
    /// The code is complete.
    Command(Command),
    /// The keys make no code of this menu.
    Unknown,
}

/// Collects the keys of one leg, key by key.
///
/// Has no `Debug`: it holds digits.
#[derive(Clone)]
pub struct Matcher {
    menu: Menu,
    /// The keys of the begun code; a prefix of at least one code of the menu.
    typed: Typed,
}

impl Matcher {
    /// Listens for the codes of `menu`, with nothing typed.
    pub const fn new(menu: Menu) -> Self {
        Self { menu, typed: Typed::EMPTY }
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
        let codes = self.menu.codes();
        let complete = codes.iter().find(|(keys, _)| self.typed.is(keys));
        if let Some(&(_, command)) = complete {
            self.reset();
            return Match::Command(command);
        }
        if codes.iter().any(|(keys, _)| self.typed.begins(keys)) {
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

/// The longest code, in keys; a test holds the map to it.
const LONGEST: usize = 3;

/// Up to [`LONGEST`] keys.
#[derive(Clone, Copy)]
struct Typed {
    keys: [Digit; LONGEST],
    len: usize,
}

impl Typed {
    const EMPTY: Self = Self { keys: [Digit::STAR; LONGEST], len: 0 };

    const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A key beyond [`LONGEST`] is dropped: no code is that long.
    fn push(&mut self, digit: Digit) {
        if let Some(slot) = self.keys.get_mut(self.len) {
            *slot = digit;
            self.len += 1;
        }
    }

    fn is(&self, code: &str) -> bool {
        code.len() == self.len && self.begins(code)
    }

    fn begins(&self, code: &str) -> bool {
        let keys = self.keys.iter().take(self.len).map(|digit| digit.to_char());
        code.len() >= self.len && code.chars().zip(keys).all(|(want, typed)| want == typed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MENUS: [Menu; 4] = [
        Menu::Room(Role::Moderator),
        Menu::Room(Role::Participant),
        Menu::Room(Role::Listener),
        Menu::DialOut,
    ];

    #[test]
    fn no_code_begins_another_and_each_is_dialled_with_star_or_pound() {
        for menu in MENUS {
            for (at, (code, _)) in menu.codes().iter().enumerate() {
                assert!((2..=LONGEST).contains(&code.len()), "{code} has a wrong length");
                assert!(code.starts_with(['*', '#']), "{code} begins like a bare digit");
                let clash = menu
                    .codes()
                    .iter()
                    .enumerate()
                    .find(|(i, (other, _))| *i != at && other.starts_with(code));
                assert_eq!(clash, None, "{code} is the beginning of another code");
            }
        }
    }

    #[test]
    fn only_star_nine_waits_for_a_third_key() {
        for (code, _) in MENUS.iter().flat_map(|menu| menu.codes()) {
            assert!(code.len() == 2 || code.starts_with("*9"), "{code} waits");
        }
    }

    #[test]
    fn mute_and_record_stay_where_the_cards_print_them() {
        for menu in [Menu::Room(Role::Moderator), Menu::Room(Role::Participant)] {
            assert_eq!(press(menu, "*6"), [Match::Pending, Match::Command(Command::Mute)]);
            assert_eq!(press(menu, "*4"), [Match::Pending, Match::Command(Command::Record)]);
        }
    }

    #[test]
    fn every_command_is_dialled_by_its_pattern_in_some_menu() {
        for command in Command::ALL {
            let hits = MENUS.iter().filter(|menu| {
                press(**menu, command.pattern()).last() == Some(&Match::Command(command))
            });
            assert!(hits.count() >= 1, "{command:?} cannot be dialled");
        }
        for (code, command) in MENUS.iter().flat_map(|menu| menu.codes()) {
            assert!(Command::ALL.contains(command), "{code} makes a command outside ALL");
        }
    }

    #[test]
    fn three_key_codes_wait_for_their_last_key() {
        let menu = Menu::Room(Role::Moderator);
        let wait = Match::Pending;
        assert_eq!(press(menu, "*91"), [wait, wait, Match::Command(Command::Reference)]);
        assert_eq!(press(menu, "*92"), [wait, wait, Match::Command(Command::Security)]);
        assert_eq!(press(menu, "*99"), [wait, wait, Match::Command(Command::End)]);
        assert_eq!(press(menu, "*95"), [wait, wait, Match::Unknown]);
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
        assert_eq!(press(menu, "*9*6"), [wait, wait, wait, Match::Command(Command::Mute)]);
        assert_eq!(press(menu, "**"), [wait, Match::Command(Command::Help)]);
        let dialogue = press(Menu::DialOut, "**2");
        assert_eq!(dialogue, [wait, wait, Match::Command(Command::BringBoth)]);
    }

    #[test]
    fn the_dial_out_dialogue_takes_star_and_pound() {
        for (keys, command) in [
            ("*2", Command::BringBoth),
            ("#2", Command::BringBoth),
            ("*3", Command::ReturnAlone),
            ("#3", Command::ReturnAlone),
        ] {
            assert_eq!(press(Menu::DialOut, keys), [Match::Pending, Match::Command(command)]);
        }
        assert_eq!(press(Menu::DialOut, "*4"), [Match::Pending, Match::Unknown]);
        assert_eq!(press(Menu::Room(Role::Moderator), "*2"), [Match::Pending, Match::Unknown]);
    }

    #[test]
    fn reset_forgets_a_begun_code() {
        let mut matcher = Matcher::new(Menu::Room(Role::Moderator));
        assert_eq!(matcher.push(Digit::STAR), Match::Pending);
        assert!(matcher.is_pending());
        matcher.reset();
        assert!(!matcher.is_pending());
        assert_eq!(matcher.push(digit('6')), Match::Ignored);
    }

    #[test]
    fn participants_and_listeners_are_refused_what_is_a_moderators() {
        for command in Command::ALL {
            let everyone = matches!(command, Command::Count | Command::Help);
            let speakers = everyone || command == Command::Mute;
            assert!(command.allowed(Role::Moderator));
            assert_eq!(command.allowed(Role::Participant), speakers, "{command:?}");
            assert_eq!(command.allowed(Role::Listener), everyone, "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn any_keys_leave_the_matcher_able_to_hear_the_next_code(keys in "[0-9*#A-D]{0,40}") {
            let mut matcher = Matcher::new(Menu::Room(Role::Moderator));
            for key in keys.chars() {
                let pending = matcher.push(digit(key)) == Match::Pending;
                prop_assert_eq!(pending, matcher.is_pending());
            }
            matcher.reset();
            matcher.push(Digit::STAR);
            prop_assert_eq!(matcher.push(digit('6')), Match::Command(Command::Mute));
        }
    }

    fn digit(key: char) -> Digit {
        Digit::from_char(key).unwrap_or(Digit::POUND)
    }

    fn press(menu: Menu, keys: &str) -> Vec<Match> {
        let mut matcher = Matcher::new(menu);
        keys.chars().map(|key| matcher.push(digit(key))).collect()
    }
}
