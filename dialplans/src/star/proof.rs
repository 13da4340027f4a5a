//! What the call flow promises, row by row, and the test that shows it.
//!
//! `tests/tests/star_page.rs` holds that each test is there. What is not built says so.

use super::Command;
use super::Command as C;

/// One promise.
pub(super) struct Row {
    /// The code, or the state of the call flow.
    pub(super) what: &'static str,
    pub(super) does: Does,
    /// The test; `None` where it is not built.
    pub(super) test: Option<&'static str>,
}

/// What comes of a code or a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// A command.
    Command(Command),
    /// Something else, in words.
    Words(&'static str),
}

impl Does {
    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Command(command) => command.does(),
            Self::Words(words) => words,
        }
    }
}

const fn code(what: &'static str, command: Command, test: &'static str) -> Row {
    Row { what, does: Does::Command(command), test: Some(test) }
}

const fn state(what: &'static str, does: &'static str, test: &'static str) -> Row {
    Row { what, does: Does::Words(does), test: Some(test) }
}

const fn unbuilt(what: &'static str, does: &'static str) -> Row {
    Row { what, does: Does::Words(does), test: None }
}

/// The tables, with their titles.
pub(super) const TABLES: [(&str, &[Row]); 3] = [
    ("A participant's codes", PARTICIPANT),
    ("A moderator's codes", MODERATOR),
    ("States of a call", STATES),
];

const PARTICIPANT: &[Row] = &[
    unbuilt("`*0`", "asks for an operator"),
    code("`*3`", C::Promote, "who_becomes_a_moderator_is_not_heard_while_he_types_and_then_leads"),
    code("`*5` `*9`", C::Hand, "a_raised_hand_is_told_its_place_and_the_moderator_that_it_is_up"),
    code("`*6`", C::Mute, "star_95_silences_all_but_the_moderator_and_star_6_opens_one_line"),
    code("`*8`", C::RollCall, "counts_names_and_help_are_heard_by_who_asks_alone"),
    code("`*#`", C::Count, "counts_names_and_help_are_heard_by_who_asks_alone"),
    code("`**`", C::Help, "counts_names_and_help_are_heard_by_who_asks_alone"),
    state("hanging up", "leaves", "who_hangs_up_leaves_the_others_talking"),
];

const MODERATOR: &[Row] = &[
    unbuilt("`*0`", "operator, privately"),
    code("`*1`", C::DialOut, "callee_talks_in_private_and_then_to_all"),
    code("`*2` `#2` while calling", C::BringBoth, "callee_talks_in_private_and_then_to_all"),
    code(
        "`*3` `#3` while calling",
        C::ReturnAlone,
        "moderator_returns_alone_and_the_callee_is_hung_up",
    ),
    code("`*2`", C::NextQuestion, "in_a_presentation_only_who_has_the_word_is_heard"),
    code("`*3`", C::PrivateRoom, "who_is_in_a_private_room_hears_those_in_it_and_nobody_else"),
    code("`*4`", C::Record, "a_recording_is_asked_for_by_one_and_told_to_all"),
    code("`*5`", C::Mode, "while_questions_are_asked_who_opens_his_line_is_heard"),
    code("`*6`", C::Mute, "a_moderator_mutes_counts_and_asks_for_help_for_himself_alone"),
    code(
        "`*7`",
        C::Lock,
        "a_caller_at_the_locked_door_hears_music_until_the_moderator_lets_him_in",
    ),
    code("`*8`", C::RollCall, "in_the_roll_call_one_is_muted_for_good_and_one_is_put_out"),
    unbuilt("`*90`", "operator, for all"),
    code(
        "`*91`",
        C::Reference,
        "a_reference_number_and_a_security_passcode_are_asked_for_and_read_back_in_private",
    ),
    code(
        "`*92`",
        C::Security,
        "a_reference_number_and_a_security_passcode_are_asked_for_and_read_back_in_private",
    ),
    code("`*93`", C::Announce, "star_93_says_how_callers_are_heard_to_come"),
    code("`*94`", C::AutoContinue, "star_94_lets_the_others_talk_on_when_the_moderator_goes"),
    code("`*95`", C::MuteAll, "star_95_silences_all_but_the_moderator_and_star_6_opens_one_line"),
    code("`*96`", C::RollCallAloud, "star_96_names_everybody_to_everybody"),
    code("`*97`", C::Drop, "who_is_put_out_hears_it_and_the_others_go_on"),
    code(
        "`*98`",
        C::PauseRecording,
        "what_is_said_while_the_recording_pauses_is_heard_and_not_recorded",
    ),
    code("`*99`", C::End, "the_end_is_confirmed_by_one_and_told_to_all"),
    code("`*#`", C::Count, "a_moderator_mutes_counts_and_asks_for_help_for_himself_alone"),
    code("`**`", C::Help, "a_moderator_mutes_counts_and_asks_for_help_for_himself_alone"),
    unbuilt("`**` `4`, `**` `6`", "softer and louder"),
    unbuilt("`**` `7`", "votes"),
    unbuilt("`**` `8`", "plays the last recording"),
];

const STATES: &[Row] = &[
    state("answer", "a number that is nobody's", "number_that_is_nobodys_is_refused_with_a_record"),
    state("answer", "all lines in use", "the_call_after_the_last_line_gets_486"),
    state("answer", "the account is suspended", "a_number_of_a_suspended_account_gets_403"),
    state("answer", "no ACK comes", "caller_who_never_acknowledges_is_given_up_and_not_charged"),
    state("answer", "the first prompt waits for media", "the_welcome_waits_for_late_media"),
    state(
        "answer",
        "nothing comes for ten seconds",
        "a_caller_who_is_not_heard_is_told_after_ten_seconds_and_asked_on",
    ),
    state(
        "answer",
        "no sign of life",
        "a_leg_without_any_sign_of_life_is_hung_up_after_30_seconds",
    ),
    state(
        "answer",
        "who calls is signed for",
        "the_record_of_each_caller_says_what_is_known_of_his_number",
    ),
    state(
        "answer",
        "a banned source",
        "a_telephone_that_guesses_on_is_banned_and_one_that_got_in_before_is_not",
    ),
    unbuilt("answer", "an announcement before the answer"),
    state("passcode", "welcome and passcode", "caller_hears_the_welcome_and_joins_by_passcode"),
    state("passcode", "nothing is typed", "silent_caller_is_asked_three_times_and_hung_up"),
    state("passcode", "a wrong one", "second_try_lets_the_caller_in"),
    state("passcode", "three wrong ones", "three_wrong_passcodes_end_the_call"),
    state("passcode", "typed ahead", "digits_typed_ahead_of_the_prompt_count_and_silence_it"),
    state("passcode", "the conference is closed", "a_disabled_conference_says_so"),
    state("passcode", "guessing", "twenty_telephones_get_three_verdicts_each"),
    unbuilt("passcode", "`*0`: an operator"),
    state(
        "moderator enters",
        "reference number",
        "without_a_required_reference_there_is_no_way_in",
    ),
    state("moderator enters", "a second moderator", "a_second_moderator_is_not_asked"),
    unbuilt("moderator enters", "security passcode and settings before the conference"),
    state(
        "participant's gate",
        "locked",
        "a_locked_conference_is_entered_by_leave_of_its_moderator",
    ),
    state("participant's gate", "full", "a_full_conference_says_so"),
    state(
        "participant's gate",
        "security passcode",
        "who_joins_after_is_asked_and_the_right_one_opens",
    ),
    state(
        "participant's gate",
        "notice of the recording",
        "who_joins_a_recorded_conference_is_told_before",
    ),
    unbuilt("participant's gate", "security passcode of who is in already"),
    unbuilt("participant's gate", "the spoken name"),
    unbuilt("participant's gate", "consent to a recording by key"),
    state(
        "waiting",
        "music, nobody heard",
        "participants_hear_music_and_not_each_other_until_the_moderator_comes",
    ),
    state("waiting", "thanks each minute", "who_waits_is_thanked_every_minute"),
    state("waiting", "twenty minutes", "wait_ends_after_twenty_minutes"),
    state("waiting", "codes", "codes_are_not_available_while_waiting"),
    state(
        "waiting",
        "the moderator comes",
        "the_moderator_starts_the_conference_for_all_within_one_step",
    ),
    state(
        "in the conference",
        "two thousand callers",
        "each_of_two_thousand_callers_of_a_town_hall_comes_out_right",
    ),
    state(
        "in the conference",
        "names give way to tones",
        "names_give_way_to_tones_while_many_come",
    ),
    state(
        "in the conference",
        "alone",
        "who_stays_alone_hears_so_and_gets_music_after_five_seconds",
    ),
    state("in the conference", "alone for 15 minutes", "fifteen_minutes_alone_end_the_call"),
    state(
        "in the conference",
        "longest duration",
        "a_conference_is_warned_and_ends_after_its_longest_duration",
    ),
    state(
        "in the conference",
        "any keys at any time",
        "an_hour_of_random_keys_is_heard_by_nobody_and_holds_nobody",
    ),
    state(
        "in the conference",
        "any codes of anybody",
        "two_hundred_stories_come_out_as_the_model_says",
    ),
    state("the end", "the moderator leaves, it goes on", "conference_that_goes_on_alone_does"),
    state(
        "the end",
        "the moderator leaves, it ends",
        "conference_ends_two_minutes_after_its_last_moderator",
    ),
    state(
        "the end",
        "the network loses the moderator",
        "a_moderator_lost_by_the_network_has_five_minutes",
    ),
    state("the end", "`*99`", "a_large_conference_is_hung_up_in_groups_of_fifty"),
    state("the end", "the node is drained", "callers_are_told_and_let_go_and_nobody_comes_in"),
    unbuilt("the end", "the account is suspended, or out of credit"),
    unbuilt("the end", "the lost moderator is called back"),
    state("dial-out", "forms of numbers", "national_and_international_forms_reach_the_same_number"),
    state("dial-out", "barred numbers", "barred_numbers_are_not_called"),
    state("dial-out", "busy", "busy_callee_is_told_and_recorded"),
    state(
        "dial-out",
        "no answer",
        "callee_who_does_not_answer_is_given_up_after_forty_five_seconds",
    ),
    state("dial-out", "a reminder", "a_reminder_comes_after_five_minutes_without_a_key"),
    state(
        "dial-out",
        "nobody listens: the callee confirms",
        "an_answering_machine_never_comes_into_the_conference",
    ),
    unbuilt("dial-out", "the price before the call"),
    unbuilt("operator", "queue, console, help"),
];
