//! A network for the tests: 10 ms of delay, rules that lose or change datagrams, a virtual clock.

pub(crate) mod ear;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use partyline_phones::{Command, Packet, Phone, PhoneConfig, PhoneId, Script, Switchboard};

const DELAY: Duration = Duration::from_millis(10);

/// What the network does to datagrams.
pub(crate) enum Rule {
    /// Loses the first so many that match: a method and a space, or `status:METHOD`.
    LoseFirst(String, usize),
    /// Changes text in every SIP response.
    Replace(String, String),
    /// Delays what is no SIP by so much more once so much time has passed.
    DelaySound { from: Duration, by: Duration },
    /// Sends noise, and broken copies of what passes, to every port.
    Garbage { seed: u64 },
}

pub(crate) struct Net {
    board: Switchboard,
    now: Duration,
    flying: BTreeMap<(Duration, u64), Packet>,
    count: u64,
    rules: Vec<Rule>,
    lost: usize,
    delivered: Vec<Packet>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self {
            board: Switchboard::new(),
            now: Duration::ZERO,
            flying: BTreeMap::new(),
            count: 0,
            rules: Vec::new(),
            lost: 0,
            delivered: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, config: PhoneConfig) -> PhoneId {
        self.board.add(Phone::new(config))
    }

    pub(crate) fn rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn phone(&self, id: PhoneId) -> &Phone {
        self.board.phone(id)
    }

    pub(crate) fn command(&mut self, id: PhoneId, command: Command) {
        self.board.command(self.now, id, command);
        self.carry();
    }

    pub(crate) fn run_script(&mut self, id: PhoneId, script: Script) {
        self.command(id, Command::Run(script));
    }

    pub(crate) fn lost(&self) -> usize {
        self.lost
    }

    /// All that came to a phone, in order.
    pub(crate) fn wire_to(&self, id: PhoneId) -> Vec<Packet> {
        let config = self.phone(id).config();
        let own = [config.sip_address, config.rtp_address];
        self.delivered.iter().filter(|packet| own.contains(&packet.to)).cloned().collect()
    }

    pub(crate) fn everything(&self) -> Vec<Packet> {
        self.delivered.clone()
    }

    /// Lets time pass up to `until`.
    pub(crate) fn run(&mut self, until: Duration) {
        loop {
            let flight = self.flying.keys().next().map(|&(time, _)| time);
            let timer = self.board.poll_timeout();
            let Some(next) = flight.into_iter().chain(timer).min() else { break };
            assert!(next >= self.now, "a timer in the past");
            if next > until {
                break;
            }
            self.now = next;
            while let Some(entry) = self.flying.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let packet = entry.remove();
                self.board.deliver(self.now, packet.to, packet.from, &packet.bytes);
                self.delivered.push(packet);
            }
            self.board.handle_timeout(self.now);
            self.carry();
        }
        self.now = until;
    }

    fn carry(&mut self) {
        while let Some(packet) = self.board.poll_transmit() {
            self.one(packet);
        }
    }

    fn one(&mut self, mut packet: Packet) {
        let kind = kind(&packet.bytes);
        let mut extra = Vec::new();
        let mut delay = DELAY;
        for rule in &mut self.rules {
            match rule {
                Rule::LoseFirst(what, left) if *left > 0 && kind.starts_with(what.as_str()) => {
                    *left -= 1;
                    self.lost += 1;
                    return;
                }
                Rule::LoseFirst(..) => {}
                Rule::Replace(from, to) => {
                    if kind.contains(':') {
                        let text = String::from_utf8_lossy(&packet.bytes).replace(&*from, to);
                        packet.bytes = text.into_bytes();
                    }
                }
                Rule::DelaySound { from, by } => {
                    if !packet.bytes.is_ascii() && self.now >= *from {
                        delay += *by;
                    }
                }
                Rule::Garbage { seed } => extra.push(broken(&packet, seed)),
            }
        }
        for packet in std::iter::once(packet).chain(extra) {
            self.count += 1;
            self.flying.insert((self.now + delay, self.count), packet);
        }
    }
}

/// A copy with half its octets changed: it has the address of a real one and makes no sense.
fn broken(packet: &Packet, seed: &mut u64) -> Packet {
    let mut copy = packet.clone();
    for octet in &mut copy.bytes {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if *seed >> 63 == 1 {
            *octet = seed.to_be_bytes()[3];
        }
    }
    copy.bytes[0] &= 0x3F;
    copy
}

/// `METHOD uri` of a request, `status:METHOD` of a response, empty for RTP.
fn kind(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
    let Some(rest) = text.strip_prefix("SIP/2.0 ") else { return text.to_owned() };
    let method = text.lines().find_map(|line| line.strip_prefix("CSeq: ")?.split(' ').nth(1));
    format!("{}:{}", &rest[..3], method.unwrap_or(""))
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A phone at 127.0.0.`host` that calls Ben at 127.0.0.3.
pub(crate) fn phone_config(name: &str, host: u8) -> PhoneConfig {
    let at = |host: u8, port: u16| SocketAddr::from(([127, 0, 0, host], port));
    let mut config = PhoneConfig::new(name, at(host, 5060), at(host, 4000), at(3, 5060));
    config.seed = u64::from(host);
    config
}
