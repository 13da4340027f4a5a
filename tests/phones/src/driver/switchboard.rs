//! Many phones behind one face, for a network that owns them: which phone has an address, whose
//! timer is next, what goes out. Pure: the simulated network and the UDP driver both stand on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::phone::{Command, Input, Phone, Port};

/// A phone's place in its switchboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(usize);

impl PhoneId {
    /// Counted from 0 in the order of adding.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// A datagram on its way from a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it.
    pub phone: PhoneId,
    /// From which of its ports.
    pub port: Port,
    /// That port's address.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// All phones of a test or a story.
#[derive(Default)]
pub struct Switchboard {
    phones: Vec<Phone>,
    addresses: BTreeMap<SocketAddr, (PhoneId, Port)>,
    timers: BTreeSet<(Duration, PhoneId)>,
    /// The entry of each phone in `timers`.
    armed: Vec<Option<Duration>>,
    packets: VecDeque<Packet>,
}

impl Switchboard {
    /// One without phones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a phone in; its addresses come from its config.
    pub fn add(&mut self, phone: Phone) -> PhoneId {
        let id = PhoneId(self.phones.len());
        for port in [Port::Sip, Port::Rtp, Port::Rtcp] {
            self.addresses.insert(address(&phone, port), (id, port));
        }
        self.phones.push(phone);
        self.armed.push(None);
        id
    }

    /// A phone, to ask it what it heard.
    ///
    /// # Panics
    /// When the id is another switchboard's.
    #[must_use]
    pub fn phone(&self, id: PhoneId) -> &Phone {
        &self.phones[id.0]
    }

    /// All phones in the order of adding.
    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.phones.iter()
    }

    /// Gives one phone an order.
    pub fn command(&mut self, now: Duration, id: PhoneId, command: Command) {
        self.handle(now, id, Input::Command(command));
    }

    /// Brings a datagram to whose address it is; false when it is nobody's here.
    pub fn deliver(
        &mut self,
        now: Duration,
        to: SocketAddr,
        source: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let Some(&(id, port)) = self.addresses.get(&to) else { return false };
        self.handle(now, id, Input::Datagram { port, source, bytes });
        true
    }

    /// Lets all phones act whose time has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(&(time, id)) = self.timers.first() {
            if time > now {
                return;
            }
            self.handle(now, id, Input::Timeout);
        }
    }

    /// The next datagram to carry, until `None`.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    /// When to call [`Switchboard::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|&(time, _)| time)
    }

    /// Whether every phone's story is over and no message waits for an answer.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.phones.iter().all(Phone::is_done)
    }

    /// Notes every unfinished story as failed where it stands.
    pub fn give_up_stories(&mut self, now: Duration) {
        for phone in &mut self.phones {
            phone.give_up_story(now);
        }
    }

    fn handle(&mut self, now: Duration, id: PhoneId, input: Input<'_>) {
        let mut marks = self.feed(now, id, input);
        while let Some(mark) = marks.pop_front() {
            for other in (0..self.phones.len()).map(PhoneId) {
                let input = Input::Command(Command::Mark(mark.clone()));
                marks.append(&mut self.feed(now, other, input));
            }
        }
    }

    /// One input to one phone; the marks its story came to by it.
    fn feed(&mut self, now: Duration, id: PhoneId, input: Input<'_>) -> VecDeque<String> {
        let phone = &mut self.phones[id.0];
        phone.handle(now, input);
        while let Some(transmit) = phone.poll_output() {
            let from = address(phone, transmit.from);
            let (port, to, bytes) = (transmit.from, transmit.to, transmit.bytes);
            self.packets.push_back(Packet { phone: id, port, from, to, bytes });
        }
        let marks = std::iter::from_fn(|| phone.poll_mark()).collect();
        let next = phone.poll_timeout();
        let armed = &mut self.armed[id.0];
        if *armed != next {
            if let Some(old) = armed.take() {
                self.timers.remove(&(old, id));
            }
            self.timers.extend(next.map(|time| (time, id)));
            *armed = next;
        }
        marks
    }
}

fn address(phone: &Phone, port: Port) -> SocketAddr {
    let config = phone.config();
    match port {
        Port::Sip => config.sip_address,
        Port::Rtp => config.rtp_address,
        Port::Rtcp => {
            let rtp = config.rtp_address;
            SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
        }
    }
}
