//! The roles of the order pipeline, as a library: the binary is its only shipped user, tests and benchmarks the others.
//!
//! Deliberately no stable API: what others may rely on is the command line, the topics and the metrics.
pub mod config;
pub mod roles;
