//! What happened to a phone and when, as the phone saw it: the other side of the bridge's records.
//! Holds counts of keys, never keys.

use std::time::Duration;

/// Who placed a call, seen from the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The phone called.
    Outgoing,
    /// The phone was called.
    Incoming,
}

/// How a call came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The phone hung up.
    ByUs,
    /// The far end sent BYE.
    ByThem,
    /// A final response other than 2xx, from either side.
    Refused(u16),
    /// CANCEL before the answer, from either side.
    Cancelled,
    /// A request of ours was never answered.
    TimedOut,
    /// Our 200 was never acknowledged.
    NoAck,
    /// The phone left without a word, as it was told to.
    Vanished,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An INVITE went out.
    InviteSent {
        /// The Call-ID, as the bridge's records may show it.
        call_id: String,
    },
    /// A new INVITE came.
    InviteReceived {
        /// Its Call-ID.
        call_id: String,
        /// The user part of its From.
        caller: String,
    },
    /// A provisional response came.
    Progress {
        /// 100 to 199.
        status: u16,
    },
    /// The phone rings: 180 went out.
    RingingSent,
    /// 200 came, or went out.
    Answered,
    /// The ACK for our 200 came.
    AckReceived,
    /// Our re-INVITE went out.
    ReinviteSent,
    /// Our re-INVITE got its final response.
    ReinviteAnswered {
        /// 200 to 699.
        status: u16,
    },
    /// The far end sent a re-INVITE or UPDATE.
    ReinviteReceived,
    /// A PRACK came.
    PrackReceived {
        /// What it was answered.
        status: u16,
    },
    /// An INFO came inside the call.
    InfoReceived,
    /// Our INFO got its final response.
    InfoAnswered {
        /// 200 to 699.
        status: u16,
    },
    /// A request that a test asked for got its final response.
    AskAnswered {
        /// 200 to 699.
        status: u16,
    },
    /// A NOTIFY came inside the call.
    Notified {
        /// Its Subscription-State.
        state: String,
        /// Its body.
        body: String,
    },
    /// CANCEL went out.
    CancelSent,
    /// CANCEL came.
    CancelReceived,
    /// BYE went out.
    ByeSent,
    /// Our BYE got its final response.
    ByeAnswered {
        /// 200 to 699.
        status: u16,
    },
    /// BYE came.
    ByeReceived,
    /// A request of ours got no final response in 32 s.
    TimedOut {
        /// Its method.
        method: &'static str,
    },
    /// The first audio of a stream came.
    AudioReceived,
    /// The keys asked for last have all been sent.
    KeysSent {
        /// How many.
        count: usize,
    },
    /// The call is over.
    Ended(Ending),
}

/// An event and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since the start.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// One call in a line: what a record of the bridge must agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// SIP's Call-ID.
    pub call_id: String,
    /// Who placed it.
    pub direction: Direction,
    /// First INVITE sent or received.
    pub invite_at: Duration,
    /// First provisional response above 100, sent or received.
    pub ringing_at: Option<Duration>,
    /// First 200 received (outgoing) or sent (incoming).
    pub answered_at: Option<Duration>,
    /// BYE sent or received, or the last response.
    pub ended_at: Option<Duration>,
    /// How it ended; `None` while it lasts.
    pub ending: Option<Ending>,
}

impl CallSummary {
    /// From answer to end; `None` before the end or without an answer.
    #[must_use]
    pub fn talk_time(&self) -> Option<Duration> {
        Some(self.ended_at?.saturating_sub(self.answered_at?))
    }

    /// The final status of the INVITE as far as it is known: 200 when answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match (self.answered_at, self.ending) {
            (Some(_), _) => Some(200),
            (None, Some(Ending::Refused(status))) => Some(status),
            (None, Some(Ending::Cancelled)) => Some(487),
            (None, Some(_) | None) => None,
        }
    }
}

/// The phone's diary.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    entries: Vec<Entry>,
    calls: Vec<CallSummary>,
}

impl Log {
    pub(crate) fn push(&mut self, at: Duration, event: Event) {
        match &event {
            Event::InviteSent { call_id } => self.begin(at, call_id, Direction::Outgoing),
            Event::InviteReceived { call_id, .. } => self.begin(at, call_id, Direction::Incoming),
            Event::Progress { status: 101.. } | Event::RingingSent => {
                self.with_call(|call| call.ringing_at = call.ringing_at.or(Some(at)));
            }
            Event::Answered => {
                self.with_call(|call| call.answered_at = call.answered_at.or(Some(at)));
            }
            Event::Ended(ending) => self.with_call(|call| {
                if call.ending.is_none() {
                    (call.ended_at, call.ending) = (Some(at), Some(*ending));
                }
            }),
            Event::Progress { .. }
            | Event::AckReceived
            | Event::ReinviteSent
            | Event::ReinviteAnswered { .. }
            | Event::ReinviteReceived
            | Event::PrackReceived { .. }
            | Event::InfoReceived
            | Event::InfoAnswered { .. }
            | Event::AskAnswered { .. }
            | Event::Notified { .. }
            | Event::CancelSent
            | Event::CancelReceived
            | Event::ByeSent
            | Event::ByeAnswered { .. }
            | Event::ByeReceived
            | Event::TimedOut { .. }
            | Event::AudioReceived
            | Event::KeysSent { .. } => {}
        }
        self.entries.push(Entry { at, event });
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn calls(&self) -> &[CallSummary] {
        &self.calls
    }

    fn begin(&mut self, at: Duration, call_id: &str, direction: Direction) {
        self.calls.push(CallSummary {
            call_id: call_id.to_owned(),
            direction,
            invite_at: at,
            ringing_at: None,
            answered_at: None,
            ended_at: None,
            ending: None,
        });
    }

    fn with_call(&mut self, change: impl FnOnce(&mut CallSummary)) {
        if let Some(call) = self.calls.last_mut() {
            change(call);
        }
    }
}
