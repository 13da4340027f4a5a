//! Who watches which conference (RFC 4575), and when they are told of a change: at most once a second,
//! and less often where many watch a long document. All who watch one conference get the same one.
//!
//! A leg may watch the conference that it is in and no other; before it is in one there is nothing to
//! tell. Who is in a conference the core knows; `document.rs` of this module writes it down.

mod document;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use partyline_conference::Attendance;
use partyline_model::{CallId, SessionId, Time};
use partyline_sip::{DialogId, Flow, SubscriptionId};

use crate::node::Node;

/// The least time between two documents of one conference.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a pause each octet is worth that a conference sends: a megabyte in a second.
const PER_OCTET: Duration = Duration::from_micros(1);
/// The most members that a document lists; it says how many there are in any case.
const MOST_LISTED: usize = 100;

/// All who watch.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    calls: BTreeMap<CallId, Watcher>,
    sessions: BTreeMap<SessionId, Watched>,
    due: BTreeSet<(Time, SessionId)>,
}

#[derive(Clone, Copy, Debug)]
struct Watcher {
    dialog: DialogId,
    subscription: SubscriptionId,
    /// The conference, once the leg is in it.
    session: Option<SessionId>,
}

/// A conference that somebody watches.
#[derive(Debug, Default)]
struct Watched {
    watchers: BTreeSet<CallId>,
    version: u32,
    shown: Option<(Attendance, Bytes)>,
    /// When it was last told, and when it will be.
    told: Option<Time>,
    due: Option<Time>,
}

impl Watched {
    /// When it may be looked at again, and whoever watches be told.
    fn rests_until(&self) -> Option<Time> {
        let octets = self.shown.as_ref().map_or(0, |(_, document)| document.len());
        self.told.map(|told| told + pause(self.watchers.len(), octets))
    }
}

/// The least time between two documents of so many octets for so many watchers.
fn pause(watchers: usize, octets: usize) -> Duration {
    let octets = u32::try_from(watchers.saturating_mul(octets)).unwrap_or(u32::MAX);
    PAUSE.max(PER_OCTET * octets)
}

impl Watchers {
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    fn set_due(&mut self, session: SessionId, at: Option<Time>) {
        let Some(watched) = self.sessions.get_mut(&session) else { return };
        if let Some(before) = std::mem::replace(&mut watched.due, at) {
            self.due.remove(&(before, session));
        }
        self.due.extend(at.map(|at| (at, session)));
    }

    fn remove(&mut self, call: CallId) {
        let Some(Watcher { session: Some(session), .. }) = self.calls.remove(&call) else { return };
        let Some(watched) = self.sessions.get_mut(&session) else { return };
        watched.watchers.remove(&call);
        if watched.watchers.is_empty() {
            self.set_due(session, None);
            self.sessions.remove(&session);
        }
    }
}

impl Node {
    /// A leg wants to be told of its conference, from here on or again.
    pub(crate) fn subscribed(&mut self, now: Time, dialog: DialogId, subscription: SubscriptionId) {
        let Some(call) = self.calls.by_dialog(dialog) else {
            return self.endpoint.tell_subscriber(now, dialog, subscription, None);
        };
        let known = self.watchers.calls.get(&call).and_then(|watcher| watcher.session);
        let watcher = Watcher { dialog, subscription, session: known };
        self.watchers.calls.insert(call, watcher);
        self.watch(now, call);
        let document =
            self.bridge.session_of(call).and_then(|session| self.known_document(now, session));
        self.endpoint.tell_subscriber(now, dialog, subscription, document);
    }

    /// A leg that watches may have come into a conference.
    pub(crate) fn watch_from_here(&mut self, now: Time, call: CallId) {
        let waits = self.watchers.calls.get(&call).filter(|watcher| watcher.session.is_none());
        let Some(&Watcher { dialog, subscription, .. }) = waits else { return };
        if self.watch(now, call) {
            let document =
                self.bridge.session_of(call).and_then(|session| self.known_document(now, session));
            self.endpoint.tell_subscriber(now, dialog, subscription, document);
        }
    }

    /// Whether the leg is in a conference, which it then watches.
    fn watch(&mut self, now: Time, call: CallId) -> bool {
        let Some(session) = self.bridge.session_of(call) else { return false };
        let Some(watcher) = self.watchers.calls.get_mut(&call) else { return false };
        watcher.session = Some(session);
        let watched = self.watchers.sessions.entry(session).or_default();
        watched.watchers.insert(call);
        watched.told.get_or_insert(now);
        true
    }

    /// A leg watches no longer.
    pub(crate) fn unwatch(&mut self, call: CallId) {
        self.watchers.remove(call);
    }

    /// Something may have changed in a conference.
    pub(crate) fn attendance_changed(&mut self, now: Time, session: SessionId) {
        let Some(watched) =
            self.watchers.sessions.get(&session).filter(|session| session.due.is_none())
        else {
            return;
        };
        let at = watched.rests_until().unwrap_or(now).max(now);
        self.watchers.set_due(session, Some(at));
    }

    /// Tells those who watch of what has changed, once all that happens now has happened; whether there
    /// was something to tell.
    pub(crate) fn tell_watchers(&mut self, now: Time) -> bool {
        let mut is_due = false;
        while let Some(&(_, session)) = self.watchers.due.first().filter(|(at, _)| *at <= now) {
            is_due = true;
            self.watchers.set_due(session, None);
            let Some(watched) = self.watchers.sessions.get_mut(&session) else { continue };
            watched.told = Some(now);
            let before = watched.version;
            let Some(document) = self.document(session) else { continue };
            let Some(watched) = self.watchers.sessions.get(&session) else { continue };
            if watched.version == before {
                continue;
            }
            // Who hears the last word on its way out is no member any more.
            let is_in = |call: &&CallId| self.bridge.session_of(**call) == Some(session);
            let members = watched.watchers.iter().filter(is_in);
            let watchers = members.filter_map(|call| self.watchers.calls.get(call));
            for Watcher { dialog, subscription, .. } in watchers.copied().collect::<Vec<_>>() {
                let document = Some(document.clone());
                self.endpoint.tell_subscriber(now, dialog, subscription, document);
            }
        }
        is_due
    }

    /// What is shown to who asks: within the pause what was shown before, however often they do. What
    /// has changed since is told when it is due.
    fn known_document(&mut self, now: Time, session: SessionId) -> Option<Bytes> {
        // Whose names and states are of an earlier session are not shown in the next.
        let conf_id = self.bridge.attendance(session, 0)?.conf_id;
        let watched = self.watchers.sessions.get_mut(&session)?;
        let rests = watched.due.is_some() || watched.rests_until().is_some_and(|until| now < until);
        let shown = watched.shown.as_ref().filter(|(shown, _)| rests && shown.conf_id == conf_id);
        if let Some((_, document)) = shown {
            return Some(document.clone());
        }
        watched.told = Some(now);
        self.document(session)
    }

    /// The conference as it is now, under a new number if it is another than was shown last.
    fn document(&mut self, session: SessionId) -> Option<Bytes> {
        let attendance = self.bridge.attendance(session, MOST_LISTED)?;
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let entity = |name: &str| self.endpoint.contact_uri(Some(name), Flow::udp(None, nowhere));
        let watched = self.watchers.sessions.get_mut(&session)?;
        if let Some((_, document)) =
            watched.shown.as_ref().filter(|(shown, _)| *shown == attendance)
        {
            return Some(document.clone());
        }
        watched.version = watched.version.wrapping_add(1);
        let document = Bytes::from(document::write(&attendance, watched.version, entity));
        watched.shown = Some((attendance, document.clone()));
        Some(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conference_sends_a_megabyte_in_a_second_at_the_most() {
        let cases = [(1, 42_000, 1_000), (20, 42_000, 1_000), (500, 42_000, 21_000), (0, 0, 1_000)];
        for (watchers, octets, millis) in cases {
            assert_eq!(pause(watchers, octets), Duration::from_millis(millis), "{watchers}");
        }
        assert!(pause(usize::MAX, usize::MAX) > Duration::from_secs(4000));
    }
}
