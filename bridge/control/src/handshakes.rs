//! Handshakes of DTLS-SRTP (RFC 5763): which call has one, with whom, and what comes of it.
//!
//! A leg is closed until its handshake gave keys. The one that begins waits for the far end's ACK, or
//! answer: nothing is sent to an address before somebody vouched for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use partyline_conference::{EndKind, Ended, Input};
use partyline_media::{Command, Signalling, SrtpKeys};
use partyline_model::{
    CallId, DtlsRole, Handshake, HandshakeFault, HandshakeOutput, Handshakes, LegKey, Time,
};
use partyline_sip::Hangup;
use partyline_sip::sdp::{DtlsEnd, DtlsPeer, KeyExchange, Keying, Negotiated, SrtpPolicy};

use crate::inbound::INCOMPATIBLE;
use crate::node::{Node, Output, or_ended};

/// How long a call is up without the keys of its sound.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long where a callee begins: one that described itself before it answered may have begun then,
/// with nobody to hear it, and lets up to 32 s pass between its attempts (RFC 6347 §4.2.4.1 doubles
/// a second five times).
const PATIENCE_WITH_CALLEE: Duration = Duration::from_secs(35);

/// A call ended, since its handshake gave no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// The trunk's name; `None` for a call whose trunk is gone.
    pub trunk: Option<String>,
    /// Where the far end's media was to be.
    pub media: SocketAddr,
    /// What was wrong.
    pub fault: HandshakeFault,
}

/// What came of handshakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeCounts {
    /// Those that gave keys.
    pub done: u64,
    /// Datagrams with an alert that nobody protected, which was not believed.
    pub alerts: u64,
    /// Those that did not.
    failed: BTreeMap<HandshakeFault, u64>,
}

impl HandshakeCounts {
    /// How many failed for this reason.
    pub fn failed(&self, fault: HandshakeFault) -> u64 {
        self.failed.get(&fault).copied().unwrap_or_default()
    }
}

/// The handshake of one call.
struct Association {
    peer: DtlsPeer,
    remote: SocketAddr,
    stage: Stage,
    /// How long it may take from the ACK or the answer.
    patience: Duration,
    /// When it is given up.
    until: Option<Time>,
    /// When it is looked at next, as `Associations::timers` has it.
    timer: Option<Time>,
}

enum Stage {
    /// To begin when somebody has vouched for the far end.
    Waiting,
    /// Under way.
    Shaking(Box<dyn Handshake>),
    /// The keys are there. The far end may ask for what it lost of the last flight.
    Up(Option<Box<dyn Handshake>>, Box<SrtpKeys>),
}

impl Association {
    fn handshake(&mut self) -> Option<&mut (dyn Handshake + 'static)> {
        match &mut self.stage {
            Stage::Waiting | Stage::Up(None, _) => None,
            Stage::Shaking(handshake) | Stage::Up(Some(handshake), _) => Some(&mut **handshake),
        }
    }

    /// Whether what is now agreed on is what runs. Whoever answers our offer of it and says nothing
    /// new means the same, whatever role it names (RFC 8842 §5.5).
    fn is_still(&self, peer: &DtlsPeer, remote: SocketAddr, is_answer: bool) -> bool {
        let same_end = remote.ip().is_unspecified() || remote == self.remote;
        let same_role = is_answer || self.peer.role == peer.role;
        same_end
            && same_role
            && (&self.peer.fingerprints, &self.peer.id) == (&peer.fingerprints, &peer.id)
    }

    fn keys(&self) -> Option<Box<SrtpKeys>> {
        match &self.stage {
            Stage::Up(_, keys) => Some(keys.clone()),
            Stage::Waiting | Stage::Shaking(_) => None,
        }
    }
}

/// The handshakes of all calls.
pub(crate) struct Associations {
    maker: Box<dyn Handshakes>,
    running: BTreeMap<CallId, Association>,
    timers: BTreeSet<(Time, CallId)>,
    counts: HandshakeCounts,
}

impl Associations {
    pub(crate) fn new(maker: Box<dyn Handshakes>) -> Self {
        Self {
            maker,
            running: BTreeMap::new(),
            timers: BTreeSet::new(),
            counts: HandshakeCounts::default(),
        }
    }

    /// When the next of them is to be looked at.
    pub(crate) fn next(&self) -> Option<Time> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Whether an offer leaves the handshake of a call as it is, or has nothing to do with one.
    pub(crate) fn goes_on(&self, id: CallId, offered: &Negotiated) -> bool {
        let Some(peer) = offered.srtp.as_ref().and_then(Keying::dtls) else { return true };
        let running = self.running.get(&id);
        running.is_some_and(|running| running.is_still(peer, offered.remote_rtp, false))
    }

    pub(crate) fn forget(&mut self, id: CallId) {
        if let Some(at) = self.running.remove(&id).and_then(|gone| gone.timer) {
            self.timers.remove(&(at, id));
        }
    }

    /// Our end of handshakes with a trunk.
    pub(crate) fn end(&self, policy: SrtpPolicy, keys: KeyExchange) -> Option<DtlsEnd> {
        (policy != SrtpPolicy::Off).then(|| DtlsEnd {
            fingerprint: self.maker.fingerprint().clone(),
            preferred: keys == KeyExchange::Dtls,
            role: None,
        })
    }

    /// Keeps the timer of a handshake where it belongs.
    fn set_timer(&mut self, id: CallId) {
        let Some(association) = self.running.get_mut(&id) else { return };
        let own = association.handshake().and_then(|handshake| handshake.poll_timeout());
        let next = own.into_iter().chain(association.until).min();
        let before = std::mem::replace(&mut association.timer, next);
        if let Some(at) = before {
            self.timers.remove(&(at, id));
        }
        if let Some(at) = next {
            self.timers.insert((at, id));
        }
    }

    /// Begins a handshake that waits, or bounds one that another end began.
    fn begin(&mut self, now: Time, id: CallId) {
        let Some(association) = self.running.get_mut(&id) else { return };
        if let Stage::Waiting = association.stage {
            if association.remote.ip().is_unspecified() {
                return;
            }
            let DtlsPeer { role, fingerprints, .. } = &association.peer;
            association.stage = Stage::Shaking(self.maker.begin(now, *role, fingerprints));
        }
        if let Stage::Shaking(_) = association.stage {
            association.until = association.until.or(Some(now + association.patience));
        }
    }
}

impl Node {
    /// What came of the handshakes of all calls.
    pub fn handshake_counts(&self) -> &HandshakeCounts {
        &self.associations.counts
    }

    /// The call's sound is encrypted by other means, or not at all.
    pub(crate) fn drop_association(&mut self, id: CallId) {
        self.associations.forget(id);
    }

    /// Who the far end of a handshake is from now on: the keys, when they are there already.
    pub(crate) fn associate(
        &mut self,
        id: CallId,
        peer: &DtlsPeer,
        remote: SocketAddr,
        signalling: Signalling,
    ) -> Option<Box<SrtpKeys>> {
        let is_answer = signalling == Signalling::Acknowledged;
        if let Some(running) = self.associations.running.get(&id)
            && running.is_still(peer, remote, is_answer)
        {
            return running.keys();
        }
        self.associations.forget(id);
        if let Some(end) = self.calls.get_mut(id).and_then(|call| call.srtp.dtls.as_mut()) {
            end.role = Some(peer.role);
        }
        let is_out = self.calls.get(id).is_some_and(|call| call.trunk.is_none());
        let patience = match peer.role {
            DtlsRole::Passive if is_out && is_answer => PATIENCE_WITH_CALLEE,
            DtlsRole::Active | DtlsRole::Passive => PATIENCE,
        };
        let (peer, stage) = (peer.clone(), Stage::Waiting);
        let association = Association { peer, remote, stage, patience, until: None, timer: None };
        self.associations.running.insert(id, association);
        None
    }

    /// The media plane knows the leg: whoever waits for the far end's first message does so from
    /// here on, and whoever sends it does when the far end is vouched for.
    pub(crate) fn shake_hands(&mut self, now: Time, id: CallId, signalling: Signalling) {
        let Some(association) = self.associations.running.get_mut(&id) else { return };
        let fresh = matches!(association.stage, Stage::Waiting);
        match (signalling, association.peer.role) {
            (Signalling::Acknowledged, _) => self.associations.begin(now, id),
            (Signalling::Pending, DtlsRole::Passive) if fresh => {
                self.associations.begin(now, id);
                // Its time begins with the ACK.
                if let Some(association) = self.associations.running.get_mut(&id) {
                    association.until = None;
                }
            }
            (Signalling::Pending, DtlsRole::Active | DtlsRole::Passive) => {}
        }
        self.heed_handshake(now, id);
    }

    /// A datagram of a handshake came to the leg.
    pub(crate) fn handshake_datagram(&mut self, now: Time, id: CallId, datagram: &[u8]) {
        let association = self.associations.running.get_mut(&id);
        if let Some(handshake) = association.and_then(Association::handshake) {
            handshake.handle_datagram(now, datagram);
            self.heed_handshake(now, id);
        }
    }

    /// Looks at the handshakes whose time has come.
    pub(crate) fn time_handshakes(&mut self, now: Time) {
        while let Some(&(at, id)) = self.associations.timers.first()
            && at <= now
        {
            let Some(association) = self.associations.running.get_mut(&id) else {
                self.associations.timers.remove(&(at, id));
                continue;
            };
            if association.until.is_some_and(|until| until <= now) {
                self.handshake_failed(now, id, HandshakeFault::TimedOut);
                continue;
            }
            if let Some(handshake) = association.handshake() {
                handshake.handle_timeout(now);
            }
            self.heed_handshake(now, id);
        }
    }

    /// Does what a handshake wants.
    fn heed_handshake(&mut self, now: Time, id: CallId) {
        let leg = LegKey(id.0);
        loop {
            let association = self.associations.running.get_mut(&id);
            let handshake = association.and_then(Association::handshake);
            match handshake.and_then(|handshake| handshake.poll_output()) {
                None => break,
                Some(HandshakeOutput::Send(datagram)) => {
                    self.media(Command::Handshake { leg, datagram });
                }
                Some(HandshakeOutput::Keys { ours, theirs }) => {
                    let keys = Box::new(SrtpKeys { ours, theirs });
                    self.handshake_done(id, &keys);
                    self.media(Command::Keys { leg, keys });
                }
                Some(HandshakeOutput::Ignored) => self.associations.counts.alerts += 1,
                Some(HandshakeOutput::Failed(fault)) => self.handshake_failed(now, id, fault),
            }
        }
        self.associations.set_timer(id);
    }

    fn handshake_done(&mut self, id: CallId, keys: &SrtpKeys) {
        let Associations { running, counts, .. } = &mut self.associations;
        let Some(association) = running.get_mut(&id) else { return };
        let stage = std::mem::replace(&mut association.stage, Stage::Waiting);
        association.stage = match stage {
            Stage::Shaking(handshake) => {
                counts.done += 1;
                Stage::Up(Some(handshake), Box::new(keys.clone()))
            }
            other @ (Stage::Waiting | Stage::Up(..)) => other,
        };
        association.until = None;
    }

    /// A handshake that has given its keys may end without a word; a call without keys cannot go on.
    fn handshake_failed(&mut self, now: Time, id: CallId, fault: HandshakeFault) {
        let Associations { running, counts, .. } = &mut self.associations;
        let Some(association) = running.get_mut(&id) else { return };
        if let Stage::Up(handshake, _) = &mut association.stage {
            *handshake = None;
            return;
        }
        *counts.failed.entry(fault).or_default() += 1;
        let media = association.remote;
        let place = self.usage.trunk_of(id).and_then(|place| self.config.trunks.get(place));
        let trunk = place.map(|trunk| trunk.name.clone());
        let failure = HandshakeFailure { trunk, media, fault };
        self.outputs.push_back(Output::HandshakeFailed(Box::new(failure)));
        let dialog = self.calls.get(id).and_then(|call| call.dialog);
        self.forget(id);
        if let Some(dialog) = dialog {
            let hangup = Hangup { q850: Some(INCOMPATIBLE) };
            or_ended(&mut self.command_errors, self.endpoint.hangup(now, dialog, hangup));
        }
        let ended = Ended { kind: EndKind::NoMedia, code: None, q850: Some(INCOMPATIBLE) };
        self.bridge.handle(now, Input::Ended { call: id, ended });
    }
}
