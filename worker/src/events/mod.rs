//! What happens in the worker, one struct an event: its `emit` writes the log line and counts the metric, so that the two
//! never disagree.
//!
//! Deliberately without decisions: whether an event is told at length is decided where it happens.

pub(crate) mod dead_letters;
pub(crate) mod producer;
