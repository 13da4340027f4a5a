//! Reliable provisional responses (RFC 3262), as far as they are values: who speaks them, what a
//! PRACK names, and what is sent and awaited.

use std::fmt;

use bytes::Bytes;
use partyline_model::Time;

use crate::flow::Transport;
use crate::message::{CSeq, Headers, Method, Name, Status};
use crate::session_timer::has;
use crate::transaction::timer::Backoff;

/// The option tag of reliable provisional responses.
pub(crate) const RELIABLE: &str = "100rel";

/// PRACKs of a call that have no answer yet. A callee says by Contact where they go, and each is sent
/// until it is answered: there may be others than those who asked for it.
const MOST_UNANSWERED: u32 = 4;
/// PRACKs of a call.
const MOST_PRACKS: u32 = 64;

/// The PRACKs of a call out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pracks {
    sent: u32,
    unanswered: u32,
}

impl Pracks {
    /// Whether one more may be sent.
    pub(crate) fn fits(self) -> bool {
        self.sent < MOST_PRACKS && self.unanswered < MOST_UNANSWERED
    }

    /// One is sent.
    pub(crate) fn send(&mut self) {
        self.sent += 1;
        self.unanswered += 1;
    }

    /// One has its answer.
    pub(crate) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }
}

/// Numbers of ours begin below this one (RFC 3262 §3).
const FIRST_BELOW: u128 = (1 << 31) - 1;

/// Whether provisional responses are sent reliably.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// The extension is not spoken.
    Off,
    /// Where the far end wants it: callees may, and callers that require it are obeyed.
    #[default]
    OnDemand,
    /// Also what describes a session, to callers that speak the extension.
    Offer,
}

/// What a provisional response wants of who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Nothing,
    /// A PRACK, but there is no number to acknowledge.
    Unnumbered,
    /// The PRACK of this number.
    Prack(u32),
}

impl Wants {
    pub(crate) fn read(headers: &Headers) -> Self {
        if !has(headers, &Name::Require, RELIABLE) {
            return Self::Nothing;
        }
        let number = headers.text(&Name::RSeq).and_then(|text| text.trim().parse().ok());
        // Numbers begin at 1 (RFC 3262 §3).
        number.filter(|number| *number > 0).map_or(Self::Unnumbered, Self::Prack)
    }
}

/// The response that a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RAck {
    pub(crate) rseq: u32,
    /// The number of the INVITE.
    pub(crate) cseq: u32,
}

impl RAck {
    /// That of a PRACK; `None` where it is missing, malformed or of another method.
    pub(crate) fn read(headers: &Headers) -> Option<Self> {
        let (rseq, rest) = headers.text(&Name::RAck)?.trim().split_once([' ', '\t'])?;
        let cseq = CSeq::parse(rest.trim())?;
        let rack = Self { rseq: rseq.parse().ok()?, cseq: cseq.number };
        (cseq.method == Method::Invite).then_some(rack)
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.rseq, self.cseq, Method::Invite)
    }
}

/// What goes out when the PRACK has come.
#[derive(Debug)]
pub(crate) enum Waiting {
    Progress(Status, Option<Bytes>),
    Answer(Bytes),
}

/// A reliable response without its PRACK.
#[derive(Debug)]
pub(crate) struct Sent {
    rack: RAck,
    /// Empty once it is repeated no longer.
    pub(crate) response: Bytes,
    has_sdp: bool,
    pub(crate) backoff: Backoff,
}

/// Our provisional responses to an INVITE whose sender speaks the extension.
#[derive(Debug)]
pub(crate) struct Provisionals {
    /// Whether all of them are to be reliable.
    required: bool,
    /// Whether the INVITE has an offer.
    offered: bool,
    /// The number of the INVITE, and the last of ours.
    last: RAck,
    /// The one whose PRACK is awaited.
    pub(crate) sent: Option<Sent>,
    pub(crate) waiting: Option<Waiting>,
    /// Whether the offer has its answer: the 200 has none then.
    pub(crate) agreed: bool,
}

impl Provisionals {
    /// Those to an INVITE with these headers and this number; `random` is where ours begin. `None`
    /// where none will be reliable.
    pub(crate) fn new(
        reliability: Reliability,
        headers: &Headers,
        offered: bool,
        (cseq, random): (u32, u128),
    ) -> Option<Self> {
        let required = has(headers, &Name::Require, RELIABLE);
        let wanted = match reliability {
            Reliability::Off => false,
            Reliability::OnDemand => required,
            Reliability::Offer => required || has(headers, &Name::Supported, RELIABLE),
        };
        let rseq = u32::try_from(random % FIRST_BELOW).unwrap_or_default();
        let last = RAck { rseq, cseq };
        let (sent, waiting, agreed) = (None, None, false);
        wanted.then_some(Self { required, offered, last, sent, waiting, agreed })
    }

    /// Whether one goes out reliably: of those that need not, what describes the session.
    pub(crate) fn is_reliable(&self, has_sdp: bool) -> bool {
        self.required || has_sdp
    }

    /// Whether a reliable one may go out at all: the first to an INVITE without offer would have to
    /// make one (RFC 3262 §5), which is the 200's to do here.
    pub(crate) fn may_be(&self) -> bool {
        self.offered
    }

    /// The number of the next one.
    pub(crate) fn next(&mut self) -> u32 {
        self.last.rseq += 1;
        self.last.rseq
    }

    /// The one with the last number went out.
    pub(crate) fn sent(&mut self, now: Time, response: Bytes, has_sdp: bool) {
        // Doubling from T1 for 64*T1, over any transport: its PRACK comes from the far end of all
        // hops (RFC 3262 §3).
        let backoff = Backoff::unlimited(now, Transport::Udp);
        self.sent = Some(Sent { rack: self.last, response, has_sdp, backoff });
    }

    /// Has this one go out after the one that is out; a description is not lost by the next.
    pub(crate) fn wait(&mut self, status: Status, sdp: Option<Bytes>) {
        let before = match self.waiting.take() {
            Some(Waiting::Progress(_, before)) => before,
            Some(Waiting::Answer(_)) | None => None,
        };
        self.waiting = Some(Waiting::Progress(status, sdp.or(before)));
    }

    /// Whether the 200 has to wait for a PRACK.
    pub(crate) fn holds_answer(&self) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.has_sdp)
    }

    /// Whether the answer waits already.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.waiting, Some(Waiting::Answer(_)))
    }

    pub(crate) fn awaits(&self, rack: RAck) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.rack == rack)
    }

    /// The PRACK came.
    pub(crate) fn acknowledge(&mut self) {
        self.agreed |= self.sent.take().is_some_and(|sent| sent.has_sdp);
    }

    /// The INVITE has its final response: nothing is repeated, and a PRACK may yet come.
    pub(crate) fn rest(&mut self) {
        self.waiting = None;
        if let Some(sent) = &mut self.sent {
            sent.response = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_names_a_response_to_an_invite() {
        let read = |text: &str| {
            let mut headers = Headers::default();
            headers.add(Name::RAck, text);
            RAck::read(&headers).map(|rack| rack.to_string())
        };
        assert_eq!(read("776656 1 INVITE").as_deref(), Some("776656 1 INVITE"));
        assert_eq!(read(" 7\t 314159   INVITE ").as_deref(), Some("7 314159 INVITE"));
        for text in
            ["", "7", "7 1", "7 1 UPDATE", "x 1 INVITE", "-7 1 INVITE", "4294967296 1 INVITE"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_begin_anywhere_below_the_half() {
        let mut headers = Headers::default();
        headers.add(Name::Require, "100REL");
        for (random, first) in [(0, 1), (FIRST_BELOW - 1, (1 << 31) - 1), (FIRST_BELOW, 1)] {
            let made = Provisionals::new(Reliability::OnDemand, &headers, true, (1, random));
            assert_eq!(made.map(|mut provisionals| provisionals.next()), Some(first));
        }
    }
}
