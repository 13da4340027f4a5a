//! Nothing from the network panics, in any state, and every call ends once.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{CONTACT_AND_SDP, PEER, SDP, Ua, dial, invite, request, response};
use partyline_sip::message::{Message, Name, StartLine, Status};
use partyline_sip::{DialogId, Event, Hangup, Rejection};
use proptest::prelude::*;

/// One thing that happens to the endpoint.
#[derive(Clone, Debug)]
enum Step {
    Garbage(Vec<u8>),
    /// A request of the peer, with some bytes changed.
    Request {
        method: usize,
        cseq: u32,
        branch: u8,
        tagged: Option<()>,
        damage: Vec<(usize, u8)>,
    },
    /// A response to the latest request of ours.
    Response {
        status: u16,
        tag: u8,
    },
    Command(u8),
    Wait(u64),
}

const METHODS: [&str; 7] = ["INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "REFER"];

fn step() -> impl Strategy<Value = Step> {
    let damage = prop_oneof![
        4 => Just(Vec::new()),
        1 => prop::collection::vec((0usize..500, any::<u8>()), 1..4),
    ];
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Garbage),
        6 => (0..METHODS.len(), 0u32..5, 0u8..4, prop::option::of(Just(())), damage).prop_map(
            |(method, cseq, branch, tagged, damage)| Step::Request { method, cseq, branch, tagged, damage }
        ),
        3 => (100u16..700, 0u8..3).prop_map(|(status, tag)| Step::Response { status, tag }),
        4 => any::<u8>().prop_map(Step::Command),
        2 => (0u64..40_000).prop_map(Step::Wait),
    ]
}

/// The endpoint, what it said last, and how each of its calls ended.
struct World {
    ua: Ua,
    dialogs: Vec<DialogId>,
    ends: BTreeMap<DialogId, u32>,
    tag: Option<String>,
    asked: Option<Message>,
    referrals: u32,
}

impl World {
    fn heed(&mut self, out: common::Out) {
        for transmit in &out.sent {
            let message = common::parse(&transmit.payload);
            match message.start {
                StartLine::Request { .. } => self.asked = Some(message),
                StartLine::Response { status, .. } => {
                    let to = message.headers.text(&Name::To).filter(|_| status.code() > 100);
                    let tag = to.and_then(|to| to.split_once(";tag="));
                    self.tag = tag.map(|(_, tag)| tag.to_owned()).or(self.tag.take());
                }
            }
        }
        for event in out.events {
            let dialog = match &event {
                Event::Invite(call) => call.dialog,
                Event::Ringing { dialog, .. }
                | Event::Answered { dialog, .. }
                | Event::EarlyOffer { dialog, .. }
                | Event::Terms { dialog, .. }
                | Event::Confirmed { dialog, .. }
                | Event::Reinvite { dialog, .. }
                | Event::Refresh { dialog }
                | Event::Reinvited { dialog, .. }
                | Event::Refer { dialog, .. }
                | Event::Subscribed { dialog, .. }
                | Event::Unsubscribed { dialog, .. }
                | Event::Digit { dialog, .. }
                | Event::DigitSent { dialog, .. }
                | Event::Ended { dialog, .. } => *dialog,
                Event::Refused(_) | Event::Suspect { .. } | Event::Responded { .. } => continue,
            };
            assert_eq!(self.ends.get(&dialog), None, "{event:?} after the end");
            if let Event::Invite(call) = &event {
                self.dialogs.push(call.dialog);
            }
            if let Event::Ended { dialog, .. } = event {
                self.ends.insert(dialog, 1);
            }
            if let Event::Refer { dialog, .. } = event {
                self.refer(dialog);
            }
        }
    }

    /// Three of four referrals are accepted, and one of them comes to its end at once.
    fn refer(&mut self, dialog: DialogId) {
        let (now, endpoint) = (self.ua.now, &mut self.ua.endpoint);
        self.referrals += 1;
        if self.referrals.is_multiple_of(4) {
            let _result = endpoint.reject_refer(now, dialog, Status::FORBIDDEN);
        } else if let Ok(Some(news)) = endpoint.accept_refer(now, dialog) {
            endpoint.tell_referrer(now, dialog, news, Status::RINGING);
            if self.referrals % 4 == 1 {
                endpoint.tell_referrer(now, dialog, news, Status::OK);
            }
        }
        let out = self.ua.drain();
        self.heed(out);
    }

    fn take(&mut self, step: Step) {
        let out = match step {
            Step::Garbage(bytes) => self.ua.feed_bytes(PEER, &bytes),
            Step::Request { method, cseq, branch, tagged, damage } => {
                let method = METHODS[method];
                let tag = self.tag.clone().filter(|_| tagged.is_some());
                let extra = match method {
                    "INFO" => "Content-Type: application/dtmf\r\n\r\n5",
                    "REFER" => "Refer-To: <tel:+14165550199>\r\n",
                    _ => SDP,
                };
                let branch = format!("b{branch}");
                let mut bytes = request(method, cseq, &branch, tag.as_deref(), extra).into_bytes();
                for (at, byte) in damage {
                    let at = at % bytes.len();
                    bytes[at] = byte;
                }
                self.ua.feed_bytes(PEER, &bytes)
            }
            Step::Response { status, tag } => {
                let Some(asked) = &self.asked else { return };
                let status = format!("{status} Whatever");
                let text = response(asked, &status, Some(&format!("f{tag}")), CONTACT_AND_SDP);
                self.ua.feed(&text)
            }
            Step::Command(code) => {
                self.command(code);
                self.ua.drain()
            }
            Step::Wait(millis) => self.ua.run(Duration::from_millis(millis)),
        };
        self.heed(out);
    }

    fn command(&mut self, code: u8) {
        let (now, endpoint) = (self.ua.now, &mut self.ua.endpoint);
        if code.is_multiple_of(10) {
            self.dialogs.extend(endpoint.dial(now, dial()));
            return;
        }
        let Some(&id) = self.dialogs.get(usize::from(code / 10) % self.dialogs.len().max(1)) else {
            return;
        };
        // An error says that the call is not in a state for it, which is fine here.
        let _result = match code % 10 {
            1 => endpoint.ring(now, id),
            2 => endpoint.progress(now, id, b"v=0".to_vec()),
            3 | 4 => endpoint.answer(now, id, b"v=0".to_vec()),
            5 => endpoint.reject(now, id, Rejection::new(Status::BUSY_HERE)),
            6 => endpoint.hangup(now, id, Hangup { q850: Some(code) }),
            7 => endpoint.reinvite(now, id, b"v=0".to_vec()),
            8 => endpoint.answer_reinvite(now, id, b"v=0".to_vec()),
            _ => endpoint.reject_reinvite(now, id, Status::BUSY_HERE),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_state_ends_every_call_once(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World {
            ua: Ua::with(|config| config.extensions.refers = true),
            dialogs: Vec::new(),
            ends: BTreeMap::new(),
            tag: None,
            asked: None,
            referrals: 0,
        };
        for step in steps {
            world.take(step);
        }
        for id in world.dialogs.clone() {
            let now = world.ua.now;
            let _result = world.ua.endpoint.hangup(now, id, Hangup::default());
            let out = world.ua.drain();
            world.heed(out);
        }
        let out = world.ua.secs(300);
        world.heed(out);
        for id in &world.dialogs {
            prop_assert_eq!(world.ends.get(id), Some(&1), "{} never ended", id);
        }
        prop_assert_eq!((world.ua.endpoint.dialogs(), world.ua.endpoint.transactions()), (0, 0));
        prop_assert_eq!(world.ua.endpoint.poll_timeout(), None);
    }

    #[test]
    fn a_damaged_invite_is_taken_answered_or_dropped(
        damage in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
    ) {
        let mut ua = Ua::new();
        let mut bytes = invite().into_bytes();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let out = ua.feed_bytes(PEER, &bytes);
        prop_assert!(out.sent.len() <= 1 && out.events.len() <= 1);
        prop_assert!(out.events.is_empty() || out.lines()[0].starts_with("100 "));
    }
}

#[test]
fn a_message_of_many_headers_costs_its_bytes() {
    let mut ua = Ua::new();
    let many = request("OPTIONS", 1, "x", None, &"a:b\r\n".repeat(12_000));
    assert_eq!(ua.feed(&many).lines(), ["513 OPTIONS"]);
    let folded = request("OPTIONS", 1, "x", None, &format!("a:b\r\n{}", " c\r\n".repeat(15_000)));
    assert_eq!(ua.feed(&folded).lines(), ["513 OPTIONS"]);
}

#[test]
fn ten_thousand_calls_stand_at_once() {
    let mut ua = Ua::new();
    for n in 0..10_000 {
        let text = invite().replace("Call-ID: c1", &format!("Call-ID: c{n}"));
        let out = ua.feed(&text.replace("z9hG4bKinv", &format!("z9hG4bKi{n}")));
        assert_eq!(out.events.len(), 1);
        ua.endpoint.answer(ua.now, out.invited(), b"v=0".to_vec()).expect("it waits");
        assert_eq!(ua.drain().lines(), ["200 INVITE"]);
    }
    assert_eq!(ua.endpoint.dialogs(), 10_000);
    let out = ua.secs(33);
    assert_eq!(out.ended().len(), 10_000);
    ua.assert_forgotten();
}
