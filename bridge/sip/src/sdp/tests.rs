use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

const US: &str = "192.0.2.10:40000";

fn us() -> Local {
    Local::new(address(US), 7)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An offer from 198.51.100.7 with the given `m=` blocks, one line each.
fn offer_of(media: &[&str]) -> Vec<u8> {
    let head = [
        "v=0",
        "o=alice 2890844526 1 IN IP4 198.51.100.7",
        "s=-",
        "c=IN IP4 198.51.100.7",
        "t=0 0",
    ];
    let lines: Vec<&str> = head.iter().chain(media).copied().collect();
    (lines.join("\r\n") + "\r\n").into_bytes()
}

fn text(agreed: &Negotiated) -> String {
    String::from_utf8(agreed.sdp.clone()).unwrap()
}

/// Telephone events at 8000 Hz.
fn events(send: u8, receive: u8, others: &[u8]) -> Option<TelephoneEvent> {
    let mut also = [None; 3];
    for (place, &other) in also.iter_mut().zip(others) {
        *place = Some(other);
    }
    Some(TelephoneEvent { send, receive, also, clock: ClockRate::Hz8000 })
}

fn lines_with(agreed: &Negotiated, prefix: &str) -> Vec<String> {
    text(agreed).lines().filter(|l| l.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn an_answer_repeats_the_time_of_its_offer() {
    let offer = String::from_utf8(offer_of(&["m=audio 30002 RTP/AVP 0"])).unwrap();
    let timed = offer.replace("t=0 0", "t=2873397496 2873404696");
    assert_ne!(offer, timed);
    let answered = String::from_utf8(answer(timed.as_bytes(), &us()).unwrap().sdp).unwrap();
    assert!(answered.contains("\r\nt=2873397496 2873404696\r\n"), "{answered}");
    let untimed = offer.replace("t=0 0\r\n", "");
    let answered = String::from_utf8(answer(untimed.as_bytes(), &us()).unwrap().sdp).unwrap();
    assert!(answered.contains("\r\nt=0 0\r\n"), "{answered}");
}

#[test]
fn answers_a_plain_telephone_offer_in_full() {
    let offer = offer_of(&[
        "m=audio 30002 RTP/AVP 8 0 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(
        text(&agreed),
        "v=0\r\no=- 7 0 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    assert_eq!(
        agreed,
        Negotiated {
            sdp: agreed.sdp.clone(),
            codec: Codec::Pcma,
            payload_type: 8,
            receive_payload_type: 8,
            formats: vec![(8, Codec::Pcma), (0, Codec::Pcmu)],
            telephone_event: events(101, 101, &[]),
            remote_rtp: address("198.51.100.7:30002"),
            remote_rtcp: Some(address("198.51.100.7:30003")),
            rtcp_mux: false,
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        }
    );
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let agreed = answer(&offer_of(&["m=audio 30002 RTP/AVP 18 3 0"]), &us()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcmu, 0));
    assert_eq!(agreed.telephone_event, None);
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVP 0"]);
}

#[test]
fn rtpmap_goes_before_the_static_table() {
    let offer = offer_of(&[
        "m=audio 30002 RTP/AVP 0 96",
        "a=rtpmap:0 G726-32/8000",
        "a=rtpmap:96 pcma/8000/1",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 96));
}

#[test]
fn wide_or_stereo_mappings_are_not_ours() {
    for map in ["PCMU/16000", "PCMU/8000/2", "PCMU", "L16/8000"] {
        let map = format!("a=rtpmap:96 {map}");
        let offer = offer_of(&["m=audio 30002 RTP/AVP 96", &map]);
        assert_eq!(answer(&offer, &us()), Err(SdpError::NoCommonCodec), "{map}");
    }
}

#[test]
fn the_offerer_orders_the_codecs_unless_we_insist() {
    let offer = offer_of(&["m=audio 30002 RTP/AVP 8 0"]);
    assert_eq!(answer(&offer, &us()).unwrap().codec, Codec::Pcma);
    let insisting = Local { order: CodecOrder::Ours, ..us() };
    assert_eq!(answer(&offer, &insisting).unwrap().codec, Codec::Pcmu);
    let only_alaw = Local { codecs: vec![Codec::Pcma], ..us() };
    let pcmu_offer = offer_of(&["m=audio 30002 RTP/AVP 0"]);
    assert_eq!(answer(&pcmu_offer, &only_alaw), Err(SdpError::NoCommonCodec));
}

#[test]
fn telephone_event_follows_the_clock_rate_of_the_codec() {
    let offer = offer_of(&[
        "m=audio 30002 RTP/AVP 96 0 97 98",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/48000",
        "a=rtpmap:98 Telephone-Event/8000",
        "a=fmtp:98 0-15",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(agreed.telephone_event, events(98, 98, &[97]));
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVP 0 98"]);
}

#[test]
fn of_several_event_types_the_one_of_the_codec_is_taken_wherever_it_stands() {
    // As in asterisk/asterisk#1004 and #1657, where the first one was taken.
    let offer = offer_of(&[
        "m=audio 60800 RTP/AVP 96 97 8 0 100 101",
        "a=rtpmap:96 AMR-WB/16000",
        "a=rtpmap:97 AMR/8000",
        "a=rtpmap:100 telephone-event/16000",
        "a=rtpmap:101 telephone-event/8000",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(agreed.telephone_event, events(101, 101, &[100]));
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVP 8 101"]);
    assert_eq!(lines_with(&agreed, "a=rtpmap:101"), ["a=rtpmap:101 telephone-event/8000"]);
}

#[test]
fn events_that_no_clock_of_ours_fits_are_not_agreed_on() {
    let offer = offer_of(&["m=audio 30002 RTP/AVP 0 100", "a=rtpmap:100 telephone-event/16000"]);
    assert_eq!(answer(&offer, &us()).unwrap().telephone_event, None);
}

#[test]
fn events_share_the_clock_of_wide_band_codecs_or_have_that_of_g711() {
    let stream = |media: &[&str]| parse::parse(&offer_of(media)).unwrap().streams.remove(0);
    let several = stream(&[
        "m=audio 30002 RTP/AVP 0 96 97 98",
        "a=rtpmap:96 telephone-event/8000",
        "a=rtpmap:97 telephone-event/16000",
        "a=rtpmap:98 telephone-event/48000",
    ]);
    let clocks = [ClockRate::Hz8000, ClockRate::Hz16000, ClockRate::Hz48000];
    for (clock, wanted) in clocks.into_iter().zip([96, 97, 98]) {
        let agreed = several.telephone_event(clock).unwrap();
        assert_eq!((agreed.send, agreed.clock), (wanted, clock));
    }
    // As a Polycom beside G.722.1 (sipwise/rtpengine#1136).
    let one = stream(&["m=audio 30002 RTP/AVP 0 127", "a=rtpmap:127 telephone-event/8000"]);
    let agreed = one.telephone_event(ClockRate::Hz16000).unwrap();
    assert_eq!((agreed.send, agreed.clock), (127, ClockRate::Hz8000));
}

#[test]
fn other_streams_are_refused_in_their_order() {
    let offer = offer_of(&[
        "m=video 51372 RTP/AVP 31 32",
        "a=rtpmap:31 H261/90000",
        "m=audio 49170 RTP/SAVP 0",
        "m=audio 49180 RTP/AVP 0",
        "m=audio 49190 RTP/AVP 8",
        "m=application 49200 UDP/BFCP *",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(
        lines_with(&agreed, "m="),
        [
            "m=video 0 RTP/AVP 31 32",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 40000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
            "m=application 0 UDP/BFCP *",
        ]
    );
    assert_eq!(agreed.remote_rtp.port(), 49180);
}

#[test]
fn the_feedback_profile_is_repeated_in_the_answer() {
    let agreed = answer(&offer_of(&["m=audio 30002 RTP/AVPF 0"]), &us()).unwrap();
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVPF 0"]);
}

#[test]
fn offers_that_do_not_suit_are_488() {
    let cases: [(&[&str], SdpError); 9] = [
        (&[], SdpError::NoCommonMedia),
        (&["m=video 30002 RTP/AVP 31"], SdpError::NoCommonMedia),
        (&["m=audio 30002 RTP/SAVP 0"], SdpError::OnlyEncrypted),
        (&["m=audio 30002 UDP/TLS/RTP/SAVP 0"], SdpError::OnlyEncrypted),
        (&["m=audio 30002/2 RTP/AVP 0"], SdpError::NoCommonTransport),
        (&["m=image 30002 udptl t38"], SdpError::NoCommonMedia),
        (&["m=audio 30002 RTP/AVP 18 9 101"], SdpError::NoCommonCodec),
        (&["m=audio 0 RTP/AVP 0"], SdpError::StreamRemoved),
        (&["m=audio 30002 RTP/AVP 0", "c=IN IP4 pbx.example.com"], SdpError::HostName),
    ];
    for (media, error) in cases {
        let result = answer(&offer_of(media), &us());
        assert_eq!(result, Err(error), "{media:?}");
        assert_eq!(error.status(), 488, "{media:?}");
    }
}

#[test]
fn media_is_not_pointed_at_addresses_it_cannot_reach() {
    let bad = ["IN IP4 224.2.1.1/127", "IN IP4 255.255.255.255", "ATM NSAP 47"];
    for connection in bad {
        let line = format!("c={connection}");
        let offer = offer_of(&["m=audio 30002 RTP/AVP 0", &line]);
        assert_eq!(answer(&offer, &us()), Err(SdpError::UnusableAddress), "{connection}");
    }
}

#[test]
fn an_offer_of_the_other_address_family_is_said_to_be_one() {
    let of = |address: &str| offer_of(&["m=audio 30002 RTP/AVP 0", &format!("c=IN {address}")]);
    let error = answer(&of("IP6 2001:db8::1"), &us()).unwrap_err();
    assert_eq!((error, error.status(), error.warning()), (SdpError::OnlyIpv6, 488, 301));
    assert!(error.to_string().contains("IN IP6"));
    let six = Local::new(address("[2001:db8::1]:40000"), 7);
    assert_eq!(answer(&of("IP4 192.0.2.1"), &six), Err(SdpError::OnlyIpv4));
    let both =
        offer_of(&["m=audio 30002 RTP/AVP 0", "c=IN IP6 2001:db8::1", "m=audio 30004 RTP/AVP 0"]);
    assert_eq!(answer(&both, &us()).map(|agreed| agreed.remote_rtp.port()), Ok(30_004));
}

#[test]
fn an_ipv4_address_that_is_written_as_one_of_ipv6_is_one_of_ipv4() {
    let of = |address: &str, rtcp: &str| {
        let connection = format!("c=IN IP6 {address}");
        offer_of(&["m=audio 30002 RTP/AVP 0", &connection, rtcp])
    };
    let mapped = of("::ffff:198.51.100.7", "a=rtcp:30100 IN IP6 ::ffff:198.51.100.9");
    let agreed = answer(&mapped, &us()).unwrap();
    assert_eq!(agreed.remote_rtp, address("198.51.100.7:30002"));
    assert_eq!(agreed.remote_rtcp, Some(address("198.51.100.9:30100")));
    // Where our media has both families, it goes from the one that reaches it.
    let six = Local::new(address("[2001:db8::1]:40000"), 7);
    assert_eq!(answer(&mapped, &six), Err(SdpError::OnlyIpv4));
    let held = answer(&of("::ffff:0.0.0.0", "a=x"), &us()).unwrap();
    assert!(held.remote_rtp.ip().is_unspecified() && !held.direction.sends());
    let everybody = of("::ffff:224.2.1.1", "a=x");
    assert_eq!(answer(&everybody, &us()), Err(SdpError::UnusableAddress));
}

#[test]
fn a_description_may_end_in_zeros_and_blanks() {
    let plain = offer_of(&["m=audio 30002 RTP/AVP 0"]);
    let expected = answer(&plain, &us()).unwrap();
    for end in [&b"\0"[..], b"\0\0\r\n", b"  ", b"\r\n\r\n", b"\t\r\n \r\n", b"\r\n\0 \n"] {
        assert_eq!(answer(&[&plain, end].concat(), &us()), Ok(expected.clone()), "{end:?}");
    }
    let text = String::from_utf8(plain).unwrap();
    for padded in [text.replace("\r\n", " \t\r\n"), text.replace("\r\n", "\r\n  \r\n")] {
        assert_eq!(answer(padded.as_bytes(), &us()), Ok(expected.clone()), "{padded:?}");
    }
}

#[test]
fn a_usable_stream_after_an_unusable_one_is_taken() {
    let offer = offer_of(&[
        "m=audio 30002 RTP/AVP 0",
        "c=IN IP4 pbx.example.com",
        "m=audio 30004 RTP/AVP 0",
    ]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(agreed.remote_rtp, address("198.51.100.7:30004"));
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 0 RTP/AVP 0", "m=audio 40000 RTP/AVP 0"]);
}

#[test]
fn ipv6_is_answered_with_ipv6() {
    let offer = b"v=0\no=- 1 1 IN IP6 2001:db8::7\ns=-\nc=IN IP6 2001:db8::7\nt=0 0\nm=audio 30002 RTP/AVP 0\n";
    let local = Local::new(address("[2001:db8::1]:40000"), 7);
    let agreed = answer(offer, &local).unwrap();
    assert_eq!(agreed.remote_rtp, address("[2001:db8::7]:30002"));
    assert_eq!(lines_with(&agreed, "c="), ["c=IN IP6 2001:db8::1"]);
}

#[test]
fn hold_is_answered_with_the_direction_reversed() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let cases = [
        ("a=sendrecv", SendRecv),
        ("a=sendonly", RecvOnly),
        ("a=recvonly", SendOnly),
        ("a=inactive", Inactive),
        ("a=x-unknown", SendRecv),
    ];
    for (attribute, ours) in cases {
        let agreed = answer(&offer_of(&["m=audio 30002 RTP/AVP 0", attribute]), &us()).unwrap();
        assert_eq!(agreed.direction, ours, "{attribute}");
        let written = format!("a={}", ours.attribute());
        assert!(text(&agreed).lines().any(|l| l == written), "{attribute}");
    }
}

#[test]
fn a_direction_of_the_session_holds_where_the_stream_has_none() {
    let held = offer_of(&["a=sendonly", "m=audio 30002 RTP/AVP 0"]);
    assert_eq!(answer(&held, &us()).unwrap().direction, Direction::RecvOnly);
    let lifted = offer_of(&["a=sendonly", "m=audio 30002 RTP/AVP 0", "a=sendrecv"]);
    assert_eq!(answer(&lifted, &us()).unwrap().direction, Direction::SendRecv);
}

#[test]
fn the_zero_address_is_a_hold_and_gets_no_packets() {
    for connection in ["c=IN IP4 0.0.0.0", "c=IN IP6 ::", "c=IN IP4 held.invalid"] {
        let offer = offer_of(&["m=audio 30002 RTP/AVP 0", connection]);
        let agreed = answer(&offer, &us()).unwrap();
        assert_eq!(agreed.direction, Direction::RecvOnly, "{connection}");
        assert!(agreed.remote_rtp.ip().is_unspecified(), "{connection}");
        assert_eq!(agreed.remote_rtcp, None, "{connection}");
        let offer = offer_of(&["m=audio 30002 RTP/AVP 0", connection, "a=recvonly"]);
        assert_eq!(answer(&offer, &us()).unwrap().direction, Direction::Inactive);
    }
}

#[test]
fn a_reoffer_may_change_payload_types_port_and_address() {
    let first = offer_of(&["m=audio 30002 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"]);
    let before = answer(&first, &us()).unwrap();
    let second = offer_of(&[
        "m=audio 30010 RTP/AVP 8 96",
        "c=IN IP4 198.51.100.8",
        "a=rtpmap:96 telephone-event/8000",
    ]);
    let after = answer(&second, &Local { session_version: 1, ..us() }).unwrap();
    assert_eq!(before.remote_rtp, address("198.51.100.7:30002"));
    assert_eq!(after.remote_rtp, address("198.51.100.8:30010"));
    assert_eq!((before.codec, after.codec), (Codec::Pcmu, Codec::Pcma));
    assert_eq!(after.telephone_event, events(96, 96, &[]));
    assert_eq!(lines_with(&after, "o="), ["o=- 7 1 IN IP4 192.0.2.10"]);
}

#[test]
fn a_stream_added_in_place_of_a_removed_one_is_found() {
    let offer = offer_of(&["m=audio 0 RTP/AVP 0", "m=audio 30020 RTP/AVP 0"]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 0 RTP/AVP 0", "m=audio 40000 RTP/AVP 0"]);
}

#[test]
fn rtcp_goes_where_the_offer_says() {
    let cases = [
        ("a=x", Some("198.51.100.7:30003"), false),
        ("a=rtcp:30100", Some("198.51.100.7:30100"), false),
        ("a=rtcp:30100 IN IP4 198.51.100.9", Some("198.51.100.9:30100"), false),
        ("a=rtcp:30100 IN IP4 rtcp.example.com", Some("198.51.100.7:30100"), false),
        ("a=rtcp:30100 IN IP6 2001:db8::1", Some("198.51.100.7:30100"), false),
        ("a=rtcp:0", Some("198.51.100.7:30003"), false),
        ("a=rtcp-mux", Some("198.51.100.7:30002"), true),
    ];
    for (attribute, rtcp, mux) in cases {
        let agreed = answer(&offer_of(&["m=audio 30002 RTP/AVP 0", attribute]), &us()).unwrap();
        assert_eq!(agreed.remote_rtcp, rtcp.map(address), "{attribute}");
        assert_eq!(agreed.rtcp_mux, mux, "{attribute}");
        assert_eq!(text(&agreed).contains("a=rtcp-mux"), mux, "{attribute}");
    }
    let top = answer(&offer_of(&["m=audio 65535 RTP/AVP 0"]), &us()).unwrap();
    assert_eq!(top.remote_rtcp, None);
}

#[test]
fn packet_time_is_ten_to_sixty_milliseconds() {
    let cases: [(&[&str], u16); 9] = [
        (&[], 20),
        (&["a=ptime:30"], 30),
        (&["a=ptime:5"], 10),
        (&["a=ptime:25"], 20),
        (&["a=ptime:200"], 60),
        (&["a=ptime:0"], 20),
        (&["a=ptime:soon"], 20),
        (&["a=ptime:40", "a=maxptime:30"], 30),
        (&["a=maxptime:10"], 10),
    ];
    for (attributes, ptime) in cases {
        let media = [&["m=audio 30002 RTP/AVP 0"], attributes].concat();
        let agreed = answer(&offer_of(&media), &us()).unwrap();
        assert_eq!(agreed.ptime_ms, ptime, "{attributes:?}");
        assert!(text(&agreed).contains(&format!("a=ptime:{ptime}\r\n")), "{attributes:?}");
    }
    // A packet time of ours counts until the other side names one.
    let slow = Local { ptime_ms: 40, ..us() };
    for (attributes, ptime) in
        [(&[][..], 40), (&["a=ptime:20"], 20), (&["a=maxptime:30"], 30), (&["a=maxptime:150"], 40)]
    {
        let media = [&["m=audio 30002 RTP/AVP 0"], attributes].concat();
        assert_eq!(answer(&offer_of(&media), &slow).unwrap().ptime_ms, ptime, "{attributes:?}");
    }
    assert!(String::from_utf8(offer(&slow)).unwrap().contains("a=ptime:40\r\n"));
}

#[test]
fn what_carriers_really_send_is_tolerated() {
    let cases: [&[u8]; 8] = [
        // No o=, s=, t=; LF line ends; no final line end.
        b"v=0\nc=IN IP4 198.51.100.7\nm=audio 30002 RTP/AVP 0",
        // A session id and version beyond 64 bits, a Latin-1 subject, b= and k= in odd places.
        b"v=0\r\no=x 99999999999999999999999 99999999999999999999999 IN IP4 x\r\ns=caf\xe9\r\n\
          b=AS:64.5\r\nc=IN IP4 198.51.100.7\r\nt=0\r\nm=audio 30002 RTP/AVP 0\r\nb=TIAS:x\r\n",
        // Columns, trailing blanks, blank lines.
        b"v=0\r\n\r\nc=IN  IP4  198.51.100.7 \r\nm=audio  30002  RTP/AVP  0 \r\na=sendrecv \r\n\r\n",
        // Encryption offered beside plain RTP, ICE, unknown lines, bytes that are no text.
        b"v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 30002 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n\
          a=candidate:1 1 UDP 1 198.51.100.7 30002 typ host\r\ny=0\r\na=\xff\xfe\r\na=\r\n",
        // Two c= lines in the stream: the first counts.
        b"v=0\r\nm=audio 30002 RTP/AVP 0\r\nc=IN IP4 198.51.100.7\r\nc=IN IP4 198.51.100.8\r\n",
        // A byte order mark, the same c= again, a Ctrl-Z.
        b"\xef\xbb\xbfv=0\r\nc=IN IP4 198.51.100.7\r\nc=IN IP4 198.51.100.7\r\n\
          m=audio 30002 RTP/AVP 0\r\n\x1a",
        &[b"v=0\r\ns=", &[b'x'; 5000][..], b"\r\nc=IN IP4 198.51.100.7\r\nm=audio 30002 RTP/AVP 0\r\n"]
            .concat(),
        // Payload types that are none, and one twice.
        b"v=0\r\nc=IN IP4 198.51.100.7\r\nm=audio 30002 RTP/AVP 999 x 0 0\r\na=rtpmap:zero\r\na=rtpmap\r\n",
    ];
    for offer in cases {
        let agreed = answer(offer, &us()).unwrap();
        assert_eq!(agreed.remote_rtp, address("198.51.100.7:30002"));
        assert_eq!(agreed.direction, Direction::SendRecv);
        assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVP 0"]);
    }
}

#[test]
fn what_cannot_be_read_is_400() {
    let long_line = format!("v=0\r\na={}\r\n", "x".repeat(4095)).into_bytes();
    let cases: [(&[u8], SdpError); 11] = [
        (b"", SdpError::Malformed),
        (b"hello", SdpError::Malformed),
        (b"v=1\r\nm=audio 1 RTP/AVP 0\r\n", SdpError::Malformed),
        (b"v=0\r\nm=audio 99999 RTP/AVP 0\r\n", SdpError::Malformed),
        (b"v=0\r\nm=audio 30002 RTP/AVP\r\n", SdpError::Malformed),
        (b"v=0\r\nm=audio 3\x000 RTP/AVP 0\r\n", SdpError::Malformed),
        (b"v=0\r\nc=IN IP4 1.2.3.4\r\nc=IN IP4 1.2.3.5\r\n", SdpError::Malformed),
        (b"v=0\r\nm=audio 30002 RTP/AVP 0\r\n", SdpError::NoConnection),
        (&[b'a'; MAX_BYTES + 1], SdpError::TooLarge),
        (&long_line, SdpError::LineTooLong),
        (b"v=0\r\nno equals sign\r\n", SdpError::Malformed),
    ];
    for (offer, error) in cases {
        assert_eq!(answer(offer, &us()), Err(error), "{}", String::from_utf8_lossy(offer));
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn lines_and_streams_are_bounded() {
    let attributes = |n| offer_of(&[vec!["m=audio 30002 RTP/AVP 0"], vec!["a=x"; n]].concat());
    assert!(answer(&attributes(506), &us()).is_ok());
    assert_eq!(answer(&attributes(507), &us()), Err(SdpError::TooManyLines));
    assert!(answer(&offer_of(&["m=audio 30002 RTP/AVP 0"; 32]), &us()).is_ok());
    let streams = offer_of(&["m=audio 30002 RTP/AVP 0"; 33]);
    assert_eq!(answer(&streams, &us()), Err(SdpError::TooManyStreams));
    let formats = |n: usize| {
        let words: String = (0..n).map(|n| format!(" {}", n % 128)).collect();
        offer_of(&[&format!("m=audio 30002 RTP/AVP{words}")])
    };
    assert!(answer(&formats(128), &us()).is_ok());
    assert_eq!(answer(&formats(129), &us()), Err(SdpError::TooManyFormats));
}

#[test]
fn our_offer_reads_as_written() {
    let sent = String::from_utf8(offer(&us())).unwrap();
    assert_eq!(
        sent,
        "v=0\r\no=- 7 0 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let empty = Local { codecs: Vec::new(), ..us() };
    assert_eq!(offer(&empty), sent.into_bytes());
}

#[test]
fn an_answer_may_use_payload_types_of_its_own() {
    let reply = offer_of(&[
        "m=audio 30002 RTP/AVP 8 97",
        "a=rtpmap:97 telephone-event/8000",
        "a=rtcp-mux",
        "a=recvonly",
    ]);
    let agreed = accept(&reply, &us()).unwrap();
    assert_eq!(agreed.sdp, b"");
    assert_eq!(
        (agreed.codec, agreed.payload_type, agreed.receive_payload_type),
        (Codec::Pcma, 8, 8)
    );
    assert_eq!(agreed.telephone_event, events(97, 101, &[]));
    assert_eq!(agreed.direction, Direction::SendOnly);
    // We did not offer to share the port.
    assert_eq!((agreed.rtcp_mux, agreed.remote_rtcp), (false, Some(address("198.51.100.7:30003"))));
}

#[test]
fn an_answer_of_a_codec_under_another_number_is_received_under_ours() {
    let reply = offer_of(&["m=audio 30002 RTP/AVP 96", "a=rtpmap:96 PCMU/8000"]);
    let agreed = accept(&reply, &us()).unwrap();
    assert_eq!((agreed.payload_type, agreed.receive_payload_type), (96, 0));
    let formats = [(0, Codec::Pcmu), (8, Codec::Pcma), (96, Codec::Pcmu)];
    assert_eq!(agreed.formats, formats, "and under its own");
}

#[test]
fn every_codec_that_was_agreed_may_arrive() {
    let both = [(0, Codec::Pcmu), (8, Codec::Pcma)];
    for types in ["0 8 101", "8 0 101", "8"] {
        let line = format!("m=audio 30002 RTP/AVP {types}");
        let lines = [line.as_str(), "a=rtpmap:101 telephone-event/8000"];
        let answered = accept(&offer_of(&lines), &us()).unwrap();
        let first: u8 = types.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(answered.payload_type, first);
        assert!(both.iter().all(|format| answered.formats.contains(format)), "{types}");
    }
    let offer = offer_of(&["m=audio 30002 RTP/AVP 8 0 18 97", "a=rtpmap:97 PCMU/8000"]);
    let agreed = answer(&offer, &us()).unwrap();
    assert_eq!(agreed.formats, [(8, Codec::Pcma), (0, Codec::Pcmu), (97, Codec::Pcmu)]);
    assert_eq!(lines_with(&agreed, "m="), ["m=audio 40000 RTP/AVP 8"], "one is answered");
}

#[test]
fn an_answer_that_refuses_or_strays_is_an_error() {
    let only_ulaw = Local { codecs: vec![Codec::Pcmu], ..us() };
    let cases: [(&[&str], SdpError); 4] = [
        (&["m=audio 0 RTP/AVP 0"], SdpError::StreamRemoved),
        (&["m=audio 30002 RTP/AVP 8"], SdpError::NoCommonCodec),
        (&["m=video 30002 RTP/AVP 31", "m=audio 30002 RTP/AVP 0"], SdpError::NoCommonMedia),
        (&[], SdpError::NoCommonMedia),
    ];
    for (media, error) in cases {
        assert_eq!(accept(&offer_of(media), &only_ulaw), Err(error), "{media:?}");
    }
}

fn any_codecs() -> impl Strategy<Value = Vec<Codec>> {
    prop::sample::subsequence(Codec::ALL.to_vec(), 0..=2).prop_shuffle()
}

/// Lines that look like a description, in any order and number.
fn any_lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => Just("m=audio 30002 RTP/AVP 8 0".to_owned()),
        8 => "m=(audio|video) [1-9][0-9]{0,3}(/[0-9])? RTP/S?AVPF?( [0-9]{1,3}){1,4}",
        8 => "c=IN IP4 [0-9]{1,2}\\.0\\.0\\.[0-9]{1,3}",
        8 => "a=(rtpmap|rtcp|ptime|maxptime|fmtp):[0-9]{0,6} ?[a-zA-Z0-9/-]{0,12}",
        8 => "a=(sendonly|recvonly|inactive|rtcp-mux)",
        8 => "[a-z&&[^cmz]]=.{0,12}",
        1 => ".{0,6}",
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| {
        let text = "v=0\n".to_owned() + &lines.join("\n");
        text.into_bytes()
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
        // Reaching the end is the assertion: neither may panic, whatever it returns.
        drop(answer(&body, &us()));
        drop(accept(&body, &us()));
    }

    #[test]
    fn an_answer_has_the_streams_of_its_offer_and_accepts_one(body in any_lines()) {
        if let Ok(agreed) = answer(&body, &us()) {
            let offered = parse::parse(&body).unwrap();
            let answered = parse::parse(&agreed.sdp).unwrap();
            prop_assert_eq!(offered.time, answered.time);
            let (offered, answered) = (offered.streams, answered.streams);
            prop_assert_eq!(offered.len(), answered.len());
            for (theirs, ours) in offered.iter().zip(&answered) {
                prop_assert_eq!(&theirs.line.media, &ours.line.media);
                prop_assert_eq!(&theirs.line.proto, &ours.line.proto);
            }
            prop_assert_eq!(answered.iter().filter(|s| s.line.port != 0).count(), 1);
            prop_assert!(agreed.payload_type < 128 && (10..=60).contains(&agreed.ptime_ms));
        }
        drop(accept(&body, &us()));
    }

    #[test]
    fn two_bridges_agree_with_each_other(
        ours in any_codecs(), theirs in any_codecs(), port in 1u16..65535,
    ) {
        let caller = Local { codecs: ours, ..us() };
        let there = SocketAddr::new([198, 51, 100, 7].into(), port);
        let callee = Local { codecs: theirs, ..Local::new(there, 9) };
        let common = caller.spoken().iter().copied().find(|c| callee.spoken().contains(c));
        match answer(&offer(&caller), &callee) {
            Ok(answered) => {
                let accepted = accept(&answered.sdp, &caller).unwrap();
                prop_assert_eq!(Some(answered.codec), common);
                prop_assert_eq!(accepted.codec, answered.codec);
                prop_assert_eq!(accepted.payload_type, answered.receive_payload_type);
                prop_assert_eq!(accepted.receive_payload_type, answered.payload_type);
                prop_assert_eq!(accepted.telephone_event, answered.telephone_event);
                prop_assert_eq!(accepted.remote_rtp, there);
                prop_assert_eq!(answered.remote_rtp, address(US));
            }
            Err(error) => {
                prop_assert_eq!((error, common), (SdpError::NoCommonCodec, None));
            }
        }
    }
}
