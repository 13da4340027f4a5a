//! STIR/SHAKEN: whether a caller's number is its own, as carriers sign it (RFC 8224, 8225, 8226, 8588,
//! 8946), and the signature under numbers of ours.
//!
//! [`inspect()`] reads the Identity headers of an INVITE and holds them against the call. What is left
//! to do wants certificates: [`Certificates`] says which are to be fetched, reads what was found and
//! keeps it for a while; [`Signed::verdict`] has the last word. [`Signer`] signs. Pure: it fetches
//! nothing and reads no clock. It does not know SIP; nothing is looked up in revocation lists; and
//! compact tokens and those without `shaken` say nothing about a caller that a record has room for.

#![forbid(unsafe_code)]

mod cache;
mod certificate;
mod inspect;
mod place;
mod sign;
mod token;
mod verdict;

pub use cache::{Certificates, FetchFault, Fetched, Unusable, Want};
pub use certificate::{Authorities, Certificate, NoAuthority};
pub use inspect::{Call, Inspection, MOST_HEADERS, Rules, Signed, inspect};
pub use place::{ListedHost, NotAHost, Place};
pub use sign::{Claim, KeyError, Signer, sip_date};
pub use token::{LONGEST_HEADER, Passport};
pub use verdict::{Attest, Reason, Verdict};
