//! The admin server of every role: `/livez`, `/readyz`, `/metrics`, `/status` and `PUT /log-level`.
//!
//! Deliberately has no authentication: everything but the log level is read-only, and that one is taken from this
//! machine alone. It keeps answering while the process drains, so that the last figures can be scraped.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use prometheus::{Registry, TextEncoder};
use snafu::{ResultExt, Snafu};

use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::telemetry::LogLevel;

/// A log filter is short; more than this many bytes are refused with 413.
const LONGEST_BODY: usize = 4096;

/// What can go wrong with the admin server.
#[derive(Debug, Snafu)]
pub enum Error {
    /// The address cannot be listened on: port in use, no right to it, not an address of this machine.
    #[snafu(display(
        "cannot listen on {address} for the admin server; choose another with --admin-address HOST:PORT (port 0 takes any free one)"
    ))]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The listening socket broke.
    #[snafu(display("the admin server on {address} stopped"))]
    Serve {
        /// Where it listened.
        address: SocketAddr,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What the admin server shows. One for a process, however many roles run in it.
#[derive(Clone)]
pub struct AdminState {
    /// Read by `/readyz`.
    pub readiness: Readiness,
    /// Gathered at each request of `/metrics`.
    pub registry: Registry,
    /// Called at each request of `/status`; must not block.
    pub status: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Changed by `PUT /log-level`.
    pub log_level: LogLevel,
}

/// A server that has its port but does not answer yet: bind early, so that a port in use ends the program before it
/// has done anything.
#[derive(Debug)]
pub struct AdminServer {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Takes the port; port 0 takes any free one. Needs no tokio runtime.
    ///
    /// # Errors
    /// [`Error::Bind`] when the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let listener = std::net::TcpListener::bind(address).context(BindSnafu { address })?;
        listener.set_nonblocking(true).context(BindSnafu { address })?;
        let address = listener.local_addr().context(BindSnafu { address })?;
        Ok(Self { listener, address })
    }

    /// Where it listens, with the port that was really taken.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until its future is dropped or its task aborted; from the start of the drain `/readyz` says so with 503.
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Serve`] when the listening socket breaks.
    pub async fn serve(self, state: AdminState, shutdown: Shutdown) -> Result<(), Error> {
        let address = self.address;
        let listener = tokio::net::TcpListener::from_std(self.listener).context(ServeSnafu { address })?;
        let service = router(state, shutdown).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.context(ServeSnafu { address })
    }
}

#[derive(Clone)]
struct Shown {
    state: AdminState,
    shutdown: Shutdown,
}

fn router(state: AdminState, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/log-level", put(set_log_level))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Shown { state, shutdown })
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let mut waiting = shown.state.readiness.waiting_for();
    if shown.shutdown.is_draining() {
        waiting.insert(0, "draining".to_owned());
    }
    if waiting.is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, waiting.join("\n") + "\n").into_response()
}

async fn metrics(State(shown): State<Shown>) -> Response {
    match TextEncoder::new().encode_to_string(&shown.state.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n")).into_response()
        }
    }
}

async fn status(State(shown): State<Shown>) -> Response {
    axum::Json((shown.state.status)()).into_response()
}

async fn set_log_level(
    State(shown): State<Shown>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    filter: String,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        let refusal = "the log level is set from this machine alone; use a shell or a port-forward to it\n";
        return (StatusCode::FORBIDDEN, refusal).into_response();
    }
    match shown.state.log_level.set(&filter) {
        Ok(()) => {
            tracing::info!(filter = filter.trim(), "log level changed");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
