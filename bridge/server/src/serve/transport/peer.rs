//! What all connections of one source share: how often it may say something, its turns before the
//! control task, and its TLS handshakes. Whoever opens many connections has no more of these.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use partyline_control::Welcome;
use partyline_model::Time;
use partyline_sip::rate::{Bucket, Rate};
use tokio::sync::Semaphore;

/// Messages of one source that may stand in line before the control task at one time.
const TURNS: usize = 2;
/// TLS handshakes of one source at one time: each waits for octets of its far end, and one that
/// sends none holds up its own source only.
const HANDSHAKES: usize = 16;
/// Of one network of strangers.
const STRANGE_HANDSHAKES: usize = 2;

/// A source by which its connections are counted, and whether no trunk has it.
type Key = (bool, IpAddr);

/// The sources that have connections.
#[derive(Default)]
pub(super) struct Peers(Mutex<BTreeMap<Key, Weak<Peer>>>);

/// One source that has connections.
pub(super) struct Peer {
    key: Key,
    peers: Weak<Peers>,
    bucket: Mutex<Bucket>,
    pub(super) turns: Semaphore,
    pub(super) handshakes: Semaphore,
}

impl Peers {
    /// What connections with this welcome share.
    pub(super) fn of(self: &Arc<Self>, welcome: &Welcome) -> Arc<Peer> {
        let key = welcome.source();
        let mut known = lock(&self.0);
        if let Some(peer) = known.get(&key).and_then(Weak::upgrade) {
            return peer;
        }
        let handshakes = if welcome.stranger { STRANGE_HANDSHAKES } else { HANDSHAKES };
        let peer = Arc::new(Peer {
            key,
            peers: Arc::downgrade(self),
            bucket: Mutex::default(),
            turns: Semaphore::new(TURNS),
            handshakes: Semaphore::new(handshakes),
        });
        known.insert(key, Arc::downgrade(&peer));
        peer
    }
}

impl Peer {
    /// Whether the source may say one thing more.
    pub(super) fn may_speak(&self, now: Time, rate: Rate) -> bool {
        lock(&self.bucket).take(now, rate)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some(peers) = self.peers.upgrade() else { return };
        let mut known = lock(&peers.0);
        // Another may have come in its place meanwhile.
        if known.get(&self.key).is_some_and(|peer| peer.strong_count() == 0) {
            known.remove(&self.key);
        }
    }
}

/// Nothing that is kept here is half done when a thread breaks off.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use partyline_control::Sources;

    use super::*;

    #[test]
    fn connections_of_one_source_share_until_the_last_is_gone() {
        let (peers, sources) = (Arc::new(Peers::default()), Sources::new(&[]));
        let of = |ip: &str| peers.of(&sources.welcome(ip.parse().unwrap()));
        let (first, same, other) = (of("192.0.2.7"), of("192.0.2.8"), of("198.51.100.1"));
        assert!(Arc::ptr_eq(&first, &same) && !Arc::ptr_eq(&first, &other));
        let rate = Rate { per_second: 1, burst: 1 };
        assert!(first.may_speak(Time::ZERO, rate) && !same.may_speak(Time::ZERO, rate));
        assert!(other.may_speak(Time::ZERO, rate));
        drop((first, other));
        assert_eq!(lock(&peers.0).len(), 1);
        drop(same);
        assert!(lock(&peers.0).is_empty());
    }
}
