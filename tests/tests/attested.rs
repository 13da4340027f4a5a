//! STIR/SHAKEN: what carriers sign of callers' numbers, and what we sign of ours.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bridge_tests::sim::builder::{Builder, DIAL_IN};
use bridge_tests::sim::{MODERATOR, PARTICIPANT, START, World, ms, secs};
use partyline_cdr_record::Attestation;
use partyline_control::{IdentityHeader, Trunk, Verification, Verifying};
use partyline_model::{IdSource, Number, Time, Uuid, WallTime};
use partyline_phones::{Ending, PhoneId};
use partyline_stir::{
    Attest, Authorities, Call, Certificates, Claim, FetchFault, Fetched, Inspection, Place, Reason,
    Rules, Signer, Verdict, Want, inspect,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose,
};

const PLACE: &str = "https://cr.carrier.example/shaken.pem";
const CALLEE: &str = "14165550199";

/// An authority, and a carrier's certificate and key of it, all PEM.
struct Carrier {
    authority: String,
    certificate: String,
    key: String,
}

impl Carrier {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::default();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // A provider's code, `709J`.
        let list = b"\x30\x08\xa0\x06\x16\x04709J".to_vec();
        let numbers = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], list);
        params.custom_extensions = vec![numbers];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap().pem();
        Self { authority: authority.pem(), certificate, key: key.serialize_pem() }
    }

    fn authorities(&self) -> Authorities {
        let mut authorities = Authorities::default();
        authorities.add(self.authority.as_bytes()).unwrap();
        authorities
    }

    fn signer(&self) -> Signer {
        Signer::new(self.key.as_bytes(), Place::parse(PLACE).unwrap()).unwrap()
    }
}

fn rules() -> Rules {
    let hosts = vec!["cr.carrier.example".parse().unwrap()];
    Rules { freshness: Duration::from_secs(60), hosts }
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

/// The headers of the INVITE that a moderator's `*1` makes, when it came to that, and its leg's
/// attestation.
fn dialled(build: Builder, change: impl FnOnce(&mut Trunk)) -> (Vec<String>, Option<Attestation>) {
    let world = build.without_audio().keep_log().trunks(|trunks| change(&mut trunks[0]));
    let mut world = world.start();
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR).run_for(secs(4)).press(anna, "*1").run_for(secs(3));
    world.press(anna, "4165550199#").run_for(secs(3));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let attested = world.finish().dialled(CALLEE).ani_attest;
    let begin = log.rfind("INVITE sip:").unwrap();
    let lines = log[begin..].split("\r\n\r\n").next().unwrap().split("\r\n");
    (lines.map(str::to_owned).collect(), attested)
}

fn values(lines: &[String], name: &str) -> Vec<String> {
    let value = |line: &String| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    lines.iter().filter_map(value).collect()
}

/// What a far end that believes the authority finds.
fn verdict(carrier: &Carrier, lines: &[String], caller: &str) -> Verdict {
    let identity = values(lines, "Identity");
    // The call goes out some seconds after the start.
    let at = START + secs(10);
    let callees = [number(CALLEE)];
    let call = Call { caller: Some(number(caller)), callees: &callees, at };
    let signed = match inspect(identity.iter().map(String::as_str), &call, &rules()) {
        Inspection::Done(verdict) => return verdict,
        Inspection::Signed(signed) => signed,
    };
    let mut certificates = Certificates::new(carrier.authorities());
    let place = Place::parse(PLACE).unwrap();
    assert_eq!(certificates.want(Time::ZERO, 0, &place), Want::Fetch);
    let fetched = Fetched { pem: carrier.certificate.clone().into_bytes(), max_age: None };
    certificates.take(Time::ZERO, at, &place, Ok(fetched));
    signed.verdict(at, |place| certificates.get(Time::ZERO, place)).unwrap()
}

#[test]
fn a_call_out_is_signed_by_whose_number_it_shows() {
    let carrier = Carrier::new();
    let signer = Arc::new(carrier.signer());
    let signs = |trunk: &mut Trunk| trunk.signer = Some(Arc::clone(&signer));
    // A number that the account may show, and nobody knows to be its own.
    let (lines, attested) = dialled(World::build(), signs);
    assert_eq!(verdict(&carrier, &lines, "14165550111"), Verdict::Valid(Attest::Partial));
    assert_eq!(attested, Some(Attestation::Partial));
    let other = verdict(&carrier, &lines, "14165550112");
    assert_eq!(other, Verdict::Invalid(Reason::OtherCaller));
    let date = &values(&lines, "Date")[0];
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    // One that people dial to reach this account alone.
    let own = World::build().own_number("14165550111");
    let (lines, attested) = dialled(own, signs);
    assert_eq!(verdict(&carrier, &lines, "14165550111"), Verdict::Valid(Attest::Full));
    assert_eq!(attested, Some(Attestation::Full));
}

#[test]
fn what_is_signed_is_the_number_that_is_shown_and_nothing_where_none_is() {
    let carrier = Carrier::new();
    let signer = Arc::new(carrier.signer());
    let with = |identity: IdentityHeader, anonymous: bool| {
        let change = |trunk: &mut Trunk| {
            trunk.signer = Some(Arc::clone(&signer));
            trunk.presenting.identity = Some(identity);
            trunk.presenting.anonymous = anonymous;
        };
        dialled(World::build(), change)
    };
    for (identity, anonymous) in [
        (IdentityHeader::None, false),
        (IdentityHeader::Asserted, true),
        (IdentityHeader::Diversion, false),
    ] {
        let (lines, _) = with(identity, anonymous);
        let found = verdict(&carrier, &lines, "14165550111");
        assert_eq!(found, Verdict::Valid(Attest::Partial), "{identity:?} {anonymous}");
    }
    // What the trunk is not told of an anonymous caller, no signature tells.
    let (lines, attested) = with(IdentityHeader::None, true);
    assert_eq!((values(&lines, "Identity"), attested), (Vec::new(), None));
    let (lines, attested) = dialled(World::build(), |_| {});
    assert_eq!((values(&lines, "Identity"), attested), (Vec::new(), None));
    assert!(values(&lines, "Date").is_empty());
}

#[test]
fn the_origin_of_a_trunk_is_the_same_in_each_call_and_no_two_tokens_are() {
    let carrier = Carrier::new();
    let signer = Arc::new(carrier.signer());
    let token = |seed: u64, name: &str| {
        let change = |trunk: &mut Trunk| {
            trunk.signer = Some(Arc::clone(&signer));
            trunk.name = name.to_owned();
        };
        let (lines, _) = dialled(World::build().seed(seed), change);
        let token = values(&lines, "Identity").remove(0);
        let body = token.split('.').nth(1).unwrap().to_owned();
        (token, body)
    };
    let (one, other) = (token(1, "carrier"), token(2, "carrier"));
    assert_ne!(one.0, other.0);
    assert_eq!(one.1.len(), other.1.len());
    // The end of the body is the origin: `"origid":"…"}`.
    let origin = |body: &str| body[body.len() - 40..].to_owned();
    assert_eq!(origin(&one.1), origin(&other.1));
    assert_ne!(origin(&one.1), origin(&token(1, "another").1));
}

const SOURCE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 70, 0, 1)), 5060);
const CALLER: &str = "12025550100";

/// Numbers that no two tokens share.
struct Counter(u128);

impl IdSource for Counter {
    fn next_u128(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// The token of a call from [`CALLER`] to `callee` at `at`, as a carrier signs it.
fn token(carrier: &Carrier, (caller, callee): (&str, &str), at: WallTime, random: u128) -> String {
    let (caller, callee) = (number(caller), number(callee));
    let claim = Claim { attest: Attest::Full, caller, callee, at, origin: Uuid(7) };
    carrier.signer().sign(&claim, &mut Counter(random))
}

fn invite(call_id: &str, identity: &str) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.70.0.1\r\ns=-\r\nc=IN IP4 10.70.0.1\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0\r\n";
    format!(
        "INVITE sip:+{DIAL_IN}@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.70.0.1:5060;branch=z9hG4bK{call_id}\r\n\
         From: <sip:+{CALLER}@h>;tag=1\r\nTo: <sip:+{DIAL_IN}@h>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:x@10.70.0.1>\r\nMax-Forwards: 70\r\n{identity}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}

/// A world whose trunk does so about signatures.
fn verifying(carrier: &Carrier, policy: Verifying) -> World {
    let verification = Verification { rules: rules(), authorities: carrier.authorities() };
    let change = |trunks: &mut Vec<Trunk>| trunks[0].verifying = policy;
    World::build().without_audio().keep_log().verification(verification).trunks(change).start()
}

fn certificate(carrier: &Carrier) -> Result<Fetched, FetchFault> {
    Ok(Fetched { pem: carrier.certificate.clone().into_bytes(), max_age: None })
}

const LATE: &str = "https://cr.carrier.example/late.pem";

/// A call, its header, what is said of it, and what its record says.
type Case = (&'static str, String, Verdict, Attestation);

/// Calls with every kind of signature; the certificate at [`LATE`] is never had.
fn cases(carrier: &Carrier, stranger: &Carrier) -> [Case; 14] {
    let ends = (CALLER, DIAL_IN);
    let good = |random| token(carrier, ends, START, random);
    let elsewhere = |url: &str| {
        let signer = Signer::new(carrier.key.as_bytes(), Place::parse(url).unwrap()).unwrap();
        let claim = Claim {
            attest: Attest::Gateway,
            caller: number(CALLER),
            callee: number(DIAL_IN),
            at: START,
            origin: Uuid(7),
        };
        signer.sign(&claim, &mut Counter(99))
    };
    let none = good(9).replacen("eyJhbGciOiJFUzI1NiI", "eyJhbGciOiJub25lIiA", 1);
    let full = Verdict::Valid(Attest::Full);
    let invalid = Verdict::Invalid;
    [
        ("none", String::new(), Verdict::NoSignature, Attestation::None),
        ("good", format!("Identity: {}\r\n", good(1)), full, Attestation::Full),
        ("compact-name", format!("y: {}\r\n", good(2)), full, Attestation::Full),
        (
            "wrong-key",
            format!("Identity: {}\r\n", token(stranger, ends, START, 3)),
            invalid(Reason::Signature),
            Attestation::Invalid,
        ),
        (
            "stale",
            format!("Identity: {}\r\n", token(carrier, ends, back(61), 4)),
            invalid(Reason::Stale),
            Attestation::Invalid,
        ),
        (
            "other-caller",
            format!("Identity: {}\r\n", token(carrier, ("12025550101", DIAL_IN), START, 5)),
            invalid(Reason::OtherCaller),
            Attestation::Invalid,
        ),
        (
            "other-callee",
            format!("Identity: {}\r\n", token(carrier, (CALLER, CALLEE), START, 6)),
            invalid(Reason::OtherCallee),
            Attestation::Invalid,
        ),
        (
            "giant",
            format!("Identity: {};x={}\r\n", good(7), "y".repeat(5000)),
            invalid(Reason::TooLarge),
            Attestation::Invalid,
        ),
        (
            "many",
            format!("Identity: {}\r\n", good(8)).repeat(5),
            invalid(Reason::TooLarge),
            Attestation::Invalid,
        ),
        (
            "alg-none",
            format!("Identity: {none}\r\n"),
            invalid(Reason::Algorithm),
            Attestation::Invalid,
        ),
        (
            "not-listed",
            format!("Identity: {}\r\n", elsewhere("https://10.0.0.1/shaken.pem")),
            invalid(Reason::NotListed),
            Attestation::Invalid,
        ),
        (
            "http",
            format!("Identity: {}\r\n", good(10).replace("info=<https", "info=<http")),
            invalid(Reason::NoPlace),
            Attestation::Invalid,
        ),
        (
            "garbage",
            "Identity: ,;,\r\n".to_owned(),
            invalid(Reason::Malformed),
            Attestation::Invalid,
        ),
        (
            "unfetched",
            format!("Identity: {}\r\n", elsewhere(LATE)),
            Verdict::CouldNotFetch(FetchFault::Silent),
            Attestation::Unchecked,
        ),
    ]
}

#[test]
fn the_record_of_each_caller_says_what_is_known_of_his_number() {
    let (carrier, stranger) = (Carrier::new(), Carrier::new());
    let mut world = verifying(&carrier, Verifying::Record);
    let cases = cases(&carrier, &stranger);
    for (name, identity, ..) in &cases {
        world.throw_at_sip(SOURCE, &invite(name, identity));
    }
    world.run_for(secs(1));
    let places: Vec<String> = world.fetches().iter().map(ToString::to_string).collect();
    assert_eq!(places, [PLACE, LATE], "each is fetched once, and no other");
    let answers = |world: &World| {
        let log = String::from_utf8_lossy(world.log()).into_owned();
        cases.iter().filter(|(name, ..)| has_answer(&log, name)).count()
    };
    assert_eq!(answers(&world), cases.len(), "nobody waits for it");
    let place = |url: &str| Place::parse(url).unwrap();
    world.fetched(&place(PLACE), certificate(&carrier));
    world.fetched(&place(LATE), Err(FetchFault::Silent));
    // Another call with a token that was taken before.
    let taken = token(&carrier, (CALLER, DIAL_IN), START, 1);
    world.throw_at_sip(SOURCE, &invite("replayed", &format!("Identity: {taken}\r\n")));
    world.run_for(secs(1));
    assert!(world.fetches().is_empty(), "what was found is known");
    let said = |world: &World, name: &str| {
        let of: Vec<_> = world.verified().iter().filter(|one| one.sip_call_id == name).collect();
        assert_eq!(of.len(), 1, "{name}: {of:?}");
        of[0].verdict
    };
    for (name, _, verdict, _) in &cases {
        assert_eq!(said(&world, name), *verdict, "{name}");
    }
    assert_eq!(said(&world, "replayed"), Verdict::Invalid(Reason::Replayed));
    let records = world.finish();
    for (name, _, _, attest) in &cases {
        assert_eq!(records.leg(name).ani_attest, Some(*attest), "{name}");
    }
    assert_eq!(records.leg("replayed").ani_attest, Some(Attestation::Invalid));
}

/// So many seconds before the world begins.
fn back(seconds: i64) -> WallTime {
    WallTime::from_micros(START.as_micros() - seconds * 1_000_000)
}

fn has_answer(log: &str, call_id: &str) -> bool {
    log.split("SIP/2.0 200").skip(1).any(|rest| {
        let head = rest.split("\r\n\r\n").next().unwrap_or_default();
        head.contains(&format!("Call-ID: {call_id}\r\n"))
    })
}

/// A phone that calls with this header.
fn signed_phone(world: &mut World, name: &str, identity: Option<String>) -> PhoneId {
    world.phone_with(name, |phone| {
        phone.from = format!("+{CALLER}");
        phone.to = format!("+{DIAL_IN}");
        phone.headers.extend(identity.map(|value| ("Identity".to_owned(), value)));
    })
}

#[test]
fn a_call_waits_for_its_verdict_where_calls_are_refused_for_it() {
    let (carrier, stranger) = (Carrier::new(), Carrier::new());
    let mut world = verifying(&carrier, Verifying::RefuseInvalid);
    let ends = (CALLER, DIAL_IN);
    let forged = |random| Some(token(&stranger, ends, START, random));
    let unsigned = signed_phone(&mut world, "unsigned", None);
    let stale = signed_phone(&mut world, "stale", Some(token(&carrier, ends, back(70), 1)));
    let first = signed_phone(&mut world, "first", forged(2));
    let second = signed_phone(&mut world, "second", forged(3));
    let good = signed_phone(&mut world, "good", Some(token(&carrier, ends, START, 4)));
    let known = signed_phone(&mut world, "known", Some(token(&carrier, ends, START, 5)));
    world.dial(unsigned).dial(stale).dial(first).dial(good).run_for(secs(1));
    assert_eq!(world.ending(stale), Some(Ending::Refused(403)));
    assert!(world.is_up(unsigned), "who has none waits for nothing");
    assert!(!world.is_up(first) && !world.is_up(good), "their certificate is not known yet");
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier)).run_for(secs(1));
    assert_eq!(world.ending(first), Some(Ending::Refused(438)));
    assert!(world.is_up(good));
    world.dial(second).dial(known).run_for(secs(1));
    assert_eq!(world.ending(second), Some(Ending::Refused(438)));
    assert!(world.is_up(known) && world.fetches().is_empty());
    world.join(unsigned, MODERATOR).press(good, PARTICIPANT).run_for(secs(4));
    let ids = [unsigned, known, good].map(|phone| world.call_id(phone).to_owned());
    let records = world.finish();
    let found = ids.map(|id| records.leg(&id).ani_attest);
    let expected = [Attestation::None, Attestation::Full, Attestation::Full];
    assert_eq!(found, expected.map(Some));
    assert_eq!(records.legs().len(), 3, "who was refused has no record");

    let mut world = verifying(&carrier, Verifying::Require);
    let unsigned = signed_phone(&mut world, "unsigned", None);
    world.dial(unsigned).run_for(secs(1));
    assert_eq!(world.ending(unsigned), Some(Ending::Refused(428)));
    world.finish();
    let mut world = verifying(&carrier, Verifying::Off);
    let forged = signed_phone(&mut world, "forged", forged(6));
    world.dial(forged).run_for(secs(1));
    assert!(world.is_up(forged) && world.fetches().is_empty() && world.verified().is_empty());
    let id = world.call_id(forged).to_owned();
    assert_eq!(world.finish().leg(&id).ani_attest, None);
}

/// A header of a good token, whose certificate is said to be at `url`.
fn at(carrier: &Carrier, url: &str, random: u128) -> String {
    let signer = Signer::new(carrier.key.as_bytes(), Place::parse(url).unwrap()).unwrap();
    let (caller, callee) = (number(CALLER), number(DIAL_IN));
    let claim = Claim { attest: Attest::Full, caller, callee, at: START, origin: Uuid(7) };
    signer.sign(&claim, &mut Counter(random))
}

#[test]
fn who_names_a_new_place_in_each_call_gets_in_by_none() {
    let carrier = Carrier::new();
    for (policy, silent) in [(Verifying::Require, Some(436)), (Verifying::RefuseInvalid, None)] {
        let mut world = verifying(&carrier, policy);
        let url = |n: u32| format!("https://cr.carrier.example/{n}.pem");
        let phones: Vec<PhoneId> = (0..6)
            .map(|n| {
                let identity = at(&carrier, &url(n), n.into());
                signed_phone(&mut world, &format!("phone-{n}"), Some(identity))
            })
            .collect();
        for &phone in &phones {
            world.dial(phone);
        }
        world.run_for(ms(500));
        let asked = world.fetches().to_vec();
        assert_eq!(asked.len(), 4, "of one host for one trunk");
        let refused = |world: &World, n: usize| match world.ending(phones[n]) {
            Some(Ending::Refused(status)) => Some(status),
            _ => None,
        };
        assert_eq!([4, 5].map(|n| refused(&world, n)), [Some(503); 2]);
        let log = String::from_utf8_lossy(world.log()).into_owned();
        assert!(log.contains("SIP/2.0 503") && log.contains("Retry-After: 5\r\n"));
        world
            .fetched(&asked[0], Err(FetchFault::NotThere))
            .fetched(&asked[1], certificate(&carrier));
        world.fetched(&asked[2], Err(FetchFault::Silent)).run_for(ms(500));
        assert_eq!([0, 2].map(|n| refused(&world, n)), [Some(436), silent], "{policy:?}");
        assert!(world.is_up(phones[1]));
        assert_eq!(world.is_up(phones[2]), silent.is_none());
        assert!(!world.is_up(phones[3]) && refused(&world, 3).is_none(), "it waits yet");
        world.run_for(ms(1200));
        assert_eq!(refused(&world, 3), silent, "for two seconds");
        assert_eq!(world.is_up(phones[3]), silent.is_none());
        world.finish();
    }
}

#[test]
fn a_signature_serves_one_call_at_one_time_and_a_call_that_was_not_answered_gives_it_back() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::RefuseInvalid);
    let token = token(&carrier, (CALLER, DIAL_IN), START, 1);
    let [one, two, three, four] = ["one", "two", "three", "four"]
        .map(|name| signed_phone(&mut world, name, Some(token.clone())));
    world.dial(one).run_for(ms(300)).hang_up(one).run_for(ms(300));
    world.dial(two).dial(three).run_for(ms(300));
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier)).run_for(secs(1));
    assert!(world.is_up(two), "the call before was not answered");
    assert_eq!(world.ending(three), Some(Ending::Refused(438)));
    world.hang_up(two).run_for(secs(1)).dial(four).run_for(secs(1));
    assert_eq!(world.ending(four), Some(Ending::Refused(438)));
    // By another way the same INVITE is the same call.
    let header = format!("Identity: {}\r\n", self::token(&carrier, (CALLER, DIAL_IN), START, 2));
    let invite = String::from_utf8(invite("forked", &header)).unwrap();
    world.throw_at_sip(SOURCE, invite.as_bytes());
    world.throw_at_sip(SOURCE, invite.as_bytes());
    world.throw_at_sip(SOURCE, invite.replace("z9hG4bK", "z9hG4bKtwo").as_bytes());
    world.run_for(secs(1));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let responses = log.split("SIP/2.0 ").filter_map(|part| part.split("\r\n\r\n").next());
    let forked = responses.filter(|head| head.contains("Call-ID: forked\r\n"));
    let statuses: Vec<&str> = forked.filter_map(|part| part.get(..3)).collect();
    assert!(statuses.contains(&"482") && statuses.contains(&"200"), "{statuses:?}");
    assert!(!statuses.contains(&"438"), "{statuses:?}");
    world.finish();
}

#[test]
fn a_token_of_who_gave_up_before_his_certificate_came_is_good_for_his_next_call() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::Record);
    let nobodys = "14165550998";
    let token = token(&carrier, (CALLER, nobodys), START, 1);
    let [one, two] = ["one", "two"].map(|name| {
        world.phone_with(name, |phone| {
            phone.from = format!("+{CALLER}");
            phone.to = format!("+{nobodys}");
            phone.headers.push(("Identity".to_owned(), token.clone()));
        })
    });
    world.dial(one).run_for(secs(1));
    assert_eq!(world.ending(one), Some(Ending::Refused(404)));
    assert_eq!(world.fetches().len(), 1);
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier)).run_for(secs(1));
    world.dial(two).run_for(secs(1));
    let verdicts: Vec<_> = world.verified().iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Valid(Attest::Full)]);
    world.finish();
}

#[test]
fn a_verdict_that_does_not_come_is_not_awaited_for_ever() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::Record);
    let phone = signed_phone(&mut world, "late", Some(at(&carrier, LATE, 1)));
    world.dial(phone).run_for(secs(9));
    assert!(world.is_up(phone) && world.verified().is_empty());
    world.run_for(secs(2));
    let verdicts: Vec<_> = world.verified().iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::CouldNotFetch(FetchFault::Silent)]);
    let id = world.call_id(phone).to_owned();
    assert_eq!(world.finish().leg(&id).ani_attest, Some(Attestation::Unchecked));
}

#[test]
fn who_waits_for_a_verdict_when_the_bridge_goes_down_may_call_another() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::RefuseInvalid);
    let before = signed_phone(&mut world, "before", Some(at(&carrier, LATE, 1)));
    let after = signed_phone(&mut world, "after", Some(at(&carrier, LATE, 2)));
    world.dial(before).run_for(ms(300));
    assert_eq!((world.node().calls(), world.ending(before)), (1, None));
    world.drain().run_for(ms(300));
    assert_eq!(world.ending(before), Some(Ending::Refused(503)));
    world.dial(after).run_for(ms(300));
    assert_eq!(world.ending(after), Some(Ending::Refused(503)));
    assert!(world.is_drained() && world.verified().is_empty());
    world.finish();
}

#[test]
fn the_number_that_the_network_asserts_counts_where_it_is_signed_whether_or_not_it_is_believed() {
    let (carrier, stranger) = (Carrier::new(), Carrier::new());
    let verification = Verification { rules: rules(), authorities: carrier.authorities() };
    let change = |trunks: &mut Vec<Trunk>| {
        (trunks[0].verifying, trunks[0].trusted) = (Verifying::Record, false);
        let places = [partyline_sip::Identity::Asserted, partyline_sip::Identity::From];
        trunks[0].caller_from = places.to_vec();
    };
    let build = World::build().without_audio().verification(verification).trunks(change);
    let mut world = build.start();
    let own = "12025550177";
    let ends = (own, DIAL_IN);
    let [good, forged, bare, plain] = [
        ("good", Some(token(&carrier, ends, START, 1))),
        ("forged", Some(token(&stranger, ends, START, 2))),
        ("bare", None),
        ("plain", Some(token(&carrier, (CALLER, DIAL_IN), START, 3))),
    ]
    .map(|(name, identity)| {
        world.phone_with(name, |phone| {
            phone.from = format!("+{CALLER}");
            phone.to = format!("+{DIAL_IN}");
            let asserted = format!("<sip:+{own}@carrier.example>");
            phone.headers.push(("P-Asserted-Identity".to_owned(), asserted));
            phone.headers.extend(identity.map(|value| ("Identity".to_owned(), value)));
        })
    });
    world.dial(good).dial(forged).dial(bare).dial(plain).run_for(ms(500));
    assert!(!world.is_up(good) && world.is_up(bare), "who shows what, the verdict says");
    assert!(world.is_up(plain), "it shows the same in any case");
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier)).run_for(secs(1));
    assert!([good, forged].iter().all(|phone| world.is_up(*phone)), "nobody is refused for it");
    let ids = [good, forged, bare, plain].map(|phone| world.call_id(phone).to_owned());
    let records = world.finish();
    let found = ids.map(|id| {
        let leg = records.leg(&id);
        (leg.ani.map(|number| number.to_string()).unwrap_or_default(), leg.ani_attest.unwrap())
    });
    let expected = [
        (own, Attestation::Full),
        (CALLER, Attestation::Invalid),
        (CALLER, Attestation::None),
        (CALLER, Attestation::Full),
    ];
    assert_eq!(found, expected.map(|(number, attest)| (number.to_owned(), attest)));
}

#[test]
fn a_signature_for_somebody_else_is_worth_nothing_whatever_header_names_him() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::RefuseInvalid);
    let header = |n| format!("Identity: {}\r\n", token(&carrier, (CALLER, CALLEE), START, n));
    let to = |to: &str, n| {
        let invite = String::from_utf8(invite(&format!("to-{n}"), &header(n))).unwrap();
        invite.replace(&format!("To: <sip:+{DIAL_IN}@h>"), to)
    };
    let copies = [
        to(&format!("To: <sip:+{CALLEE}@h>"), 1),
        to(&format!("To: <sip:+{DIAL_IN}@h>\r\nX-Called: +{CALLEE}"), 2),
        to(&format!("To: <sip:+{DIAL_IN}@h>\r\nP-Called-Party-ID: <sip:+{CALLEE}@h>"), 3),
        to(&format!("To: <sip:+{DIAL_IN}@h>\r\nP-Preferred-Identity: <sip:+{CALLEE}@h>"), 4),
        to(&format!("To: <sip:+{DIAL_IN}@h>\r\nDiversion: <sip:+{CALLEE}@h>"), 5),
    ];
    for copy in &copies {
        world.throw_at_sip(SOURCE, copy.as_bytes());
    }
    world.run_for(secs(1));
    assert!(world.fetches().is_empty());
    let log = String::from_utf8_lossy(world.log()).into_owned();
    for n in 1..=copies.len() {
        let refused = log.split("SIP/2.0 438").skip(1).any(|rest| {
            rest.split("\r\n\r\n").next().unwrap().contains(&format!("Call-ID: to-{n}\r\n"))
        });
        assert!(refused, "{n}");
    }
    world.finish();
}

#[test]
fn a_caller_who_hangs_up_while_his_signature_is_looked_into_leaves_nothing() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::Require);
    let anna = signed_phone(&mut world, "anna", Some(token(&carrier, (CALLER, DIAL_IN), START, 1)));
    world.dial(anna).run_for(ms(500)).hang_up(anna).run_for(ms(500));
    assert_eq!(world.ending(anna), Some(Ending::Cancelled));
    assert!(world.verified().is_empty());
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier)).run_for(secs(3));
    assert!(world.verified().is_empty(), "nobody asks any more");
    assert!(world.finish().legs().is_empty());
}

#[test]
fn a_verdict_that_comes_after_the_call_is_in_its_record_still() {
    let carrier = Carrier::new();
    let mut world = verifying(&carrier, Verifying::Record);
    let anna = signed_phone(&mut world, "anna", Some(token(&carrier, (CALLER, DIAL_IN), START, 1)));
    world.dial(anna).run_for(secs(2)).hang_up(anna).run_for(ms(300));
    assert_eq!(world.fetches().len(), 1);
    world.fetched(&Place::parse(PLACE).unwrap(), certificate(&carrier));
    let id = world.call_id(anna).to_owned();
    assert_eq!(world.finish().leg(&id).ani_attest, Some(Attestation::Full));
}
