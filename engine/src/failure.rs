//! Failure classes until the shared list lands in the contract crate.
//!
//! Deliberately without behaviour: what a class gets is decided in `retry`.

/// Why an order was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureClass {
    /// The bytes are no order.
    Undecodable,
    /// An order that breaks a rule.
    Invalid,
    /// Its schema id is not in the registry.
    SchemaUnknown,
    /// The registry does not answer.
    RegistryUnavailable,
    /// What the handler needs is down.
    DependencyDown,
    /// May succeed when tried again.
    Transient,
    /// The handler refused it for good.
    Rejected,
    /// The handler panicked.
    HandlerPanic,
    /// Larger than the broker takes.
    Oversized,
    /// A null value.
    Tombstone,
}

/// What a class of failure gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Given up at once.
    DeadLetter,
    /// Retried up to the limit of the policy.
    Retry,
    /// Retried once.
    RetryOnce,
    /// Kept until what it needs is back; costs no retry.
    Hold,
    /// Resolved without a trace but the counter.
    Skip,
}

/// Why a dead letter was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disposition {
    /// No retry was left.
    RetriesExhausted,
    /// Trying again could not help.
    Permanent,
    /// The handler refused it.
    Rejected,
}

impl FailureClass {
    /// What an order that failed so gets.
    #[must_use]
    pub fn treatment(self) -> Treatment {
        match self {
            Self::Undecodable | Self::Invalid | Self::Rejected | Self::Oversized => Treatment::DeadLetter,
            Self::SchemaUnknown | Self::Transient => Treatment::Retry,
            Self::RegistryUnavailable | Self::DependencyDown => Treatment::Hold,
            Self::HandlerPanic => Treatment::RetryOnce,
            Self::Tombstone => Treatment::Skip,
        }
    }
}
