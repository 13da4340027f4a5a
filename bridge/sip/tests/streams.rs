//! Calls over connections: what goes where, what is repeated, and what happens when one is gone.

mod common;

use std::time::Duration;

use common::{CONTACT_AND_SDP, Out, PEER, SDP, US, Ua, addr, dial, request, response, to_tag};
use partyline_sip::message::{Message, Name, Status};
use partyline_sip::{
    ConnectionId, Dial, DialogId, EndKind, Ender, Flow, Hangup, Listener, Transport,
};

fn listener(transport: Transport, local: &str, advertised: &str) -> Listener {
    Listener { transport, local: addr(local), advertised: addr(advertised) }
}

fn streaming() -> Ua {
    Ua::with(|config| {
        config.streams = vec![
            listener(Transport::Tcp, US, "198.51.100.5:5070"),
            listener(Transport::Tls, "203.0.113.5:5061", "198.51.100.5:5071"),
        ];
    })
}

/// A connection that the peer has opened.
fn accepted(id: u64) -> Flow {
    let remote = addr("192.0.2.1:40001");
    let connection = Some(ConnectionId(id));
    Flow { local: Some(addr(US)), connection, ..Flow::new(Transport::Tcp, remote) }
}

fn to_peer() -> Flow {
    Flow::new(Transport::Tcp, addr(PEER))
}

fn by_tcp(text: &str) -> String {
    text.replace("SIP/2.0/UDP", "SIP/2.0/TCP")
}

fn header(message: &Message, name: Name) -> String {
    message.headers.text(&name).unwrap_or_default().to_owned()
}

fn cseq(message: &Message) -> String {
    header(message, Name::CSeq)
}

/// A call that came in by TCP and is up.
fn call_in(ua: &mut Ua, invite: &str) -> (DialogId, String) {
    let dialog = ua.feed_by(accepted(7), &by_tcp(invite)).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let tag = to_tag(&ua.drain().message(0));
    ua.feed_by(accepted(7), &by_tcp(&request("ACK", 1, "ack", Some(&tag), "")));
    (dialog, tag)
}

fn invite() -> String {
    request("INVITE", 1, "inv", None, SDP)
}

fn hang_up(ua: &mut Ua, dialog: DialogId) -> Out {
    ua.endpoint.hangup(ua.now, dialog, Hangup::default()).expect("it is up");
    ua.drain()
}

#[test]
fn a_call_is_answered_on_its_connection_with_the_contact_of_its_listener() {
    let mut ua = streaming();
    let out = ua.feed_by(accepted(7), &by_tcp(&invite()));
    assert_eq!((out.lines(), out.sent[0].flow), (vec!["100 INVITE".to_owned()], accepted(7)));
    ua.endpoint.answer(ua.now, out.invited(), b"v=0 answer".to_vec()).expect("it waits");
    let out = ua.drain();
    assert_eq!(out.sent[0].flow, accepted(7));
    assert_eq!(
        header(&out.message(0), Name::Contact),
        "<sip:198.51.100.5:5070;transport=tcp>;isfocus"
    );
    let again = ua.run(Duration::from_millis(500));
    assert_eq!(again.lines(), ["200 INVITE"], "until its ACK comes from the far end of all hops");
}

#[test]
fn over_a_connection_requests_and_refusals_go_out_once() {
    let mut ua = streaming();
    let out = ua.feed_by(accepted(7), &by_tcp(&invite()));
    let busy = partyline_sip::Rejection::new(Status::BUSY_HERE);
    ua.endpoint.reject(ua.now, out.invited(), busy).expect("it waits");
    assert_eq!(ua.drain().lines(), ["486 INVITE"]);
    assert!(ua.secs(40).sent.is_empty());
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite());
    assert_eq!(hang_up(&mut ua, dialog).lines(), ["BYE"]);
    assert!(ua.secs(40).sent.is_empty());
    ua.assert_forgotten();
}

#[test]
fn a_bye_goes_on_the_callers_connection_and_to_its_contact_once_that_is_gone() {
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite());
    let bye = hang_up(&mut ua, dialog);
    assert_eq!(bye.sent[0].flow, accepted(7));
    let via = header(&bye.message(0), Name::Via);
    assert!(via.starts_with("SIP/2.0/TCP 198.51.100.5:5070;"), "{via}");
    // The connection breaks before the answer: the same BYE goes on a new one.
    ua.endpoint.handle_closed(ua.now, accepted(7));
    let again = ua.drain();
    assert_eq!((again.lines(), again.sent[0].flow), (vec!["BYE".to_owned()], to_peer()));
    assert_ne!(header(&again.message(0), Name::Via), via);
    assert_eq!((cseq(&bye.message(0)), cseq(&again.message(0))), ("1 BYE".into(), "2 BYE".into()));
    ua.endpoint.handle_unreachable(ua.now, to_peer());
    assert!(ua.drain().sent.is_empty());
    ua.assert_forgotten();
}

#[test]
fn a_call_outlives_its_connection() {
    let mut ua = streaming();
    let (dialog, tag) = call_in(&mut ua, &invite());
    ua.endpoint.handle_closed(ua.now, accepted(7));
    assert!(ua.drain().events.is_empty());
    // Another request of the peer brings its next connection.
    let options = by_tcp(&request("OPTIONS", 2, "opt", Some(&tag), ""));
    assert_eq!(ua.feed_by(accepted(8), &options).sent[0].flow, accepted(8));
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, accepted(8));
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite());
    ua.endpoint.handle_closed(ua.now, accepted(7));
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, to_peer());
}

#[test]
fn an_answer_whose_connection_is_gone_goes_to_where_the_via_says() {
    let mut ua = streaming();
    let dialog = ua.feed_by(accepted(7), &by_tcp(&invite())).invited();
    ua.endpoint.handle_closed(ua.now, accepted(7));
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    assert_eq!(ua.drain().sent[0].flow, to_peer());
    let mut ua = streaming();
    let dialog = ua.feed_by(accepted(7), &by_tcp(&invite())).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    ua.endpoint.handle_closed(ua.now, accepted(7));
    ua.drain();
    assert_eq!(ua.run(Duration::from_millis(500)).sent[0].flow, to_peer(), "repeated");
}

#[test]
fn a_proxy_that_left_itself_out_of_the_route_is_passed_by() {
    let second = "Via: SIP/2.0/TCP 192.0.2.90;branch=z9hG4bKua\r\nMax-Forwards";
    let invite = invite()
        .replacen("Max-Forwards", second, 1)
        .replace("<sip:caller@192.0.2.1:5060>", "<sip:caller@192.0.2.90:5060>");
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite);
    let direct = Flow::new(Transport::Tcp, addr("192.0.2.90:5060"));
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, direct);
    ua.endpoint.handle_unreachable(ua.now, direct);
    assert_eq!(ua.drain().sent[0].flow, accepted(7), "unless nothing else leads there");
    // Behind NAT the caller itself is at the other end, whatever its Contact says.
    let natted = request("INVITE", 1, "inv", None, SDP)
        .replace("<sip:caller@192.0.2.1:5060>", "<sip:caller@10.0.0.9:5060>");
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &natted);
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, accepted(7));
}

/// A call out to `;transport=`, and the INVITE of it.
fn call_out(ua: &mut Ua, transport: &str) -> (DialogId, Out) {
    let request_uri = format!("sip:14165550199@192.0.2.1;transport={transport}");
    let dial = Dial { request_uri, ..dial() };
    let dialog = ua.endpoint.dial(ua.now, dial).expect("it can be called");
    (dialog, ua.drain())
}

#[test]
fn a_call_out_names_the_listener_of_its_transport() {
    let mut ua = streaming();
    let (_, out) = call_out(&mut ua, "tls");
    assert_eq!(out.sent[0].flow, Flow::new(Transport::Tls, addr(PEER)));
    let invite = out.message(0);
    assert!(header(&invite, Name::Via).starts_with("SIP/2.0/TLS 198.51.100.5:5071;"));
    assert_eq!(header(&invite, Name::Contact), "<sip:198.51.100.5:5071;transport=tls>;isfocus");
    let mut udp_only = Ua::new();
    let (_, out) = call_out(&mut udp_only, "tcp");
    assert_eq!(out.sent[0].flow, Flow::udp(None, addr(PEER)), "no stream is spoken there");
}

#[test]
fn what_follows_an_answer_goes_on_the_connection_that_it_came_by() {
    let mut ua = streaming();
    let (dialog, out) = call_out(&mut ua, "tcp");
    let opened = Flow { connection: Some(ConnectionId(9)), local: Some(addr(US)), ..to_peer() };
    ua.feed_by(opened, &response(&out.message(0), "180 Ringing", Some("b"), ""));
    let answer = format!("Record-Route: <sip:192.0.2.200;transport=tcp;lr>\r\n{CONTACT_AND_SDP}");
    let ack = ua.feed_by(opened, &response(&out.message(0), "200 OK", Some("b"), &answer));
    assert_eq!((ack.lines(), ack.sent[0].flow), (vec!["ACK".to_owned()], opened));
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, opened);
    // Without a route its Contact is next, by a connection of its own.
    let mut ua = streaming();
    let (_, out) = call_out(&mut ua, "tcp");
    let ack = ua.feed_by(opened, &response(&out.message(0), "200 OK", Some("b"), CONTACT_AND_SDP));
    assert_eq!(ack.sent[0].flow, Flow::new(Transport::Tcp, addr("192.0.2.77:5080")));
}

#[test]
fn a_cancel_follows_its_invite() {
    let mut ua = streaming();
    let (dialog, out) = call_out(&mut ua, "tcp");
    let opened = Flow { connection: Some(ConnectionId(9)), ..to_peer() };
    ua.feed_by(opened, &response(&out.message(0), "180 Ringing", Some("b"), ""));
    let cancel = hang_up(&mut ua, dialog);
    assert_eq!((cancel.lines(), cancel.sent[0].flow), (vec!["CANCEL".to_owned()], opened));
    assert_eq!(header(&cancel.message(0), Name::Via), header(&out.message(0), Name::Via));
}

#[test]
fn a_refused_connection_fails_a_call_as_503_would() {
    let mut ua = streaming();
    let (_, out) = call_out(&mut ua, "tcp");
    ua.endpoint.handle_unreachable(ua.now, out.sent[0].flow);
    let ended = ua.drain().ended();
    assert_eq!((ended[0].by, ended[0].kind), (Ender::Timeout, EndKind::Timeout));
    assert_eq!(ended[0].status, Some(Status::SERVICE_UNAVAILABLE));
    ua.assert_forgotten();
}

#[test]
fn a_call_that_rings_is_not_lost_with_its_connection() {
    let mut ua = streaming();
    let (dialog, out) = call_out(&mut ua, "tcp");
    let opened = Flow { connection: Some(ConnectionId(9)), ..to_peer() };
    ua.feed_by(opened, &response(&out.message(0), "180 Ringing", Some("b"), ""));
    ua.endpoint.handle_closed(ua.now, opened);
    assert!(ua.drain().events.is_empty());
    // The peer opens one of its own for the answer (RFC 3261 §18.2.2).
    let ok = response(&out.message(0), "200 OK", Some("b"), CONTACT_AND_SDP);
    assert_eq!(ua.feed_by(accepted(10), &ok).news(), [format!("Answered({dialog})")]);
}

#[test]
fn a_connection_that_ends_before_any_answer_fails_the_call() {
    let mut ua = streaming();
    call_out(&mut ua, "tcp");
    let opened = Flow { connection: Some(ConnectionId(9)), ..to_peer() };
    ua.endpoint.handle_closed(ua.now, opened);
    assert_eq!(ua.drain().ended()[0].status, Some(Status::SERVICE_UNAVAILABLE));
    ua.assert_forgotten();
}

#[test]
fn a_key_is_not_pressed_twice_when_its_connection_breaks() {
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite());
    let digit = partyline_model::Digit::from_char('5').expect("a digit");
    ua.endpoint.send_digit(ua.now, dialog, digit, Duration::from_millis(100)).expect("it is up");
    assert_eq!(ua.drain().lines(), ["INFO"]);
    ua.endpoint.handle_closed(ua.now, accepted(7));
    let out = ua.drain();
    assert_eq!(out.sent.len(), 0);
    assert_eq!(out.news(), [format!("DigitSent({dialog}, Err(503))")]);
    // What never left is another matter.
    ua.endpoint.send_digit(ua.now, dialog, digit, Duration::from_millis(100)).expect("it is up");
    assert_eq!(ua.drain().sent[0].flow, to_peer());
    let bye = hang_up(&mut ua, dialog);
    ua.feed(&response(&bye.message(0), "200 OK", None, ""));
    ua.assert_forgotten();
}

#[test]
fn a_long_invite_goes_by_tcp_and_as_a_datagram_if_the_peer_takes_none() {
    let long = Dial { offer: vec![b'v'; 1200].into(), ..dial() };
    let mut ua = streaming();
    ua.endpoint.dial(ua.now, dial()).expect("it can be called");
    assert_eq!(ua.drain().sent[0].flow.transport, Transport::Udp, "a short one fits");
    ua.endpoint.dial(ua.now, long.clone()).expect("it can be called");
    let first = ua.drain();
    assert_eq!(first.sent[0].flow, to_peer());
    assert!(first.sent[0].payload.len() > 1300);
    assert!(header(&first.message(0), Name::Via).starts_with("SIP/2.0/TCP "));
    ua.endpoint.handle_unreachable(ua.now, to_peer());
    let second = ua.drain();
    assert_eq!((second.lines(), second.events.len()), (vec!["INVITE".to_owned()], 0));
    assert_eq!(second.sent[0].flow, Flow::udp(None, addr(PEER)));
    let (first, second) = (first.message(0), second.message(0));
    assert!(header(&second, Name::Via).starts_with("SIP/2.0/UDP 203.0.113.5:5060;"));
    assert_eq!(header(&second, Name::Contact), "<sip:203.0.113.5:5060>;isfocus");
    assert_eq!((cseq(&first), cseq(&second)), ("1 INVITE".into(), "2 INVITE".into()));
    assert_eq!(
        (&first.body, header(&first, Name::CallId)),
        (&second.body, header(&second, Name::CallId))
    );
    // For ten minutes the peer is known to take none.
    ua.endpoint.dial(ua.now, long.clone()).expect("it can be called");
    assert_eq!(ua.drain().sent[0].flow.transport, Transport::Udp);
    ua.secs(600);
    ua.endpoint.dial(ua.now, long.clone()).expect("it can be called");
    assert_eq!(ua.drain().sent[0].flow.transport, Transport::Tcp);
    let mut udp_only = Ua::new();
    udp_only.endpoint.dial(udp_only.now, long).expect("it can be called");
    assert_eq!(udp_only.drain().sent[0].flow.transport, Transport::Udp, "nothing else is spoken");
}

#[test]
fn strangers_connections_come_and_go_without_a_trace() {
    let mut ua = streaming();
    let (dialog, _) = call_in(&mut ua, &invite());
    for id in 100..200 {
        ua.endpoint.handle_closed(ua.now, accepted(id));
    }
    assert!(ua.drain().events.is_empty());
    assert_eq!(hang_up(&mut ua, dialog).sent[0].flow, accepted(7));
}

#[test]
fn a_sips_call_comes_and_goes_in_secret_only() {
    let mut ua = streaming();
    let sips = |text: String| {
        by_tcp(&text)
            .replace("SIP/2.0/TCP", "SIP/2.0/TLS")
            .replace(" sip:18005550100@203.0.113.5 SIP", " sips:18005550100@203.0.113.5 SIP")
            .replace("Contact: <sip:", "Contact: <sips:")
    };
    assert!(sips(invite()).contains("sips:18005550100@") && sips(invite()).contains("<sips:"));
    let refused = ua.feed_by(accepted(7), &sips(invite()));
    assert_eq!(refused.lines(), ["416 INVITE"], "it came in the open");
    let flow = Flow { transport: Transport::Tls, local: None, ..accepted(8) };
    let dialog = ua.feed_by(flow, &sips(invite())).invited();
    ua.endpoint.answer(ua.now, dialog, b"v=0 answer".to_vec()).expect("it waits");
    let answer = ua.drain().message(0);
    assert_eq!(header(&answer, Name::Contact), "<sips:198.51.100.5:5071>;isfocus");
    ua.feed_by(flow, &sips(request("ACK", 1, "ack", Some(&to_tag(&answer)), "")));
    ua.endpoint.handle_closed(ua.now, flow);
    let bye = hang_up(&mut ua, dialog);
    assert_eq!(bye.lines(), ["BYE"]);
    assert_eq!(bye.sent[0].flow.transport, Transport::Tls);
}
