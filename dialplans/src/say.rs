//! Puts numbers into words, as lists of prompts to play one after the other.
//!
//! English only: another language has other words and another order, and gets its own rules here.

use crate::Prompt;
use crate::star::{Command, Keys, Menu, Profile};

const TO_TWENTY: [Prompt; 20] = [
    Prompt::Zero,
    Prompt::One,
    Prompt::Two,
    Prompt::Three,
    Prompt::Four,
    Prompt::Five,
    Prompt::Six,
    Prompt::Seven,
    Prompt::Eight,
    Prompt::Nine,
    Prompt::Ten,
    Prompt::Eleven,
    Prompt::Twelve,
    Prompt::Thirteen,
    Prompt::Fourteen,
    Prompt::Fifteen,
    Prompt::Sixteen,
    Prompt::Seventeen,
    Prompt::Eighteen,
    Prompt::Nineteen,
];

/// 20, 30 … 90.
const TENS: [Prompt; 8] = [
    Prompt::Twenty,
    Prompt::Thirty,
    Prompt::Forty,
    Prompt::Fifty,
    Prompt::Sixty,
    Prompt::Seventy,
    Prompt::Eighty,
    Prompt::Ninety,
];

/// Star and another key: 0 to 9, star, pound.
const AFTER_STAR: [Prompt; 12] = [
    Prompt::StarZero,
    Prompt::StarOne,
    Prompt::StarTwo,
    Prompt::StarThree,
    Prompt::StarFour,
    Prompt::StarFive,
    Prompt::StarSix,
    Prompt::StarSeven,
    Prompt::StarEight,
    Prompt::StarNine,
    Prompt::StarStar,
    Prompt::StarPound,
];

/// Pound and another key: 0 to 9, star, pound.
const AFTER_POUND: [Prompt; 12] = [
    Prompt::PoundZero,
    Prompt::PoundOne,
    Prompt::PoundTwo,
    Prompt::PoundThree,
    Prompt::PoundFour,
    Prompt::PoundFive,
    Prompt::PoundSix,
    Prompt::PoundSeven,
    Prompt::PoundEight,
    Prompt::PoundNine,
    Prompt::PoundStar,
    Prompt::PoundPound,
];

/// The largest number that [`count`] says as a whole.
const LARGEST_CARDINAL: u32 = 9_999;

/// Reads `text` digit by digit: "4 4 7 1". Whatever is no decimal digit is left out.
pub fn digits(text: &str) -> Vec<Prompt> {
    let values = text.chars().filter_map(|c| c.to_digit(10));
    values.flat_map(|value| word(&TO_TWENTY, value)).collect()
}

/// Says `n` as a cardinal: "one hundred four". Above 9,999 it is read digit by digit.
pub fn count(n: u32) -> Vec<Prompt> {
    if n > LARGEST_CARDINAL {
        return digits(&n.to_string());
    }
    let mut said = Vec::new();
    let (thousands, hundreds, rest) = (n / 1000, n / 100 % 10, n % 100);
    if thousands > 0 {
        said.extend(word(&TO_TWENTY, thousands));
        said.push(Prompt::Thousand);
    }
    if hundreds > 0 {
        said.extend(word(&TO_TWENTY, hundreds));
        said.push(Prompt::Hundred);
    }
    if rest >= 20 {
        said.extend(word(&TENS, rest / 10 - 2));
        if rest % 10 > 0 {
            said.extend(word(&TO_TWENTY, rest % 10));
        }
    } else if rest > 0 || n == 0 {
        said.extend(word(&TO_TWENTY, rest));
    }
    said
}

/// The answer to `*#`: how many people are in the conference, the asking caller among them.
pub fn people(n: u32) -> Vec<Prompt> {
    if n <= 1 {
        return vec![Prompt::CountOnlyYou];
    }
    let mut said = vec![Prompt::CountThereAre];
    said.extend(count(n));
    said.push(Prompt::CountPeople);
    said
}

/// Reads the keys of a code: "star nine, one".
pub fn keys(keys: Keys) -> Vec<Prompt> {
    let mut typed = keys.as_str().chars();
    let table = if typed.next() == Some('*') { &AFTER_STAR } else { &AFTER_POUND };
    let second = typed.next().and_then(|key| match key {
        '*' => Some(10),
        '#' => Some(11),
        key => key.to_digit(10),
    });
    let third = typed.next().and_then(|key| key.to_digit(10));
    let begun = second.and_then(|at| word(table, at));
    begun.into_iter().chain(third.and_then(|at| word(&TO_TWENTY, at))).collect()
}

/// The codes of a menu with what each does, the help itself last.
pub fn help(profile: &Profile, menu: Menu) -> Vec<Prompt> {
    let others = Command::ALL.iter().filter(|command| **command != Command::Help);
    let commands = others.chain(&[Command::Help]);
    let coded = commands.filter_map(|&command| Some((command, profile.keys(menu, command)?)));
    coded.flat_map(|(command, code)| keys(code).into_iter().chain([command.spoken()])).collect()
}

/// The word at `at`, as something to chain; `at` is within the table wherever it is called.
fn word(table: &[Prompt], at: u32) -> Option<Prompt> {
    usize::try_from(at).ok().and_then(|at| table.get(at)).copied()
}

#[cfg(test)]
mod tests {
    use partyline_model::Role;

    use super::*;
    use crate::star::Profiles;

    #[test]
    fn digits_are_read_one_by_one() {
        assert_eq!(digits("4471"), [Prompt::Four, Prompt::Four, Prompt::Seven, Prompt::One]);
        assert_eq!(digits("007"), [Prompt::Zero, Prompt::Zero, Prompt::Seven]);
        assert_eq!(digits("1-2*#"), [Prompt::One, Prompt::Two]);
        assert_eq!(digits(""), []);
    }

    #[test]
    fn cardinals_are_said_as_people_say_them() {
        for (n, words) in [
            (0, "0"),
            (1, "1"),
            (13, "13"),
            (20, "20"),
            (21, "20 1"),
            (99, "90 9"),
            (100, "1 hundred"),
            (104, "1 hundred 4"),
            (115, "1 hundred 15"),
            (250, "2 hundred 50"),
            (1000, "1 thousand"),
            (1001, "1 thousand 1"),
            (2340, "2 thousand 3 hundred 40"),
            (9999, "9 thousand 9 hundred 90 9"),
            (10_000, "1 0 0 0 0"),
            (u32::MAX, "4 2 9 4 9 6 7 2 9 5"),
        ] {
            assert_eq!(spell(&count(n)), words, "{n}");
        }
    }

    #[test]
    fn every_cardinal_adds_up_to_its_number() {
        for n in 0..=LARGEST_CARDINAL {
            assert_eq!(value(&count(n)), n);
        }
    }

    #[test]
    fn people_are_counted_in_a_sentence() {
        assert_eq!(people(1), [Prompt::CountOnlyYou]);
        assert_eq!(people(5), [Prompt::CountThereAre, Prompt::Five, Prompt::CountPeople]);
    }

    #[test]
    fn keys_are_read_as_cards_print_them() {
        for (typed, words) in [
            ("*6", "keys-star-6"),
            ("*0", "keys-star-0"),
            ("**", "keys-star-star"),
            ("*#", "keys-star-pound"),
            ("#2", "keys-pound-2"),
            ("##", "keys-pound-pound"),
            ("#*", "keys-pound-star"),
            ("*91", "keys-star-9 number-1"),
            ("##0", "keys-pound-pound number-0"),
        ] {
            let said: Vec<&str> =
                keys(Keys::parse(typed).unwrap()).iter().map(|prompt| prompt.name()).collect();
            assert_eq!(said.join(" "), words, "{typed}");
        }
    }

    #[test]
    fn the_help_reads_each_command_of_the_profile_once() {
        let room = |role| help(&Profile::spectel(), Menu::Room(role));
        assert_eq!(
            room(Role::Participant),
            [
                Prompt::StarSix,
                Prompt::HelpMute,
                Prompt::StarPound,
                Prompt::HelpCount,
                Prompt::StarFive,
                Prompt::HelpHand,
                Prompt::StarEight,
                Prompt::HelpRollCall,
                Prompt::StarThree,
                Prompt::HelpPromote,
                Prompt::StarStar,
                Prompt::HelpAgain
            ]
        );
        let aside = help(&Profile::spectel(), Menu::DialOut);
        let words = [Prompt::StarTwo, Prompt::HelpAddCallee, Prompt::StarThree, Prompt::HelpReturn];
        assert_eq!(aside, words);
        for profile in Profiles::default().iter() {
            for menu in Menu::ALL {
                let said = help(profile, menu);
                for &command in Command::ALL {
                    let times = said.iter().filter(|prompt| **prompt == command.spoken()).count();
                    let coded = profile.keys(menu, command).is_some();
                    assert_eq!(
                        times,
                        usize::from(coded),
                        "{} {menu:?} {command:?}",
                        profile.name()
                    );
                }
            }
        }
    }

    fn spell(said: &[Prompt]) -> String {
        let words: Vec<&str> =
            said.iter().map(|p| p.name().strip_prefix("number-").unwrap_or("?")).collect();
        words.join(" ")
    }

    /// Adds the words up again, apart from the code that made them.
    fn value(said: &[Prompt]) -> u32 {
        let (mut total, mut group) = (0, 0);
        for prompt in said {
            if *prompt == Prompt::Thousand {
                total += group * 1000;
                group = 0;
            } else if *prompt == Prompt::Hundred {
                group *= 100;
            } else {
                group += prompt.name()["number-".len()..].parse::<u32>().unwrap();
            }
        }
        total + group
    }
}
