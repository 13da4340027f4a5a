//! Phones of the world: where they are and how they sound.

use std::net::{Ipv4Addr, SocketAddr};

use partyline_phones::{DigitMode, PhoneConfig, PhoneId};

use super::builder::{BRIDGE, DIAL_IN};
use super::clock::secs;

/// The tone that a phone talks with: each of forty has its own.
pub fn tone(phone: PhoneId) -> f64 {
    const TONES: usize = 40;
    let place = u32::try_from(phone.index() % TONES).unwrap_or(0);
    430.0 + 60.0 * f64::from(place)
}

/// The level that phones talk with, in dBm0.
pub const VOICE_DBM0: f64 = -18.0;

/// Phone `index` is 10.0.x.y, calls the bridge's dial-in number and has a number of its own.
pub(super) fn config(name: &str, index: usize, seed: u64) -> PhoneConfig {
    let host = u32::try_from(index + 1).unwrap_or(u32::MAX);
    let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) | host);
    let at = |port| SocketAddr::new(ip.into(), port);
    let mut config = PhoneConfig::new(name, at(5060), at(4000), BRIDGE);
    config.to = format!("+{DIAL_IN}");
    config.from = format!("+1416555{:04}", 1000 + index);
    config.digit_mode = DigitMode::Rfc4733;
    config.keep = secs(30);
    config.seed = seed ^ (u64::from(host) << 20);
    config
}
