//! Why an order failed: the closed list of failure classes, and what each of them gets.
//!
//! Deliberately only names and rules: the waiting itself, and its delays, live in the engine.
use std::fmt;
use std::str::FromStr;

/// Why one try of an order did not succeed. The names are API: headers, metrics and reports carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// The bytes are no order: a bad frame, a truncated record, bytes left over, bad UTF-8.
    Undecodable,
    /// The bytes are an order that nobody can fulfil: a negative price, an empty id, a price above the limit.
    Invalid,
    /// The schema id is not in the registry (yet).
    SchemaUnknown,
    /// The registry does not answer, or answers with a server error.
    RegistryUnavailable,
    /// The system behind the handler is down: the circuit breaker is open.
    DependencyDown,
    /// The handler may succeed when it tries again.
    Transient,
    /// The handler said no, and will say no again.
    Rejected,
    /// A bug in the handler: it panicked and was caught.
    HandlerPanic,
    /// The dead-letter record is larger than the broker takes.
    Oversized,
    /// A record with a null value: a deletion mark, not an order.
    Tombstone,
}

/// What the consumer does with an order that failed in some class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// To the dead-letter topic at once.
    DeadLetter,
    /// As many retries as the retry policy grants, then to the dead-letter topic.
    Retry,
    /// One retry (none when the policy grants none), then to the dead-letter topic.
    RetryOnce,
    /// Kept and tried again until it works, however long that takes; never to the dead-letter topic.
    Hold,
    /// Counted and passed over.
    Skip,
}

/// How an order came to be a dead letter; the header `__dlq.errors.disposition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// It was tried again until the retries ran out.
    RetriesExhausted,
    /// No retry could have helped.
    Permanent,
    /// The handler refused it.
    Rejected,
}

impl FailureClass {
    /// Every class, in the order in which reports and metrics list them.
    pub const ALL: [FailureClass; 10] = [
        FailureClass::Undecodable,
        FailureClass::Invalid,
        FailureClass::SchemaUnknown,
        FailureClass::RegistryUnavailable,
        FailureClass::DependencyDown,
        FailureClass::Transient,
        FailureClass::Rejected,
        FailureClass::HandlerPanic,
        FailureClass::Oversized,
        FailureClass::Tombstone,
    ];

    /// The name in headers, labels and reports: kebab-case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureClass::Undecodable => "undecodable",
            FailureClass::Invalid => "invalid",
            FailureClass::SchemaUnknown => "schema-unknown",
            FailureClass::RegistryUnavailable => "registry-unavailable",
            FailureClass::DependencyDown => "dependency-down",
            FailureClass::Transient => "transient",
            FailureClass::Rejected => "rejected",
            FailureClass::HandlerPanic => "handler-panic",
            FailureClass::Oversized => "oversized",
            FailureClass::Tombstone => "tombstone",
        }
    }

    /// What an order that failed in this class gets.
    #[must_use]
    pub const fn treatment(self) -> Treatment {
        match self {
            FailureClass::Undecodable | FailureClass::Invalid | FailureClass::Rejected | FailureClass::Oversized => {
                Treatment::DeadLetter
            }
            FailureClass::SchemaUnknown | FailureClass::Transient => Treatment::Retry,
            FailureClass::HandlerPanic => Treatment::RetryOnce,
            FailureClass::RegistryUnavailable | FailureClass::DependencyDown => Treatment::Hold,
            FailureClass::Tombstone => Treatment::Skip,
        }
    }

    /// What its dead letter says of how it got there; nothing for classes that never become dead letters.
    #[must_use]
    pub const fn disposition(self) -> Option<Disposition> {
        match self {
            FailureClass::Rejected => Some(Disposition::Rejected),
            FailureClass::Undecodable
            | FailureClass::Invalid
            | FailureClass::SchemaUnknown
            | FailureClass::RegistryUnavailable
            | FailureClass::DependencyDown
            | FailureClass::Transient
            | FailureClass::HandlerPanic
            | FailureClass::Oversized
            | FailureClass::Tombstone => match self.treatment() {
                Treatment::DeadLetter => Some(Disposition::Permanent),
                Treatment::Retry | Treatment::RetryOnce => Some(Disposition::RetriesExhausted),
                Treatment::Hold | Treatment::Skip => None,
            },
        }
    }
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Disposition; 3] = [Disposition::RetriesExhausted, Disposition::Permanent, Disposition::Rejected];

    /// The name in headers and reports: kebab-case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Disposition::RetriesExhausted => "retries-exhausted",
            Disposition::Permanent => "permanent",
            Disposition::Rejected => "rejected",
        }
    }
}

/// A name that is on none of the two closed lists of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name is on no list that this version knows")
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for FailureClass {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<FailureClass, UnknownName> {
        FailureClass::ALL.into_iter().find(|class| class.as_str() == name).ok_or(UnknownName)
    }
}

impl FromStr for Disposition {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Disposition, UnknownName> {
        Disposition::ALL.into_iter().find(|disposition| disposition.as_str() == name).ok_or(UnknownName)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_class() {
        for class in FailureClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        for disposition in Disposition::ALL {
            assert_eq!(disposition.as_str().parse(), Ok(disposition));
        }
        assert_eq!("Transient".parse::<FailureClass>(), Err(UnknownName));
    }

    #[test]
    fn only_classes_that_may_become_dead_letters_have_a_disposition() {
        for class in FailureClass::ALL {
            let ends_dead = !matches!(class.treatment(), Treatment::Hold | Treatment::Skip);
            assert_eq!(class.disposition().is_some(), ends_dead, "{class}");
        }
    }

    #[test]
    fn what_the_handler_refuses_is_told_from_what_no_retry_could_help() {
        assert_eq!(FailureClass::Rejected.disposition(), Some(Disposition::Rejected));
        assert_eq!(FailureClass::Invalid.disposition(), Some(Disposition::Permanent));
        assert_eq!(FailureClass::Transient.disposition(), Some(Disposition::RetriesExhausted));
    }
}
