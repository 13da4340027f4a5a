//! What calls out say of their caller's number, signed (RFC 8224, RFC 8588).
//!
//! Whose number it is decides how far we vouch for it: a dial-in number of the caller's account is his
//! own (A), another number that he may show is not known to be (B), and whom no account answers for
//! came from elsewhere (C).

use partyline_cdr_record::Attestation;
use partyline_model::{AccountId, Number, Time, Uuid};
use partyline_stir::{Attest, Claim, sip_date};

use crate::call_map::Dialling;
use crate::node::Node;

impl Node {
    /// Adds the headers that vouch for the number that a call out by the trunk at `place` shows; how
    /// far they do. Nothing where the trunk wants none or no number is shown.
    pub(crate) fn sign(
        &mut self,
        now: Time,
        dialling: &Dialling,
        shown: Option<Number>,
        headers: &mut Vec<(String, String)>,
    ) -> Option<Attestation> {
        let caller = shown?;
        let attest = self.attest(caller, dialling.account);
        let trunk = self.config.trunks.get(dialling.trunk)?;
        let signer = trunk.signer.as_ref()?;
        let at = self.bridge.wall(now);
        let origin = self.origins.get(dialling.trunk).copied().unwrap_or(Uuid(0));
        let claim = Claim { attest, caller, callee: dialling.number, at, origin };
        let identity = signer.sign(&claim, &mut *self.random);
        headers.push(("Date".to_owned(), sip_date(at)));
        headers.push(("Identity".to_owned(), identity));
        Some(level(attest))
    }

    fn attest(&self, number: Number, account: Option<AccountId>) -> Attest {
        let Some(account) = account else { return Attest::Gateway };
        let owner = self.directory.dial_in(&number).and_then(|dial_in| dial_in.account);
        if owner == Some(account) { Attest::Full } else { Attest::Partial }
    }
}

/// As records have it.
pub(crate) const fn level(attest: Attest) -> Attestation {
    match attest {
        Attest::Full => Attestation::Full,
        Attest::Partial => Attestation::Partial,
        Attest::Gateway => Attestation::Gateway,
    }
}
