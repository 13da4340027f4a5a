//! What a story tells the world to do. Everything gives the world back, so that it reads as one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use partyline_cdr_record::DialogRecord;
use partyline_control::{Ban, KeyWay, Member, Unbannable};
use partyline_media::KeyQueue;
use partyline_model::CallId;
use partyline_phones::{Audio, Command, DigitMode, Phone, PhoneConfig, PhoneId, Script};
use partyline_sip::Users;
use partyline_sip::auth::Login;

use super::World;
use crate::sim::builder::BRIDGE;
use crate::sim::clock::{ms, secs, time};
use crate::sim::journal::Disk;
use crate::sim::net::Link;
use crate::sim::phone::{self, VOICE_DBM0, tone};
use crate::sim::trunk::FarEnd;
use crate::sim::zone::Zone;

/// How long a caller may take from dialling to being in the conference or on hold.
const COMES_IN: Duration = secs(40);

impl World {
    /// New phones on the hook, that say nothing but silence.
    pub fn phones<const N: usize>(&mut self, names: [&str; N]) -> [PhoneId; N] {
        names.map(|name| self.phone_with(name, |_| {}))
    }

    /// A new phone that is not like the others.
    pub fn phone_with(&mut self, name: &str, change: impl FnOnce(&mut PhoneConfig)) -> PhoneId {
        let mut config = phone::config(name, self.ids.len(), self.seed);
        if !self.media.has_audio() {
            config.digit_mode = DigitMode::Info;
        }
        change(&mut config);
        let id = self.board.add(Phone::new(config));
        self.ids.push(id);
        if !self.media.has_audio() {
            self.tell(id, Command::Say(Audio::Nothing));
        }
        id
    }

    /// A new phone that the carrier reaches under `number`.
    pub fn callee(
        &mut self,
        name: &str,
        number: &str,
        change: impl FnOnce(&mut PhoneConfig),
    ) -> PhoneId {
        let id = self.phone_with(name, change);
        let address = self.phone(id).config().sip_address;
        self.numbers.insert(number.to_owned(), address);
        id
    }

    /// The name servers, to be changed.
    pub fn zone_mut(&mut self) -> &mut Zone {
        &mut self.zone
    }

    /// Gives a phone any order.
    pub fn tell(&mut self, id: PhoneId, command: Command) -> &mut Self {
        self.board.command(self.now, id, command);
        self.carry();
        self
    }

    /// Calls the bridge.
    pub fn dial(&mut self, id: PhoneId) -> &mut Self {
        self.tell(id, Command::Call)
    }

    /// Presses keys, each for 100 ms and 100 ms apart.
    pub fn press(&mut self, id: PhoneId, keys: &str) -> &mut Self {
        self.tell(id, Command::Press(partyline_phones::Keys::dial(keys)))
    }

    /// Talks with its own tone.
    pub fn talk(&mut self, id: PhoneId) -> &mut Self {
        self.talk_with(id, tone(id))
    }

    /// Talks with another tone.
    pub fn talk_with(&mut self, id: PhoneId, hz: f64) -> &mut Self {
        self.talking.insert(id, (self.now, hz));
        self.tell(id, Command::Say(Audio::Tone { hz, dbm0: VOICE_DBM0 }))
    }

    /// Stops talking: packets of silence.
    pub fn hush(&mut self, id: PhoneId) -> &mut Self {
        self.talking.remove(&id);
        self.tell(id, Command::Say(Audio::Silence))
    }

    /// Hangs up, or takes the call back.
    pub fn hang_up(&mut self, id: PhoneId) -> &mut Self {
        self.talking.remove(&id);
        self.tell(id, Command::HangUp)
    }

    /// Plays a story.
    pub fn play(&mut self, id: PhoneId, script: Script) -> &mut Self {
        self.tell(id, Command::Run(script))
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) -> &mut Self {
        self.run_until(self.now + time)
    }

    /// Lets hours pass in which nobody says or hears anything: the media plane's clock stands
    /// still, all others run.
    pub fn skip(&mut self, time: Duration) -> &mut Self {
        let silent: Vec<PhoneId> = self.ids.clone();
        for &id in &silent {
            self.talking.remove(&id);
            self.tell(id, Command::Say(Audio::Nothing));
        }
        self.run_for(ms(100));
        self.media.freeze(true);
        self.run_for(time.saturating_sub(ms(100)));
        self.media.freeze(false);
        self
    }

    /// Lets time pass until something holds.
    ///
    /// # Panics
    /// When it does not within `limit`.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> &mut Self {
        let deadline = self.now + limit;
        while !holds(self) {
            assert!(self.step(deadline), "not in {limit:?}: {what} (at {:?})", self.now);
        }
        self
    }

    /// Calls, presses a passcode when asked for it, and waits to be in the conference or on hold.
    ///
    /// # Panics
    /// When that does not come.
    pub fn join(&mut self, id: PhoneId, passcode: &str) -> &mut Self {
        let name = self.phone(id).config().name.clone();
        self.dial(id);
        self.wait_for(&format!("{name} is answered"), COMES_IN, |world| world.is_up(id));
        self.run_for(secs(1)).press(id, passcode);
        self.wait_for(&format!("{name} is in"), COMES_IN, |world| {
            world.room_of(id).is_some() || world.hears_music(id)
        })
    }

    /// The bridge presses the keys of a dial string for a phone.
    ///
    /// # Panics
    /// When the phone is in no call, or the string is none.
    pub fn send_keys(&mut self, id: PhoneId, keys: &str, way: KeyWay) -> &mut Self {
        let far = self.phone(id).config().described().ip();
        let (leg, _) = self.watch.leg_of(far).expect("the phone is in a call");
        let keys = KeyQueue::dial(keys).expect("keys of a pad");
        self.node.send_keys(time(self.now), CallId(leg.0), keys, way);
        self.carry();
        self
    }

    /// Sends a datagram from anywhere to the bridge's SIP port.
    pub fn throw_at_sip(&mut self, from: SocketAddr, bytes: &[u8]) -> &mut Self {
        self.net.send(self.now, from, BRIDGE, bytes);
        self
    }

    /// Sends a datagram from anywhere to one of the bridge's media ports.
    pub fn throw_at_port(&mut self, from: SocketAddr, port: u16, bytes: &[u8]) -> &mut Self {
        self.net.send(self.now, from, SocketAddr::new(BRIDGE.ip(), port), bytes);
        self
    }

    /// Another program takes a media port.
    pub fn occupy_port(&mut self, port: u16) -> &mut Self {
        self.media.occupy(port);
        self
    }

    /// Changes what the disk does.
    pub fn set_disk(&mut self, disk: Disk) -> &mut Self {
        self.journal.set_disk(self.now, disk);
        self
    }

    /// Changes the link of one phone.
    pub fn set_link(&mut self, id: PhoneId, link: Link) -> &mut Self {
        let far = self.phone(id).config().sip_address.ip();
        self.net.set_link(far, link);
        self
    }

    /// The far end at an address changes its ways.
    ///
    /// # Panics
    /// When nobody is there.
    pub fn change_far_end(
        &mut self,
        at: SocketAddr,
        change: impl FnOnce(&mut FarEnd),
    ) -> &mut Self {
        change(self.far_ends.get_mut(&at).expect("somebody is there"));
        self
    }

    /// The connection to the far end at an address is cut; with `shut`, no other can be opened.
    pub fn cut_off(&mut self, at: SocketAddr, shut: bool) -> &mut Self {
        let flow = self.stream(at);
        self.change_far_end(at, |far_end| (far_end.connection, far_end.shut) = (None, shut));
        if let Some(flow) = flow {
            self.node.handle_closed(time(self.now), flow);
            self.carry();
        }
        self
    }

    /// Bans a source as the operator would.
    ///
    /// # Errors
    /// Why it is not banned.
    pub fn ban(&mut self, source: IpAddr) -> Result<Ban, Unbannable> {
        self.node.ban(time(self.now), source, None)
    }

    /// Users of the bridge's own, and their numbers.
    pub fn set_users(&mut self, users: Users, members: Vec<(Box<str>, Member)>) -> &mut Self {
        self.node.set_users(users, members);
        self
    }

    /// The operator gives the trunk in a place another password.
    pub fn renew_login(&mut self, place: usize, login: Arc<Login>) -> &mut Self {
        self.node.set_login(time(self.now), place, login);
        self.carry();
        self
    }

    /// The bridge is given dialogs as if a run before had lost them.
    pub fn hang_up_lost(&mut self, dialogs: Vec<DialogRecord>) -> &mut Self {
        self.node.hang_up_lost(time(self.now), dialogs);
        self.carry();
        self
    }

    /// The bridge is to go down for service.
    pub fn drain(&mut self) -> &mut Self {
        self.node.drain(time(self.now));
        self.carry();
        self
    }
}
