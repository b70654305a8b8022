//! The pure heart of the consumer: which orders run, wait, retry or are given up, and what they add up to.
//!
//! Deliberately without a clock, I/O, threads or randomness: time comes in as an argument, effects go out as values.
//! Read `partition` first: the other modules are the parts it joins.

pub mod breaker;
pub mod commit_pointer;
pub mod failure;
pub mod faults;
pub mod lanes;
pub mod outcome;
pub mod partition;
pub mod retry;
pub mod slab;
pub mod snapshot;
pub mod time;
pub mod timer;
pub mod totals;
pub mod window;
