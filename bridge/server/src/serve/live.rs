//! The control interface: a socket in the data folder that only its owner can open, with JSON lines.
//! What is said there is in `partyline_live`.
//!
//! A connection has one request under way, and the control task answers between two messages. Who
//! follows has a queue of events; who does not read is cut off with a word.

mod followers;
mod orders;
mod show;

use std::time::Duration;

use partyline_cdr_record::Actor;
use partyline_live::{Command, Fault, Hello, Line, Response, VERSION, read_request};
use partyline_model::Uuid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::ask;
pub(super) use followers::Followers;
use followers::{QUEUE, Told};
pub(super) use orders::Question;

/// The socket below the data folder.
pub(crate) const NAME: &str = "live.sock";
/// Connections at one time.
const MOST: usize = 16;
/// How long the control task has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a client has to take a line.
const SLOWEST: Duration = Duration::from_secs(10);
/// How long a client that follows nothing may say nothing.
const IDLE: Duration = Duration::from_secs(300);
/// Until the next try, where the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the runtime ends.
pub(super) fn start(listener: UnixListener, questions: mpsc::Sender<ask::Question>) {
    tokio::spawn(accept(listener, questions));
}

async fn accept(listener: UnixListener, questions: mpsc::Sender<ask::Question>) {
    let places = std::sync::Arc::new(Semaphore::new(MOST));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let place = std::sync::Arc::clone(&places).try_acquire_owned();
        let questions = questions.clone();
        tokio::spawn(async move {
            let mut connection = Connection::new(stream, questions);
            let talked = match place {
                Ok(_place) => connection.talk().await,
                Err(_) => {
                    let why = format!("{MOST} connections are open, and there may be no more");
                    connection.end("capacity", &why).await
                }
            };
            if let Err(error) = talked {
                tracing::debug!(%error, "a connection of the control interface broke");
            }
        });
    }
}

/// What a client follows.
struct Following {
    told: mpsc::Receiver<Told>,
    session: Option<Uuid>,
    full: bool,
}

struct Connection {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    /// What was read and is no whole line yet, or several.
    heard: Vec<u8>,
    by: (Actor, Option<u64>),
    questions: mpsc::Sender<ask::Question>,
    following: Option<Following>,
}

impl Connection {
    fn new(stream: UnixStream, questions: mpsc::Sender<ask::Question>) -> Self {
        let user = stream.peer_cred().ok().map(|peer| u64::from(peer.uid()));
        let (read, write) = stream.into_split();
        let by = (Actor::Operator, user);
        Self { read, write, heard: Vec::new(), by, questions, following: None }
    }

    async fn talk(&mut self) -> std::io::Result<()> {
        let hello = Hello { partyline: VERSION, program: env!("CARGO_PKG_VERSION").to_owned() };
        self.say(serde_json::to_string(&hello)?).await?;
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let mut line: Vec<u8> = self.heard.drain(..=end).collect();
                line.pop();
                self.answer(&line).await?;
                continue;
            }
            if self.heard.len() > partyline_live::LONGEST_LINE {
                let longest = partyline_live::LONGEST_LINE;
                return self.end("invalid", &format!("a line has at most {longest} octets")).await;
            }
            let mut piece = [0; 4096];
            tokio::select! {
                read = self.read.read(&mut piece) => match read? {
                    0 => return Ok(()),
                    length => self.heard.extend_from_slice(&piece[..length]),
                },
                told = next_told(&mut self.following) => match told {
                    Some(Told::Records(records)) => self.tell(&records).await?,
                    Some(Told::Slow) => {
                        let why = "events came faster than they were read: connect and watch anew";
                        return self.end("slow", why).await;
                    }
                    None => return self.end("unavailable", "the bridge ends").await,
                },
                () = sleep(IDLE), if self.following.is_none() => {
                    return self.end("idle", "nothing was said for five minutes").await;
                }
            }
        }
    }

    /// Tells what was written of what the client follows.
    async fn tell(&mut self, records: &[partyline_cdr_record::Record]) -> std::io::Result<()> {
        let Some(Following { session, full, .. }) = &self.following else { return Ok(()) };
        let events = records.iter().filter_map(|record| show::event(record, *full));
        let of_session = |wanted: Uuid, event: &partyline_live::Event| {
            event.session.is_some_and(|session| session.uuid == wanted.0)
        };
        let events: Vec<_> =
            events.filter(|event| session.is_none_or(|id| of_session(id, event))).collect();
        for event in events {
            self.say(Line::Event { event: Box::new(event) }.line()).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, line: &[u8]) -> std::io::Result<()> {
        let response = match read_request(line) {
            Ok(request) => match self.carry_out(request.command).await {
                Ok(ok) => Response::Ok { id: request.id, ok },
                Err(error) => Response::Error { id: request.id, error },
            },
            Err((id, error)) => Response::Error { id, error },
        };
        self.say(Line::Response(response).line()).await
    }

    async fn carry_out(&mut self, command: Command) -> Result<Value, Fault> {
        let Command::Watch { session, full } = command else {
            let by = self.by;
            return self.ask(|answer| Question::Command { command, by, answer }).await?;
        };
        let session = session.map(|id| Uuid(id.uuid));
        let (follower, told) = mpsc::channel(QUEUE);
        self.ask(|answer| Question::Follow { follower, answer }).await?;
        self.following = Some(Following { told, session, full });
        Ok(json!({}))
    }

    /// The control task's answer.
    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Fault> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(ask::Question::Live(question(answer))).await.ok()?;
            answered.await.ok()
        };
        let busy = || fault("unavailable", "the bridge is busy or ends");
        timeout(PATIENCE, asked).await.ok().flatten().ok_or_else(busy)
    }

    async fn end(&mut self, code: &str, detail: &str) -> std::io::Result<()> {
        self.say(Line::End { end: fault(code, detail) }.line()).await
    }

    async fn say(&mut self, mut line: String) -> std::io::Result<()> {
        line.push('\n');
        timeout(SLOWEST, self.write.write_all(line.as_bytes())).await?
    }
}

/// What comes next for who follows; never, where nobody does.
async fn next_told(following: &mut Option<Following>) -> Option<Told> {
    match following {
        Some(following) => following.told.recv().await,
        None => std::future::pending().await,
    }
}

fn fault(code: &str, detail: &str) -> Fault {
    Fault { code: code.to_owned(), detail: detail.to_owned() }
}
