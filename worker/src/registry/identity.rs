//! The producer's side: the id that written records carry, by the way that `--registration` says.
//!
//! Whatever the way, the schema behind the id must have the layout that is written: it is asked for and compared, or a
//! mix-up in the registry would write records that nobody can read. Deliberately without repetition; see `patience`.

use std::time::Duration;

use schemas::codec::{SchemaError, SchemaVersion};
use snafu::{ResultExt, Snafu};

use super::client::{Client, Compatibility, Found};
use super::error::Error;
use crate::config::Registration;

/// Why records cannot carry an id.
#[derive(Debug, Snafu)]
pub(crate) enum Refusal {
    /// The registry gave no answer.
    #[snafu(display("no schema id for subject {subject}"))]
    Ask {
        /// The subject.
        subject: String,
        /// Why.
        source: Error,
    },
    /// The schema is not there.
    #[snafu(display(
        "schema {schema} is not registered under subject {subject} of schema registry {url}; register it with \
         `worker prepare --registration register`, or write with --registration register"
    ))]
    NotRegistered {
        /// Our file.
        schema: &'static str,
        /// The subject.
        subject: String,
        /// The registry.
        url: String,
    },
    /// The subject has no version.
    #[snafu(display(
        "subject {subject} of schema registry {url} has no schema yet; register one with \
         `worker prepare --registration register`, or write with --registration register"
    ))]
    NoVersion {
        /// The subject.
        subject: String,
        /// The registry.
        url: String,
    },
    /// The pinned id is not there.
    #[snafu(display("schema registry {url} has no schema with id {id}; correct --registration id:{id}"))]
    NoSuchId {
        /// The id.
        id: u32,
        /// The registry.
        url: String,
    },
    /// It does not go with those before it, or is not allowed.
    #[snafu(display(
        "schema {schema} does not go with the schemas of subject {subject} in schema registry {url}: {words}; \
         use another subject (--topic) or set the subject's compatibility"
    ))]
    Incompatible {
        /// Our file.
        schema: &'static str,
        /// The subject.
        subject: String,
        /// The registry.
        url: String,
        /// What the registry says.
        words: String,
    },
    /// The schema behind the id is another one than is written.
    #[snafu(display(
        "schema id {id} of schema registry {url} is not what --schema-version {} writes: {what}; {remedy}",
        number(*version)
    ))]
    OtherLayout {
        /// The id.
        id: u32,
        /// The registry.
        url: String,
        /// What is written.
        version: SchemaVersion,
        /// What the registry has.
        what: String,
        /// What to do.
        remedy: String,
    },
}

impl Refusal {
    /// If the same question may be answered in a moment: how long the registry asks to be left alone, if it does.
    pub(super) fn passing(&self) -> Option<Option<Duration>> {
        match self {
            Refusal::Ask { source, .. } => source.is_passing().then(|| source.retry_after()),
            Refusal::NotRegistered { .. }
            | Refusal::NoVersion { .. }
            | Refusal::NoSuchId { .. }
            | Refusal::Incompatible { .. }
            | Refusal::OtherLayout { .. } => None,
        }
    }
}

/// Whose id is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// `<topic>-value`.
    pub(crate) name: String,
    /// What is written.
    pub(crate) version: SchemaVersion,
}

impl Subject {
    /// The subject of a topic's values, as Confluent's `TopicNameStrategy` names it.
    pub(crate) fn of_topic(topic: &str, version: SchemaVersion) -> Self {
        Self { name: format!("{topic}-value"), version }
    }

    /// The id that records are to carry.
    ///
    /// # Errors
    /// When there is none, or the registry gives no answer.
    pub(crate) async fn identify(&self, client: &Client, registration: Registration) -> Result<u32, Refusal> {
        let (subject, url) = (&self.name, client.url());
        let (text, schema) = (self.version.text(), self.version.file_name());
        let ask = || AskSnafu { subject };
        match registration {
            Registration::Lookup => match client.lookup(subject, text).await.with_context(|_| ask())? {
                Some(id) => self.verify(client, id).await,
                None => NotRegisteredSnafu { schema, subject, url }.fail(),
            },
            Registration::Register => {
                let id = match client.register(subject, text).await {
                    Err(error) if error.is_about_the_schema() => {
                        let words = error.to_string();
                        return IncompatibleSnafu { schema, subject, url, words }.fail();
                    }
                    answer => answer.with_context(|_| ask())?,
                };
                self.verify(client, id).await
            }
            Registration::Latest => match client.latest(subject).await.with_context(|_| ask())? {
                Some(latest) => self.fits(client, latest.id, &latest.schema),
                None => NoVersionSnafu { subject, url }.fail(),
            },
            Registration::Id(id) => match client.schema(id).await.with_context(|_| ask())? {
                Some(schema) => self.fits(client, id, &schema),
                None => NoSuchIdSnafu { id, url }.fail(),
            },
        }
    }

    /// Whether our schema may be registered; says nothing of whether it is.
    ///
    /// # Errors
    /// When it may not, or the registry gives no answer.
    pub(crate) async fn compare(&self, client: &Client) -> Result<(), Refusal> {
        let (subject, url, schema) = (&self.name, client.url(), self.version.file_name());
        let answer = client.compatibility(subject, self.version.text()).await;
        match answer.with_context(|_| AskSnafu { subject })? {
            Compatibility::Compatible => Ok(()),
            Compatibility::Incompatible(words) => {
                let words = if words.is_empty() { "the registry does not say why".to_owned() } else { words };
                IncompatibleSnafu { schema, subject, url, words }.fail()
            }
        }
    }

    /// The id, if the schema that readers will find behind it is ours.
    async fn verify(&self, client: &Client, id: u32) -> Result<u32, Refusal> {
        let found = client.schema(id).await.with_context(|_| AskSnafu { subject: &self.name })?;
        let none =
            || Found::Unusable("there is no schema with this id, although the registry just named it".to_owned());
        self.fits(client, id, &found.unwrap_or_else(none))
    }

    fn fits(&self, client: &Client, id: u32, schema: &Found) -> Result<u32, Refusal> {
        let (layout, version, url) = (layout(schema), self.version, client.url());
        let (what, remedy) = match layout {
            Ok(Some(found)) if found == version => return Ok(id),
            Ok(Some(other)) => {
                let number = number(other);
                (format!("it is that of --schema-version {number}"), format!("write with --schema-version {number}"))
            }
            Ok(None) => ("its fields are others".to_owned(), "write with --registration lookup or register".to_owned()),
            Err(what) => (what, "look at this id in the registry, or write with another --registration".to_owned()),
        };
        OtherLayoutSnafu { id, url, version, what, remedy }.fail()
    }
}

/// Which of our versions a schema's records are laid out like.
fn layout(schema: &Found) -> Result<Option<SchemaVersion>, String> {
    match schema {
        Found::Unusable(why) => Err(why.clone()),
        Found::Avro { text, references } => {
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            SchemaVersion::with_layout_of(text, &references).map_err(|error: SchemaError| error.to_string())
        }
    }
}

fn number(version: SchemaVersion) -> u8 {
    match version {
        SchemaVersion::V1 => 1,
        SchemaVersion::V2 => 2,
    }
}
