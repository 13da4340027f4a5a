//! What a world begins with: accounts, conferences, passcodes, a dial-in number, a disk, links.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use partyline_conference::Config;
use partyline_control::{
    Numbers, Presenting, RejectCodes, Routing, SourceKind, Trunk, TrunkLimits, TrunkSound,
    Verification, Verifying,
};
use partyline_directory::{
    AccessKind, Account, AccountStatus, Announce, Conference, DialIn, DialOutPolicy, Entitlements,
    Passcode, Pepper, ReferenceNumber, Snapshot, StartsWith, passcode_mask, verifier,
};
use partyline_model::{AccountId, ConferenceId, PasscodeId, Role};
use partyline_sip::sdp::{KeyExchange, SrtpPolicy};
use partyline_sip::{Extensions, Identity};

use super::clock::ms;
use super::journal::Disk;
use super::net::Link;
use super::trunk::FarEnd;
use super::world::World;
use super::zone::Zone;

/// The moderator's passcode of the first conference, with its pound.
pub const MODERATOR: &str = "48291573#";
/// The participants' passcode of the first conference.
pub const PARTICIPANT: &str = "739164#";
/// The listeners' passcode of the first conference.
pub const LISTENER: &str = "617283#";
/// The number of the bridge.
pub const DIAL_IN: &str = "18005550142";
/// Where the bridge takes SIP; its media is at the same address.
pub const BRIDGE: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060);
/// The carrier that calls out go through.
pub const CARRIER: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 5060);

/// A conference and the keys that open it.
#[derive(Clone, Debug)]
pub struct Room {
    /// The row of the store.
    pub id: u64,
    /// With or without the pound.
    pub moderator: String,
    /// With or without the pound.
    pub participant: String,
}

/// The trunk of every world: phones behind a carrier, that takes calls out as well.
pub fn carrier() -> Trunk {
    Trunk {
        id: 7,
        name: "carrier".to_owned(),
        sources: vec![
            "10.0.0.0/8".parse().expect("a prefix"),
            "198.51.100.0/24".parse().expect("a prefix"),
        ],
        kind: SourceKind::Carrier,
        media_sources: Vec::new(),
        transport: partyline_sip::Transport::Udp,
        uri_passcode: true,
        trusted: true,
        srtp: SrtpPolicy::Off,
        srtp_keys: KeyExchange::Sdes,
        extensions: Extensions::default(),
        source_names: Vec::new(),
        destination: Some(CARRIER.into()),
        numbers: Numbers::default(),
        caller_from: vec![Identity::Asserted, Identity::From],
        presenting: Presenting::default(),
        sound: TrunkSound::default(),
        reject: RejectCodes::default(),
        caller_id: None,
        login: None,
        verifying: Verifying::Off,
        signer: None,
        routing: Routing::default(),
        limits: TrunkLimits::default(),
        domain: None,
        account: None,
        pings: None,
    }
}

/// How sound is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fidelity {
    Audio,
    Signals,
}

/// The beginnings of a world.
pub struct Builder {
    pub(super) seed: u64,
    pub(super) fidelity: Fidelity,
    pub(super) disk: Disk,
    pub(super) link: Link,
    pub(super) config: Config,
    pub(super) keeps_log: bool,
    account: Account,
    starts_with: StartsWith,
    ends_with_moderator: bool,
    announce: Announce,
    max_legs: u16,
    rooms: Vec<Room>,
    own_numbers: Vec<String>,
    pub(super) verification: Verification,
    pub(super) trunks: Vec<Trunk>,
    pub(super) far_ends: Vec<(SocketAddr, FarEnd)>,
    pub(super) zone: Zone,
}

impl Builder {
    pub(super) fn new() -> Self {
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
            caller_id: Some("14165550111".parse().expect("a number")),
            time_zone: "America/Toronto".to_owned(),
            currency: "CAD".to_owned(),
            country_code: "1".to_owned(),
            rate_plan: 90,
        };
        Self {
            seed: 1,
            fidelity: Fidelity::Audio,
            disk: Disk::Writes { from: ms(2), to: ms(6) },
            link: Link::GOOD,
            config: Config::default(),
            keeps_log: false,
            account,
            starts_with: StartsWith::Moderator,
            ends_with_moderator: true,
            announce: Announce::Tones,
            max_legs: 200,
            rooms: vec![Room {
                id: 1,
                moderator: MODERATOR.to_owned(),
                participant: PARTICIPANT.to_owned(),
            }],
            own_numbers: Vec::new(),
            verification: Verification::none(),
            trunks: vec![carrier()],
            far_ends: Vec::new(),
            zone: Zone::default(),
        }
    }

    /// Another seed, another world.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Signalling only: no packet of sound is made, keys come by SIP INFO, hours cost little.
    #[must_use]
    pub fn without_audio(mut self) -> Self {
        self.fidelity = Fidelity::Signals;
        self
    }

    /// The disk that records go to.
    #[must_use]
    pub fn disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// The link of every phone.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// Timers and limits of the call flow.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Who must be there for the callers to hear each other.
    #[must_use]
    pub fn starts_with(mut self, starts_with: StartsWith) -> Self {
        self.starts_with = starts_with;
        self
    }

    /// Conferences go on when their last moderator has left.
    #[must_use]
    pub fn goes_on_alone(mut self) -> Self {
        self.ends_with_moderator = false;
        self
    }

    /// What is heard when somebody joins or leaves.
    #[must_use]
    pub fn announce(mut self, announce: Announce) -> Self {
        self.announce = announce;
        self
    }

    /// Most legs of a conference.
    #[must_use]
    pub fn max_legs(mut self, most: u16) -> Self {
        self.max_legs = most;
        self
    }

    /// Changes what the account has bought.
    #[must_use]
    pub fn entitlements(mut self, change: impl FnOnce(&mut Entitlements)) -> Self {
        change(&mut self.account.entitlements);
        self
    }

    /// Who may call, and whom calls out go through; at first [`carrier`] alone.
    #[must_use]
    pub fn trunks(mut self, change: impl FnOnce(&mut Vec<Trunk>)) -> Self {
        change(&mut self.trunks);
        self
    }

    /// Who answers REGISTER and OPTIONS at an address; nobody does elsewhere.
    #[must_use]
    pub fn far_end(mut self, at: SocketAddr, far_end: FarEnd) -> Self {
        self.far_ends.push((at, far_end));
        self
    }

    /// Where a name leads at first.
    #[must_use]
    pub fn name(mut self, name: &str, addresses: &[SocketAddr]) -> Self {
        self.zone.set(name, addresses);
        self
    }

    /// One more conference of the same account.
    #[must_use]
    pub fn conference(mut self, room: Room) -> Self {
        self.rooms.push(room);
        self
    }

    /// By what signatures of callers' numbers are judged.
    #[must_use]
    pub fn verification(mut self, verification: Verification) -> Self {
        self.verification = verification;
        self
    }

    /// A number that reaches the account alone.
    #[must_use]
    pub fn own_number(mut self, number: &str) -> Self {
        self.own_numbers.push(number.to_owned());
        self
    }

    /// Everything that flies or is written goes into [`World::log`], too.
    #[must_use]
    pub fn keep_log(mut self) -> Self {
        self.keeps_log = true;
        self
    }

    /// Begins.
    pub fn start(self) -> World {
        World::begin(self)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let pepper = Arc::new(Pepper::new(&[7; 32]));
        let mut directory = Snapshot::builder(1, Arc::clone(&pepper))
            .account(self.account.clone())
            .dial_in(DialIn {
                number: DIAL_IN.parse().expect("a number"),
                aliases: vec!["conference".to_owned()],
                account: None,
                access_kind: AccessKind::TollFree,
                language: "en-US".to_owned(),
                welcome: None,
            });
        for number in &self.own_numbers {
            directory = directory.dial_in(DialIn {
                number: number.parse().expect("a number"),
                aliases: Vec::new(),
                account: Some(self.account.id),
                access_kind: AccessKind::Local,
                language: "en-US".to_owned(),
                welcome: None,
            });
        }
        for room in &self.rooms {
            directory = directory.conference(Conference {
                id: ConferenceId(room.id),
                account: self.account.id,
                name: format!("Room {}", room.id),
                starts_with: self.starts_with,
                max_legs: self.max_legs,
                announce: self.announce,
                enabled: true,
                ends_with_moderator: self.ends_with_moderator,
            });
            let listener = if room.id == 1 { LISTENER } else { "" };
            let codes = [
                (1, room.moderator.as_str(), Role::Moderator),
                (2, room.participant.as_str(), Role::Participant),
                (3, listener, Role::Listener),
            ];
            for (place, code, role) in codes.into_iter().filter(|code| !code.1.is_empty()) {
                let digits = code.trim_end_matches('#');
                directory = directory.passcode(Passcode {
                    id: PasscodeId(room.id * 10 + place),
                    conference: ConferenceId(room.id),
                    role,
                    verifier: verifier(&pepper, digits),
                    mask: passcode_mask(digits),
                });
            }
        }
        directory.build().expect("the directory of the world is sound")
    }
}
