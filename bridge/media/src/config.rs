//! How the media plane and each leg are set up: plain values, checked by who makes them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use partyline_model::{Codec, Direction, SrtpKey, TelephoneEvent};

/// What holds for every leg of a worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// A leg that has sent nothing for this long is reported by `Event::Silent`, and again each
    /// time as much more has passed.
    pub silence: Duration,
    /// The mean time between RTCP reports (RFC 3550 §6.2).
    pub rtcp_interval: Duration,
}

impl Default for Config {
    /// Silence after 5 s, RTCP every 5 s.
    fn default() -> Self {
        Self { silence: Duration::from_secs(5), rtcp_interval: Duration::from_secs(5) }
    }
}

/// The payload types that a leg's sound may arrive with, and the codec of each
/// (RFC 3264 §5.1: ready for all that were agreed, whichever comes).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Formats([Option<Codec>; 128]);

impl Formats {
    /// One payload type, below 128.
    pub fn new(payload_type: u8, codec: Codec) -> Self {
        std::iter::once((payload_type, codec)).collect()
    }

    /// What packets of this type carry; `None` when it is none of the agreed ones.
    pub(crate) fn codec(&self, payload_type: u8) -> Option<Codec> {
        self.0.get(usize::from(payload_type)).copied().flatten()
    }
}

/// Of several codecs for one payload type the first counts; numbers from 128 on are none.
impl FromIterator<(u8, Codec)> for Formats {
    fn from_iter<T: IntoIterator<Item = (u8, Codec)>>(formats: T) -> Self {
        let mut table = [None; 128];
        for (payload_type, codec) in formats {
            if let Some(place) = table.get_mut(usize::from(payload_type)) {
                place.get_or_insert(codec);
            }
        }
        Self(table)
    }
}

impl fmt::Debug for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agreed = self.0.iter().enumerate().filter_map(|(n, codec)| Some((n, (*codec)?)));
        f.debug_map().entries(agreed).finish()
    }
}

/// When a leg's sound is searched for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBand {
    /// Never.
    Off,
    /// Always.
    On,
    /// Until telephone events have shown that the leg's keys come that way; again when something
    /// shows otherwise. With no telephone event negotiated that is always.
    WhenSilent,
}

/// Where RTCP goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rtcp {
    /// To this address, from and to the port above the RTP port (or as `a=rtcp` says, RFC 3605).
    To(SocketAddr),
    /// On the RTP port (RFC 5761).
    Mux,
    /// Nowhere: there is no port for it.
    Off,
}

/// Whether the far end is known to be where its SIP came from. A UDP source can be forged, and
/// with it a description that names a third party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalling {
    /// Our answer is on its way: nothing is sent to the described address before
    /// [`Command::Acknowledge`](crate::Command::Acknowledge), but to where packets come from, up
    /// to three times their octets.
    Pending,
    /// The far end has acknowledged our answer, or answered our offer.
    Acknowledged,
}

/// The master keys of an encrypted leg, one for each direction. Their suites may differ only where
/// DTLS or SDES of both sides says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// What we send is protected with it. It is no other leg's: two streams under one key can have
    /// the same numbers.
    pub ours: SrtpKey,
    /// What the far end sends is protected with it.
    pub theirs: SrtpKey,
}

/// What SDP negotiated for one leg, and the numbers its streams begin with.
///
/// SSRC, sequence number and timestamp are to be unpredictable (RFC 3550 §5.1); they matter when
/// the leg starts and are left as they are by an update.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// The codec that we send.
    pub codec: Codec,
    /// The payload type we send the codec with.
    pub send_payload_type: u8,
    /// What may arrive: each packet is decoded by what it says that it carries.
    pub receive: Formats,
    /// Telephone events, if negotiated.
    pub telephone_event: Option<TelephoneEvent>,
    /// Where the leg's SDP says it receives RTP. Unspecified for the hold of RFC 2543: an update
    /// then leaves the addresses as they are.
    pub remote: SocketAddr,
    /// Where its media may come from besides, from any port: the address that its SIP came from,
    /// and what its trunk adds.
    pub networks: Box<[IpNet]>,
    /// Whether `remote` may be sent to.
    pub signalling: Signalling,
    /// Where RTCP goes.
    pub rtcp: Rtcp,
    /// Which way media flows.
    pub direction: Direction,
    /// Milliseconds of sound in a packet we send: 10 to 60, in tens; anything else counts as 20.
    pub ptime_ms: u8,
    /// When the leg's sound is searched for keys.
    pub in_band: InBand,
    /// The keys of SRTP and SRTCP; nothing plain is then sent or believed. `None` for plain RTP.
    /// With the keys that it has a leg goes on as it was.
    pub srtp: Option<Box<SrtpKeys>>,
    /// Whether the keys come by a handshake over the leg's RTP port (DTLS-SRTP, RFC 5764). Until
    /// they are there ([`Command::Keys`](crate::Command::Keys)) no RTP or RTCP is sent or believed.
    pub dtls: bool,
    /// Our synchronisation source.
    pub ssrc: u32,
    /// Our first sequence number; with SRTP its lower 15 bits (RFC 3711 §3.3.1).
    pub first_sequence: u16,
    /// Our first timestamp.
    pub first_timestamp: u32,
    /// Our canonical name (RFC 3550 §6.5.1), the same for all streams of a call; 255 octets at
    /// most, longer ones are cut. Not to name the caller.
    pub cname: Box<[u8]>,
}

impl LegConfig {
    /// Whether the leg waits for its keys.
    pub(crate) const fn is_closed(&self) -> bool {
        self.dtls && self.srtp.is_none()
    }
}
