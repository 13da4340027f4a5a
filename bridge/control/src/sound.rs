//! How the sound of a trunk's calls is described, as far as trunks differ in it.

use std::net::IpAddr;

use partyline_sip::sdp::{Codec, CodecOrder, Local, SrtpPolicy, Terms, USUAL_PTIME_MS};

/// What a trunk wants of the sound of its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkSound {
    /// The codecs that are spoken with it, best first, whatever the order of its offers; none for
    /// all of them, in the order of its offers.
    pub codecs: Vec<Codec>,
    /// Audio in each packet, in milliseconds, where the far end asks for no other: 10 to 60 in
    /// steps of 10.
    pub ptime_ms: u16,
}

impl Default for TrunkSound {
    fn default() -> Self {
        Self { codecs: Vec::new(), ptime_ms: USUAL_PTIME_MS }
    }
}

impl TrunkSound {
    const fn order(&self) -> CodecOrder {
        if self.codecs.is_empty() { CodecOrder::Offerer } else { CodecOrder::Ours }
    }

    /// What offers of the trunk are judged by.
    pub(crate) fn terms(&self, address: IpAddr, srtp: SrtpPolicy) -> Terms<'_> {
        let (codecs, ptime_ms) = (&*self.codecs, self.ptime_ms);
        Terms { codecs, ptime_ms, order: self.order(), ..Terms::at(address, srtp) }
    }

    /// Puts the trunk's terms into the description of an end of ours.
    pub(crate) fn describe(&self, local: &mut Local) {
        local.order = self.order();
        local.ptime_ms = self.ptime_ms;
        if !self.codecs.is_empty() {
            local.codecs.clone_from(&self.codecs);
        }
    }
}
