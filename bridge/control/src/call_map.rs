//! Calls by their own id and by their SIP dialog.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use partyline_cdr_record::Attestation;
use partyline_conference::{Claim, FIRST_OUTBOUND};
use partyline_media::Codec;
use partyline_model::{AccountId, AudioId, CallId, Number, Time, Uuid};
use partyline_sip::sdp::{Offer, Session, Srtp};
use partyline_sip::{DialogId, DialogState, Incoming};

/// What the node knows of a call.
pub(crate) struct Call {
    /// The call's dialog; `None` until a call out has its INVITE.
    pub(crate) dialog: Option<DialogId>,
    /// How far the call has come.
    pub(crate) stage: Stage,
    /// The place of the trunk that a call in belongs to.
    pub(crate) trunk: Option<usize>,
    /// Where our media is, as our descriptions say.
    pub(crate) media_address: IpAddr,
    /// `sess-id` of our session descriptions.
    pub(crate) session_id: u64,
    /// `sess-version` of the last description that we sent.
    pub(crate) session_version: u64,
    /// The far end's offer that our 200 will answer.
    pub(crate) offer: Option<Offer>,
    /// What our descriptions have said, for the next offer of ours.
    pub(crate) session: Session,
    /// Whether the call's sound is encrypted, as its trunk has it, and our keys for that.
    pub(crate) srtp: Srtp,
    /// The last description that we sent.
    pub(crate) described: Bytes,
    /// What a call in claims of another, until the conference core knows.
    pub(crate) claim: Option<Claim>,
    /// The clip that welcomes in place of the neutral one, from the number that was dialled.
    pub(crate) welcome: Option<AudioId>,
    /// Since when nothing came from the far end, while nothing does.
    pub(crate) silent_since: Option<Time>,
    /// When the far end was last asked whether it is still there.
    pub(crate) probed_at: Option<Time>,
    /// Whether the far end holds us.
    pub(crate) held: bool,
    /// Whether the media plane has been told to start the leg.
    pub(crate) started: bool,
    /// The codec of the leg, for its record.
    pub(crate) codec: Codec,
    /// Milliseconds of sound in a packet, for its record.
    pub(crate) ptime_ms: u16,
    /// The dialog as the journal has it.
    pub(crate) recorded: Option<DialogState>,
    /// How far the originating carrier vouches for the caller, as far as that is known.
    pub(crate) attest: Option<Attestation>,
    /// The token that says so, until the call is answered: it serves once.
    pub(crate) token: Option<Box<[u8; 64]>>,
    /// The caller's number that the token is about, where the trunk is not believed to say it: shown
    /// where the token is good.
    pub(crate) signed_for: Option<Number>,
    /// As records name its leg; known when it has ended.
    pub(crate) leg_id: Option<Uuid>,
}

/// How far a call has come.
pub(crate) enum Stage {
    /// A call in, whose caller's signature is looked into before anything else.
    Unverified(Box<Incoming>),
    /// A call in, whose ports are being bound.
    Opening(Box<Incoming>, Attempts),
    /// A call in, put to the conference core.
    Offered(Box<Incoming>),
    /// A call out, whose ports are being bound.
    Reserving(Box<Dialling>, Attempts),
    /// A call out that has not answered.
    Dialling(Box<Dialling>),
    /// Answered; our description in the 200 or in our INVITE awaits an answer.
    AwaitingAnswer,
    /// Answered and described.
    Up,
}

impl Stage {
    /// Whether the call was answered.
    pub(crate) const fn is_answered(&self) -> bool {
        match self {
            Self::AwaitingAnswer | Self::Up => true,
            Self::Unverified(_)
            | Self::Opening(..)
            | Self::Offered(_)
            | Self::Reserving(..)
            | Self::Dialling(_) => false,
        }
    }
}

/// How many ports may still be tried for a leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts(pub(crate) u8);

/// A call out on its way.
#[derive(Clone, Debug)]
pub(crate) struct Dialling {
    pub(crate) number: Number,
    pub(crate) caller_id: Option<Number>,
    /// Who answers for the call.
    pub(crate) account: Option<AccountId>,
    /// How far we vouched for the number that the last INVITE shows.
    pub(crate) attest: Option<Attestation>,
    /// The place among all trunks of the one that the call goes by.
    pub(crate) trunk: usize,
    /// The places of the trunks that may be tried yet, in this order.
    pub(crate) untried: VecDeque<usize>,
    /// Where the trunk redirected the call to, most likely first.
    pub(crate) redirects: VecDeque<SocketAddr>,
    /// Where redirections led the call already, the last of them the one that it is at.
    pub(crate) followed: Vec<SocketAddr>,
    /// Whether the next INVITE goes to the last of `followed`, by the trunk that it was at.
    pub(crate) is_redirected: bool,
    /// Whether trunks that ask to be left alone are called nevertheless, since all do.
    pub(crate) insists: bool,
    /// Whether the far end has been heard to ring: then no other trunk rings it again.
    pub(crate) rang: bool,
}

impl Call {
    pub(crate) fn new(
        dialog: Option<DialogId>,
        stage: Stage,
        (session_id, media_address): (u64, IpAddr),
    ) -> Self {
        Self {
            media_address,
            dialog,
            stage,
            trunk: None,
            session_id,
            session_version: 0,
            offer: None,
            session: Session::default(),
            srtp: Srtp::default(),
            described: Bytes::new(),
            claim: None,
            welcome: None,
            silent_since: None,
            probed_at: None,
            held: false,
            started: false,
            codec: Codec::Pcmu,
            ptime_ms: 20,
            recorded: None,
            attest: None,
            token: None,
            signed_for: None,
            leg_id: None,
        }
    }
}

/// All calls of a node.
#[derive(Default)]
pub(crate) struct CallMap {
    calls: BTreeMap<CallId, Call>,
    by_dialog: BTreeMap<DialogId, CallId>,
    last_inbound: u32,
}

impl CallMap {
    /// An id for a call in, below [`FIRST_OUTBOUND`]. After two thousand million calls it begins
    /// anew, past those that are up.
    pub(crate) fn next_inbound(&mut self) -> CallId {
        loop {
            self.last_inbound = (self.last_inbound + 1) % FIRST_OUTBOUND.0;
            if self.last_inbound > 0 && !self.calls.contains_key(&CallId(self.last_inbound)) {
                return CallId(self.last_inbound);
            }
        }
    }

    pub(crate) fn insert(&mut self, id: CallId, call: Call) {
        if let Some(dialog) = call.dialog {
            self.by_dialog.insert(dialog, id);
        }
        self.calls.insert(id, call);
    }

    pub(crate) fn set_dialog(&mut self, id: CallId, dialog: DialogId) {
        if let Some(call) = self.calls.get_mut(&id) {
            if let Some(before) = call.dialog.replace(dialog) {
                self.by_dialog.remove(&before);
            }
            self.by_dialog.insert(dialog, id);
        }
    }

    pub(crate) fn by_dialog(&self, dialog: DialogId) -> Option<CallId> {
        self.by_dialog.get(&dialog).copied()
    }

    pub(crate) fn get(&self, id: CallId) -> Option<&Call> {
        self.calls.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.calls.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if let Some(dialog) = call.dialog {
            self.by_dialog.remove(&dialog);
        }
        Some(call)
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }
}
