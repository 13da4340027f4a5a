//! `/metrics` and `/health`, on loopback by default. Read only.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use partyline_cdr_store::ingest::{IngestHealth, IngestWatch};
use partyline_cdr_store::journal::Health;
use partyline_media_io::Stats;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::{Sample, render};

/// A store that takes longer for what is in the journal is in trouble.
const LAG_ALARM: Duration = Duration::from_secs(10);

/// What the pages are made from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) sample: watch::Receiver<Sample>,
    pub(super) journal: watch::Receiver<Health>,
    pub(super) ingested: IngestWatch,
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
        render(&sample, &sources.media, &journal, &sources.ingested.health())
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}

/// 200 while calls are taken and their records reach the store; 503 with the reason otherwise.
async fn health(State(sources): State<Sources>) -> (StatusCode, Cow<'static, str>) {
    let draining = sources.sample.borrow().draining;
    let (status, text) = verdict(draining, *sources.journal.borrow(), sources.ingested.health());
    (status, text)
}

fn verdict(
    draining: bool,
    journal: Health,
    ingested: IngestHealth,
) -> (StatusCode, Cow<'static, str>) {
    let IngestHealth { lag, lag_octets, .. } = ingested;
    if journal.failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the journal cannot write: calls are refused\n".into())
    } else if draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining: no new calls\n".into())
    } else if lag >= LAG_ALARM {
        let seconds = lag.as_secs();
        let text = format!(
            "the store lags {seconds} s and {lag_octets} octets behind the journal: calls are \
             taken and recorded, but lists and invoices lack them; is the database's disk full?\n"
        );
        (StatusCode::SERVICE_UNAVAILABLE, text.into())
    } else {
        (StatusCode::OK, "ok\n".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_lags_is_not_healthy() {
        let lagging = |lag| IngestHealth { lag, lag_octets: 4711, ..IngestHealth::default() };
        let verdict = |lag| verdict(false, Health::default(), lagging(lag));
        assert_eq!(verdict(Duration::from_secs(9)).0, StatusCode::OK);
        let (status, text) = verdict(Duration::from_secs(10));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("10 s and 4711 octets behind"), "{text}");
    }
}
