//! The progress of a call of ours, fork by fork: each To tag of its responses is an early dialog
//! (RFC 3261 §12.1, §13.2.2.4), in which what wants a PRACK gets it (RFC 3262 §4).
//!
//! What becomes of a PRACK decides nothing: a far end that misses it refuses the INVITE itself, and
//! one that answers nevertheless is talked to.

use bytes::Bytes;
use partyline_model::Time;
use zeroize::Zeroizing;

use super::Endpoint;
use super::outgoing::Purpose;
use crate::counters::Dropped;
use crate::dialog::Path;
use crate::event::{Described, DialogId};
use crate::flow::Flow;
use crate::message::{CSeq, Message, Method, Name, NameAddr};
use crate::reliable::{RAck, Wants};
use crate::sdp::MAX_BYTES;
use crate::transaction::RequestId;

/// The most forks of one call that are followed; each that answers gets ACK and BYE.
pub(super) const MAX_FORKS: usize = 16;

/// Who makes progress: one early dialog.
pub(super) struct Fork {
    /// Empty from peers that speak RFC 2543.
    tag: Box<str>,
    /// The early dialog, its CSeq number the last that was sent in it.
    pub(super) path: Path,
    /// The number of its last reliable response.
    rseq: Option<u32>,
    /// Whether a reliable response has answered our offer (RFC 3262 §5).
    pub(super) is_agreed: bool,
    /// Whether the last description is an offer of its own, which was answered.
    is_renewed: bool,
    /// The last description of the fork, in which keys may be.
    sdp: Option<Zeroizing<Vec<u8>>>,
}

impl Endpoint {
    /// Takes in the progress of one fork, and acknowledges what wants that; `false` for what is no
    /// news: a repetition, whose PRACK repeats itself, or what came before its turn and will come
    /// again.
    pub(super) fn heed_fork(
        &mut self,
        now: Time,
        (id, request): (DialogId, RequestId),
        (came_by, response): (Flow, &Message),
        sdp: Option<&[u8]>,
    ) -> bool {
        let wants = Wants::read(&response.headers);
        if wants == Wants::Unnumbered {
            self.drop_for(Dropped::Unnumbered);
        }
        let Some(fork) = self.fork_of(request, (came_by, response)) else {
            self.drop_for(Dropped::TooManyForks);
            return true;
        };
        if let (Wants::Prack(number), Some(last)) = (wants, fork.rseq)
            && Some(number) != last.checked_add(1)
        {
            self.drop_for(Dropped::Repeated);
            return false;
        }
        if let Wants::Prack(_) = wants
            && !self.dialogs.get(&id).is_some_and(|held| held.pracks.fits())
        {
            // It comes again when its PRACK does not, and others may be answered by then.
            self.drop_for(Dropped::TooManyPracks);
            return false;
        }
        let Some(fork) = self.fork_of(request, (came_by, response)) else { return true };
        fork.path.refresh(came_by, response);
        fork.path.follow(response);
        let described = sdp.filter(|sdp| sdp.len() <= MAX_BYTES && !fork.is_renewed);
        if let Some(sdp) = described {
            fork.sdp = Some(Zeroizing::new(sdp.to_vec()));
            fork.is_agreed |= matches!(wants, Wants::Prack(_));
        }
        let cseq = response.headers.text(&Name::CSeq).and_then(CSeq::parse);
        if let (Wants::Prack(rseq), Some(cseq)) = (wants, cseq) {
            fork.rseq = Some(rseq);
            let path = fork.path.clone();
            let number = self.send_prack(now, id, path, RAck { rseq, cseq: cseq.number });
            if let Some(fork) = self.fork_of(request, (came_by, response)) {
                fork.path.local_cseq = number;
            }
        }
        true
    }

    /// The fork that a response is of, which may be a new one; `None` when there are too many.
    fn fork_of(
        &mut self,
        request: RequestId,
        (came_by, response): (Flow, &Message),
    ) -> Option<&mut Fork> {
        let outgoing = self.outgoing.get_mut(&request)?;
        let to = response.headers.text(&Name::To).and_then(|to| NameAddr::parse(to).ok());
        let tag: Box<str> = to.as_ref().and_then(NameAddr::tag).unwrap_or_default().into();
        if let Some(known) = outgoing.forks.iter().position(|fork| fork.tag == tag) {
            return outgoing.forks.get_mut(known);
        }
        if outgoing.forks.len() == MAX_FORKS {
            return None;
        }
        let path = outgoing.path.forked(came_by, response, &tag);
        let (is_agreed, is_renewed) = (false, false);
        outgoing.forks.push(Fork { tag, path, rseq: None, is_agreed, is_renewed, sdp: None });
        outgoing.forks.last_mut()
    }

    /// Sends PRACK along an early dialog, under the call's next number, which is handed back.
    fn send_prack(&mut self, now: Time, id: DialogId, path: Path, rack: RAck) -> u32 {
        let Some(held) = self.dialogs.get_mut(&id) else { return path.local_cseq };
        held.pracks.send();
        held.path.next_cseq();
        let number = held.path.local_cseq;
        let carried = self.along(Path { local_cseq: number, ..path }, Purpose::Prack(id));
        self.submit(now, carried, Method::Prack, |request| {
            request.headers.add(Name::RAck, rack.to_string());
        });
        number
    }

    /// An offer of a fork was answered.
    pub(super) fn renew_fork(&mut self, request: RequestId, tag: &str, offer: Option<&[u8]>) {
        if let (Some(fork), Some(offer)) = (self.fork_mut(request, tag), offer) {
            fork.sdp = Some(Zeroizing::new(offer.to_vec()));
            fork.is_renewed = true;
        }
    }

    /// What a fork that answers has described. One that described itself before need not repeat it:
    /// so it is after a reliable response (RFC 3262 §5), and some do the same after others. What it
    /// has offered meanwhile holds, whatever it repeats.
    pub(super) fn described(
        &self,
        request: RequestId,
        tag: &str,
        answer: Option<Bytes>,
    ) -> Option<Described> {
        let fork = self.fork(request, tag);
        let is_renewed = fork.is_some_and(|fork| fork.is_renewed);
        let early = fork.and_then(|fork| fork.sdp.as_ref());
        let early = early.map(|sdp| Bytes::copy_from_slice(sdp));
        if is_renewed {
            return early.map(Described::Offer);
        }
        answer.or(early).map(Described::Answer)
    }

    /// Goes on with the numbers that both sides have used in a call and in its fork.
    pub(super) fn go_on(&self, id: DialogId, request: RequestId, tag: &str, path: &mut Path) {
        if let Some(fork) = self.fork(request, tag) {
            path.local_cseq = path.local_cseq.max(fork.path.local_cseq);
            path.remote_cseq = fork.path.remote_cseq;
        }
        if let Some(held) = self.dialogs.get(&id) {
            path.local_cseq = path.local_cseq.max(held.path.local_cseq);
        }
    }

    pub(super) fn fork(&self, request: RequestId, tag: &str) -> Option<&Fork> {
        self.outgoing.get(&request)?.forks.iter().find(|fork| *fork.tag == *tag)
    }

    pub(super) fn fork_mut(&mut self, request: RequestId, tag: &str) -> Option<&mut Fork> {
        self.outgoing.get_mut(&request)?.forks.iter_mut().find(|fork| *fork.tag == *tag)
    }
}
