//! What is known of a caller's number by the headers of his call and the certificates behind them.

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::*;
use partyline_stir::{
    Attest, Authorities, Call, Claim, Inspection, LONGEST_HEADER, MOST_HEADERS, Passport, Reason,
    Signer, Verdict, inspect,
};
use rcgen::{CertificateParams, IsCa, KeyUsagePurpose, date_time_ymd};

/// The header with this token, signed by whoever has `key`; `body` and `head` as JSON.
fn header(key: &str, head: &str, body: &str) -> String {
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::DecodePrivateKey;
    let der = pem_body(key);
    let key = p256::ecdsa::SigningKey::from_pkcs8_der(&der).expect("a key");
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let input = format!("{}.{}", encode(head), encode(body));
    let signature: p256::ecdsa::Signature = key.sign(input.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    format!("{input}.{signature};info=<{PLACE}>;alg=ES256")
}

fn pem_body(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let text: String = lines.collect();
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

fn head(ppt: &str) -> String {
    format!(r#"{{"alg":"ES256","ppt":"{ppt}","typ":"passport","x5u":"{PLACE}"}}"#)
}

fn shaken(caller: &str, callee: &str, iat: i64) -> String {
    format!(
        r#"{{"attest":"B","dest":{{"tn":["{callee}"]}},"iat":{iat},"orig":{{"tn":"{caller}"}},"origid":"x"}}"#
    )
}

fn div(caller: &str, from: &str, to: &str) -> String {
    format!(
        r#"{{"dest":{{"tn":["{to}"]}},"div":{{"tn":"{from}"}},"iat":{NOON},"orig":{{"tn":"{caller}"}}}}"#
    )
}

#[test]
fn the_example_of_rfc_8225_a_is_read_and_says_nothing_of_who_vouches() {
    // The key that the RFC prints beside it is not the one that signed it.
    let token = "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1w\
                 bGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20\
                 iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19.VLBCIVDCaeK6M4h\
                 LJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw";
    let header = format!("{token};info=<https://cert.example.org/passport.cer>;alg=ES256");
    assert_eq!(Passport::read(&header), Ok(None));
    let none = header.replace(";alg=ES256", ";alg=none");
    assert_eq!(Passport::read(&none), Err(Reason::Algorithm));
}

#[test]
fn what_we_sign_is_canonical_and_verifies_with_each_level() {
    let authority = Authority::new("STI-CA");
    let (pem, key) = authority.certify(|_| {});
    for attest in Attest::ALL {
        let header = signer(&key).sign(&Claim { attest, ..claim() }, &mut Chance(1));
        let found = verdict(&[&header], authority.believed(), &pem);
        assert_eq!(found, Verdict::Valid(attest));
    }
    let header = signer(&key).sign(&claim(), &mut Chance(1));
    let mut parts = header.split(['.', ';']);
    let mut decoded = || {
        let part = parts.next().expect("a part");
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("text")
    };
    let expected = format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{PLACE}"}}"#);
    assert_eq!(decoded(), expected);
    let origin = claim().origin;
    let expected = format!(
        r#"{{"attest":"A","dest":{{"tn":["{CALLEE}"]}},"iat":{NOON},"orig":{{"tn":"{CALLER}"}},"origid":"{origin}"}}"#
    );
    assert_eq!(decoded(), expected);
    assert!(header.ends_with(&format!(";info=<{PLACE}>;alg=ES256;ppt=shaken")), "{header}");
    assert_ne!(header, signer(&key).sign(&claim(), &mut Chance(2)), "no two tokens are alike");
    assert_eq!(
        header,
        signer(&key).sign(&claim(), &mut Chance(1)),
        "and chance comes from outside alone"
    );
}

#[test]
fn a_token_about_another_call_is_refused_before_anything_is_fetched() {
    let authority = Authority::new("STI-CA");
    let (_, key) = authority.certify(|_| {});
    let callees = [number(CALLEE)];
    let with = |caller: Option<&str>, header: &str| {
        let call = Call { caller: caller.map(number), callees: &callees, at: at(0) };
        inspect([header], &call, &rules())
    };
    let at_noon = shaken(CALLER, CALLEE, NOON);
    let signed = |head: &str, body: &str| header(&key, head, body);
    let good = signed(&head("shaken"), &at_noon);
    assert!(matches!(with(Some(CALLER), &good), Inspection::Signed(_)));
    let invalid = |reason| Inspection::Done(Verdict::Invalid(reason));
    assert_eq!(with(None, &good), invalid(Reason::NoCaller));
    assert_eq!(with(Some("12025550101"), &good), invalid(Reason::OtherCaller));
    for (body, reason) in [
        (shaken(CALLER, "14165550101", NOON), Reason::OtherCallee),
        (shaken(CALLER, CALLEE, NOON - 61), Reason::Stale),
        (shaken(CALLER, CALLEE, NOON + 61), Reason::Stale),
        (shaken(CALLER, CALLEE, i64::MIN), Reason::Stale),
        (shaken("+12025550100", CALLEE, NOON), Reason::Malformed),
        (at_noon.replace("\"B\"", "\"D\""), Reason::Malformed),
        (at_noon.replace(r#","origid":"x""#, ""), Reason::Malformed),
        (at_noon.replace(&NOON.to_string(), "\"noon\""), Reason::Malformed),
        (at_noon.replace(&format!("[\"{CALLEE}\"]"), "[]"), Reason::Malformed),
        (
            at_noon.replace(&format!("[\"{CALLEE}\"]"), &format!("[{}\"1\"]", "\"1\",".repeat(16))),
            Reason::TooLarge,
        ),
        ("[]".to_owned(), Reason::Malformed),
        ("[".repeat(1000), Reason::Malformed),
    ] {
        let header = signed(&head("shaken"), &body);
        assert_eq!(with(Some(CALLER), &header), invalid(reason), "{body}");
    }
    for second in [-60, 60] {
        let header = signed(&head("shaken"), &shaken(CALLER, CALLEE, NOON + second));
        assert!(matches!(with(Some(CALLER), &header), Inspection::Signed(_)), "{second}");
    }
    for (from, to, reason) in [
        ("ES256", "none", Reason::Algorithm),
        ("ES256", "HS256", Reason::Algorithm),
        ("passport", "jwt", Reason::Malformed),
        ("https://", "http://", Reason::NoPlace),
        ("cr.carrier.example", "127.0.0.1", Reason::NotListed),
        ("cr.carrier.example", "cr.other.example", Reason::NotListed),
        ("cr.carrier.example", "cr.carrier.example:22", Reason::NotListed),
        ("\"typ\"", "\"crit\":[],\"typ\"", Reason::Malformed),
    ] {
        let header = signed(&head("shaken").replace(from, to), &at_noon);
        let header = header.replace(PLACE, &PLACE.replace(from, to));
        assert_eq!(with(Some(CALLER), &header), invalid(reason), "{from} {to}");
    }
    let elsewhere = good.replace(PLACE, "https://cr.carrier.example/other.pem");
    assert_eq!(with(Some(CALLER), &elsewhere), invalid(Reason::NoPlace), "they have to agree");
}

#[test]
fn headers_of_every_form_are_read_and_what_is_none_is_refused() {
    let authority = Authority::new("STI-CA");
    let (_, key) = authority.certify(|_| {});
    let good = header(&key, &head("shaken"), &shaken(CALLER, CALLEE, NOON));
    let token = good.split(';').next().expect("a token").to_owned();
    for form in [
        format!("{token};info=<{PLACE}>"),
        format!("{token} ; ppt=\"shaken\" ; ALG=ES256; Info = <{PLACE}> ;x=y;z"),
        format!("{token};info={PLACE};ppt=shaken"),
    ] {
        let read = Passport::read(&form).expect("readable").expect("of a kind that is read");
        assert_eq!(read.place().map(ToString::to_string).as_deref(), Some(PLACE), "{form}");
    }
    let info = format!(";info=<{PLACE}>");
    let long = format!("{token}{info};x={}", "y".repeat(LONGEST_HEADER));
    for (form, reason) in [
        (String::new(), Reason::Malformed),
        (format!("a.b{info}"), Reason::Malformed),
        (format!("a.b.c.d{info}"), Reason::Malformed),
        (format!("{token}{info}{info}"), Reason::Malformed),
        (format!("{token}={info}"), Reason::Malformed),
        (format!("{token}{info};alg=none"), Reason::Algorithm),
        (format!("{token}{info};ppt=div"), Reason::Malformed),
        (format!("{}{info}", token.replace('.', "+.")), Reason::Malformed),
        (format!("{}{info}", &token[..token.len() - 2]), Reason::Malformed),
        (long, Reason::TooLarge),
    ] {
        assert_eq!(Passport::read(&form), Err(reason), "{form}");
    }
    // Of other kinds, and compact: passed over.
    let other = header(&key, &head("rph"), "{}");
    assert_eq!(Passport::read(&other), Ok(None));
    let signature = token.rsplit_once('.').expect("three parts").1;
    assert_eq!(Passport::read(&format!("..{signature}{info}")), Ok(None));
    let callees = [number(CALLEE)];
    let call = Call { caller: Some(number(CALLER)), callees: &callees, at: at(0) };
    let of = |headers: &[&str]| inspect(headers.iter().copied(), &call, &rules());
    assert_eq!(of(&[]), Inspection::Done(Verdict::NoSignature));
    assert_eq!(of(&[&other]), Inspection::Done(Verdict::NoSignature));
    assert!(matches!(of(&[&other, "?", &good]), Inspection::Signed(_)), "the caller's is there");
    assert_eq!(of(&["?", &other]), Inspection::Done(Verdict::Invalid(Reason::Malformed)));
    let many = vec![good.as_str(); MOST_HEADERS + 1];
    assert_eq!(of(&many), Inspection::Done(Verdict::Invalid(Reason::TooLarge)));
}

#[test]
fn a_signature_is_worth_what_its_certificate_is_worth() {
    let (authority, other) = (Authority::new("STI-CA"), Authority::new("Another"));
    let check = |change: &dyn Fn(&mut CertificateParams)| {
        let (pem, key) = authority.certify(change);
        let header = signer(&key).sign(&claim(), &mut Chance(1));
        verdict(&[&header], authority.believed(), &pem)
    };
    let invalid = Verdict::Invalid;
    assert_eq!(check(&|_| {}), Verdict::Valid(Attest::Full));
    let expired = check(&|params| params.not_after = date_time_ymd(2026, 5, 31));
    assert_eq!(expired, invalid(Reason::Expired));
    let early = check(&|params| params.not_before = date_time_ymd(2026, 6, 2));
    assert_eq!(early, invalid(Reason::Expired));
    let encrypts = |params: &mut CertificateParams| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    };
    assert_eq!(check(&encrypts), invalid(Reason::KeyUsage));
    assert_eq!(check(&|params| params.custom_extensions.clear()), invalid(Reason::NotItsNumber));
    let unread = check(&|params| params.custom_extensions = vec![numbers(b"\x30\x00")]);
    assert_eq!(unread, invalid(Reason::Certificate));
    let lists =
        |list: &'static [u8]| check(&move |params| params.custom_extensions = vec![numbers(list)]);
    let own = lists(b"\x30\x0f\xa2\x0d\x16\x0b12025550100");
    assert_eq!(own, Verdict::Valid(Attest::Full));
    let others = lists(b"\x30\x0f\xa2\x0d\x16\x0b12025550101");
    assert_eq!(others, invalid(Reason::NotItsNumber));
    let authority_itself = check(&|params| {
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    assert!(matches!(authority_itself, Verdict::Invalid(_)), "{authority_itself:?}");

    let (pem, key) = authority.certify(|_| {});
    let header = signer(&key).sign(&claim(), &mut Chance(1));
    let of = |authorities, pem: &str| verdict(&[&header], authorities, pem);
    assert_eq!(of(other.believed(), &pem), invalid(Reason::Untrusted));
    let impostor = Authority::new("STI-CA");
    assert_eq!(of(impostor.believed(), &pem), invalid(Reason::Untrusted), "of the same name");
    assert_eq!(of(Authorities::default(), &pem), invalid(Reason::Untrusted));
    assert_eq!(of(authority.believed(), ""), invalid(Reason::Certificate));
    assert_eq!(of(authority.believed(), &key), invalid(Reason::Certificate));
    assert_eq!(of(authority.believed(), &pem.repeat(7)), invalid(Reason::TooLarge));
    let (anothers, _) = authority.certify(|_| {});
    assert_eq!(of(authority.believed(), &anothers), invalid(Reason::Signature));
    // Another caller in the same token.
    let (input, rest) = header.split_once('.').expect("three parts");
    let (_, rest) = rest.split_once('.').expect("three parts");
    let body = URL_SAFE_NO_PAD.encode(shaken(CALLER, CALLEE, NOON));
    let forged = format!("{input}.{body}.{rest}");
    let found = verdict(&[&forged], authority.believed(), &pem);
    assert_eq!(found, invalid(Reason::Signature));
}

#[test]
fn a_certificate_may_come_by_way_of_another_authority_that_comes_with_it() {
    let root = Authority::new("Root");
    let between = root.below("STI-CA");
    let (pem, key) = between.certify(|_| {});
    let header = signer(&key).sign(&claim(), &mut Chance(1));
    let with = |pem: &str| verdict(&[&header], root.believed(), pem);
    assert_eq!(with(&pem), Verdict::Invalid(Reason::Untrusted));
    assert_eq!(with(&format!("{pem}{}", between.pem())), Verdict::Valid(Attest::Full));
}

#[test]
fn a_call_that_was_sent_on_is_followed_to_where_it_came() {
    let authority = Authority::new("STI-CA");
    let (pem, key) = authority.certify(|_| {});
    let sign = |ppt: &str, body: &str| header(&key, &head(ppt), body);
    let first = sign("shaken", &shaken(CALLER, "16045550101", NOON));
    let one = sign("div", &div(CALLER, "16045550101", "16045550102"));
    let two = sign("div", &div(CALLER, "16045550102", CALLEE));
    let of = |headers: &[&str]| verdict(headers, authority.believed(), &pem);
    assert_eq!(of(&[&two, &first, &one]), Verdict::Valid(Attest::Partial));
    let invalid = Verdict::Invalid;
    assert_eq!(of(&[&first, &two]), invalid(Reason::OtherCallee), "one is missing");
    assert_eq!(of(&[&first]), invalid(Reason::OtherCallee));
    assert_eq!(of(&[&one, &two]), Verdict::NoSignature, "nobody vouches for the caller");
    let others = sign("div", &div("12025550199", "16045550101", CALLEE));
    assert_eq!(of(&[&first, &others]), invalid(Reason::OtherCallee), "of another caller");
    let round = sign("div", &div(CALLER, CALLEE, CALLEE));
    assert_eq!(of(&[&first, &round]), invalid(Reason::OtherCallee), "it goes round");
    let (_, strangers) = authority.certify(|_| {});
    let forged = header(&strangers, &head("div"), &div(CALLER, "16045550101", CALLEE));
    assert_eq!(of(&[&first, &forged]), invalid(Reason::Signature), "each has to be true");
}

#[test]
fn a_signer_takes_keys_of_its_curve_alone_and_shows_none() {
    let authority = Authority::new("STI-CA");
    let (pem, key) = authority.certify(|_| {});
    let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
    let p384 = &rcgen::PKCS_ECDSA_P384_SHA384;
    let p384 = rcgen::KeyPair::generate_for(p384).expect("a key").serialize_pem();
    for bad in ["", &pem, &ed, &p384] {
        assert!(Signer::new(bad.as_bytes(), place(PLACE)).is_err());
    }
    let shown = format!("{:?}", signer(&key));
    assert!(shown.contains("cr.carrier.example") && shown.len() < 200, "{shown}");
}

proptest::proptest! {
    #[test]
    fn no_header_makes_it_panic(header in "(eyJ[A-Za-z0-9_.-]{0,80}|[ -~]{0,40}|;(info|alg|ppt)=[<>\"a-z:/.]{0,20})*") {
        drop(Passport::read(&header));
    }
}
