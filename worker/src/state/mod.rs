//! Durable totals: what is in the state topic, and how a partition's state is found again.
//!
//! `key` and `chunks` are the format of its records; the snapshots' own bytes are the engine's. `recovery` reads what a
//! group left behind. Deliberately decides nothing about which snapshot counts: `engine::recovery` does, and the
//! consumer's ledger says when one is written.

mod chunks;
mod key;
mod recovery;
mod shelf;
mod totals;

pub(crate) use chunks::{Head, pieces};
pub(crate) use key::{Key, Subject};
pub(crate) use recovery::{Asked, Error, Outcome, ReadSnafu, Recovered, SEQUENCE, recover};
pub(crate) use totals::totals;
