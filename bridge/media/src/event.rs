//! What the media plane tells the control plane.

use std::time::Duration;

use partyline_model::{Digit, LegKey, MixId, PlaybackId, Time};

/// Something that happened. It has no `Debug`: a digit may be part of a secret.
#[derive(Clone)]
pub enum Event {
    /// The leg's ports are bound. From the socket shell.
    Opened {
        /// The leg.
        leg: LegKey,
    },
    /// The leg's ports cannot be bound: try others. From the socket shell.
    PortTaken {
        /// The leg.
        leg: LegKey,
        /// The RTP port asked for.
        port: u16,
    },
    /// The leg's first acceptable RTP packet: the far end hears us if it can.
    FirstPacket {
        /// The leg.
        leg: LegKey,
    },
    /// A datagram of the leg's handshake came, from an address that may be the far end's. So many
    /// a second and no more; DTLS bears the loss of one.
    Handshake {
        /// The leg.
        leg: LegKey,
        /// What came.
        datagram: Box<[u8]>,
    },
    /// A key was pressed, reported once whichever of its signs were seen.
    Digit {
        /// The leg.
        leg: LegKey,
        /// The key.
        digit: Digit,
        /// When its first sign was seen.
        at: Time,
    },
    /// All keys that were to be pressed for the leg's far end have been, and the pause after them
    /// is over.
    KeysSent {
        /// The leg.
        leg: LegKey,
    },
    /// A private prompt was played to its end.
    PlaybackDone {
        /// The leg.
        leg: LegKey,
        /// The playback.
        playback: PlaybackId,
    },
    /// All public prompts of a room were played to their end.
    RoomPlayed {
        /// The room.
        room: MixId,
    },
    /// Neither RTP nor RTCP has come from the leg since `since`; repeated while it lasts. Whether
    /// it should have sent (it may be on hold) is for the control plane to know.
    Silent {
        /// The leg.
        leg: LegKey,
        /// The last packet, or the start of the leg.
        since: Time,
    },
    /// The leg that was reported silent is heard again.
    Resumed {
        /// The leg.
        leg: LegKey,
    },
    /// The leg has ended: its last event. Its ports may be closed.
    Stats {
        /// The leg.
        leg: LegKey,
        /// What it sent and received.
        stats: Box<LegStats>,
    },
}

/// What one leg sent and received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegStats {
    /// RTP packets accepted.
    pub received_packets: u64,
    /// Octets of their payloads.
    pub received_octets: u64,
    /// RTP packets sent.
    pub sent_packets: u64,
    /// Octets of their payloads.
    pub sent_octets: u64,
    /// Packets expected and not received (RFC 3550 §6.4.1), zero when duplicates outweigh.
    pub lost: u64,
    /// Packets received more than once.
    pub duplicates: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Times that the stream began anew: another source, or a jump of its numbers.
    pub restarts: u64,
    /// Sound that had to be made up for what was lost or late.
    pub concealed: Duration,
    /// Interarrival jitter (RFC 3550 §A.8).
    pub jitter: Duration,
    /// Round-trip time of the last RTCP report about us (RFC 3550 §6.4.1).
    pub round_trip: Option<Duration>,
    /// The share of our packets that the far end last reported lost, in 1/256.
    pub remote_loss: Option<u8>,
    /// Keys reported.
    pub digits: u64,
    /// RTCP packets accepted.
    pub received_rtcp: u64,
    /// What was refused.
    pub dropped: Dropped,
    /// When the last RTP or RTCP packet came.
    pub last_received: Option<Time>,
}

/// Datagrams that were refused, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// No RTP, RTCP or DTLS.
    pub malformed: u64,
    /// RTP or DTLS from an address that is not the far end's.
    pub source: u64,
    /// RTCP from an address that is not the far end's.
    pub rtcp_source: u64,
    /// Received while waiting for a second packet in sequence from a source that may be the far
    /// end's.
    pub unlatched: u64,
    /// Of a payload type that was not negotiated.
    pub payload_type: u64,
    /// Of a synchronisation source not yet believed.
    pub ssrc: u64,
    /// With a sequence number far off the others.
    pub sequence: u64,
    /// Longer than any packet may be.
    pub oversized: u64,
    /// An event that is no key.
    pub event: u64,
    /// While nothing may be received.
    pub direction: u64,
    /// Not protected under the far end's key: forged, plain, or of a key that is gone.
    pub unauthenticated: u64,
    /// Protected under the far end's key, and received before or too old to know.
    pub replayed: u64,
    /// DTLS where there is no handshake, or more of it than one takes.
    pub handshake: u64,
}

impl Dropped {
    /// How many reasons there are.
    pub const REASONS: usize = 13;

    /// Every reason as metrics name it, and how many were dropped for it.
    pub const fn by_reason(&self) -> [(&'static str, u64); Self::REASONS] {
        [
            ("malformed", self.malformed),
            ("rtp_source", self.source),
            ("rtcp_source", self.rtcp_source),
            ("unlatched", self.unlatched),
            ("payload_type", self.payload_type),
            ("ssrc", self.ssrc),
            ("sequence", self.sequence),
            ("oversized", self.oversized),
            ("event", self.event),
            ("direction", self.direction),
            ("unauthenticated", self.unauthenticated),
            ("replayed", self.replayed),
            ("handshake", self.handshake),
        ]
    }

    /// Adds those of another leg.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.malformed += other.malformed;
        self.source += other.source;
        self.rtcp_source += other.rtcp_source;
        self.unlatched += other.unlatched;
        self.payload_type += other.payload_type;
        self.ssrc += other.ssrc;
        self.sequence += other.sequence;
        self.oversized += other.oversized;
        self.event += other.event;
        self.direction += other.direction;
        self.unauthenticated += other.unauthenticated;
        self.replayed += other.replayed;
        self.handshake += other.handshake;
    }
}
