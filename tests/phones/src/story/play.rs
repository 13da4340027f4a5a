//! Plays a story over real sockets.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::format::{
    AnsweringStory, CodecStory, DigitStory, FaultStory, OfferStory, PhoneStory, Story, seconds,
};
use super::report::{PhoneLog, phone_log};
use super::sound::write_wav;
use crate::udp::{Line as Sockets, RunEnd, UdpDriver};
use crate::{
    Answering, Codec, Command, DigitMode, Faults, Offer, Phone, PhoneConfig, PhoneId, Script,
};

/// Most phones of a story.
const MAX_PHONES: usize = 2000;

/// A phone that is ready to play.
#[derive(Debug, Clone)]
pub struct StoryLine {
    /// Its config; both addresses are filled in when its sockets are bound.
    pub config: PhoneConfig,
    /// Its loopback address.
    pub address: Ipv4Addr,
    /// Its SIP port, 0 for any.
    pub sip_port: u16,
    /// What it does.
    pub script: Script,
    /// Where what it heard is written.
    pub heard: Option<PathBuf>,
}

/// A whole story that is ready to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The phones.
    pub lines: Vec<StoryLine>,
    /// All of it may take this long.
    pub limit: Duration,
}

/// What came of a story.
#[derive(Debug)]
pub struct Played {
    /// One a phone, in their order.
    pub logs: Vec<PhoneLog>,
    /// How the run ended.
    pub end: RunEnd,
}

/// Makes a plan of a story: `target` comes before the story's own, phones without an address get
/// `from` and those after it; files are looked up from `folder`.
///
/// # Errors
/// When there is no target, two phones bear one name, or a phone's story has no meaning.
pub fn plan(
    story: &Story,
    target: Option<SocketAddr>,
    from: Ipv4Addr,
    folder: &Path,
) -> Result<Plan> {
    let target = target.or(story.target).context("no target: give --target or \"target\"")?;
    let limit = seconds(story.limit)?;
    let mut lines = Vec::new();
    let mut names = BTreeSet::new();
    for (place, phone) in story.phones.iter().enumerate() {
        ensure!(names.insert(&phone.name), "two phones are named {}", phone.name);
        let address = phone.address.unwrap_or_else(|| nth_address(from, place));
        let mut config = config(phone, target)?;
        // All of the story is kept: an expectation may ask for any of it.
        config.keep = limit;
        let script = phone.script(folder)?;
        let heard = phone.heard.clone();
        lines.push(StoryLine { config, address, sip_port: phone.sip_port, script, heard });
    }
    Ok(Plan { lines, limit })
}

/// The address `place` after `first`, inside 127.0.0.0/8.
pub(super) fn nth_address(first: Ipv4Addr, place: usize) -> Ipv4Addr {
    let offset = u32::try_from(place).unwrap_or(0);
    let host = (u32::from(first).wrapping_add(offset) & 0x00FF_FFFF).max(1);
    Ipv4Addr::from(0x7F00_0000 | host)
}

fn config(phone: &PhoneStory, target: SocketAddr) -> Result<PhoneConfig> {
    let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = PhoneConfig::new(&phone.name, unbound, unbound, target);
    config.from = phone.from.clone().unwrap_or_else(|| phone.name.clone());
    if let Some(to) = &phone.to {
        config.to.clone_from(to);
    }
    config.headers = phone.headers.clone().into_iter().collect();
    config.codec = match phone.codec {
        CodecStory::Pcmu => Codec::Pcmu,
        CodecStory::Pcma => Codec::Pcma,
    };
    config.digit_mode = match phone.digits {
        DigitStory::Rfc4733 => DigitMode::Rfc4733,
        DigitStory::Info => DigitMode::Info,
        DigitStory::Inband => DigitMode::InBand,
    };
    config.offer = match phone.offer {
        OfferStory::Sdp => Offer::WithSdp,
        OfferStory::Late => Offer::Late,
    };
    config.answering = match phone.answering {
        None => config.answering,
        Some(AnsweringStory::After(after)) => Answering::After(seconds(after)?),
        Some(AnsweringStory::Reject { after, status }) => {
            ensure!((300..700).contains(&status), "status {status} does not reject");
            Answering::Reject { after: seconds(after)?, status }
        }
        Some(AnsweringStory::Ring) => Answering::RingForever,
        Some(AnsweringStory::Ignore) => Answering::Ignore,
    };
    config.faults = Faults {
        no_ack: phone.faults.contains(&FaultStory::NoAck),
        no_bye: phone.faults.contains(&FaultStory::NoBye),
        ..Faults::default()
    };
    config.key_on = phone.on_ms.map_or(config.key_on, Duration::from_millis);
    config.key_gap = phone.gap_ms.map_or(config.key_gap, Duration::from_millis);
    Ok(config)
}

impl Plan {
    /// Binds, plays and judges.
    ///
    /// # Errors
    /// When sockets cannot be bound, or what was heard cannot be written.
    pub fn play(self) -> Result<Played> {
        ensure!(self.lines.len() <= MAX_PHONES, "at most {MAX_PHONES} phones");
        let mut driver = UdpDriver::new()?;
        // Call-IDs must differ from those of the run before.
        let seed = u64::try_from(driver.started_unix().as_nanos() & u128::from(u64::MAX))?;
        let mut phones: Vec<(PhoneId, Script, Option<PathBuf>)> = Vec::new();
        for (place, line) in self.lines.into_iter().enumerate() {
            let (address, port) = (line.address, line.sip_port);
            let sockets = Sockets::bind(address, port)
                .with_context(|| format!("cannot bind {address} port {port}"))?;
            let mut config = line.config;
            config.sip_address = sockets.sip_address();
            config.rtp_address = sockets.rtp_address();
            config.seed = seed ^ (u64::try_from(place)? << 48);
            let id = driver.add(sockets, Phone::new(config))?;
            phones.push((id, line.script, line.heard));
        }
        for (id, script, _) in &mut phones {
            driver.command(*id, Command::Run(std::mem::take(script)));
        }
        let end = driver.run(self.limit)?;
        let mut logs = Vec::new();
        for (id, _, heard) in phones {
            let phone = driver.board().phone(id);
            if let Some(path) = heard {
                write_wav(&path, phone.heard(Duration::ZERO, driver.now()))?;
            }
            logs.push(phone_log(phone, driver.started_unix()));
        }
        Ok(Played { logs, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(phones: &str) -> Result<Plan> {
        let text = format!(r#"{{"target":"127.0.0.1:5060","phones":[{phones}]}}"#);
        plan(&Story::parse(&text)?, None, Ipv4Addr::new(127, 0, 0, 255), Path::new("."))
    }

    #[test]
    fn phones_take_addresses_one_after_the_other() {
        let plan = planned(r#"{"name":"a"},{"name":"b","address":"127.9.9.9"},{"name":"c"}"#);
        let addresses: Vec<String> =
            plan.unwrap().lines.iter().map(|line| line.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.255", "127.9.9.9", "127.0.1.1"]);
    }

    #[test]
    fn two_phones_of_one_name_would_share_a_log() {
        let error = planned(r#"{"name":"a"},{"name":"a"}"#).unwrap_err();
        assert_eq!(error.to_string(), "two phones are named a");
    }
}
