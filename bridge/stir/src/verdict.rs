//! What is known of a caller's number in the end, and why it is no more.

use crate::cache::FetchFault;

/// How far a carrier vouches for a caller's number (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attest {
    /// `A`: it knows the caller, and the number is his.
    Full,
    /// `B`: it knows the caller, and not whether the number is his.
    Partial,
    /// `C`: it has the call from elsewhere.
    Gateway,
}

impl Attest {
    /// Every level, the best first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Partial, Self::Gateway];

    /// As tokens write it.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Full => "A",
            Self::Partial => "B",
            Self::Gateway => "C",
        }
    }

    /// The level that tokens write so.
    pub fn of_letter(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.letter() == text)
    }
}

/// What is known of a caller's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nobody signed it, or not in a way that is read here.
    NoSignature,
    /// A carrier that is believed vouches for it.
    Valid(Attest),
    /// It is signed, and the signature is worth nothing.
    Invalid(Reason),
    /// It is signed, and the certificate could not be had.
    CouldNotFetch(FetchFault),
}

impl Verdict {
    /// The kind, as metrics and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSignature => "no_signature",
            Self::Valid(_) => "valid",
            Self::Invalid(_) => "invalid",
            Self::CouldNotFetch(_) => "could_not_fetch",
        }
    }

    /// What more there is to say: the level, or why.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoSignature => "",
            Self::Valid(attest) => attest.letter(),
            Self::Invalid(reason) => reason.name(),
            Self::CouldNotFetch(fault) => fault.name(),
        }
    }

    /// How RFC 8224 §6.2.2 refuses a call for it: status and reason phrase. `None` where the call is
    /// nobody's fault.
    pub const fn refusal(self) -> Option<(u16, &'static str)> {
        match self {
            Self::NoSignature => Some((428, "Use Identity Header")),
            Self::Valid(_) => None,
            Self::Invalid(reason) => reason.refusal(),
            Self::CouldNotFetch(_) => Some((436, "Bad Identity Info")),
        }
    }
}

/// Why a signature is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// More headers, or longer ones, than are read.
    TooLarge,
    /// A header or a token that is not as the standards have it.
    Malformed,
    /// An algorithm other than ES256, `none` among them (RFC 8225 §8.3).
    Algorithm,
    /// It is older, or from further in the future, than may be.
    Stale,
    /// The caller shows no number that the signed one could be held against.
    NoCaller,
    /// The signed caller is another.
    OtherCaller,
    /// The signed callee is another, and nobody signed that he sent the call on.
    OtherCallee,
    /// The same token was taken in another call.
    Replayed,
    /// It does not say where the certificate is, or not by https.
    NoPlace,
    /// The certificate is at a host that is not listed.
    NotListed,
    /// The signature is not by the certificate's key.
    Signature,
    /// What was found there is no certificate, or one of another kind of key.
    Certificate,
    /// No authority that is believed vouches for the certificate.
    Untrusted,
    /// The certificate is not valid now.
    Expired,
    /// The certificate's key is not for signatures.
    KeyUsage,
    /// The certificate is not for this number, or for none.
    NotItsNumber,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Algorithm,
        Self::Stale,
        Self::NoCaller,
        Self::OtherCaller,
        Self::OtherCallee,
        Self::Replayed,
        Self::NoPlace,
        Self::NotListed,
        Self::Signature,
        Self::Certificate,
        Self::Untrusted,
        Self::Expired,
        Self::KeyUsage,
        Self::NotItsNumber,
    ];

    /// As metrics and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Stale => "stale",
            Self::NoCaller => "no_caller",
            Self::OtherCaller => "other_caller",
            Self::OtherCallee => "other_callee",
            Self::Replayed => "replayed",
            Self::NoPlace => "no_place",
            Self::NotListed => "not_listed",
            Self::Signature => "signature",
            Self::Certificate => "certificate",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::KeyUsage => "key_usage",
            Self::NotItsNumber => "not_its_number",
        }
    }

    /// How a call is refused for it. Who shows no number has done nothing wrong.
    const fn refusal(self) -> Option<(u16, &'static str)> {
        match self {
            Self::NoCaller => None,
            Self::Stale => Some((403, "Stale Date")),
            Self::NoPlace | Self::NotListed => Some((436, "Bad Identity Info")),
            Self::Certificate
            | Self::Untrusted
            | Self::Expired
            | Self::KeyUsage
            | Self::NotItsNumber => Some((437, "Unsupported Credential")),
            Self::TooLarge
            | Self::Malformed
            | Self::Algorithm
            | Self::OtherCaller
            | Self::OtherCallee
            | Self::Replayed
            | Self::Signature => Some((438, "Invalid Identity Header")),
        }
    }
}
