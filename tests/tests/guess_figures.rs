//! Thirty thousand guesses in ten minutes at one number that a hundred conferences share, beside 600
//! lawful callers of whom 60 make a typo.
//!
//! Twenty sources guess 1,500 times each, three codes a call: twenty telephones with addresses of their
//! own; twenty behind one carrier's address with fixed numbers, and with theirs withheld; and 2,000 numbers
//! with one try each. Every lawful caller's own entry is looked at. The call flow alone, on the virtual
//! clock; tests/tests/guessing.rs tells the same evening with SIP and fewer guesses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bridge_tests::sim::builder::DIAL_IN;
use bridge_tests::sim::clock::START;
use bridge_tests::sim::rooms::stage::{From, Stage};
use partyline_cdr_record::{CloseReason, FeatureCode, LegState};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    Passcode, Pepper, ReferenceNumber, Snapshot, StartsWith, passcode_mask, verifier,
};
use partyline_model::{AccountId, ConferenceId, PasscodeId, Role, Time};

const SOURCES: u32 = 20;
const GUESSES: u32 = 1500;
const CODES_A_CALL: u32 = 3;
const LAWFUL: u32 = 600;
const CONFERENCES: u32 = 100;
const MINUTES_10: u64 = 600_000;
const MINUTE: u64 = 60_000;
/// A caller who has typed his passcode is in before he would wonder, in milliseconds.
const UNNOTICED: u64 = 1000;
/// Guessers' calls are numbered from here.
const FIRST_GUESSER: u32 = 10_000;

/// What somebody does at a time.
enum Act {
    Call(From),
    Press(String),
    HangUp,
}

/// What came of an evening.
struct Evening {
    stage: Stage,
    /// When each lawful caller typed his passcode, and when he was in.
    entered: BTreeMap<u32, (u64, u64)>,
    /// When the first guess was typed.
    began: u64,
}

fn passcode(conference: u32) -> String {
    format!("7{:05}#", 391 + conference * 631)
}

/// A number that is no conference's, another one each time.
fn guess(number: u32) -> String {
    format!("{:06}#", 100_000 + number % 500_000)
}

fn directory() -> Snapshot {
    let pepper = Arc::new(Pepper::new(&[7; 32]));
    let account = Account {
        id: AccountId(5001),
        name: "Example Ltd.".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements {
            record: false,
            dial_out: DialOutPolicy { prefixes: Vec::new(), max_concurrent: 0 },
            security_passcode: false,
            reference_number: ReferenceNumber::Off,
        },
        caller_id: None,
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 90,
    };
    let mut builder = Snapshot::builder(1, Arc::clone(&pepper)).account(account).dial_in(DialIn {
        number: DIAL_IN.parse().unwrap(),
        aliases: Vec::new(),
        account: None,
        access_kind: AccessKind::TollFree,
        language: "en-US".to_owned(),
        welcome: None,
    });
    for number in 0..CONFERENCES {
        let id = ConferenceId(u64::from(number) + 1);
        let code = passcode(number);
        let digits = code.trim_end_matches('#');
        let conference = Conference {
            id,
            account: AccountId(5001),
            name: format!("Room {number}"),
            starts_with: StartsWith::FirstCaller,
            max_legs: 200,
            announce: Announce::Tones,
            enabled: true,
            ends_with_moderator: true,
        };
        builder = builder.conference(conference).passcode(Passcode {
            id: PasscodeId(u64::from(number) + 1),
            conference: id,
            role: Role::Participant,
            verifier: verifier(&pepper, digits),
            mask: passcode_mask(digits),
        });
    }
    builder.build().unwrap()
}

/// Lawful callers, one a second, each in the conference of his passcode; one in ten mistypes it first.
fn lawful(acts: &mut BTreeMap<(u64, u32, u8), Act>) {
    for caller in 0..LAWFUL {
        let from = From { number: Some(format!("1647{:07}", 2_000_000 + caller)), phone: None };
        let at = u64::from(caller) * 1000;
        acts.insert((at, caller, 0), Act::Call(from));
        let mut typed = at + 2500;
        if has_typo(caller) {
            acts.insert((typed, caller, 1), Act::Press("739146#".to_owned()));
            typed += 5000;
        }
        acts.insert((typed, caller, 2), Act::Press(passcode(caller % CONFERENCES)));
        acts.insert((typed + 6000, caller, 3), Act::HangUp);
    }
}

const fn has_typo(caller: u32) -> bool {
    caller % 10 == 3
}

/// Calls of the sources, each with three codes that are typed ahead, evenly over ten minutes.
fn three_a_call(acts: &mut BTreeMap<(u64, u32, u8), Act>, from: fn(u32) -> From) {
    let calls = SOURCES * GUESSES / CODES_A_CALL;
    for call in 0..calls {
        let codes: String = (0..CODES_A_CALL).map(|n| guess(call * CODES_A_CALL + n)).collect();
        guesser(acts, call, calls, (from(call % SOURCES), codes, 150_000));
    }
}

fn guesser(
    acts: &mut BTreeMap<(u64, u32, u8), Act>,
    call: u32,
    calls: u32,
    (from, codes, stays): (From, String, u64),
) {
    let (who, at) = (FIRST_GUESSER + call, u64::from(call) * MINUTES_10 / u64::from(calls));
    acts.insert((at, who, 0), Act::Call(from));
    acts.insert((at + 1500, who, 1), Act::Press(codes));
    acts.insert((at + 1500 + stays, who, 2), Act::HangUp);
}

fn play(guessers: impl FnOnce(&mut BTreeMap<(u64, u32, u8), Act>)) -> Evening {
    let mut acts = BTreeMap::new();
    lawful(&mut acts);
    guessers(&mut acts);
    let mut evening =
        Evening { stage: Stage::with(directory()), entered: BTreeMap::new(), began: 1500 };
    // Who has typed a right passcode, and is not in yet.
    let mut waits: BTreeMap<u32, u64> = BTreeMap::new();
    let mut now = 1000;
    for ((at, who, _), act) in acts {
        now = at + 1000;
        evening.stage.wait(now);
        match act {
            Act::Call(from) => evening.stage.call_from(who, &from),
            Act::Press(keys) => {
                evening.stage.press(who, &keys);
                if who < FIRST_GUESSER {
                    waits.insert(who, now);
                }
            }
            Act::HangUp => evening.stage.leave(who, CloseReason::Normal),
        }
        let stage = &evening.stage;
        waits.retain(|&who, &mut typed| {
            let is_in = stage.is_heard(who);
            if is_in {
                evening.entered.insert(who, (typed, now));
            }
            !is_in
        });
    }
    evening.stage.wait(now + 300_000);
    evening
}

/// As [`play`], and every lawful caller enters as if nobody guessed.
fn play_beside_lawful(guessers: impl FnOnce(&mut BTreeMap<(u64, u32, u8), Act>)) -> Evening {
    let evening = play(guessers);
    check_lawful(&evening);
    evening
}

/// Each of them is in at once, where his passcode leads, after his typo too.
fn check_lawful(evening: &Evening) {
    let records = evening.stage.records();
    for caller in 0..LAWFUL {
        let leg = records[&caller];
        let (typed, entered) = evening.entered.get(&caller).copied().unwrap_or_else(|| {
            panic!("caller {caller} is not in: {:?}, {}", leg.close_reason, leg.auth_failures)
        });
        assert!(entered - typed <= UNNOTICED, "caller {caller} waits {} ms", entered - typed);
        let joined = leg.joined_at.unwrap().as_micros() - START.as_micros();
        let waited = u64::try_from(joined).unwrap() / 1000 - typed;
        assert!(waited <= UNNOTICED, "caller {caller} waits {waited} ms");
        assert_eq!(leg.auth_failures, u8::from(has_typo(caller)), "caller {caller}");
        let conference = ConferenceId(u64::from(caller % CONFERENCES) + 1);
        assert_eq!(leg.conference_id, Some(conference), "caller {caller}");
        let ended = (leg.state, leg.close_reason);
        assert_eq!(ended, (LegState::Closed, Some(CloseReason::Normal)), "caller {caller}");
    }
}

impl Evening {
    /// Wrong verdicts of each guessing call: when.
    fn verdicts(&self) -> BTreeMap<u32, Vec<u64>> {
        let mut verdicts: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (who, event) in self.stage.events().filter(|(_, e)| e.code == FeatureCode::AuthFail) {
            let at = u64::try_from(event.at.as_micros() - START.as_micros()).unwrap() / 1000;
            if let Some(who) = who.filter(|&who| who >= FIRST_GUESSER) {
                verdicts.entry(who - FIRST_GUESSER).or_default().push(at);
            }
        }
        verdicts
    }

    fn alarmed_within_a_minute(&self) {
        let alarm = self.stage.alarms().first().map(|&(at, _)| at);
        let latest = Time::from_millis(self.began + MINUTE);
        assert!(alarm.is_some_and(|at| at <= latest), "{alarm:?}");
    }

    /// Three verdicts for each of the twenty, and no more, in ten minutes.
    fn three_each(&self) {
        let mut each = vec![0; usize::try_from(SOURCES).unwrap()];
        for (call, verdicts) in self.verdicts() {
            let source = usize::try_from(call % SOURCES).unwrap();
            each[source] += verdicts.iter().filter(|&&at| at < MINUTES_10).count();
        }
        assert!(each.iter().all(|&told| told == 3), "{each:?}");
    }
}

fn phone(source: u32) -> From {
    let [_, _, high, low] = source.to_be_bytes();
    let phone = Some(IpAddr::V4(Ipv4Addr::new(10, 9, high, low)));
    // The number that it shows is its own word, and another one each time.
    From { number: Some(format!("1905555{source:04}")), phone }
}

#[test]
fn twenty_telephones_get_three_verdicts_each() {
    let evening = play_beside_lawful(|acts| three_a_call(acts, phone));
    evening.three_each();
    evening.alarmed_within_a_minute();
}

#[test]
fn twenty_fixed_numbers_behind_a_carrier_get_three_verdicts_each() {
    let fixed = |source| From { number: Some(format!("1905555{source:04}")), phone: None };
    let evening = play_beside_lawful(|acts| three_a_call(acts, fixed));
    evening.three_each();
    evening.alarmed_within_a_minute();
}

#[test]
fn twenty_withheld_numbers_behind_a_carrier_wait_longer_and_longer() {
    let evening = play_beside_lawful(|acts| three_a_call(acts, |_| From::default()));
    evening.alarmed_within_a_minute();
    let verdicts = evening.verdicts();
    // The third verdict of a call comes 2, 4, 8 … 32 s after the second.
    let thirds = verdicts.values().filter_map(|at| match at[..] {
        [_, second, third] => Some((third, third - second)),
        _ => None,
    });
    grows(thirds.collect());
    // First tries have five turns a second, and fifty at once: of 30,000 guesses that is a third.
    let told: usize = verdicts.values().map(Vec::len).sum();
    assert!((3000..=3 * (50 + 5 * 640)).contains(&told), "{told}");
}

/// By the second, each quarter of the waits is no shorter than the one before, and the last is long.
fn grows(mut waits: Vec<(u64, u64)>) {
    waits.sort_unstable();
    let quarter = waits.len() / 4;
    let least = |part: &[(u64, u64)]| part.iter().map(|&(_, wait)| wait / 1000).min().unwrap();
    let quarters: Vec<u64> = waits.chunks(quarter).take(4).map(least).collect();
    assert!(quarters.is_sorted() && quarters[3] >= 16, "{quarters:?}");
}

const NUMBERS: u32 = 2000;

fn one_each(number: u32) -> (From, String, u64) {
    let from = From { number: Some(format!("1905{:07}", 3_000_000 + number)), phone: None };
    (from, guess(number), 60_000)
}

/// Over ten minutes that is three new numbers a second, fewer than have turns: they cannot be told from
/// callers who call for the first time, and are answered as those are.
#[test]
fn two_thousand_numbers_with_one_try_each_are_alarmed_and_keep_nobody_out() {
    let evening = play_beside_lawful(|acts| {
        (0..NUMBERS).for_each(|number| guesser(acts, number, NUMBERS, one_each(number)));
    });
    evening.alarmed_within_a_minute();
    assert!(evening.verdicts().values().all(|at| at.len() == 1), "one try is one verdict at most");
    assert!(evening.stage.alarms().len() > 5, "the alarm is raised again while it goes on");
}

#[test]
fn two_thousand_numbers_in_a_minute_wait_longer_and_longer_and_most_get_no_verdict() {
    let evening = play(|acts| {
        (0..NUMBERS).for_each(|number| guesser(acts, number, 10 * NUMBERS, one_each(number)));
    });
    evening.alarmed_within_a_minute();
    let typed = |call: u32| 2500 + u64::from(call) * MINUTES_10 / u64::from(10 * NUMBERS);
    let verdicts = evening.verdicts();
    grows(verdicts.iter().map(|(&call, at)| (typed(call), at[0] - typed(call))).collect());
    assert!(verdicts.len() <= 58 + 5 * (60 + 33), "{} are told", verdicts.len());
}
