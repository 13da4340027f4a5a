//! A far end, a media plane and a disk for the conference core, on a clock that tests move.
//!
//! It answers what the core asks for and holds the core to its word at every step: one mix at a
//! time, nothing after the end of a call, no deadline in the past, one closed record for each leg.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use partyline_cdr_record::{
    Actor, CloseReason, ConferenceRecord, FeatureCode, FeatureRecord, LegRecord, Origin,
    Presentation, Record, StatusCode,
};
use partyline_conference::{
    Bridge, Claim, ClaimCodes, ClaimKind, Config, DialogNames, EndKind, Ended, GuessAlarm, Input,
    Invitation, InvitationNews, NotDone, Offered, Order, Output, Parts, Refusal, Summary, Talk,
};
use partyline_dialplan::star::Profiles;
use partyline_dialplan::{Plan, Prompt};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    Passcode, Pepper, ReferenceNumber, Snapshot, StartsWith, passcode_mask, verifier,
};
use partyline_model::{
    AccountId, CallId, ConferenceId, Digit, IdSource, MixId, Number, PasscodeId, PlaybackId, Role,
    Time, Uuid, WallTime,
};
use partyline_secret::Vault;

pub const MODERATOR: &str = "48291573#";
pub const PARTICIPANT: &str = "739164#";
pub const LISTENER: &str = "617283#";
pub const DNIS: &str = "18005550142";

/// Read once: it would take most of the time of a short test.
static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| Arc::new(Plan::nanp()));

/// How long a prompt of the fake media plane lasts.
pub const PROMPT: Duration = Duration::from_millis(500);

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the disk does with records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Works,
    Fails,
    /// Says nothing; [`World::disk_says`] does.
    Hangs,
}

/// What a far end and the media plane do by themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FarEnd {
    /// Acknowledges the 200 OK and sends media at once.
    Polite,
    /// Does nothing.
    Mute,
}

/// One leg as the media plane and the far end see it.
#[derive(Default)]
pub struct Leg {
    pub answered: bool,
    pub mix: Option<MixId>,
    pub music: bool,
    pub talk: Option<Talk>,
    /// What it was played, its own prompts and those of its mix.
    pub heard: Vec<Prompt>,
    playing: Option<(PlaybackId, Time)>,
    pub refused: Option<Refusal>,
    pub refused_with: Option<u16>,
    pub hung_up: Option<u8>,
    pub summary: Option<Summary>,
}

/// What the directory and the configuration say.
pub struct Setup {
    pub account: Account,
    pub conference: Conference,
    pub dial_in: DialIn,
    pub config: Config,
    pub profiles: Profiles,
}

impl Setup {
    fn new() -> Self {
        let account = Account {
            id: AccountId(5001),
            name: "Example Ltd.".to_owned(),
            tenant_id: 0,
            status: AccountStatus::Active,
            entitlements: Entitlements {
                record: true,
                dial_out: DialOutPolicy { prefixes: vec!["1416".to_owned()], max_concurrent: 3 },
                security_passcode: true,
                reference_number: ReferenceNumber::Off,
            },
            caller_id: Some(number("14165550111")),
            time_zone: "America/Toronto".to_owned(),
            currency: "CAD".to_owned(),
            country_code: "1".to_owned(),
            rate_plan: 90,
        };
        let conference = Conference {
            id: ConferenceId(7),
            account: account.id,
            name: "Weekly".to_owned(),
            starts_with: StartsWith::Moderator,
            max_legs: 200,
            announce: Announce::Tones,
            enabled: true,
            ends_with_moderator: true,
        };
        let dial_in = DialIn {
            number: number(DNIS),
            aliases: vec!["conference".to_owned()],
            account: None,
            access_kind: AccessKind::TollFree,
            language: "en-US".to_owned(),
            welcome: None,
        };
        let (config, profiles) = (Config::default(), Profiles::default());
        Self { account, conference, dial_in, config, profiles }
    }

    /// With references asked for, or not.
    pub fn reference(&mut self, setting: ReferenceNumber) {
        self.account.entitlements.reference_number = setting;
    }

    pub fn snapshot(&self, version: u64) -> Snapshot {
        let pepper = Arc::new(Pepper::new(&[7; 32]));
        let codes = [
            (1, MODERATOR, Role::Moderator),
            (2, PARTICIPANT, Role::Participant),
            (3, LISTENER, Role::Listener),
        ];
        let mut builder = Snapshot::builder(version, Arc::clone(&pepper))
            .account(self.account.clone())
            .conference(self.conference.clone())
            .dial_in(self.dial_in.clone());
        for (id, code, role) in codes {
            let digits = code.trim_end_matches('#');
            builder = builder.passcode(Passcode {
                id: PasscodeId(id),
                conference: self.conference.id,
                role,
                verifier: verifier(&pepper, digits),
                mask: passcode_mask(digits),
            });
        }
        builder.build().unwrap()
    }
}

struct Counter(u128);

impl IdSource for Counter {
    fn next_u128(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

pub fn number(text: &str) -> Number {
    text.parse().unwrap()
}

/// Everything around the core.
pub struct World {
    pub bridge: Bridge,
    pub now: Time,
    pub disk: Disk,
    pub far_end: FarEnd,
    pub legs: BTreeMap<CallId, Leg>,
    pub log: Vec<(Time, Output)>,
    /// What the core waited for after each step.
    pub deadlines: Vec<Option<Time>>,
    /// In the order in which they were durable.
    pub records: Vec<Record>,
    waiting: Vec<(u64, Vec<Record>)>,
    rooms_playing: BTreeMap<MixId, (PlaybackId, Time)>,
    next_call: u32,
    pub drained: bool,
    pub alarms: Vec<GuessAlarm>,
    /// Telephones that typed a passcode, and whether it was right.
    pub typed: Vec<(IpAddr, bool)>,
    /// Where the next caller's telephone is.
    pub phone: Option<IpAddr>,
    /// Whether callers withhold their numbers.
    pub withheld: bool,
    /// What was told of each request to call somebody.
    pub invitations: BTreeMap<u64, Vec<InvitationNews>>,
    /// What has come of each order from outside.
    pub ordered: BTreeMap<u64, Result<Option<Uuid>, NotDone>>,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::new();
        change(&mut setup);
        let parts = Parts {
            origin: Origin { node_id: 3, boot_id: Uuid(99) },
            start: WallTime::from_micros(1_795_000_000_000_000),
            random: Box::new(Counter(0)),
            vault: Vault::swappable().unwrap(),
            snapshot: Arc::new(setup.snapshot(1)),
            plan: Arc::clone(&PLAN),
            profiles: setup.profiles,
        };
        Self {
            bridge: Bridge::new(setup.config, parts),
            now: Time::from_secs(1),
            disk: Disk::Works,
            far_end: FarEnd::Polite,
            legs: BTreeMap::new(),
            log: Vec::new(),
            deadlines: Vec::new(),
            records: Vec::new(),
            waiting: Vec::new(),
            rooms_playing: BTreeMap::new(),
            next_call: 0,
            drained: false,
            alarms: Vec::new(),
            typed: Vec::new(),
            withheld: false,
            phone: None,
            invitations: BTreeMap::new(),
            ordered: BTreeMap::new(),
        }
    }

    /// A changed directory reaches the core.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Setup)) {
        let mut setup = Setup::new();
        change(&mut setup);
        self.input(Input::Directory(Arc::new(setup.snapshot(2))));
    }

    // What callers do.

    /// A call comes in to the usual number.
    pub fn call(&mut self) -> CallId {
        self.call_to(DNIS)
    }

    pub fn call_to(&mut self, dnis: &str) -> CallId {
        self.next_call += 1;
        let call = CallId(self.next_call);
        self.offer(call, dnis);
        call
    }

    pub fn offer(&mut self, call: CallId, dnis: &str) {
        let offered = Box::new(self.offered(call, dnis));
        self.legs.insert(call, Leg::default());
        self.input(Input::Offered { call, offered });
    }

    /// A call that dials no number claims a place at `leg`.
    pub fn claim(&mut self, call: CallId, leg: CallId, kind: ClaimKind) {
        let [gone, elsewhere, barred, full] = [481, 488, 403, 486].map(StatusCode::new);
        let codes = ClaimCodes { gone, elsewhere, barred, full };
        let (offered, claim) = (Box::new(self.offered(call, "")), Claim { leg, kind, codes });
        self.legs.insert(call, Leg::default());
        self.input(Input::Claimed { call, offered, claim });
    }

    /// A new call that claims a place at `leg`.
    pub fn claimant(&mut self, leg: CallId, kind: ClaimKind) -> CallId {
        self.next_call += 1;
        let call = CallId(self.next_call);
        self.claim(call, leg, kind);
        self.run(secs(1));
        call
    }

    fn offered(&self, call: CallId, dnis: &str) -> Offered {
        Offered {
            dnis: dnis.parse().ok(),
            dnis_raw: dnis.to_owned(),
            ani: Some(number("14165550100")).filter(|_| !self.withheld),
            ani_believed: true,
            ani_presentation: Presentation::Allowed,
            ani_attest: None,
            dialog: DialogNames {
                sip_call_id: call.to_string(),
                from_tag: "a".to_owned(),
                to_tag: "b".to_owned(),
            },
            trunk: 4,
            phone: self.phone,
            expects_media: true,
            codes: partyline_conference::RefusalCodes::default(),
        }
    }

    /// Calls and enters `code` at once.
    pub fn join(&mut self, code: &str) -> CallId {
        let call = self.call();
        self.run(secs(1));
        self.press(call, code);
        self.run(ms(100));
        call
    }

    /// Presses the keys, 50 ms apart.
    /// A moderator and participants who have heard everything so far.
    pub fn room(&mut self, participants: usize) -> (CallId, Vec<CallId>) {
        let moderator = self.join(MODERATOR);
        let others = (0..participants).map(|_| self.join(PARTICIPANT)).collect();
        self.quiet();
        (moderator, others)
    }

    /// What plays is heard to the end, and forgotten.
    pub fn quiet(&mut self) {
        self.run(secs(8));
        self.forget_heard();
    }

    /// What `call` hears at once of pressing `keys`; a second later the next code is no duplicate.
    pub fn press_and_hear(&mut self, call: CallId, keys: &str) -> Vec<Prompt> {
        self.forget_heard();
        self.press(call, keys);
        let heard = self.heard(call);
        self.run(secs(1));
        heard
    }

    pub fn press(&mut self, call: CallId, keys: &str) {
        for key in keys.chars() {
            self.run(ms(50));
            self.input(Input::Digit { call, digit: Digit::from_char(key).unwrap() });
        }
    }

    pub fn bye(&mut self, call: CallId) {
        self.end(call, EndKind::HungUp);
    }

    pub fn end(&mut self, call: CallId, kind: EndKind) {
        let code = matches!(kind, EndKind::Cancelled).then_some(StatusCode::new(487));
        let ended = Ended { kind, code, q850: None };
        self.input(Input::Ended { call, ended });
    }

    pub fn answered(&mut self, call: CallId) {
        let dialog = DialogNames { sip_call_id: "out".to_owned(), ..DialogNames::default() };
        self.input(Input::Answered { call, dialog: Box::new(dialog) });
    }

    /// The telephone of `call` asks to call somebody; the number of its request.
    pub fn invite(&mut self, call: CallId, number: &str) -> u64 {
        let request = u64::try_from(self.invitations.len()).unwrap() + 1;
        let invitation = Box::new(Invitation { request, number: number.to_owned() });
        self.input(Input::Invite { call, invitation });
        request
    }

    /// A program, with key 12, orders something; what has come of it.
    pub fn order(&mut self, order: Order) -> Result<Option<Uuid>, NotDone> {
        let request = u64::try_from(self.ordered.len()).unwrap() + 1;
        let by = (Actor::Api, Some(12));
        self.input(Input::Remote { request, by, order: Box::new(order) });
        self.ordered[&request]
    }

    // What the world does.

    pub fn input(&mut self, input: Input) {
        self.bridge.handle(self.now, input);
        self.pump();
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|&at| at <= end) {
            self.now = at.max(self.now);
            self.play_out();
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<Time> {
        let plays = self.legs.values().filter_map(|leg| leg.playing).map(|(_, end)| end);
        let rooms = self.rooms_playing.values().map(|&(_, end)| end);
        plays.chain(rooms).chain(self.bridge.poll_timeout()).min()
    }

    fn play_out(&mut self) {
        let now = self.now;
        let mut inputs = Vec::new();
        for (&call, leg) in &mut self.legs {
            if let Some((playback, _)) = leg.playing.take_if(|(_, end)| *end <= now) {
                inputs.push(Input::PlaybackDone { call, playback });
            }
        }
        self.rooms_playing.retain(|&room, &mut (playback, end)| {
            let over = end <= now;
            if over {
                inputs.push(Input::MixPlaybackDone { mix: room, playback });
            }
            !over
        });
        for input in inputs {
            self.input(input);
        }
    }

    fn pump(&mut self) {
        while let Some(output) = self.bridge.poll_output() {
            self.log.push((self.now, output.clone()));
            self.obey(output);
        }
        for leg in self.legs.values().filter(|leg| leg.music) {
            let together = self.legs.values().filter(|other| other.mix == leg.mix).count();
            assert!(leg.mix.is_none() || together == 1, "music plays into a conversation");
        }
        let next = self.bridge.poll_timeout();
        self.deadlines.push(next);
        assert!(next.is_none_or(|at| at > self.now), "a deadline is in the past");
    }

    fn obey(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::Persist { token, records } => match self.disk {
                Disk::Works => {
                    self.records.extend(records);
                    self.bridge.handle(now, Input::Durable { token });
                }
                Disk::Fails => self.bridge.handle(now, Input::NotDurable { token }),
                Disk::Hangs => self.waiting.push((token, records)),
            },
            Output::Answer { call } => {
                let leg = self.leg_mut(call);
                assert!(!std::mem::replace(&mut leg.answered, true), "{call} answered twice");
                if self.far_end == FarEnd::Polite {
                    self.bridge.handle(now, Input::Confirmed { call });
                    self.bridge.handle(now, Input::MediaStarted { call });
                }
            }
            Output::Reject { call, refusal, code } => {
                let leg = self.leg_mut(call);
                assert!(!leg.answered && leg.refused.replace(refusal).is_none());
                leg.refused_with = Some(code.get());
            }
            Output::Hangup { call, q850 } => {
                assert!(self.leg_mut(call).hung_up.replace(q850).is_none());
            }
            Output::Dial { call, .. } => {
                self.legs.entry(call).or_default();
            }
            Output::Attendance { .. } => {}
            Output::Ordered { request, result } => {
                assert!(
                    self.ordered.insert(request, result).is_none(),
                    "{request} is answered twice"
                );
            }
            Output::Invitation { request, news, .. } => {
                let told = self.invitations.entry(request).or_default();
                let begins = matches!(news, InvitationNews::Refused(_) | InvitationNews::Placed);
                assert_eq!(begins, told.is_empty(), "{request}: {news:?} after {told:?}");
                assert!(told.iter().all(|news| !is_settled(*news)), "{request}: {told:?}");
                told.push(news);
            }
            Output::Play { call, playback, prompts } => {
                assert!(!prompts.is_empty());
                let length = PROMPT * u32::try_from(prompts.len()).unwrap();
                let leg = self.leg_mut(call);
                leg.heard.extend(prompts);
                leg.playing = Some((playback, now + length));
            }
            Output::StopPlay { call } => {
                assert!(self.leg_mut(call).playing.take().is_some(), "nothing plays to {call}");
            }
            Output::Music { call, on } => {
                let leg = self.leg_mut(call);
                assert!(leg.music != on, "{call} is told twice that music is {on}");
                leg.music = on;
            }
            Output::Join { call, mix: room } => {
                let before = self.leg_mut(call).mix.replace(room);
                assert_eq!(before, None, "{call} is in two mixes");
            }
            Output::Leave { call } => {
                assert!(self.leg_mut(call).mix.take().is_some(), "{call} is in no mix");
            }
            Output::Talk { call, talk } => self.leg_mut(call).talk = Some(talk),
            Output::PlayMix { mix: room, playback, prompts } => {
                let length = PROMPT * u32::try_from(prompts.len()).unwrap();
                for leg in self.legs.values_mut().filter(|leg| leg.mix == Some(room)) {
                    leg.heard.extend(&prompts);
                }
                self.rooms_playing.insert(room, (playback, now + length));
            }
            Output::HushMix { .. }
            | Output::Record { .. }
            | Output::PauseRecord { .. }
            | Output::StopRecord { .. } => {}
            Output::CallEnded { call, summary } => {
                // A callee whose INVITE never left is not known here.
                let leg = self.legs.entry(call).or_default();
                assert_eq!((leg.mix, leg.summary.is_none()), (None, true), "{call}");
                leg.playing = None;
                leg.summary = Some(*summary);
            }
            Output::GuessAlarm(alarm) => self.alarms.push(alarm),
            Output::Typed { phone, was_right } => self.typed.push((phone, was_right)),
            Output::Drained => self.drained = true,
        }
    }

    fn leg_mut(&mut self, call: CallId) -> &mut Leg {
        let leg = self.legs.get_mut(&call).unwrap_or_else(|| panic!("{call} is unknown"));
        assert!(leg.summary.is_none(), "{call} is over");
        leg
    }

    /// The disk answers everything it was asked.
    pub fn disk_says(&mut self, durable: bool) {
        for (token, records) in std::mem::take(&mut self.waiting) {
            if durable {
                self.records.extend(records);
                self.input(Input::Durable { token });
            } else {
                self.input(Input::NotDurable { token });
            }
        }
    }

    // What tests ask.

    pub fn leg(&self, call: CallId) -> &Leg {
        &self.legs[&call]
    }

    /// What `call` heard since the last time this was asked.
    pub fn heard(&mut self, call: CallId) -> Vec<Prompt> {
        std::mem::take(&mut self.legs.get_mut(&call).unwrap().heard)
    }

    pub fn forget_heard(&mut self) {
        for leg in self.legs.values_mut() {
            leg.heard.clear();
        }
    }

    pub fn mix(&self, call: CallId) -> Option<MixId> {
        self.leg(call).mix
    }

    pub fn is_over(&self, call: CallId) -> bool {
        self.leg(call).summary.is_some()
    }

    /// The number of the leg that the bridge has dialled last.
    pub fn dialled(&self) -> CallId {
        let dials = self.log.iter().rev().filter_map(|(_, output)| match output {
            Output::Dial { call, .. } => Some(*call),
            _ => None,
        });
        dials.into_iter().next().expect("the bridge dialled")
    }

    pub fn outputs(&self, wanted: impl Fn(&Output) -> bool) -> usize {
        self.log.iter().filter(|(_, output)| wanted(output)).count()
    }

    pub fn leg_records(&self) -> Vec<&LegRecord> {
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Leg(leg) => Some(&**leg),
                _ => None,
            })
            .collect()
    }

    /// The one closed record of `call`.
    pub fn record(&self, call: CallId) -> LegRecord {
        let summary = self.leg(call).summary.as_ref().expect("the call is over");
        let closed: Vec<&LegRecord> = self
            .leg_records()
            .into_iter()
            .filter(|leg| leg.leg_id == summary.leg_id && leg.is_closed())
            .collect();
        assert_eq!(closed.len(), 1, "{call} has one closed record");
        closed[0].clone()
    }

    pub fn reason(&self, call: CallId) -> CloseReason {
        self.record(call).close_reason.unwrap()
    }

    /// The id of a leg that came in, over or not.
    pub fn leg_id(&self, call: CallId) -> Uuid {
        let name = call.to_string();
        let records = self.leg_records();
        let of_call = |record: &&&LegRecord| record.sip_call_id.as_str() == name;
        records.iter().rev().find(of_call).expect("the leg has a record").leg_id
    }

    pub fn conference_records(&self) -> Vec<&ConferenceRecord> {
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Conference(conference) => Some(&**conference),
                _ => None,
            })
            .collect()
    }

    pub fn events(&self) -> Vec<&FeatureRecord> {
        self.records
            .iter()
            .filter_map(|record| match record {
                Record::Feature(feature) => Some(&**feature),
                _ => None,
            })
            .collect()
    }

    pub fn event(&self, code: FeatureCode) -> &FeatureRecord {
        let found: Vec<_> = self.events().into_iter().filter(|event| event.code == code).collect();
        assert_eq!(found.len(), 1, "one event {code}");
        found[0]
    }

    pub fn codes(&self) -> Vec<FeatureCode> {
        self.events().iter().map(|event| event.code).collect()
    }
}

/// Whether nothing more comes of a request to call somebody.
pub fn is_settled(news: InvitationNews) -> bool {
    match news {
        InvitationNews::Placed | InvitationNews::Ringing => false,
        InvitationNews::Refused(_) | InvitationNews::Joined | InvitationNews::Failed(_) => true,
    }
}
