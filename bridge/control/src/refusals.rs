//! What is said of calls that are refused: once a minute for each source and reason, so that an
//! operator learns of it and a flood does not fill the log.
//!
//! No dialled or typed digit is in it: digits may be a passcode.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::Dropped;
use partyline_sip::message::Status;
use partyline_sip::sdp::SdpError;

use crate::claims::ClaimFault;
use crate::limits::TrunkLimit;

/// How long the same refusal of the same source is counted and not said again.
const AGAIN: Duration = Duration::from_secs(60);
/// Sources and reasons that are told apart, of strangers and of trunks each; beyond it the one that
/// was said first makes room.
const MOST: usize = 1024;
/// Refusals that are said in a minute, of strangers and of each trunk.
const MOST_A_MINUTE: u32 = 60;

/// Why a call, or a request within one, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The SIP endpoint refused it.
    Endpoint(Dropped, Option<&'static str>),
    /// The session description does not suit.
    Description(SdpError),
    /// No RTP port was free.
    NoPort,
    /// The trunk has as many calls as its limits allow, or calls more often.
    TrunkLimit(TrunkLimit),
    /// The caller's number is not signed as the trunk wants it: in what way, or not at all.
    Signature(&'static str),
    /// The call was to take the place of another or to come beside it, and does not get that.
    Claim(ClaimFault),
    /// The call flow refused it, with this SIP status.
    CallFlow(u16),
}

/// A refusal to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where the call came from.
    pub source: IpAddr,
    /// The trunk of the source; `None` for a stranger.
    pub trunk: Option<String>,
    /// The SIP status.
    pub status: u16,
    /// Why.
    pub cause: Cause,
    /// How often it happened since it was said last, this one included.
    pub times: u64,
}

impl Refusal {
    /// Why, for people.
    pub fn reason(&self) -> Cow<'static, str> {
        match self.cause {
            Cause::Endpoint(_, Some(phrase)) => phrase.to_lowercase().into(),
            Cause::Endpoint(reason, None) => reason_of(reason).into(),
            Cause::Description(error) => error.to_string().into(),
            Cause::NoPort => "no RTP port is free".into(),
            Cause::TrunkLimit(TrunkLimit::Calls) => "the trunk has max_calls calls".into(),
            Cause::TrunkLimit(TrunkLimit::Direction) => "the trunk has max_in calls in".into(),
            Cause::TrunkLimit(TrunkLimit::Rate) => "the trunk calls oftener than cps_in".into(),
            Cause::Signature("") => "the caller's number is not signed".into(),
            Cause::Signature(why) => {
                format!("the signature of the caller's number is worth nothing: {why}").into()
            }
            Cause::Claim(why) => why.reason().into(),
            Cause::CallFlow(404) => "the dialled number is none of ours".into(),
            Cause::CallFlow(403) => "the account of the dialled number is suspended".into(),
            Cause::CallFlow(482) => "a call out came back to us".into(),
            Cause::CallFlow(486) => "the conference or the account takes no more calls".into(),
            Cause::CallFlow(503) => "no more calls are taken, or records cannot be written".into(),
            Cause::CallFlow(status) => {
                Status::new(status).unwrap_or(Status::SERVER_ERROR).reason_phrase().into()
            }
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Cow<'static, str> {
        match self.cause {
            Cause::Endpoint(Dropped::Stranger, _) => {
                let bits = if self.source.is_ipv4() { 32 } else { 128 };
                format!(
                    "if it is a carrier or phone of yours, add \"{}/{bits}\" to the sources of a \
                     [[trunk]]; otherwise it is somebody who tries",
                    self.source
                )
                .into()
            }
            Cause::Endpoint(Dropped::ForeignSource, _) => {
                "if the far end's calls are answered from there, add the address to the sources of \
                 its [[trunk]]"
                    .into()
            }
            Cause::Endpoint(Dropped::TooOften | Dropped::NoShare, _) => {
                "if many callers share that address, say kind = \"carrier\" in its [[trunk]]".into()
            }
            Cause::Endpoint(Dropped::Unproven, _) => {
                "somebody may forge them: let the sources of its [[trunk]] name no more addresses \
                 than call"
                    .into()
            }
            Cause::Endpoint(Dropped::WrongPassword | Dropped::Guesser, _) => {
                "compare the telephone's user and password with its [[user]]; otherwise it is \
                 somebody who guesses"
                    .into()
            }
            Cause::Endpoint(Dropped::TooManyDialogs, _) | Cause::NoPort => {
                "widen media.ports, or send some calls elsewhere".into()
            }
            Cause::Description(SdpError::NoCommonCodec) => {
                "let the far end offer G.711 (PCMU or PCMA)".into()
            }
            Cause::Description(SdpError::NoCommonTransport) => {
                "let the far end offer RTP/AVP, RTP/SAVP or UDP/TLS/RTP/SAVP".into()
            }
            Cause::Description(SdpError::OnlyEncrypted) => {
                "the far end offers SRTP only: say srtp = \"preferred\" or \"required\" in its \
                 [[trunk]]"
                    .into()
            }
            Cause::Description(SdpError::NotEncrypted) => {
                "let the far end offer SRTP, or say srtp = \"preferred\" in its [[trunk]]".into()
            }
            Cause::Description(SdpError::NoCommonCrypto) => {
                "let the far end offer AES_CM_128_HMAC_SHA1_80 in an a=crypto line without MKI"
                    .into()
            }
            Cause::Description(SdpError::NoFingerprint) => {
                "let the far end offer a=fingerprint:sha-256 and a=setup:actpass".into()
            }
            Cause::Description(SdpError::OnlyIpv6 | SdpError::OnlyIpv4) => {
                "let the far end offer the address family of media.address".into()
            }
            Cause::Description(SdpError::HostName) => {
                "let the far end write an IP address in its c= line".into()
            }
            Cause::TrunkLimit(_) => {
                "raise that limit of its [[trunk]], or have fewer calls sent".into()
            }
            Cause::Signature("not_listed" | "untrusted") => {
                "if its carrier is to be believed, add to hosts and authorities of [stir]".into()
            }
            Cause::Signature(_) => {
                "tell the trunk's operator; verify of its [trunk.stir] says what is refused".into()
            }
            Cause::Claim(ClaimFault::Unproven) => {
                "let the telephone be a [[user]], or the far end show a certificate of its trunk"
                    .into()
            }
            Cause::Claim(_) => "see the other call in `partyline cdr` or `partyline trace`".into(),
            Cause::CallFlow(404) => {
                "compare the dialled number in `partyline cdr` with `partyline dial-in list`".into()
            }
            Cause::CallFlow(403) => "see `partyline account list`".into(),
            Cause::CallFlow(_) => "see the call in `partyline cdr`".into(),
            Cause::Endpoint(_, _) | Cause::Description(_) => {
                "show the far end's operator what is wrong with its INVITE".into()
            }
        }
    }
}

/// What the endpoint means.
const fn reason_of(reason: Dropped) -> &'static str {
    match reason {
        Dropped::Stranger => "no trunk has this source address",
        Dropped::ForeignSource => "a request within a call came from another address",
        Dropped::TooOften => "the source calls too often",
        Dropped::NoShare => "the caller has too many calls without a passcode",
        Dropped::Unproven => {
            "addresses of the trunk that never acknowledged a call have too many calls"
        }
        Dropped::TooManyDialogs => "there are as many calls as there may be",
        Dropped::WrongPassword => "no [[user]] has this name and password",
        Dropped::Guesser => "too many wrong passwords came from there, or for this user",
        Dropped::Oversized => "the INVITE is too large",
        Dropped::Misdirected => "the same INVITE came by two ways",
        Dropped::NotOffered => "the INVITE asks for what is not offered",
        Dropped::KeepAlive
        | Dropped::NotSip
        | Dropped::MalformedResponse
        | Dropped::StrayResponse
        | Dropped::StrayAck
        | Dropped::MalformedRequest
        | Dropped::Unnumbered
        | Dropped::TooManyForks
        | Dropped::TooManyPracks
        | Dropped::Repeated
        | Dropped::Declined
        | Dropped::Scanner
        | Dropped::Unidentified
        | Dropped::Unheard => "the INVITE is malformed",
    }
}

/// When something was said last, and how often it happened since.
#[derive(Debug)]
struct Said {
    at: Time,
    since: u64,
}

/// Which refusals are said. Strangers, whose addresses may be made up, take nothing from what is
/// said of trunks, nor one trunk from another.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    strangers: Log,
    /// By the trunk's number in records.
    trunks: BTreeMap<u32, Log>,
}

impl Refusals {
    /// Counts a refusal; how often it happened since it was said last, when it is to be said again.
    /// `trunk` is that of the source, `None` for a stranger.
    pub(crate) fn note(
        &mut self,
        now: Time,
        trunk: Option<u32>,
        source: IpAddr,
        cause: Cause,
    ) -> Option<u64> {
        let log = match trunk {
            Some(trunk) => self.trunks.entry(trunk).or_default(),
            None => &mut self.strangers,
        };
        log.note(now, source, cause)
    }
}

/// Which refusals of some sources are said.
#[derive(Debug, Default)]
struct Log {
    said: BTreeMap<(IpAddr, Cause), Said>,
    by_time: BTreeMap<(Time, IpAddr, Cause), ()>,
    minute: Time,
    in_minute: u32,
}

impl Log {
    fn note(&mut self, now: Time, source: IpAddr, cause: Cause) -> Option<u64> {
        let key = (source, cause);
        if let Some(said) = self.said.get_mut(&key).filter(|said| now < said.at + AGAIN) {
            said.since += 1;
            return None;
        }
        if now >= self.minute + AGAIN {
            (self.minute, self.in_minute) = (now, 0);
        }
        if self.in_minute == MOST_A_MINUTE {
            return None;
        }
        self.in_minute += 1;
        let before = self.said.insert(key, Said { at: now, since: 0 });
        if let Some(before) = &before {
            self.by_time.remove(&(before.at, source, cause));
        }
        self.by_time.insert((now, source, cause), ());
        if self.said.len() > MOST
            && let Some(((_, source, cause), ())) = self.by_time.pop_first()
        {
            self.said.remove(&(source, cause));
        }
        Some(before.map_or(0, |before| before.since) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn a_refusal_is_said_once_a_minute_for_each_source_and_reason() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.note(Time::ZERO, None, ip(1), Cause::NoPort), Some(1));
        assert_eq!(refusals.note(Time::ZERO, None, ip(2), Cause::NoPort), Some(1));
        assert_eq!(refusals.note(Time::ZERO, None, ip(1), Cause::CallFlow(404)), Some(1));
        for second in 1..60 {
            assert_eq!(refusals.note(Time::from_secs(second), None, ip(1), Cause::NoPort), None);
        }
        assert_eq!(refusals.note(Time::from_secs(60), None, ip(1), Cause::NoPort), Some(60));
        assert_eq!(refusals.note(Time::from_secs(120), None, ip(1), Cause::NoPort), Some(1));
    }

    #[test]
    fn a_flood_of_sources_fills_neither_the_log_nor_memory() {
        let mut refusals = Refusals::default();
        let mut said = 0;
        for n in 0..100_000_u32 {
            let now = Time::from_millis(u64::from(n) * 6);
            said += usize::from(refusals.note(now, None, ip(n), Cause::NoPort).is_some());
            let log = &refusals.strangers;
            assert!(log.said.len() <= MOST && log.by_time.len() <= MOST);
        }
        assert_eq!(said, 600, "60 in each of ten minutes");
    }

    #[test]
    fn a_flood_of_strangers_or_of_one_trunk_hides_no_refusal_of_another_trunk() {
        let mut refusals = Refusals::default();
        for n in 0..10_000 {
            refusals.note(Time::ZERO, None, ip(n), Cause::CallFlow(403));
            refusals.note(Time::ZERO, Some(1), ip(n), Cause::CallFlow(404));
        }
        assert_eq!(refusals.note(Time::ZERO, Some(2), ip(1), Cause::CallFlow(404)), Some(1));
        assert_eq!(refusals.note(Time::ZERO, Some(2), ip(1), Cause::NoPort), Some(1));
    }

    #[test]
    fn a_strangers_address_is_named_as_it_would_be_written() {
        let refusal = |source: &str| Refusal {
            source: source.parse().expect("an address"),
            trunk: None,
            status: 403,
            cause: Cause::Endpoint(Dropped::Stranger, None),
            times: 1,
        };
        assert!(refusal("192.0.2.7").advice().contains("\"192.0.2.7/32\""));
        assert!(refusal("2001:db8::7").advice().contains("\"2001:db8::7/128\""));
        assert_eq!(refusal("192.0.2.7").reason(), "no trunk has this source address");
    }
}
