//! One connection from its beginning to its end: what comes is framed and handed on, what waits is
//! sent, and neither holds the other up.
//!
//! A connection never costs more than its [`Welcome`] says: messages are read as fast as the
//! control task takes them and no faster, and a far end that does not read fills its own queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use partyline_control::Welcome;
use partyline_model::Time;
use partyline_sip::Flow;
use partyline_sip::message::{Frame, Framer};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::counts::Farewell;
use super::peer::Peer;
use super::queue::{Cut, Queue, Replies};
use super::{Arrival, Shared};

/// Octets that are read at one time.
const PIECE: usize = 4096;
/// A message that the far end does not take in this time is not taken at all.
const WRITE: Duration = Duration::from_secs(10);
/// How long an answer may take to go out before a connection that cannot be followed is closed.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often a source that sends too fast is looked at again.
const PACE: Duration = Duration::from_millis(5);
/// A keep-alive of the side that opened the connection (RFC 5626 §4.4.1).
const PING: &[u8] = b"\r\n\r\n";
/// The answer to it.
const PONG: &[u8] = b"\r\n";
/// A far end that acknowledges nothing for so long is gone, in milliseconds.
const DEAD_AFTER_MS: u32 = 30_000;
/// The system asks after a silent far end so often.
const PROBE: Duration = Duration::from_secs(60);

/// What the two halves of a connection are told.
pub(super) struct Line {
    pub(super) flow: Flow,
    pub(super) welcome: Welcome,
    /// What the connection shares with the others of its source.
    pub(super) peer: Arc<Peer>,
    pub(super) shared: Arc<Shared>,
    /// How often a ping goes out; never on a connection that was accepted.
    pub(super) keep_alive: Option<Duration>,
}

/// Sets what every connection has. An error is the connection's own: it shows when it is used.
pub(super) fn tune(stream: &TcpStream) {
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| Ok(sockopt::set_socket_keepalive(stream, true)?))
        .and_then(|()| Ok(sockopt::set_tcp_keepidle(stream, PROBE)?))
        .and_then(|()| Ok(sockopt::set_tcp_user_timeout(stream, DEAD_AFTER_MS)?));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a connection stays as the system made it");
    }
}

/// Carries messages over a stream until it ends; why it did.
pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite,
    line: &Line,
    (queue, replies, mut cut): (Queue, Replies, Cut),
) -> Farewell {
    let (reader, writer) = tokio::io::split(stream);
    let mut write = pin!(write(writer, queue, line));
    let read = pin!(read(reader, replies, line));
    let farewell = tokio::select! {
        biased;
        why = cut_or_sent(&mut cut, &mut write) => return why,
        why = read => why,
    };
    if let Farewell::Broken(_) = farewell {
        // The node may have an answer to what was wrong. Either way the connection ends.
        timeout(LAST_WORDS, write).await.map_or(farewell, |_| farewell)
    } else {
        farewell
    }
}

/// Waits until the connection is cut or `write` is done. A cut drops what the writer waits for as
/// well, so the writer may see the end first: it was cut all the same.
async fn cut_or_sent(cut: &mut Cut, write: impl Future<Output = Farewell>) -> Farewell {
    tokio::select! {
        biased;
        () = cut.cut() => Farewell::SlowReader,
        why = write => if cut.was_cut() { Farewell::SlowReader } else { why },
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: Queue, line: &Line) -> Farewell {
    loop {
        let next = match line.keep_alive {
            Some(pause) => timeout(pause, queue.next()).await.ok(),
            None => Some(queue.next().await),
        };
        let (payload, counted) = match next {
            Some(Some(payload)) => (payload, true),
            Some(None) => break,
            None => (Bytes::from_static(PING), false),
        };
        let sending = async {
            writer.write_all(&payload).await?;
            writer.flush().await
        };
        match timeout(WRITE, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Farewell::Lost,
            Err(_) => return Farewell::SlowReader,
        }
        line.shared.counts.went(line.flow.transport, payload.len());
        if counted {
            queue.sent(payload.len());
        }
    }
    // TLS says that this is the end; a far end that is gone need not hear it.
    match timeout(LAST_WORDS, writer.shutdown()).await {
        Ok(Ok(()) | Err(_)) | Err(_) => Farewell::Told,
    }
}

async fn read(mut reader: impl AsyncRead + Unpin, replies: Replies, line: &Line) -> Farewell {
    let opened = line.keep_alive.is_some();
    let framer = if opened { Framer::opened() } else { Framer::accepted() };
    let mut framer = framer.limited_to(line.welcome.octets);
    let mut inlet = Inlet::new(line, opened);
    let mut buffer = vec![0; PIECE];
    loop {
        let octets = match timeout(inlet.patience(framer.held()), reader.read(&mut buffer)).await {
            Ok(Ok(0)) => return Farewell::Closed,
            Ok(Ok(octets)) => octets,
            Ok(Err(_)) => return Farewell::Lost,
            Err(_) => return inlet.too_late(framer.held()),
        };
        inlet.came(octets, framer.held());
        let mut input = &buffer[..octets];
        let mut said = false;
        while let Some(frame) = framer.take(&mut input) {
            said = true;
            if let Err(why) = inlet.frame(frame, &replies, PONG).await {
                return why;
            }
        }
        // Octets that say nothing, not even a part of a message, cost their sender as much.
        if !said
            && framer.held() == 0
            && let Err(why) = inlet.pace().await
        {
            return why;
        }
    }
}

/// The way from one connection to the control task, with what the connection may do on it.
pub(super) struct Inlet<'a> {
    line: &'a Line,
    /// Until when the message that has begun, or the first one, must be whole.
    due: Time,
    /// Whether a message came already, or none needs to.
    heard: bool,
}

impl<'a> Inlet<'a> {
    pub(super) fn new(line: &'a Line, opened: bool) -> Self {
        let due = line.shared.clock.now() + line.welcome.haste;
        Self { line, due, heard: opened }
    }

    /// How long to wait for more, where `held` octets of a message are there.
    pub(super) fn patience(&self, held: usize) -> Duration {
        if self.heard && held == 0 {
            self.line.welcome.idle
        } else {
            self.due - self.line.shared.clock.now()
        }
    }

    /// What it means that nothing more came.
    pub(super) fn too_late(&self, held: usize) -> Farewell {
        if self.heard && held == 0 { Farewell::Idle } else { Farewell::HalfOpen }
    }

    /// Octets came, and `held` were there.
    pub(super) fn came(&mut self, octets: usize, held: usize) {
        self.line.shared.counts.came(self.line.flow.transport, octets);
        if self.heard && held == 0 {
            self.due = self.line.shared.clock.now() + self.line.welcome.haste;
        }
    }

    /// Hands on what was framed; a ping is answered with `pong`.
    ///
    /// # Errors
    /// Why the connection ends.
    pub(super) async fn frame(
        &mut self,
        frame: Frame,
        replies: &Replies,
        pong: &'static [u8],
    ) -> Result<(), Farewell> {
        match frame {
            Frame::Message(payload) => {
                self.pace().await?;
                self.heard = true;
                self.due = self.line.shared.clock.now() + self.line.welcome.haste;
                self.deliver(payload).await
            }
            Frame::Ping => {
                self.pace().await?;
                // A stranger who only pings has nothing to say.
                self.heard |= !self.line.welcome.stranger;
                replies.push(pong);
                Ok(())
            }
            Frame::Pong => self.pace().await,
            Frame::Broken { reason, head } => {
                if let Some(head) = head {
                    self.deliver(head).await?;
                }
                Err(Farewell::Broken(reason))
            }
        }
    }

    /// Waits until the source may say one thing more, whatever it is.
    ///
    /// # Errors
    /// A stranger is not waited for, and who is banned is not listened to.
    pub(super) async fn pace(&self) -> Result<(), Farewell> {
        let welcome = &self.line.welcome;
        let shared = &self.line.shared;
        let source = self.line.flow.remote.ip();
        if shared.sources.borrow().is_banned(shared.clock.now(), source) {
            return Err(Farewell::Banned);
        }
        while !self.line.peer.may_speak(self.line.shared.clock.now(), welcome.messages) {
            if welcome.stranger {
                return Err(Farewell::TooOften);
            }
            sleep(PACE).await;
        }
        Ok(())
    }

    async fn deliver(&mut self, payload: Bytes) -> Result<(), Farewell> {
        let arrival = Arrival::Message { flow: self.line.flow, payload };
        // However many connections a source has, two of its messages stand in line.
        let turn = self.line.peer.turns.acquire().await.map_err(|_| Farewell::Told)?;
        let handed_on = self.line.shared.arrivals.send(arrival).await;
        drop(turn);
        handed_on.map_err(|_| Farewell::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::queue;
    use super::*;

    #[tokio::test]
    async fn a_connection_that_is_cut_while_its_writer_runs_was_cut() {
        let (outlet, _queue, _, mut cut) = queue(100);
        let sent = async {
            outlet.cut();
            Farewell::Told
        };
        assert!(matches!(cut_or_sent(&mut cut, sent).await, Farewell::SlowReader));
        let (_outlet, _queue, _, mut cut) = queue(100);
        assert!(matches!(cut_or_sent(&mut cut, async { Farewell::Told }).await, Farewell::Told));
    }
}
