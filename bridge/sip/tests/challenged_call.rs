//! Calls out through a trunk that asks who we are, in the INVITE and in what follows it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{CONTACT_AND_SDP, Out, Ua, confirmed, dial, response};
use partyline_model::Digit;
use partyline_sip::auth::{Asked, Ha1, Login, NonceLimits, Password, Place, Unverified, Verifier};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{Dial, DialogId, EndKind, Event, Hangup};
use zeroize::Zeroizing;

const CHALLENGE: &str =
    "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"\r\n";

fn login() -> Option<Arc<Login>> {
    Some(login_with("zanzibar"))
}

fn password(text: &str) -> Password {
    Password::new(Zeroizing::new(text.as_bytes().to_vec()))
}

fn login_with(text: &str) -> Arc<Login> {
    Arc::new(Login::new("bob", password(text)).expect("a plain name"))
}

fn begin(ua: &mut Ua) -> (DialogId, Message) {
    let call = Dial { login: login(), ..dial() };
    let id = ua.endpoint.dial(ua.now, call).expect("it can be called");
    (id, ua.drain().message(0))
}

fn text<'a>(message: &'a Message, name: &Name) -> &'a str {
    message.headers.text(name).unwrap_or_default()
}

/// Answers the last request that went out.
fn answer(ua: &mut Ua, request: &Message, status: &str, extra: &str) -> Out {
    ua.feed(&response(request, status, Some("far"), extra))
}

#[test]
fn an_invite_goes_out_again_with_the_answer_and_its_ack_has_it_too() {
    let mut ua = Ua::new();
    let (id, first) = begin(&mut ua);
    assert_eq!(text(&first, &Name::ProxyAuthorization), "", "not before it is asked for");
    let out = answer(&mut ua, &first, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!(out.lines(), ["ACK", "INVITE"], "the refusal is acknowledged first");
    assert!(out.events.is_empty());
    let second = out.message(1);
    assert_eq!(text(&second, &Name::CSeq), "2 INVITE");
    for same in [Name::CallId, Name::From, Name::To, Name::Contact] {
        assert_eq!(text(&second, &same), text(&first, &same));
    }
    assert_ne!(text(&second, &Name::Via), text(&first, &Name::Via));
    assert_eq!(second.body, first.body);
    let credentials = text(&second, &Name::ProxyAuthorization).to_owned();
    assert!(credentials.contains("username=\"bob\"") && credentials.contains("nc=00000001"));
    // The refusal comes once more: acknowledged, and nothing sent again.
    let out = answer(&mut ua, &first, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!(out.lines(), ["ACK"]);
    answer(&mut ua, &second, "180 Ringing", "");
    let out = answer(&mut ua, &second, "200 OK", CONTACT_AND_SDP);
    assert_eq!(out.lines(), ["ACK"]);
    let ack = out.message(0);
    assert_eq!(text(&ack, &Name::CSeq), "2 ACK");
    assert_eq!(text(&ack, &Name::ProxyAuthorization), credentials);
    assert_eq!(out.news(), [format!("Answered({id})")]);

    // BYE is asked as well, and goes on although the call is over for us.
    ua.endpoint.hangup(ua.now, id, Hangup::default()).expect("it is up");
    let bye = ua.drain().message(0);
    assert_eq!(text(&bye, &Name::CSeq), "3 BYE");
    let out = answer(&mut ua, &bye, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!(out.lines(), ["BYE"]);
    let again = out.message(0);
    assert_eq!(text(&again, &Name::CSeq), "4 BYE");
    assert!(text(&again, &Name::ProxyAuthorization).contains("username=\"bob\""));
    assert_eq!(answer(&mut ua, &again, "200 OK", "").lines(), Vec::<String>::new());
    ua.assert_forgotten();
}

fn asked(place: Place, realm: &str) -> Asked<'_> {
    Asked { place, realm, source: common::addr("192.0.2.1:5060").ip() }
}

#[test]
fn a_verifier_lets_the_call_in() {
    let mut ua = Ua::new();
    let (_, invite) = begin(&mut ua);
    let mut verifier = Verifier::new(Zeroizing::new([4; 32]), NonceLimits::default());
    let password = Password::new(Zeroizing::new(b"zanzibar".to_vec()));
    let ha1 = Ha1::of("bob", "us", &password);
    let realm = asked(Place::Server, "us");
    let mut challenge = Message::response(Status::UNAUTHORIZED);
    let verdict = verifier.verify(ua.now, realm, &invite, |_| Some(&ha1));
    assert_eq!(verdict, Err(Unverified::Absent));
    verifier.challenge(ua.now, realm, Unverified::Absent, &mut challenge);
    let headers: String = challenge
        .headers
        .iter()
        .map(|(name, value)| format!("{}: {}\r\n", name.as_str(), value.as_str()))
        .collect();
    let out = answer(&mut ua, &invite, "401 Unauthorized", &headers);
    let again = out.message(1);
    assert_eq!(verifier.verify(ua.now, realm, &again, |_| Some(&ha1)), Ok("bob"));
}

#[test]
fn a_wrong_password_ends_the_call() {
    let mut ua = Ua::new();
    let (_, mut invite) = begin(&mut ua);
    for nonce in ["n1", "n2"] {
        let challenge = CHALLENGE.replace("n1", nonce);
        let out = answer(&mut ua, &invite, "407 Proxy Authentication Required", &challenge);
        assert_eq!(out.lines(), ["ACK", "INVITE"]);
        invite = out.message(1);
    }
    let challenge = CHALLENGE.replace("n1", "n3");
    let out = answer(&mut ua, &invite, "407 Proxy Authentication Required", &challenge);
    assert_eq!(out.lines(), ["ACK"]);
    let ended = out.ended();
    let [ended] = &ended[..] else { panic!("one end") };
    assert_eq!(ended.kind, EndKind::Rejected);
    assert_eq!(ended.status, Some(Status::PROXY_AUTHENTICATION_REQUIRED));
    ua.assert_forgotten();
}

#[test]
fn without_a_login_a_challenge_ends_the_call() {
    let mut ua = Ua::new();
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    let invite = ua.drain().message(0);
    let out = answer(&mut ua, &invite, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!((out.lines(), out.ended().len()), (vec!["ACK".to_owned()], 1));
    ua.assert_forgotten();
}

#[test]
fn a_call_that_was_hung_up_is_not_made_again() {
    let mut ua = Ua::new();
    let (id, invite) = begin(&mut ua);
    ua.endpoint.hangup(ua.now, id, Hangup::default()).expect("it rings");
    assert_eq!(ua.drain().ended().len(), 1);
    let out = answer(&mut ua, &invite, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!(out.lines(), ["ACK"]);
    ua.assert_forgotten();
}

#[test]
fn a_cancel_after_the_answer_is_for_the_invite_that_rings() {
    let mut ua = Ua::new();
    let (id, invite) = begin(&mut ua);
    let out = answer(&mut ua, &invite, "407 Proxy Authentication Required", CHALLENGE);
    let second = out.message(1);
    answer(&mut ua, &second, "180 Ringing", "");
    ua.endpoint.hangup(ua.now, id, Hangup::default()).expect("it rings");
    let cancel = ua.drain().message(0);
    assert_eq!(text(&cancel, &Name::CSeq), "2 CANCEL");
    assert_eq!(text(&cancel, &Name::Via), text(&second, &Name::Via));
    let credentials = text(&second, &Name::ProxyAuthorization);
    assert_eq!(text(&cancel, &Name::ProxyAuthorization), credentials);
    answer(&mut ua, &cancel, "200 OK", "");
    let out = answer(&mut ua, &second, "487 Request Terminated", "");
    assert_eq!(out.lines(), ["ACK"]);
    ua.assert_forgotten();
}

#[test]
fn keys_and_changes_in_a_call_are_answered_for_too() {
    let mut ua = Ua::new();
    let (id, invite) = begin(&mut ua);
    answer(&mut ua, &invite, "200 OK", CONTACT_AND_SDP);
    let five = Digit::from_char('5').expect("a key");
    ua.endpoint.send_digit(ua.now, id, five, Duration::from_millis(160)).expect("it is up");
    let info = ua.drain().message(0);
    assert_eq!(text(&info, &Name::CSeq), "2 INFO");
    let out = answer(&mut ua, &info, "407 Proxy Authentication Required", CHALLENGE);
    let again = out.message(0);
    assert_eq!((text(&again, &Name::CSeq), &again.body), ("3 INFO", &info.body));
    assert!(out.events.is_empty());
    let out = answer(&mut ua, &again, "200 OK", "");
    assert!(matches!(out.events[..], [Event::DigitSent { result: Ok(()), .. }]));

    ua.endpoint.reinvite(ua.now, id, b"v=0 new".to_vec()).expect("it is up");
    let change = ua.drain().message(0);
    assert_eq!(text(&change, &Name::CSeq), "4 INVITE");
    let out = answer(&mut ua, &change, "407 Proxy Authentication Required", CHALLENGE);
    assert_eq!(out.lines(), ["ACK", "INVITE"]);
    let again = out.message(1);
    assert_eq!((text(&again, &Name::CSeq), &again.body), ("5 INVITE", &change.body));
    let out = answer(&mut ua, &again, "200 OK", CONTACT_AND_SDP);
    assert!(matches!(out.events[..], [Event::Reinvited { result: Ok(_), .. }]));
    assert_eq!(text(&out.message(0), &Name::CSeq), "5 ACK");
    ua.endpoint.hangup(ua.now, id, Hangup::default()).expect("it is up");
    let bye = ua.drain().message(0);
    assert_eq!(text(&bye, &Name::CSeq), "6 BYE");
    answer(&mut ua, &bye, "200 OK", "");
    ua.assert_forgotten();
}

#[test]
fn a_renewed_password_answers_in_calls_that_are_up() {
    let mut ua = Ua::new();
    let before = login_with("zanzibar");
    // One call out, one in, and a third of somebody else.
    let call = Dial { login: Some(Arc::clone(&before)), ..dial() };
    let out = ua.endpoint.dial(ua.now, call).expect("it can be called");
    let invite = ua.drain().message(0);
    answer(&mut ua, &invite, "200 OK", CONTACT_AND_SDP);
    let (coming, _) = confirmed(&mut ua);
    ua.endpoint.set_login(coming, Arc::clone(&before));
    let (other, invite) = begin(&mut ua);
    answer(&mut ua, &invite, "200 OK", CONTACT_AND_SDP);
    ua.endpoint.renew_login(&before, &login_with("new"));
    for (id, secret) in [(out, "new"), (coming, "new"), (other, "zanzibar")] {
        ua.endpoint.hangup(ua.now, id, Hangup::default()).expect("it is up");
        let bye = ua.drain().message(0);
        let mut verifier = Verifier::new(Zeroizing::new([4; 32]), NonceLimits::default());
        let mut challenge = Message::response(Status::PROXY_AUTHENTICATION_REQUIRED);
        let realm = asked(Place::Proxy, "carrier");
        verifier.challenge(ua.now, realm, Unverified::Absent, &mut challenge);
        let challenge = text(&challenge, &Name::ProxyAuthenticate);
        let headers = format!("Proxy-Authenticate: {challenge}\r\n");
        let again = answer(&mut ua, &bye, "407 Proxy Authentication Required", &headers);
        assert_eq!(again.lines(), ["BYE"]);
        let ha1 = Ha1::of("bob", "carrier", &password(secret));
        let bye = again.message(0);
        let verdict = verifier.verify(ua.now, realm, &bye, |_| Some(&ha1));
        assert_eq!(verdict, Ok("bob"), "{secret}");
        answer(&mut ua, &bye, "200 OK", "");
    }
    ua.assert_forgotten();
}
