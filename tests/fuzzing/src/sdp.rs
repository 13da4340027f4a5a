//! A session description: what is agreed on can be sent, and our answers suit their offers.

use std::net::SocketAddr;

use partyline_sip::sdp::{self, Codec, CodecOrder, Local, Negotiated};

/// Takes `data` as an offer and as an answer, from ends that speak one or two codecs.
pub fn sdp(data: &[u8]) {
    let rtp = SocketAddr::from(([192, 0, 2, 10], 40_000));
    let everything = Local::new(rtp, 7);
    let a_law_first = Local {
        codecs: vec![Codec::Pcma, Codec::Pcmu],
        order: CodecOrder::Ours,
        ..everything.clone()
    };
    let one_codec = Local { codecs: vec![Codec::Pcmu], ..everything.clone() };
    for local in [everything, a_law_first, one_codec] {
        match sdp::answer(data, &local) {
            Ok(agreed) => {
                usable(&agreed, &local);
                answered(data, &agreed);
            }
            Err(error) => assert!(matches!(error.status(), 400 | 488)),
        }
        if let Ok(agreed) = sdp::accept(data, &local) {
            assert!(agreed.sdp.is_empty());
            usable(&agreed, &local);
        }
    }
}

fn usable(agreed: &Negotiated, local: &Local) {
    assert!(local.codecs.contains(&agreed.codec));
    let events = agreed.telephone_event.map_or((0, 0), |types| (types.send, types.receive));
    let types = [agreed.payload_type, agreed.receive_payload_type, events.0, events.1];
    assert!(types.iter().all(|&number| number < 128), "{types:?}");
    assert!((10..=60).contains(&agreed.ptime_ms) && agreed.ptime_ms.is_multiple_of(10));
    let sends = agreed.direction.sends();
    assert!(!sends || !agreed.remote_rtp.ip().is_unspecified(), "nowhere to send to");
    assert!(!agreed.remote_rtp.ip().is_multicast());
    assert!(agreed.remote_rtp.port() != 0);
}

/// The answer has the streams of the offer, in their order, and one of them is taken.
fn answered(offer: &[u8], agreed: &Negotiated) {
    let answer = String::from_utf8_lossy(&agreed.sdp);
    let media = |text: &str| text.split('\n').filter(|l| l.starts_with("m=")).count();
    assert_eq!(media(&answer), media(&String::from_utf8_lossy(offer)), "{answer}");
    let taken = answer.lines().filter(|line| line.starts_with("m=") && !line.contains(" 0 RTP/"));
    assert!(taken.count() >= 1, "{answer}");
    // Our own answer is one that we could be given.
    let there = Local::new(SocketAddr::from(([198, 51, 100, 7], 4_000)), 9);
    if answer.matches("\nm=").count() == 1 {
        sdp::accept(&agreed.sdp, &there).expect("our answer can be taken");
    }
}
