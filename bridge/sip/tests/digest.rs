//! Digest authentication in both roles: against each other, and the caller's side against rsip.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::auth::{
    Asked, Authentication, Ha1, Hash, Login, NonceLimits, Order, Password, Place, Unanswerable,
    Unverified, Verifier,
};
use partyline_sip::message::{Message, Method, Name, Status};
use rsip::headers::UntypedHeader;
use rsip::prelude::ToTypedHeader;
use zeroize::Zeroizing;

const REALM: &str = "phones.example";
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const SERVER: Asked = Asked { place: Place::Server, realm: REALM, source: SOURCE };
const URI: &str = "sip:7000@phones.example";

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn login(secret: &str) -> Login {
    Login::new("bob", password(secret)).expect("a plain name")
}

fn verifier() -> Verifier {
    Verifier::new(Zeroizing::new([9; 32]), NonceLimits::default())
}

fn request() -> Message {
    Message::request(Method::Invite, URI)
}

/// A response with these challenges, each of its place.
fn asking(challenges: &[(Name, &str)]) -> Message {
    let mut response = Message::response(Status::UNAUTHORIZED);
    for (name, text) in challenges {
        response.headers.add(name.clone(), *text);
    }
    response
}

fn www(text: &str) -> Message {
    asking(&[(Name::WwwAuthenticate, text)])
}

/// The answer that stands in a request, parameter by parameter.
fn parameter<'a>(request: &'a Message, place: &Name, name: &str) -> Option<&'a str> {
    let text = request.headers.text(place)?.strip_prefix("Digest ")?;
    let found = text.split(',').find_map(|one| one.split_once('=').filter(|(n, _)| *n == name));
    found.map(|(_, value)| value.trim_matches('"'))
}

fn answered(authentication: &mut Authentication, login: &Login, response: &Message) -> Message {
    authentication.challenged(login, response).expect("it can be answered");
    let mut request = request();
    authentication.authorize(login, 0xabc, &mut request);
    request
}

#[test]
fn rsip_agrees_with_every_answer() {
    let secret = "zanzibar";
    let offers = [
        "",
        ", qop=\"auth\"",
        ", algorithm=MD5, qop=\"auth,auth-int\", opaque=\"x/y=\"",
        ", algorithm=MD5",
        ", algorithm=SHA-256, qop=\"auth\"",
        ", algorithm=SHA-256",
    ];
    for offer in offers {
        let challenge = format!("Digest realm=\"{REALM}\", nonce=\"ea9c/8e88==\"{offer}");
        let mut authentication = Authentication::default();
        let mut message = answered(&mut authentication, &login(secret), &www(&challenge));
        for count in 1..=3 {
            let text = message.headers.text(&Name::Authorization).expect("an answer");
            // rsip wants a blank behind each comma, and has a name of its own for SHA-256.
            let text = text.replace(',', ", ").replace("SHA-256", "SHA256");
            let theirs = rsip::headers::Authorization::new(text).typed().expect("readable");
            let digest =
                rsip::services::DigestGenerator::from(&theirs, secret, &rsip::Method::Invite);
            assert!(digest.verify(&theirs.response), "{offer}");
            assert_eq!((&*theirs.username, &*theirs.realm), ("bob", REALM));
            assert_eq!(theirs.uri.to_string(), URI);
            let opaque = offer.contains("opaque").then_some("x/y=");
            assert_eq!(theirs.opaque.as_deref(), opaque);
            let nc = offer.contains("qop").then(|| format!("{count:08x}"));
            assert_eq!(parameter(&message, &Name::Authorization, "nc"), nc.as_deref());
            authentication.authorize(&login(secret), 7 + count, &mut message);
            assert_eq!(message.headers.all(&Name::Authorization).count(), 1, "in its place");
        }
    }
}

#[test]
fn a_session_goes_into_the_secret_with_its_first_cnonce() {
    // Computed with Python's hashlib.
    let challenge = "Digest realm=\"phones.example\", nonce=\"n1\", algorithm=MD5-sess, qop=auth";
    let mut authentication = Authentication::default();
    let mut message = answered(&mut authentication, &login("zanzibar"), &www(challenge));
    let response =
        |message: &Message| parameter(message, &Name::Authorization, "response").map(str::to_owned);
    assert_eq!(response(&message).as_deref(), Some("2cd409281de715702ec3345076fafee1"));
    authentication.authorize(&login("zanzibar"), 0xdef, &mut message);
    assert_eq!(response(&message).as_deref(), Some("fa3e0d7531f9318e93eba3faf20a2f3c"));
    let algorithm = parameter(&message, &Name::Authorization, "algorithm");
    assert_eq!(algorithm, Some("MD5-sess"));
}

#[test]
fn the_strongest_algorithm_is_chosen_or_the_peers_first() {
    let md5 = "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, qop=\"auth\"";
    let sha512 = md5.replace("MD5", "SHA-512-256");
    let sha256 = md5.replace("MD5", "SHA-256");
    let unknown = md5.replace("MD5", "SHA3-256");
    let all = |texts: [&str; 4]| asking(&texts.map(|text| (Name::WwwAuthenticate, text)));
    for (challenges, order, chosen) in [
        (all([&unknown, md5, &sha512, &sha256]), Order::Strongest, "SHA-256"),
        (all([&unknown, &sha256, &sha512, md5]), Order::Strongest, "SHA-256"),
        (all([&unknown, md5, &sha512, &sha256]), Order::Peer, "MD5"),
        (all([&unknown, &sha512, &sha256, md5]), Order::Peer, "SHA-512-256"),
        (all([&unknown, &unknown, md5, &sha512]), Order::Strongest, "SHA-512-256"),
    ] {
        let login = login("x").in_order(order);
        let request = answered(&mut Authentication::default(), &login, &challenges);
        assert_eq!(request.headers.all(&Name::Authorization).count(), 1);
        assert_eq!(parameter(&request, &Name::Authorization, "algorithm"), Some(chosen));
    }
}

#[test]
fn a_proxy_and_then_the_server_are_answered_in_one_request() {
    let login = login("x");
    let mut authentication = Authentication::default();
    let proxy = [
        (Name::ProxyAuthenticate, "Digest realm=\"edge\", nonce=\"p1\", qop=\"auth\""),
        (Name::ProxyAuthenticate, "Digest realm=\"core\", nonce=\"p2\""),
    ];
    answered(&mut authentication, &login, &asking(&proxy));
    let server = www("Digest realm=\"edge\", nonce=\"s1\", qop=\"auth\"");
    let request = answered(&mut authentication, &login, &server);
    let seen: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| {
            let nonce =
                value.as_str().split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
            (name.as_str(), nonce, value.as_str().contains("nc=00000002"))
        })
        .collect();
    let (of_proxy, of_server) = ("Proxy-Authorization", "Authorization");
    let expected = [
        (of_proxy, Some("p1"), true),
        (of_proxy, Some("p2"), false),
        (of_server, Some("s1"), false),
    ];
    assert_eq!(seen, expected);
    // Both attempts are used up.
    let again = www("Digest realm=\"edge\", nonce=\"s2\"");
    assert_eq!(authentication.challenged(&login, &again), Err(Unanswerable::Refused));
}

#[test]
fn a_wrong_password_ends_whether_or_not_the_nonce_is_new() {
    let login = login("wrong");
    let ask =
        |nonce: &str, more: &str| www(&format!("Digest realm=\"a\", nonce=\"{nonce}\"{more}"));
    let mut authentication = Authentication::default();
    answered(&mut authentication, &login, &ask("1", ""));
    let same = authentication.challenged(&login, &ask("1", ""));
    assert_eq!(same, Err(Unanswerable::Refused), "the same question again");

    let mut authentication = Authentication::default();
    answered(&mut authentication, &login, &ask("1", ""));
    answered(&mut authentication, &login, &ask("2", ""));
    assert_eq!(authentication.challenged(&login, &ask("3", "")), Err(Unanswerable::Refused));
    // A peer that says stale for ever is not followed for ever.
    for nonce in ["4", "5"] {
        answered(&mut authentication, &login, &ask(nonce, ", stale=true"));
    }
    let stale = authentication.challenged(&login, &ask("6", ", stale=true"));
    assert_eq!(stale, Err(Unanswerable::Refused));
    // The next request begins anew, with or without what is known.
    authentication.again(true);
    assert!(authentication.is_known());
    answered(&mut authentication, &login, &ask("7", ""));
    authentication.again(false);
    assert!(!authentication.is_known());
}

#[test]
fn only_what_asks_in_a_known_way_and_realm_is_answered() {
    let login = login("x").in_realm("mine");
    let ask = |text: &str| Authentication::default().challenged(&login, &www(text));
    let nothing = Err(Unanswerable::NothingToAnswer);
    assert_eq!(ask("Basic realm=\"mine\""), nothing);
    assert_eq!(ask("Digest realm=\"mine\", nonce=\"n\", algorithm=AKAv1-MD5"), nothing);
    assert_eq!(ask("Digest realm=\"other\", nonce=\"n\""), Err(Unanswerable::OtherRealm));
    assert_eq!(
        ask("Digest realm=\"other\", nonce=\"n\", Digest realm=\"mine\", nonce=\"m\""),
        Ok(())
    );
    let none = Message::response(Status::UNAUTHORIZED);
    assert_eq!(Authentication::default().challenged(&login, &none), nothing);
}

/// Lets a login answer a verifier's challenge, and the verifier judge it.
struct Pair {
    verifier: Verifier,
    ha1: Ha1,
    now: Time,
}

impl Pair {
    fn new() -> Self {
        let ha1 = Ha1::of("bob", REALM, &password("zanzibar"));
        Self { verifier: verifier(), ha1, now: Time::from_secs(1) }
    }

    fn verify(&mut self, request: &Message) -> Result<String, Unverified> {
        let ha1 = &self.ha1;
        let find = |user: &str| (user == "bob").then_some(ha1);
        self.verifier.verify(self.now, SERVER, request, find).map(str::to_owned)
    }

    fn challenge(&mut self, refused: Unverified) -> Message {
        let mut response = Message::response(Status::UNAUTHORIZED);
        self.verifier.challenge(self.now, SERVER, refused, &mut response);
        response
    }
}

#[test]
fn users_are_let_in_by_every_algorithm() {
    for (offered, order) in [
        (vec![Hash::Sha256, Hash::Md5], Order::Peer),
        (vec![Hash::Md5, Hash::Sha256], Order::Peer),
        (vec![Hash::Sha512T256], Order::Strongest),
    ] {
        let mut pair = Pair::new();
        pair.verifier = verifier().offering(offered.clone());
        assert_eq!(pair.verify(&request()), Err(Unverified::Absent));
        let challenge = pair.challenge(Unverified::Absent);
        assert_eq!(challenge.headers.all(&Name::WwwAuthenticate).count(), offered.len());
        let right = login("zanzibar").in_order(order);
        let request = answered(&mut Authentication::default(), &right, &challenge);
        let algorithm = parameter(&request, &Name::Authorization, "algorithm");
        assert_eq!(algorithm, offered.first().map(|hash| hash.token()));
        assert_eq!(pair.verify(&request).as_deref(), Ok("bob"));
        assert_eq!(pair.verify(&request), Err(Unverified::Replayed), "once only");
    }
}

#[test]
fn whoever_is_wrong_is_told_no_more_than_that() {
    let mut pair = Pair::new();
    let challenge = pair.challenge(Unverified::Absent);
    let wrong = answered(&mut Authentication::default(), &login("guess"), &challenge);
    assert_eq!(pair.verify(&wrong), Err(Unverified::Wrong));
    let unknown = Login::new("eve", password("zanzibar")).expect("a name");
    let unknown = answered(&mut Authentication::default(), &unknown, &challenge);
    assert_eq!(pair.verify(&unknown), Err(Unverified::Wrong));
    assert_eq!(pair.verifier.used_nonces(), 0, "a guess leaves nothing");
    let right = answered(&mut Authentication::default(), &login("zanzibar"), &challenge);
    // Another method or another URI than what was signed.
    let text = right.headers.text(&Name::Authorization).expect("an answer").to_owned();
    let mut other = Message::request(Method::Bye, URI);
    other.headers.add(Name::Authorization, text.clone());
    assert_eq!(pair.verify(&other), Err(Unverified::Wrong));
    let tampered = [
        text.replace("uri=\"sip:7000@", "uri=\"SIP:7000@"),
        text.replace("nc=00000001", "nc=00000002"),
        text.replace("username=\"bob\"", "username=\"bot\""),
    ];
    for tampered in tampered {
        let mut request = request();
        request.headers.add(Name::Authorization, tampered);
        assert_eq!(pair.verify(&request), Err(Unverified::Wrong));
    }
    let malformed = [
        text.replace("response=\"", "response=\"0"),
        text.replace("algorithm=SHA-256", "algorithm=SHA-512-256"),
        text.replace("algorithm=SHA-256", "algorithm=SHA-256-sess"),
        text.replace("qop=auth", "qop=auth-int"),
        format!("{text},nonce=\"0\""),
    ];
    for malformed in malformed {
        let mut request = request();
        request.headers.add(Name::Authorization, malformed);
        assert_eq!(pair.verify(&request), Err(Unverified::Malformed));
    }
    assert_eq!(pair.verify(&right).as_deref(), Ok("bob"), "it was good all along");
}

#[test]
fn an_old_nonce_is_stale_and_the_next_answer_is_taken() {
    let mut pair = Pair::new();
    let right = login("zanzibar");
    let mut authentication = Authentication::default();
    let challenge = pair.challenge(Unverified::Absent);
    let mut first = answered(&mut authentication, &right, &challenge);
    assert_eq!(pair.verify(&first).as_deref(), Ok("bob"));
    pair.now += Duration::from_secs(299);
    authentication.authorize(&right, 2, &mut first);
    assert_eq!(pair.verify(&first).as_deref(), Ok("bob"), "with the next count");
    pair.now += Duration::from_secs(2);
    authentication.authorize(&right, 3, &mut first);
    assert_eq!(pair.verify(&first), Err(Unverified::Stale));
    let challenge = pair.challenge(Unverified::Stale);
    let text = challenge.headers.text(&Name::WwwAuthenticate).expect("a challenge");
    assert!(text.contains("stale=true"), "{text}");
    let second = answered(&mut authentication, &right, &challenge);
    assert_eq!(pair.verify(&second).as_deref(), Ok("bob"));
    // After a restart with another key the old nonce is stale as well.
    pair.verifier = Verifier::new(Zeroizing::new([1; 32]), NonceLimits::default());
    authentication.authorize(&right, 4, &mut first);
    assert_eq!(pair.verify(&first), Err(Unverified::Stale));
}

#[test]
fn an_answer_is_for_whom_its_uri_names_however_proxies_wrote_the_host_anew() {
    let mut pair = Pair::new();
    let mut verdict = |method: Method, signed: &str, requested: &str| {
        let challenge = pair.challenge(Unverified::Absent);
        let mut authentication = Authentication::default();
        authentication.challenged(&login("zanzibar"), &challenge).expect("it can be answered");
        let mut request = Message::request(method.clone(), signed);
        authentication.authorize(&login("zanzibar"), 0xabc, &mut request);
        let mut forwarded = Message::request(method, requested);
        for (name, value) in request.headers.iter() {
            forwarded.headers.push(name.clone(), value.clone());
        }
        pair.verify(&forwarded).map(drop)
    };
    for (signed, requested) in [
        (URI, URI),
        (URI, "sip:7000@192.0.2.1:5080;transport=tcp"),
        (URI, "sips:7000@other.example"),
        ("sip:7000@192.0.2.1", "sip:%37000@other.example"),
        ("sip:7000@other.example;user=phone", "sip:7000@OTHER.example:5060"),
        ("tel:+1-800-555-0142", "sip:+18005550142@phones.example;user=phone"),
        ("sip:phones.example", "sip:192.0.2.1"),
    ] {
        assert_eq!(verdict(Method::Invite, signed, requested), Ok(()), "{signed} {requested}");
    }
    for (signed, requested) in [
        (URI, "sip:7001@phones.example"),
        (URI, "sip:phones.example"),
        ("sip:phones.example", URI),
        ("sip:7000@one.example", "sip:7000@two.example"),
        ("7000", URI),
    ] {
        let elsewhere = Err(Unverified::Elsewhere);
        assert_eq!(verdict(Method::Invite, signed, requested), elsewhere, "{signed} {requested}");
    }
    let (signed, requested) = ("sip:bob@phones.example", "sip:phones.example");
    assert_eq!(verdict(Method::REGISTER, signed, requested), Ok(()), "REGISTER names nobody");
    assert_eq!(
        verdict(Method::REGISTER, "sip:one.example", "sip:two.example"),
        Err(Unverified::Elsewhere)
    );
}

#[test]
fn a_question_is_answered_by_whom_it_was_put_to_and_otherwise_nobody_guesses() {
    let mut pair = Pair::new();
    let challenge = pair.challenge(Unverified::Absent);
    let elsewhere = Asked { source: Ipv4Addr::new(192, 0, 2, 8).into(), ..SERVER };
    for secret in ["zanzibar", "guess"] {
        let request = answered(&mut Authentication::default(), &login(secret), &challenge);
        let ha1 = &pair.ha1;
        let verdict = pair.verifier.verify(pair.now, elsewhere, &request, |_| Some(ha1));
        assert_eq!(verdict, Err(Unverified::Stale), "right and wrong are the same");
    }
    pair.now += Duration::from_secs(301);
    let guess = answered(&mut Authentication::default(), &login("guess"), &challenge);
    assert_eq!(pair.verify(&guess), Err(Unverified::Stale), "nor with what is too old");
}

#[test]
fn realms_and_places_are_apart() {
    let mut pair = Pair::new();
    let right = login("zanzibar");
    let challenge = pair.challenge(Unverified::Absent);
    let request = answered(&mut Authentication::default(), &right, &challenge);
    let everybody = Ha1::of("bob", "other.example", &password("zanzibar"));
    let mut verify = |at| pair.verifier.verify(pair.now, at, &request, |_| Some(&everybody)).err();
    assert_eq!(verify(Asked { realm: "other.example", ..SERVER }), Some(Unverified::Absent));
    assert_eq!(verify(Asked { place: Place::Proxy, ..SERVER }), Some(Unverified::Absent));
    assert_eq!(verify(SERVER), Some(Unverified::Wrong), "a digest of another realm");
}

#[test]
fn a_user_with_one_digest_is_let_in_by_that_algorithm_only() {
    let mut pair = Pair::new();
    let mut md5 = Ha1::default();
    // md5("bob:phones.example:zanzibar")
    md5.set(Hash::Md5, b"aed3ccc5dc6313fc5b407d6c22e77b27").expect("a digest");
    pair.ha1 = md5;
    let challenge = pair.challenge(Unverified::Absent);
    let strongest = answered(&mut Authentication::default(), &login("zanzibar"), &challenge);
    assert_eq!(pair.verify(&strongest), Err(Unverified::Wrong));
    pair.verifier = verifier().offering(vec![Hash::Md5]);
    let challenge = pair.challenge(Unverified::Absent);
    let request = answered(&mut Authentication::default(), &login("zanzibar"), &challenge);
    assert_eq!(pair.verify(&request).as_deref(), Ok("bob"));
}

#[test]
fn phones_that_know_no_qop_are_let_in_once_a_nonce() {
    let mut pair = Pair::new();
    pair.verifier = verifier().offering(vec![Hash::Md5]);
    let challenge = pair.challenge(Unverified::Absent);
    let text = challenge.headers.text(&Name::WwwAuthenticate).expect("a challenge");
    let old = www(&text.replace(",qop=\"auth\"", "").replace(",algorithm=MD5", ""));
    let mut authentication = Authentication::default();
    let mut request = answered(&mut authentication, &login("zanzibar"), &old);
    assert_eq!(parameter(&request, &Name::Authorization, "nc"), None);
    assert_eq!(pair.verify(&request).as_deref(), Ok("bob"));
    authentication.authorize(&login("zanzibar"), 9, &mut request);
    assert_eq!(pair.verify(&request), Err(Unverified::Replayed));
}
