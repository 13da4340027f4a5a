//! The bounded queues between a media thread and the rest of the node, and what happens when one
//! is full. One producer, one consumer, no lock, no wait.
//!
//! | queue | full means |
//! |---|---|
//! | commands, in | the caller gets the command back and tries again at its next turn |
//! | events, out | levels and the like are dropped and counted; the others wait in the thread |
//! | recording frames, out | the frame is dropped and counted |

use std::collections::VecDeque;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::stats::Stats;

/// The producing end of a media thread's commands.
pub struct Commands<C>(Producer<C>);

impl<C> Commands<C> {
    /// Queues `command`; the thread handles it within 5 ms.
    ///
    /// # Errors
    /// Gives the command back when the ring is full, or the thread has gone.
    pub fn send(&mut self, command: C) -> Result<(), C> {
        if self.0.is_abandoned() {
            return Err(command);
        }
        self.0.push(command).map_err(|rtrb::PushError::Full(command)| command)
    }
}

/// The consuming end of what a media thread gives out: its events, or its recording frames.
pub struct Outlet<T>(Consumer<T>);

impl<T> Outlet<T> {
    /// The oldest one, if any.
    pub fn poll(&mut self) -> Option<T> {
        self.0.pop().ok()
    }

    /// Whether the thread has ended and everything was polled.
    pub fn is_finished(&self) -> bool {
        self.0.is_abandoned() && self.0.is_empty()
    }
}

/// A ring for `capacity` commands.
pub(crate) fn commands<C>(capacity: usize) -> (Commands<C>, Consumer<C>) {
    let (producer, consumer) = RingBuffer::new(capacity);
    (Commands(producer), consumer)
}

/// A ring for `capacity` items that the thread gives out.
pub(crate) fn outlet<T>(capacity: usize) -> (Producer<T>, Outlet<T>) {
    let (producer, consumer) = RingBuffer::new(capacity);
    (producer, Outlet(consumer))
}

/// Whether an event may be lost when nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// The next one of its kind says it again.
    Passing,
    /// A digit, the end of a prompt, a port: said once.
    Lasting,
}

/// The producing end of the events: keeps what must not be lost until there is room.
pub(crate) struct EventSender<E> {
    ring: Producer<E>,
    /// Oldest first. Never longer than `limit`.
    backlog: VecDeque<E>,
    limit: usize,
}

impl<E> EventSender<E> {
    /// Sends into `ring` and keeps up to `limit` events back.
    pub(crate) fn new(ring: Producer<E>, limit: usize) -> Self {
        Self { ring, backlog: VecDeque::with_capacity(limit), limit }
    }

    /// Whether one more event of any worth will be taken care of. While this is false events stay
    /// with whoever has them.
    pub(crate) fn accepts(&self) -> bool {
        self.backlog.len() < self.limit
    }

    /// Sends what was kept back, as far as there is room; true when something went out.
    pub(crate) fn retry(&mut self) -> bool {
        let before = self.backlog.len();
        while let Some(event) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(event)) = self.ring.push(event) {
                self.backlog.push_front(event);
                break;
            }
        }
        self.backlog.len() < before
    }

    /// Sends `event` after those kept back. Call only while [`Self::accepts`].
    pub(crate) fn send(&mut self, event: E, worth: Worth, stats: &Stats) {
        let event = if self.backlog.is_empty() {
            match self.ring.push(event) {
                Ok(()) => return,
                Err(rtrb::PushError::Full(event)) => event,
            }
        } else {
            event
        };
        match worth {
            Worth::Passing => stats.events_dropped.one_more(),
            Worth::Lasting => {
                stats.events_delayed.one_more();
                self.backlog.push_back(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_command_ring_gives_the_command_back() {
        let (mut commands, mut thread) = commands(1);
        assert_eq!(commands.send('a'), Ok(()));
        assert_eq!(commands.send('b'), Err('b'));
        assert_eq!(thread.pop(), Ok('a'));
        assert_eq!(commands.send('b'), Ok(()));
        drop(thread);
        assert_eq!(commands.send('c'), Err('c'));
    }

    #[test]
    fn lasting_events_wait_in_order_and_passing_ones_go() {
        let stats = Stats::default();
        let (ring, mut outlet) = outlet(2);
        let mut sender = EventSender::new(ring, 2);
        for event in ['a', 'b', 'c'] {
            sender.send(event, Worth::Lasting, &stats);
        }
        sender.send('x', Worth::Passing, &stats);
        assert!(sender.accepts());
        assert_eq!(outlet.poll(), Some('a'));
        // There is room, but `c` was there first.
        sender.send('d', Worth::Lasting, &stats);
        assert!(!sender.accepts());
        assert!(sender.retry());
        assert_eq!((outlet.poll(), outlet.poll()), (Some('b'), Some('c')));
        assert!(sender.retry());
        assert_eq!((outlet.poll(), outlet.poll()), (Some('d'), None));
        assert!(!sender.retry());
        assert_eq!((stats.events_dropped.get(), stats.events_delayed.get()), (1, 2));
    }

    #[test]
    fn an_outlet_is_finished_after_the_last_item() {
        let (mut ring, mut outlet) = outlet(2);
        ring.push('a').unwrap();
        drop(ring);
        assert!(!outlet.is_finished());
        assert_eq!(outlet.poll(), Some('a'));
        assert!(outlet.is_finished());
    }
}
