//! The Identity headers of a call, held against the call and against certificates.

use std::time::Duration;

use partyline_model::{Number, WallTime};

use crate::cache::Unusable;
use crate::certificate::Certificate;
use crate::place::{ListedHost, Place};
use crate::token::{Kind, Passport};
use crate::verdict::{Attest, Reason, Verdict};

/// The most headers that are read: one for the caller, and one for each time that the call was sent on.
pub const MOST_HEADERS: usize = 4;

/// What is signed has to be about this call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who calls, as the record will have it.
    pub caller: Option<Number>,
    /// Who is called, in each reading that it may have.
    pub callees: &'a [Number],
    /// When the INVITE came.
    pub at: WallTime,
}

/// What is taken.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How old a token may be, and from how far in the future.
    pub freshness: Duration,
    /// The hosts that certificates are fetched from.
    pub hosts: Vec<ListedHost>,
}

/// What headers alone say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// All that there is to know.
    Done(Verdict),
    /// They are about this call; whether they are true, certificates say.
    Signed(Box<Signed>),
}

/// Tokens that are about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    attest: Attest,
    /// The caller's token, then those by which the call was sent on to where it came.
    tokens: Vec<Passport>,
}

/// Reads the Identity headers of a call, each as it came.
pub fn inspect<'h>(
    headers: impl IntoIterator<Item = &'h str>,
    call: &Call<'_>,
    rules: &Rules,
) -> Inspection {
    match read(headers, call, rules) {
        Ok(Some(signed)) => Inspection::Signed(Box::new(signed)),
        Ok(None) => Inspection::Done(Verdict::NoSignature),
        Err(reason) => Inspection::Done(Verdict::Invalid(reason)),
    }
}

fn read<'h>(
    headers: impl IntoIterator<Item = &'h str>,
    call: &Call<'_>,
    rules: &Rules,
) -> Result<Option<Signed>, Reason> {
    let (mut tokens, mut fault) = (Vec::new(), None);
    for (at, header) in headers.into_iter().enumerate() {
        if at == MOST_HEADERS {
            return Err(Reason::TooLarge);
        }
        match Passport::read(header) {
            Ok(token) => tokens.extend(token),
            Err(reason) => fault = fault.or(Some(reason)),
        }
    }
    let is_callers = |token: &Passport| matches!(token.kind, Kind::Shaken(_));
    let Some(place) = tokens.iter().position(is_callers) else {
        return fault.map_or(Ok(None), Err);
    };
    let shaken = tokens.swap_remove(place);
    let Kind::Shaken(attest) = shaken.kind else { return Ok(None) };
    let caller = call.caller.ok_or(Reason::NoCaller)?;
    if *shaken.caller != *caller.as_str() {
        return Err(Reason::OtherCaller);
    }
    let callees: Vec<&str> = call.callees.iter().map(Number::as_str).collect();
    let mut signed = Signed { attest, tokens: vec![shaken] };
    signed.tokens.extend(way(&signed.tokens[0], &callees, &tokens)?);
    for token in &signed.tokens {
        fresh(token, call.at, rules.freshness)?;
        let place = token.place().ok_or(Reason::NoPlace)?;
        if !rules.hosts.iter().any(|host| host.has(place)) {
            return Err(Reason::NotListed);
        }
    }
    Ok(Some(signed))
}

/// The tokens by which a call to whom `shaken` names was sent on to `callees` (RFC 8946 §5): each from
/// whom the one before it names.
fn way(
    shaken: &Passport,
    callees: &[&str],
    diverted: &[Passport],
) -> Result<Vec<Passport>, Reason> {
    let mut used = Vec::new();
    let mut wanted: Vec<&str> = callees.to_vec();
    let names = |token: &Passport, wanted: &[&str]| {
        token.callees.iter().any(|callee| wanted.contains(&&**callee))
    };
    while !names(shaken, &wanted) {
        let step = diverted.iter().find(|token| {
            names(token, &wanted) && token.caller == shaken.caller && !used.contains(*token)
        });
        let Some(step @ Passport { kind: Kind::Div(from), .. }) = step else {
            return Err(Reason::OtherCallee);
        };
        used.push(step.clone());
        wanted = vec![from];
    }
    Ok(used)
}

fn fresh(token: &Passport, at: WallTime, most: Duration) -> Result<(), Reason> {
    let now = at.as_micros().div_euclid(1_000_000);
    let age = now.abs_diff(token.issued_at);
    if age <= most.as_secs() { Ok(()) } else { Err(Reason::Stale) }
}

impl Signed {
    /// Where its certificates are.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.tokens.iter().filter_map(Passport::place)
    }

    /// What tells its tokens from all others: the caller's signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.tokens[0].signature
    }

    /// What is known of the caller's number, by the certificates that `found` gives; `None` as long
    /// as one of them is not known.
    pub fn verdict<'c>(
        &self,
        at: WallTime,
        found: impl Fn(&Place) -> Option<&'c Result<Certificate, Unusable>>,
    ) -> Option<Verdict> {
        let mut verdict = Verdict::Valid(self.attest);
        for token in &self.tokens {
            // One that is wrong decides, whatever is known of the others.
            match found(token.place()?) {
                Some(Ok(certificate)) => {
                    // Who sends calls on signs for his own number.
                    let number = match &token.kind {
                        Kind::Shaken(_) => &token.caller,
                        Kind::Div(from) => from,
                    };
                    let said = certificate.vouches(at, number, &token.input, &token.signature);
                    if let Err(reason) = said {
                        return Some(Verdict::Invalid(reason));
                    }
                }
                Some(Err(Unusable::Unfit(reason))) => return Some(Verdict::Invalid(*reason)),
                Some(Err(Unusable::Unfetched(fault))) => verdict = Verdict::CouldNotFetch(*fault),
                None => return None,
            }
        }
        Some(verdict)
    }
}
