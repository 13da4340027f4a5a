//! Encrypted streams in offer and answer: `a=crypto` (RFC 4568), RTP/SAVP, and keys in plain
//! streams (RFC 8643).

#![allow(clippy::unwrap_used, reason = "tests")]

use partyline_model::{SrtpKey, SrtpSuite};
use partyline_sip::sdp::{
    Keying, Local, Negotiated, Offer, Scope, SdpError, Session, Srtp, SrtpPolicy, answer, offer,
};

fn us() -> Local {
    Local::new("192.0.2.10:40000".parse().unwrap(), 7)
}

/// An offer from 198.51.100.7 with the given `m=` blocks, one line each.
fn offer_of(media: &[&str]) -> Vec<u8> {
    let head = ["v=0", "o=alice 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0"];
    let lines: Vec<&str> = head.iter().chain(media).copied().collect();
    (lines.join("\r\n") + "\r\n").into_bytes()
}

fn lines_with(agreed: &Negotiated, prefix: &str) -> Vec<String> {
    let text = String::from_utf8(agreed.sdp.clone()).unwrap();
    text.lines().filter(|l| l.starts_with(prefix)).map(str::to_owned).collect()
}

/// Thirty octets in base64.
const KEY: &str = "inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2";

/// Our end under a policy, with a key for each suite whose octets are the suite's place.
fn encrypting(policy: SrtpPolicy) -> Local {
    let key = |(place, suite): (u8, SrtpSuite)| {
        SrtpKey::new(suite, &vec![place; suite.master_len()]).unwrap()
    };
    let keys = (0..).zip(SrtpSuite::ALL).map(key).collect();
    Local { srtp: Srtp { policy, keys, dtls: None }, ..us() }
}

fn crypto(tag: u32, suite: &str) -> String {
    format!("a=crypto:{tag} {suite} {KEY}|2^31")
}

#[test]
fn an_encrypted_offer_is_answered_with_our_key_under_its_tag() {
    let lines = [crypto(4, "AES_CM_128_HMAC_SHA1_32"), crypto(9, "AES_CM_128_HMAC_SHA1_80")];
    for policy in [SrtpPolicy::Preferred, SrtpPolicy::Required] {
        for proto in ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF"] {
            let media = format!("m=audio 30002 {proto} 0");
            let offer = offer_of(&[&media, &lines[0], &lines[1]]);
            let agreed = answer(&offer, &encrypting(policy)).unwrap();
            let theirs = agreed.srtp.as_ref().and_then(Keying::sdes).unwrap();
            assert_eq!(
                (theirs.tag, theirs.key.octets()),
                (9, &b"aBCdefghiJKLmoPQrsTuVwyz123456"[..])
            );
            assert_eq!(lines_with(&agreed, "m="), [format!("m=audio 40000 {proto} 0")]);
            let ours = format!("a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{}", "A".repeat(40));
            assert_eq!(lines_with(&agreed, "a=crypto"), [ours]);
        }
    }
}

#[test]
fn the_policy_says_which_offers_are_taken() {
    use SrtpPolicy::{Off, Preferred, Required};
    let line = crypto(1, "AES_CM_128_HMAC_SHA1_80");
    let mki = format!("{line}|1:1");
    let try_one = |policy, proto: &str, lines: &[&str]| {
        let media = format!("m=audio 30002 {proto} 0");
        let media: Vec<&str> =
            std::iter::once(media.as_str()).chain(lines.iter().copied()).collect();
        answer(&offer_of(&media), &encrypting(policy)).map(|agreed| agreed.srtp.is_some())
    };
    for (policy, proto, lines, wanted) in [
        (Off, "RTP/SAVP", &[line.as_str()][..], Err(SdpError::OnlyEncrypted)),
        (Off, "RTP/AVP", &[line.as_str()], Ok(false)),
        (Off, "RTP/AVP", &[], Ok(false)),
        (Preferred, "RTP/SAVP", &[line.as_str()], Ok(true)),
        (Preferred, "RTP/SAVP", &[mki.as_str()], Err(SdpError::NoCommonCrypto)),
        (Preferred, "RTP/SAVP", &[mki.as_str(), line.as_str()], Ok(true)),
        (Preferred, "RTP/SAVP", &[], Err(SdpError::NoCommonCrypto)),
        (Preferred, "RTP/AVP", &[line.as_str()], Ok(true)),
        (Preferred, "RTP/AVP", &[mki.as_str()], Ok(false)),
        (Preferred, "RTP/AVP", &[], Ok(false)),
        (Required, "RTP/SAVP", &[line.as_str()], Ok(true)),
        (Required, "RTP/AVP", &[line.as_str()], Ok(true)),
        (Required, "RTP/AVP", &[mki.as_str()], Err(SdpError::NotEncrypted)),
        (Required, "RTP/AVP", &[], Err(SdpError::NotEncrypted)),
        (Required, "UDP/TLS/RTP/SAVP", &[line.as_str()], Err(SdpError::NoCommonTransport)),
    ] {
        assert_eq!(try_one(policy, proto, lines), wanted, "{policy:?} {proto} {lines:?}");
    }
}

#[test]
fn of_sound_that_is_described_twice_the_encrypted_one_is_taken() {
    let line = crypto(1, "AES_CM_128_HMAC_SHA1_80");
    let offer = offer_of(&["m=audio 30002 RTP/AVP 0", "m=audio 30004 RTP/SAVP 0", &line]);
    let port = |policy| answer(&offer, &encrypting(policy)).unwrap().remote_rtp.port();
    assert_eq!(port(SrtpPolicy::Off), 30_002);
    assert_eq!(port(SrtpPolicy::Preferred), 30_004);
    assert_eq!(port(SrtpPolicy::Required), 30_004);
}

#[test]
fn our_offers_have_a_key_for_each_suite_and_say_what_the_policy_wants() {
    let text = |policy| String::from_utf8(offer(&encrypting(policy))).unwrap();
    let off = String::from_utf8(offer(&us())).unwrap();
    assert!(off.contains("m=audio 40000 RTP/AVP ") && !off.contains("a=crypto"), "{off}");
    for (policy, proto) in [(SrtpPolicy::Preferred, "RTP/AVP"), (SrtpPolicy::Required, "RTP/SAVP")]
    {
        let text = text(policy);
        assert!(text.contains(&format!("m=audio 40000 {proto} ")), "{text}");
        let tagged = text.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
        let words: Vec<_> = tagged.map(|value| value.split(' ').collect::<Vec<_>>()).collect();
        let suites: Vec<_> = words.iter().map(|words| (words[0], words[1])).collect();
        let wanted = [
            ("1", "AES_CM_128_HMAC_SHA1_80"),
            ("2", "AES_256_CM_HMAC_SHA1_80"),
            ("3", "AEAD_AES_128_GCM"),
            ("4", "AEAD_AES_256_GCM"),
            ("5", "AES_CM_128_HMAC_SHA1_32"),
        ];
        assert_eq!(suites, wanted);
    }
}

#[test]
fn an_answer_is_encrypted_by_the_suite_that_it_chose_or_refused() {
    let try_one = |policy, proto: &str, line: &str| {
        let local = encrypting(policy);
        let mut session = Session::default();
        session.offer(&local, Scope::All);
        let media = format!("m=audio 30002 {proto} 0");
        let agreed = session.accept(&offer_of(&[&media, line]), &local)?;
        let theirs = agreed.srtp.as_ref().and_then(Keying::sdes);
        Ok(theirs.map(|theirs| theirs.key.suite().name()))
    };
    let gcm = "a=crypto:3 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==";
    let name = Ok(Some("AEAD_AES_128_GCM"));
    assert_eq!(try_one(SrtpPolicy::Preferred, "RTP/AVP", gcm), name);
    assert_eq!(try_one(SrtpPolicy::Required, "RTP/SAVP", gcm), name);
    assert_eq!(try_one(SrtpPolicy::Preferred, "RTP/AVP", "a=ptime:20"), Ok(None));
    let refused = Err(SdpError::NotEncrypted);
    assert_eq!(try_one(SrtpPolicy::Required, "RTP/AVP", "a=ptime:20"), refused);
    let refused = Err(SdpError::OnlyEncrypted);
    assert_eq!(try_one(SrtpPolicy::Off, "RTP/SAVP", gcm), refused);
}

#[test]
fn a_later_offer_keeps_the_key_and_the_profile_of_the_session() {
    let local = encrypting(SrtpPolicy::Preferred);
    let line = crypto(6, "AES_CM_128_HMAC_SHA1_32");
    let offer = offer_of(&["m=audio 30002 RTP/SAVP 0", &line]);
    let read = Offer::read(&offer, &local.terms()).unwrap();
    let first = String::from_utf8(read.answer(&local)).unwrap();
    let mut session = Session::answered(&read);
    let again = String::from_utf8(session.offer(&local, Scope::Same)).unwrap();
    let keys = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("a=crypto"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&again), keys(&first));
    assert!(again.contains("m=audio 40000 RTP/SAVP 0"), "{again}");
    // An answer with another suite than the one that runs is none.
    let other = offer_of(&["m=audio 30002 RTP/SAVP 0", &crypto(6, "AES_CM_128_HMAC_SHA1_80")]);
    assert_eq!(session.accept(&other, &local), Err(SdpError::NoCommonCrypto));
    assert!(session.accept(&offer, &local).unwrap().srtp.is_some());
    let all = String::from_utf8(session.offer(&local, Scope::All)).unwrap();
    assert_eq!(keys(&all).len(), 5);
    assert!(all.contains("m=audio 40000 RTP/SAVP 0"), "{all}");
}

#[test]
fn no_key_is_printed_with_what_was_agreed() {
    let line = crypto(1, "AES_CM_128_HMAC_SHA1_80");
    let offer = offer_of(&["m=audio 30002 RTP/SAVP 0", &line]);
    let local = encrypting(SrtpPolicy::Preferred);
    let read = Offer::read(&offer, &local.terms()).unwrap();
    let printed = format!("{read:?} {local:?} {:?}", Session::answered(&read));
    assert!(printed.contains("redacted"));
    assert!(!printed.contains("YUJD") && !printed.contains("97, 66, 67"), "{printed}");
}
