//! A question to a running bridge, over whichever of its sockets.

use std::time::Duration;

use anyhow::ensure;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// A bridge that answers takes a moment.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// The longest page that is read, in octets.
const LONGEST_PAGE: usize = 64 << 20;

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
