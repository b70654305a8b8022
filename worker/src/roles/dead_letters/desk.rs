//! From a partition's queue into the ledger: what joining and peeking have in common.
//!
//! Deliberately looks at headers alone: the value is as its producer sent it, and nobody's business here.

use engine::time::Time;
use schemas::dead_letter::DeadLetter;
use snafu::ensure;

use super::ledger::Ledger;
use super::shelf::Arrival;
use super::teller::Teller;
use super::{Error, ForbiddenSnafu, PartitionStoppedSnafu};
use crate::kafka::ErrorCode;
use crate::kafka::source::Reader;

/// Records of one partition that are taken before the next has its turn.
const BATCH: usize = 1000;

/// A partition that is being read.
pub(super) struct Assigned {
    /// Its number.
    pub(super) number: i32,
    /// Where its records come from.
    pub(super) reader: Reader,
    /// The next offset to come.
    pub(super) position: i64,
    /// Records below this were seen by an earlier reader of the group.
    pub(super) seen_before: i64,
    /// Everything that was there has been read.
    pub(super) is_at_end: bool,
}

impl Assigned {
    pub(super) fn new(reader: Reader, start: i64, seen_before: i64) -> Self {
        Self { number: reader.partition(), reader, position: start, seen_before, is_at_end: false }
    }
}

/// Takes records in.
pub(super) struct Desk {
    /// The topic's name, for messages.
    pub(super) topic: String,
    /// What to say when the topic is closed to us.
    pub(super) may_not_read: String,
    /// What was read.
    pub(super) ledger: Ledger,
    /// Tells of it.
    pub(super) teller: Teller,
}

impl Desk {
    /// Takes what is there of a partition, a batch at most. Answers how many entries that were.
    pub(super) fn take_batch(&mut self, partition: &mut Assigned, now: Time) -> Result<usize, Error> {
        if !partition.reader.refill(BATCH) {
            return Ok(0);
        }
        let mut taken = 0;
        while let Some(entry) = partition.reader.current() {
            let offset = entry.offset();
            match entry.error() {
                None => {
                    let number = partition.number;
                    match DeadLetter::from_headers(entry.headers()) {
                        Ok(letter) => {
                            if self.ledger.add(number, offset, &letter, entry.timestamp()) == Arrival::New {
                                self.teller.letter(&letter, offset >= partition.seen_before, now);
                            }
                        }
                        Err(reason) => {
                            self.ledger.add_foreign(number);
                            self.teller.foreign(number, offset, &reason, now);
                        }
                    }
                    partition.position = offset + 1;
                    partition.is_at_end = false;
                }
                Some(code) => self.note_trouble(partition.number, code)?,
            }
            partition.reader.advance();
            taken += 1;
        }
        Ok(taken)
    }

    fn note_trouble(&self, partition: i32, code: ErrorCode) -> Result<(), Error> {
        let is_forbidden = code == ErrorCode::TopicAuthorizationFailed;
        ensure!(!is_forbidden, ForbiddenSnafu { words: &self.may_not_read });
        let lasting = [ErrorCode::UnknownPartition, ErrorCode::UnknownTopicOrPartition];
        ensure!(!lasting.contains(&code), PartitionStoppedSnafu { topic: &self.topic, partition, code });
        tracing::warn!(target: "kafka", partition, "reading dead letters: {code}; trying again");
        Ok(())
    }
}
