//! What came of a question instead of an answer, and whether asking again may help.
//!
//! Deliberately apart from "there is no such schema", which is an answer.

use std::time::Duration;

use snafu::Snafu;

use crate::http;

/// Why a registry gave no answer that can be used.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub(crate) enum Error {
    /// The client cannot be made, or its secret not be read.
    #[snafu(display("cannot ask schema registry {url}"))]
    Secret {
        /// The registry.
        url: String,
        /// Why.
        source: http::UnreadableSecret,
    },
    /// The client cannot be made.
    #[snafu(display("cannot connect to schema registry {url}; check --registry-ca-file"))]
    SetUp {
        /// The registry.
        url: String,
        /// Why.
        source: http::Error,
    },
    /// Nothing came, or not all of it.
    #[snafu(display("schema registry {url} does not answer"))]
    Silent {
        /// The registry.
        url: String,
        /// Why.
        source: http::Error,
    },
    /// 408, 429 or 5xx.
    #[snafu(display("schema registry {url} cannot answer now: {words}"))]
    Busy {
        /// The registry.
        url: String,
        /// Status, code and message.
        words: String,
        /// When it may, if it said so.
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    #[snafu(display(
        "schema registry {url} refuses us: {words}; check --registry-username, --registry-password-file and the rights \
         of that user"
    ))]
    Forbidden {
        /// The registry.
        url: String,
        /// Status, code and message.
        words: String,
    },
    /// 3xx.
    #[snafu(display(
        "schema registry {url} answers with a redirect to {to}, which is not followed; \
         give the address of the registry itself as --schema-registry-url"
    ))]
    Redirected {
        /// The registry.
        url: String,
        /// Where to.
        to: String,
    },
    /// The answer does not belong to Confluent's API.
    #[snafu(display(
        "{url} does not answer like a schema registry: {what}; --schema-registry-url is the base of Confluent's API, \
         which may have a path (Apicurio: /apis/ccompat/v7)"
    ))]
    Foreign {
        /// The address.
        url: String,
        /// What it answered.
        what: String,
    },
    /// An answer to another question.
    #[snafu(display(
        "schema registry {url} answered {what}; a proxy or a cache in between mixes answers up, or the registry is broken"
    ))]
    Mistaken {
        /// The registry.
        url: String,
        /// What was asked and what came.
        what: String,
    },
    /// It understood, and says no: Confluent's 409, 422 and others.
    #[snafu(display("schema registry {url} refused: {words}"))]
    Refused {
        /// The registry.
        url: String,
        /// Confluent's error code.
        code: u32,
        /// Status, code and message.
        words: String,
    },
}

impl Error {
    /// Whether the same question may be answered in a moment, with nobody doing anything.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            // The same answer would come again.
            Error::Silent { source: http::Error::TooLarge { .. }, .. } => false,
            Error::Silent { .. } | Error::Busy { .. } => true,
            Error::Secret { .. }
            | Error::SetUp { .. }
            | Error::Forbidden { .. }
            | Error::Redirected { .. }
            | Error::Foreign { .. }
            | Error::Mistaken { .. }
            | Error::Refused { .. } => false,
        }
    }

    /// How long the registry asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Busy { retry_after, .. } => *retry_after,
            Error::Silent { .. }
            | Error::Secret { .. }
            | Error::SetUp { .. }
            | Error::Forbidden { .. }
            | Error::Redirected { .. }
            | Error::Foreign { .. }
            | Error::Mistaken { .. }
            | Error::Refused { .. } => None,
        }
    }

    /// Whether the registry says that a schema does not go with the subject's earlier ones (409), or is none (422).
    pub(crate) fn is_about_the_schema(&self) -> bool {
        matches!(self, Error::Refused { code: 409 | 42_201, .. })
    }
}
