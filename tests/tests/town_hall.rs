//! Two thousand callers of one town hall: they join, raise two hundred hands, are muted, called by
//! roll, locked in, and ended by the moderator; and what became of each of them, by name.
//!
//! Real SIP, call flow and records on the virtual clock; no sound is made, keys come by SIP INFO. What
//! each leg is told to hear and whether it is heard, the media plane's commands say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use bridge_tests::sim::clock::START;
use bridge_tests::sim::{MODERATOR, PARTICIPANT, World, ms, secs};
use partyline_cdr_record::{
    CloseReason, FeatureCode, FeatureDetail, FeatureRecord, LegRecord, LegState, Outcome, Record,
    ReleaseBy,
};
use partyline_dialplan::{Prompt, say};
use partyline_media::Talk;
use partyline_model::{Role, Uuid};
use partyline_phones::{Ending, Event, PhoneConfig, PhoneId, Script, Step};

/// All of the town hall, the moderator among them.
const CALLERS: usize = 2000;
/// Callers before the moderator, who wait.
const EARLY: usize = 100;
/// The moderator's place in the order of joining.
const HOST: usize = EARLY;
const HANDS: usize = 200;
/// From one caller to the next.
const APART: Duration = ms(20);
/// Who lowers his hand, by its place in the queue, and the place of who raises his after that.
const LOWERED: usize = 5;
/// Callers who open their lines after all were muted.
const OPENED: std::ops::Range<usize> = 600..620;
/// Who is muted in the roll call, and who is put out.
const MUTED: usize = 2;
const KICKED: usize = 4;
/// Callers who hang up before the end.
const LEFT: std::ops::Range<usize> = 1900..1930;

/// One caller, and what is true of him and nobody else.
struct Caller {
    phone: PhoneId,
    /// What he did and what happened to him, in order; for the records.
    events: Vec<FeatureCode>,
    /// Prompts that were checked.
    heard: usize,
}

struct Hall {
    world: World,
    callers: Vec<Caller>,
}

fn quick(phone: &mut PhoneConfig) {
    (phone.key_on, phone.key_gap) = (ms(60), ms(40));
}

/// The caller in this place of the queue, from 1: all over the hall, and in no order of joining.
fn hand(place: usize) -> usize {
    HOST + 1 + (place * 77 % HANDS) * 9
}

impl Hall {
    /// Everybody calls, each 20 ms after the one before.
    fn open() -> Self {
        let build = World::build().without_audio().max_legs(CALLERS.try_into().unwrap());
        let mut world = build.start();
        let mut callers = Vec::new();
        for place in 0..CALLERS {
            let phone = world.phone_with(&format!("caller {place}"), quick);
            let script = Script::new().wait(APART * place.try_into().unwrap()).call();
            // The moderator's passcode has two keys more.
            let (code, before) =
                if place == HOST { (MODERATOR, ms(200)) } else { (PARTICIPANT, ms(0)) };
            let asked = APART * place.try_into().unwrap() + secs(2) - before;
            let script = script.until_answered(secs(2)).then(Step::WaitUntil(asked)).press(code);
            world.play(phone, script);
            let mut events = vec![FeatureCode::AuthOk];
            if place < EARLY {
                events.push(FeatureCode::HoldStart);
            } else if place == HOST {
                events.push(FeatureCode::ConferenceStart);
            }
            events.push(FeatureCode::Join);
            callers.push(Caller { phone, events, heard: 0 });
        }
        world.run_for(APART * CALLERS.try_into().unwrap() + secs(10));
        let mut hall = Self { world, callers };
        hall.forget();
        hall
    }

    fn press(&mut self, place: usize, keys: &str) -> &mut Self {
        self.world.press(self.callers[place].phone, keys);
        self
    }

    /// What a caller was told to hear since this was asked last.
    fn heard(&mut self, place: usize) -> Vec<Prompt> {
        let prompts = self.world.prompts(self.callers[place].phone);
        let seen = std::mem::replace(&mut self.callers[place].heard, prompts.len());
        prompts[seen..].to_vec()
    }

    fn forget(&mut self) {
        for place in 0..self.callers.len() {
            self.heard(place);
        }
    }

    /// Everybody who is there hears just this; `but` hears what he did himself.
    fn all_hear(&mut self, but: &[usize], prompts: &[Prompt]) {
        for place in 0..CALLERS {
            let heard = self.heard(place);
            if self.is_up(place) && !but.contains(&place) {
                assert_eq!(heard, prompts, "caller {place}");
            }
        }
    }

    fn is_up(&self, place: usize) -> bool {
        self.world.is_up(self.callers[place].phone)
    }

    fn talks(&self, place: usize) -> bool {
        self.world.leg(self.callers[place].phone).is_some_and(|leg| leg.talk == Talk::Open)
    }

    fn did(&mut self, place: usize, code: FeatureCode) {
        self.callers[place].events.push(code);
    }

    /// The name by which a caller is called.
    fn name(place: usize) -> Vec<Prompt> {
        let digits = format!("{:04}", 1000 + place);
        [vec![Prompt::CallerEnding], say::digits(&digits)].concat()
    }

    fn everybody_is_in(&self) {
        let room = self.world.room_of(self.callers[HOST].phone);
        assert!(room.is_some());
        for (place, caller) in self.callers.iter().enumerate() {
            assert_eq!(self.world.room_of(caller.phone), room, "caller {place}");
            assert!(self.talks(place), "caller {place} is heard");
            let held = self.world.times_played(caller.phone, Prompt::WaitingForModerator);
            assert_eq!(held, usize::from(place < EARLY), "caller {place}");
            // Above a hundred there is no tone for who comes.
            let tones = self.world.times_played(caller.phone, Prompt::ToneJoin);
            assert_eq!(tones, 0, "caller {place}");
        }
    }

    /// Two hundred hands, each told its own place.
    fn raise_hands(&mut self) {
        for place in 1..=HANDS {
            self.raise(hand(place), place);
            if place == 1 {
                assert_eq!(self.heard(HOST), [Prompt::HandIsUp]);
            }
        }
        let lowers = hand(LOWERED);
        self.press(lowers, "*5").world.run_for(secs(3));
        assert_eq!(self.heard(lowers), [Prompt::HandLowered]);
        self.did(lowers, FeatureCode::HandLower);
        // One less waits: the next is the last of as many as before.
        self.raise(HOST + 2, HANDS);
        self.all_hear(&[], &[]);
    }

    fn raise(&mut self, caller: usize, place: usize) {
        self.press(caller, "*5").world.run_for(ms(700));
        let mut said = vec![Prompt::HandRaised, Prompt::YouAreNumber];
        said.extend(say::count(place.try_into().unwrap()));
        said.push(Prompt::InLine);
        assert_eq!(self.heard(caller), said, "caller {caller} is number {place}");
        self.did(caller, FeatureCode::HandRaise);
    }

    fn mute_all(&mut self) {
        self.press(HOST, "*95").world.run_for(secs(8));
        self.did(HOST, FeatureCode::MuteAll);
        self.all_hear(&[], &[Prompt::AllMuted, Prompt::ToSpeakPress, Prompt::StarSix]);
        for place in 0..CALLERS {
            assert_eq!(self.talks(place), place == HOST, "caller {place}");
        }
        for place in OPENED {
            self.press(place, "*6").world.run_for(secs(2));
            assert_eq!(self.heard(place), [Prompt::Unmuted], "caller {place}");
            self.did(place, FeatureCode::UnmuteSelf);
        }
        for place in 0..CALLERS {
            assert_eq!(self.talks(place), place == HOST || OPENED.contains(&place), "{place}");
        }
        self.all_hear(&[], &[]);
    }

    /// The word goes from the first hand to the second; who had it is muted again.
    fn answer_questions(&mut self) {
        for (place, waiting) in [(1, HANDS - 1), (2, HANDS - 2)] {
            self.press(HOST, "*2").world.run_for(secs(8));
            let mut said = [vec![Prompt::LineOf], Self::name(hand(place))].concat();
            said.push(Prompt::IsOpen);
            said.extend(say::count(waiting.try_into().unwrap()));
            said.push(Prompt::Waiting);
            assert_eq!(self.heard(HOST), said);
            assert_eq!(self.heard(hand(place)), [Prompt::AskYourQuestion]);
            if place == 2 {
                assert_eq!(self.heard(hand(1)), [Prompt::QuestionOver]);
                self.did(HOST, FeatureCode::QaClose);
            }
            self.did(HOST, FeatureCode::QaOpen);
            for other in 0..CALLERS {
                let open = other == HOST || other == hand(place) || OPENED.contains(&other);
                assert_eq!(self.talks(other), open, "caller {other}");
            }
        }
        self.all_hear(&[], &[]);
    }

    /// The moderator goes through the first of the list; then all hear it.
    fn call_the_roll(&mut self) {
        let count = |count: usize| say::people(count.try_into().unwrap());
        self.press(HOST, "*8").world.run_for(secs(1));
        let first = [count(CALLERS), Self::name(0), vec![Prompt::RollCallKeys]].concat();
        assert_eq!(self.heard(HOST), first);
        self.did(HOST, FeatureCode::RollCall);
        for (place, key) in (0..=KICKED).zip(["3", "3", "2", "3", "1"]) {
            self.press(HOST, key).world.run_for(secs(1));
            let done = match place {
                MUTED => vec![Prompt::CallerMuted],
                KICKED => vec![Prompt::CallerDisconnected],
                _ => Vec::new(),
            };
            assert_eq!(self.heard(HOST), [done, Self::name(place + 1)].concat());
        }
        self.did(HOST, FeatureCode::MuteByModerator);
        self.did(HOST, FeatureCode::Kick);
        self.press(HOST, "#").world.run_for(secs(8));
        assert_eq!(self.heard(HOST), [Prompt::RollCallOver]);
        assert_eq!(self.heard(MUTED), [Prompt::MutedByModerator]);
        assert_eq!(self.heard(KICKED), [Prompt::DisconnectedByModerator]);
        assert!(!self.is_up(KICKED) && !self.talks(MUTED));
        self.press(MUTED, "*6").world.run_for(secs(4));
        assert_eq!(self.heard(MUTED), [Prompt::MutedByModerator]);
        assert!(!self.talks(MUTED), "who is muted by the moderator stays muted");
        self.did(MUTED, FeatureCode::MuteSelf);
        // A participant hears the first names too, for himself.
        let names: Vec<Prompt> =
            (0..=20).filter(|&place| place != KICKED).flat_map(Self::name).collect();
        let roll = [count(CALLERS - 1), names].concat();
        self.press(1000, "*8").world.run_for(secs(90));
        assert_eq!(self.heard(1000), roll);
        self.did(1000, FeatureCode::RollCall);
        self.all_hear(&[], &[]);
        self.press(HOST, "*96").world.run_for(secs(90));
        self.did(HOST, FeatureCode::RollCallPublic);
        self.all_hear(&[], &roll);
    }

    /// Four come late to a locked door: one is let in, one refused, one gives up, one says nothing.
    fn lock(&mut self) -> Vec<(PhoneId, CloseReason)> {
        self.press(HOST, "*7").world.run_for(secs(5));
        self.did(HOST, FeatureCode::Lock);
        assert_eq!(self.heard(HOST), [Prompt::ToneChime, Prompt::Locked]);
        self.all_hear(&[HOST], &[Prompt::ToneChime]);
        let late: Vec<PhoneId> =
            (0..4).map(|n| self.world.phone_with(&format!("late {n}"), quick)).collect();
        for &phone in &late {
            let script = Script::new().call().until_answered(secs(2)).wait(secs(2));
            self.world.play(phone, script.press(PARTICIPANT)).run_for(secs(6));
            assert_eq!(self.world.times_played(phone, Prompt::LockedKnock), 1);
            if phone != late[3] {
                self.world.press(phone, "1").run_for(secs(1));
            }
        }
        self.world.run_for(secs(20));
        assert_eq!(self.world.ending(late[3]), Some(Ending::ByThem), "who does not knock goes");
        for &phone in &late[..3] {
            assert!(self.world.hears_music(phone) && self.world.room_of(phone).is_none());
        }
        self.world.hang_up(late[2]).run_for(secs(1));
        self.heard(HOST);
        for keys in ["*8", "4", "1", "#"] {
            self.press(HOST, keys).world.run_for(secs(1));
        }
        self.world.run_for(secs(9));
        for code in [FeatureCode::RollCall, FeatureCode::LockAdmit, FeatureCode::LockReject] {
            self.did(HOST, code);
        }
        let room = self.world.room_of(self.callers[HOST].phone);
        assert_eq!(self.world.room_of(late[0]), room, "the first was let in");
        assert_eq!(self.world.times_played(late[1], Prompt::NotLetIn), 1);
        assert_eq!(self.world.ending(late[1]), Some(Ending::ByThem));
        self.heard(HOST);
        self.all_hear(&[], &[]);
        let ends = [CloseReason::EndedByModerator, CloseReason::AuthReject, CloseReason::Normal];
        late.into_iter().zip(ends.into_iter().chain([CloseReason::AuthReject])).collect()
    }

    fn end(&mut self) {
        for place in LEFT {
            self.world.hang_up(self.callers[place].phone).run_for(ms(5));
        }
        self.world.run_for(secs(2));
        self.all_hear(&[], &[]);
        self.press(HOST, "*99").world.run_for(secs(2));
        assert_eq!(self.heard(HOST), [Prompt::EndConfirm]);
        self.press(HOST, "1").world.run_for(ms(500));
        self.did(HOST, FeatureCode::EndConference);
        // Who has the word gives it back when he leaves.
        self.did(hand(2), FeatureCode::QaClose);
        self.all_hear(&[], &[Prompt::ConferenceEnded]);
        self.world.run_for(secs(20));
        for (place, caller) in self.callers.iter().enumerate() {
            let ending = if LEFT.contains(&place) { Ending::ByUs } else { Ending::ByThem };
            assert_eq!(self.world.ending(caller.phone), Some(ending), "caller {place}");
        }
    }
}

/// The records of a run, by leg.
struct Book {
    legs: BTreeMap<String, LegRecord>,
    events: BTreeMap<Uuid, Vec<FeatureRecord>>,
}

impl Book {
    fn new(records: &[Record]) -> Self {
        let mut book = Self { legs: BTreeMap::new(), events: BTreeMap::new() };
        for record in records {
            match record {
                Record::Leg(leg) => {
                    let old = book.legs.get(leg.sip_call_id.as_str());
                    if old.is_none_or(|old| old.rev < leg.rev) {
                        book.legs.insert(leg.sip_call_id.as_str().to_owned(), (**leg).clone());
                    }
                }
                Record::Feature(event) => {
                    book.events.entry(event.leg_id).or_default().push((**event).clone());
                }
                Record::Conference(_) | Record::Dialog(_) | Record::Tick(_) => {}
            }
        }
        book
    }

    fn events(&self, leg: &LegRecord) -> &[FeatureRecord] {
        &self.events[&leg.leg_id]
    }
}

/// When the last key of his passcode was pressed.
fn typed(world: &World, phone: PhoneId) -> i64 {
    let log = world.phone(phone).log();
    let sent = log.iter().find(|entry| matches!(entry.event, Event::KeysSent { .. })).unwrap();
    (START + sent.at).as_micros()
}

fn check_record(hall: &Hall, book: &Book, place: usize, host_in: i64, ended: i64) {
    let Caller { phone, events, .. } = &hall.callers[place];
    let leg = &book.legs[hall.world.call_id(*phone)];
    assert_eq!(leg.state, LegState::Closed, "caller {place}");
    let role = if place == HOST { Role::Moderator } else { Role::Participant };
    assert_eq!((leg.access_code_role, leg.auth_failures), (Some(role), 0), "caller {place}");
    let (reason, by) = match place {
        KICKED => (CloseReason::Kicked, ReleaseBy::Moderator),
        _ if LEFT.contains(&place) => (CloseReason::Normal, ReleaseBy::Caller),
        _ => (CloseReason::EndedByModerator, ReleaseBy::Moderator),
    };
    assert_eq!((leg.close_reason, leg.release_by), (Some(reason), Some(by)), "caller {place}");
    // In at once, or with the moderator.
    let asked = typed(&hall.world, *phone);
    let since = if place < EARLY { host_in } else { asked };
    let joined = leg.joined_at.unwrap().as_micros();
    // A key is heard when it is pressed, and noted when the next may be.
    assert!((joined - since).abs() < 150_000, "caller {place}: {joined} and {since}");
    let (left, gone) = (leg.left_at.unwrap(), leg.disconnected_at.unwrap());
    let talked = i64::try_from(leg.conf_ms).unwrap() * 1000;
    let expected = left.as_micros() - joined;
    assert!((talked - expected).abs() < 2_000, "caller {place}: {talked} and {expected}");
    let (held, before) = (i64::try_from(leg.hold_ms).unwrap() * 1000, since - asked);
    assert!((held - before).abs() < 150_000, "caller {place}: {held} and {before} on hold");
    let mut all = events.clone();
    all.push(FeatureCode::Leave);
    let codes: Vec<FeatureCode> = book.events(leg).iter().map(|event| event.code).collect();
    assert_eq!(codes, all, "caller {place}");
    if reason == CloseReason::EndedByModerator {
        // Fifty every 100 ms, in the order of joining.
        let gone_before = LEFT.filter(|&other| other < place).count();
        let rank = place - gone_before - usize::from(KICKED < place);
        let due = ended + i64::try_from(rank / 50).unwrap() * 100_000;
        assert!((gone.as_micros() - due).abs() < 2_000, "caller {place} is hung up in his turn");
    }
    assert!(leg.answered_at.unwrap() <= leg.joined_at.unwrap() && left <= gone, "caller {place}");
}

#[test]
fn each_of_two_thousand_callers_of_a_town_hall_comes_out_right() {
    let mut hall = Hall::open();
    hall.everybody_is_in();
    hall.raise_hands();
    hall.mute_all();
    hall.answer_questions();
    hall.call_the_roll();
    let late = hall.lock();
    hall.end();
    let records = hall.world.finish();
    let book = Book::new(records.all());
    assert_eq!(book.legs.len(), CALLERS + late.len());
    let leg = |place: usize| &book.legs[hall.world.call_id(hall.callers[place].phone)];
    let host_in = leg(HOST).joined_at.unwrap().as_micros();
    let ended = leg(0).disconnected_at.unwrap().as_micros();
    for place in 0..CALLERS {
        check_record(&hall, &book, place, host_in, ended);
    }
    for place in 1..=HANDS {
        let raised = book.events(leg(hand(place)));
        let raised = raised.iter().find(|event| event.code == FeatureCode::HandRaise).unwrap();
        let detail = FeatureDetail::Count(place.try_into().unwrap());
        assert_eq!((raised.detail.clone(), raised.outcome), (detail, Outcome::Ok), "hand {place}");
    }
    for (phone, reason) in late {
        let leg = &book.legs[hall.world.call_id(phone)];
        assert_eq!((leg.state, leg.close_reason), (LegState::Closed, Some(reason)));
        assert_eq!(leg.joined_at.is_some(), reason == CloseReason::EndedByModerator);
    }
    let conference = records.conference();
    assert_eq!(conference.close_reason, Some(CloseReason::EndedByModerator));
    assert_eq!(conference.host_leg, Some(leg(HOST).leg_id));
}
