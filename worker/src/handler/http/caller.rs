//! One call: on a kept connection if there is one, else on a new one, within the time that a call may take.
//!
//! A kept connection that turns out closed is replaced at once and costs no try: the key makes a repetition harmless.
//! So does a refusal of credentials that have changed meanwhile. Deliberately no other repetition: that is the engine's.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use schemas::failure::FailureClass;
use snafu::{ResultExt, Snafu};
use tower_service::Service as _;

use super::answer::{self, Heard};
use super::credentials::Credentials;
use super::line::{self, Line};
use super::{Answer, ConnectionsSnafu, CredentialsSnafu, Error as SetUpError, Fault, Reply, Request};
use crate::clock::Clock;
use crate::config;
use crate::http::{Connector, connector};
use crate::roles::chain;

/// Why a call brought no answer.
#[derive(Debug, Snafu)]
enum Error {
    /// No connection.
    #[snafu(display("cannot connect to the service at {address}"))]
    Connect {
        /// Where.
        address: String,
        /// The system's or OpenSSL's answer.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The connection did not serve.
    #[snafu(display("no answer from the service at {address}"))]
    Talk {
        /// Where.
        address: String,
        /// What happened.
        source: line::Error,
    },
}

/// Makes calls; see the module.
pub(super) struct Caller {
    uri: Uri,
    path: Uri,
    address: String,
    headers: HeaderMap,
    credentials: Option<Credentials>,
    connector: Connector,
    limit: Duration,
    clock: Clock,
}

impl Caller {
    /// A caller of one service; no call takes longer than `limit`.
    ///
    /// # Errors
    /// When credentials or certificates are of no use.
    pub(super) fn new(setting: &config::Http, limit: Duration, clock: Clock) -> Result<Self, SetUpError> {
        let uri = setting.url.uri().clone();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = Uri::try_from(path).expect("the path of an address is an address");
        let read = |path| Credentials::read(path, clock.now());
        let credentials = setting.auth_file.as_deref().map(read).transpose().context(CredentialsSnafu)?;
        if credentials.is_some() && !setting.url.is_encrypted() {
            tracing::warn!(target: "orders", "--http-auth-file: an http:// address shows it to everybody on the way");
        }
        let connector = connector(setting.ca_file.as_deref(), limit).context(ConnectionsSnafu)?;
        let (headers, address) = (standing_headers(&uri), setting.shown_url());
        Ok(Self { uri, path, address, headers, credentials, connector, limit, clock })
    }

    /// Now.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Makes one call, on the kept line where there is one, and keeps the line it was made on.
    pub(super) async fn call(&self, kept: &mut Option<Line>, request: &Request) -> Reply {
        let limit = self.limit;
        match tokio::time::timeout(limit, self.exchange(kept, request)).await {
            Ok(Ok(heard)) => self.cross_out(answer::reply(&heard, self.clock.wall_milliseconds())),
            Ok(Err(error)) => no_answer("HttpConnection", chain(&error)),
            Err(_elapsed) => {
                let limit = humantime::format_duration(limit);
                no_answer("HttpTimeout", format!("no answer from the service at {} within {limit}", self.address))
            }
        }
    }

    async fn exchange(&self, kept: &mut Option<Line>, request: &Request) -> Result<Heard, Error> {
        let mut credentials = self.credentials.as_ref().map(|credentials| credentials.header(self.clock.now()));
        loop {
            let heard = self.exchange_once(kept, request, credentials.as_ref()).await?;
            if heard.status != StatusCode::UNAUTHORIZED {
                return Ok(heard);
            }
            let refused = credentials.as_ref();
            let newer = refused.and_then(|refused| self.credentials.as_ref()?.instead_of(refused, self.clock.now()));
            if newer.is_none() {
                return Ok(heard);
            }
            credentials = newer;
        }
    }

    async fn exchange_once(
        &self,
        kept: &mut Option<Line>,
        request: &Request,
        credentials: Option<&HeaderValue>,
    ) -> Result<Heard, Error> {
        // Taken out: a call that is given up leaves a line in a state nobody knows.
        if let Some(line) = kept.take() {
            match line.exchange(self.request(request, credentials)).await {
                Ok((heard, line)) => {
                    *kept = line;
                    return Ok(heard);
                }
                Err(line::Error::Silent { .. }) => {}
                Err(error) => return Err(error).context(TalkSnafu { address: &self.address }),
            }
        }
        let line = Line::new(self.connect().await?).await.context(TalkSnafu { address: &self.address })?;
        let exchanged = line.exchange(self.request(request, credentials)).await;
        let (heard, line) = exchanged.context(TalkSnafu { address: &self.address })?;
        *kept = line;
        Ok(heard)
    }

    #[cfg_attr(
        feature = "tls",
        expect(clippy::useless_conversion, reason = "without TLS the connector has an error of its own")
    )]
    async fn connect(&self) -> Result<crate::http::Stream, Error> {
        let mut connector = self.connector.clone();
        let ready = poll_fn(|context| connector.poll_ready(context)).await.map_err(Into::into);
        ready.context(ConnectSnafu { address: &self.address })?;
        let connected = connector.call(self.uri.clone()).await.map_err(Into::into);
        connected.context(ConnectSnafu { address: &self.address })
    }

    fn request(&self, request: &Request, credentials: Option<&HeaderValue>) -> http::Request<Full<Bytes>> {
        let mut made = http::Request::new(Full::new(request.body()));
        *made.method_mut() = Method::POST;
        *made.uri_mut() = self.path.clone();
        *made.headers_mut() = self.headers.clone();
        request.add_headers(made.headers_mut());
        if let Some(credentials) = credentials {
            made.headers_mut().insert(AUTHORIZATION, credentials.clone());
        }
        made
    }

    /// A service that repeats what proves who we are must not bring it into logs and dead letters.
    fn cross_out(&self, mut reply: Reply) -> Reply {
        if let (Some(credentials), Answer::Failed(fault)) = (&self.credentials, &mut reply.answer) {
            fault.message = Cow::Owned(credentials.cross_out(&fault.message));
        }
        reply
    }
}

/// The headers that every call has.
fn standing_headers(uri: &Uri) -> HeaderMap {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(HOST, authority.parse().expect("an authority is visible ASCII"));
    let agent = concat!("order-pipeline/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers
}

fn no_answer(exception: &'static str, message: String) -> Reply {
    let fault = Fault { class: FailureClass::Transient, message: Cow::Owned(message), exception };
    Reply { answer: Answer::Failed(fault), wait: None }
}
