//! What only whoever may read the data folder may ask: a socket in it, with HTTP, that nobody else
//! can open. `/trace` names callers; `http.listen` does not.
//!
//! The control task answers between two messages, one question at a time.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use partyline_control::{Node, TraceFilter, Traced};
use partyline_media_io::Clock;
use rustix::fs::{Mode, OFlags, open};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::bans::{self, Answer, Order};
use super::http::converse;
use super::live::{self, Followers};
use super::trace;

/// The socket below the data folder.
pub(super) const NAME: &str = "control.sock";
/// The longest path of a socket (sun_path of unix(7)), less a margin.
const LONGEST_PATH: usize = 100;
/// From a connection to its end.
const LONGEST: Duration = Duration::from_secs(10);
/// How long the control task has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections at one time.
const MOST: usize = 8;
/// Until the next try, where the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A question for the control task, or an order.
pub(super) enum Question {
    /// What was traced.
    Trace(TraceFilter, oneshot::Sender<Vec<Traced>>),
    /// Who is banned, or to be.
    Bans(Order, oneshot::Sender<Answer>),
    /// About conferences in session.
    Live(live::Question),
}

impl Question {
    /// Has the node answer; whether anybody waits for that.
    pub(super) fn put(self, node: &mut Node, clock: Clock, followers: &mut Followers) -> bool {
        match self {
            Self::Trace(filter, answer) => answer.send(node.traced(&filter)).is_ok(),
            Self::Bans(order, answer) => answer.send(bans::carry_out(order, node, clock)).is_ok(),
            Self::Live(question) => question.put(node, clock.now(), followers),
        }
    }
}

/// A path that a socket can have, while the folder is open.
pub(crate) struct SocketPath {
    path: PathBuf,
    /// Where the folder's own path is too long, the socket is named by its descriptor.
    _folder: Option<rustix::fd::OwnedFd>,
}

impl SocketPath {
    /// The socket of the bridge whose data is in `data`.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn below(data: &Path) -> anyhow::Result<Self> {
        Self::named(data, NAME)
    }

    /// A socket by this name below `data`.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub(crate) fn named(data: &Path, name: &str) -> anyhow::Result<Self> {
        let path = data.join(name);
        if path.as_os_str().len() <= LONGEST_PATH {
            return Ok(Self { path, _folder: None });
        }
        let folder = open(data, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("cannot open the data folder {}", data.display()))?;
        use std::os::fd::AsRawFd;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }

    /// Connects to the bridge that listens there.
    ///
    /// # Errors
    /// None does.
    pub(crate) async fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(&self.path).await
    }
}

/// Listens below `data` on a socket by this name, in the place of a bridge that is no more: the
/// journal's lock says that no other runs.
pub(super) fn bind(data: &Path, name: &str) -> anyhow::Result<UnixListener> {
    let socket = SocketPath::named(data, name)?;
    let listen = || -> std::io::Result<UnixListener> {
        match std::fs::remove_file(&socket.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&socket.path)?;
        std::fs::set_permissions(&socket.path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    listen().with_context(|| format!("cannot listen on {}", data.join(name).display()))
}

#[derive(Clone)]
struct Desk {
    clock: Clock,
    questions: mpsc::Sender<Question>,
}

impl Desk {
    /// The control task's answer; `None` where it is busy or ends.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(question(answer)).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}

/// Serves until the runtime ends.
pub(super) fn start(listener: UnixListener, clock: Clock, questions: mpsc::Sender<Question>) {
    let desk = Desk { clock, questions };
    let pages = Router::new()
        .route("/trace", post(answer_trace))
        .route("/bans", post(answer_bans))
        .with_state(desk);
    tokio::spawn(accept(listener, pages));
}

async fn accept(listener: UnixListener, pages: Router) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let pages = pages.clone();
        tokio::spawn(async move {
            match timeout(LONGEST, converse(stream, pages)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a question was not answered"),
                Err(_) => tracing::debug!("a question took too long"),
            }
            drop(place);
        });
    }
}

async fn answer_trace(State(desk): State<Desk>, asked: String) -> Response {
    let Some(filter) = trace::filter(&asked) else {
        return (StatusCode::BAD_REQUEST, "expected a JSON object\n").into_response();
    };
    match desk.ask(|answer| Question::Trace(filter, answer)).await {
        Some(found) => {
            let page = trace::page(&found, desk.clock);
            ([(header::CONTENT_TYPE, "application/json")], page).into_response()
        }
        None => busy(),
    }
}

async fn answer_bans(State(desk): State<Desk>, asked: String) -> Response {
    let order = match bans::order(&asked) {
        Ok(order) => order,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    match desk.ask(|answer| Question::Bans(order, answer)).await {
        Some(answer) => {
            let page = answer.page().to_string();
            ([(header::CONTENT_TYPE, "application/json")], page).into_response()
        }
        None => busy(),
    }
}

fn busy() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the bridge is busy or ends\n").into_response()
}
