//! `/metrics` and `/health`, on loopback by default. Read only.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use partyline_cdr_store::journal::Health;
use partyline_media_io::Stats;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::{Sample, render};

/// What the pages are made from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) sample: watch::Receiver<Sample>,
    pub(super) journal: watch::Receiver<Health>,
    pub(super) media: Arc<Stats>,
}

/// Binds `listen` and serves until the runtime ends.
pub(super) async fn start(listen: SocketAddr, sources: Sources) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!(
            "cannot listen for HTTP on {listen}: is another program using the port? \
             Stop it, or choose another address with http.listen"
        )
    })?;
    let pages = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .with_state(sources);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, pages).await {
            tracing::error!(%error, "the metrics page has ended");
        }
    });
    Ok(())
}

async fn metrics(State(sources): State<Sources>) -> impl IntoResponse {
    let page = {
        let (sample, journal) = (sources.sample.borrow(), sources.journal.borrow());
        render(&sample, &sources.media, &journal)
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

/// 200 while calls are taken; 503 with the reason while they are not.
async fn health(State(sources): State<Sources>) -> (StatusCode, &'static str) {
    if sources.journal.borrow().failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot write: calls are refused\n")
    } else if sources.sample.borrow().draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining: no new calls\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
