//! Records survive their encoding, and no bytes harm the decoder.

use partyline_cdr_record::{
    AccessCode, AccessKind, Actor, AnnounceMode, AuthMethod, CloseReason, ConferenceRecord,
    ConferenceState, DenyReason, DialogRecord, DialoutKind, Direction, FeatureCode, FeatureDetail,
    FeatureRecord, Flags, LegRecord, LegState, Origin, Outcome, Pattern, Presentation, Quality,
    Record, Reference, ReferenceSource, Region, ReleaseBy, TalkMode, Text, Tick, decode, encode,
    role_from_name, role_name,
};
use partyline_model::{AccountId, ConferenceId, Number, PasscodeId, Role, Time, Uuid, WallTime};
use proptest::prelude::*;
use proptest::sample::select;

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    encode(record, &mut out);
    out
}

fn number() -> impl Strategy<Value = Number> {
    "[0-9]{1,15}".prop_map(|text| text.parse().expect("made to the pattern"))
}

fn wall() -> impl Strategy<Value = WallTime> {
    any::<i64>().prop_map(WallTime::from_micros)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid)
}

fn reference() -> impl Strategy<Value = Reference> {
    "[0-9A-Za-z._/-]{1,32}".prop_map(|text| text.parse().expect("made to the pattern"))
}

fn option<S: Strategy>(of: S) -> impl Strategy<Value = Option<S::Value>>
where
    S::Value: Clone,
{
    proptest::option::of(of)
}

fn access_code() -> impl Strategy<Value = AccessCode> {
    let role = select(vec![Role::Moderator, Role::Participant, Role::Listener]);
    (any::<u64>(), role, "[•0-9]{0,4}", wall()).prop_map(|(id, role, mask, at)| AccessCode {
        passcode: PasscodeId(id),
        role,
        mask: Text::new(&mask),
        at,
    })
}

fn quality() -> impl Strategy<Value = Quality> {
    (any::<(u16, u64, u64, u64, u32)>(), any::<Option<u16>>()).prop_map(|(n, mos_x100)| Quality {
        codec: Text::new("PCMU"),
        ptime_ms: n.0,
        rx_packets: n.1,
        tx_packets: n.2,
        lost: n.3,
        jitter_p95_ms: n.4,
        mos_x100,
    })
}

prop_compose! {
    /// What identifies a leg and says who called whom.
    fn leg_identity()(
        ids in (uuid(), uuid(), any::<u32>(), any::<u64>(), any::<u16>(), any::<u64>()),
        state in select(LegState::ALL),
        accounts in any::<(Option<u64>, Option<u64>)>(),
        links in (option(uuid()), option(uuid())),
        numbers in (option(number()), option(number()), option(number())),
        kinds in (
            select(Direction::ALL),
            select(AccessKind::ALL),
            select(Presentation::ALL),
            select(DialoutKind::ALL),
        ),
        raws in ("\\PC{0,80}", "\\PC{0,80}"),
        invited_at in wall(),
    ) -> LegRecord {
        let origin = Origin { node_id: ids.2, boot_id: ids.1 };
        let mut leg = LegRecord::open(origin, ids.0, ids.3, kinds.0, invited_at);
        (leg.rev, leg.tenant_id, leg.state) = (ids.4, ids.5, state);
        leg.account_id = accounts.0.map(AccountId);
        leg.conference_id = accounts.1.map(ConferenceId);
        (leg.conf_id, leg.dialout_by_leg) = links;
        (leg.dnis, leg.ani, leg.dialed_number) = numbers;
        (leg.access_kind, leg.ani_presentation, leg.dialout_kind) = (kinds.1, kinds.2, kinds.3);
        (leg.dnis_raw, leg.dialed_raw) = (Text::new(&raws.0), Text::new(&raws.1));
        leg
    }
}

prop_compose! {
    /// The rest of a leg: authentication, times, end, quality.
    fn leg()(
        mut leg in leg_identity(),
        codes in proptest::collection::vec(access_code(), 0..4),
        auth in (select(AuthMethod::ALL), any::<u8>()),
        times in (option(wall()), option(wall()), option(wall()), option(wall()), option(wall())),
        lengths in any::<(u64, u64, u64, u64, u64, i32, i16)>(),
        end in (
            any::<(Option<u8>, Option<u16>)>(),
            option(select(ReleaseBy::ALL)),
            option(select(CloseReason::ALL)),
        ),
        trunks in any::<(Option<u32>, Option<u32>, Option<u32>)>(),
        sip in ("\\PC{0,150}", "[!-~]{0,128}", "[!-~]{0,128}"),
        quality in option(quality()),
        reference in (option(reference()), select(ReferenceSource::ALL)),
        rest in (any::<(u32, u32)>(), option(select(Region::ALL))),
    ) -> LegRecord {
        leg.access_code_role = codes.last().map(|code| code.role);
        leg.access_codes = codes;
        (leg.auth_method, leg.auth_failures) = auth;
        (leg.ringing_at, leg.answered_at, leg.joined_at, leg.left_at, leg.disconnected_at) = times;
        (leg.duration_ms, leg.conf_ms, leg.hold_ms) = (lengths.0, lengths.1, lengths.2);
        (leg.breakout_ms, leg.lobby_ms) = (lengths.3, lengths.4);
        (leg.clock_skew_ms, leg.tz_offset_min) = (lengths.5, lengths.6);
        ((leg.q850, leg.sip_status), leg.release_by, leg.close_reason) = end;
        (leg.trunk_in, leg.trunk_out, leg.carrier_id) = trunks;
        leg.sip_call_id = Text::new(&sip.0);
        (leg.from_tag, leg.to_tag) = (Text::new(&sip.1), Text::new(&sip.2));
        leg.quality = quality;
        (leg.reference_number, leg.reference_source) = reference;
        ((leg.rate_context, leg.flags.0), leg.region) = rest;
        leg
    }
}

prop_compose! {
    fn conference()(
        ids in (uuid(), uuid(), any::<(u32, u16, u64, u64, u64)>()),
        state in select(ConferenceState::ALL),
        name in "\\PC{0,200}",
        legs in (option(uuid()), option(uuid())),
        times in (wall(), option(wall()), option(wall())),
        counts in any::<(u64, u32, u32, u64, u64, bool)>(),
        recording in option("[a-z/.]{1,100}"),
        reference in (option(reference()), select(ReferenceSource::ALL)),
        end in (option(select(ReleaseBy::ALL)), option(select(CloseReason::ALL))),
    ) -> ConferenceRecord {
        let (node_id, rev, tenant_id, account, conference) = ids.2;
        let origin = Origin { node_id, boot_id: ids.1 };
        let (account, conference) = (AccountId(account), ConferenceId(conference));
        let mut record = ConferenceRecord::open(origin, ids.0, account, conference, times.0);
        (record.rev, record.tenant_id, record.state) = (rev, tenant_id, state);
        record.name = Text::new(&name);
        (record.host_leg, record.reference_set_by) = legs;
        (record.ended_at, record.reference_set_at) = (times.1, times.2);
        (record.mono_ms, record.peak_legs, record.leg_count) = (counts.0, counts.1, counts.2);
        (record.leg_ms_total, record.recording_ms) = (counts.3, counts.4);
        record.security_used = counts.5;
        record.recording_ref = recording.map(|text| Text::new(&text));
        (record.reference_number, record.reference_source) = reference;
        (record.ended_by, record.close_reason) = end;
        record
    }
}

fn detail() -> impl Strategy<Value = FeatureDetail> {
    prop_oneof![
        Just(FeatureDetail::None),
        any::<u32>().prop_map(FeatureDetail::Count),
        (option(reference()), option(reference()))
            .prop_map(|(value, previous)| FeatureDetail::Reference { value, previous }),
        number().prop_map(FeatureDetail::Number),
        any::<u16>().prop_map(FeatureDetail::Status),
        any::<u64>().prop_map(FeatureDetail::Millis),
        (select(TalkMode::ALL), select(TalkMode::ALL))
            .prop_map(|(from, to)| FeatureDetail::Mode { from, to }),
        select(AnnounceMode::ALL).prop_map(FeatureDetail::Announce),
        any::<u8>().prop_map(FeatureDetail::Room),
    ]
}

const ROLES: [Role; 3] = [Role::Moderator, Role::Participant, Role::Listener];

prop_compose! {
    fn feature()(
        ids in (uuid(), option(uuid()), option(uuid()), any::<(u32, u64, u64, bool)>()),
        at in wall(),
        code in select(FeatureCode::ALL),
        pattern in select(vec!["", "*4", "*91", "**", "*#", "#2"]),
        outcome in (select(Outcome::ALL), option(select(DenyReason::ALL))),
        detail in detail(),
        actor in (select(Actor::ALL), option(any::<u64>()), option(select(&ROLES[..]))),
    ) -> FeatureRecord {
        FeatureRecord {
            leg_id: ids.0,
            feature_seq: ids.3.0,
            conf_id: ids.1,
            conf_seq: ids.3.1,
            at,
            mono_offset_ms: ids.3.2,
            code,
            pattern: Pattern::new(pattern),
            outcome: outcome.0,
            denied: outcome.1,
            target_leg: ids.2,
            detail,
            billable: ids.3.3,
            actor: actor.0,
            actor_id: actor.1,
            role: actor.2,
        }
    }
}

fn dialog() -> impl Strategy<Value = DialogRecord> {
    let texts = ("[ -~]{0,40}", "[ -~]{0,40}", "[ -~]{0,40}", "[ -~]{0,40}");
    (uuid(), texts, any::<u32>(), proptest::collection::vec("[ -~]{0,40}", 0..3)).prop_map(
        |(leg_id, texts, cseq, routes)| DialogRecord {
            call_id: Text::new(&texts.0),
            local: Text::new(&texts.1),
            remote: Text::new(&texts.2),
            target: Text::new(&texts.3),
            cseq,
            interface: routes.first().map(|text| Text::new(text)),
            routes: routes.iter().map(|text| Text::new(text)).collect(),
            ..DialogRecord::told(leg_id)
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    let tick = (uuid(), any::<(u64, i64, u32, u128, u64)>()).prop_map(|(boot_id, n)| Tick {
        boot_id,
        mono: Time::from_nanos(n.0),
        wall: WallTime::from_micros(n.1),
        open_legs: n.2,
        open_xor: Uuid(n.3),
        max_leg_seq: n.4,
    });
    prop_oneof![
        leg().prop_map(|leg| Record::Leg(Box::new(leg))),
        conference().prop_map(|conference| Record::Conference(Box::new(conference))),
        feature().prop_map(|feature| Record::Feature(Box::new(feature))),
        tick.prop_map(Record::Tick),
        dialog().prop_map(|dialog| Record::Dialog(Box::new(dialog))),
    ]
}

proptest! {
    #[test]
    fn a_record_survives_its_encoding(record in record()) {
        let bytes = bytes_of(&record);
        let mut expected = record;
        if let Record::Feature(feature) = &mut expected
            && feature.code.is_about_a_secret()
        {
            feature.detail = FeatureDetail::None;
        }
        prop_assert_eq!(decode(&bytes), Ok(expected));
    }

    #[test]
    fn every_proper_prefix_is_refused_and_bytes_behind_are_ignored(record in record()) {
        let mut bytes = bytes_of(&record);
        for len in 0..bytes.len() {
            prop_assert!(decode(&bytes[..len]).is_err(), "prefix of {} bytes", len);
        }
        let whole = decode(&bytes);
        bytes[..2].copy_from_slice(&9_u16.to_le_bytes());
        bytes.extend_from_slice(b"a field of a later schema");
        prop_assert_eq!(decode(&bytes), whole);
    }

    #[test]
    fn no_bytes_panic_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(decode(&bytes));
    }

    #[test]
    fn no_flipped_byte_panics_the_decoder(record in record(), at in any::<usize>(), to in any::<u8>()) {
        let mut bytes = bytes_of(&record);
        let at = at % bytes.len();
        bytes[at] = to;
        drop(decode(&bytes));
    }

    #[test]
    fn an_event_about_a_secret_writes_the_same_bytes_whatever_it_was_given(
        mut event in feature(),
        other in detail(),
    ) {
        event.code = FeatureCode::SecurityOn;
        let one = bytes_of(&Record::Feature(Box::new(event.clone())));
        event.detail = other;
        prop_assert_eq!(one, bytes_of(&Record::Feature(Box::new(event))));
    }
}

#[test]
fn a_typical_leg_takes_about_three_hundred_bytes() {
    let bytes = bytes_of(&Record::Leg(Box::new(typical_leg())));
    assert!((200..320).contains(&bytes.len()), "{} bytes", bytes.len());
}

/// Bytes written by schema 1 are read for ever. If this fails, a field was moved, or was appended
/// without a default.
#[test]
fn the_first_schema_is_still_read() {
    let bytes = unhex(include_str!("leg-schema-1.hex"));
    assert_eq!(decode(&bytes), Ok(Record::Leg(Box::new(typical_leg()))));
}

/// An event of schema 1 has no actor: a leg did it.
#[test]
fn an_event_of_the_first_schema_was_a_legs() {
    let event = FeatureRecord {
        leg_id: Uuid(7),
        feature_seq: 3,
        conf_id: Some(Uuid(9)),
        conf_seq: 12,
        at: WallTime::from_micros(1_000_000),
        mono_offset_ms: 1500,
        code: FeatureCode::MuteSelf,
        pattern: Pattern::new("*6"),
        outcome: Outcome::Ok,
        denied: None,
        target_leg: None,
        detail: FeatureDetail::None,
        billable: false,
        actor: Actor::Leg,
        actor_id: None,
        role: None,
    };
    let bytes = unhex(include_str!("feature-schema-1.hex"));
    assert_eq!(decode(&bytes), Ok(Record::Feature(Box::new(event))));
}

#[test]
fn names_come_back_and_strangers_do_not() {
    for &code in FeatureCode::ALL {
        assert_eq!(code.as_str().parse(), Ok(code));
    }
    for &reason in CloseReason::ALL {
        assert_eq!(reason.to_string().parse(), Ok(reason));
    }
    assert!("Normal".parse::<CloseReason>().is_err());
    for role in [Role::Moderator, Role::Participant, Role::Listener] {
        assert_eq!(role_from_name(role_name(role)), Some(role));
    }
    assert_eq!(role_from_name("moderator"), None);
}

#[test]
fn a_pattern_is_a_star_code_or_nothing() {
    assert_eq!(Pattern::new("*91").as_str(), "*91");
    for not_a_code in ["", "*", "1234", "*9123", "482916", "*a"] {
        assert_eq!(Pattern::new(not_a_code), Pattern::NONE, "{not_a_code}");
    }
}

#[test]
fn what_is_charged_depends_on_answer_and_duration_only() {
    let mut leg = typical_leg();
    for q850 in 1..=127 {
        leg.q850 = Some(q850);
        assert!(leg.is_billable());
    }
    leg.duration_ms = 0;
    assert!(!leg.is_billable());
    leg.duration_ms = 1;
    leg.answered_at = None;
    assert!(!leg.is_billable());
}

#[test]
fn marks_add_up() {
    let flags = Flags::TEST.with(Flags::LEGAL_HOLD);
    assert!(flags.contains(Flags::TEST) && flags.contains(Flags::LEGAL_HOLD));
    assert!(!flags.contains(Flags::FREE));
}

fn typical_leg() -> LegRecord {
    let at = WallTime::from_micros(1_795_299_271_000_000);
    let origin = Origin { node_id: 3, boot_id: Uuid::v7(at, 7) };
    let mut leg = LegRecord::open(origin, Uuid::v7(at, 1), 88_121, Direction::In, at);
    leg.state = LegState::Closed;
    leg.rev = 2;
    leg.account_id = Some(AccountId(5001));
    leg.conference_id = Some(ConferenceId(17));
    leg.conf_id = Some(Uuid::v7(at, 2));
    leg.dnis = "18005550142".parse().ok();
    leg.dnis_raw = Text::new("sip:18005550142@bridge.example");
    leg.ani = "14165550100".parse().ok();
    leg.ani_presentation = Presentation::Allowed;
    leg.access_codes = vec![AccessCode {
        passcode: PasscodeId(771_203),
        role: Role::Moderator,
        mask: Text::new("••41"),
        at,
    }];
    leg.answered_at = Some(at);
    leg.joined_at = Some(at);
    leg.left_at = Some(at);
    leg.disconnected_at = Some(at);
    leg.duration_ms = 754_213;
    leg.sip_call_id = Text::new("3848276298220188511@atlanta.example.com");
    leg.from_tag = Text::new("9fxced76sl");
    leg.to_tag = Text::new("8321234356");
    leg.quality = Some(Quality { codec: Text::new("PCMU"), ptime_ms: 20, ..Quality::default() });
    leg.reference_number = "MATTER-2025-0017".parse().ok();
    leg
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}
