//! The consumer: one thread that reads, decides with the engine, handles, retries, gives up and commits.
//!
//! Deliberately without a task or a channel per record.

pub(crate) mod stored;
