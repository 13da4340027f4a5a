//! A question to a running bridge, over whichever of its sockets.

use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::config::Config;
use crate::serve::SocketPath;

/// A bridge that answers takes a moment.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The longest page that is read, in octets.
const LONGEST_PAGE: usize = 64 << 20;

/// The answer of the bridge that runs on the configured data folder to `question`, over the socket in
/// it.
///
/// # Errors
/// None runs there, or its answer is no success.
pub(super) async fn ask_here(
    config: &Config,
    path: &str,
    question: &Value,
) -> anyhow::Result<Vec<u8>> {
    let socket = SocketPath::below(&config.data_dir)?;
    let data = config.data_dir.display();
    let asked = async {
        let stream = socket.connect().await.with_context(|| {
            format!(
                "no bridge answers for the data folder {data}: is one running, with the same \
                 --config and --data, as a user whose files you may read?"
            )
        })?;
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .body(Body::from(question.to_string()))?;
        exchange(stream, "the bridge's ", request).await
    };
    let asked = timeout(LONGEST, asked).await;
    asked.with_context(|| format!("the bridge of the data folder {data} does not answer"))?
}

/// The body of the answer of the bridge that `host` names for people.
///
/// # Errors
/// There is none, or it is no success.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    request: Request<Body>,
) -> anyhow::Result<Vec<u8>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let path = request.uri().path().to_owned();
    let talk = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        ensure!(
            status.is_success(),
            "{host}{path} answers {status}: is it a bridge, and of this version?"
        );
        Ok(to_bytes(Body::new(response.into_body()), LONGEST_PAGE).await?.to_vec())
    };
    tokio::pin!(talk);
    // The connection is driven beside the request, and may end before its body is read.
    tokio::select! {
        biased;
        page = &mut talk => page,
        ended = connection => {
            ended?;
            talk.await
        }
    }
}
