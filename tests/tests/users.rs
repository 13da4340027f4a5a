//! Telephones that register with the bridge itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bridge_tests::sim::builder::carrier;
use bridge_tests::sim::{MODERATOR, World, secs};
use partyline_control::{Member, SourceKind, TraceFilter, TraceKind, Trunk};
use partyline_phones::{Answering, PhoneId};
use partyline_sip::auth::{Authentication, Ha1, Hash, Login, Password};
use partyline_sip::message::Message;
use partyline_sip::registrar::RegistrarLimits;
use partyline_sip::{Realm, User, Users};

/// Dora's telephone, her number, and what it is asked for.
const DORAS: &str = "10.0.0.1";
const NUMBER: &str = "14165550199";
const REALM: &str = "phones.example";

fn password() -> Password {
    Password::new(b"zanzibar".to_vec().into())
}

/// A world in which whoever comes from Dora's address has to be Dora.
fn with_dora() -> (World, PhoneId) {
    let phones = Trunk {
        id: 5,
        name: "phones".to_owned(),
        sources: vec![format!("{DORAS}/32").parse().unwrap()],
        kind: SourceKind::Phones,
        destination: None,
        ..carrier()
    };
    let mut world = World::build().trunks(|trunks| trunks.insert(0, phones)).keep_log().start();
    let dora = User {
        name: "dora".into(),
        trunk: 5,
        ha1: Ha1::of("dora", REALM, &password()),
        most_bindings: 2,
    };
    let realm =
        Realm { name: REALM.into(), hashes: vec![Hash::Sha256, Hash::Md5], nat_keep_alive: None };
    let realms = BTreeMap::from([(5, realm)]);
    let users = Users::new(realms, [dora], RegistrarLimits::default(), [4; 32].into());
    let member = Member { number: NUMBER.parse().unwrap(), trunk: 0 };
    world.set_users(users, vec![("dora".into(), member)]);
    let dora = world.phone_with("dora", |phone| {
        phone.answering = Answering::After(secs(1));
        phone.from = "+18005550000".to_owned();
    });
    (world, dora)
}

fn register(number: u32, expires: u32) -> Message {
    let text = format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP {DORAS}:5060;branch=z9hG4bKr{number}\r\n\
         From: <sip:dora@{REALM}>;tag=d\r\nTo: <sip:dora@{REALM}>\r\nCall-ID: dora\r\n\
         CSeq: {number} REGISTER\r\nContact: <sip:dora@{DORAS}:5060>\r\nExpires: {expires}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    Message::parse(text.as_bytes()).unwrap()
}

/// A call of Dora's telephone that shows another name.
fn invite(number: u32) -> Message {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {DORAS}\r\ns=-\r\nc=IN IP4 {DORAS}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n"
    );
    let text = format!(
        "INVITE sip:conference@{REALM} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {DORAS}:5060;branch=z9hG4bKi{number}\r\n\
         From: <sip:desk@{REALM}>;tag=d\r\nTo: <sip:conference@{REALM}>\r\nCall-ID: desk\r\n\
         CSeq: {number} INVITE\r\nContact: <sip:dora@{DORAS}:5060>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    Message::parse(text.as_bytes()).unwrap()
}

/// Dora's telephone registers for so many seconds, as the test has it do.
fn registers(world: &mut World, number: u32, expires: u32) {
    proves(world, &register(number, expires), register(number + 1, expires));
}

/// Dora's telephone sends a request, and again with the answer to what it was asked.
fn proves(world: &mut World, first: &Message, mut again: Message) {
    let at: SocketAddr = format!("{DORAS}:5060").parse().unwrap();
    world.throw_at_sip(at, &first.to_bytes()).run_for(secs(1));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let (_, asked) = log.rsplit_once("SIP/2.0 401").unwrap();
    let asked = format!("SIP/2.0 401{}", asked.split_once("\r\n\r\n").unwrap().0) + "\r\n\r\n";
    let asked = Message::parse(asked.as_bytes()).unwrap();
    let login = Login::new("dora", password()).unwrap();
    let mut authentication = Authentication::default();
    authentication.challenged(&login, &asked).unwrap();
    authentication.authorize(&login, 7, &mut again);
    world.throw_at_sip(at, &again.to_bytes()).run_for(secs(1));
}

/// Anna has Dora's number called, and Dora answers.
fn calls(world: &mut World, dora: PhoneId) {
    let [anna] = world.phones(["anna"]);
    world.join(anna, MODERATOR);
    world.run_for(secs(4)).press(anna, "*1").run_for(secs(3)).press(anna, "4165550199#");
    world.wait_for("dora answers", secs(20), |world| world.is_up(dora));
    world.run_for(Duration::from_secs(2));
}

#[test]
fn a_user_is_called_where_his_telephone_registered() {
    let (mut world, dora) = with_dora();
    assert_eq!(world.node().user_states()[0].bindings, []);
    registers(&mut world, 1, 600);
    let status = &world.node().user_states()[0];
    assert_eq!((&*status.name, &*status.trunk, status.number.as_str()), ("dora", "phones", NUMBER));
    assert_eq!(status.bindings.len(), 1);
    assert_eq!(status.bindings[0].contact, "sip:dora@10.0.0.1:5060");
    calls(&mut world, dora);
    let records = world.finish();
    assert_eq!(records.dialled(NUMBER).trunk_out, Some(5), "and by no carrier");
    let counts = world.node().user_counts().unwrap();
    assert_eq!((counts.asked, counts.known, counts.wrong), (1, 1, 0));
}

#[test]
fn a_user_who_is_nowhere_is_called_by_the_carrier() {
    let (mut world, _) = with_dora();
    registers(&mut world, 1, 60);
    world.run_for(secs(61));
    assert_eq!(world.node().user_states()[0].bindings, []);
    let mobile =
        world.callee("mobile", NUMBER, |phone| phone.answering = Answering::After(secs(1)));
    calls(&mut world, mobile);
    assert_eq!(world.finish().dialled(NUMBER).trunk_out, Some(7));
}

#[test]
fn a_call_from_a_users_address_is_asked_who_it_is() {
    let (mut world, dora) = with_dora();
    world.dial(dora).run_for(secs(2));
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let response = format!("192.0.2.1:5060 {DORAS}:5060 SIP/2.0 401 Unauthorized");
    assert!(log.contains(&response));
    assert!(world.finish().legs().is_empty(), "no record, no call");
}

#[test]
fn the_trace_has_registrations_and_knows_users_by_who_has_proved_it() {
    let (mut world, _) = with_dora();
    let traced = |world: &World, from: Option<&str>, trunk: Option<&str>| {
        let (from, trunk) = (from.map(str::to_owned), trunk.map(str::to_owned));
        world.node().traced(&TraceFilter { from, trunk, last: 9, ..TraceFilter::default() })
    };
    registers(&mut world, 1, 600);
    let seen = traced(&world, Some("dora"), Some("phones"));
    assert_eq!((seen.len(), seen[0].kind, seen[0].messages.len()), (1, TraceKind::Stranger, 4));
    let text = String::from_utf8_lossy(&seen[0].messages[2].octets).into_owned();
    assert!(text.starts_with("REGISTER") && !text.contains("response=\""), "{text}");
    // Where she was right, others drive it out no more.
    let other = |number| {
        let text = String::from_utf8(register(number, 600).to_bytes()).unwrap();
        Message::parse(text.replace("Call-ID: dora", "Call-ID: again").as_bytes()).unwrap()
    };
    proves(&mut world, &other(5), other(6));
    assert_eq!(traced(&world, Some("dora"), None)[1].kind, TraceKind::Telephone);
    proves(&mut world, &invite(1), invite(2));
    for from in ["dora", "desk", NUMBER, "4165550199"] {
        let seen = traced(&world, Some(from), None);
        let call = seen.iter().find(|seen| seen.call_id == "desk");
        assert_eq!(call.and_then(|call| call.user.as_deref()), Some("dora"), "{from}");
    }
    world.finish();
}
