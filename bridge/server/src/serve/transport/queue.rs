//! What waits to be sent on one connection: bounded in messages and octets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait.
const MOST_MESSAGES: usize = 512;

/// The control task's end of a connection. Dropped, the connection ends once it has sent what waits.
pub(in crate::serve) struct Outlet {
    messages: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    /// Octets that may wait.
    most: usize,
    cut: oneshot::Sender<()>,
}

/// The far end does not take what is sent to it.
#[derive(Debug)]
pub(super) struct Full;

impl Outlet {
    /// Puts a message into the queue.
    pub(super) fn push(&self, payload: Bytes) -> Result<(), Full> {
        let octets = payload.len();
        let before = self.waiting.fetch_add(octets, Ordering::Relaxed);
        // One message fits always.
        let fits = before == 0 || before + octets <= self.most;
        let pushed = fits && self.messages.try_send(payload).is_ok();
        if !pushed {
            self.waiting.fetch_sub(octets, Ordering::Relaxed);
        }
        if pushed { Ok(()) } else { Err(Full) }
    }

    /// Ends the connection at once; what waits is lost.
    pub(super) fn cut(self) {
        if self.cut.send(()).is_err() {
            tracing::debug!("a connection that was to be cut has ended by itself");
        }
    }

    /// Octets that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// The connection's end.
pub(super) struct Queue {
    messages: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Queue {
    /// The next message to send; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.messages.recv().await
    }

    /// A message of so many octets was sent.
    pub(super) fn sent(&self, octets: usize) {
        self.waiting.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// Lets the reading half answer a ping without keeping the connection up.
pub(super) struct Replies {
    messages: mpsc::WeakSender<Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Replies {
    /// Sends `reply` if there is room; who pings and does not read needs no answer.
    pub(super) fn push(&self, reply: &'static [u8]) {
        let Some(messages) = self.messages.upgrade() else { return };
        self.waiting.fetch_add(reply.len(), Ordering::Relaxed);
        if messages.try_send(Bytes::from_static(reply)).is_err() {
            self.waiting.fetch_sub(reply.len(), Ordering::Relaxed);
        }
    }
}

/// Resolves when the connection is cut; never when its outlet is dropped.
pub(super) struct Cut(oneshot::Receiver<()>);

impl Cut {
    pub(super) async fn cut(&mut self) {
        if (&mut self.0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it was cut, where nobody has waited for that.
    pub(super) fn was_cut(&mut self) -> bool {
        self.0.try_recv().is_ok()
    }
}

/// A queue of at most `most` octets, with all its ends.
pub(super) fn queue(most: usize) -> (Outlet, Queue, Replies, Cut) {
    let (messages, receiver) = mpsc::channel(MOST_MESSAGES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let (cut, is_cut) = oneshot::channel();
    let replies = Replies { messages: messages.downgrade(), waiting: Arc::clone(&waiting) };
    let outlet = Outlet { messages, waiting: Arc::clone(&waiting), most, cut };
    (outlet, Queue { messages: receiver, waiting }, replies, Cut(is_cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_is_bounded_in_octets_and_flushed_before_its_end() {
        let (outlet, mut queue, replies, _cut) = queue(100);
        let message = |octets| Bytes::from(vec![b'x'; octets]);
        assert!(outlet.push(message(500)).is_ok(), "one message fits always");
        assert!(outlet.push(message(1)).is_err());
        queue.next().await.unwrap();
        queue.sent(500);
        assert!(outlet.push(message(60)).is_ok() && outlet.push(message(41)).is_err());
        assert_eq!(outlet.waiting(), 60);
        drop(outlet);
        replies.push(b"\r\n");
        assert_eq!(queue.next().await.unwrap().len(), 60);
        assert!(queue.next().await.is_none());
    }

    #[tokio::test]
    async fn many_small_messages_are_bounded_too() {
        let (outlet, _queue, _, mut cut) = queue(1_000_000);
        let taken = (0..2000).filter(|_| outlet.push(Bytes::from_static(b"x")).is_ok()).count();
        assert_eq!((taken, outlet.waiting()), (MOST_MESSAGES, MOST_MESSAGES));
        outlet.cut();
        cut.cut().await;
    }
}
