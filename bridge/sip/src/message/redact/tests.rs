use proptest::prelude::*;

use super::*;

/// The shown text of a message from 1001, whose number is known.
fn shown(text: &str) -> String {
    let shows = |user: &str| user == "1001";
    let redacted = redact(text.as_bytes(), &shows).expect("a message");
    String::from_utf8(redacted.octets).expect("text")
}

#[test]
fn a_user_part_is_shown_only_where_it_is_known_to_be_no_passcode() {
    let text = shown(
        "INVITE sip:4711%2399@192.0.2.1:5070;transport=tcp;x=4711;pin=4711 SIP/2.0\r\n\
         From: \"A 4711\" <sip:1001@h;y=4711>;tag=t1;x=4711\r\nTo: sip:+14165550123@h\r\n\
         m: <sip:4711@192.0.2.9>;+sip.instance=\"<urn:uuid:4711>\"\r\n\
         P-Asserted-Identity: <tel:4711>, \"x\" <tel:+14165550123>\r\n\
         History-Info: <sip:4711@h?Reason=4711>;index=1\r\nDiversion: <sip:4711>;reason=no-answer\r\n\r\n",
    );
    assert!(!text.contains("4711"), "{text}");
    assert!(text.starts_with("INVITE sip:*@192.0.2.1:5070;transport=tcp SIP/2.0\r\n"), "{text}");
    assert!(text.contains("From: <sip:1001@h>;tag=t1\r\nTo: <sip:*@h>\r\n"), "{text}");
    assert!(text.contains("Contact: <sip:*@192.0.2.9>\r\n"), "{text}");
    assert!(text.contains("P-Asserted-Identity: <tel:*>, <tel:+14165550123>\r\n"), "{text}");
    assert!(text.contains("Diversion: <*>;reason=no-answer\r\n"), "{text}");
}

#[test]
fn who_is_withheld_stays_so() {
    let asserted = |more: &str| {
        let from = if more.starts_with("f:") { "" } else { "From: <sip:+16475550123@h>\r\n" };
        let text = shown(&format!(
            "INVITE sip:h SIP/2.0\r\nP-Asserted-Identity: <sip:+14165550123@h>\r\n{from}{more}\r\n\r\n"
        ));
        text.contains("+14165550123")
    };
    assert!(asserted("Privacy: none") && asserted("Remote-Party-ID: <sip:h>;privacy=off"));
    for more in [
        "Privacy: id",
        "Privacy: user;id",
        "Remote-Party-ID: <sip:h>;privacy=full",
        "Remote-Party-ID: <sip:h>; Privacy = full",
        "f: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "f: \"Restricted\" <sip:anonymous@h>",
        "f: <sip:unavailable@h>",
        "f: <sip:+14165550123@anonymous.invalid>",
        "f: \"Anonymous\" <sip:+14165550123@h>",
    ] {
        assert!(!asserted(more), "{more}");
    }
}

#[test]
fn credentials_are_a_scheme_and_challenges_what_they_ask_for() {
    let text = shown(
        "SIP/2.0 401 no\r\nAuthorization: Digest username=\"u\", response=\"4711\"\r\n\
         Proxy-Authorization: 4711\r\nWWW-Authenticate: Digest realm=\"a, b\", nonce=\"4711\", \
         opaque=4711, qop=\"auth,auth-int\", algorithm=SHA-256\r\nX-Key: 4711\r\nIdentity: 4711\r\n\r\n",
    );
    assert!(!text.contains("4711"), "{text}");
    assert!(text.contains("\r\nAuthorization: Digest *\r\nProxy-Authorization: *\r\n"), "{text}");
    let challenge = "Digest *, realm=\"a, b\", qop=\"auth,auth-int\", algorithm=\"SHA-256\"";
    assert!(text.contains(challenge), "{text}");
    assert!(text.contains("X-Key: *\r\nIdentity: *\r\n"), "{text}");
}

#[test]
fn a_description_is_shown_without_keys() {
    let sdp = "v=0\r\no=4711 1 2 IN IP4 192.0.2.1\r\ns=4711\r\ni=4711\r\nc=IN IP4 192.0.2.1\r\n\
               k=clear:4711\r\nm=audio 4000 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n\
               a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:4711|2^31\r\na=crypto:4711x 4711 4711\r\n\
               a=ice-pwd:4711\r\na=fingerprint:sha-256 47:11:4711\r\na=setup:active\r\na=4711:1\r\n\
               a=sendonly\r\nnonsense 4711\r\n";
    let whole = format!("INVITE sip:h SIP/2.0\r\nc: application/sdp\r\n\r\n{sdp}");
    let parts = format!(
        "INVITE sip:h SIP/2.0\r\nc: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: x/y\r\n\r\n\
         4711\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b--\r\n"
    );
    for text in [shown(&whole), shown(&parts)] {
        assert!(!text.contains("4711"), "{text}");
        assert!(text.contains("Content-Type: application/sdp\r\n"), "{text}");
        assert!(
            text.contains("o=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"),
            "{text}"
        );
        assert!(text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:*\r\n"), "{text}");
        assert!(
            text.contains("a=crypto:* * inline:*\r\na=ice-pwd:*\r\na=fingerprint:*\r\n"),
            "{text}"
        );
        assert!(text.contains("a=setup:active\r\na=*\r\na=sendonly\r\n"), "{text}");
        assert_eq!(Message::parse(text.as_bytes()).expect("readable").fault, None, "{text}");
    }
}

#[test]
fn no_other_body_is_shown_and_an_info_is_told_apart() {
    let info = |head: &str, body: &str| {
        let text = format!("{head}\r\nCSeq: 7 INFO\r\nl: {}\r\n\r\n{body}", body.len());
        let shown = redact(text.as_bytes(), &|_| true).expect("a message");
        assert!(!String::from_utf8_lossy(&shown.octets).contains("Signal"));
        shown.is_info
    };
    let keyed = "INFO sip:h SIP/2.0\r\nc: application/dtmf-relay";
    assert!(info(keyed, "Signal=5\r\n"));
    assert!(info("INFO sip:h SIP/2.0", ""));
    assert!(info("SIP/2.0 200 OK", ""), "its answer counts as well");
    let text = shown("MESSAGE sip:h SIP/2.0\r\nc: text/plain\r\n\r\nmy passcode is 4711");
    assert!(text.ends_with("Content-Length: 0\r\n\r\n"), "{text}");
}

#[test]
fn texts_for_people_show_causes_and_no_long_number() {
    let text = shown(
        "SIP/2.0 404 no 47110815 here\r\nReason: Q.850;cause=127;text=\"4711 x\"\r\n\
         User-Agent: Phone 1.22.333/4711\r\n\r\n",
    );
    assert!(text.starts_with("SIP/2.0 404 no * here\r\n"), "{text}");
    assert!(text.contains("Reason: Q.850;cause=127;text=\"* x\"\r\n"), "{text}");
    assert!(text.contains("User-Agent: Phone 1.22.333/*\r\n"), "{text}");
}

#[test]
fn of_a_long_message_the_five_headers_stay() {
    let more = "Supported: ".to_owned() + &"x,".repeat(3000) + "\r\n";
    let text = shown(&format!("BYE sip:h SIP/2.0\r\ni: a@b\r\n{more}CSeq: 1 BYE\r\n\r\n"));
    assert_eq!(
        text,
        "BYE sip:h SIP/2.0\r\nCall-ID: a@b\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
    );
    let endless = format!("BYE sip:h SIP/2.0\r\ni: {}\r\n\r\n", "x".repeat(5000));
    assert_eq!(redact(endless.as_bytes(), &|_| true), None);
    assert_eq!(redact(b"\r\n", &|_| true), None);
}

proptest! {
    /// A passcode of letters that stands nowhere else, in every place that a text can have.
    #[test]
    fn what_is_redacted_reads_back_and_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let head = b"INVITE sip:a@h SIP/2.0\r\nFrom: ".to_vec();
        let text: Vec<u8> = [head, bytes].concat();
        if let Some(redacted) = redact(&text, &|_| false) {
            prop_assert!(redacted.octets.len() <= MAX_REDACTED);
            prop_assert!(Message::parse(&redacted.octets).is_ok());
        }
    }
}
