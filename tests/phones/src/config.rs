//! What a test phone is made of.

use std::net::SocketAddr;
use std::time::Duration;

use crate::media::g711::Codec;
use crate::media::keypad::DigitMode;

/// Whether the phone's INVITE carries SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The INVITE offers, the 200 answers.
    WithSdp,
    /// The 200 offers, the ACK answers.
    Late,
}

/// What the phone does when it is called. A second call at the same time gets 486.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// Rings and answers by itself.
    After(Duration),
    /// Rings and then refuses with a status of 300 to 699.
    Reject {
        /// Time of ringing; zero refuses without.
        after: Duration,
        /// The final response.
        status: u16,
    },
    /// Rings until told to answer, or cancelled.
    RingForever,
    /// Says that it tries (100), and nothing else until it is cancelled.
    TryForever,
    /// Says nothing at all.
    Ignore,
}

/// Whether a called phone describes its sound in a 183 before it answers, and then no more in its
/// 200. To an INVITE without an offer it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EarlyAnswer {
    /// It does not.
    #[default]
    Nothing,
    /// In a plain 183.
    Plain,
    /// In a reliable 183, followed by a reliable 180 (RFC 3262), where the caller speaks that.
    Reliable,
    /// The same, and an UPDATE between both offers this codec alone (RFC 3311).
    Renewed(Codec),
}

/// Whether the phone's sound is encrypted, by keys in its SDP (RFC 4568) or by DTLS (RFC 5763). An
/// answer follows the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    Off,
    /// Offers a plain stream with a key (RFC 8643).
    Offered,
    /// Offers RTP/SAVP, and takes nothing else.
    Required,
    /// Offers UDP/TLS/RTP/SAVP, and takes nothing but keys by DTLS.
    Dtls,
}

/// What the phone does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// No 2xx is ever acknowledged.
    pub no_ack: bool,
    /// Hanging up stops the media and sends nothing.
    pub no_bye: bool,
    /// It signals another fingerprint than its certificate has.
    pub wrong_fingerprint: bool,
    /// It takes part in no handshake.
    pub no_handshake: bool,
}

/// All a phone must know before it starts.
#[derive(Debug, Clone)]
pub struct PhoneConfig {
    /// For logs and for RTCP's CNAME.
    pub name: String,
    /// Where its SIP comes and goes.
    pub sip_address: SocketAddr,
    /// Where its RTP comes and goes; RTCP is one port above.
    pub rtp_address: SocketAddr,
    /// What SDP names in place of `rtp_address`: of a phone behind NAT, which knows no better.
    pub described: Option<SocketAddr>,
    /// A relay in the way of the sound: SDP names it in place of `rtp_address`, and RTP goes to it
    /// in place of the far end, which it must find for itself.
    pub relay: Option<SocketAddr>,
    /// The bridge, or a proxy before it.
    pub target: SocketAddr,
    /// User part of the Request-URI: the number dialled.
    pub to: String,
    /// Parameters of the Request-URI, such as `;pin=4711`.
    pub uri_parameters: String,
    /// User part of From: the number that calls.
    pub from: String,
    /// Further headers of the INVITE, such as P-Asserted-Identity.
    pub headers: Vec<(String, String)>,
    /// Whether it says that it takes UPDATE; it does in any case.
    pub says_update: bool,
    /// The codec offered, and preferred in an answer.
    pub codec: Codec,
    /// A codec that it sends in place of the first one, where the far end has it too; its answers
    /// then list both.
    pub speaks: Option<Codec>,
    /// How keys are sent. Telephone events are offered with [`DigitMode::Rfc4733`] and
    /// [`DigitMode::Mixed`] only.
    pub digit_mode: DigitMode,
    /// Length of a key press.
    pub key_on: Duration,
    /// Pause after each key press.
    pub key_gap: Duration,
    /// Whether the INVITE carries SDP.
    pub offer: Offer,
    /// Whether its sound is encrypted.
    pub encryption: Encryption,
    /// What it does when called.
    pub answering: Answering,
    /// What it says of its sound before it answers.
    pub early: EarlyAnswer,
    /// Further headers of its refusals, such as Retry-After.
    pub refusal_headers: Vec<(String, String)>,
    /// What it does wrong.
    pub faults: Faults,
    /// How much heard audio is kept at least; twice that is the most.
    pub keep: Duration,
    /// Makes Call-ID, tags, branches and the starts of RTP.
    pub seed: u64,
}

impl PhoneConfig {
    /// A phone with PCMU, telephone events, an offer in its INVITE and no faults, that answers
    /// after 100 ms and keeps ten minutes of what it hears.
    #[must_use]
    pub fn new(name: &str, sip: SocketAddr, rtp: SocketAddr, target: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            sip_address: sip,
            rtp_address: rtp,
            described: None,
            relay: None,
            target,
            to: "100".to_owned(),
            uri_parameters: String::new(),
            from: name.to_owned(),
            headers: Vec::new(),
            says_update: true,
            codec: Codec::Pcmu,
            speaks: None,
            digit_mode: DigitMode::Rfc4733,
            key_on: Duration::from_millis(100),
            key_gap: Duration::from_millis(100),
            offer: Offer::WithSdp,
            encryption: Encryption::Off,
            answering: Answering::After(Duration::from_millis(100)),
            early: EarlyAnswer::default(),
            refusal_headers: Vec::new(),
            faults: Faults::default(),
            keep: Duration::from_secs(600),
            seed: 1,
        }
    }

    /// Where SDP says that the phone hears.
    #[must_use]
    pub fn described(&self) -> SocketAddr {
        self.relay.or(self.described).unwrap_or(self.rtp_address)
    }
}
