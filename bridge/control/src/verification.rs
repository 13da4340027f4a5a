//! Whether callers' numbers are their own, as carriers have signed it (RFC 8224): what the INVITE says,
//! the certificates that are known, and those that are fetched while the call goes on.
//!
//! No call waits for it. What is not known when the call is put to the conference core comes after it,
//! and then goes into the record alone.

use std::collections::{BTreeMap, BTreeSet};

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
use crate::config::Trunk;
use crate::node::{Node, Output, Refused};
use crate::refusals::Cause;

/// The most calls whose certificates are awaited; more are not looked into.
const MOST_WAITING: usize = 1024;
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
    /// A call whose signature is known to be worth nothing is refused.
    RefuseInvalid,
    /// So is one without.
    Require,
}

impl Verifying {
    /// How a call is refused of which this is known before its answer, if it is.
    fn refusal(self, verdict: Verdict) -> Option<(u16, &'static str)> {
        match (self, verdict) {
            (Self::Off | Self::Record, _) => None,
            (Self::RefuseInvalid, Verdict::NoSignature | Verdict::CouldNotFetch(_)) => None,
            (Self::RefuseInvalid | Self::Require, verdict) => verdict.refusal(),
        }
    }
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
        let rules = Rules { freshness: std::time::Duration::from_secs(60), hosts: Vec::new() };
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
    /// All.
    Verdict(Verdict, Option<Box<[u8; 64]>>),
    /// That certificates are to be had first.
    Waits(Box<Signed>),
}

/// A call whose certificates are fetched.
struct Waiting {
    signed: Box<Signed>,
    trunk: String,
    sip_call_id: String,
}

/// All that is known of signatures.
pub(crate) struct Verifier {
    rules: Rules,
    certificates: Certificates,
    waiting: BTreeMap<CallId, Waiting>,
    taken: Taken,
    verdicts: BTreeMap<Verdict, u64>,
}

impl Verifier {
    pub(crate) fn new(verification: &Verification) -> Self {
        Self {
            rules: verification.rules.clone(),
            certificates: Certificates::new(verification.authorities.clone()),
            waiting: BTreeMap::new(),
            taken: Taken::default(),
            verdicts: BTreeMap::new(),
        }
    }

    /// The token of a call that was answered: nobody shows it a second time.
    pub(crate) fn answered(&mut self, now: Time, token: &[u8; 64]) {
        let oldest = (self.rules.freshness * 2).max(std::time::Duration::from_secs(1));
        self.taken.note(now, token, oldest);
    }
}

/// Tokens of calls that were answered, for as long as they could be shown again.
#[derive(Default)]
struct Taken {
    tokens: BTreeSet<[u8; 32]>,
    by_time: BTreeSet<(Time, [u8; 32])>,
}

impl Taken {
    fn has(&self, signature: &[u8; 64]) -> bool {
        self.tokens.contains(&first_half(signature))
    }

    fn note(&mut self, now: Time, signature: &[u8; 64], lasts: std::time::Duration) {
        let token = first_half(signature);
        if self.tokens.insert(token) {
            self.by_time.insert((now, token));
        }
        while let Some((at, token)) = self.by_time.first().copied()
            && (at + lasts <= now || self.tokens.len() > MOST_TAKEN)
        {
            self.by_time.remove(&(at, token));
            self.tokens.remove(&token);
        }
    }
}

/// What stays of a signature whoever shows it: of ECDSA's two numbers the second may be turned into
/// its negative, which is as good.
fn first_half(signature: &[u8; 64]) -> [u8; 32] {
    let (first, _) = signature.split_at(32);
    first.try_into().unwrap_or([0; 32])
}

impl Node {
    /// Whom a call is signed for, if it is: every number that it names, but those who sent it on.
    pub(crate) fn signed_callees(&self, trunk: usize, incoming: &Incoming) -> Vec<Number> {
        let Some(Trunk { numbers, verifying, .. }) = self.config.trunks.get(trunk) else {
            return Vec::new();
        };
        if *verifying == Verifying::Off {
            return Vec::new();
        }
        let sent_on = |place: &CalledPlace| {
            matches!(place, CalledPlace::Diversion | CalledPlace::HistoryInfo)
        };
        let forms = incoming.called.iter().filter(|one| !sent_on(&one.place));
        let forms = forms.flat_map(|one| one.forms.iter());
        let mut callees: Vec<Number> = Vec::new();
        for number in forms.flat_map(|form| numbers.called(form)) {
            if callees.len() < MOST_CALLEES && !callees.contains(&number) {
                callees.push(number);
            }
        }
        callees
    }

    /// What is known of the caller's number now. Takes the signatures out of the INVITE.
    pub(crate) fn look_into(
        &mut self,
        now: Time,
        trunk: usize,
        incoming: &mut Incoming,
        callees: &[Number],
    ) -> Assurance {
        let headers = std::mem::take(&mut incoming.identities);
        let Some(known) = self.config.trunks.get(trunk) else { return Assurance::Unasked };
        // A user of ours has proved who calls.
        if known.verifying == Verifying::Off || incoming.user.is_some() {
            return Assurance::Unasked;
        }
        let caller = crate::inbound::caller(known, incoming);
        let call = Call { caller, callees, at: self.bridge.wall(now) };
        let headers = headers.iter().map(|header| &**header);
        let signed = match inspect(headers, &call, &self.verifier.rules) {
            Inspection::Done(verdict) => return Assurance::Verdict(verdict, None),
            Inspection::Signed(signed) => signed,
        };
        if self.verifier.taken.has(signed.signature()) {
            return Assurance::Verdict(Verdict::Invalid(Reason::Replayed), None);
        }
        match signed.verdict(call.at, |place| self.verifier.certificates.get(now, place)) {
            Some(verdict) => Assurance::Verdict(verdict, Some(Box::new(*signed.signature()))),
            None => Assurance::Waits(signed),
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
        let policy = self.config.trunks.get(trunk).map(|trunk| trunk.verifying);
        let refusal = policy.unwrap_or_default().refusal(*verdict);
        let Some((code, phrase)) = refusal else { return false };
        *self.verifier.verdicts.entry(*verdict).or_default() += 1;
        let status = Status::new(code).unwrap_or(Status::FORBIDDEN);
        let cause = Cause::Signature(verdict.detail());
        self.say_refused(now, incoming.flow.remote.ip(), code, cause);
        let rejection = Rejection { phrase: Some(phrase.to_owned()), ..Rejection::new(status) };
        self.turn_away(now, incoming.dialog, Refused::Signature, rejection);
        true
    }

    /// Keeps what is known of the signature of a call that goes on, and asks for what is not.
    pub(crate) fn note_known(
        &mut self,
        now: Time,
        id: CallId,
        sip_call_id: &str,
        known: Assurance,
    ) {
        let trunk = self.calls.get(id).and_then(|call| self.config.trunks.get(call.trunk?));
        let Some(trunk) = trunk.map(|trunk| trunk.name.clone()) else { return };
        let sip_call_id = sip_call_id.to_owned();
        match known {
            Assurance::Unasked => {}
            Assurance::Verdict(verdict, token) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.token = token;
                }
                self.settle(now, id, Verified { trunk, sip_call_id, verdict });
            }
            Assurance::Waits(signed) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.attest = Some(Attestation::Unchecked);
                    call.token = Some(Box::new(*signed.signature()));
                }
                let mut is_busy = self.verifier.waiting.len() >= MOST_WAITING;
                for place in signed.places().filter(|_| !is_busy).collect::<Vec<_>>() {
                    match self.verifier.certificates.want(now, place) {
                        Want::Fetch => self.outputs.push_back(Output::Fetch(place.clone())),
                        Want::Busy => is_busy = true,
                        Want::Known | Want::Asked => {}
                    }
                }
                if is_busy {
                    let verdict = Verdict::CouldNotFetch(FetchFault::Busy);
                    return self.settle(now, id, Verified { trunk, sip_call_id, verdict });
                }
                self.verifier.waiting.insert(id, Waiting { signed, trunk, sip_call_id });
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
            let Some(call) = self.verifier.waiting.remove(&id) else { continue };
            let Waiting { trunk, sip_call_id, .. } = call;
            self.settle(now, id, Verified { trunk, sip_call_id, verdict });
        }
        self.run(now);
    }

    /// How often each verdict was given.
    pub fn verdicts(&self) -> &BTreeMap<Verdict, u64> {
        &self.verifier.verdicts
    }

    fn settle(&mut self, now: Time, id: CallId, verified: Verified) {
        *self.verifier.verdicts.entry(verified.verdict).or_default() += 1;
        let attest = attestation(verified.verdict);
        self.outputs.push_back(Output::Verified(Box::new(verified)));
        if let Some(call) = self.calls.get_mut(id) {
            call.attest = Some(attest);
        }
        self.bridge.handle(now, Input::Attested { call: id, attest });
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
    use std::time::Duration;

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
        taken.note(Time::ZERO, &token(1), lasts);
        taken.note(Time::from_secs(119), &token(2), lasts);
        assert!(taken.has(&token(1)));
        let mut negated = token(1);
        negated[63] = 1;
        assert!(taken.has(&negated), "the other signature that says the same");
        taken.note(Time::from_secs(120), &token(3), lasts);
        assert!(!taken.has(&token(1)) && taken.has(&token(2)));
        for n in 0..MOST_TAKEN as u64 * 2 {
            taken.note(Time::from_secs(121), &token(n + 9), lasts);
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
        assert_eq!(status(Verifying::Require, none), Some(428));
        assert_eq!(status(Verifying::Require, unfetched), Some(436));
    }
}
