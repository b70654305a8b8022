//! A request and its answer, whole, within a time and a size.
//!
//! Deliberately does not judge status codes: an answer is an answer. Errors are what came instead of one.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use snafu::{Snafu, ensure};

use super::connector::{self, Connector};

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// What came instead of an answer.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub(crate) enum Error {
    /// The file of authorities cannot be read.
    #[cfg(feature = "tls")]
    #[snafu(display("cannot read the certificates of authorities in {}; check the path and its permissions", path.display()))]
    ReadAuthorities {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file of authorities holds none.
    #[cfg(feature = "tls")]
    #[snafu(display("{} holds no certificates that can be trusted; it needs to be PEM", path.display()))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file of authorities is damaged.
    #[cfg(feature = "tls")]
    #[snafu(display("{} holds certificates that cannot be read; it needs to be PEM", path.display()))]
    Trust {
        /// The file.
        path: PathBuf,
        /// OpenSSL's answer.
        source: openssl::error::ErrorStack,
    },
    /// OpenSSL refuses to be set up.
    #[cfg(feature = "tls")]
    #[snafu(display("cannot set up TLS"))]
    SetUpTls {
        /// OpenSSL's answer.
        source: openssl::error::ErrorStack,
    },
    /// No connection, or no TLS over it.
    #[snafu(display("cannot connect"))]
    Connect {
        /// The system's or OpenSSL's answer.
        source: Reason,
    },
    /// The connection broke before the answer was whole.
    #[snafu(display("the connection broke before the answer was whole"))]
    Broken {
        /// Why.
        source: Reason,
    },
    /// The answer took too long.
    #[snafu(display("no answer within {}", humantime::format_duration(*limit)))]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// The answer is larger than anybody needs.
    #[snafu(display("the answer is larger than {limit} bytes"))]
    TooLarge {
        /// How much is taken.
        limit: usize,
    },
}

/// Why a connection did not come about or broke, in the words of the innermost errors: hyper's own say only where.
#[derive(Debug)]
pub(crate) struct Reason(Box<dyn StdError + Send + Sync>);

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        let mut next = self.0.source();
        while let Some(error) = next {
            let words = error.to_string();
            // OpenSSL's errors repeat their source.
            if !said.contains(&words) {
                said = if said.is_empty() { words } else { format!("{said}: {words}") };
            }
            next = error.source();
        }
        if said.is_empty() { self.0.fmt(formatter) } else { formatter.write_str(&said) }
    }
}

impl StdError for Reason {}

/// How a client is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// PEM certificates of the authorities to trust; absent = the system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// How long a connection may take to be made, TLS aside.
    pub(crate) connect_timeout: Duration,
    /// Connections that are kept while nobody uses them.
    pub(crate) idle_connections: usize,
}

/// What one answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte sent to the last one received, the connection included.
    pub(crate) time: Duration,
    /// The body's size.
    pub(crate) bytes: usize,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Bytes,
}

/// Sends requests; clones share their connections. Lives on a tokio runtime.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
}

impl HttpClient {
    /// A client without a connection yet.
    ///
    /// # Errors
    /// When the authorities cannot be read, or TLS cannot be set up.
    pub(crate) fn new(options: Options<'_>) -> Result<Self, Error> {
        let connector = connector::connector(options.ca_file, options.connect_timeout)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(options.idle_connections)
            .build(connector);
        Ok(Self { client })
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is none within `limits`; see [`Error`].
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>, limits: Limits) -> Result<Answer, Error> {
        let agent = concat!("order-pipeline/", env!("CARGO_PKG_VERSION"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
        let limit = limits.time;
        tokio::time::timeout(limit, self.exchange(request, limits.bytes))
            .await
            .unwrap_or_else(|_elapsed| TimedOutSnafu { limit }.fail())
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, limit: usize) -> Result<Answer, Error> {
        let response = self.client.request(request).await.map_err(|error| match error.is_connect() {
            true => Error::Connect { source: Reason(Box::new(error)) },
            false => Error::Broken { source: Reason(Box::new(error)) },
        })?;
        let (parts, body) = response.into_parts();
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        ensure!(announced.unwrap_or(0) <= limit, TooLargeSnafu { limit });
        let body = collect(body, limit).await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// The whole body.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Broken { source: Reason(Box::new(error)) })?;
        let Ok(data) = frame.into_data() else { continue };
        ensure!(whole.len() + data.len() <= limit, TooLargeSnafu { limit });
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

impl Answer {
    /// The media type, in lower case and without parameters; empty where none is given.
    pub(crate) fn media_type(&self) -> String {
        let value = self.text(&CONTENT_TYPE).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Where a redirect points to.
    pub(crate) fn location(&self) -> Option<&str> {
        self.text(&LOCATION)
    }

    /// How long the server asks to be left alone (`Retry-After` in seconds, RFC 9110 section 10.2.3). A date is not
    /// understood: it would need a clock that agrees with the server's.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.text(&RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
