//! A snapshot as the server builds it and the cores ask it.
#![expect(clippy::unwrap_used, reason = "a test whose parts are wrong has to fail")]

use std::sync::Arc;

use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, BuildError, Conference, DialIn, DialOutPolicy,
    Entitlements, Passcode, Pepper, Snapshot, SnapshotBuilder, StartsWith, passcode_mask, verifier,
};
use partyline_model::{AccountId, ConferenceId, Digit, Number, PasscodeId, Role};
use partyline_secret::{SecretDigits, Vault};

const SHARED: &str = "14165550100";
const OF_ACCOUNT_1: &str = "14165550101";
const OF_ACCOUNT_2: &str = "14165550102";

/// Two accounts with one conference each, and a number for each and for both.
fn two_accounts() -> SnapshotBuilder {
    empty()
        .account(account(1))
        .account(account(2))
        .conference(conference(10, 1))
        .conference(conference(20, 2))
        .passcode(passcode(100, 10, "481516", Role::Moderator))
        .passcode(passcode(101, 10, "234200", Role::Participant))
        .passcode(passcode(200, 20, "777123", Role::Moderator))
        .dial_in(dial_in(OF_ACCOUNT_1, Some(1)))
        .dial_in(dial_in(OF_ACCOUNT_2, Some(2)))
        .dial_in(dial_in(SHARED, None))
}

/// What a caller of `number` opens by typing `digits`.
fn opened(snapshot: &Snapshot, number: &str, digits: &str) -> Option<u64> {
    let dial_in = snapshot.dial_in(&number.parse().unwrap()).unwrap();
    snapshot.find_passcode(&typed(digits), dial_in).map(|p| p.id.0)
}

#[test]
fn a_typed_passcode_is_found_with_its_role_and_conference() {
    let snapshot = two_accounts().build().unwrap();
    let dial_in = snapshot.dial_in(&number(SHARED)).unwrap();
    let found = snapshot.find_passcode(&typed("234200"), dial_in).unwrap();
    assert_eq!((found.id, found.role), (PasscodeId(101), Role::Participant));
    let (conference, account) = snapshot.conference_and_account(found.conference).unwrap();
    assert_eq!((conference.id, account.id), (ConferenceId(10), AccountId(1)));
}

#[test]
fn wrong_digits_open_nothing() {
    let snapshot = two_accounts().build().unwrap();
    for digits in ["", "0", "481517", "48151", "4815160", "481516*", "111111"] {
        assert_eq!(opened(&snapshot, SHARED, digits), None, "{digits}");
    }
}

#[test]
fn a_restricted_number_reaches_its_own_account_only() {
    let snapshot = two_accounts().build().unwrap();
    assert_eq!(opened(&snapshot, OF_ACCOUNT_1, "481516"), Some(100));
    assert_eq!(opened(&snapshot, OF_ACCOUNT_2, "481516"), None);
    assert_eq!(opened(&snapshot, OF_ACCOUNT_2, "777123"), Some(200));
    assert_eq!(opened(&snapshot, SHARED, "481516"), Some(100));
    assert_eq!(opened(&snapshot, SHARED, "777123"), Some(200));
}

#[test]
fn accounts_with_numbers_of_their_own_may_have_the_same_passcode() {
    let apart = empty()
        .account(account(1))
        .account(account(2))
        .conference(conference(10, 1))
        .conference(conference(20, 2))
        .passcode(passcode(100, 10, "481516", Role::Moderator))
        .passcode(passcode(200, 20, "481516", Role::Participant))
        .dial_in(dial_in(OF_ACCOUNT_1, Some(1)))
        .dial_in(dial_in(OF_ACCOUNT_2, Some(2)));
    let snapshot = apart.build().unwrap();
    assert_eq!(opened(&snapshot, OF_ACCOUNT_1, "481516"), Some(100));
    assert_eq!(opened(&snapshot, OF_ACCOUNT_2, "481516"), Some(200));
}

#[test]
fn a_shared_number_forbids_the_same_passcode_in_two_accounts() {
    let result = two_accounts().passcode(passcode(201, 20, "481516", Role::Listener)).build();
    assert_eq!(error(result), BuildError::AmbiguousPasscode(PasscodeId(100), PasscodeId(201)));
}

#[test]
fn one_account_never_has_the_same_passcode_twice() {
    let builder = empty()
        .account(account(1))
        .conference(conference(10, 1))
        .conference(conference(11, 1))
        .passcode(passcode(100, 10, "481516", Role::Moderator))
        .passcode(passcode(101, 11, "481516", Role::Moderator));
    let expected = BuildError::AmbiguousPasscode(PasscodeId(100), PasscodeId(101));
    assert_eq!(error(builder.build()), expected);
}

#[test]
fn another_pepper_opens_nothing() {
    let builder = Snapshot::builder(1, Arc::new(Pepper::new(&[8; 32])))
        .account(account(1))
        .conference(conference(10, 1))
        .passcode(passcode(100, 10, "481516", Role::Moderator))
        .dial_in(dial_in(SHARED, None));
    assert_eq!(opened(&builder.build().unwrap(), SHARED, "481516"), None);
}

#[test]
fn suspended_and_disabled_are_found_and_left_to_the_call_flow() {
    let builder = empty()
        .account(Account { status: AccountStatus::Suspended, ..account(1) })
        .conference(Conference { enabled: false, ..conference(10, 1) })
        .passcode(passcode(100, 10, "481516", Role::Moderator))
        .dial_in(dial_in(SHARED, None));
    let snapshot = builder.build().unwrap();
    assert_eq!(opened(&snapshot, SHARED, "481516"), Some(100));
    let (conference, account) = snapshot.conference_and_account(ConferenceId(10)).unwrap();
    assert!(!conference.enabled && account.status == AccountStatus::Suspended);
}

#[test]
fn a_request_uri_names_a_dial_in_by_number_or_alias() {
    let named = DialIn {
        aliases: vec!["conference".to_owned(), "0100".to_owned()],
        ..dial_in(SHARED, None)
    };
    let snapshot = empty().dial_in(named).build().unwrap();
    for user in [SHARED, "+14165550100", "conference", "0100"] {
        assert_eq!(snapshot.dial_in_for(user).map(|d| d.number), Some(number(SHARED)), "{user}");
    }
    for user in ["Conference", "100", "", "4165550100"] {
        assert!(snapshot.dial_in_for(user).is_none(), "{user}");
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let alias = |to: &str, alias: &str| DialIn { aliases: vec![alias.into()], ..dial_in(to, None) };
    let prefix = |prefix: &str| {
        let dial_out = DialOutPolicy { prefixes: vec![prefix.into()], ..DialOutPolicy::default() };
        Account { entitlements: Entitlements { dial_out, ..Entitlements::default() }, ..account(3) }
    };
    let own = number(OF_ACCOUNT_1);
    let cases = [
        (two_accounts().account(account(1)), BuildError::DuplicateAccount(AccountId(1))),
        (
            two_accounts().conference(conference(10, 2)),
            BuildError::DuplicateConference(ConferenceId(10)),
        ),
        (
            two_accounts().passcode(passcode(100, 20, "999000", Role::Listener)),
            BuildError::DuplicatePasscode(PasscodeId(100)),
        ),
        (two_accounts().dial_in(dial_in(OF_ACCOUNT_1, None)), BuildError::DuplicateDialIn(own)),
        (
            two_accounts().conference(conference(30, 3)),
            BuildError::UnknownAccount(ConferenceId(30)),
        ),
        (
            two_accounts().passcode(passcode(300, 30, "999000", Role::Listener)),
            BuildError::UnknownConference(PasscodeId(300)),
        ),
        (
            two_accounts().dial_in(dial_in("1800", Some(3))),
            BuildError::UnknownDialInAccount(number("1800")),
        ),
        (
            empty().dial_in(alias("1800", "conf")).dial_in(alias("1801", "conf")),
            BuildError::DuplicateAlias(number("1801")),
        ),
        (
            empty().dial_in(alias("1800", "+1801")).dial_in(dial_in("1801", None)),
            BuildError::DuplicateAlias(number("1800")),
        ),
        (empty().account(prefix("")), BuildError::DialOutPrefix(AccountId(3))),
        (empty().account(prefix("+1")), BuildError::DialOutPrefix(AccountId(3))),
        (
            empty().account(Account { currency: "cad".into(), ..account(3) }),
            BuildError::Currency(AccountId(3)),
        ),
        (
            empty().account(Account { country_code: String::new(), ..account(3) }),
            BuildError::CountryCode(AccountId(3)),
        ),
        (
            two_accounts().conference(Conference { max_legs: 0, ..conference(30, 1) }),
            BuildError::NoLegs(ConferenceId(30)),
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(error(builder.build()), expected);
    }
}

#[test]
fn debug_tells_how_much_there_is_and_nothing_else() {
    let text = format!("{:?}", two_accounts().build().unwrap());
    let expected =
        "Snapshot { version: 5, accounts: 2, conferences: 2, passcodes: 3, dial_ins: 3 }";
    assert_eq!(text, expected);
}

fn empty() -> SnapshotBuilder {
    Snapshot::builder(5, Arc::new(pepper()))
}

fn pepper() -> Pepper {
    Pepper::new(&[9; 32])
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn account(id: u64) -> Account {
    Account {
        id: AccountId(id),
        name: format!("Customer {id}"),
        tenant_id: 1,
        status: AccountStatus::Active,
        entitlements: Entitlements::default(),
        caller_id: None,
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 1,
    }
}

fn conference(id: u64, account: u64) -> Conference {
    Conference {
        id: ConferenceId(id),
        account: AccountId(account),
        name: format!("Room {id}"),
        starts_with: StartsWith::Moderator,
        max_legs: 100,
        announce: Announce::Tones,
        enabled: true,
        ends_with_moderator: true,
    }
}

fn passcode(id: u64, conference: u64, digits: &str, role: Role) -> Passcode {
    Passcode {
        id: PasscodeId(id),
        conference: ConferenceId(conference),
        role,
        verifier: verifier(&pepper(), digits),
        mask: passcode_mask(digits),
    }
}

fn dial_in(text: &str, account: Option<u64>) -> DialIn {
    DialIn {
        number: number(text),
        aliases: Vec::new(),
        account: account.map(AccountId),
        access_kind: AccessKind::Local,
        language: "en-US".to_owned(),
        welcome: None,
    }
}

fn typed(digits: &str) -> SecretDigits {
    let mut secret = Vault::swappable().unwrap().digits().unwrap();
    for c in digits.chars() {
        assert!(secret.push(Digit::from_char(c).unwrap()).is_ok());
    }
    secret
}

fn error(result: Result<Snapshot, BuildError>) -> BuildError {
    match result {
        Ok(_) => panic!("the parts were taken"),
        Err(error) => error,
    }
}
