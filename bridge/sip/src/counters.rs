//! What came in and was not worth an event.

/// Why a datagram went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// Blank lines or zeros that keep a NAT binding open.
    KeepAlive,
    /// Longer than a datagram can be.
    Oversized,
    /// Not SIP.
    NotSip,
    /// A response that is malformed.
    MalformedResponse,
    /// A response that belongs to no transaction.
    StrayResponse,
    /// An ACK that is malformed or belongs to nothing.
    StrayAck,
    /// A request that was answered 4xx or 5xx for its form.
    MalformedRequest,
    /// A request that was answered for naming nothing we hold: 481 or 482.
    Misdirected,
    /// A request that asks for what we do not offer: 405, 406, 415, 416, 420 or 501.
    NotOffered,
    /// A REFER whose sender may not have anybody called, or not whom it names.
    Declined,
    /// An INVITE that was answered 503 because the table of dialogs is full.
    TooManyDialogs,
    /// A provisional response that asks for its PRACK and bears no number: taken as any other.
    Unnumbered,
    /// Progress or an answer beyond the forks that one call may have.
    TooManyForks,
    /// Progress that asks for a PRACK beyond those that one call may have: it will come again.
    TooManyPracks,
    /// A message that came again and was absorbed or answered as before.
    Repeated,
    /// A call of a stranger, refused with 403.
    Stranger,
    /// A request of a program that looks for telephones that it could use: it gets no answer.
    Scanner,
    /// Something of a stranger that was not looked at: strangers come too often.
    Unheard,
    /// A request of a known source, or within a call, that came too soon after others.
    TooOften,
    /// An INVITE, or a request within a call, whose source holds its share of calls or memory.
    NoShare,
    /// A call from an address that never acknowledged one, while such addresses of its trunk hold
    /// their share of calls: they may be forged.
    Unproven,
    /// A request within a call that came from an address that does not speak for its peer.
    ForeignSource,
    /// A request whose sender was asked who he is, as the first of most calls of users.
    Unidentified,
    /// A request of a user that there is not, or with a wrong password.
    WrongPassword,
    /// A request that was not looked at, since too many before had a wrong password.
    Guesser,
}

const REASONS: [Dropped; 25] = [
    Dropped::KeepAlive,
    Dropped::Oversized,
    Dropped::NotSip,
    Dropped::MalformedResponse,
    Dropped::StrayResponse,
    Dropped::StrayAck,
    Dropped::MalformedRequest,
    Dropped::Misdirected,
    Dropped::NotOffered,
    Dropped::Declined,
    Dropped::TooManyDialogs,
    Dropped::Unnumbered,
    Dropped::TooManyForks,
    Dropped::TooManyPracks,
    Dropped::Repeated,
    Dropped::Stranger,
    Dropped::Scanner,
    Dropped::Unheard,
    Dropped::TooOften,
    Dropped::NoShare,
    Dropped::Unproven,
    Dropped::ForeignSource,
    Dropped::Unidentified,
    Dropped::WrongPassword,
    Dropped::Guesser,
];

impl Dropped {
    /// A name for a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::Oversized => "oversized",
            Self::NotSip => "not_sip",
            Self::MalformedResponse => "malformed_response",
            Self::StrayResponse => "stray_response",
            Self::StrayAck => "stray_ack",
            Self::MalformedRequest => "malformed_request",
            Self::Misdirected => "misdirected",
            Self::NotOffered => "not_offered",
            Self::Declined => "declined",
            Self::TooManyDialogs => "too_many_dialogs",
            Self::Unnumbered => "unnumbered_progress",
            Self::TooManyForks => "too_many_forks",
            Self::TooManyPracks => "too_many_pracks",
            Self::Repeated => "repeated",
            Self::Stranger => "stranger",
            Self::Scanner => "scanner",
            Self::Unheard => "strangers_too_often",
            Self::TooOften => "too_often",
            Self::NoShare => "no_share",
            Self::Unproven => "unproven",
            Self::ForeignSource => "foreign_source",
            Self::Unidentified => "unidentified",
            Self::WrongPassword => "wrong_password",
            Self::Guesser => "guesser",
        }
    }
}

/// How often each [`Dropped`] happened since the endpoint was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; REASONS.len()]);

impl Counters {
    pub(crate) fn count(&mut self, reason: Dropped) {
        for (slot, _) in self.0.iter_mut().zip(REASONS).filter(|(_, r)| *r == reason) {
            *slot += 1;
        }
    }

    /// How often `reason` happened.
    pub fn of(&self, reason: Dropped) -> u64 {
        self.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| n)
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Dropped, u64)> {
        REASONS.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_counts_apart() {
        let mut counters = Counters::default();
        for reason in REASONS {
            counters.count(reason);
            assert_eq!(counters.of(reason), 1);
        }
        counters.count(Dropped::NotSip);
        assert_eq!(counters.of(Dropped::NotSip), 2);
        assert_eq!(counters.iter().map(|(_, n)| n).sum::<u64>(), 26);
    }
}
