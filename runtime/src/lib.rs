//! Process furniture of every binary: how it stops, how it talks, how it is watched, and what it is.
//!
//! Deliberately knows nothing of orders or Kafka, and names no metric: those belong to the crates that use this one.

pub mod shutdown;

pub mod telemetry;

pub mod readiness;

pub mod admin;

pub mod build_info;

pub use admin::{AdminServer, AdminState};
pub use readiness::{Readiness, ReadyHandle};
pub use shutdown::Shutdown;
pub use telemetry::LogLevel;
