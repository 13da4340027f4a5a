//! Digest authentication in both roles (RFC 3261 §22, RFC 7616, RFC 8760), without a clock and
//! without randomness of its own.
//!
//! As a caller: [`Authentication`] reads what a 401 or 407 asks for and writes the answer of a
//! [`Login`] into the request that goes out again. As the one who is called: [`Verifier`] writes
//! challenges, which cost no memory, and judges the answers.
//!
//! Not here: Basic, which RFC 3261 forbids; `auth-int`, which proxies that touch the body break;
//! `userhash` and `Authentication-Info`. Who may do what once he is known is the node's affair.

mod algorithm;
mod answer;
mod challenge;
mod credentials;
mod nonce;
mod params;
mod secret;
mod verify;

pub use algorithm::{Algorithm, Hash};
pub use answer::{Authentication, Login, Order, Unanswerable};
pub use challenge::{Challenge, Place};
pub use nonce::NonceLimits;
pub use secret::{Ha1, NotHex, Password};
pub use verify::{Asked, Unverified, Verifier};
