use super::*;

const ROOM: Target = Target::Security(SessionId(1));

fn number(value: u64) -> Number {
    value.to_string().parse().unwrap()
}

fn dialled() -> Target {
    Target::Passcode(number(18_005_550_142))
}

/// A caller with a number of his own on one trunk.
fn caller(index: u64) -> Option<Caller> {
    Some(Caller::Number(7, number(14_160_000_000 + index)))
}

fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A guess that waits as long as it has to, and is wrong.
struct Guess {
    waited: Duration,
    /// Whether there was a verdict.
    told: bool,
    alarms: Vec<GuessAlarm>,
}

fn guess(
    guard: &mut Guard,
    now: Time,
    target: Target,
    caller: Option<Caller>,
    tries: &mut Tries,
) -> Guess {
    let Wait { delay: waited, turn } = wait_of(guard, now, target, caller, *tries);
    let told = guard.admits(now, target, caller, &turn);
    let alarms = if told { guard.wrong(now + waited, target, caller, tries) } else { Vec::new() };
    Guess { waited, told, alarms }
}

/// A caller without an account withholds his number.
fn wait_of(
    guard: &mut Guard,
    now: Time,
    target: Target,
    caller: Option<Caller>,
    tries: Tries,
) -> Wait {
    let stranger = if caller.is_some() { Stranger::New } else { Stranger::Withheld };
    guard.wait(now, target, (caller, stranger), tries)
}

fn admits(guard: &mut Guard, now: Time, target: Target, caller: Option<Caller>) -> bool {
    guard.admits(now, target, caller, &Turn::Free)
}

/// How long a caller with the right passcode waits.
fn wait(guard: &mut Guard, now: Time, caller: Option<Caller>, tries: Tries) -> Duration {
    let Wait { delay, turn } = wait_of(guard, now, dialled(), caller, tries);
    assert!(guard.admits(now, dialled(), caller, &turn), "{now:?}");
    delay
}

/// Ten minutes in which 600 lawful callers come in, every tenth after one typo that he mends 4 s
/// later, and 20 guessers call again and again with three codes a call. `guesser` says who calls
/// the guesser's `call`.
struct TenMinutes {
    verdicts: Vec<u32>,
    first_alarm: Option<Time>,
    /// Of the guessers' third tries, in order.
    third_waits: Vec<Duration>,
    /// Of lawful callers, all of their tries.
    lawful_waits: Duration,
}

fn ten_minutes(guesser: impl Fn(u64, u64) -> Option<Caller>, known: bool) -> TenMinutes {
    let mut guard = Guard::new();
    let mut seen = TenMinutes {
        verdicts: vec![0; 20],
        first_alarm: None,
        third_waits: Vec::new(),
        lawful_waits: Duration::ZERO,
    };
    let mut mends: Vec<(u64, Option<Caller>, Tries)> = Vec::new();
    for second in 0..600 {
        let now = Time::from_secs(second);
        // A call of a guesser takes ten seconds; two begin each second.
        for guesser_id in [second * 2 % 20, second * 2 % 20 + 1] {
            let from = guesser(guesser_id, second);
            let mut tries = Tries::default();
            for _ in 0..3 {
                let tried = guess(&mut guard, now, dialled(), from, &mut tries);
                seen.verdicts[usize::try_from(guesser_id).unwrap()] += u32::from(tried.told);
                if !tried.told {
                    break;
                }
                if tries.wrong == 3 {
                    seen.third_waits.push(tried.waited);
                }
                if !tried.alarms.is_empty() {
                    seen.first_alarm.get_or_insert(now);
                }
            }
        }
        let lawful = if known { caller(1_000_000 + second) } else { None };
        let mut tries = Tries::default();
        if second % 10 == 3 {
            let typo = guess(&mut guard, now, dialled(), lawful, &mut tries);
            assert!(typo.told && typo.waited.is_zero(), "second {second}");
            mends.push((second + 4, lawful, tries));
        } else {
            seen.lawful_waits += wait(&mut guard, now, lawful, tries);
            guard.right(now, dialled(), lawful, &mut tries);
        }
        if let Some(at) = mends.iter().position(|&(at, ..)| at == second) {
            let (_, lawful, mut tries) = mends.remove(at);
            seen.lawful_waits += wait(&mut guard, now, lawful, tries);
            guard.right(now, dialled(), lawful, &mut tries);
        }
    }
    seen
}

#[test]
fn a_caller_who_can_be_told_apart_gets_three_verdicts_in_ten_minutes() {
    let phones = |guesser: u64, _| Some(Caller::Phone(guesser.into()));
    let numbers = |guesser: u64, _| caller(guesser);
    for seen in [ten_minutes(phones, true), ten_minutes(numbers, true)] {
        assert_eq!(seen.verdicts, vec![3; 20]);
        assert_eq!(seen.lawful_waits, Duration::ZERO);
    }
}

#[test]
fn withheld_and_new_numbers_are_alarmed_and_delayed_and_nobody_else_waits() {
    let withheld = |_, _| None;
    let new_each_time = |guesser: u64, second: u64| caller(10_000 + second * 20 + guesser);
    for (seen, from) in [
        (ten_minutes(withheld, true), "withheld"),
        (ten_minutes(withheld, false), "withheld among withheld"),
        (ten_minutes(new_each_time, true), "new numbers"),
    ] {
        let alarm = seen.first_alarm.expect("an alarm");
        assert!(alarm < Time::from_secs(60), "{from}: {alarm:?}");
        assert_eq!(seen.lawful_waits, Duration::ZERO, "{from}");
        let waits = &seen.third_waits;
        let longest: Vec<Duration> = waits.chunks(waits.len() / 4).map(|part| part[0]).collect();
        assert!(longest.is_sorted(), "{from}: {longest:?}");
        assert_eq!(waits.last(), Some(&LONGEST_DELAY), "{from}");
    }
}

/// Who calls again and again, with one wrong code each.
struct OneCode {
    /// Calls a second, for a minute.
    rate: u64,
    /// Who has to wait for longer hangs up then.
    patience: Duration,
}

impl OneCode {
    /// Verdicts in the first half minute and after it.
    fn run(&self, guard: &mut Guard, guesser: impl Fn(u64) -> Option<Caller>) -> [u32; 2] {
        let mut verdicts = [0; 2];
        let mut up: Vec<(Time, bool, Turn, Option<Caller>)> = Vec::new();
        for call in 0..self.rate * 60 {
            let (now, from) = (ms(call * 1000 / self.rate), guesser(call));
            for (_, told, turn, from) in up.extract_if(.., |&mut (over, ..)| over <= now) {
                if told {
                    guard.wrong(now, dialled(), from, &mut Tries::default());
                    verdicts[usize::from(now >= Time::from_secs(30))] += 1;
                } else {
                    guard.give_back(&turn);
                }
            }
            let Wait { delay, turn } = wait_of(guard, now, dialled(), from, Tries::NONE);
            let told = delay <= self.patience && guard.admits(now, dialled(), from, &turn);
            up.push((now + delay.min(self.patience), told, turn, from));
        }
        verdicts
    }
}

#[test]
fn one_code_a_call_gets_five_verdicts_a_second_and_nobody_who_can_be_told_apart_waits() {
    let new_each_time = |call: u64| caller(10_000 + call);
    let withheld = |_: u64| None;
    let guessers: [&dyn Fn(u64) -> Option<Caller>; 2] = [&withheld, &new_each_time];
    for (shown, guesser) in guessers.into_iter().enumerate() {
        for (rate, patience, least) in [(400, 1, 0), (40, 1, 0), (20, 60, 5 * 29)] {
            let mut guard = Guard::new();
            guard.right(ms(0), dialled(), caller(1), &mut Tries::default());
            let guesses = OneCode { rate, patience: Duration::from_secs(patience) };
            let [first, then] = guesses.run(&mut guard, guesser);
            assert!(first <= 8 + 50 + 5 * 31, "{first} at first");
            assert!((least..=5 * 31).contains(&then), "{then} then");
            let now = Time::from_secs(60);
            let other = if shown == 0 { caller(2) } else { None };
            for lawful in [caller(1), Some(Caller::Phone(7)), other] {
                assert_eq!(wait(&mut guard, now, lawful, Tries::NONE), Duration::ZERO);
            }
            if rate == 40 {
                // Who looks like the guessers waits for those forty who are up, not for all.
                let lawful = if shown == 0 { None } else { caller(3) };
                assert!(wait(&mut guard, now, lawful, Tries::NONE) < Duration::from_secs(9));
            }
        }
    }
}

#[test]
fn a_call_gets_no_verdict_when_those_before_it_wait_for_longer_than_the_longest_delay() {
    let mut guard = Guard::new();
    OneCode { rate: 10, patience: Duration::ZERO }.run(&mut guard, |_| None);
    let now = Time::from_secs(600);
    for _ in 0..30 {
        guard.wrong(now, dialled(), None, &mut Tries::default());
    }
    let waits: Vec<Wait> =
        (0..400).map(|_| wait_of(&mut guard, now, dialled(), None, Tries::NONE)).collect();
    let never = waits.iter().filter(|wait| wait.turn == Turn::Never(GuessKey::DialledNumber));
    // Fifty at once, and five a second for 32 s.
    assert_eq!(never.count(), 400 - 50 - 160);
    assert!(waits.iter().all(|wait| wait.delay <= LONGEST_DELAY));
    let last = waits.last().unwrap();
    assert!(!guard.admits(now, dialled(), None, &last.turn));
    assert_eq!(guard.counts().withheld.get(&GuessKey::DialledNumber), Some(&1));
}

#[test]
fn guesses_spread_over_all_numbers_have_turns_in_common() {
    let mut guard = Guard::new();
    let mut verdicts = 0;
    for call in 0..12_000 {
        let (now, target) = (ms(call * 5), Target::Passcode(number(18_005_550_100 + call % 100)));
        let Wait { delay, turn } = wait_of(&mut guard, now, target, None, Tries::NONE);
        if delay.is_zero() && guard.admits(now, target, None, &turn) {
            guard.wrong(now, target, None, &mut Tries::default());
            verdicts += 1;
        } else {
            guard.give_back(&turn);
        }
    }
    assert!((20 * 60..=50 + 200 + 20 * 61).contains(&verdicts), "{verdicts}");
}

#[test]
fn lawful_typos_alone_raise_nothing() {
    let mut guard = Guard::new();
    for second in 0..600 {
        let (now, mut tries) = (Time::from_secs(second), Tries::default());
        if second % 5 == 0 {
            let typo = guess(&mut guard, now, dialled(), None, &mut tries);
            assert!(typo.alarms.is_empty() && typo.waited.is_zero());
        }
        assert!(wait(&mut guard, now, None, tries).is_zero());
        guard.right(now, dialled(), None, &mut tries);
    }
    assert_eq!((guard.counts().wrong_passcodes, guard.counts().alarms.len()), (120, 0));
}

#[test]
fn further_tries_of_a_caller_at_his_limit_take_longer_and_longer_until_it_is_ten_minutes_old() {
    let mut guard = Guard::new();
    let mut tries = Tries::default();
    for second in 0..3 {
        assert!(guess(&mut guard, Time::from_secs(second), dialled(), caller(1), &mut tries).told);
    }
    let mut waits = Vec::new();
    for second in 3..9 {
        let mut tries = Tries::default();
        let tried = guess(&mut guard, Time::from_secs(second), dialled(), caller(1), &mut tries);
        assert!(!tried.told);
        waits.push(tried.waited.as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 32]);
    assert!(!admits(&mut guard, ms(599_999), dialled(), caller(1)));
    assert!(admits(&mut guard, ms(600_000), dialled(), caller(1)), "the first is ten minutes old");
    let mut tries = Tries::default();
    assert!(guess(&mut guard, ms(600_000), dialled(), caller(1), &mut tries).told);
    assert!(!guess(&mut guard, ms(600_500), dialled(), caller(1), &mut tries).told);
}

#[test]
fn a_typo_that_is_put_right_counts_a_quarter_and_once_a_call() {
    let mut guard = Guard::new();
    for second in 0..9 {
        let (now, mut tries) = (Time::from_secs(second), Tries::default());
        assert!(guess(&mut guard, now, dialled(), caller(1), &mut tries).told, "{second}");
        if second < 7 {
            guard.right(now, dialled(), caller(1), &mut tries);
        }
    }
    // Seven quarters and two whole ones.
    assert!(!admits(&mut guard, Time::from_secs(12), dialled(), caller(1)));
    let mut tries = Tries::default();
    for second in 20..22 {
        guess(&mut guard, Time::from_secs(second), dialled(), caller(2), &mut tries);
    }
    guard.right(Time::from_secs(22), dialled(), caller(2), &mut tries);
    let mut tries = Tries::default();
    assert!(guess(&mut guard, Time::from_secs(23), dialled(), caller(2), &mut tries).told);
    assert!(guess(&mut guard, Time::from_secs(24), dialled(), caller(2), &mut tries).told);
    assert!(
        !admits(&mut guard, Time::from_secs(25), dialled(), caller(2)),
        "one was put right, not two"
    );
}

#[test]
fn who_knows_one_passcode_cannot_wash_guesses_away_with_it() {
    let mut guard = Guard::new();
    let mut alarm = None;
    for second in 0..60 {
        let (now, mut tries) = (Time::from_secs(second), Tries::default());
        let tried = guess(&mut guard, now, dialled(), None, &mut tries);
        alarm = alarm.or((!tried.alarms.is_empty()).then_some(second));
        guard.right(now, dialled(), None, &mut tries);
    }
    assert!(alarm.is_some_and(|second| second < 30), "{alarm:?}");
}

#[test]
fn a_guesser_at_his_limit_is_not_forgotten_for_a_crowd_of_others() {
    let mut guard = Guard::new();
    let mut tries = Tries::default();
    for _ in 0..3 {
        guess(&mut guard, ms(1), dialled(), caller(1), &mut tries);
    }
    let crowd = u64::try_from(MOST_CALLERS).unwrap() * 2;
    for other in 2..crowd {
        let other_caller = Some(Caller::Phone(other.into()));
        guess(&mut guard, ms(1 + other), dialled(), other_caller, &mut Tries::default());
    }
    assert_eq!(guard.at_passcodes.len(), MOST_CALLERS);
    assert!(!admits(&mut guard, ms(crowd + 2), dialled(), caller(1)));
    // What is too old makes room by itself.
    guess(&mut guard, Time::from_secs(2000), dialled(), caller(0), &mut Tries::default());
    assert!(guard.at_passcodes.len() < MOST_CALLERS);
}

#[test]
fn an_ipv6_caller_is_known_by_his_network() {
    let of = |address: &str| Caller::of(&offered(Some(address.parse().unwrap())));
    assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:9::8"));
    assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
}

#[test]
fn a_number_that_nobody_vouches_for_tells_nobody_apart() {
    let vouched = offered(None);
    assert_eq!(Caller::of(&vouched), Some(Caller::Number(7, number(14_165_550_100))));
    assert_eq!(Caller::of(&Offered { ani_believed: false, ..vouched }), None);
    let phone = Some("192.0.2.1".parse().unwrap());
    assert!(Caller::of(&Offered { ani_believed: false, ..offered(phone) }).is_some());
    // Yet he does not wait among those who withhold theirs.
    let claimed = Offered { ani_believed: false, ..offered(None) };
    assert_eq!(Stranger::of(&claimed), Stranger::New);
    assert_eq!(Stranger::of(&Offered { ani: None, ..claimed }), Stranger::Withheld);
}

fn offered(phone: Option<IpAddr>) -> Offered {
    Offered {
        dnis: None,
        dnis_raw: String::new(),
        ani: Some(number(14_165_550_100)),
        ani_believed: true,
        ani_presentation: partyline_cdr_record::Presentation::Allowed,
        ani_attest: None,
        dialog: crate::event::DialogNames::default(),
        trunk: 7,
        phone,
        expects_media: true,
        codes: crate::event::RefusalCodes::default(),
    }
}

#[test]
fn a_session_under_attack_gives_strangers_no_verdict_and_lets_those_in_who_know() {
    let mut guard = Guard::new();
    guard.right(ms(1), ROOM, caller(1), &mut Tries::default());
    let mut told = 0;
    let mut alarms = 0;
    for call in 0..50 {
        let mut tries = Tries::default();
        for _ in 0..3 {
            let tried = guess(&mut guard, Time::from_secs(call), ROOM, None, &mut tries);
            told += u32::from(tried.told);
            alarms += tried.alarms.len();
        }
    }
    assert_eq!((told, alarms), (ROOM_WRONG, 1));
    assert!(!admits(&mut guard, Time::from_secs(50), ROOM, caller(2)));
    assert!(admits(&mut guard, Time::from_secs(50), ROOM, caller(1)));
    assert!(admits(&mut guard, Time::from_secs(50), Target::Security(SessionId(2)), None));
    guard.forget_session(SessionId(1));
    assert!(admits(&mut guard, Time::from_secs(50), ROOM, None));
}

#[test]
fn delays_double_up_to_the_longest() {
    assert_eq!([0, 8, 9, 16, 17, 32, 33, 1000].map(|n| steps(n, 8)), [0, 0, 1, 1, 2, 2, 3, 7]);
    assert_eq!([0, 1, 2, 3, 4, 40].map(|n| doubled(n).as_secs()), [2, 4, 8, 16, 32, 32]);
}
