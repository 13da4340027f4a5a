//! The progress of a call of ours, fork by fork: each To tag of its responses is an early dialog
//! (RFC 3261 §12.1, §13.2.2.4).

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Endpoint;
use crate::counters::Dropped;
use crate::message::{Message, Name, NameAddr};
use crate::sdp::MAX_BYTES;
use crate::transaction::RequestId;

/// The most forks of one call that are followed; each that answers gets ACK and BYE.
pub(super) const MAX_FORKS: usize = 16;

/// Who makes progress: one early dialog.
pub(super) struct Fork {
    /// Empty from peers that speak RFC 2543.
    tag: Box<str>,
    /// The last description, in which keys may be.
    sdp: Option<Zeroizing<Vec<u8>>>,
}

impl Endpoint {
    /// Takes in the progress of one fork.
    pub(super) fn heed_fork(&mut self, request: RequestId, response: &Message, sdp: Option<&[u8]>) {
        let tag = to_tag(response);
        let Some(outgoing) = self.outgoing.get_mut(&request) else { return };
        let forks = &mut outgoing.forks;
        let known = forks.iter().position(|fork| fork.tag == tag);
        if known.is_none() && forks.len() == MAX_FORKS {
            return self.drop_for(Dropped::TooManyForks);
        }
        let place = known.unwrap_or(forks.len());
        if known.is_none() {
            forks.push(Fork { tag, sdp: None });
        }
        if let Some(fork) = forks.get_mut(place)
            && let Some(sdp) = sdp.filter(|sdp| sdp.len() <= MAX_BYTES)
        {
            fork.sdp = Some(Zeroizing::new(sdp.to_vec()));
        }
    }

    /// What a fork has described before it answered: the answer of those that do not repeat it. So
    /// it is after a reliable response (RFC 3262 §5), and some do the same after others.
    pub(super) fn early_answer(&self, request: RequestId, tag: &str) -> Option<Bytes> {
        let forks = &self.outgoing.get(&request)?.forks;
        let sdp = forks.iter().find(|fork| *fork.tag == *tag)?.sdp.as_ref()?;
        Some(Bytes::copy_from_slice(sdp))
    }
}

/// The tag of To; empty where there is none.
fn to_tag(response: &Message) -> Box<str> {
    let to = response.headers.text(&Name::To).and_then(|to| NameAddr::parse(to).ok());
    to.as_ref().and_then(NameAddr::tag).unwrap_or_default().into()
}
