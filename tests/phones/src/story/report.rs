//! A phone's log as JSON: the calls with their times, to lay beside the bridge's records. No keys.

use std::time::Duration;

use serde::Serialize;

use crate::{Direction, Ending, Phone};

/// A phone's log.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneLog {
    /// The phone.
    pub phone: String,
    /// Time zero of all `_ms` here, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Its calls.
    pub calls: Vec<CallLog>,
    /// Everything that happened: milliseconds and what.
    pub events: Vec<EventLog>,
    /// Outcomes of the story's steps.
    pub expectations: Vec<ExpectationLog>,
    /// Packet counts.
    pub rtp: RtpLog,
}

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct CallLog {
    /// SIP's Call-ID.
    pub call_id: String,
    /// `outgoing` or `incoming`.
    pub direction: &'static str,
    /// Who called: the phone's number when outgoing.
    pub invite_ms: u64,
    /// First 18x.
    pub ringing_ms: Option<u64>,
    /// 200.
    pub answered_ms: Option<u64>,
    /// BYE, or the refusal.
    pub ended_ms: Option<u64>,
    /// `by_us`, `by_them`, `refused`, `cancelled`, `timed_out`, `no_ack` or `vanished`.
    pub ended: Option<&'static str>,
    /// The final status of the INVITE.
    pub status: Option<u16>,
    /// From answer to end, when there were both.
    pub talk_ms: Option<u64>,
}

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct EventLog {
    /// When.
    pub ms: u64,
    /// What, as the library names it.
    pub event: String,
}

/// One outcome.
#[derive(Debug, Clone, Serialize)]
pub struct ExpectationLog {
    /// The step, from 1 as in the story's list.
    pub step: usize,
    /// When it was decided.
    pub ms: u64,
    /// What was expected.
    pub what: String,
    /// Whether it came so.
    pub met: bool,
    /// What was measured.
    pub detail: String,
}

/// Packets of a phone.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RtpLog {
    /// Sent.
    pub sent: u32,
    /// Audio received.
    pub received: u64,
    /// Other payload types received.
    pub other_payload: u64,
    /// No RTP.
    pub garbage: u64,
    /// Streams that began anew.
    pub restarts: u64,
    /// RTCP received.
    pub rtcp: u64,
}

/// The log of a phone whose time began at `started`, since 1970.
#[must_use]
pub fn phone_log(phone: &Phone, started: Duration) -> PhoneLog {
    let received = phone.received();
    let calls = phone.calls().iter().map(|call| CallLog {
        call_id: call.call_id.clone(),
        direction: match call.direction {
            Direction::Outgoing => "outgoing",
            Direction::Incoming => "incoming",
        },
        invite_ms: millis(call.invite_at),
        ringing_ms: call.ringing_at.map(millis),
        answered_ms: call.answered_at.map(millis),
        ended_ms: call.ended_at.map(millis),
        ended: call.ending.map(ending),
        status: call.status(),
        talk_ms: call.talk_time().map(millis),
    });
    let events = phone
        .log()
        .iter()
        .map(|entry| EventLog { ms: millis(entry.at), event: format!("{:?}", entry.event) });
    // Step 0 of the script is the wait for the phone's start.
    let expectations = phone.outcomes().iter().map(|outcome| ExpectationLog {
        step: outcome.step,
        ms: millis(outcome.at),
        what: outcome.what.clone(),
        met: outcome.met,
        detail: outcome.detail.clone(),
    });
    PhoneLog {
        phone: phone.config().name.clone(),
        started_unix_ms: millis(started),
        calls: calls.collect(),
        events: events.collect(),
        expectations: expectations.collect(),
        rtp: RtpLog {
            sent: phone.rtp_sent(),
            received: received.packets,
            other_payload: received.other_payload,
            garbage: received.garbage,
            restarts: received.restarts,
            rtcp: received.rtcp,
        },
    }
}

fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::ByUs => "by_us",
        Ending::ByThem => "by_them",
        Ending::Refused(_) => "refused",
        Ending::Cancelled => "cancelled",
        Ending::TimedOut => "timed_out",
        Ending::NoAck => "no_ack",
        Ending::Vanished => "vanished",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
