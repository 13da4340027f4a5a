//! What the node does about who offends: it notes what, bans, and tells the shell who is banned.

use std::net::IpAddr;
use std::time::Duration;

use partyline_model::Time;
use partyline_sip::rate::Rate;
use partyline_sip::{DialogId, Flow, Suspicion};

use crate::admission::{Ban, BanCounts, Offence, Sources, Standing, Unbannable};
use crate::node::{Node, Output};

/// Bans that are logged.
const SAID: Rate = Rate { per_second: 1, burst: 20 };

impl Node {
    /// The SIP endpoint met something that nobody sends by mistake, or not often.
    pub(crate) fn suspect(&mut self, now: Time, flow: Flow, what: Suspicion) {
        let on_connection = flow.connection.is_some();
        let offence = match what {
            Suspicion::Garbage => (Offence::Garbage, on_connection),
            Suspicion::Scanner => (Offence::Scan, on_connection),
            Suspicion::WrongPassword => (Offence::Password, true),
        };
        self.offended(now, flow.remote.ip(), offence);
    }

    /// What came by the connection of `flow` is no SIP that could be followed.
    pub fn handle_garbled(&mut self, now: Time, flow: Flow) {
        self.suspect(now, flow, Suspicion::Garbage);
        self.run(now);
    }

    /// A telephone typed a passcode, which was right, or was looked at no more.
    pub(crate) fn typed(&mut self, now: Time, phone: IpAddr, was_right: bool) {
        if was_right {
            self.bans.vouch(now, phone);
        } else {
            // Its call was acknowledged, and its sound taken: it is there.
            self.offended(now, phone, (Offence::Passcode, true));
        }
    }

    fn offended(&mut self, now: Time, source: IpAddr, offence: (Offence, bool)) {
        if self.endpoint.users().is_some_and(|users| users.has_seen(source)) {
            self.bans.vouch(now, source);
        }
        let speaks = || self.endpoint.is_far_end(source);
        let standing = (self.sources.standing(source), speaks);
        if let Some(ban) = self.bans.note(now, source, offence, standing) {
            self.publish_bans(now);
            if self.bans_said.take(now, SAID) {
                self.outputs.push_back(Output::Banned(ban));
            }
        }
    }

    /// A call is up: its far end may hang up from where it says that it is.
    pub(crate) fn spare_far_end(&mut self, now: Time, dialog: DialogId) {
        if self.bans.is_empty() {
            return;
        }
        let far_ends = self.endpoint.far_ends(dialog);
        if far_ends.into_iter().fold(false, |any, source| self.bans.spare(now, source) | any) {
            self.publish_bans(now);
        }
    }

    /// Who is banned at `now`, by address.
    pub fn bans(&self, now: Time) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// What was counted of offences and bans.
    pub fn ban_counts(&self) -> &BanCounts {
        self.bans.counts()
    }

    /// Bans a source as the operator says, for so long, or until he ends it.
    ///
    /// # Errors
    /// For what reason somebody is not banned.
    pub fn ban(
        &mut self,
        now: Time,
        source: IpAddr,
        lasting: Option<Duration>,
    ) -> Result<Ban, Unbannable> {
        let ban = self.bans.add(now, source, lasting, self.sources.standing(source))?;
        self.publish_bans(now);
        Ok(ban)
    }

    /// Ends the ban of a source; whether there was one.
    pub fn unban(&mut self, now: Time, source: IpAddr) -> bool {
        let was_banned = self.bans.remove(now, source);
        if was_banned {
            self.publish_bans(now);
        }
        was_banned
    }

    fn publish_bans(&mut self, now: Time) {
        let sources = Sources::clone(&self.sources);
        self.replace_sources(now, sources);
    }

    /// The table of sources with who is banned, of whom none is a trunk's host.
    pub(crate) fn with_bans(&mut self, now: Time, sources: Sources) -> Sources {
        self.bans.free(now, |source| sources.standing(source) == Standing::Host);
        sources.banning(self.bans.banned())
    }
}
