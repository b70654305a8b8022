//! What each role needs to know, checked once: the roles take these types and never doubt them again.
//!
//! Deliberately holds no passwords (only the files they are in, which may change while we run) and opens no connection.
mod client;
mod consume;
mod decimal_price;
mod http_url;
mod pipeline;
mod produce;
mod service;
mod small_roles;

pub use client::{BrokerKind, Kafka, Sasl, SaslMechanism, Security, SecurityProtocol};
pub use consume::{Consume, Handler, Ordering, ResetMode, ResetState, Retry, Simulate, StartFrom};
pub use decimal_price::{DecimalPrice, DecimalPriceError};
pub use http_url::{HttpUrl, HttpUrlError};
pub use pipeline::{Common, LogFormat, Registration, Registry, StateMode, Topics};
pub use produce::{Compression, Encoding, Generator, Input, InputFormat, OnBadLine, Orders, Pace, Produce};
pub use service::Http;
pub use small_roles::{Budget, CheckSchemas, DeadLetters, Demo, Prepare, PrepareTask, TopicShape};

/// The checked configuration of the one command that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `worker demo`
    Demo(Demo),
    /// `worker produce`
    Produce(Produce),
    /// `worker consume`
    Consume(Consume),
    /// `worker dead-letters`
    DeadLetters(DeadLetters),
    /// `worker prepare`
    Prepare(Prepare),
    /// `worker report`
    Report(Common),
    /// `worker check-schemas`
    CheckSchemas(CheckSchemas),
}
