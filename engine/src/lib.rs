//! The pure heart of the consumer: which orders run, wait, retry or are given up, and what they add up to.
//!
//! Deliberately without a clock, I/O, threads or randomness: time comes in as an argument, effects go out as values.
