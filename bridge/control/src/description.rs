//! Session descriptions of calls: offers that are read and answered, and offers of ours (RFC 3264).

use std::net::IpAddr;

use bytes::Bytes;
use partyline_media::Signalling;
use partyline_model::{CallId, SrtpKey, SrtpSuite, Time};
use partyline_sip::message::Status;
use partyline_sip::sdp::{
    KeyExchange, Local, Negotiated, Offer, Scope, SdpError, Session, Srtp, SrtpPolicy, Terms,
};
use partyline_sip::{DialogId, Rejection};

use zeroize::Zeroizing;

use crate::call_map::Stage;
use crate::node::{Node, or_ended};

impl Node {
    /// What of an offer suits our media, and what the trunk has to say of encryption.
    pub(crate) fn read_offer(&self, offer: &[u8], terms: &Terms<'_>) -> Result<Offer, SdpError> {
        let offer = Offer::read(offer, terms)?;
        self.check_ends(offer.negotiated())?;
        Ok(offer)
    }

    /// What of an offer suits, where our media may move: `near` is where it is, or would best
    /// be, and the other one is taken where the offer is of that family.
    pub(crate) fn read_moving_offer<'a>(
        &self,
        near: IpAddr,
        offer: Option<&[u8]>,
        terms: impl Fn(IpAddr) -> Terms<'a>,
    ) -> Result<(IpAddr, Option<Offer>), SdpError> {
        let Some(offer) = offer else { return Ok((near, None)) };
        let read = |at| self.read_offer(offer, &terms(at)).map(|offer| (at, Some(offer)));
        match (read(near), self.config.media.beside(near)) {
            (Err(SdpError::OnlyIpv4 | SdpError::OnlyIpv6), Some(other)) => read(other),
            (read, _) => read,
        }
    }

    /// What of an offer suits in a call that is up. Who began stays so while the association runs;
    /// with a new one it may be another who has to.
    fn read_later_offer(
        &self,
        id: CallId,
        local: &Local,
        offer: &[u8],
    ) -> Result<(IpAddr, Option<Offer>), SdpError> {
        let read = |local: &Local| {
            let terms = |address| Terms { address, ..local.terms() };
            self.read_moving_offer(local.address, Some(offer), terms)
        };
        let kept = read(local)?;
        let described = kept.1.as_ref().map(Offer::negotiated);
        if described.is_none_or(|described| self.associations.goes_on(id, described)) {
            return Ok(kept);
        }
        let mut anew = local.clone();
        if let Some(end) = &mut anew.srtp.dtls {
            end.role = None;
        }
        read(&anew)
    }

    /// Refuses what the far end describes when our sound would come back to us.
    fn check_ends(&self, described: &Negotiated) -> Result<(), SdpError> {
        let mut ends = [Some(described.remote_rtp), described.remote_rtcp].into_iter().flatten();
        let own = ends.any(|end| self.config.is_own_end(end));
        if own { Err(SdpError::OurOwnAddress) } else { Ok(()) }
    }

    /// Our end of the media of `id`, with the version of its last description.
    pub(crate) fn local(&self, id: CallId) -> Option<Local> {
        let (call, port) = (self.calls.get(id)?, self.ports.of(id)?);
        let mut local = Local::new((call.media_address, port).into(), call.session_id);
        local.session_version = call.session_version;
        local.srtp = call.srtp.clone();
        let met = call.dialog.and_then(|dialog| self.endpoint.heard_from(dialog));
        local.met = met.map(|met| met.ip());
        if let Some(trunk) = self.usage.trunk_of(id).and_then(|at| self.config.trunks.get(at)) {
            trunk.sound.describe(&mut local);
        }
        Some(local)
    }

    /// How a call is encrypted under a policy: with keys of its own, one for each suite, or by the
    /// node's certificate.
    pub(crate) fn own_srtp(&mut self, policy: SrtpPolicy, keys: KeyExchange) -> Srtp {
        let dtls = self.associations.end(policy, keys);
        let suites = SrtpSuite::ALL.into_iter().filter(|_| policy != SrtpPolicy::Off);
        let keys = suites.filter_map(|suite| {
            let random = std::iter::repeat_with(|| self.random.next_u128().to_be_bytes());
            let mut master = Zeroizing::new([0; 48]);
            for (place, octets) in master.chunks_exact_mut(16).zip(random) {
                place.copy_from_slice(&octets);
            }
            SrtpKey::new(suite, &master[..suite.master_len()])
        });
        Srtp { policy, keys: keys.collect(), dtls }
    }

    /// Whether the media of `id` was started.
    pub(crate) fn is_running(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| call.started)
    }

    /// Takes the answer to our offer; whether it could be used.
    pub(crate) fn take_answer(&mut self, now: Time, id: CallId, sdp: Option<&[u8]>) -> bool {
        let Some(local) = self.local(id) else { return false };
        let Some(call) = self.calls.get_mut(id) else { return false };
        call.stage = Stage::Up;
        let negotiated = sdp.and_then(|answer| call.session.accept(answer, &local).ok());
        let negotiated = negotiated.filter(|negotiated| self.check_ends(negotiated).is_ok());
        let Some(negotiated) = negotiated else { return false };
        self.run_media(now, id, &negotiated, Signalling::Acknowledged);
        true
    }

    /// Goes by an offer of the far end that was answered before the call was.
    pub(crate) fn take_offer(&mut self, now: Time, id: CallId, offer: &[u8]) -> bool {
        let Some(local) = self.local(id) else { return false };
        let Ok(offer) = self.read_offer(offer, &local.terms()) else { return false };
        let Some(call) = self.calls.get_mut(id) else { return false };
        call.stage = Stage::Up;
        call.session = Session::answered(&offer);
        self.run_media(now, id, offer.negotiated(), Signalling::Acknowledged);
        true
    }

    /// A far end that has not answered offers another session than it described first. Nothing runs
    /// yet: what holds is known when it answers.
    pub(crate) fn early_offer(&mut self, now: Time, dialog: DialogId, offer: &[u8]) {
        let id = self.calls.by_dialog(dialog);
        let result = match id.and_then(|id| Some((id, self.local(id)?))) {
            Some((id, local)) => match self.read_offer(offer, &local.terms()) {
                Ok(offer) => {
                    let description = self.next_version(id, local, |local| offer.answer(local));
                    self.endpoint.answer_reinvite(now, dialog, description)
                }
                Err(error) => self.endpoint.reject_reinvite(now, dialog, unsuitable(error)),
            },
            None => {
                let status = Status::NOT_ACCEPTABLE_HERE;
                self.endpoint.reject_reinvite(now, dialog, status)
            }
        };
        or_ended(&mut self.command_errors, result);
    }

    /// The far end changes codec, address or direction, or asks for an offer (RFC 3264 §8).
    pub(crate) fn reinvited(&mut self, now: Time, dialog: DialogId, offer: Option<&[u8]>) {
        let id = self.calls.by_dialog(dialog);
        let Some((id, local)) = id.and_then(|id| Some((id, self.local(id)?))) else {
            or_ended(
                &mut self.command_errors,
                self.endpoint.reject_reinvite(now, dialog, Status::NOT_ACCEPTABLE_HERE),
            );
            return;
        };
        let Some(offer) = offer else {
            let description = self.offer_again(id, local, Scope::All);
            if let Some(call) = self.calls.get_mut(id) {
                call.stage = Stage::AwaitingAnswer;
            }
            or_ended(
                &mut self.command_errors,
                self.endpoint.answer_reinvite(now, dialog, description),
            );
            return;
        };
        match self.read_later_offer(id, &local, offer) {
            Ok((_, None)) => {}
            Ok((address, Some(offer))) => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.media_address = address;
                }
                let local = Local { address, ..local };
                let description = self.next_version(id, local, |local| offer.answer(local));
                if self.endpoint.answer_reinvite(now, dialog, description).is_ok() {
                    if let Some(call) = self.calls.get_mut(id) {
                        call.session = Session::answered(&offer);
                    }
                    self.run_media(now, id, offer.negotiated(), Signalling::Pending);
                }
            }
            Err(error) => {
                let result = self.endpoint.reject_reinvite(now, dialog, unsuitable(error));
                or_ended(&mut self.command_errors, result);
            }
        }
    }

    /// Offers in a session that runs.
    pub(crate) fn offer_again(&mut self, id: CallId, local: Local, scope: Scope) -> Bytes {
        let Some(call) = self.calls.get_mut(id) else { return Bytes::new() };
        let mut session = std::mem::take(&mut call.session);
        let description = self.next_version(id, local, |local| session.offer(local, scope));
        if let Some(call) = self.calls.get_mut(id) {
            call.session = session;
        }
        description
    }

    /// The description that `write` makes, with a version raised by one if it differs from the
    /// last one sent (RFC 3264 §8).
    fn next_version(
        &mut self,
        id: CallId,
        mut local: Local,
        mut write: impl FnMut(&Local) -> Vec<u8>,
    ) -> Bytes {
        let Some(call) = self.calls.get_mut(id) else { return Bytes::new() };
        let mut description = Bytes::from(write(&local));
        if description != call.described {
            local.session_version += 1;
            call.session_version = local.session_version;
            description = write(&local).into();
            call.described.clone_from(&description);
        }
        description
    }
}

/// The refusal of a description, with what does not suit in it.
pub(crate) fn unsuitable(error: SdpError) -> Rejection {
    let status = Status::new(error.status()).unwrap_or(Status::NOT_ACCEPTABLE_HERE);
    Rejection { warning: Some((error.warning(), error.to_string())), ..Rejection::new(status) }
}
