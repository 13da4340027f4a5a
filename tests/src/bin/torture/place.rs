//! Where the attacks happen: a bridge on a loopback network of its own, its trunks, and rooms whose
//! passcodes are known.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use bridge_tests::real::bridge::{self, Passcodes, Running, Setup};
use bridge_tests::real::checks::say;
use bridge_tests::real::records::Leg;
use bridge_tests::real::wire::Names;
use rcgen::{CertificateParams, KeyPair};

use crate::options::Options;
use crate::stalls::Stalls;

const FOLDER: &str = "target/torture";
/// The number to dial.
pub(crate) const DIAL_IN: &str = "14165550100";
/// What moderators may call begins with it.
pub(crate) const DIAL_OUT: &str = "1416";
/// Rooms of two, and the room in which guessers would find somebody.
pub(crate) const ROOMS: usize = 50;
/// The ports for sound: 500 pairs, so that all of them can be sprayed and taken.
pub(crate) const PORTS: (u16, u16) = (20_000, 20_999);
/// Looks at whether records are closed.
const CLOSING_LOOKS: usize = 10;
const CLOSING_LOOK: Duration = Duration::from_millis(500);
/// Where the carrier takes calls.
const CARRIER_PORT: u16 = 5062;

/// Loopback addresses by what lives there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    high: u8,
    low: u8,
}

impl Addresses {
    /// Made from the process id: another run on this machine has others, as has another attack.
    fn own(attack: usize) -> Self {
        let attack = u32::try_from(attack).unwrap_or_default();
        let [_, _, high, low] =
            std::process::id().wrapping_mul(16).wrapping_add(attack).to_be_bytes();
        Self { high: high & 0x3F, low }
    }

    /// In 127.128.0.0/10, far from everybody's 127.0.0.1; the network of the bridge and its trunks.
    fn home(self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, 128 | self.high, self.low, host).into()
    }

    pub(crate) fn bridge(self) -> Ipv4Addr {
        Ipv4Addr::new(127, 128 | self.high, self.low, 1)
    }

    /// The one address behind which all callers of a carrier are.
    pub(crate) fn carrier(self) -> IpAddr {
        self.home(2)
    }

    /// Of a trunk of phones, 48: those whose calls are attacked.
    pub(crate) fn phone(self, place: usize) -> IpAddr {
        self.home(64 + octet(place % 48))
    }

    /// Of the same trunk, 64: those who call beside an attack.
    pub(crate) fn lawful(self, place: usize) -> IpAddr {
        self.home(128 + octet(place % 64))
    }

    /// Of the same trunk, 32: those who attack.
    pub(crate) fn insider(self, place: usize) -> IpAddr {
        self.home(192 + octet(place % 32))
    }

    /// Of no trunk, 250.
    pub(crate) fn stranger(self, place: usize) -> IpAddr {
        Ipv4Addr::new(127, 192 | (self.high & 0x1F), self.low, 1 + octet(place % 250)).into()
    }

    /// Of no trunk, each in a network of its own, 8,000; nothing listens there.
    pub(crate) fn far_stranger(self, place: usize) -> IpAddr {
        let [high, low] = u16::try_from(place % 8000).unwrap_or_default().to_be_bytes();
        Ipv4Addr::new(127, 224 | high, low, 1 + self.low % 250).into()
    }

    /// Who attacks in a batch of hijacks: a stranger, or a phone of the same trunk.
    pub(crate) fn hijacker(self, batch: usize) -> IpAddr {
        match batch % 2 {
            0 => self.stranger(batch),
            _ => self.insider(batch),
        }
    }

    /// Where nothing is: what phones behind a NAT take for their address.
    pub(crate) fn nowhere(self, place: usize) -> IpAddr {
        Ipv4Addr::new(127, 99, self.low, 1 + octet(place % 250)).into()
    }

    fn trunks(self, with_kind: bool) -> String {
        let kind = |kind: &str| match with_kind {
            true => format!("kind = \"{kind}\"\n"),
            false => String::new(),
        };
        let network = |host: u8, bits: u8| format!("\"{}/{bits}\"", self.home(host));
        format!(
            "[[trunk]]\nname = \"carrier\"\nsources = [\"{carrier}/32\"]\ntrusted = true\n\
             destination = \"{carrier}:{CARRIER_PORT}\"\n{}\n\
             [[trunk]]\nname = \"phones\"\nsources = [{}, {}, {}]\ntrusted = false\n{}",
            kind("carrier"),
            network(64, 26),
            network(128, 26),
            network(192, 26),
            kind("phones"),
            carrier = self.carrier(),
        )
    }
}

fn octet(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// A configured bridge.
pub(crate) struct Place {
    pub(crate) setup: Setup,
    pub(crate) addresses: Addresses,
    /// Where the bridge takes calls by TLS; by UDP and TCP it does at its one address.
    pub(crate) tls: SocketAddr,
    /// The rooms' codes.
    pub(crate) rooms: Vec<Passcodes>,
}

impl Place {
    /// Makes the folder, the configuration and the rooms.
    ///
    /// `attack` keeps it apart from the places of other attacks of this run.
    pub(crate) fn new(options: &Options, attack: usize) -> Result<Self> {
        let program = match &options.program {
            Some(program) => program.canonicalize()?,
            None => bridge::program()?,
        };
        let addresses = Addresses::own(attack);
        let form = if options.quick { "quick" } else { "whole" };
        let folder = PathBuf::from(FOLDER).join(form).join(attack.to_string());
        let tls = TcpListener::bind((addresses.bridge(), 0))?.local_addr()?;
        let setup = Setup::configured(&folder, addresses.bridge(), program, |setup| {
            toml(setup, addresses, Some(tls))
        })?;
        write_certificate(setup.folder(), addresses.bridge())?;
        if setup.run(&["check-config"]).is_err() {
            say("this program knows no kinds of trunks or no TLS: they are left out");
            fs::write(setup.config(), toml(&setup, addresses, None))?;
        }
        let rooms = rooms();
        import(&setup, &rooms)?;
        Ok(Self { setup, addresses, tls, rooms })
    }

    /// Starts the bridge, and measures the machine beside it.
    pub(crate) fn start(&self) -> Result<(Running, Stalls)> {
        let running = self.setup.start()?;
        let stalls = Stalls::start(self.setup.folder(), running.id());
        Ok((running, stalls))
    }

    /// Where the bridge takes calls.
    pub(crate) fn bridge(&self) -> SocketAddr {
        self.setup.sip()
    }

    /// Where the carrier takes calls.
    pub(crate) fn carrier_port(&self) -> SocketAddr {
        (self.addresses.carrier(), CARRIER_PORT).into()
    }

    /// The records of calls, when those that were answered are closed, or after five seconds.
    pub(crate) fn closed_legs(&self, calls: &[&str]) -> Result<Vec<Leg>> {
        let calls: BTreeSet<_> = calls.iter().copied().collect();
        for _ in 0..CLOSING_LOOKS {
            let mut legs = self.setup.legs()?;
            legs.retain(|leg| calls.contains(leg.text("sip_call_id")));
            if legs.iter().all(Leg::is_closed) {
                return Ok(legs);
            }
            std::thread::sleep(CLOSING_LOOK);
        }
        let legs = self.setup.legs()?;
        Ok(legs.into_iter().filter(|leg| calls.contains(leg.text("sip_call_id"))).collect())
    }

    /// Writes down what became of each caller of an attack.
    pub(crate) fn write_outcomes(&self, attack: &str, lines: &str) -> Result<()> {
        let name: String =
            attack.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        Ok(fs::write(self.setup.folder().join(format!("{name}.txt")), lines)?)
    }

    /// The sum of the metrics whose names hold `part`.
    pub(crate) fn metric(&self, part: &str) -> Result<u64> {
        let page = self.setup.metrics()?;
        let lines = page.lines().filter(|line| !line.starts_with('#') && line.contains(part));
        Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
    }
}

/// The configuration; without an address for TLS that of a program from before there was any.
fn toml(setup: &Setup, addresses: Addresses, tls: Option<SocketAddr>) -> String {
    let streams = tls.map_or_else(String::new, |tls| {
        format!(
            "tcp = [\"{}\"]\ntls = [\"{tls}\"]\ncertificate = \"{folder}/certificate.pem\"\n\
             key = \"{folder}/key.pem\"\n",
            setup.sip(),
            folder = setup.folder().display(),
        )
    });
    format!(
        "[data]\ndir = \"{}\"\n\n[sip]\nlisten = [\"{}\"]\n{streams}\n[media]\naddress = \"{}\"\n\
         ports = \"{}-{}\"\n\n[http]\nlisten = \"{}\"\n\n[log]\nfilter = \"info\"\n\n{}",
        setup.data().display(),
        setup.sip(),
        setup.sip().ip(),
        PORTS.0,
        PORTS.1,
        setup.http(),
        addresses.trunks(tls.is_some()),
    )
}

/// A certificate for `ip`, signed by its own key.
fn write_certificate(folder: &Path, ip: Ipv4Addr) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![ip.to_string()])?.self_signed(&key)?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    Ok(fs::write(folder.join("certificate.pem"), certificate.pem())?)
}

/// Codes of eight digits, no two alike.
fn rooms() -> Vec<Passcodes> {
    let mut names = Names::new(8);
    let mut code = || format!("{:08}", 20_000_000 + names.number() % 70_000_000);
    (0..ROOMS).map(|_| Passcodes { moderator: code(), participant: code() }).collect()
}

fn import(setup: &Setup, rooms: &[Passcodes]) -> Result<()> {
    let mut rows = format!(
        "kind,name,account,number,starts_with,announce,dial_out,reference_number,moderator,participant\n\
         account,Torture,,,,,{DIAL_OUT},off,,\ndial_in,,,{DIAL_IN},,,,,,\n"
    );
    for (place, codes) in rooms.iter().enumerate() {
        let Passcodes { moderator, participant } = codes;
        rows += &format!(
            "conference,room-{place:02},Torture,,first_caller,silent,,,{moderator},{participant}\n"
        );
    }
    let file: &Path = &setup.folder().join("rooms.csv");
    fs::write(file, rows)?;
    // Random ones may happen to look easy to guess.
    let said = setup.run(&["import", "--weak-ok", &file.display().to_string()])?;
    ensure!(said.contains(&format!("{ROOMS} conferences")), "{said}");
    Ok(())
}
