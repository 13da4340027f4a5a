//! Whether callers' numbers are their own, as carriers have signed it (RFC 8224): what the INVITE says,
//! the certificates that are known, and those that are fetched.
//!
//! Where a trunk's calls are refused for it, a call waits for its certificates before it is put to the
//! conference core: 100 Trying is out by then, and it waits for two seconds at the most. Else it goes on
//! at once, and what comes later goes into the record alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline_cdr_record::Attestation;
use partyline_conference::Input;
use partyline_model::{CallId, Number, Time};
use partyline_sip::message::Status;
use partyline_sip::{CalledPlace, Incoming, Rejection};
use partyline_stir::{
    Authorities, Call, Certificates, FetchFault, Fetched, Inspection, Place, Reason, Rules, Signed,
    Verdict, Want, inspect,
};

use crate::attestation::level;
use crate::call_map::Stage;
use crate::config::Trunk;
use crate::node::{Node, Output, Refused, or_ended};
use crate::refusals::Cause;

/// The most calls whose certificates are awaited, of all and of one trunk; more are not looked into.
const MOST_WAITING: usize = 1024;
const MOST_OF_TRUNK: usize = MOST_WAITING / 4;
/// How long a call waits for its certificates, where it does.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is waited for a verdict that goes into the record alone. What is fetched comes sooner, but
/// one certificate may have been dropped for others when the next one comes.
const FOR_RECORD: Duration = Duration::from_secs(10);
/// When who could not be looked into may call again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The most tokens that are remembered against replay.
const MOST_TAKEN: usize = 16_384;
/// The most readings of whom a call is for.
const MOST_CALLEES: usize = 32;

/// What is done about the signatures of a trunk's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verifying {
    /// Nothing.
    #[default]
    Off,
    /// Identities are looked into, for the record.
    Record,
    /// A call whose signature is worth nothing is refused.
    RefuseInvalid,
    /// So is one without.
    Require,
}

impl Verifying {
    /// Whether calls wait for what it takes to judge them.
    const fn waits(self) -> bool {
        matches!(self, Self::RefuseInvalid | Self::Require)
    }

    /// How a call of which this is known is refused, if it is. Who may call without a signature may
    /// call with one whose certificate cannot be had now; not with one that has none.
    fn refusal(self, verdict: Verdict) -> Option<(u16, &'static str)> {
        let fault = match verdict {
            Verdict::CouldNotFetch(fault) => Some(fault),
            Verdict::NoSignature | Verdict::Valid(_) | Verdict::Invalid(_) => None,
        };
        match (self, fault) {
            (Self::Off | Self::Record, _) => None,
            // That is our doing, and the caller may come again.
            (Self::RefuseInvalid | Self::Require, Some(FetchFault::Busy)) => {
                Some((503, "Service Unavailable"))
            }
            (
                Self::RefuseInvalid,
                Some(
                    FetchFault::NoAddress
                    | FetchFault::Private
                    | FetchFault::Silent
                    | FetchFault::Tls
                    | FetchFault::Status,
                ),
            ) => None,
            (Self::RefuseInvalid, None) if verdict == Verdict::NoSignature => None,
            (Self::RefuseInvalid | Self::Require, _) => verdict.refusal(),
        }
    }
}

/// The response to a call that is refused so.
fn rejection((code, phrase): (u16, &'static str)) -> Rejection {
    let status = Status::new(code).unwrap_or(Status::FORBIDDEN);
    let retry_after = (status == Status::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER);
    Rejection { phrase: Some(phrase.to_owned()), retry_after, ..Rejection::new(status) }
}

/// By what signatures are judged.
#[derive(Clone, Debug)]
pub struct Verification {
    /// What is taken.
    pub rules: Rules,
    /// Whose certificates are believed.
    pub authorities: Authorities,
}

impl Verification {
    /// Nobody is believed.
    pub fn none() -> Self {
        let rules = Rules { freshness: Duration::from_secs(60), hosts: Vec::new() };
        Self { rules, authorities: Authorities::default() }
    }
}

/// What became of a call's signature; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The trunk, as people name it.
    pub trunk: String,
    /// The Call-ID, by which its messages are found.
    pub sip_call_id: String,
    /// What is known of the caller's number.
    pub verdict: Verdict,
}

/// What is known of a call's signature when it comes.
pub(crate) enum Assurance {
    /// Nobody wants to know.
    Unasked,
    /// All; the token that a good verdict took.
    Verdict(Verdict, Option<Token>),
    /// That certificates are to be had first.
    Waits(Box<Signed>),
}

/// What tells a token from all others: its signature.
pub(crate) type Token = Box<[u8; 64]>;

/// A call whose certificates are fetched.
struct Waiting {
    signed: Box<Signed>,
    /// The trunk's place among all, and its name.
    trunk: (usize, String),
    sip_call_id: String,
    /// When it is judged by what is known then.
    due: Time,
}

/// All that is known of signatures.
pub(crate) struct Verifier {
    rules: Rules,
    certificates: Certificates,
    waiting: BTreeMap<CallId, Waiting>,
    /// When calls have waited for long enough.
    due: BTreeSet<(Time, CallId)>,
    taken: Taken,
    verdicts: BTreeMap<Verdict, u64>,
}

impl Verifier {
    pub(crate) fn new(verification: &Verification) -> Self {
        Self {
            rules: verification.rules.clone(),
            certificates: Certificates::new(verification.authorities.clone()),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            taken: Taken::default(),
            verdicts: BTreeMap::new(),
        }
    }

    /// When a call has waited for long enough.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Nobody wants to know of a call any more, or it is known.
    pub(crate) fn take_waiting(&mut self, id: CallId) -> Option<Verified> {
        let Waiting { trunk: (_, trunk), sip_call_id, due, .. } = self.waiting.remove(&id)?;
        self.due.remove(&(due, id));
        let verdict = Verdict::CouldNotFetch(FetchFault::Silent);
        Some(Verified { trunk, sip_call_id, verdict })
    }

    /// Whether one more call of a trunk may wait.
    fn has_room(&self, trunk: usize) -> bool {
        let of_trunk = self.waiting.values().filter(|call| call.trunk.0 == trunk).count();
        self.waiting.len() < MOST_WAITING && of_trunk < MOST_OF_TRUNK
    }

    /// Whether a call may have this token: nobody else has or had it, unless his call was not answered.
    fn claim(&mut self, now: Time, token: &[u8; 64]) -> bool {
        let lasts = (self.rules.freshness * 2).max(Duration::from_secs(1));
        self.taken.claim(now, token, lasts)
    }

    /// A call that had this token was not answered: who calls again for it may show it again.
    pub(crate) fn release(&mut self, token: &[u8; 64]) {
        self.taken.release(token);
    }
}

/// Tokens of calls, for as long as they could be shown again.
#[derive(Default)]
struct Taken {
    tokens: BTreeMap<[u8; 32], Time>,
    by_time: BTreeSet<(Time, [u8; 32])>,
}

impl Taken {
    /// Takes a token; whether it was free.
    fn claim(&mut self, now: Time, signature: &[u8; 64], lasts: Duration) -> bool {
        while let Some((at, token)) = self.by_time.first().copied()
            && at + lasts <= now
        {
            self.forget(at, token);
        }
        let token = first_half(signature);
        if self.tokens.contains_key(&token) {
            return false;
        }
        self.tokens.insert(token, now);
        self.by_time.insert((now, token));
        if self.tokens.len() > MOST_TAKEN
            && let Some((at, oldest)) = self.by_time.first().copied()
        {
            self.forget(at, oldest);
        }
        true
    }

    fn release(&mut self, signature: &[u8; 64]) {
        let token = first_half(signature);
        if let Some(at) = self.tokens.get(&token).copied() {
            self.forget(at, token);
        }
    }

    fn forget(&mut self, at: Time, token: [u8; 32]) {
        self.by_time.remove(&(at, token));
        self.tokens.remove(&token);
    }
}

/// What stays of a signature whoever shows it: of ECDSA's two numbers the second may be turned into
/// its negative, which is as good.
fn first_half(signature: &[u8; 64]) -> [u8; 32] {
    let (first, _) = signature.split_at(32);
    first.try_into().unwrap_or([0; 32])
}

impl Node {
    /// Whom a call may be signed for: the number that it is put through to, and whom To names where that
    /// is a number of ours as well. What other headers name, whoever copied the signature has written.
    pub(crate) fn signed_callees(
        &self,
        trunk: usize,
        incoming: &Incoming,
        to: &[Number],
    ) -> Vec<Number> {
        let Some(Trunk { numbers, .. }) = self.config.trunks.get(trunk) else { return Vec::new() };
        let dialled = self.dial_in(trunk, incoming).map(|dial_in| dial_in.number);
        let forms = incoming.called.first().into_iter().flat_map(|one| one.forms.iter());
        let read = forms.flat_map(|form| numbers.called(form));
        let ours = to.iter().filter(|number| self.directory.dial_in(number).is_some()).copied();
        let mut callees: Vec<Number> = Vec::new();
        for number in dialled.into_iter().chain(read).chain(ours) {
            if callees.len() < MOST_CALLEES && !callees.contains(&number) {
                callees.push(number);
            }
        }
        callees
    }

    /// Whom To names, in each reading; nobody where signatures are not looked into.
    pub(crate) fn named_in_to(&self, trunk: usize, incoming: &Incoming) -> Vec<Number> {
        let Some(Trunk { numbers, verifying, .. }) = self.config.trunks.get(trunk) else {
            return Vec::new();
        };
        if *verifying == Verifying::Off {
            return Vec::new();
        }
        let to = incoming.called.iter().filter(|one| one.place == CalledPlace::To);
        let forms = to.flat_map(|one| one.forms.iter());
        forms.flat_map(|form| numbers.called(form)).take(MOST_CALLEES).collect()
    }

    /// What is known of the caller's number now, and the number that is signed where it is another than
    /// the trunk's calls are believed to have: the network's word (P-Asserted-Identity) is what carriers
    /// sign, whether or not the trunk is believed without. Takes the signatures out of the INVITE.
    pub(crate) fn look_into(
        &mut self,
        now: Time,
        trunk: usize,
        incoming: &mut Incoming,
        callees: &[Number],
    ) -> (Assurance, Option<Number>) {
        let headers = std::mem::take(&mut incoming.identities);
        let Some(known) = self.config.trunks.get(trunk) else { return (Assurance::Unasked, None) };
        // A user of ours has proved who calls.
        if known.verifying == Verifying::Off || incoming.user.is_some() {
            return (Assurance::Unasked, None);
        }
        let shown = crate::inbound::caller(known, incoming);
        let at = self.bridge.wall(now);
        let inspected = |caller| {
            let headers = headers.iter().map(|header| &**header);
            inspect(headers, &Call { caller, callees, at }, &self.verifier.rules)
        };
        let mut found = (inspected(shown), None);
        let is_others = |found: &Inspection| {
            let others = [Reason::OtherCaller, Reason::NoCaller].map(Verdict::Invalid);
            matches!(found, Inspection::Done(verdict) if others.contains(verdict))
        };
        if is_others(&found.0) {
            let asserted =
                crate::inbound::asserted(known, incoming).filter(|one| Some(*one) != shown);
            let mut asserted = asserted.map(|number| (inspected(Some(number)), Some(number)));
            found = asserted.find(|(found, _)| !is_others(found)).unwrap_or(found);
        }
        let (inspection, signed_for) = found;
        let signed = match inspection {
            Inspection::Done(verdict) => return (Assurance::Verdict(verdict, None), None),
            Inspection::Signed(signed) => signed,
        };
        let known = match signed.verdict(at, |place| self.verifier.certificates.get(now, place)) {
            Some(verdict) => {
                let (verdict, token) = self.claim(now, verdict, signed.signature());
                Assurance::Verdict(verdict, token)
            }
            None => Assurance::Waits(signed),
        };
        (known, signed_for)
    }

    /// What a verdict is worth: a token that is good serves one call, which has it from now on.
    fn claim(&mut self, now: Time, verdict: Verdict, token: &[u8; 64]) -> (Verdict, Option<Token>) {
        match verdict {
            Verdict::Valid(_) if self.verifier.claim(now, token) => {
                (verdict, Some(Box::new(*token)))
            }
            Verdict::Valid(_) => (Verdict::Invalid(Reason::Replayed), None),
            Verdict::NoSignature | Verdict::Invalid(_) | Verdict::CouldNotFetch(_) => {
                (verdict, None)
            }
        }
    }

    /// Refuses a call for its signature, where its trunk says so; whether it was refused.
    pub(crate) fn refused_for(
        &mut self,
        now: Time,
        trunk: usize,
        incoming: &Incoming,
        known: &Assurance,
    ) -> bool {
        let Assurance::Verdict(verdict, _) = known else { return false };
        let Some(refusal) = self.policy(trunk).refusal(*verdict) else { return false };
        *self.verifier.verdicts.entry(*verdict).or_default() += 1;
        let cause = Cause::Signature(verdict.detail());
        self.say_refused(now, incoming.flow.remote.ip(), refusal.0, cause);
        self.turn_away(now, incoming.dialog, Refused::Signature, rejection(refusal));
        true
    }

    /// Whether a call is judged before it is put to the conference core, and cannot be yet: it may be
    /// refused for it, or show another number.
    pub(crate) fn waits_for_verdict(
        &self,
        trunk: usize,
        (known, signed_for): (&Assurance, Option<Number>),
    ) -> bool {
        // Who comes while the node goes down is turned away at once.
        let matters = !self.trunks.left && (self.policy(trunk).waits() || signed_for.is_some());
        matches!(known, Assurance::Waits(_)) && matters
    }

    fn policy(&self, trunk: usize) -> Verifying {
        self.config.trunks.get(trunk).map(|trunk| trunk.verifying).unwrap_or_default()
    }

    /// Keeps what is known of the signature of a call that goes on or waits, and asks for what is not.
    pub(crate) fn note_known(
        &mut self,
        now: Time,
        id: CallId,
        sip_call_id: &str,
        known: Assurance,
    ) {
        let Some(place) = self.calls.get(id).and_then(|call| call.trunk) else {
            // It had no port.
            if let Assurance::Verdict(_, Some(token)) = &known {
                self.verifier.release(token);
            }
            return;
        };
        let Some(trunk) = self.config.trunks.get(place) else { return };
        let (trunk, sip_call_id) = (trunk.name.clone(), sip_call_id.to_owned());
        match known {
            Assurance::Unasked => {}
            Assurance::Verdict(verdict, token) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.token = token;
                }
                self.settle(now, id, Verified { trunk, sip_call_id, verdict });
            }
            Assurance::Waits(signed) => {
                let mut waits = false;
                if let Some(call) = self.calls.get_mut(id) {
                    call.attest = Some(Attestation::Unchecked);
                    waits = matches!(call.stage, Stage::Unverified(_));
                }
                if !self.verifier.has_room(place) || !self.ask_for(now, place, &signed) {
                    let verdict = Verdict::CouldNotFetch(FetchFault::Busy);
                    return self.settle(now, id, Verified { trunk, sip_call_id, verdict });
                }
                let due = now + if waits { PATIENCE } else { FOR_RECORD };
                self.verifier.due.insert((due, id));
                let waiting = Waiting { signed, trunk: (place, trunk), sip_call_id, due };
                self.verifier.waiting.insert(id, waiting);
            }
        }
    }

    /// Has certificates fetched for a call of `trunk`; whether all of them are on their way.
    fn ask_for(&mut self, now: Time, trunk: usize, signed: &Signed) -> bool {
        for place in signed.places() {
            match self.verifier.certificates.want(now, trunk, place) {
                Want::Fetch => self.outputs.push_back(Output::Fetch(place.clone())),
                Want::Busy => return false,
                Want::Known | Want::Asked => {}
            }
        }
        true
    }

    /// Judges calls that have waited for long enough by what is known.
    pub(crate) fn time_verifications(&mut self, now: Time) {
        while let Some((at, id)) = self.verifier.due.first().copied()
            && at <= now
        {
            self.verifier.due.remove(&(at, id));
            if let Some(verified) = self.verifier.take_waiting(id) {
                self.settle(now, id, verified);
            }
        }
    }

    /// What was found at the place of a certificate; whatever comes of [`Output::Fetch`].
    pub fn handle_fetched(
        &mut self,
        now: Time,
        place: &Place,
        fetched: Result<Fetched, FetchFault>,
    ) {
        let at = self.bridge.wall(now);
        let Verifier { certificates, waiting, .. } = &mut self.verifier;
        certificates.take(now, at, place, fetched);
        let concerned = waiting.iter().filter(|(_, call)| call.signed.places().any(|p| p == place));
        let verdicts = concerned.filter_map(|(&id, call)| {
            Some((id, call.signed.verdict(at, |place| certificates.get(now, place))?))
        });
        for (id, verdict) in verdicts.collect::<Vec<_>>() {
            let token = self.verifier.waiting.get(&id).map(|call| *call.signed.signature());
            let (Some(verified), Some(token)) = (self.verifier.take_waiting(id), token) else {
                continue;
            };
            let (verdict, token) = self.claim(now, verdict, &token);
            if let Some(call) = self.calls.get_mut(id)
                && !call.stage.is_answered()
            {
                call.token = token;
            }
            self.settle(now, id, Verified { verdict, ..verified });
        }
        self.run(now);
    }

    /// How often each verdict was given.
    pub fn verdicts(&self) -> &BTreeMap<Verdict, u64> {
        &self.verifier.verdicts
    }

    fn settle(&mut self, now: Time, id: CallId, verified: Verified) {
        let verdict = verified.verdict;
        *self.verifier.verdicts.entry(verdict).or_default() += 1;
        let attest = attestation(verdict);
        self.outputs.push_back(Output::Verified(Box::new(verified)));
        if let Some(call) = self.calls.get_mut(id) {
            call.attest = Some(attest);
            // A number that nobody vouches for is not shown for its signature.
            call.signed_for = call.signed_for.filter(|_| matches!(verdict, Verdict::Valid(_)));
        }
        self.bridge.handle(now, Input::Attested { call: id, attest });
        self.judge(now, id, verdict);
    }

    /// The node takes no more calls: those that wait for their verdict are turned away.
    pub(crate) fn turn_away_unverified(&mut self, now: Time) {
        let ids: Vec<CallId> = self.verifier.waiting.keys().copied().collect();
        for id in ids {
            let Some(call) = self.calls.get(id) else { continue };
            let Stage::Unverified(incoming) = &call.stage else { continue };
            let (source, dialog) = (incoming.flow.remote.ip(), incoming.dialog);
            let trunk = call.trunk.and_then(|trunk| self.config.trunks.get(trunk));
            let status = trunk.and_then(|trunk| Status::new(trunk.reject.codes.draining.get()));
            let status = status.unwrap_or(Status::SERVICE_UNAVAILABLE);
            self.say_refused(now, source, status.code(), Cause::CallFlow(status.code()));
            self.forget(id);
            or_ended(&mut self.command_errors, self.endpoint.reject(now, dialog, status.into()));
        }
    }

    /// Refuses a call that waited for this, or lets it go on.
    fn judge(&mut self, now: Time, id: CallId, verdict: Verdict) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Stage::Unverified(incoming) = &mut call.stage else { return };
        let (source, dialog) = (incoming.flow.remote.ip(), incoming.dialog);
        let refusal = call.trunk.and_then(|trunk| self.policy(trunk).refusal(verdict));
        if let Some(refusal) = refusal {
            self.say_refused(now, source, refusal.0, Cause::Signature(verdict.detail()));
            self.forget(id);
            return self.turn_away(now, dialog, Refused::Signature, rejection(refusal));
        }
        self.go_on(now, id);
    }
}

/// As records have it.
const fn attestation(verdict: Verdict) -> Attestation {
    match verdict {
        Verdict::NoSignature => Attestation::None,
        Verdict::Valid(attest) => level(attest),
        Verdict::Invalid(_) => Attestation::Invalid,
        Verdict::CouldNotFetch(_) => Attestation::Unchecked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_remembered_as_long_as_they_are_fresh_and_not_without_end() {
        let mut taken = Taken::default();
        let token = |n: u64| {
            let mut token = [0; 64];
            token[..8].copy_from_slice(&n.to_be_bytes());
            token
        };
        let lasts = Duration::from_secs(120);
        assert!(taken.claim(Time::ZERO, &token(1), lasts));
        assert!(taken.claim(Time::from_secs(119), &token(2), lasts));
        let mut negated = token(1);
        negated[63] = 1;
        let late = Time::from_secs(119);
        assert!(!taken.claim(late, &negated, lasts), "the other signature that says the same");
        assert!(taken.claim(Time::from_secs(120), &token(1), lasts), "too old to be shown again");
        assert!(!taken.claim(Time::from_secs(120), &token(2), lasts));
        taken.release(&token(2));
        assert!(taken.claim(Time::from_secs(120), &token(2), lasts));
        for n in 0..MOST_TAKEN as u64 * 2 {
            taken.claim(Time::from_secs(121), &token(n + 9), lasts);
        }
        assert_eq!((taken.tokens.len(), taken.by_time.len()), (MOST_TAKEN, MOST_TAKEN));
    }

    #[test]
    fn calls_are_refused_for_what_is_known_alone() {
        let (none, unfetched) = (Verdict::NoSignature, Verdict::CouldNotFetch(FetchFault::Silent));
        let status = |policy: Verifying, verdict| policy.refusal(verdict).map(|(code, _)| code);
        let invalid = [
            (Reason::Stale, Some(403)),
            (Reason::NoCaller, None),
            (Reason::NotListed, Some(436)),
            (Reason::Untrusted, Some(437)),
            (Reason::Signature, Some(438)),
            (Reason::Replayed, Some(438)),
        ];
        for (reason, expected) in invalid {
            let verdict = Verdict::Invalid(reason);
            assert_eq!(status(Verifying::Off, verdict), None);
            assert_eq!(status(Verifying::Record, verdict), None);
            assert_eq!(status(Verifying::RefuseInvalid, verdict), expected, "{reason:?}");
            assert_eq!(status(Verifying::Require, verdict), expected, "{reason:?}");
        }
        assert_eq!(status(Verifying::RefuseInvalid, none), None);
        assert_eq!(status(Verifying::RefuseInvalid, unfetched), None);
        for fault in FetchFault::ALL {
            let verdict = Verdict::CouldNotFetch(fault);
            let expected = match fault {
                FetchFault::Busy => Some(503),
                FetchFault::NotThere | FetchFault::TooLarge => Some(436),
                FetchFault::NoAddress
                | FetchFault::Private
                | FetchFault::Silent
                | FetchFault::Tls
                | FetchFault::Status => None,
            };
            assert_eq!(status(Verifying::Record, verdict), None);
            assert_eq!(status(Verifying::RefuseInvalid, verdict), expected, "{fault:?}");
            let expected = expected.or(Some(436));
            assert_eq!(status(Verifying::Require, verdict), expected, "{fault:?}");
        }
        assert_eq!(status(Verifying::Require, none), Some(428));
        assert_eq!(status(Verifying::Require, unfetched), Some(436));
    }
}
