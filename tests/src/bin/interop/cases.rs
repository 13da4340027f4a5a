//! The cases: who calls, what must be heard, and what records must say afterwards.

use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::baresip::{self, Pair};
use crate::carrier;
use crate::ear::{Ear, Stretch};
use crate::networks;
use crate::place::{MODERATOR, Place};
use crate::sipp::{self, Scenario};
use crate::users;

/// One line of the report.
pub(crate) struct Case {
    /// Short name; Call-IDs of sipp begin with it.
    pub(crate) name: &'static str,
    /// What is shown when it passes.
    pub(crate) says: &'static str,
    /// When it runs.
    pub(crate) turn: Turn,
    /// Who calls.
    pub(crate) phones: Phones,
    /// Judges what came to the media port, for scenarios with one.
    pub(crate) hears: Option<Judge>,
    /// What the records of its calls must be.
    pub(crate) records: Records,
}

/// Says what is wrong with what was heard.
type Judge = fn(&[Stretch]) -> Result<()>;

/// When a case runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// From the beginning, beside all others.
    Throughout,
    /// Beside a few others.
    Shared,
    /// After the others, without others that load the machine.
    Alone,
    /// The same, and only when it is asked for by name: it needs what Debian has not.
    Named,
}

/// Who calls.
pub(crate) enum Phones {
    /// sipp.
    Sipp(Scenario),
    /// Two of baresip.
    Baresip(Pair),
    /// Telephones of a carrier that another bridge is registered at.
    Carrier(fn(&Place, &Path) -> Result<()>),
    /// Telephones and another bridge in networks of their own.
    Network(fn(&Place, &Path) -> Result<()>),
}

/// Records of a case.
pub(crate) struct Records {
    /// How many there may be.
    pub(crate) count: RangeInclusive<usize>,
    /// Fields of each, with the values that they may have.
    pub(crate) fields: &'static [(&'static str, &'static [&'static str])],
}

const fn records(
    count: usize,
    fields: &'static [(&'static str, &'static [&'static str])],
) -> Records {
    Records { count: count..=count, fields }
}

const NONE: Records = records(0, &[]);
/// One call that the caller ended.
const ONE: Records = normal(1);

/// So many of them.
const fn normal(count: usize) -> Records {
    records(count, &[("close_reason", &["normal"]), ("release_by", &["caller"])])
}

const fn shared(name: &'static str, says: &'static str, records: Records) -> Case {
    let phones = Phones::Sipp(Scenario::ours(name));
    Case { name, says, turn: Turn::Shared, phones, hears: None, records }
}

const fn listening(name: &'static str, says: &'static str, hears: Judge) -> Case {
    let mut case = shared(name, says, ONE);
    case.hears = Some(hears);
    case
}

const fn talking(name: &'static str, says: &'static str, pair: Pair) -> Case {
    let records = normal(2);
    let (turn, phones) = (Turn::Alone, Phones::Baresip(pair));
    Case { name, says, turn, phones, hears: None, records }
}

const fn by_carrier(
    name: &'static str,
    says: &'static str,
    story: fn(&Place, &Path) -> Result<()>,
) -> Case {
    // All have the address of the second bridge.
    let (turn, phones) = (Turn::Alone, Phones::Carrier(story));
    Case { name, says, turn, phones, hears: None, records: NONE }
}

const fn in_networks(
    name: &'static str,
    says: &'static str,
    story: fn(&Place, &Path) -> Result<()>,
) -> Case {
    let (turn, phones) = (Turn::Throughout, Phones::Network(story));
    Case { name, says, turn, phones, hears: None, records: NONE }
}

const fn with(case: Case, scenario: Scenario) -> Case {
    let Case { name, says, turn, phones: _, hears, records } = case;
    Case { name, says, turn, phones: Phones::Sipp(scenario), hears, records }
}

/// All of them.
pub(crate) const CASES: &[Case] = &[
    Case {
        turn: Turn::Throughout,
        ..with(
            shared(
                "no-ack",
                "a lost ACK: the 200 is repeated for 32 s, then comes BYE",
                records(1, &[("close_reason", &["no_ack"])]),
            ),
            Scenario { limit: 50, options: &["-nr"], ..Scenario::ours("no-ack") },
        )
    },
    Case {
        turn: Turn::Throughout,
        ..with(
            shared("refresher", "a session timer of 90 s: the bridge refreshes after 45 s", ONE),
            Scenario { limit: 70, options: &["-inf", "digits.csv"], ..Scenario::ours("refresher") },
        )
    },
    listening("talk", "a call hears the prompts and hangs up", |heard| match heard {
        [welcome] if welcome.payload_type == 0 && welcome.packets > 75 => Ok(()),
        _ => bail!("heard {heard:?}"),
    }),
    listening("late-offer", "the bridge offers, the ACK answers with PCMA", |heard| match heard {
        [welcome] if welcome.payload_type == 8 && welcome.packets > 60 => Ok(()),
        _ => bail!("heard {heard:?}"),
    }),
    listening(
        "reinvite",
        "hold, resume, another codec, a re-INVITE without an offer",
        renegotiated,
    ),
    shared(
        "cancel",
        "CANCEL before the answer: 487, or an answered call and BYE",
        // None where the CANCEL came before the call was admitted.
        Records { count: 0..=1, ..ONE },
    ),
    shared("cancel-unknown", "CANCEL of nothing: 481", NONE),
    with(
        shared("retransmit", "an INVITE three times over: one call, one 200", ONE),
        Scenario { options: &["-nr"], ..Scenario::ours("retransmit") },
    ),
    shared("prack", "a caller that requires reliable responses: taken, and a stray PRACK 481", ONE),
    shared("update", "hold, a mere refresh and resume, all by UPDATE", ONE),
    shared("bye-twice", "the second BYE: 481", ONE),
    shared("options", "OPTIONS: 200 with Allow and Accept", NONE),
    shared("unknown-method", "a method nobody knows: 405 or 501", NONE),
    with(
        shared(
            "unknown-number",
            "a number that is not ours: 404",
            records(1, &[("close_reason", &["not_found"])]),
        ),
        Scenario { number: Some("14165550999"), ..Scenario::ours("unknown-number") },
    ),
    shared("missing-header", "an INVITE without From: 400", NONE),
    shared("require", "an extension that the bridge lacks: 420", NONE),
    shared("max-forwards", "Max-Forwards: 0 reaches an endpoint", ONE),
    with(
        shared("merged", "one INVITE by two ways: the second 482", ONE),
        Scenario { options: &["-nr"], ..Scenario::ours("merged") },
    ),
    with(
        shared(
            "info-passcode",
            "the moderator's passcode by INFO",
            records(1, &[("close_reason", &["normal"]), ("role", &["moderator"])]),
        ),
        Scenario { options: &["-inf", "digits.csv"], ..Scenario::ours("info-passcode") },
    ),
    with(shared("uac", "sipp's own caller", ONE), Scenario::own(1, 1)),
    with(
        shared("tcp", "sipp's own caller by TCP, 20 calls over one connection", normal(20)),
        Scenario { options: &["-d", "1000", "-t", "t1"], ..Scenario::own(20, 10) },
    ),
    with(
        shared("tcp-each", "the same, each over a connection of its own", normal(20)),
        Scenario {
            options: &["-d", "1000", "-t", "tn", "-max_socket", "100"],
            ..Scenario::own(20, 10)
        },
    ),
    Case {
        phones: Phones::Sipp(Scenario { options: &["-t", "t1"], ..Scenario::ours("reinvite") }),
        ..listening("tcp-reinvite", "hold, resume, another codec, all by TCP", renegotiated)
    },
    Case {
        turn: Turn::Alone,
        ..with(
            shared("load", "sipp's own caller, 20 calls a second for 10 s", normal(200)),
            Scenario::own(200, 20),
        )
    },
    talking(
        "baresip",
        "two of baresip hear each other, not themselves, and not the muted one",
        baresip::DATAGRAMS,
    ),
    talking("baresip-tcp", "the same, one of them by TCP", baresip::TCP),
    talking(
        "baresip-tls",
        "the same by TLS, with another certificate for the second",
        baresip::TLS,
    ),
    talking(
        "baresip-srtp",
        "the same encrypted: one offers RTP/SAVP by TLS, one keys in RTP/AVP",
        baresip::SRTP,
    ),
    talking("baresip-dtls", "the same with keys by DTLS, in UDP/TLS/RTP/SAVP", baresip::DTLS),
    by_carrier(
        "users",
        "baresip registers at the bridge by UDP and TLS, calls and is called; sipsak guesses",
        users::register,
    ),
    by_carrier(
        "users-tcp",
        "the same by TCP: one offers keys in RTP/AVP, one is called with keys by DTLS",
        users::by_tcp,
    ),
    by_carrier(
        "kamailio",
        "registered at Kamailio by UDP and TCP: calls in and out, each by its recorded route",
        carrier::proxied,
    ),
    by_carrier(
        "kamailio-tls",
        "the same by TLS with SRTP, with another password and certificate in the middle of a call",
        carrier::renewed,
    ),
    by_carrier(
        "kamailio-keys",
        "the same by UDP with keys in RTP/AVP, then with keys by DTLS",
        carrier::keyed,
    ),
    by_carrier(
        "kamailio-dies",
        "Kamailio is silent, then dead: calls out go by the second trunk, and come back",
        carrier::dies,
    ),
    in_networks(
        "nat",
        "two of baresip behind one router that forgets after 10 s: registered, and called after 25 s",
        networks::phones_behind_nat,
    ),
    in_networks(
        "nat-bridge",
        "the bridge behind such a router, with its public address in what it says",
        networks::bridge_behind_nat,
    ),
    in_networks(
        "linphone",
        "linphonec calls by UDP, TCP and TLS, plain and with SRTP, and is heard by baresip",
        networks::linphone,
    ),
    Case {
        turn: Turn::Named,
        ..in_networks(
            "pjsip",
            "PJSIP calls by UDP with PRACK and timers, TCP and TLS, with SRTP; holds and resumes",
            networks::pjsip,
        )
    },
    Case {
        turn: Turn::Named,
        ..in_networks(
            "jssip",
            "JsSIP registers over a WebSocket, and takes it back",
            networks::jssip,
        )
    },
    in_networks(
        "sipvicious",
        "sipvicious looks for servers, users and a password, finds nothing and is counted",
        networks::sipvicious,
    ),
    in_networks("ipv6", "SIP and sound where there is no IPv4", networks::ipv6_only),
    in_networks(
        "dual-stack",
        "a call by IPv4, its callee on IPv6: each is told of an address of its family",
        networks::dual_stack,
    ),
];

/// Runs one case.
///
/// # Errors
/// It fails.
pub(crate) fn run(case: &Case, place: &Place) -> Result<()> {
    let folder = place.folder(case.name)?;
    let scenario = match &case.phones {
        Phones::Sipp(scenario) => scenario,
        Phones::Baresip(pair) => return baresip::talk(place, &folder, pair),
        Phones::Carrier(story) | Phones::Network(story) => return story(place, &folder),
    };
    let digits: Vec<_> = MODERATOR.chars().map(|digit| format!("{digit}\n")).collect();
    std::fs::write(folder.join("digits.csv"), format!("SEQUENTIAL\n{}", digits.concat()))?;
    let Some(hears) = case.hears else {
        return sipp::run(place, case.name, scenario, &folder, None);
    };
    let ear = Ear::open(place.phones)?;
    let called = sipp::run(place, case.name, scenario, &folder, Some(ear.port()));
    let heard = ear.close()?;
    called?;
    hears(&heard)
}

/// PCMU until the hold, nothing during it, and after it PCMU, PCMA, PCMU without a break.
fn renegotiated(heard: &[Stretch]) -> Result<()> {
    let types: Vec<_> = heard.iter().map(|s| (s.payload_type, s.after_gap)).collect();
    let expected = [(0, true), (0, true), (8, false), (0, false)];
    ensure!(types == expected, "heard {heard:?}");
    // A second each is 50 packets.
    ensure!(heard.iter().all(|stretch| stretch.packets > 35), "too little: {heard:?}");
    Ok(())
}
