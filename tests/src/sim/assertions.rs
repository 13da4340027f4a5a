//! What is true of any call, whatever the story: checked after every step and at the end.
//!
//! [`Watch`] follows each leg by the commands that the media plane is given. A violation panics at
//! the step that makes it, with the leg and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use partyline_cdr_record::{Attestation, DialogRecord, FeatureCode, LegRecord, LegState, Record};
use partyline_dialplan::Prompt;
use partyline_media::{AudioQueue, Command, Event, IpNet, LegConfig, Rtcp, Talk};
use partyline_model::{LegKey, MixId, PlaybackId, RecordingId, Uuid};

use super::records::Records;

/// A leg as the media plane was told.
#[derive(Debug)]
pub struct Leg {
    /// The far end.
    pub far: IpAddr,
    /// The mix that it is in.
    pub room: Option<MixId>,
    /// Whether it hears hold music.
    pub music: bool,
    /// What reaches its room.
    pub talk: Talk,
    /// Where its media may go: where it is described, and its networks.
    reachable: Vec<IpNet>,
    /// What it was told to hear, its own prompts and those of its room.
    pub prompts: Vec<(Duration, Prompt)>,
    playing: Option<PlaybackId>,
    /// Since when it hears its room and nothing else.
    plain_since: Option<Duration>,
    life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Up,
    /// Told to close; its farewell is on its way.
    Closing,
    Gone,
}

/// A recording as the media plane was told.
#[derive(Debug)]
pub struct Tape {
    /// The file name.
    pub file: String,
    /// The session.
    pub conf_id: Uuid,
    /// 8 kHz mono.
    pub samples: Vec<i16>,
    /// Whether frames may come.
    pub open: bool,
}

/// Follows all legs and recordings.
#[derive(Debug, Default)]
pub struct Watch {
    legs: BTreeMap<LegKey, Leg>,
    by_far: BTreeMap<IpAddr, LegKey>,
    /// Rooms into which something is played.
    announcing: BTreeSet<MixId>,
    tapes: BTreeMap<RecordingId, Tape>,
}

impl Watch {
    /// The media plane is told something.
    ///
    /// # Panics
    /// When it makes no sense for the leg: in two rooms, or after its end.
    pub fn command(&mut self, now: Duration, command: &Command) {
        match command {
            Command::Open { .. }
            | Command::HushRoom { .. }
            | Command::Record { .. }
            | Command::PauseRecord { .. }
            | Command::StopRecord { .. } => {}
            Command::Start { leg, config } => {
                let far = config.remote.ip();
                let mut fresh = Leg::new(far);
                fresh.reach(config);
                assert!(self.legs.insert(*leg, fresh).is_none(), "{now:?}: {leg} starts twice");
                self.by_far.insert(far, *leg);
            }
            Command::Close { leg } => {
                if let Some(leg) = self.legs.get_mut(leg) {
                    (leg.life, leg.room, leg.music) = (Life::Closing, None, false);
                }
            }
            Command::PlayRoom { room, items } => {
                self.announcing.insert(*room);
                for leg in self.legs.values_mut().filter(|leg| leg.room == Some(*room)) {
                    leg.note(now, items);
                    leg.plain_since = None;
                }
            }
            // The far end's BYE and our command may cross.
            Command::Leave { leg } => self.change(now, *leg, |leg| leg.room = None),
            Command::SendKeys { .. } | Command::InfoDigit { .. } => {}
            Command::Update { leg, config } => self.up(now, *leg, |leg| leg.reach(config)),
            Command::Acknowledge { leg }
            | Command::Keys { leg, .. }
            | Command::Handshake { leg, .. } => self.up(now, *leg, |_| {}),
            Command::Join { leg, room } => self.up(now, *leg, |view| {
                assert_eq!(view.room, None, "{now:?}: {leg} is put into {room} as well");
                view.room = Some(*room);
            }),
            Command::Play { leg, playback, items } => self.up(now, *leg, |leg| {
                leg.playing = Some(*playback);
                leg.note(now, items);
            }),
            Command::StopPlay { leg } => self.up(now, *leg, |leg| leg.playing = None),
            Command::Music { leg, on } => self.up(now, *leg, |leg| leg.music = *on),
            Command::Talk { leg, talk } => self.up(now, *leg, |leg| leg.talk = *talk),
        }
    }

    fn up(&mut self, now: Duration, leg: LegKey, apply: impl FnOnce(&mut Leg)) {
        let life = self.legs.get(&leg).map(|leg| leg.life);
        // A leg whose description is still awaited (late offer) has not started.
        assert!(
            matches!(life, None | Some(Life::Up)),
            "{now:?}: a command for {leg} after its end"
        );
        self.change(now, leg, apply);
    }

    fn change(&mut self, now: Duration, leg: LegKey, apply: impl FnOnce(&mut Leg)) {
        let Some(leg) = self.legs.get_mut(&leg) else { return };
        apply(leg);
        let announced = leg.room.is_none_or(|room| self.announcing.contains(&room));
        let plain = !announced && !leg.music && leg.playing.is_none();
        leg.plain_since = if plain { leg.plain_since.or(Some(now)) } else { None };
    }

    /// The media plane reports something.
    pub fn event(&mut self, now: Duration, event: &Event) {
        match event {
            Event::PlaybackDone { leg, playback } => self.change(now, *leg, |leg| {
                leg.playing = leg.playing.filter(|playing| playing != playback);
            }),
            Event::Stats { leg, .. } => {
                if let Some(leg) = self.legs.get_mut(leg) {
                    leg.life = Life::Gone;
                }
            }
            Event::RoomPlayed { room } => {
                self.announcing.remove(room);
                let legs = self.legs.iter().filter(|(_, leg)| leg.room == Some(*room));
                for leg in legs.map(|(&key, _)| key).collect::<Vec<_>>() {
                    self.change(now, leg, |_| {});
                }
            }
            Event::Opened { .. }
            | Event::PortTaken { .. }
            | Event::FirstPacket { .. }
            | Event::Handshake { .. }
            | Event::Digit { .. }
            | Event::KeysSent { .. }
            | Event::Silent { .. }
            | Event::Resumed { .. } => {}
        }
    }

    /// The media plane sends a datagram of `leg`.
    ///
    /// # Panics
    /// When the leg is gone, or never described that address.
    pub fn sent(&self, now: Duration, leg: LegKey, to: SocketAddr) {
        let known = self.legs.get(&leg);
        let reaches = known.is_some_and(|l| l.reachable.iter().any(|net| net.contains(&to.ip())));
        assert!(reaches, "{now:?}: {leg} sends to {to}, which is not its far end");
        let life = known.map(|leg| leg.life);
        assert!(
            matches!(life, Some(Life::Up | Life::Closing)),
            "{now:?}: {leg} sends after its end"
        );
    }

    /// A file for a recording is opened.
    ///
    /// # Panics
    /// When it was opened before.
    pub fn open_tape(&mut self, recording: RecordingId, conf_id: Uuid, file: String) {
        let tape = Tape { file, conf_id, samples: Vec::new(), open: true };
        assert!(self.tapes.insert(recording, tape).is_none(), "{recording} is opened twice");
    }

    /// 20 ms of a recording.
    ///
    /// # Panics
    /// When its file is not open.
    pub fn frame(&mut self, recording: RecordingId, samples: &[i16]) {
        let tape = self.tapes.get_mut(&recording).filter(|tape| tape.open);
        let tape = tape.unwrap_or_else(|| panic!("a frame of {recording}, which is not open"));
        tape.samples.extend_from_slice(samples);
    }

    /// A recording's file is closed.
    ///
    /// # Panics
    /// When it is not open.
    pub fn close_tape(&mut self, recording: RecordingId) {
        let tape = self.tapes.get_mut(&recording).filter(|tape| tape.open);
        tape.unwrap_or_else(|| panic!("{recording} is closed and was not open")).open = false;
    }

    /// The last leg of the far end at `far`, while it is up.
    pub fn leg_of(&self, far: IpAddr) -> Option<(LegKey, &Leg)> {
        let key = *self.by_far.get(&far)?;
        let leg = self.legs.get(&key)?;
        (leg.life == Life::Up).then_some((key, leg))
    }

    /// The last leg of the far end at `far`, up or not.
    pub fn last_leg_of(&self, far: IpAddr) -> Option<&Leg> {
        self.legs.get(self.by_far.get(&far)?)
    }

    /// All recordings.
    pub fn tapes(&self) -> impl Iterator<Item = &Tape> {
        self.tapes.values()
    }
}

impl Leg {
    fn new(far: IpAddr) -> Self {
        Self {
            far,
            room: None,
            music: false,
            talk: Talk::Open,
            reachable: Vec::new(),
            prompts: Vec::new(),
            playing: None,
            plain_since: None,
            life: Life::Up,
        }
    }

    fn reach(&mut self, config: &LegConfig) {
        self.reachable.push(config.remote.ip().into());
        if let Rtcp::To(address) = config.rtcp {
            self.reachable.push(address.ip().into());
        }
        self.reachable.extend_from_slice(&config.networks);
    }

    fn note(&mut self, now: Duration, items: &AudioQueue) {
        let prompts = items.as_slice().iter().filter_map(|id| Prompt::ALL.get(usize::from(id.0)));
        self.prompts.extend(prompts.map(|&prompt| (now, prompt)));
    }

    /// Whether since `from` it has heard its room and nothing else.
    pub fn is_plain_since(&self, from: Duration) -> bool {
        self.plain_since.is_some_and(|since| since <= from)
    }
}

/// Holds all records of a world that has ended to what is true of any.
///
/// # Panics
/// On the first that is not.
pub fn check_records(records: &Records) {
    let legs = records.leg_revisions();
    for revisions in legs.values() {
        check_leg(revisions);
        check_events(records, revisions[revisions.len() - 1]);
    }
    let numbers: BTreeSet<u64> = legs.values().map(|revisions| revisions[0].leg_seq).collect();
    let wanted: BTreeSet<u64> = (1..).take(legs.len()).collect();
    assert_eq!(numbers, wanted, "leg_seq has no gap");
    for revisions in records.conference_revisions().values() {
        let numbers: Vec<u16> = revisions.iter().map(|conference| conference.rev).collect();
        let wanted: Vec<u16> = (0..).take(revisions.len()).collect();
        assert_eq!(numbers, wanted, "revisions of a conference have no gap");
        let closed = revisions.iter().filter(|conference| conference.is_closed()).count();
        assert_eq!(closed, 1, "{} ends in one closed record", revisions[0].conf_id);
        assert!(revisions[revisions.len() - 1].is_closed(), "and nothing follows it");
    }
    let mut sequences: BTreeMap<Uuid, Vec<u64>> = BTreeMap::new();
    for event in records.features() {
        match event.conf_id {
            Some(conf_id) => sequences.entry(conf_id).or_default().push(event.conf_seq),
            None => assert_eq!(event.conf_seq, 0, "no session, no number in it"),
        }
    }
    for (conf_id, numbers) in sequences {
        let wanted: Vec<u64> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, wanted, "conf_seq of {conf_id} has no gap");
    }
    for record in records.all() {
        assert!(!matches!(record, Record::Tick(_)), "signs of life are the journal's");
    }
    check_dialogs(records);
}

/// Whoever answered can be told of a crash: the dialog stands behind the answer, and again only
/// where it has changed.
fn check_dialogs(records: &Records) {
    let mut dialogs = BTreeMap::<Uuid, Vec<&DialogRecord>>::new();
    let mut answered = BTreeSet::new();
    for record in records.all() {
        match record {
            Record::Leg(leg) if leg.state == LegState::Answered => {
                answered.insert(leg.leg_id);
            }
            Record::Dialog(dialog) => {
                let known = dialogs.entry(dialog.leg_id).or_default();
                assert!(answered.contains(&dialog.leg_id), "a dialog before its answer");
                assert!(known.last() != Some(&&**dialog), "a dialog twice: {}", dialog.leg_id);
                known.push(dialog);
            }
            Record::Leg(_) | Record::Conference(_) | Record::Feature(_) | Record::Tick(_) => {}
        }
    }
    for leg in answered {
        assert!(dialogs.contains_key(&leg), "leg {leg} was answered and has no dialog");
    }
}

/// One closed record; what comes after it adds figures and changes nothing.
fn check_leg(revisions: &[&LegRecord]) {
    let id = revisions[0].leg_id;
    // A leg that was never answered for want of a disk has one record, the last.
    let first = revisions[0].rev;
    let numbers: Vec<u16> = revisions.iter().map(|leg| leg.rev).collect();
    let wanted: Vec<u16> = (first..).take(revisions.len()).collect();
    assert_eq!(numbers, wanted, "revisions of leg {id} have no gap");
    assert!(
        first == 0 || revisions.len() == 1,
        "leg {id} begins with revision {first} and goes on"
    );
    let open = revisions.iter().take_while(|leg| !leg.is_closed()).count();
    let closed = &revisions[open..];
    assert!(!closed.is_empty(), "leg {id} ends in a closed record");
    for later in &closed[1..] {
        let before = closed[0];
        // What was awaited of the caller's signature may come.
        let awaited = before.ani_attest == Some(Attestation::Unchecked);
        let same = LegRecord {
            rev: before.rev,
            quality: before.quality.clone(),
            ani_attest: if awaited { before.ani_attest } else { later.ani_attest },
            ..(*later).clone()
        };
        assert_eq!(&same, before, "leg {id} is closed and changes");
    }
    let leg = closed[closed.len() - 1];
    assert_eq!(leg.state, LegState::Closed, "leg {id}");
    assert_eq!(leg.answered_at.is_some(), leg.duration_ms > 0, "leg {id}: an answer has a length");
    assert!(leg.close_reason.is_some() && leg.release_by.is_some(), "leg {id} says how it ended");
    assert!(leg.conf_ms + leg.hold_ms + leg.breakout_ms <= leg.duration_ms, "leg {id}: its parts");
}

/// Who was in a conference came and went as often.
fn check_events(records: &Records, leg: &LegRecord) {
    let id = leg.leg_id;
    let events: Vec<_> = records.features().into_iter().filter(|e| e.leg_id == id).collect();
    let numbers: Vec<u32> = events.iter().map(|event| event.feature_seq).collect();
    let wanted: Vec<u32> = (1..).take(events.len()).collect();
    assert_eq!(numbers, wanted, "feature_seq of leg {id} has no gap");
    let count = |code| events.iter().filter(|event| event.code == code).count();
    let (joins, leaves) = (count(FeatureCode::Join), count(FeatureCode::Leave));
    // Who waited for a moderator that never came has left as well.
    let waited = usize::from(count(FeatureCode::HoldStart) > 0);
    assert_eq!(joins.max(waited), leaves, "leg {id} leaves as often as it comes");
    assert_eq!(leg.joined_at.is_some(), joins > 0, "leg {id}: a join has its event");
    assert_eq!(leg.joined_at.is_some(), leg.left_at.is_some(), "leg {id}: who joined has left");
}
