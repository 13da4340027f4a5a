//! The call flow alone, with a far end, a media plane and a disk that do everything at once.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use partyline_cdr_record::{
    CloseReason, FeatureRecord, LegRecord, LegState, Origin, Outcome, Presentation, Record,
};
use partyline_conference::{
    Bridge, Config, DialogNames, EndKind, Ended, GuessAlarm, Input, Offered, Output, Parts, Talk,
};
use partyline_dialplan::Plan;
use partyline_dialplan::star::Profiles;
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    Passcode, Pepper, ReferenceNumber, Snapshot, StartsWith, passcode_mask, verifier,
};
use partyline_model::{
    AccountId, CallId, ConferenceId, Digit, MixId, PasscodeId, Role, Time, Uuid,
};
use partyline_secret::Vault;

use super::{LISTENER, MODERATOR, PARTICIPANT};
use crate::sim::builder::DIAL_IN;
use crate::sim::clock::START;
use crate::sim::dice::Dice;
use crate::sim::model::{Came, Place, Rules, Told, Who};

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| Arc::new(Plan::nanp()));

/// Who calls, as the signalling has it.
#[derive(Clone, Debug, Default)]
pub struct From {
    /// The caller's number, which the trunk vouches for; `None` where it is withheld.
    pub number: Option<String>,
    /// The address of the telephone, where each address is one caller's.
    pub phone: Option<IpAddr>,
}

/// One leg as the media plane was told.
struct Leg {
    mix: Option<MixId>,
    talk: Talk,
}

/// The call flow of one node, told the time and what callers do.
pub struct Stage {
    bridge: Bridge,
    directory: Arc<Snapshot>,
    runs: u64,
    now: Time,
    legs: BTreeMap<Who, Leg>,
    /// Prompts that are over as soon as nothing else is to be done.
    played: VecDeque<Input>,
    records: BTreeMap<Uuid, LegRecord>,
    callers: BTreeMap<Uuid, Who>,
    events: Vec<FeatureRecord>,
    gone: Vec<Who>,
    alarms: Vec<(Time, GuessAlarm)>,
}

impl Stage {
    pub(super) fn new(rules: Rules) -> Self {
        Self::with(snapshot(rules))
    }

    /// A node with these accounts and conferences, at the beginning of time.
    pub fn with(directory: Snapshot) -> Self {
        let directory = Arc::new(directory);
        Self {
            bridge: bridge(&directory, 0),
            directory,
            runs: 0,
            now: Time::ZERO,
            legs: BTreeMap::new(),
            played: VecDeque::new(),
            records: BTreeMap::new(),
            callers: BTreeMap::new(),
            events: Vec::new(),
            gone: Vec::new(),
            alarms: Vec::new(),
        }
    }

    pub(super) fn call(&mut self, who: Who) {
        let number = Some(format!("1416555{:04}", who % 10_000));
        self.call_from(who, &From { number, phone: None });
    }

    /// A call comes to the usual number, by a number of its own that was not used before.
    pub fn call_from(&mut self, who: Who, from: &From) {
        let offered = Box::new(Offered {
            dnis: DIAL_IN.parse().ok(),
            dnis_raw: DIAL_IN.to_owned(),
            ani: from.number.as_ref().and_then(|number| number.parse().ok()),
            ani_believed: true,
            ani_presentation: Presentation::Allowed,
            ani_attest: None,
            dialog: DialogNames { sip_call_id: who.to_string(), ..DialogNames::default() },
            trunk: 1,
            phone: from.phone,
            expects_media: true,
            codes: partyline_conference::RefusalCodes::default(),
        });
        self.legs.insert(who, Leg { mix: None, talk: Talk::Secret });
        self.input(Input::Offered { call: CallId(who), offered });
    }

    /// Keys of a caller, all at once.
    pub fn press(&mut self, who: Who, keys: &str) {
        for digit in keys.chars().filter_map(|key| Digit::from_char(key).ok()) {
            self.input(Input::Digit { call: CallId(who), digit });
        }
    }

    /// A caller hangs up, or is lost for this reason.
    pub fn leave(&mut self, who: Who, reason: CloseReason) {
        let kinds = [
            (CloseReason::SessionTimer, EndKind::Timeout),
            (CloseReason::Transport, EndKind::Transport),
            (CloseReason::NoMedia, EndKind::NoMedia),
        ];
        let kind = kinds.into_iter().find(|&(known, _)| known == reason);
        let kind = kind.map_or(EndKind::HungUp, |(_, kind)| kind);
        let ended = Ended { kind, code: None, q850: None };
        self.input(Input::Ended { call: CallId(who), ended });
    }

    pub(super) fn fall_silent(&mut self, who: Who) {
        self.input(Input::MediaSilent { call: CallId(who), since: self.now });
    }

    pub(super) fn hold(&mut self, who: Who, held: bool) {
        self.input(Input::Held { call: CallId(who), held });
    }

    /// Time passes, up to so many milliseconds after the beginning.
    pub fn wait(&mut self, until: u64) {
        let until = Time::from_millis(until);
        while let Some(at) = self.bridge.poll_timeout().filter(|&at| at <= until) {
            assert!(at > self.now, "a deadline is in the past");
            self.now = at;
            self.input(Input::Timeout);
        }
        self.now = until;
    }

    /// The node dies. What was written has each leg that was up, and nobody is written off.
    pub(super) fn crash(&mut self, lost: &[Who]) -> Result<(), String> {
        for who in lost {
            let record =
                self.records.values().find(|leg| leg.sip_call_id.as_str() == who.to_string());
            let open = record
                .is_some_and(|leg| leg.state != LegState::Closed && leg.answered_at.is_some());
            if !open {
                return Err(format!("caller {who} was up, and the journal has {record:?}"));
            }
        }
        self.legs.clear();
        self.played.clear();
        self.runs += 1;
        self.bridge = bridge(&self.directory, self.runs);
        Ok(())
    }

    fn input(&mut self, input: Input) {
        self.bridge.handle(self.now, input);
        loop {
            while let Some(output) = self.bridge.poll_output() {
                self.obey(output);
            }
            let Some(over) = self.played.pop_front() else { return };
            self.bridge.handle(self.now, over);
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Persist { token, records } => {
                records.into_iter().for_each(|record| self.note(record));
                self.bridge.handle(self.now, Input::Durable { token });
            }
            Output::Answer { call } => {
                self.bridge.handle(self.now, Input::Confirmed { call });
                self.bridge.handle(self.now, Input::MediaStarted { call });
            }
            Output::Play { call, playback, .. } => {
                self.played.push_back(Input::PlaybackDone { call, playback });
            }
            Output::PlayMix { mix, playback, .. } => {
                self.played.push_back(Input::MixPlaybackDone { mix, playback });
            }
            Output::Join { call, mix } => {
                let before = self.leg(call).mix.replace(mix);
                assert_eq!(before, None, "{call} is in two mixes");
            }
            Output::Leave { call } => {
                assert!(self.leg(call).mix.take().is_some(), "{call} is in no mix");
            }
            Output::Talk { call, talk } => self.leg(call).talk = talk,
            Output::CallEnded { call, .. } => {
                self.legs.remove(&call.0);
                self.gone.push(call.0);
            }
            Output::Dial { .. } => panic!("nobody is called"),
            Output::Reject { call, refusal, .. } => panic!("{call} is refused: {refusal:?}"),
            Output::GuessAlarm(alarm) => self.alarms.push((self.now, alarm)),
            Output::Hangup { .. }
            | Output::Attendance { .. }
            | Output::Invitation { .. }
            | Output::StopPlay { .. }
            | Output::Music { .. }
            | Output::HushMix { .. }
            | Output::Record { .. }
            | Output::PauseRecord { .. }
            | Output::StopRecord { .. }
            | Output::Ordered { .. }
            | Output::Typed { .. }
            | Output::Drained => {}
        }
    }

    fn leg(&mut self, call: CallId) -> &mut Leg {
        self.legs.get_mut(&call.0).expect("the leg is up")
    }

    fn note(&mut self, record: Record) {
        match record {
            Record::Leg(leg) => {
                if let Ok(who) = leg.sip_call_id.as_str().parse() {
                    self.callers.insert(leg.leg_id, who);
                }
                let old = self.records.insert(leg.leg_id, (*leg).clone());
                let went_on = old.is_none_or(|old| old.rev < leg.rev);
                assert!(went_on, "a revision comes after a later one");
            }
            Record::Feature(event) => self.events.push(*event),
            Record::Conference(_) | Record::Dialog(_) | Record::Tick(_) => {}
        }
    }

    // What is asked and compared.

    /// The alarms about guesses, and when each came.
    pub fn alarms(&self) -> &[(Time, GuessAlarm)] {
        &self.alarms
    }

    /// Whether a caller's call is up.
    pub fn is_up(&self, who: Who) -> bool {
        self.legs.contains_key(&who)
    }

    /// The last revision of each caller's record.
    pub fn records(&self) -> BTreeMap<Who, &LegRecord> {
        self.records.values().map(|leg| (self.callers[&leg.leg_id], leg)).collect()
    }

    /// Every event that was not taken, with whose it is.
    pub fn events(&self) -> impl Iterator<Item = (Option<Who>, &FeatureRecord)> {
        self.events.iter().map(|event| (self.callers.get(&event.leg_id).copied(), event))
    }

    pub(super) fn take_events(&mut self) -> Vec<Told> {
        let events = std::mem::take(&mut self.events);
        events.into_iter().map(|event| self.told(event)).collect()
    }

    fn told(&self, event: FeatureRecord) -> Told {
        let outcome = match (event.outcome, event.denied) {
            (Outcome::Ok, _) => Came::Done,
            (Outcome::Denied, Some(why)) => Came::Denied(why),
            (Outcome::Failed | Outcome::Denied, _) => Came::Failed,
        };
        Told {
            by: self.callers.get(&event.leg_id).copied(),
            code: event.code,
            outcome,
            to: event.target_leg.map(|leg| self.callers[&leg]),
            detail: event.detail,
        }
    }

    pub(super) fn take_gone(&mut self) -> BTreeMap<Who, (CloseReason, [u64; 3])> {
        let gone = std::mem::take(&mut self.gone);
        let of = |who: Who| {
            let leg = self.records.values().find(|leg| self.callers[&leg.leg_id] == who);
            let leg = leg.filter(|leg| leg.state == LegState::Closed).expect("one closed record");
            let spent = [leg.hold_ms, leg.conf_ms, leg.breakout_ms];
            (who, (leg.close_reason.expect("a reason"), spent))
        };
        gone.into_iter().map(of).collect()
    }

    pub(super) fn roster(&self, member: Option<Who>) -> Vec<(Who, Role)> {
        let session = member.and_then(|who| self.bridge.session_of(CallId(who)));
        let Some(attendance) = session.and_then(|it| self.bridge.attendance(it, 1000)) else {
            return Vec::new();
        };
        let members = attendance.members.iter();
        members.map(|member| (self.callers[&member.leg_id], member.role)).collect()
    }

    /// Whether a caller is in a conference, and what it says is heard there.
    pub fn is_heard(&self, who: Who) -> bool {
        self.legs.get(&who).is_some_and(|leg| leg.mix.is_some() && leg.talk == Talk::Open)
    }

    /// Whether those are together who are in the same room, and nobody else.
    pub(super) fn is_apart_as(&self, places: &[(Who, Place)]) -> Result<(), String> {
        let up: Vec<Who> = self.legs.keys().copied().collect();
        let should: Vec<Who> = places.iter().map(|&(who, _)| who).collect();
        if up != should {
            return Err(format!("up are {up:?} and should be {should:?}"));
        }
        let mut rooms: BTreeMap<u8, MixId> = BTreeMap::new();
        for &(who, place) in places {
            let mix = self.legs[&who].mix;
            let right = match (place, mix) {
                (Place::Room(room), Some(mix)) => {
                    let taken = rooms.iter().any(|(&other, &it)| other != room && it == mix);
                    *rooms.entry(room).or_insert(mix) == mix && !taken
                }
                (Place::Entry | Place::Door | Place::Hold, None) => true,
                (Place::Entry | Place::Door | Place::Hold, Some(_)) | (Place::Room(_), None) => {
                    false
                }
            };
            if !right {
                return Err(format!("caller {who} is in mix {mix:?} and should be in {place:?}"));
            }
        }
        Ok(())
    }

    /// Whether nothing is left when all have gone.
    pub(super) fn is_over(&self) -> Result<(), String> {
        let (calls, conferences) = (self.bridge.calls(), self.bridge.conferences());
        if calls + conferences > 0 {
            return Err(format!("{calls} calls and {conferences} conferences are left"));
        }
        let timer = self.bridge.poll_timeout();
        timer.map_or(Ok(()), |at| Err(format!("something is waited for until {at:?}")))
    }
}

fn bridge(directory: &Arc<Snapshot>, run: u64) -> Bridge {
    let parts = Parts {
        origin: Origin { node_id: 3, boot_id: Uuid(u128::from(run) + 1) },
        start: START,
        random: Box::new(Dice::new(run, 3)),
        vault: Vault::swappable().expect("the system gives memory"),
        snapshot: Arc::clone(directory),
        plan: Arc::clone(&PLAN),
        profiles: Profiles::default(),
    };
    Bridge::new(Config::default(), parts)
}

fn snapshot(rules: Rules) -> Snapshot {
    let pepper = Arc::new(Pepper::new(&[7; 32]));
    let account = Account {
        id: AccountId(5001),
        name: "Example Ltd.".to_owned(),
        tenant_id: 0,
        status: AccountStatus::Active,
        entitlements: Entitlements {
            record: true,
            dial_out: DialOutPolicy { prefixes: Vec::new(), max_concurrent: 0 },
            security_passcode: true,
            reference_number: ReferenceNumber::Off,
        },
        caller_id: None,
        time_zone: "America/Toronto".to_owned(),
        currency: "CAD".to_owned(),
        country_code: "1".to_owned(),
        rate_plan: 90,
    };
    let conference = Conference {
        id: ConferenceId(7),
        account: account.id,
        name: "Weekly".to_owned(),
        starts_with: if rules.waits { StartsWith::Moderator } else { StartsWith::FirstCaller },
        max_legs: u16::try_from(rules.most).unwrap_or(u16::MAX),
        announce: Announce::Tones,
        enabled: true,
        ends_with_moderator: rules.ends_with_moderator,
    };
    let dial_in = DialIn {
        number: DIAL_IN.parse().expect("a number"),
        aliases: Vec::new(),
        account: None,
        access_kind: AccessKind::TollFree,
        language: "en-US".to_owned(),
        welcome: None,
    };
    let mut builder = Snapshot::builder(1, Arc::clone(&pepper))
        .account(account)
        .conference(conference)
        .dial_in(dial_in);
    let codes = [
        (MODERATOR, Role::Moderator),
        (PARTICIPANT, Role::Participant),
        (LISTENER, Role::Listener),
    ];
    for (id, (code, role)) in (1..).zip(codes) {
        let digits = code.trim_end_matches('#');
        builder = builder.passcode(Passcode {
            id: PasscodeId(id),
            conference: ConferenceId(7),
            role,
            verifier: verifier(&pepper, digits),
            mask: passcode_mask(digits),
        });
    }
    builder.build().expect("the directory is sound")
}
