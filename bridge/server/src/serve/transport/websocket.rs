//! SIP over WebSocket (RFC 7118): the handshake, and one SIP message in each WebSocket message.
//!
//! The library knows no compression, so that no message is longer than its octets.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use partyline_sip::message::{MAX_MESSAGE_BYTES, websocket_message};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::connection::{Inlet, Line};
use super::counts::Farewell;
use super::queue::{Cut, Queue, Replies};

/// The subprotocol (RFC 7118 §4.1).
const SIP: &str = "sip";
/// A message that the far end does not take in this time is not taken at all.
const WRITE: Duration = Duration::from_secs(10);
/// Octets that the library reads at one time, and holds for that.
const PIECE: usize = 4096;

/// A WebSocket that speaks SIP, over any stream.
pub(super) type Socket<S> = WebSocketStream<S>;

/// Answers the handshake of a client.
///
/// # Errors
/// The client does not offer SIP, comes from a page that is not listed, or is no WebSocket client.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &[String],
    octets: usize,
) -> Result<Socket<S>, Farewell> {
    let most = octets.min(MAX_MESSAGE_BYTES);
    let config = WebSocketConfig::default()
        .read_buffer_size(PIECE)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let check =
        |request: &Request, mut response: Response| match refusal(request.headers(), origins) {
            None => {
                let sip = HeaderValue::from_static(SIP);
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, sip);
                Ok(response)
            }
            Some((status, text)) => {
                let mut refused = ErrorResponse::new(Some(text.to_owned()));
                *refused.status_mut() = status;
                Err(refused)
            }
        };
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config));
    accepted.await.map_err(|_| Farewell::Upgrade)
}

/// Why a handshake is refused. A browser names the page (RFC 6455 §10.2), other clients do not.
fn refusal(headers: &HeaderMap, origins: &[String]) -> Option<(StatusCode, &'static str)> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut offered = offered.filter_map(|value| value.to_str().ok());
    if !offered.any(|list| list.split(',').any(|one| one.trim().eq_ignore_ascii_case(SIP))) {
        return Some((StatusCode::BAD_REQUEST, "the subprotocol is sip"));
    }
    let mut pages = headers.get_all(header::ORIGIN).iter();
    let is_listed = |page: &HeaderValue| {
        page.to_str().is_ok_and(|page| origins.iter().any(|o| o.eq_ignore_ascii_case(page)))
    };
    let listed = pages.all(is_listed);
    (!listed).then_some((StatusCode::FORBIDDEN, "this page is not listed in sip.ws_origins"))
}

/// Carries messages until the WebSocket ends; why it did.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: Socket<S>,
    line: &Line,
    (queue, replies, mut cut): (Queue, Replies, Cut),
) -> Farewell {
    let (sink, stream) = socket.split();
    let write = pin!(write(sink, queue, line));
    let read = pin!(read(stream, replies, line));
    tokio::select! {
        biased;
        () = cut.cut() => Farewell::SlowReader,
        why = write => why,
        why = read => why,
    }
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    mut sink: SplitSink<Socket<S>, Message>,
    mut queue: Queue,
    line: &Line,
) -> Farewell {
    while let Some(payload) = queue.next().await {
        let octets = payload.len();
        // Text where it is text: browsers then need no conversion (RFC 7118 §5).
        let message = match tungstenite::Utf8Bytes::try_from(payload.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(payload),
        };
        match timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Farewell::Lost,
            Err(_) => return Farewell::SlowReader,
        }
        line.shared.counts.went(line.flow.transport, octets);
        queue.sent(octets);
    }
    match timeout(WRITE, sink.close()).await {
        Ok(Ok(()) | Err(_)) | Err(_) => Farewell::Told,
    }
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: SplitStream<Socket<S>>,
    replies: Replies,
    line: &Line,
) -> Farewell {
    let mut inlet = Inlet::new(line, false);
    loop {
        let payload = match timeout(inlet.patience(0), stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => Bytes::from(text),
            Ok(Some(Ok(Message::Binary(payload)))) => payload,
            // The library answers a ping; it counts as one.
            Ok(Some(Ok(Message::Ping(_)))) => Bytes::from_static(b"\r\n\r\n"),
            Ok(Some(Ok(Message::Pong(_) | Message::Frame(_)))) => match inlet.pace().await {
                Ok(()) => continue,
                Err(why) => return why,
            },
            Ok(Some(Ok(Message::Close(_))) | None) => return Farewell::Closed,
            Ok(Some(Err(_))) => return Farewell::Lost,
            Err(_) => return inlet.too_late(0),
        };
        inlet.came(payload.len(), 0);
        if let Err(why) = inlet.frame(websocket_message(payload), &replies, b"\r\n").await {
            return why;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(fields: &[(header::HeaderName, &'static str)]) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        let origins = ["https://phone.example.com".to_owned()];
        refusal(&headers, &origins).map(|(status, _)| status)
    }

    #[test]
    fn only_sip_from_listed_pages_is_taken() {
        let protocol = header::SEC_WEBSOCKET_PROTOCOL;
        let sip = (protocol.clone(), "xmpp, SIP");
        assert_eq!(refused(&[]), Some(StatusCode::BAD_REQUEST));
        assert_eq!(refused(&[(protocol, "sips")]), Some(StatusCode::BAD_REQUEST));
        assert_eq!(refused(std::slice::from_ref(&sip)), None);
        let from = |page| refused(&[sip.clone(), (header::ORIGIN, page)]);
        assert_eq!(from("https://phone.example.com"), None);
        assert_eq!(from("https://evil.example.com"), Some(StatusCode::FORBIDDEN));
        assert_eq!(from("null"), Some(StatusCode::FORBIDDEN));
        let both = (header::ORIGIN, "https://phone.example.com");
        let two = [sip.clone(), both, (header::ORIGIN, "https://evil.example.com")];
        assert_eq!(refused(&two), Some(StatusCode::FORBIDDEN));
    }
}
