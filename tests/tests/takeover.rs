//! Replaces and Join: a telephone takes the place of another in the conference, or comes beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bridge_tests::sim::builder::{Builder, carrier};
use bridge_tests::sim::{Disk, LISTENER, MODERATOR, PARTICIPANT, World, ms, secs, tone};
use partyline_cdr_record::{AuthMethod, CloseReason, FeatureCode};
use partyline_control::{Cause, ClaimFault, Member, Refused, SourceKind, Trunk};
use partyline_dialplan::Prompt;
use partyline_model::Role;
use partyline_phones::{Ending, Offer, PhoneConfig, PhoneId};
use partyline_sip::auth::{Authentication, Ha1, Hash, Login, Password};
use partyline_sip::message::{Message, Name, NameAddr};
use partyline_sip::registrar::RegistrarLimits;
use partyline_sip::{Realm, User, Users};

const REALM: &str = "phones.example";
/// Anna's telephone, Ben's and Dan's are of one trunk, and Carl's is of another; the others come by the
/// carrier.
const ANNAS: &str = "10.0.0.1";
const BENS: &str = "10.0.0.3";
const CARLS: &str = "10.0.0.4";
const DANS: &str = "10.0.0.5";
/// What the Contact of the bridge comes to: no number.
const FOCUS: &str = "focus";

fn password() -> Password {
    Password::new(b"zanzibar".to_vec().into())
}

fn phones(id: u32, addresses: &[&str]) -> Trunk {
    Trunk {
        id,
        name: format!("phones {id}"),
        sources: addresses.iter().map(|at| format!("{at}/32").parse().unwrap()).collect(),
        kind: SourceKind::Phones,
        destination: None,
        ..carrier()
    }
}

struct Scene {
    world: World,
    anna: PhoneId,
    eve: PhoneId,
}

/// Anna, a user, is in a conference with her passcode, and Eve is with her.
fn scene(builder: Builder, passcode: &str) -> Scene {
    let Scene { mut world, anna, eve } = on_the_hook(builder);
    world.join(anna, passcode);
    let eves = if passcode == MODERATOR { PARTICIPANT } else { MODERATOR };
    world.join(eve, eves).run_for(secs(4));
    Scene { world, anna, eve }
}

/// Nobody has called yet.
fn on_the_hook(builder: Builder) -> Scene {
    let own = [phones(5, &[ANNAS, BENS, DANS]), phones(6, &[CARLS])];
    let builder = builder.trunks(|trunks| drop(trunks.splice(0..0, own))).keep_log();
    let mut world = builder.start();
    let realm = || Realm {
        name: REALM.into(),
        hashes: vec![Hash::Sha256, Hash::Md5],
        nat_keep_alive: None,
    };
    let users = [("anna", 5), ("ben", 5), ("carl", 6), ("dan", 5)];
    let user = |(name, trunk): (&str, u32)| User {
        name: name.into(),
        trunk,
        ha1: Ha1::of(name, REALM, &password()),
        most_bindings: 2,
    };
    let realms = BTreeMap::from([(5, realm()), (6, realm())]);
    let limits = RegistrarLimits::default();
    let known = Users::new(realms, users.map(user), limits, [4; 32].into());
    let member = |(place, (name, trunk)): (usize, (&str, u32))| {
        let number = format!("1416555019{place}").parse().unwrap();
        (Box::from(name), Member { number, trunk: usize::from(trunk == 6) })
    };
    world.set_users(known, users.into_iter().enumerate().map(member).collect());
    let anna = user_phone(&mut world, ("anna", ANNAS), "conference", Vec::new());
    let [eve] = world.phones(["eve"]);
    Scene { world, anna, eve }
}

/// A telephone that proves in its INVITE to be a user's.
fn user_phone(
    world: &mut World,
    who: (&str, &str),
    to: &str,
    headers: Vec<(String, String)>,
) -> PhoneId {
    user_phone_with(world, who, to, headers, |_| {})
}

fn user_phone_with(
    world: &mut World,
    (name, at): (&str, &str),
    to: &str,
    mut headers: Vec<(String, String)>,
    change: impl FnOnce(&mut PhoneConfig),
) -> PhoneId {
    let source: SocketAddr = format!("{at}:5060").parse().unwrap();
    let mut invite = Message::parse(
        format!(
            "INVITE sip:{to}@192.0.2.1:5060 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {source};branch=z9hG4bKask{name}\r\nFrom: <sip:{name}@h>;tag=ask\r\n\
             To: <sip:{to}@h>\r\nCall-ID: ask-{name}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:{name}@{source}>\r\nContent-Length: 0\r\n\r\n"
        )
        .as_bytes(),
    )
    .unwrap();
    world.throw_at_sip(source, &invite.to_bytes()).run_for(secs(1));
    let asked = last_in_log(world, "SIP/2.0 401", &format!("ask-{name}"));
    let login = Login::new(name, password()).unwrap();
    let mut authentication = Authentication::default();
    authentication.challenged(&login, &asked).unwrap();
    authentication.authorize(&login, 7, &mut invite);
    let answer = invite.headers.text(&Name::Authorization).unwrap().to_owned();
    headers.push(("Authorization".to_owned(), answer));
    world.phone_with(name, |phone| {
        assert_eq!(phone.sip_address, source, "{name}");
        (phone.to, phone.headers) = (to.to_owned(), headers);
        change(phone);
    })
}

/// The last message of the log that begins so and has this Call-ID.
fn last_in_log(world: &World, begin: &str, call_id: &str) -> Message {
    let log = String::from_utf8_lossy(world.log()).into_owned();
    let found = log.rmatch_indices(begin).find_map(|(at, _)| {
        let text = log[at..].split_once("\r\n\r\n")?.0.to_owned() + "\r\n\r\n";
        let message = Message::parse(text.as_bytes()).ok()?;
        (message.headers.text(&Name::CallId) == Some(call_id)).then_some(message)
    });
    found.unwrap_or_else(|| panic!("no {begin} of {call_id}"))
}

/// What names the call of a telephone to others, as it is told in a REFER: Call-ID and both tags.
fn names(world: &World, phone: PhoneId) -> (String, String, String) {
    let call_id = world.call_id(phone).to_owned();
    let answer = last_in_log(world, "SIP/2.0 200 OK", &call_id);
    let tag = |name: Name| {
        let address = NameAddr::parse(answer.headers.text(&name).unwrap()).unwrap();
        address.tag().unwrap().to_owned()
    };
    (call_id, tag(Name::To), tag(Name::From))
}

fn about(header: &str, world: &World, phone: PhoneId, extra: &str) -> (String, String) {
    let (call_id, to_tag, from_tag) = names(world, phone);
    (header.to_owned(), format!("{call_id};to-tag={to_tag};from-tag={from_tag}{extra}"))
}

/// Ben's telephone calls the bridge for a place at the call that it was told of.
fn ben_calls(world: &mut World, headers: Vec<(String, String)>) -> PhoneId {
    // It stands behind Eve's, by its address.
    let ben = user_phone(world, ("ben", BENS), FOCUS, headers);
    world.dial(ben).run_for(secs(2));
    ben
}

/// How a call that was refused, was.
fn refused(world: &World, phone: PhoneId) -> Option<u16> {
    match world.ending(phone)? {
        Ending::Refused(status) => Some(status),
        Ending::ByUs
        | Ending::ByThem
        | Ending::Cancelled
        | Ending::TimedOut
        | Ending::NoAck
        | Ending::Vanished => None,
    }
}

#[test]
fn an_attended_transfer_into_the_conference_changes_who_is_in_it_and_nothing_else() {
    let Scene { mut world, anna, eve } = scene(World::build(), MODERATOR);
    let room = world.room_of(anna);
    let told = world.prompts(eve).len();
    let replaces = about("Replaces", &world, anna, "");
    let ben = ben_calls(&mut world, vec![replaces]);
    assert_eq!(world.ending(anna), Some(Ending::ByThem), "she is hung up on");
    assert!(world.is_up(ben) && world.room_of(ben) == room);
    assert_eq!(world.prompts(ben), [], "nobody asks him anything");
    assert_eq!(world.prompts(eve).len(), told, "nobody hears of it");
    world.talk(ben).talk(eve).run_for(secs(3));
    assert!(world.hears(eve, tone(ben)) && world.hears(ben, tone(eve)));
    // He moderates, as she did.
    world.hush(ben).hush(eve).press(ben, "*99").run_for(secs(5)).press(ben, "1").run_for(secs(20));
    assert!(!world.is_up(eve));
    let records = world.finish();
    let (old, new) = (records.leg(world.call_id(anna)), records.leg(world.call_id(ben)));
    assert_eq!(old.close_reason, Some(CloseReason::Normal));
    assert_eq!(new.close_reason, Some(CloseReason::EndedByModerator));
    assert_eq!((new.conf_id, new.account_id), (old.conf_id, old.account_id));
    assert_eq!((new.conference_id, new.rate_context), (old.conference_id, old.rate_context));
    assert_eq!(new.access_code_role, Some(Role::Moderator));
    assert_eq!(new.access_codes[0].passcode, old.access_codes[0].passcode);
    assert_eq!(new.auth_method, AuthMethod::OtherLeg);
    assert_eq!(new.ani.map(|ani| ani.to_string()).as_deref(), Some("14165550191"), "Ben's own");
    let target = |code| {
        let events = records.of_kind(code);
        assert_eq!(events.len(), 1, "{code:?}");
        (events[0].leg_id, events[0].target_leg)
    };
    assert_eq!(target(FeatureCode::PlaceGiven), (old.leg_id, Some(new.leg_id)));
    assert_eq!(target(FeatureCode::PlaceTaken), (new.leg_id, Some(old.leg_id)));
    assert_eq!(records.conference().leg_count, 3);
    assert_eq!(records.conference().peak_legs, 2, "they were not in it both");
}

#[test]
fn who_takes_the_place_of_a_muted_participant_is_muted() {
    let Scene { mut world, anna, eve } = scene(World::build(), PARTICIPANT);
    world.press(anna, "*6").run_for(secs(3));
    let replaces = about("Replaces", &world, anna, ";x=y");
    let ben = ben_calls(&mut world, vec![replaces]);
    world.talk(ben).run_for(secs(3));
    assert!(world.lacks(eve, tone(ben)));
    world.press(ben, "*6").run_for(secs(4));
    assert!(world.hears(eve, tone(ben)));
    world.press(ben, "*99").run_for(secs(5));
    assert_eq!(world.times_played(ben, Prompt::EndConfirm), 0, "he is no moderator");
    world.finish();
}

#[test]
fn the_place_of_who_waits_for_the_moderator_is_a_place_to_wait() {
    let Scene { mut world, anna, eve } = on_the_hook(World::build());
    world.join(anna, PARTICIPANT).run_for(secs(2));
    assert!(world.hears_music(anna) && world.room_of(anna).is_none());
    let replaces = about("Replaces", &world, anna, "");
    let ben = ben_calls(&mut world, vec![replaces]);
    world.run_for(secs(6));
    assert_eq!(world.ending(anna), Some(Ending::ByThem));
    assert!(world.hears_music(ben));
    world.join(eve, MODERATOR).run_for(secs(3));
    assert_eq!(world.room_of(ben), world.room_of(eve));
    world.finish();
}

#[test]
fn who_joins_comes_beside_as_a_participant_and_is_asked_for_no_passcode() {
    let Scene { mut world, anna, eve } = scene(World::build(), MODERATOR);
    let join = about("Join", &world, anna, "");
    let ben = ben_calls(&mut world, vec![join]);
    assert!(world.is_up(anna) && world.is_up(ben));
    assert_eq!(world.room_of(ben), world.room_of(anna));
    assert_eq!(world.times_played(ben, Prompt::EnterPasscode), 0);
    assert!(world.times_played(eve, Prompt::ToneJoin) > 0, "all hear that he comes");
    world.talk(ben).run_for(secs(3));
    assert!(world.hears(eve, tone(ben)) && world.hears(anna, tone(ben)));
    world.press(ben, "*99").run_for(secs(5));
    assert_eq!(world.times_played(ben, Prompt::EndConfirm), 0, "he is no moderator");
    let records = world.finish();
    let (first, new) = (records.leg(world.call_id(anna)), records.leg(world.call_id(ben)));
    assert_eq!(new.access_code_role, Some(Role::Participant));
    assert_eq!((new.conf_id, new.account_id), (first.conf_id, first.account_id));
    assert_eq!((new.access_codes.len(), new.auth_method), (0, AuthMethod::OtherLeg));
    let beside = records.of_kind(FeatureCode::CameBeside);
    assert_eq!((beside[0].leg_id, beside[0].target_leg), (new.leg_id, Some(first.leg_id)));
}

#[test]
fn who_comes_into_a_recorded_conference_is_told_of_it() {
    for header in ["Replaces", "Join"] {
        let Scene { mut world, anna, .. } = scene(World::build(), MODERATOR);
        world.press(anna, "*4").run_for(secs(4)).press(anna, "1").run_for(secs(5));
        let header = about(header, &world, anna, "");
        let ben = ben_calls(&mut world, vec![header]);
        world.run_for(secs(6));
        assert_eq!(world.times_played(ben, Prompt::RecordingNotice), 1);
        assert!(world.room_of(ben).is_some());
        let records = world.finish();
        let events = records.events_of(records.leg(world.call_id(ben)));
        assert!(events.contains(&FeatureCode::Consent), "{events:?}");
    }
}

#[test]
fn who_joins_beside_a_listener_listens() {
    let Scene { mut world, anna, eve } = scene(World::build(), LISTENER);
    let join = about("Join", &world, anna, "");
    let ben = ben_calls(&mut world, vec![join]);
    world.talk(ben).run_for(secs(3));
    assert!(world.room_of(ben) == world.room_of(eve) && world.lacks(eve, tone(ben)));
    world.finish();
}

/// What Ben's call with these headers is refused with; Anna's is left alone.
fn refusal(scene: Scene, headers: Vec<(String, String)>) -> (u16, Option<Cause>) {
    let Scene { mut world, anna, eve } = scene;
    let room = world.room_of(anna);
    let ben = ben_calls(&mut world, headers);
    let status = refused(&world, ben).expect("a refusal");
    assert!(world.is_up(anna) && world.is_up(eve) && world.room_of(anna) == room);
    let cause = world.refusals().last().map(|refusal| refusal.cause);
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::PlaceTaken).len(), 0);
    assert_eq!(records.leg(world.call_id(anna)).close_reason, Some(CloseReason::Normal));
    (status, cause)
}

#[test]
fn nobody_comes_into_a_secured_conference_by_another_call() {
    for header in ["Replaces", "Join"] {
        let mut scene = scene(World::build(), MODERATOR);
        let (world, anna) = (&mut scene.world, scene.anna);
        world.press(anna, "*92").run_for(secs(6)).press(anna, "5512#").run_for(secs(5));
        world.press(anna, "5512#").run_for(secs(5));
        assert_eq!(world.times_played(anna, Prompt::SecurityPasscodeOn), 1);
        let header = about(header, world, anna, "");
        let refused = refusal(scene, vec![header]);
        assert_eq!(refused, (403, Some(Cause::Claim(ClaimFault::Barred))));
    }
}

#[test]
fn a_conference_that_is_secured_while_the_record_is_written_lets_nobody_in_either() {
    let Scene { mut world, anna, .. } = scene(World::build(), MODERATOR);
    world.press(anna, "*92").run_for(secs(6)).press(anna, "5512#").run_for(secs(5));
    world.press(anna, "5512").run_for(secs(1));
    let replaces = about("Replaces", &world, anna, "");
    let ben = user_phone(&mut world, ("ben", BENS), FOCUS, vec![replaces]);
    world.set_disk(Disk::Writes { from: secs(1), to: secs(1) });
    world.dial(ben).run_for(ms(300)).press(anna, "#").run_for(secs(5));
    assert_eq!(world.times_played(anna, Prompt::SecurityPasscodeOn), 1);
    assert_eq!(refused(&world, ben), Some(403));
    assert!(world.is_up(anna));
    let records = world.finish();
    assert_eq!(records.leg(world.call_id(ben)).sip_status, Some(403));
}

#[test]
fn a_call_that_is_not_there_is_none_to_take() {
    for header in ["Replaces", "Join"] {
        for wrong in 0..3 {
            let scene = scene(World::build(), MODERATOR);
            let (mut call_id, mut to_tag, mut from_tag) = names(&scene.world, scene.anna);
            [&mut call_id, &mut to_tag, &mut from_tag][wrong].push('0');
            let value = format!("{call_id};to-tag={to_tag};from-tag={from_tag}");
            let refused = refusal(scene, vec![(header.to_owned(), value)]);
            assert_eq!(refused, (481, Some(Cause::Claim(ClaimFault::NoCall))), "{header} {wrong}");
        }
    }
}

#[test]
fn what_is_malformed_or_names_two_calls_is_a_bad_request() {
    let scene = scene(World::build(), MODERATOR);
    let headers = ["Replaces", "Join"].map(|header| about(header, &scene.world, scene.anna, ""));
    assert_eq!(refusal(scene, headers.to_vec()).0, 400);
}

#[test]
fn an_answered_call_is_not_taken_by_who_wants_one_that_rings() {
    let scene = scene(World::build(), MODERATOR);
    let replaces = about("Replaces", &scene.world, scene.anna, ";early-only");
    let refused = refusal(scene, vec![replaces]);
    assert_eq!(refused, (486, Some(Cause::Claim(ClaimFault::Answered))));
}

#[test]
fn a_call_of_another_trunk_is_none_to_take_and_not_known_to_be_there() {
    // Eve came by the carrier.
    for more in ["", ";early-only"] {
        let scene = scene(World::build(), MODERATOR);
        let replaces = about("Replaces", &scene.world, scene.eve, more);
        let refused = refusal(scene, vec![replaces]);
        assert_eq!(refused, (481, Some(Cause::Claim(ClaimFault::NoCall))), "{more}");
    }
}

#[test]
fn a_user_of_another_trunk_takes_nobodys_place() {
    for header in ["Replaces", "Join"] {
        let Scene { mut world, anna, .. } = scene(World::build(), MODERATOR);
        let header = about(header, &world, anna, "");
        world.phones(["nobody"]);
        let carl = user_phone(&mut world, ("carl", CARLS), FOCUS, vec![header]);
        world.dial(carl).run_for(secs(2));
        assert_eq!(refused(&world, carl), Some(481));
        assert!(world.is_up(anna));
        world.finish();
    }
}

#[test]
fn who_has_not_proved_who_he_is_is_told_nothing_whatever_he_names() {
    for (header, value) in
        [("Replaces", None), ("Join", None), ("Replaces", Some("no@where;to-tag=1;from-tag=2"))]
    {
        let Scene { mut world, anna, eve } = scene(World::build(), MODERATOR);
        world.phones(["ben", "carl", "dan"]);
        // By the carrier, as Eve.
        let named = about(header, &world, eve, "");
        let header = value.map_or(named, |value| (header.to_owned(), value.to_owned()));
        let dora = world.phone_with("dora", |phone| phone.headers = vec![header]);
        world.dial(dora).run_for(secs(2));
        assert_eq!(refused(&world, dora), Some(403));
        let cause = world.refusals().last().map(|refusal| refusal.cause);
        assert_eq!(cause, Some(Cause::Claim(ClaimFault::Unproven)));
        assert_eq!(world.node().refused(Refused::Claim), 1);
        assert!(world.is_up(eve) && world.is_up(anna));
        assert_eq!(world.finish().legs().len(), 2, "no leg was made");
    }
}

#[test]
fn who_is_asked_for_his_passcode_has_no_place_to_take_yet() {
    for header in ["Replaces", "Join"] {
        let Scene { mut world, anna, .. } = on_the_hook(World::build());
        world.dial(anna).run_for(secs(2));
        let header = about(header, &world, anna, "");
        let ben = ben_calls(&mut world, vec![header]);
        assert_eq!(refused(&world, ben), Some(488));
        world.press(anna, PARTICIPANT).run_for(secs(4));
        assert!(world.hears_music(anna), "she is left alone");
        assert_eq!(world.finish().leg(world.call_id(ben)).sip_status, Some(488));
    }
}

#[test]
fn a_place_is_taken_once() {
    let Scene { mut world, anna, .. } = scene(World::build(), MODERATOR);
    let replaces = || vec![about("Replaces", &world, anna, "")];
    let (bens, dans) = (replaces(), replaces());
    let ben = user_phone(&mut world, ("ben", BENS), FOCUS, bens);
    world.phones(["carl"]);
    let dan = user_phone(&mut world, ("dan", DANS), FOCUS, dans);
    world.set_disk(Disk::Writes { from: ms(500), to: ms(500) });
    world.dial(ben).run_for(ms(100)).dial(dan).run_for(secs(3));
    assert!(world.is_up(ben) && world.room_of(ben).is_some());
    assert_eq!(refused(&world, dan), Some(481));
    let records = world.finish();
    assert_eq!(records.of_kind(FeatureCode::PlaceTaken).len(), 1);
    let late = records.leg(world.call_id(dan));
    assert_eq!((late.sip_status, late.answered_at), (Some(481), None));
}

#[test]
fn a_call_without_an_offer_takes_no_place() {
    let Scene { mut world, anna, .. } = scene(World::build(), MODERATOR);
    let replaces = about("Replaces", &world, anna, "");
    let late = |phone: &mut PhoneConfig| phone.offer = Offer::Late;
    let ben = user_phone_with(&mut world, ("ben", BENS), FOCUS, vec![replaces], late);
    world.dial(ben).run_for(secs(2));
    assert_eq!(refused(&world, ben), Some(488));
    assert!(world.is_up(anna));
    world.finish();
}
