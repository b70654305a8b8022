//! What two programs of the pipeline must agree on: order schemas, their bytes, dead-letter headers, settings, names.
//!
//! Deliberately free of tokio, kube, rdkafka and prometheus, so that every other crate may depend on it.
pub mod codec;
pub mod order;

pub mod dead_letter;
pub mod failure;
pub mod metric_names;
pub mod prepare_outcome;
pub mod settings;
pub mod worker_status;
