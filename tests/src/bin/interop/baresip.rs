//! Two of baresip in one conference: each sends a tone, keys in its passcode, and records what it
//! hears; who hears whom is judged by frequency.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::phone::{Owner, Phone, WINDOW, wait};
use crate::place::{DIAL_IN, MODERATOR, PARTICIPANT, Place};

/// Two callers.
pub(crate) struct Pair {
    /// Their numbers, which nobody else has.
    pub(crate) numbers: [&'static str; 2],
    by: [Transport; 2],
    /// Whether the bridge's certificate is renewed between their calls.
    renewed: bool,
    /// `mediaenc` of their accounts.
    encryption: [Option<&'static str>; 2],
}

/// How a caller reaches the bridge.
#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Two callers by UDP.
pub(crate) const DATAGRAMS: Pair = Pair {
    numbers: ["14165550121", "14165550122"],
    by: [Transport::Udp, Transport::Udp],
    renewed: false,
    encryption: [None, None],
};
/// One by TCP, one by UDP.
pub(crate) const TCP: Pair = Pair {
    numbers: ["14165550123", "14165550124"],
    by: [Transport::Tcp, Transport::Udp],
    renewed: false,
    encryption: [None, None],
};
/// Two by TLS, with one certificate each.
pub(crate) const TLS: Pair = Pair {
    numbers: ["14165550125", "14165550126"],
    by: [Transport::Tls, Transport::Tls],
    renewed: true,
    encryption: [None, None],
};
/// Two with SRTP: `srtp-mand` offers RTP/SAVP, `srtp` keys in RTP/AVP.
pub(crate) const SRTP: Pair = Pair {
    numbers: ["14165550127", "14165550128"],
    by: [Transport::Tls, Transport::Udp],
    renewed: false,
    encryption: [Some("srtp-mand"), Some("srtp")],
};
/// Two with keys by DTLS, in UDP/TLS/RTP/SAVP.
pub(crate) const DTLS: Pair = Pair {
    numbers: ["14165550129", "14165550130"],
    by: [Transport::Udp, Transport::Udp],
    renewed: false,
    encryption: [Some("dtls_srtp"), Some("dtls_srtp")],
};
/// Their tones in Hz: apart from each other, from keys and from the bridge's own sounds.
pub(crate) const TONES: [f64; 2] = [1130.0, 1777.0];
/// The greeting of who comes in, and the reply to a command, are over after this.
pub(crate) const SETTLED: Duration = Duration::from_secs(4);

/// Has the two talk, mutes the first with `*6`, and judges what they heard.
///
/// # Errors
/// baresip does not do as it is told, or one hears what it should not or does not hear what it
/// should.
pub(crate) fn talk(place: &Place, folder: &Path, pair: &Pair) -> Result<()> {
    let mut first = pair.start(place, folder, 0)?;
    let mut second = pair.start(place, folder, 1)?;
    pair.call(place, &mut first, 0, MODERATOR)?;
    if pair.renewed {
        place.renew_certificate()?;
    }
    pair.call(place, &mut second, 1, PARTICIPANT)?;
    wait(SETTLED);
    let both_talk = Instant::now();
    wait(WINDOW);
    first.key("*6")?;
    wait(SETTLED);
    let first_muted = Instant::now();
    wait(WINDOW);
    let first = first.hang_up()?;
    let second = second.hang_up()?;
    let [tone_1, tone_2] = TONES;
    first.hears(both_talk, tone_2, tone_1).context("the first, while both talk")?;
    second.hears(both_talk, tone_1, tone_2).context("the second, while both talk")?;
    first.hears(first_muted, tone_2, tone_1).context("the first, muted")?;
    ensure!(second.lacks(first_muted, tone_1)?, "the second hears the first, who is muted");
    Ok(())
}

impl Pair {
    fn start(&self, place: &Place, folder: &Path, index: usize) -> Result<Phone> {
        let owner = Owner {
            number: self.numbers[index],
            host: format!("{}{}", place.phones, self.by[index].parameter()),
            account: ";regint=0".to_owned(),
            tone: TONES[index],
            encryption: self.encryption[index],
        };
        Phone::start(place.phones, folder, &owner)
    }

    /// Calls the bridge and keys in `passcode`.
    fn call(&self, place: &Place, phone: &mut Phone, index: usize, passcode: &str) -> Result<()> {
        let by = self.by[index];
        let bridge = match by {
            Transport::Udp | Transport::Tcp => place.bridge.sip(),
            Transport::Tls => place.tls,
        };
        phone.call(&format!("sip:{DIAL_IN}@{bridge}{}", by.parameter()))?;
        enter(phone, passcode)
    }
}

/// Keys a passcode in.
pub(crate) fn enter(phone: &mut Phone, passcode: &str) -> Result<()> {
    wait(Duration::from_secs(1));
    phone.key(passcode)?;
    phone.key("#")
}

impl Transport {
    /// The parameter of a URI (RFC 3261 §19.1.1).
    pub(crate) const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }

    /// As it is named in lists.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}
