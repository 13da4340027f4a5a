//! Streams whose keys come by DTLS (RFC 5763): `a=fingerprint` and `a=setup` in offers and answers,
//! beside `a=crypto` and plain sound.

#![allow(clippy::unwrap_used, reason = "tests")]

use partyline_model::{DtlsRole, Fingerprint, FingerprintHash, SrtpKey, SrtpSuite};
use partyline_sip::sdp::{
    DtlsEnd, Keying, Local, Offer, Scope, SdpError, Session, Srtp, SrtpPolicy, answer,
};

const CRYPTO: &str =
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2";

/// A fingerprint whose octets are all the same.
fn fingerprint(octet: u8) -> Fingerprint {
    Fingerprint::new(FingerprintHash::Sha256, &[octet; 32]).unwrap()
}

fn line(octet: u8) -> String {
    format!("a=fingerprint:{}", fingerprint(octet))
}

/// Our end under a policy, whose certificate has the fingerprint of ones.
fn end(policy: SrtpPolicy, preferred: bool) -> Local {
    let key = SrtpKey::new(SrtpSuite::Aes128HmacSha1_80, &[7; 30]).unwrap();
    let dtls = Some(DtlsEnd { fingerprint: fingerprint(1), preferred, role: None });
    let local = Local::new("192.0.2.10:40000".parse().unwrap(), 7);
    Local { srtp: Srtp { policy, keys: vec![key], dtls }, ..local }
}

/// A description from 198.51.100.7 with the given lines of media.
fn described(media: &[&str]) -> Vec<u8> {
    let head = ["v=0", "o=alice 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0"];
    let lines: Vec<&str> = head.iter().chain(media).copied().collect();
    (lines.join("\r\n") + "\r\n").into_bytes()
}

fn text(sdp: Vec<u8>) -> String {
    String::from_utf8(sdp).unwrap()
}

fn has(sdp: &str, line: &str) -> bool {
    sdp.lines().any(|one| one == line)
}

#[test]
fn an_offer_with_a_fingerprint_is_answered_with_ours_and_the_role_that_is_left() {
    let profiles = ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/SAVP", "RTP/SAVPF", "RTP/AVP"];
    for proto in profiles {
        for (setup, role, ours) in [
            ("actpass", DtlsRole::Active, "a=setup:active"),
            ("passive", DtlsRole::Active, "a=setup:active"),
            ("active", DtlsRole::Passive, "a=setup:passive"),
        ] {
            let (media, setup) = (format!("m=audio 30002 {proto} 0"), format!("a=setup:{setup}"));
            let offer = described(&[&media, &line(2), &setup, "a=rtcp-mux"]);
            let agreed = answer(&offer, &end(SrtpPolicy::Preferred, false)).unwrap();
            let peer = agreed.srtp.as_ref().and_then(Keying::dtls).unwrap();
            assert_eq!((&peer.fingerprints[..], peer.role), (&[fingerprint(2)][..], role));
            assert!(agreed.rtcp_mux);
            let answer = text(agreed.sdp);
            assert!(answer.contains(&format!("m=audio 40000 {proto} 0")), "{answer}");
            assert!(has(&answer, &line(1)) && has(&answer, ours), "{answer}");
            assert!(has(&answer, "a=rtcp-mux") && !answer.contains("a=crypto"), "{answer}");
        }
    }
}

#[test]
fn whoever_hides_behind_a_nat_is_left_to_begin() {
    use DtlsRole::{Active, Passive};
    for (named, met, role, ours) in [
        ("192.168.1.20", Some("198.51.100.7"), None, Passive),
        ("100.64.3.4", Some("198.51.100.7"), None, Passive),
        ("192.168.1.20", Some("::ffff:198.51.100.7"), None, Passive),
        ("192.168.1.20", Some("198.51.100.7"), Some(Active), Active),
        ("192.168.1.20", Some("10.1.2.3"), None, Active),
        ("192.168.1.20", None, None, Active),
        ("203.0.113.5", Some("198.51.100.7"), None, Active),
        ("0.0.0.0", Some("198.51.100.7"), None, Active),
    ] {
        let mut local =
            Local { met: met.map(|met| met.parse().unwrap()), ..end(SrtpPolicy::Required, false) };
        local.srtp.dtls.as_mut().unwrap().role = role;
        let media = ["m=audio 30002 UDP/TLS/RTP/SAVP 0", &line(2), "a=setup:actpass"];
        let connection = format!("c=IN IP4 {named}");
        let offer = described(&[media[0], &connection, media[1], media[2]]);
        let agreed = answer(&offer, &local).unwrap();
        let peer = agreed.srtp.as_ref().and_then(Keying::dtls).unwrap();
        assert_eq!(peer.role, ours, "{named} {met:?} {role:?}");
        let setup = if ours == Active { "a=setup:active" } else { "a=setup:passive" };
        assert!(has(&text(agreed.sdp), setup));
    }
}

#[test]
fn the_policy_says_which_fingerprints_are_taken() {
    use SrtpPolicy::{Off, Preferred, Required};
    let (ours, weak) = (line(2), format!("a=fingerprint:sha-1 {}", ["AB"; 20].join(":")));
    let (dtls, sdes, plain) = ("UDP/TLS/RTP/SAVP", "RTP/SAVP", "RTP/AVP");
    let setup = "a=setup:actpass";
    for (policy, proto, lines, wanted) in [
        (Off, dtls, &[ours.as_str(), setup][..], Err(SdpError::OnlyEncrypted)),
        (Off, plain, &[&ours, setup], Ok(None)),
        (Preferred, dtls, &[&ours, setup], Ok(Some(true))),
        (Preferred, dtls, &[&ours], Ok(Some(true))),
        (Preferred, dtls, &[&weak, setup], Err(SdpError::NoFingerprint)),
        (Preferred, dtls, &[&ours, "a=setup:holdconn"], Err(SdpError::NoFingerprint)),
        (Preferred, dtls, &[CRYPTO], Err(SdpError::NoFingerprint)),
        (Preferred, plain, &[&weak, setup], Ok(None)),
        (Preferred, sdes, &[&weak, setup], Err(SdpError::NoCommonCrypto)),
        (Required, plain, &[&weak, setup], Err(SdpError::NotEncrypted)),
        (Required, plain, &[&ours, setup], Ok(Some(true))),
        (Required, sdes, &[&ours, setup, CRYPTO], Ok(Some(false))),
    ] {
        let media = format!("m=audio 30002 {proto} 0");
        let media: Vec<&str> = [media.as_str()].iter().chain(lines).copied().collect();
        let agreed = answer(&described(&media), &end(policy, false));
        let by_dtls = agreed.map(|agreed| agreed.srtp.map(|keying| keying.dtls().is_some()));
        assert_eq!(by_dtls, wanted, "{policy:?} {proto} {lines:?}");
    }
    // Where both are there, the trunk's word decides.
    let both = described(&["m=audio 30002 RTP/SAVP 0", &ours, setup, CRYPTO]);
    let agreed = answer(&both, &end(Required, true)).unwrap();
    assert!(agreed.srtp.unwrap().dtls().is_some());
    // An end that makes no handshakes takes none.
    let only_sdes =
        Local { srtp: Srtp { dtls: None, ..end(Required, false).srtp }, ..end(Required, false) };
    let offer = described(&["m=audio 30002 UDP/TLS/RTP/SAVP 0", &ours, setup]);
    assert_eq!(answer(&offer, &only_sdes).map(|_| ()), Err(SdpError::NoCommonTransport));
}

#[test]
fn our_offers_leave_the_roles_to_the_answer_and_share_a_port() {
    for (policy, proto) in
        [(SrtpPolicy::Required, "UDP/TLS/RTP/SAVP"), (SrtpPolicy::Preferred, "RTP/AVP")]
    {
        let mut session = Session::default();
        let local = end(policy, true);
        let offer = text(session.offer(&local, Scope::All));
        assert!(offer.contains(&format!("m=audio 40000 {proto} ")), "{offer}");
        for wanted in [line(1).as_str(), "a=setup:actpass", "a=rtcp-mux"] {
            assert!(has(&offer, wanted), "{offer}");
        }
        assert!(!offer.contains("a=crypto"), "{offer}");
        let media = format!("m=audio 30002 {proto} 0");
        let answered = |session: &mut Session, lines: &[&str]| {
            let media: Vec<&str> = [media.as_str()].iter().chain(lines).copied().collect();
            session.accept(&described(&media), &local)
        };
        let agreed = answered(&mut session.clone(), &[&line(2), "a=setup:active"]).unwrap();
        let peer = agreed.srtp.as_ref().and_then(Keying::dtls).unwrap();
        assert_eq!((peer.role, agreed.rtcp_mux), (DtlsRole::Passive, false));
        let lines = [line(2).as_str(), "a=setup:passive", "a=rtcp-mux"].map(str::to_owned);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let agreed = answered(&mut session, &lines).unwrap();
        let peer = agreed.srtp.as_ref().and_then(Keying::dtls).unwrap();
        assert_eq!((peer.role, agreed.rtcp_mux), (DtlsRole::Active, true));
        // Keys of SDES were not offered.
        let refused = answered(&mut Session::clone(&session), &[CRYPTO]);
        let wanted = match policy {
            SrtpPolicy::Required => Err(SdpError::NoFingerprint),
            SrtpPolicy::Preferred | SrtpPolicy::Off => Ok(None),
        };
        assert_eq!(refused.map(|agreed| agreed.srtp), wanted);
    }
    // By SDES nothing of it is said, and no fingerprint is taken.
    let (mut session, local) = (Session::default(), end(SrtpPolicy::Required, false));
    let offer = text(session.offer(&local, Scope::All));
    assert!(offer.contains("a=crypto") && !offer.contains("a=fingerprint"), "{offer}");
    assert!(!offer.contains("rtcp-mux"), "{offer}");
    let answer = described(&["m=audio 30002 RTP/SAVP 0", &line(2), "a=setup:active"]);
    assert_eq!(session.accept(&answer, &local).map(|_| ()), Err(SdpError::NoCommonCrypto));
}

#[test]
fn a_later_offer_keeps_what_runs_and_who_began() {
    let mut local = end(SrtpPolicy::Preferred, false);
    let offer = described(&["m=audio 30002 UDP/TLS/RTP/SAVP 0", &line(2), "a=setup:active"]);
    let read = Offer::read(&offer, &local.terms()).unwrap();
    let mut session = Session::answered(&read);
    for scope in [Scope::Same, Scope::All] {
        let again = text(session.offer(&local, scope));
        assert!(again.contains("m=audio 40000 UDP/TLS/RTP/SAVP "), "{again}");
        assert!(has(&again, &line(1)) && has(&again, "a=setup:actpass"), "{again}");
        assert!(!again.contains("a=crypto") && !again.contains("rtcp-mux"), "{again}");
    }
    // The far end leaves the roles to us: they stay as they are.
    if let Some(end) = &mut local.srtp.dtls {
        end.role = Some(DtlsRole::Passive);
    }
    let offer = described(&["m=audio 30002 UDP/TLS/RTP/SAVP 0", &line(2), "a=setup:actpass"]);
    let agreed = answer(&offer, &local).unwrap();
    assert_eq!(agreed.srtp.as_ref().and_then(Keying::dtls).unwrap().role, DtlsRole::Passive);
    assert!(has(&text(agreed.sdp), "a=setup:passive"));
}
