//! What signalling agrees on and the media plane carries out: codecs, directions, clocks.

/// An audio codec that a leg can run on: one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 µ-law; payload type 0 unless mapped otherwise (RFC 3551 §4.5.14, §6).
    Pcmu,
    /// G.711 A-law; payload type 8 unless mapped otherwise (RFC 3551 §4.5.14, §6).
    Pcma,
}

impl Codec {
    /// Every codec, µ-law first.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The clock of the codec's RTP timestamps, which telephone events beside it share
    /// (RFC 4733 §2.1).
    pub const fn clock(self) -> ClockRate {
        match self {
            Self::Pcmu | Self::Pcma => ClockRate::Hz8000,
        }
    }

    /// The encoding name of `a=rtpmap` (RFC 8866 §6.6), and of records.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// The rate of an RTP clock, which counts timestamps and the durations of telephone events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockRate {
    /// 8000 Hz: G.711, and G.722 by decree (RFC 3551 §4.5.2).
    Hz8000,
    /// 16000 Hz.
    Hz16000,
    /// 48000 Hz: Opus.
    Hz48000,
}

impl ClockRate {
    /// The clock with this rate.
    pub const fn from_hz(hz: u32) -> Option<Self> {
        match hz {
            8_000 => Some(Self::Hz8000),
            16_000 => Some(Self::Hz16000),
            48_000 => Some(Self::Hz48000),
            _ => None,
        }
    }

    /// The rate in Hz.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Units in the 20 ms of a frame.
    pub const fn units_per_frame(self) -> u16 {
        match self {
            Self::Hz8000 => 160,
            Self::Hz16000 => 320,
            Self::Hz48000 => 960,
        }
    }

    /// Units in so many milliseconds.
    pub const fn units(self, millis: u32) -> u32 {
        self.hz() / 1000 * millis
    }
}

/// Which way media flows, from our side (RFC 3264 §5.1, §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// We send and receive.
    SendRecv,
    /// We send only.
    SendOnly,
    /// We receive only: the far end has put us on hold, and may play music to us.
    RecvOnly,
    /// Neither. RTCP goes on.
    Inactive,
}

impl Direction {
    /// Whether we may send RTP.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we expect RTP.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The direction of a stream seen from its other end.
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::SendRecv | Self::Inactive => self,
        }
    }

    /// What is left of the direction when nothing may be sent.
    pub const fn without_sending(self) -> Self {
        if self.receives() { Self::RecvOnly } else { Self::Inactive }
    }

    /// What is left of the direction when nothing is listened to.
    pub const fn without_receiving(self) -> Self {
        if self.sends() { Self::SendOnly } else { Self::Inactive }
    }

    /// The name of the attribute that states the direction (RFC 8866 §6.7).
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// Telephone events as negotiated (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The payload type to send with.
    pub send: u8,
    /// The payload type to expect.
    pub receive: u8,
    /// Further types that the far end's description gives to telephone-event, at whatever clock.
    /// None was agreed on, and yet some equipment sends by the first one of its own list.
    pub also: [Option<u8>; 3],
    /// The clock of the agreed type.
    pub clock: ClockRate,
}

impl TelephoneEvent {
    /// One payload type for both ways.
    pub const fn new(payload_type: u8, clock: ClockRate) -> Self {
        Self { send: payload_type, receive: payload_type, also: [None; 3], clock }
    }

    /// Whether a received packet of this type is an event.
    pub fn is(&self, payload_type: u8) -> bool {
        payload_type == self.receive
            || payload_type == self.send
            || self.also.contains(&Some(payload_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_counts_by_its_rate() {
        for clock in [ClockRate::Hz8000, ClockRate::Hz16000, ClockRate::Hz48000] {
            assert_eq!(ClockRate::from_hz(clock.hz()), Some(clock));
            assert_eq!(clock.units(20), u32::from(clock.units_per_frame()));
        }
        assert_eq!(ClockRate::from_hz(32_000), None);
    }

    #[test]
    fn a_direction_loses_one_way_and_keeps_the_other() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        for (whole, mute, deaf) in [
            (SendRecv, RecvOnly, SendOnly),
            (SendOnly, Inactive, SendOnly),
            (RecvOnly, RecvOnly, Inactive),
            (Inactive, Inactive, Inactive),
        ] {
            assert_eq!((whole.without_sending(), whole.without_receiving()), (mute, deaf));
            assert_eq!(whole.reversed().reversed(), whole);
        }
    }
}
