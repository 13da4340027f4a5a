//! What the bridge can say: one variant for each clip of the audio library.
//!
//! A prompt is private to one leg unless its doc says PUBLIC: then the whole conference hears it.
//! Nothing here holds sound ([`crate::library`] does) or says it.

use partyline_model::AudioId;

use crate::tone::{self, Note};

/// Where the sound of a prompt comes from.
pub(crate) enum Source {
    /// An embedded FLAC file.
    Flac(&'static [u8]),
    /// Notes to play one after the other.
    Notes(&'static [Note]),
}

/// Declares the enum, its file names and the table of embedded files from one list.
macro_rules! prompts {
    (
        spoken { $($(#[$doc:meta])* $name:ident = $stem:literal,)* }
        tones { $($(#[$tone_doc:meta])* $tone:ident = $tone_stem:literal plays $notes:path,)* }
    ) => {
        /// A clip of the audio library: a spoken prompt, a number word or a tone.
        ///
        /// The doc of each variant says when it is heard; `prompts/catalogue.json` has the words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Prompt {
            $($(#[$doc])* $name,)*
            $($(#[$tone_doc])* $tone,)*
        }

        impl Prompt {
            /// Every prompt, in the order of [`Prompt::audio`].
            pub const ALL: &'static [Self] = &[$(Self::$name,)* $(Self::$tone,)*];

            /// The name of its file, without folder and extension.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $stem,)*
                    $(Self::$tone => $tone_stem,)*
                }
            }
        }

        /// Where the en-US sound of `prompt` comes from.
        pub(crate) const fn en_us(prompt: Prompt) -> Source {
            match prompt {
                $(Prompt::$name => Source::Flac(include_bytes!(concat!(
                    "../prompts/en-US/",
                    $stem,
                    ".flac"
                ))),)*
                $(Prompt::$tone => Source::Notes($notes),)*
            }
        }
    };
}

impl Prompt {
    /// How many prompts there are; ids from here on are free for brands' clips and music.
    pub const COUNT: u16 = Self::ToneChime as u16 + 1;

    /// Its place in the library that [`crate::library::load`] makes.
    pub const fn audio(self) -> AudioId {
        AudioId(self as u16)
    }
}

prompts! {
    spoken {
        // Answer and passcode.
        /// First thing after the answer, unless the dial-in number has a welcome of its own.
        Welcome = "welcome",
        /// Asks for the conference passcode, at each try.
        EnterPasscode = "enter-passcode",
        /// The first-digit time-out ran out with tries left.
        NoPasscodeHeard = "no-passcode-heard",
        /// A wrong passcode with tries left.
        PasscodeInvalid = "passcode-invalid",
        /// The last try failed; the call ends after it. Keys do not cut it short.
        GoodbyeCheckPasscode = "goodbye-check-passcode",
        /// Too many wrong passcodes came from the caller; what was typed is not judged, and the call
        /// ends after it.
        TooManyTries = "too-many-tries",
        /// The passcode is right, but its conference is disabled, unpaid or out of schedule.
        ConferenceUnavailable = "conference-unavailable",
        /// The conference holds as many callers as it may.
        ConferenceFull = "conference-full",

        // Reference number.
        /// Asks for the reference number after `*91`.
        EnterReference = "enter-reference",
        /// Asks a moderator who is in the conference for a reference number that is not required.
        EnterReferenceOrSkip = "enter-reference-or-skip",
        /// Before the typed digits are read back.
        YouEntered = "you-entered",
        /// After the digits are read back.
        AcceptOrReenter = "accept-or-reenter",
        /// The reference number was accepted and recorded.
        ReferenceSaved = "reference-saved",
        /// Only pound was typed: the reference number is taken away.
        ReferenceCleared = "reference-cleared",
        /// The dialogue ended without an entry.
        ReferenceUnchanged = "reference-unchanged",

        // Security passcode.
        /// Asks a moderator for a new security passcode after `*92`.
        EnterNewSecurityPasscode = "enter-new-security-passcode",
        /// Asks for it a second time.
        EnterSecurityPasscodeAgain = "enter-security-passcode-again",
        /// The two entries differ; the dialogue begins again.
        SecurityPasscodesDiffer = "security-passcodes-differ",
        /// The security passcode is set.
        SecurityPasscodeOn = "security-passcode-on",
        /// The security passcode is removed: later joiners are not asked.
        SecurityPasscodeOff = "security-passcode-off",
        /// The dialogue ended without setting or removing it.
        SecurityPasscodeUnchanged = "security-passcode-unchanged",
        /// Asks a joining caller for it.
        EnterSecurityPasscode = "enter-security-passcode",
        /// A joining caller typed a wrong one and has tries left.
        SecurityPasscodeWrongTryAgain = "security-passcode-wrong-try-again",
        /// A joining caller's last try failed; the call ends after it.
        SecurityPasscodeFailed = "security-passcode-failed",
        /// `*92` on an account without the feature.
        SecurityNotAllowed = "security-not-allowed",

        // Waiting, start and company.
        /// A participant is put on hold before the moderator comes.
        WaitingForModerator = "waiting-for-moderator",
        /// Each minute on hold.
        ThankYouForWaiting = "thank-you-for-waiting",
        /// The longest wait is over; the call ends after it.
        HoldTimeout = "hold-timeout",
        /// To everyone on hold when the moderator comes.
        ConferenceStarting = "conference-starting",
        /// To the first caller in the conference.
        FirstPerson = "first-person",
        /// To the last caller left.
        OnlyPerson = "only-person",

        /// To the moderators: a caller's telephone has put the conference on hold.
        CallerOnHold = "caller-on-hold",

        // Mute and recording.
        /// `*6` muted the line.
        Muted = "muted",
        /// `*6` opened the line.
        Unmuted = "unmuted",
        /// `*4` asks for the key that starts the recording.
        RecordConfirm = "record-confirm",
        /// PUBLIC. The recording runs.
        RecordingStarted = "recording-started",
        /// PUBLIC. The recording was stopped.
        RecordingStopped = "recording-stopped",
        /// `*4` on an account without the feature.
        RecordingDenied = "recording-denied",
        /// The recording could not be started or broke off.
        RecordingFailed = "recording-failed",
        /// To a caller who joins while the recording runs.
        RecordingNotice = "recording-notice",

        // Count and help.
        /// `*#`, before the number of people.
        CountThereAre = "count-there-are",
        /// `*#`, after the number of people.
        CountPeople = "count-people",
        /// `*#` by the only caller.
        CountOnlyYou = "count-only-you",

        // Dial-out.
        /// Asks for the number after `*1`.
        DialNumber = "dial-number",
        /// The number is allowed and is being called.
        DialCalling = "dial-calling",
        /// The callee answered: the keys that end the private talk.
        DialAddOrReturn = "dial-add-or-return",
        /// The account may not call this number, or any.
        DialBarred = "dial-barred",
        /// The number is an emergency number.
        DialEmergency = "dial-emergency",
        /// The callee is busy (SIP 486, 600).
        DialBusy = "dial-busy",
        /// The callee did not answer in time (SIP 408, 480, ring time-out).
        DialNoAnswer = "dial-no-answer",
        /// No such number (SIP 404, 410, 484, 604).
        DialNotInService = "dial-not-in-service",
        /// The callee refused (SIP 403, 603).
        DialRefused = "dial-refused",
        /// The call failed in another way.
        DialFailed = "dial-failed",
        /// The conference or account has as many dial-outs under way as it may.
        DialLimit = "dial-limit",
        /// After a failed dial-out: how to try again.
        DialAgain = "dial-again",
        /// What was typed is not a telephone number.
        DialInvalidNumber = "dial-invalid-number",
        /// First thing that the callee hears.
        CalleeHold = "callee-hold",
        /// Asks somebody called by REFER, with whom nobody has spoken.
        CalleeInvited = "callee-invited",
        /// The moderator is back from a private talk.
        BackInConference = "back-in-conference",
        /// The callee hung up during the private talk.
        CalleeLeft = "callee-left",

        // End.
        /// `*99` asks for the key that ends the conference.
        EndConfirm = "end-confirm",
        /// PUBLIC. The conference was ended by `*99`; all calls end after it.
        ConferenceEnded = "conference-ended",
        /// PUBLIC. The last moderator left and the conference does not go on without one.
        ModeratorLeftEndingTwoMinutes = "moderator-left-ending-two-minutes",
        /// PUBLIC. The last moderator left and the conference goes on.
        ModeratorLeftContinues = "moderator-left-continues",
        /// PUBLIC. Ten minutes before the longest duration.
        EndingInTenMinutes = "ending-in-ten-minutes",
        /// PUBLIC. One minute before the longest duration, or before an account is cut off.
        EndingInOneMinute = "ending-in-one-minute",
        /// PUBLIC. The node drains and this call will be ended.
        DrainNotice = "drain-notice",
        /// Something of ours failed and the call ends after it.
        TechnicalProblem = "technical-problem",
        /// Before a call is ended for any other reason.
        Goodbye = "goodbye",

        // Replies to codes.
        /// A confirmation was not given in time, or the dialogue was left by star.
        Cancelled = "cancelled",
        /// A star code outside the conference, such as on hold.
        NotAvailableYet = "not-available-yet",
        /// A moderator's code from someone else.
        ModeratorOnly = "moderator-only",
        /// Star and digits that are no code.
        UnknownCode = "unknown-code",
        /// An operator was asked for and there is none.
        NoOperator = "no-operator",

        // Ways in: suspension, attack, operator, moderator's entry.
        /// The account of the dialled number is suspended; the call ends after it.
        ServiceUnavailable = "service-unavailable",
        /// Under attack: a caller without a number shows to be a person.
        PressSeven = "press-seven",
        /// The last try for a passcode failed, and an operator takes over.
        HoldForOperator = "hold-for-operator",
        /// Asks the first moderator for a security passcode on the way in.
        EnterSecurityOrStar = "enter-security-or-star",
        /// Offers a moderator the settings on the way in.
        SettingsOffer = "settings-offer",
        /// The settings that are offered on the way in.
        SettingsMenu = "settings-menu",
        /// To a moderator whom the network lost and the bridge calls back.
        ModeratorCalledBack = "moderator-called-back",

        // Operator.
        /// An operator was asked for.
        OperatorHold = "operator-hold",
        /// Before the keys that end the wait for an operator.
        ToReturnPress = "to-return-press",
        /// The wait for an operator is over without one.
        ReturningToConference = "returning-to-conference",
        /// An operator took the caller's request.
        OperatorWithYou = "operator-with-you",
        /// PUBLIC. An operator comes in.
        OperatorJoining = "operator-joining",
        /// PUBLIC. The operator went.
        OperatorLeft = "operator-left",
        /// Before the place in a line: raised hands, waits for an operator.
        YouAreNumber = "you-are-number",
        /// After the place in a line.
        InLine = "in-line",

        // Becoming a moderator.
        /// Asks a participant who wants to be a moderator.
        EnterModeratorPasscode = "enter-moderator-passcode",
        /// The moderator passcode was right.
        NowModerator = "now-moderator",
        /// The moderator passcode was wrong.
        ModeratorPasscodeWrong = "moderator-passcode-wrong",

        // Raised hands and questions.
        /// The caller's hand is up; the place in line follows.
        HandRaised = "hand-raised",
        /// The caller's hand is down.
        HandLowered = "hand-lowered",
        /// To the moderators, when the first hand goes up.
        HandIsUp = "hand-is-up",
        /// To a moderator who asks for the next question.
        NoHandsRaised = "no-hands-raised",
        /// Before the name of whose line was opened for a question.
        LineOf = "line-of",
        /// After the name of whose line was opened for a question.
        IsOpen = "is-open",
        /// After how many hands are still up.
        Waiting = "waiting",
        /// To a moderator: no other hand is up.
        NobodyWaiting = "nobody-waiting",
        /// To the caller whose line was opened for a question.
        AskYourQuestion = "ask-your-question",
        /// To the caller whose line was closed after the question.
        QuestionOver = "question-over",
        /// To the moderator who closed the line of a question.
        LineClosed = "line-closed",

        // Mute by others, and who may speak.
        /// A moderator muted the line, or keeps it muted.
        MutedByModerator = "muted-by-moderator",
        /// A moderator opened the line.
        OpenedByModerator = "opened-by-moderator",
        /// PUBLIC. Lecture mode with questions; how to speak follows.
        ModeQuestions = "mode-questions",
        /// PUBLIC. Lecture mode without questions; how to raise a hand follows.
        ModeListenOnly = "mode-listen-only",
        /// PUBLIC. The lecture mode is over.
        ModeOpen = "mode-open",
        /// PUBLIC. All lines were muted once; how to speak follows.
        AllMuted = "all-muted",
        /// PUBLIC. All lines were opened once.
        AllOpened = "all-opened",
        /// PUBLIC. Before the keys that open the line.
        ToSpeakPress = "to-speak-press",
        /// PUBLIC. Before the keys that raise a hand.
        ToRaiseHandPress = "to-raise-hand-press",

        // Roll call.
        /// PUBLIC at a public roll call. Before the names.
        InTheConferenceAre = "in-the-conference-are",
        /// PUBLIC where names are. Before the last four digits of a caller without a name.
        CallerEnding = "caller-ending",
        /// PUBLIC where names are. Before the number of a caller without name and number.
        Guest = "guest",
        /// The keys of a moderator's roll call.
        RollCallKeys = "roll-call-keys",
        /// In a moderator's roll call, after the name of who waits before a locked conference.
        RollCallKnocking = "roll-call-knocking",
        /// The end of a roll call.
        RollCallOver = "roll-call-over",
        /// To the moderator who disconnected a caller.
        CallerDisconnected = "caller-disconnected",
        /// To the moderator who muted a caller.
        CallerMuted = "caller-muted",
        /// In the roll call: the line that a moderator had muted is open again.
        CallerOpened = "caller-opened",
        /// To the moderator who admitted a caller.
        CallerAdmitted = "caller-admitted",
        /// To the moderator who refused a caller.
        CallerRefused = "caller-refused",

        // Private rooms.
        /// Asks a moderator for the private room.
        EnterRoomNumber = "enter-room-number",
        /// Before the number of the private room.
        YouAreInRoom = "you-are-in-room",
        /// The way out of a private room.
        ReturningToMain = "returning-to-main",

        // Lock and knocking.
        /// To the moderator who locked the conference.
        Locked = "locked",
        /// To the moderator who unlocked the conference.
        Unlocked = "unlocked",
        /// To a caller before a locked conference.
        LockedKnock = "locked-knock",
        /// The caller knocked.
        KnockWait = "knock-wait",
        /// To the moderators: somebody knocked.
        CallerWaiting = "caller-waiting",
        /// Before the keys of the roll call, where those who knock come first.
        ToReviewPress = "to-review-press",
        /// To the caller whom a moderator admitted.
        LetIn = "let-in",
        /// To the caller whom a moderator refused, or nobody answered; the call ends after it.
        NotLetIn = "not-let-in",

        // Announcements, continuing, disconnecting.
        /// Joining and leaving are announced by name.
        AnnounceNames = "announce-names",
        /// Joining and leaving are announced by tones.
        AnnounceTones = "announce-tones",
        /// Joining and leaving are not announced.
        AnnounceNothing = "announce-nothing",
        /// The conference goes on without a moderator.
        ContinueOn = "continue-on",
        /// The conference does not go on without a moderator.
        ContinueOff = "continue-off",
        /// Before the name of who can be disconnected.
        ToDisconnect = "to-disconnect",
        /// After it.
        PressOne = "press-one",
        /// The key of the second choice.
        PressTwo = "press-two",
        /// To the caller whom a moderator disconnected; the call ends after it.
        DisconnectedByModerator = "disconnected-by-moderator",
        /// Only moderators are in the conference.
        NobodyToDisconnect = "nobody-to-disconnect",

        // More on recording.
        /// PUBLIC. The recording has a gap from here on.
        RecordingPaused = "recording-paused",
        /// PUBLIC. The gap is over.
        RecordingResumed = "recording-resumed",
        /// Reminds the moderator who paused it.
        RecordingStillPaused = "recording-still-paused",
        /// There is nothing to pause.
        NotRecorded = "not-recorded",
        /// Asks a caller or callee who is about to be recorded.
        RecordingConsent = "recording-consent",

        // Names.
        /// Before the tone after which a caller's name is recorded.
        SayName = "say-name",
        /// Nothing was said after the tone.
        NameNotHeard = "name-not-heard",
        /// Before the recorded name is played back.
        YourNameIs = "your-name-is",
        /// After the recorded name was played back.
        KeepName = "keep-name",
        /// PUBLIC. After the name of who came.
        HasJoined = "has-joined",
        /// PUBLIC. After the name of who went.
        HasLeft = "has-left",
        /// Nothing has come from the caller's telephone.
        NoSoundHeard = "no-sound-heard",

        // Vote, volume, playback.
        /// PUBLIC. Bare keys are votes from here on.
        VoteOpened = "vote-opened",
        /// PUBLIC. Bare keys are nothing again.
        VoteClosed = "vote-closed",
        /// The caller's vote was taken.
        VoteCounted = "vote-counted",
        /// Between one and what it is for.
        VoteFor = "vote-for",
        /// Between a number of votes and what they are for.
        VotesFor = "votes-for",
        /// Nobody voted.
        NoVotes = "no-votes",
        /// To the moderator who closed a vote.
        TellEveryone = "tell-everyone",
        /// The caller hears the others louder.
        Louder = "louder",
        /// The caller hears the others softer.
        Softer = "softer",
        /// The volume is at its end.
        VolumeLimit = "volume-limit",
        /// To the moderator who asked for the last recording.
        PlaybackBegins = "playback-begins",
        /// Nothing of this conference was recorded.
        PlaybackNone = "playback-none",
        /// The recording was played.
        PlaybackOver = "playback-over",

        // More on dialling out.
        /// Before the price of a minute.
        DialPriceAt = "dial-price-at",
        /// Between the whole and the parts of a price of a dollar or more.
        DialPriceDollars = "dial-price-dollars",
        /// After the price of a minute.
        DialPriceCents = "dial-price-cents",
        /// Asks for the key that makes the call at this price.
        DialPriceContinue = "dial-price-continue",
        /// After the name of who has somebody called whom nobody greets.
        InvitesYou = "invites-you",

        // More replies to codes.
        /// The account does not have the feature.
        NotAllowed = "not-allowed",
        /// The state of the conference forbids it.
        NotNow = "not-now",

        // Help: what each command does; the keys come before it, see `say::help`.
        /// Does: mute or open your line.
        HelpMute = "help-mute",
        /// Does: start or stop recording.
        HelpRecord = "help-record",
        /// Does: hear how many people are here.
        HelpCount = "help-count",
        /// Does: the help.
        HelpAgain = "help-again",
        /// Does: call someone.
        HelpDialOut = "help-dial-out",
        /// Does: reference number.
        HelpReference = "help-reference",
        /// Does: security passcode.
        HelpSecurity = "help-security",
        /// Does: end the conference for everyone.
        HelpEnd = "help-end",
        /// Does: a callee in private comes into the conference.
        HelpAddCallee = "help-add-callee",
        /// Does: the moderator comes back from a private talk alone.
        HelpReturn = "help-return",
        /// Does: operator.
        HelpOperator = "help-operator",
        /// Does: operator for everyone.
        HelpOperatorPublic = "help-operator-public",
        /// Does: enter moderator passcode.
        HelpPromote = "help-promote",
        /// Does: raise or lower your hand.
        HelpHand = "help-hand",
        /// Does: hear who is here.
        HelpRollCall = "help-roll-call",
        /// Does: tell everyone who is here.
        HelpRollCallPublic = "help-roll-call-public",
        /// Does: take the next question.
        HelpQuestion = "help-question",
        /// Does: private room.
        HelpPrivateRoom = "help-private-room",
        /// Does: change who may speak.
        HelpLecture = "help-lecture",
        /// Does: lock or unlock the conference.
        HelpLock = "help-lock",
        /// Does: change how callers are announced.
        HelpAnnounce = "help-announce",
        /// Does: continue or end after you leave.
        HelpContinue = "help-continue",
        /// Does: mute or open all lines.
        HelpMuteAll = "help-mute-all",
        /// Does: disconnect the last caller.
        HelpDisconnect = "help-disconnect",
        /// Does: pause or resume recording.
        HelpPause = "help-pause",
        /// Keys of the help itself: softer and louder.
        HelpVolume = "help-volume",
        /// Key of the help itself, to participants.
        HelpVote = "help-vote",
        /// Key of the help itself, to moderators.
        HelpVoteModerator = "help-vote-moderator",
        /// Key of the help itself, to moderators.
        HelpPlayback = "help-playback",
        /// Key of the help itself: its end.
        HelpLeave = "help-leave",

        // The first two keys of codes, as `say::keys` says them.
        /// `*0`.
        StarZero = "keys-star-0",
        /// `*1`.
        StarOne = "keys-star-1",
        /// `*2`.
        StarTwo = "keys-star-2",
        /// `*3`.
        StarThree = "keys-star-3",
        /// `*4`.
        StarFour = "keys-star-4",
        /// `*5`.
        StarFive = "keys-star-5",
        /// `*6`.
        StarSix = "keys-star-6",
        /// `*7`.
        StarSeven = "keys-star-7",
        /// `*8`.
        StarEight = "keys-star-8",
        /// `*9`.
        StarNine = "keys-star-9",
        /// `**`.
        StarStar = "keys-star-star",
        /// `*#`.
        StarPound = "keys-star-pound",
        /// `#0`.
        PoundZero = "keys-pound-0",
        /// `#1`.
        PoundOne = "keys-pound-1",
        /// `#2`.
        PoundTwo = "keys-pound-2",
        /// `#3`.
        PoundThree = "keys-pound-3",
        /// `#4`.
        PoundFour = "keys-pound-4",
        /// `#5`.
        PoundFive = "keys-pound-5",
        /// `#6`.
        PoundSix = "keys-pound-6",
        /// `#7`.
        PoundSeven = "keys-pound-7",
        /// `#8`.
        PoundEight = "keys-pound-8",
        /// `#9`.
        PoundNine = "keys-pound-9",
        /// `#*`.
        PoundStar = "keys-pound-star",
        /// `##`.
        PoundPound = "keys-pound-pound",

        // Number words, see `say`.
        /// 0, also as a single digit.
        Zero = "number-0",
        /// 1, also as a single digit.
        One = "number-1",
        /// 2, also as a single digit.
        Two = "number-2",
        /// 3, also as a single digit.
        Three = "number-3",
        /// 4, also as a single digit.
        Four = "number-4",
        /// 5, also as a single digit.
        Five = "number-5",
        /// 6, also as a single digit.
        Six = "number-6",
        /// 7, also as a single digit.
        Seven = "number-7",
        /// 8, also as a single digit.
        Eight = "number-8",
        /// 9, also as a single digit.
        Nine = "number-9",
        /// 10.
        Ten = "number-10",
        /// 11.
        Eleven = "number-11",
        /// 12.
        Twelve = "number-12",
        /// 13.
        Thirteen = "number-13",
        /// 14.
        Fourteen = "number-14",
        /// 15.
        Fifteen = "number-15",
        /// 16.
        Sixteen = "number-16",
        /// 17.
        Seventeen = "number-17",
        /// 18.
        Eighteen = "number-18",
        /// 19.
        Nineteen = "number-19",
        /// 20, before a digit too.
        Twenty = "number-20",
        /// 30, before a digit too.
        Thirty = "number-30",
        /// 40, before a digit too.
        Forty = "number-40",
        /// 50, before a digit too.
        Fifty = "number-50",
        /// 60, before a digit too.
        Sixty = "number-60",
        /// 70, before a digit too.
        Seventy = "number-70",
        /// 80, before a digit too.
        Eighty = "number-80",
        /// 90, before a digit too.
        Ninety = "number-90",
        /// After a digit: hundreds.
        Hundred = "number-hundred",
        /// After a digit: thousands.
        Thousand = "number-thousand",
    }
    tones {
        /// PUBLIC. Someone joined: two rising notes.
        ToneJoin = "tone-join" plays tone::JOIN,
        /// PUBLIC. Someone left: two falling notes.
        ToneLeave = "tone-leave" plays tone::LEAVE,
        /// The moderator came, or a notice follows: three rising notes.
        ToneChime = "tone-chime" plays tone::CHIME,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_has_a_text_for_each_spoken_prompt_and_nothing_else() {
        let catalogue: serde_json::Value =
            serde_json::from_str(include_str!("../prompts/catalogue.json")).unwrap();
        let texts = catalogue["prompts"].as_object().unwrap();
        let written: BTreeSet<&str> = texts.keys().map(String::as_str).collect();
        let spoken = Prompt::ALL.iter().filter(|p| matches!(en_us(**p), Source::Flac(_)));
        let wanted: BTreeSet<&str> = spoken.map(|p| p.name()).collect();
        assert_eq!(written, wanted);
        for (name, text) in texts {
            assert!(text["en-US"].as_str().is_some_and(|t| !t.is_empty()), "{name} has no words");
        }
    }

    #[test]
    fn the_folder_holds_the_embedded_files_and_nothing_else() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/en-US");
        let files = std::fs::read_dir(folder).unwrap();
        let found: BTreeSet<String> =
            files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        let spoken = Prompt::ALL.iter().filter(|p| matches!(en_us(**p), Source::Flac(_)));
        let wanted: BTreeSet<String> = spoken.map(|p| format!("{}.flac", p.name())).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn audio_ids_count_up_from_zero() {
        for (at, prompt) in (0u16..).zip(Prompt::ALL) {
            assert_eq!(prompt.audio(), AudioId(at), "{prompt:?}");
        }
        assert_eq!(usize::from(Prompt::COUNT), Prompt::ALL.len());
    }
}
