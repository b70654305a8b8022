//! The only users of rdkafka: everything that talks to a broker is behind the types of this module.
//!
//! Read `client` first (what all clients share), then `source` (a group member that reads) and `sink` (a producer).
//! `login` and `renewal` watch over passwords and certificates, `trouble`, `certificate` and `rights` say what to mend.

pub(crate) mod admin;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod dead_letter_sink;
pub(crate) mod delivery;
pub(crate) mod embedded;
pub(crate) mod ffi;
pub(crate) mod log_reader;
pub(crate) mod login;
pub(crate) mod own_certificate;
pub(crate) mod renewal;
pub(crate) mod rights;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod stamp;
pub(crate) mod state_sink;
pub(crate) mod tls_files;
pub(crate) mod topic;
pub(crate) mod trouble;
pub(crate) mod writer;

/// What a broker or librdkafka says went wrong.
pub(crate) use rdkafka::error::RDKafkaErrorCode as ErrorCode;

#[cfg(test)]
pub(crate) mod testing;
