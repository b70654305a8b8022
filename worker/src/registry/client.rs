//! One question, one answer: the calls of Confluent's API that this worker makes.
//!
//! Deliberately without memory and repetition: `book` remembers, whoever asks repeats.

use std::collections::BTreeSet;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::codec::MAXIMUM_SCHEMA_BYTES;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use snafu::{OptionExt, ResultExt, ensure};

use super::answer;
use super::error::{Error, MistakenSnafu, SecretSnafu, SetUpSnafu, SilentSnafu};
use crate::config::Registry;
use crate::http::{self as web, Authorization, HttpClient, Limits, Options};
use crate::metrics::registry::{Operation, RegistryMetrics, Result as Counted};

/// The API's media type.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.schemaregistry.v1+json");
/// What we read: some registries answer with the plain type.
const MEDIA_TYPES: HeaderValue =
    HeaderValue::from_static("application/vnd.schemaregistry.v1+json, application/json;q=0.9");

/// What one answer may cost. JSON writes a schema at more than its length, hardly ever four times.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), bytes: 4 * MAXIMUM_SCHEMA_BYTES };

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Schemas that one schema may refer to, directly and through others.
const MOST_REFERENCES: usize = 64;

/// A schema that the registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its text, and the texts of the schemas it refers to.
    Avro {
        /// JSON.
        text: String,
        /// JSON each, no one twice.
        references: Vec<String>,
    },
    /// Nobody here can use it, and why.
    Unusable(String),
}

/// A schema with its place in a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The id that frames carry; 0 where the schema is unusable for its size.
    pub(crate) id: u32,
    /// Its number in the subject.
    pub(crate) version: u32,
    /// The schema.
    pub(crate) schema: Found,
}

/// What the registry thinks of a schema beside the latest of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compatibility {
    /// It may be registered.
    Compatible,
    /// It may not, and why, as far as the registry says.
    Incompatible(String),
}

/// A schema in an answer; what an operation does not answer is absent.
#[derive(Debug, Deserialize)]
struct SchemaBody {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<ReferenceBody>>,
    id: Option<i64>,
    version: Option<i64>,
}

/// A schema that another refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct ReferenceBody {
    subject: String,
    version: i64,
}

#[derive(Debug, Deserialize)]
struct IdBody {
    id: i64,
}

#[derive(Debug, Deserialize)]
struct CompatibilityBody {
    is_compatible: bool,
    messages: Option<Vec<String>>,
}

/// Asks one registry. Lives on a tokio runtime.
#[derive(Clone)]
pub(crate) struct Client {
    http: HttpClient,
    /// Without a slash at its end.
    base: String,
    authorization: Option<Authorization>,
    metrics: Option<RegistryMetrics>,
}

impl Client {
    /// A client without a connection yet; `metrics` count its requests.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(config: &Registry, metrics: Option<RegistryMetrics>) -> Result<Self, Error> {
        let base = config.url.to_string().trim_end_matches('/').to_owned();
        let ca_file = config.ca_file.as_deref();
        let options = Options { ca_file, connect_timeout: CONNECT_WITHIN, idle_connections: 2 };
        let http = HttpClient::new(options).context(SetUpSnafu { url: &base })?;
        let authorization = config.credentials.clone().map(|(username, password_file)| Authorization::Basic {
            username,
            password_file,
            flag: "--registry-password-file",
        });
        Ok(Self { http, base, authorization, metrics })
    }

    /// The registry's address.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// The schema that frames with this id were written with; `None` when there is none (yet).
    pub(crate) async fn schema(&self, id: u32) -> Result<Option<Found>, Error> {
        // A schema that was deleted softly still reads the records that were written with it.
        let path = format!("/schemas/ids/{id}?deleted=true");
        let Some(body) = or_too_large(self.get::<SchemaBody>(Operation::Schema, &path).await)? else { return Ok(None) };
        let body = match body {
            Ok(body) => body,
            Err(too_large) => return Ok(Some(too_large)),
        };
        let what = || format!("with schema id {} when asked for {id}", body.id.unwrap_or_default());
        ensure!(
            body.id.is_none_or(|answered| answered == i64::from(id)),
            MistakenSnafu { url: &self.base, what: what() }
        );
        self.with_references(body).await.map(Some)
    }

    /// The newest version of a subject.
    pub(crate) async fn latest(&self, subject: &str) -> Result<Option<Version>, Error> {
        let path = format!("/subjects/{}/versions/latest", encoded(subject));
        let Some(body) = or_too_large(self.get::<SchemaBody>(Operation::Latest, &path).await)? else { return Ok(None) };
        Ok(Some(match body {
            Ok(body) => {
                let version = body.version.and_then(|version| u32::try_from(version).ok()).unwrap_or_default();
                Version { id: self.id(body.id, subject)?, version, schema: self.with_references(body).await? }
            }
            Err(too_large) => Version { id: 0, version: 0, schema: too_large },
        }))
    }

    /// The id of this very schema in a subject; `None` when the subject, or the schema in it, is not there.
    pub(crate) async fn lookup(&self, subject: &str, schema: &str) -> Result<Option<u32>, Error> {
        let path = format!("/subjects/{}", encoded(subject));
        let body: Option<IdBody> = self.post(Operation::Lookup, &path, schema).await?;
        body.map(|body| self.id(Some(body.id), subject)).transpose()
    }

    /// Registers a schema; one that is there already keeps its id.
    pub(crate) async fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        let path = format!("/subjects/{}/versions", encoded(subject));
        let body: Option<IdBody> = self.post(Operation::Register, &path, schema).await?;
        self.id(body.map(|body| body.id), subject)
    }

    /// Whether a schema may follow the latest of its subject; a subject that is not there takes any.
    pub(crate) async fn compatibility(&self, subject: &str, schema: &str) -> Result<Compatibility, Error> {
        let path = format!("/compatibility/subjects/{}/versions/latest?verbose=true", encoded(subject));
        let body: Option<CompatibilityBody> = self.post(Operation::Compatibility, &path, schema).await?;
        Ok(match body {
            Some(CompatibilityBody { is_compatible: false, messages }) => {
                Compatibility::Incompatible(messages.unwrap_or_default().join("; "))
            }
            Some(_) | None => Compatibility::Compatible,
        })
    }

    /// An id that frames can carry; registries count from 1.
    fn id(&self, id: Option<i64>, subject: &str) -> Result<u32, Error> {
        let what = || format!("with schema id {} for subject {subject}", id.unwrap_or_default());
        let usable = id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        usable.with_context(|| MistakenSnafu { url: &self.base, what: what() })
    }

    /// The schema with all those it refers to, each asked for once: a circle of references ends here, and is refused
    /// when it is parsed.
    async fn with_references(&self, body: SchemaBody) -> Result<Found, Error> {
        let kind = body.schema_type.as_deref().unwrap_or("AVRO");
        if kind != "AVRO" {
            return Ok(Found::Unusable(format!("it is a schema of {kind}; only Avro is read")));
        }
        let mut bytes = body.schema.len();
        let mut open = body.references.unwrap_or_default();
        let (mut seen, mut references) = (BTreeSet::new(), Vec::new());
        while let Some(reference) = open.pop() {
            if !seen.insert(reference.clone()) {
                continue;
            }
            let ReferenceBody { subject, version } = &reference;
            if references.len() == MOST_REFERENCES || bytes > MAXIMUM_SCHEMA_BYTES {
                let most = format!("{MOST_REFERENCES} schemas or {MAXIMUM_SCHEMA_BYTES} bytes");
                return Ok(Found::Unusable(format!("it and those it refers to are more than {most}")));
            }
            let path = format!("/subjects/{}/versions/{version}?deleted=true", encoded(subject));
            match or_too_large(self.get::<SchemaBody>(Operation::Reference, &path).await)? {
                Some(Ok(body)) => {
                    bytes += body.schema.len();
                    references.push(body.schema);
                    open.extend(body.references.unwrap_or_default());
                }
                Some(Err(too_large)) => return Ok(too_large),
                None => {
                    let missing = format!("it refers to subject {subject} version {version}, which is not there");
                    return Ok(Found::Unusable(missing));
                }
            }
        }
        Ok(Found::Avro { text: body.schema, references })
    }

    async fn get<T: DeserializeOwned>(&self, operation: Operation, path: &str) -> Result<Option<T>, Error> {
        self.ask(operation, Method::GET, path, Vec::new()).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        operation: Operation,
        path: &str,
        schema: &str,
    ) -> Result<Option<T>, Error> {
        self.ask(operation, Method::POST, path, json!({ "schema": schema }).to_string().into_bytes()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: Operation,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Option<T>, Error> {
        let answer = self.exchange(method, path, body).await;
        let read = answer.and_then(|answer| answer::read(&self.base, &answer));
        if let Some(metrics) = &self.metrics {
            metrics.note(operation, counted(&read));
        }
        read
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<web::Answer, Error> {
        let address = format!("{}{path}", self.base);
        let mut request = Request::new(body.into());
        *request.uri_mut() = address.parse().expect("a checked address with an encoded path is an address");
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, MEDIA_TYPES);
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            let value = authorization.header().context(SecretSnafu { url: &self.base })?;
            headers.insert(AUTHORIZATION, value);
        }
        self.http.send(request, LIMITS).await.context(SilentSnafu { url: &self.base })
    }
}

/// An answer beyond all measure is an answer: asking again brings the same.
fn or_too_large<T>(answer: Result<Option<T>, Error>) -> Result<Option<Result<T, Found>>, Error> {
    match answer {
        Err(Error::Silent { source: web::Error::TooLarge { limit }, .. }) => {
            Ok(Some(Err(Found::Unusable(format!("the registry's answer is larger than {limit} bytes")))))
        }
        other => other.map(|found| found.map(Ok)),
    }
}

/// How an answer is counted.
fn counted<T>(answer: &Result<Option<T>, Error>) -> Counted {
    match answer {
        Ok(Some(_)) => Counted::Found,
        Ok(None) => Counted::Missing,
        Err(error) if error.is_passing() => Counted::Unavailable,
        Err(_) => Counted::Refused,
    }
}

/// A subject as part of a path.
fn encoded(subject: &str) -> impl std::fmt::Display {
    utf8_percent_encode(subject, NON_ALPHANUMERIC)
}
