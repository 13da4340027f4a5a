//! What the directory says about a number, a passcode, a conference, an account.
//!
//! Asked each time: a change of the directory holds from the next question on. Only the rules of a
//! conference are taken once, when its session begins.

use partyline_cdr_record::{AccessCode, AccessKind, AnnounceMode, LegRecord, Text};
use partyline_directory::{
    self as directory, AccountStatus, Announce, DialIn, Entitlements, ReferenceNumber, StartsWith,
};
use partyline_model::{AccountId, CallId, Number, Role, WallTime};
use partyline_secret::SecretDigits;

use crate::bridge::Bridge;
use crate::call::Grant;
use crate::event::{Offered, Refusal};
use crate::session::Rules;

/// What a called number is.
pub(crate) struct Admission {
    /// As the directory knows it, whatever the trunk sent.
    pub(crate) number: Number,
    kind: AccessKind,
}

impl Admission {
    /// Says so in the leg's record.
    pub(crate) fn fill(&self, record: &mut LegRecord) {
        record.dnis = Some(self.number);
        record.access_kind = self.kind;
    }
}

/// What a passcode opens.
pub(crate) struct Found {
    pub(crate) grant: Grant,
    pub(crate) code: AccessCode,
    /// For the record: who owns the account, and what it pays by today.
    pub(crate) tenant_id: u64,
    pub(crate) rate_plan: u32,
}

impl Bridge {
    /// Whether the called number is one of ours and in use.
    pub(crate) fn look_up_number(&self, offered: &Offered) -> Result<Admission, Refusal> {
        let by_number = offered.dnis.and_then(|number| self.directory.dial_in(&number));
        let dial_in = by_number
            .or_else(|| self.directory.dial_in_for(&offered.dnis_raw))
            .ok_or(Refusal::UnknownNumber)?;
        let account = dial_in.account.and_then(|id| self.directory.account(id));
        if account.is_some_and(|account| account.status != AccountStatus::Active) {
            return Err(Refusal::Suspended);
        }
        Ok(Admission { number: dial_in.number, kind: access_kind(dial_in.access_kind) })
    }

    /// What the passcode that `id` typed opens. A right and a wrong one cost the same.
    pub(crate) fn look_up_passcode(&self, id: CallId, typed: &SecretDigits) -> Option<Found> {
        let dial_in = self.dial_in_of(id)?;
        let passcode = self.directory.find_passcode(typed, dial_in)?;
        let (conference, account) = self.directory.conference_and_account(passcode.conference)?;
        Some(Found {
            grant: Grant { account: account.id, conference: conference.id, role: passcode.role },
            code: AccessCode {
                passcode: passcode.id,
                role: passcode.role,
                mask: Text::new(&passcode.mask),
                at: WallTime::default(),
            },
            tenant_id: account.tenant_id,
            rate_plan: account.rate_plan,
        })
    }

    /// Whether the conference of `grant` may be used, and what is asked of it may cost something: it
    /// may have been closed, or its account suspended, while it is in session.
    pub(crate) fn is_open(&self, grant: Grant) -> bool {
        let found = self.directory.conference_and_account(grant.conference);
        found.is_some_and(|(conference, account)| {
            conference.enabled && account.status == AccountStatus::Active
        })
    }

    /// The plan that `account` has now.
    pub(crate) fn rate_plan(&self, account: AccountId) -> Option<u32> {
        self.directory.account(account).map(|account| account.rate_plan)
    }

    fn dial_in_of(&self, id: CallId) -> Option<&DialIn> {
        let number = self.calls.get(&id)?.book.record().dnis?;
        self.directory.dial_in(&number)
    }

    /// How the conference of `grant` is configured, and its name.
    pub(crate) fn look_up_rules(&self, grant: Grant) -> Option<(Rules, Text<128>)> {
        let conference = self.directory.conference(grant.conference)?;
        let rules = Rules {
            waits_for_moderator: conference.starts_with == StartsWith::Moderator,
            max_legs: usize::from(conference.max_legs),
            announce: match conference.announce {
                Announce::Tones => AnnounceMode::Tones,
                Announce::Silent => AnnounceMode::Silent,
            },
            ends_with_moderator: conference.ends_with_moderator,
        };
        Some((rules, Text::new(&conference.name)))
    }

    /// What the account may do.
    pub(crate) fn entitlements(&self, account: AccountId) -> Option<&Entitlements> {
        self.directory.account(account).map(|account| &account.entitlements)
    }

    /// Whether `id` is asked, once it is in its conference, for a reference number that it need not
    /// give: as a moderator, and while the conference has none.
    pub(crate) fn may_add_reference(&self, id: CallId) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        let Some(grant) = call.grant.filter(|grant| grant.role == Role::Moderator) else {
            return false;
        };
        let session = call.session().and_then(|session| self.sessions.get(&session));
        let has_none =
            session.is_some_and(|session| session.book.record().reference_number.is_none());
        has_none && self.reference_setting(grant.account) == ReferenceNumber::Optional
    }

    /// Whether `id` may not enter without a reference number.
    pub(crate) fn reference_is_required(&self, id: CallId) -> bool {
        let grant = self.calls.get(&id).and_then(|call| call.grant);
        grant
            .is_some_and(|grant| self.reference_setting(grant.account) == ReferenceNumber::Required)
    }

    fn reference_setting(&self, account: AccountId) -> ReferenceNumber {
        self.entitlements(account).map_or(ReferenceNumber::Off, |bought| bought.reference_number)
    }
}

const fn access_kind(kind: directory::AccessKind) -> AccessKind {
    match kind {
        directory::AccessKind::Local => AccessKind::Local,
        directory::AccessKind::TollFree => AccessKind::TollFree,
        directory::AccessKind::IntlTollFree => AccessKind::IntlTollFree,
        directory::AccessKind::Sip => AccessKind::Sip,
    }
}
