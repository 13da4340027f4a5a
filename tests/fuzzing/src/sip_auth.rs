//! Challenges and their answers: what we answer can be written and read, and nobody gets in
//! without the password.

use std::net::Ipv4Addr;

use partyline_model::Time;
use partyline_sip::auth::{
    Asked, Authentication, Challenge, Ha1, Hash, Login, NonceLimits, Order, Password, Place,
    Unverified, Verifier,
};
use partyline_sip::message::{Message, Method, Name, Status};
use zeroize::Zeroizing;

const REALM: &str = "phones.example";

/// Takes `data` as the header of a response, whose challenges are answered, and of a request,
/// whose credentials are judged.
pub fn sip_auth(data: &[u8]) {
    let read = |start: &[u8]| Message::parse(&[start, data, b"\r\n\r\n"].concat());
    if let Ok(response) = read(b"SIP/2.0 401 Unauthorized\r\n") {
        for order in [Order::Strongest, Order::Peer] {
            answer(&response, order);
        }
    }
    if let Ok(request) = read(b"REGISTER sip:phones.example SIP/2.0\r\n") {
        judge(&request);
    }
}

fn secret(text: &[u8]) -> Password {
    Password::new(Zeroizing::new(text.to_vec()))
}

fn answer(response: &Message, order: Order) {
    let login = Login::new("bob", secret(b"secret")).expect("a plain name").in_order(order);
    let mut authentication = Authentication::default();
    if authentication.challenged(&login, response).is_err() {
        return;
    }
    let mut request = Message::request(Method::REGISTER, "sip:phones.example");
    for cnonce in 1..=2 {
        authentication.authorize(&login, cnonce, &mut request);
    }
    let again = Message::parse(&request.to_bytes()).expect("our own request is readable");
    assert_eq!(again.fault, None);
    assert_eq!(again.headers, request.headers, "no challenge adds a header");
    assert!((1..=8).contains(&request.headers.len()));
    for (place, name, header) in [
        (Place::Server, Name::Authorization, Name::WwwAuthenticate),
        (Place::Proxy, Name::ProxyAuthorization, Name::ProxyAuthenticate),
    ] {
        let challenges = Challenge::read(&response.headers, place);
        for value in request.headers.all(&name) {
            let text = value.as_str();
            // Turned round, the answer is a challenge with the same words.
            let mut turned = Message::response(Status::UNAUTHORIZED);
            turned.headers.push(header.clone(), value.clone());
            let read = Challenge::read(&turned.headers, place);
            let [read] = &read[..] else { panic!("{text}") };
            let asked = challenges.iter().any(|one| {
                let algorithm = one.names_algorithm.then_some(one.algorithm);
                one.realm == read.realm
                    && one.nonce == read.nonce
                    && one.opaque == read.opaque
                    && one.qop == read.qop
                    && algorithm == read.names_algorithm.then_some(read.algorithm)
            });
            assert!(asked, "nobody asked for {text}");
            assert!(!text.contains("secret"));
        }
    }
    // The same question again is a refusal.
    assert!(authentication.challenged(&login, response).is_err());
}

fn judge(request: &Message) {
    let ha1 = Ha1::of("bob", REALM, &secret(b"of nobody's knowledge"));
    let mut verifier =
        Verifier::new(Zeroizing::new([3; 32]), NonceLimits::default()).offering(Hash::ALL.to_vec());
    for place in [Place::Server, Place::Proxy] {
        let asked = Asked { place, realm: REALM, source: Ipv4Addr::LOCALHOST.into() };
        let mut challenge = Message::response(Status::UNAUTHORIZED);
        verifier.challenge(Time::from_secs(9), asked, Unverified::Absent, &mut challenge);
        let with_ours = with_nonce_of(&challenge, request);
        for request in [Some(request), with_ours.as_ref()].into_iter().flatten() {
            let result = verifier.verify(Time::from_secs(9), asked, request, |_| Some(&ha1));
            let refused = result.expect_err("the password was not there");
            assert_ne!(refused, Unverified::Replayed);
        }
    }
    assert_eq!(verifier.used_nonces(), 0);
}

/// The request with what was asked in place of the nonce that it answers: others are not looked at.
fn with_nonce_of(challenge: &Message, request: &Message) -> Option<Message> {
    let nonce_in = |text: &str| {
        let (_, behind) = text.split_once("nonce=\"")?;
        behind.split_once('"').map(|(nonce, _)| nonce.to_owned())
    };
    let ours = challenge.headers.iter().find_map(|(_, value)| nonce_in(value.as_str()))?;
    let text = String::from_utf8(request.to_bytes()).ok()?;
    let theirs = nonce_in(&text).filter(|nonce| !nonce.is_empty())?;
    Message::parse(text.replace(&theirs, &ours).as_bytes()).ok()
}
