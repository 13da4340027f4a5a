//! The same octets over every transport, to a whole user agent: as one datagram, as a stream in
//! pieces of any size, as a message of a WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use partyline_model::Time;
use partyline_sip::message::{Frame, Framer, MAX_MESSAGE_BYTES, Message, websocket_message};
use partyline_sip::{Config, ConnectionId, Endpoint, Flow, Hangup, Output, Transport};

use crate::sip_endpoint::Counting;

/// How a stream is cut: one octet, a few, all at once.
const PIECES: [usize; 3] = [1, 7, usize::MAX];
/// Longer than any transaction or unanswered call.
const A_WHILE: Duration = Duration::from_secs(300);

/// Hands `data` over by every transport. The pieces that a stream comes in change nothing; whatever
/// came, what goes out is sound, and nothing is left of it after a while.
pub fn sip_stream(data: &[u8]) {
    for (framer, transport) in
        [(Framer::accepted as fn() -> Framer, Transport::Tcp), (Framer::opened, Transport::Tls)]
    {
        let frames = PIECES.map(|piece| cut(framer(), data, piece));
        assert!(frames.iter().all(|other| *other == frames[0]), "pieces change what is read");
        let [frames, ..] = frames;
        play(transport, messages(frames));
    }
    let message = websocket_message(Bytes::copy_from_slice(data));
    play(Transport::Ws, messages(vec![message.clone()]));
    play(Transport::Wss, messages(vec![message]));
    play(Transport::Udp, vec![Bytes::copy_from_slice(data)]);
}

/// The frames of a stream that comes in pieces.
fn cut(mut framer: Framer, stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    for mut input in stream.chunks(piece.min(stream.len().max(1))) {
        while let Some(frame) = framer.take(&mut input) {
            frames.push(frame);
        }
        assert!(framer.held() <= MAX_MESSAGE_BYTES, "more is kept than a message may have");
    }
    let most = 2 * u64::try_from(stream.len()).unwrap_or(u64::MAX);
    assert!(framer.work() <= most, "octets are looked at again and again");
    frames
}

/// What of the frames is handed to the user agent: a head with a bad Content-Length is, to be
/// answered by 400.
fn messages(frames: Vec<Frame>) -> Vec<Bytes> {
    let message = |frame| match frame {
        Frame::Message(bytes) => Some(bytes),
        Frame::Broken { head, .. } => head,
        Frame::Ping | Frame::Pong => None,
    };
    frames.into_iter().filter_map(message).collect()
}

/// A user agent that gets `messages` of one peer, and then nothing more.
fn play(transport: Transport, messages: Vec<Bytes>) {
    let us = SocketAddr::from(([203, 0, 113, 5], 5060));
    let peer = SocketAddr::from(([192, 0, 2, 1], 5060));
    let connection = (transport != Transport::Udp).then_some(ConnectionId(1));
    let flow = Flow { local: Some(us), connection, ..Flow::new(transport, peer) };
    let config = Config { max_dialogs: 16, ..Config::new(us) };
    let mut endpoint = Endpoint::new(config, Box::new(Counting(1)));
    let mut now = Time::ZERO;
    for message in messages {
        endpoint.handle_message(now, flow, &message);
        drain(&mut endpoint, now);
    }
    if connection.is_some() {
        endpoint.handle_closed(now, flow);
        drain(&mut endpoint, now);
    }
    let until = now + A_WHILE;
    while let Some(at) = endpoint.poll_timeout().filter(|at| *at <= until) {
        now = at;
        endpoint.handle_timeout(now);
        drain(&mut endpoint, now);
    }
    assert_eq!((endpoint.dialogs(), endpoint.transactions()), (0, 0), "something is left");
}

/// Takes what the user agent says: calls are refused at once, names are not found.
fn drain(endpoint: &mut Endpoint, now: Time) {
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit(transmit) => {
                let message = Message::parse(&transmit.payload).expect("what we send is readable");
                assert_eq!(message.fault, None, "{:?}", transmit.payload);
            }
            Output::Resolve(resolve) => endpoint.handle_resolved(now, resolve.id, &[]),
            Output::Event(partyline_sip::Event::Invite(call)) => {
                // It may be over already.
                let _result = endpoint.hangup(now, call.dialog, Hangup::default());
            }
            Output::Failed(_) | Output::Event(_) => {}
        }
    }
}
