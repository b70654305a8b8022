//! The pure heart of the consumer: which orders run, wait, retry or are given up, and what they add up to.
//!
//! Deliberately without a clock, I/O, threads or randomness: time comes in as an argument, effects go out as values.
//! Read `partition` first: the other modules are the parts it joins.

pub mod outcome;
pub mod partition;

pub mod retry;
pub mod time;

mod lanes;
mod slab;
mod timer;
mod window;

pub mod totals;

pub mod commit_pointer;
pub mod recovery;
pub mod snapshot;

pub mod breaker;
pub mod faults;

pub use schemas::failure;
pub use slab::Ticket;
