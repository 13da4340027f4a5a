//! STIR/SHAKEN: what carriers sign of callers' numbers, and what we sign of ours.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use bridge_tests::sim::builder::Builder;
use bridge_tests::sim::{MODERATOR, START, World, secs};
use partyline_cdr_record::Attestation;
use partyline_control::{IdentityHeader, Trunk};
use partyline_model::{Number, Time};
use partyline_stir::{
    Attest, Authorities, Call, Certificates, Fetched, Inspection, Place, Reason, Rules, Signer,
    Verdict, Want, inspect,
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
    assert_eq!(certificates.want(Time::ZERO, &place), Want::Fetch);
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
