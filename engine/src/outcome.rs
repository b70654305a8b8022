//! The words the caller and a partition speak: what may happen with a record, what came of it, what is to do next.
//!
//! Deliberately without behaviour; `partition` decides.

use crate::{
    failure::{Disposition, FailureClass},
    slab::Ticket,
    time::Time,
    totals::Sale,
};

/// The caller's own copy of a record, kept by the engine while it is unresolved.
pub trait Stored {
    /// Bytes it occupies besides its own `size_of`; counted against the limit of the partition.
    fn bytes(&self) -> usize;
}

/// Whose order a record has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nobody's (null key, unordered): no look-up, waits for nothing.
    Own,
    /// That of all records with this number: a well mixed 64-bit hash of the key. Two keys with one hash share a lane.
    Shared(u64),
}

impl Lane {
    /// The lane of a record key; `None` (a null key) is a lane of its own.
    #[must_use]
    pub fn of_key(key: Option<&[u8]>) -> Self {
        key.map_or(Self::Own, |key| Self::Shared(xxhash_rust::xxh3::xxh3_64(key)))
    }
}

/// What may happen with a polled record now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Run its handler now, then answer with `succeed`, `skip`, `start` or `fail`.
    Run,
    /// It must be kept (its lane is shut, or a restart left it parked): copy it and answer with `wait`.
    Wait,
    /// Already resolved or already in the engine: forget it.
    Done,
    /// No room: keep it, stop draining the partition, ask again when `has_room` says so.
    Full,
}

/// A failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why; decides what the order gets.
    pub class: FailureClass,
    /// When, in wall-clock milliseconds since 1970.
    pub wall_milliseconds: i64,
}

/// What came of a run that took time.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// Handled: counts towards the totals.
    Succeeded(Sale<'a>),
    /// Not handled.
    Failed(Failure),
    /// Left out by an explicit policy.
    Skipped,
}

/// What a failed or finished run leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is left to do.
    Resolved,
    /// Waits for retry number `retry` (from 1) until `due`.
    Parked {
        /// Not before.
        due: Time,
        /// Counted from 1.
        retry: u8,
    },
    /// Waits for what it needs until `due` or `release_held`; costs no retry.
    Held {
        /// Not before, unless released.
        due: Time,
    },
    /// Write its dead letter, then call `dead_letter_acknowledged` with the ticket.
    DeadLetter(Ticket, Disposition),
}

/// What is to be done with a record that came due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Run its handler, then `complete`.
    Run,
    /// Write its dead letter (a restart interrupted that), then `dead_letter_acknowledged`.
    DeadLetter(Disposition),
}

/// A stored record whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Names it in `record`, `history`, `complete` and `dead_letter_acknowledged`.
    pub ticket: Ticket,
    /// Where it is in its partition.
    pub offset: i64,
    /// Retries it was given, this one included; 0 = it never failed.
    pub retry: u8,
    /// When it was due, for a retry or a held record; `None` for the successor in a lane that opened.
    pub due: Option<Time>,
    /// What to do.
    pub action: Action,
}

/// What a dead letter says about the tries of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Where it is in its partition.
    pub offset: i64,
    /// Handler runs and decodings that failed, held ones and those before a restart included.
    pub runs: u32,
    /// Retries it was given.
    pub retries: u8,
    /// Why it failed last.
    pub class: FailureClass,
    /// Wall-clock milliseconds since 1970.
    pub first_failure_milliseconds: i64,
    /// Wall-clock milliseconds since 1970.
    pub last_failure_milliseconds: i64,
}
