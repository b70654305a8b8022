//! Requests to the schema registry.
//!
//! Deliberately by operation and result alone: subjects and ids are no closed lists.

use prometheus::IntCounterVec;
use schemas::metric_names as names;

use super::Scope;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The schema of an id.
    Schema,
    /// A schema that another refers to.
    Reference,
    /// The id of a schema.
    Lookup,
    /// To take a schema in.
    Register,
    /// The newest version of a subject.
    Latest,
    /// Whether a schema goes with those before it.
    Compatibility,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Result {
    /// What was asked for.
    Found,
    /// The registry does not have it.
    Missing,
    /// No answer, or that there is none now.
    Unavailable,
    /// A no, or an answer that cannot be one.
    Refused,
}

impl Operation {
    const ALL: [Operation; 6] = [
        Operation::Schema,
        Operation::Reference,
        Operation::Lookup,
        Operation::Register,
        Operation::Latest,
        Operation::Compatibility,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Operation::Schema => "schema",
            Operation::Reference => "reference",
            Operation::Lookup => "lookup",
            Operation::Register => "register",
            Operation::Latest => "latest",
            Operation::Compatibility => "compatibility",
        }
    }
}

impl Result {
    const ALL: [Result; 4] = [Result::Found, Result::Missing, Result::Unavailable, Result::Refused];

    fn as_str(self) -> &'static str {
        match self {
            Result::Found => "found",
            Result::Missing => "missing",
            Result::Unavailable => "unavailable",
            Result::Refused => "refused",
        }
    }
}

/// Counts the requests of one process; clones share the counter.
#[derive(Clone)]
pub(crate) struct RegistryMetrics {
    requests: IntCounterVec,
}

impl RegistryMetrics {
    /// Registers the counter; every series starts at 0.
    pub(crate) fn register(scope: &Scope) -> Self {
        let metric = &names::REGISTRY_REQUESTS_TOTAL;
        let requests = scope.register(IntCounterVec::new(scope.of(metric), metric.labels));
        for operation in Operation::ALL {
            for result in Result::ALL {
                requests.with_label_values(&[operation.as_str(), result.as_str()]);
            }
        }
        Self { requests }
    }

    /// A request ended.
    pub(crate) fn note(&self, operation: Operation, result: Result) {
        self.requests.with_label_values(&[operation.as_str(), result.as_str()]).inc();
    }
}
