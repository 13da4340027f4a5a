//! Calls that are about another call of ours: to take its place, or to come beside it (Replaces and
//! Join). Who may: a caller who has proved who he is, by password or by certificate, about a call of
//! his own trunk. Whoever names its Call-ID and both tags was told of it by one of its two ends; of
//! other trunks' calls he learns no more than that there is none for him.
//!
//! Whether the conference lets him in is the conference core's to know.

use partyline_cdr_record::StatusCode;
use partyline_conference::{Claim, ClaimCodes, ClaimKind, Unclaimed};
use partyline_model::Time;
use partyline_sip::message::Status;
use partyline_sip::{Aim, Incoming, NotTaken, Rejection};

use crate::config::Trunk;
use crate::node::{Node, Refused};
use crate::refusals::Cause;

/// Why a call does not get a place at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimFault {
    /// The caller has not proved who he is.
    Unproven,
    /// No such call is on his trunk, or none that is answered.
    NoCall,
    /// The other call is over.
    Over,
    /// The other call is answered, and was to be replaced before that only.
    Answered,
    /// The INVITE brings no offer: nothing could be heard when the place changes hands.
    NoOffer,
    /// The other call is in no conference yet, or aside from it.
    Elsewhere,
    /// The conference has a security passcode, or is closed.
    Barred,
    /// The conference is full.
    Full,
}

impl ClaimFault {
    /// What the INVITE is answered.
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Unproven | Self::Barred => Status::FORBIDDEN,
            Self::NoCall => Status::NO_SUCH_DIALOG,
            Self::Over => Status::DECLINE,
            Self::Answered | Self::Full => Status::BUSY_HERE,
            Self::NoOffer | Self::Elsewhere => Status::NOT_ACCEPTABLE_HERE,
        }
    }

    /// Why, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unproven => "who takes over or joins a call has to prove who he is",
            Self::NoCall => "the call to take over or join is none of the trunk's",
            Self::Over => "the call to take over or join is over",
            Self::Answered => "the call was to be taken over before its answer only",
            Self::NoOffer => "a call cannot be taken over or joined without an offer",
            Self::Elsewhere => "the call to take over or join is in no conference",
            Self::Barred => "the conference lets nobody in without a passcode",
            Self::Full => "the conference is full",
        }
    }

    const fn code(self) -> StatusCode {
        StatusCode::new(self.status().code())
    }
}

impl From<Unclaimed> for ClaimFault {
    fn from(why: Unclaimed) -> Self {
        match why {
            Unclaimed::Gone => Self::NoCall,
            Unclaimed::Elsewhere => Self::Elsewhere,
            Unclaimed::Barred => Self::Barred,
            Unclaimed::Full => Self::Full,
        }
    }
}

const CODES: ClaimCodes = ClaimCodes {
    gone: ClaimFault::NoCall.code(),
    elsewhere: ClaimFault::Elsewhere.code(),
    barred: ClaimFault::Barred.code(),
    full: ClaimFault::Full.code(),
};

impl Node {
    /// What a call from the trunk at `trunk` claims; nothing, if it is about no other.
    ///
    /// # Errors
    /// The claim is refused, and the call with it.
    pub(crate) fn claim_of(
        &self,
        trunk: usize,
        incoming: &Incoming,
    ) -> Result<Option<Claim>, ClaimFault> {
        let Some(takeover) = &incoming.takeover else { return Ok(None) };
        if !self.has_proved(trunk, incoming) {
            return Err(ClaimFault::Unproven);
        }
        // Of others' calls he is told nothing, neither that they are answered nor that they are over.
        let (dialog, fault) = match self.endpoint.find_taken(takeover) {
            Ok(dialog) => (dialog, None),
            Err(NotTaken::Over(dialog)) => (dialog, Some(ClaimFault::Over)),
            Err(NotTaken::Answered(dialog)) => (dialog, Some(ClaimFault::Answered)),
            Err(NotTaken::NoDialog) => return Err(ClaimFault::NoCall),
        };
        let call = self.calls.by_dialog(dialog);
        let owned = call.filter(|call| self.usage.trunk_of(*call) == Some(trunk));
        let leg = owned.ok_or(ClaimFault::NoCall)?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if incoming.offer.is_none() {
            return Err(ClaimFault::NoOffer);
        }
        let kind = match takeover.aim {
            Aim::Replace { .. } => ClaimKind::InPlace,
            Aim::Join => ClaimKind::Beside,
        };
        Ok(Some(Claim { leg, kind, codes: CODES }))
    }

    /// Whether a caller of the trunk at `trunk` has proved to be of it: as one of its users, or as the
    /// trunk itself.
    fn has_proved(&self, trunk: usize, incoming: &Incoming) -> bool {
        let user = incoming.user.as_deref().and_then(|name| self.trunk_of_user(name));
        let is_trunk = |of: &Trunk| of.extensions.takeovers && incoming.flow.proves(of.id);
        user == Some(trunk) || self.config.trunks.get(trunk).is_some_and(is_trunk)
    }

    /// Refuses a call for what it claims.
    pub(crate) fn refuse_claim(&mut self, now: Time, incoming: &Incoming, why: ClaimFault) {
        let status = why.status();
        self.say_refused(now, incoming.flow.remote.ip(), status.code(), Cause::Claim(why));
        // 399: miscellaneous, for people (RFC 3261 §20.43).
        let warning = Some((399, why.reason().to_owned()));
        let rejection = Rejection { warning, ..Rejection::new(status) };
        self.turn_away(now, incoming.dialog, Refused::Claim, rejection);
    }
}
