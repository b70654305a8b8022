//! The roles of the order pipeline, as a library: the binary is its only shipped user, tests and benchmarks the others.
//!
//! Deliberately no stable API: what others may rely on is the command line, the topics and the metrics.
pub mod cli;
pub mod clock;
pub mod config;
pub(crate) mod consumer;
pub(crate) mod events;
pub(crate) mod handler;
pub(crate) mod http;
pub(crate) mod kafka;
pub mod metrics;
pub(crate) mod registry;
pub mod report;
pub mod roles;
pub mod screen;
pub mod source;
pub(crate) mod state;
