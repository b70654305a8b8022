//! The world the laws are tested in: a topic of orders with scripted fates, a schedule of events, a reference model.
//!
//! Deliberately without clocks and threads: a schedule is a list of values, so every failure can be run again.

pub(crate) mod model;
pub(crate) mod schedule;
pub(crate) mod watch;
pub(crate) mod world;
