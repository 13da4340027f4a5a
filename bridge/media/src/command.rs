//! What the control plane may ask of the media plane.

use partyline_model::{Digit, LegKey, MixId, PlaybackId, RecordingId};

use crate::{AudioQueue, KeyQueue, LegConfig, SrtpKeys};

/// A request to the media plane. It has no `Debug`: a digit may be part of a secret.
///
/// Requests about a leg or recording that does not exist are ignored: it may have ended on the
/// way. A room exists while a leg, a recording or a prompt is in it.
#[derive(Clone)]
pub enum Command {
    /// Binds `port` for RTP and `port + 1` for RTCP. For the socket shell: a worker ignores it.
    /// Answered by `Event::Opened` or `Event::PortTaken`.
    Open {
        /// The leg that the ports are for.
        leg: LegKey,
        /// The even RTP port.
        port: u16,
    },
    /// Begins to receive and send. A leg that has started is started anew.
    Start {
        /// The leg.
        leg: LegKey,
        /// What was negotiated.
        config: Box<LegConfig>,
    },
    /// Takes over what a re-INVITE negotiated. With another address or port the source may be
    /// another one.
    Update {
        /// The leg.
        leg: LegKey,
        /// What was negotiated; our stream's numbers run on.
        config: Box<LegConfig>,
    },
    /// The handshake of a leg with `LegConfig::dtls` gave its keys: it opens.
    Keys {
        /// The leg.
        leg: LegKey,
        /// What both ends agreed on.
        keys: Box<SrtpKeys>,
    },
    /// Sends a datagram of the leg's handshake from its RTP port, at the next tick, to where the far
    /// end's came from or is to come from. It is let go when that may not be sent to.
    Handshake {
        /// The leg.
        leg: LegKey,
        /// What to send.
        datagram: Box<[u8]>,
    },
    /// The far end's ACK came: what it describes may be sent to.
    Acknowledge {
        /// The leg.
        leg: LegKey,
    },
    /// Sends RTCP BYE at the next tick, then ends the leg with `Event::Stats`.
    Close {
        /// The leg.
        leg: LegKey,
    },
    /// Plays a private prompt to one leg, over a room made 12 dB quieter. It takes the place of
    /// the one being played, whose end is then not reported.
    Play {
        /// The leg.
        leg: LegKey,
        /// Reported back at the end.
        playback: PlaybackId,
        /// What to play.
        items: AudioQueue,
    },
    /// Ends the private prompt at once (barge-in), without `Event::PlaybackDone`.
    StopPlay {
        /// The leg.
        leg: LegKey,
    },
    /// Begins or ends hold music, which stands in for the room.
    Music {
        /// The leg.
        leg: LegKey,
        /// Whether to play it.
        on: bool,
    },
    /// Puts the leg into a room, out of the one it is in.
    Join {
        /// The leg.
        leg: LegKey,
        /// The room.
        room: MixId,
    },
    /// Takes the leg out of its room.
    Leave {
        /// The leg.
        leg: LegKey,
    },
    /// Decides what of the leg reaches its room. It survives join and leave.
    Talk {
        /// The leg.
        leg: LegKey,
        /// What reaches the room.
        talk: Talk,
    },
    /// Plays a public prompt after those waiting: heard by every leg and the recording.
    PlayRoom {
        /// The room.
        room: MixId,
        /// What to play.
        items: AudioQueue,
    },
    /// Drops the public prompts that play or wait: something more urgent follows.
    HushRoom {
        /// The room.
        room: MixId,
    },
    /// Records what a listener of the room hears, until stopped. One recording a room: another
    /// one takes its place.
    Record {
        /// The room.
        room: MixId,
        /// Names the frames handed to the sink.
        recording: RecordingId,
    },
    /// Leaves out what is said in a recorded room, or records it again: nothing of the pause is in the
    /// recording, not even silence.
    PauseRecord {
        /// The recording.
        recording: RecordingId,
        /// Whether it pauses from here on.
        paused: bool,
    },
    /// Ends a recording.
    StopRecord {
        /// The recording.
        recording: RecordingId,
    },
    /// Presses keys for the leg's far end, after those that wait: by telephone events where they
    /// were negotiated, else by tones in place of what the leg hears. A leg that may not be sent
    /// anything waits with them. `Event::KeysSent` follows.
    SendKeys {
        /// The leg.
        leg: LegKey,
        /// The keys.
        keys: Box<KeyQueue>,
    },
    /// A key that SIP INFO brought.
    InfoDigit {
        /// The leg.
        leg: LegKey,
        /// The key.
        digit: Digit,
    },
}

/// What of a leg reaches its room and the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// The leg's sound.
    Open,
    /// Nothing.
    Muted,
    /// Nothing, and its keys are part of a secret: their tones must not be heard either.
    Secret,
}
