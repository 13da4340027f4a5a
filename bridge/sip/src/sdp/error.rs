//! Why a session description leads to no stream.

use std::fmt;

/// Why a session description leads to no stream.
///
/// A refused re-offer leaves the stream as it was (RFC 3261 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SdpError {
    /// More than 16 KiB.
    TooLarge,
    /// More than 512 lines.
    TooManyLines,
    /// A line that is read, of more than 4096 bytes.
    LineTooLong,
    /// More than 32 `m=` lines.
    TooManyStreams,
    /// More than 128 formats in an `m=` line.
    TooManyFormats,
    /// The text breaks the grammar of RFC 8866 in a line that we need.
    Malformed,
    /// An audio stream has no `c=`, neither of its own nor of the session.
    NoConnection,
    /// No `m=audio`.
    NoCommonMedia,
    /// An `m=audio`, but not over RTP (RTP/AVP, RTP/SAVP, UDP/TLS/RTP/SAVP, or with feedback) on one
    /// port.
    NoCommonTransport,
    /// The audio is to be encrypted (RTP/SAVP, UDP/TLS/RTP/SAVP), and our end does not encrypt.
    OnlyEncrypted,
    /// The audio is to be encrypted (RTP/SAVP), and no `a=crypto` line of it can be used.
    NoCommonCrypto,
    /// The audio's keys are to come by DTLS (UDP/TLS/RTP/SAVP), and the description has no
    /// `a=fingerprint` with a hash function that is believed, or an `a=setup` that nobody begins by.
    NoFingerprint,
    /// The audio is plain, and our end always encrypts.
    NotEncrypted,
    /// An audio stream, but no codec of ours in it.
    NoCommonCodec,
    /// `c=` holds a host name. Media goes to addresses only: a name would have to be looked up,
    /// and would let a caller point us at a name of our own network.
    HostName,
    /// `c=` holds an address that media cannot go to: multicast or broadcast.
    UnusableAddress,
    /// `c=` holds an IPv6 address (`IN IP6`) and no other, our media is on IPv4.
    OnlyIpv6,
    /// `c=` holds an IPv4 address (`IN IP4`) and no other, our media is on IPv6.
    OnlyIpv4,
    /// `c=` or `a=rtcp` holds an address and port of our own: sound would go round.
    OurOwnAddress,
    /// The audio stream has port 0: refused (answer) or removed (re-offer, RFC 3264 §8.2).
    StreamRemoved,
}

impl SdpError {
    /// The SIP status that refuses an offer for this reason: 400 when it cannot be read, 488
    /// when it can but does not suit (RFC 3261 §21.4.26).
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge
            | Self::TooManyLines
            | Self::LineTooLong
            | Self::TooManyStreams
            | Self::TooManyFormats
            | Self::Malformed
            | Self::NoConnection => 400,
            Self::NoCommonMedia
            | Self::NoCommonTransport
            | Self::OnlyEncrypted
            | Self::NoCommonCrypto
            | Self::NoFingerprint
            | Self::NotEncrypted
            | Self::NoCommonCodec
            | Self::HostName
            | Self::UnusableAddress
            | Self::OnlyIpv6
            | Self::OnlyIpv4
            | Self::OurOwnAddress
            | Self::StreamRemoved => 488,
        }
    }

    /// The code of the Warning header that goes with a 488 (RFC 3261 §20.43).
    pub const fn warning(self) -> u16 {
        match self {
            Self::HostName
            | Self::UnusableAddress
            | Self::OnlyIpv6
            | Self::OnlyIpv4
            | Self::OurOwnAddress => 301,
            Self::NoCommonTransport
            | Self::OnlyEncrypted
            | Self::NoCommonCrypto
            | Self::NoFingerprint
            | Self::NotEncrypted => 302,
            Self::NoCommonMedia => 304,
            Self::NoCommonCodec => 305,
            Self::TooLarge
            | Self::TooManyLines
            | Self::LineTooLong
            | Self::TooManyStreams
            | Self::TooManyFormats
            | Self::Malformed
            | Self::NoConnection
            | Self::StreamRemoved => 399,
        }
    }
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the session description is larger than 16 KiB",
            Self::TooManyLines => "the session description has more than 512 lines",
            Self::LineTooLong => "a line of the session description exceeds 4096 bytes",
            Self::TooManyStreams => "the session description has more than 32 media streams",
            Self::TooManyFormats => "a media stream has more than 128 formats",
            Self::Malformed => "the session description breaks the grammar of RFC 8866",
            Self::NoConnection => "the audio stream has no connection address",
            Self::NoCommonMedia => "no audio stream",
            Self::NoCommonTransport => {
                "no audio stream over RTP/AVP, RTP/SAVP or UDP/TLS/RTP/SAVP on one port"
            }
            Self::OnlyEncrypted => {
                "the audio is to be encrypted (SAVP): offer RTP/AVP, or set srtp of the trunk \
                 to preferred or required"
            }
            Self::NoCommonCrypto => {
                "no a=crypto line that we can use: AES_CM_128_HMAC_SHA1_80 without MKI will do"
            }
            Self::NoFingerprint => {
                "no a=fingerprint and a=setup that we can use: sha-256 and actpass will do"
            }
            Self::NotEncrypted => {
                "the audio is not encrypted: offer RTP/SAVP with a=crypto, or set srtp of the \
                 trunk to preferred"
            }
            Self::NoCommonCodec => "no audio codec in common: expected PCMU or PCMA",
            Self::HostName => "the connection address is a name, not an IP address",
            Self::UnusableAddress => "media cannot be sent to the connection address",
            Self::OnlyIpv6 => "the connection address is IPv6 (IN IP6) only, our media is on IPv4",
            Self::OnlyIpv4 => "the connection address is IPv4 (IN IP4) only, our media is on IPv6",
            Self::OurOwnAddress => "media would come back: address and port are the bridge's own",
            Self::StreamRemoved => "the audio stream is removed or refused",
        })
    }
}

impl std::error::Error for SdpError {}
