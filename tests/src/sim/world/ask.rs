//! What a story asks of the world.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use partyline_control::{
    Ban, GuessAlarm, HandshakeFailure, Node, Refusal, TrunkChange, TrunkFailure,
};
use partyline_dialplan::Prompt;
use partyline_model::{MixId, Uuid};
use partyline_phones::{CallSummary, Ending, Event, Phone, PhoneId, analysis};

use super::World;
use crate::sim::assertions::{Leg, Tape};
use crate::sim::clock::ms;
use crate::sim::journal::Journal;
use crate::sim::media::{Media, samples};
use crate::sim::net::Carried;
use crate::sim::trunk::FarEnd;
use crate::sim::zone::Zone;

/// What "now" means to an ear: from so long ago…
const LISTEN_FROM: Duration = ms(1000);
/// …to so long ago, for what is on its way has not been heard.
const LISTEN_TO: Duration = ms(100);

impl World {
    /// The time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// A phone.
    pub fn phone(&self, id: PhoneId) -> &Phone {
        self.board.phone(id)
    }

    /// The phone's last call, as it saw it.
    ///
    /// # Panics
    /// When it had none.
    pub fn call(&self, id: PhoneId) -> &CallSummary {
        self.phone(id).call().expect("the phone had a call")
    }

    /// The SIP Call-ID of the phone's last call.
    pub fn call_id(&self, id: PhoneId) -> &str {
        &self.call(id).call_id
    }

    /// Whether the phone's call is answered and not over.
    pub fn is_up(&self, id: PhoneId) -> bool {
        self.phone(id).is_up()
    }

    /// How the phone's last call ended; `None` while it lasts.
    pub fn ending(&self, id: PhoneId) -> Option<Ending> {
        self.call(id).ending
    }

    /// Whether the phone saw such an event.
    pub fn saw(&self, id: PhoneId, event: &Event) -> bool {
        self.phone(id).log().iter().any(|entry| entry.event == *event)
    }

    /// Whether the phone heard a tone during the last second.
    pub fn hears(&self, id: PhoneId, hz: f64) -> bool {
        let (from, to) = self.lately();
        self.phone(id).hears_tone(hz, from, to)
    }

    /// Whether the phone heard something during the last second, and not this tone.
    pub fn lacks(&self, id: PhoneId, hz: f64) -> bool {
        let (from, to) = self.lately();
        self.phone(id).lacks_tone(hz, from, to)
    }

    /// Whether the phone heard nothing during the last second.
    pub fn hears_silence(&self, id: PhoneId) -> bool {
        let (from, to) = self.lately();
        self.phone(id).silent(from, to)
    }

    /// Whether a prompt is in what the phone heard since `from`.
    pub fn heard_prompt(&self, id: PhoneId, prompt: Prompt, from: Duration) -> bool {
        let prompt = analysis::Prompt::new(samples(prompt));
        self.phone(id).heard_prompt(&prompt, from, self.now).is_some()
    }

    fn lately(&self) -> (Duration, Duration) {
        (self.now.saturating_sub(LISTEN_FROM), self.now.saturating_sub(LISTEN_TO))
    }

    /// What the phone's last leg was told to hear, in order.
    pub fn prompts(&self, id: PhoneId) -> Vec<Prompt> {
        let leg = self.watch.last_leg_of(self.far(id));
        leg.map(|leg| leg.prompts.iter().map(|&(_, prompt)| prompt).collect()).unwrap_or_default()
    }

    /// How often the phone's last leg was told to hear `prompt`.
    pub fn times_played(&self, id: PhoneId, prompt: Prompt) -> usize {
        self.prompts(id).into_iter().filter(|&played| played == prompt).count()
    }

    /// The phone's leg in the media plane, while it is up.
    pub fn leg(&self, id: PhoneId) -> Option<&Leg> {
        Some(self.watch.leg_of(self.far(id))?.1)
    }

    /// The mix that the phone is in.
    pub fn room_of(&self, id: PhoneId) -> Option<MixId> {
        self.leg(id)?.room
    }

    /// Whether hold music plays to the phone.
    pub fn hears_music(&self, id: PhoneId) -> bool {
        self.leg(id).is_some_and(|leg| leg.music)
    }

    /// The bridge's RTP port for the phone.
    pub fn port_of(&self, id: PhoneId) -> Option<u16> {
        self.media.port_of(self.watch.leg_of(self.far(id))?.0)
    }

    fn far(&self, id: PhoneId) -> IpAddr {
        self.phone(id).config().described().ip()
    }

    /// The recordings so far.
    pub fn tapes(&self) -> Vec<&Tape> {
        self.watch.tapes().collect()
    }

    /// The refusals that the node had logged.
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The calls that ended since their handshakes gave no keys.
    pub fn handshake_failures(&self) -> &[HandshakeFailure] {
        &self.handshake_failures
    }

    /// The failures of trunks that the node had logged.
    pub fn trunk_failures(&self) -> &[TrunkFailure] {
        &self.trunk_failures
    }

    /// What the node had logged of its trunks, and when.
    pub fn trunk_changes(&self) -> &[(Duration, TrunkChange)] {
        &self.trunk_changes
    }

    /// The name servers.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Who answers REGISTER and OPTIONS at an address.
    ///
    /// # Panics
    /// When nobody does.
    pub fn far_end(&self, at: SocketAddr) -> &FarEnd {
        self.far_ends.get(&at).expect("somebody is there")
    }

    /// The node under test, for its counters.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The media plane.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// The disk.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What became of the datagrams.
    pub fn carried(&self) -> Carried {
        self.net.carried()
    }

    /// The alarms about guessed passcodes, and when each came.
    pub fn alarms(&self) -> &[(Duration, GuessAlarm)] {
        &self.alarms
    }

    /// The bans that began, as the log has them.
    pub fn bans(&self) -> &[Ban] {
        &self.bans
    }

    /// Whether the node has reported that it is drained.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    /// Octets of RTP and RTCP that the bridge has sent to an address.
    pub fn media_sent_to(&self, address: SocketAddr) -> usize {
        self.media_sent.get(&address).copied().unwrap_or(0)
    }

    /// The legs at whose ports RTP and RTCP of others came, so many datagrams each; told when they
    /// have ended.
    pub fn intruded(&self) -> &[(Uuid, u64, u64)] {
        &self.intruded
    }

    /// All that flew and was written, when [`super::Builder::keep_log`] asked for it.
    pub fn log(&self) -> &[u8] {
        self.log.as_deref().unwrap_or_default()
    }

    /// What the node let out in words: SIP messages, records as they print, summaries, file names.
    pub fn uttered(&self) -> &[u8] {
        &self.uttered
    }

    /// How often somebody was found not to hear himself.
    pub fn echoes_listened_for(&self) -> u64 {
        self.echoes_listened_for
    }

    /// Steps of the clock so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}
