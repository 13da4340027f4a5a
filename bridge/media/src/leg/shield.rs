//! What stands between an encrypted leg and the network: SRTP and SRTCP under the keys of the day.
//!
//! Who gave the keys, SDES (RFC 4568) or DTLS (RFC 5764), is not known here.

use partyline_srtp::{Protector, Refused, SrtpKey, Unprotector};

use crate::event::Dropped;

/// The sending side of an encrypted leg.
pub(super) struct Seal {
    key: SrtpKey,
    protector: Protector,
}

impl Seal {
    /// The seal for what is now negotiated: under the same key it goes on as it was.
    pub(super) fn renewed(before: Option<Box<Self>>, key: Option<&SrtpKey>) -> Option<Box<Self>> {
        let key = key?;
        let same = before.filter(|seal| seal.key == *key);
        Some(
            same.unwrap_or_else(|| {
                Box::new(Self { key: key.clone(), protector: Protector::new(key) })
            }),
        )
    }

    /// Protects the packet in the first `len` octets; `None` when it must not be sent.
    pub(super) fn rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        self.protector.protect_rtp(buffer, len)
    }

    /// Protects the compound packet in the first `len` octets; `None` when it must not be sent.
    pub(super) fn rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        self.protector.protect_rtcp(buffer, len)
    }
}

/// The receiving side of an encrypted leg.
pub(super) struct Shield {
    key: SrtpKey,
    unprotector: Unprotector,
    /// Under the key before, until the first packet under this one: a far end that changes its key
    /// goes on with the old one until it has our answer.
    before: Option<Unprotector>,
}

/// What a packet is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

impl Shield {
    /// The shield for what is now negotiated: under the same key it goes on as it was.
    pub(super) fn renewed(before: Option<Box<Self>>, key: Option<&SrtpKey>) -> Option<Box<Self>> {
        let key = key?;
        Some(match before {
            Some(same) if same.key == *key => same,
            Some(old) => {
                let unprotector = old.unprotector.rekeyed(key);
                Box::new(Self { key: key.clone(), unprotector, before: Some(old.unprotector) })
            }
            None => {
                let unprotector = Unprotector::new(key);
                Box::new(Self { key: key.clone(), unprotector, before: None })
            }
        })
    }

    /// The plain packet in a datagram, in its place; `None` when it is dropped and counted.
    pub(super) fn open<'a>(
        &mut self,
        kind: Kind,
        datagram: &'a mut [u8],
        dropped: &mut Dropped,
    ) -> Option<&'a [u8]> {
        let opened = match (unprotect(&mut self.unprotector, kind, datagram), &mut self.before) {
            (Ok(len), _) => {
                self.before = None;
                Ok(len)
            }
            (Err(Refused::Forged), Some(before)) => unprotect(before, kind, datagram),
            (Err(refused), _) => Err(refused),
        };
        let counter = match opened {
            Ok(len) => return datagram.get(..len),
            Err(Refused::Malformed) => &mut dropped.malformed,
            Err(Refused::Forged) => &mut dropped.unauthenticated,
            Err(Refused::Replayed) => &mut dropped.replayed,
            Err(Refused::TooManySources) => &mut dropped.ssrc,
        };
        *counter += 1;
        None
    }
}

fn unprotect(
    unprotector: &mut Unprotector,
    kind: Kind,
    datagram: &mut [u8],
) -> Result<usize, Refused> {
    match kind {
        Kind::Rtp => unprotector.unprotect_rtp(datagram),
        Kind::Rtcp => unprotector.unprotect_rtcp(datagram),
    }
}
