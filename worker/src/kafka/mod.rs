//! The only users of rdkafka: everything that talks to a broker is behind the types of this module.
//!
//! Read `client` first (what all clients share), then `source` (a group member that reads) and `sink` (a producer).

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod dead_letter_sink;
pub(crate) mod delivery;
pub(crate) mod embedded;
pub(crate) mod ffi;
pub(crate) mod log_reader;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod state_sink;
pub(crate) mod topic;

/// What a broker or librdkafka says went wrong.
pub(crate) use rdkafka::error::RDKafkaErrorCode as ErrorCode;

#[cfg(test)]
pub(crate) mod testing;
