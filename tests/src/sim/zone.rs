//! The name servers of a world: where names lead, while they say so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use partyline_control::TrunkName;
use partyline_model::Time;
use partyline_sip::locate::{Found, LookupFault, Search};
use partyline_sip::{Target, Transport};

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(20);

/// What name servers say, and what was heard of it.
#[derive(Default)]
pub struct Zone {
    names: BTreeMap<String, Vec<Target>>,
    silent: bool,
    halting: bool,
    failed: BTreeSet<Target>,
    asked: usize,
    said: Vec<TrunkName>,
}

impl Zone {
    /// Lets `name` lead to these addresses by UDP from now on, best first; nowhere without any.
    pub fn set(&mut self, name: &str, addresses: &[SocketAddr]) {
        let by_udp = |address: &SocketAddr| Target { transport: Transport::Udp, address: *address };
        self.names.insert(name.to_owned(), addresses.iter().map(by_udp).collect());
    }

    /// Whether name servers say nothing from now on.
    pub fn silence(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Whether name servers answer only a part of what they are asked from now on.
    pub fn halt(&mut self, halting: bool) {
        self.halting = halting;
    }

    /// How often something was looked up.
    pub fn asked(&self) -> usize {
        self.asked
    }

    /// What was logged of trunks' names.
    pub fn said(&self) -> &[TrunkName] {
        &self.said
    }

    pub(super) fn say(&mut self, name: TrunkName) {
        self.said.push(name);
    }

    /// A target could not be reached: it comes last from now on.
    pub(super) fn fail(&mut self, target: Target) {
        self.failed.insert(target);
    }

    pub(super) fn find(&mut self, now: Time, search: &Search) -> Found {
        self.asked += 1;
        let until = now + HOLDS;
        if self.silent {
            return Found { targets: Vec::new(), until, fault: Some(LookupFault::Silent) };
        }
        let known = self.names.get(&search.hop.host.to_string());
        let mut targets = known.cloned().unwrap_or_default();
        targets.sort_by_key(|target| self.failed.contains(target));
        let nothing = targets.is_empty().then_some(LookupFault::Nothing);
        let fault = if self.halting { Some(LookupFault::Silent) } else { nothing };
        Found { targets, until, fault }
    }
}
