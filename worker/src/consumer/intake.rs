//! Reading: from a partition's queue into its engine, a batch at a time.
//!
//! What the handler answers at once never leaves this loop and is never copied. Deliberately no waiting here: a full
//! partition is left alone, and its queue fills.

use crate::kafka::ErrorCode;
use engine::outcome::{Admission, Failure, Lane};

use super::assigned::Assigned;
use super::desk::Desk;
use super::judge::{Failed, Judgement, sale};
use super::moment::Moment;
use super::stored::Stored;
use super::watch::Sold;
use super::{Error, PartitionStoppedSnafu};
use crate::config::Ordering;
use crate::kafka::ffi::Entry;

/// Records of one partition that are taken before the next partition has its turn; more brings nothing.
pub(crate) const BATCH: usize = 1000;

/// What became of the entry that was next in line.
pub(crate) enum Step {
    /// It was taken, or was no record: go on with the next.
    Taken,
    /// It was taken and handled, and its line is to be shown.
    Shown(Sold),
    /// There is no room for it: leave it where it is.
    NoRoom,
}

impl Desk<'_> {
    /// Looks at the entry that is next in line; `place` is how many came before it in this batch.
    pub(crate) fn step(&mut self, partition: &mut Assigned, moment: Moment, place: usize) -> Result<Step, Error> {
        let Assigned { reader, engine, is_at_end, number, .. } = partition;
        let Some(entry) = reader.current() else { return Ok(Step::Taken) };
        if let Some(code) = entry.error() {
            let (number, offset) = (*number, entry.offset());
            let words = entry.error_words();
            return self.note_error(code, (number, offset), words);
        }
        *is_at_end = false;
        let (offset, lane) = (entry.offset(), lane_of(self.config.ordering, &entry));
        match engine.admit(offset, lane, size(&entry)) {
            Admission::Done => Ok(Step::Taken),
            Admission::Full => Ok(Step::NoRoom),
            Admission::Wait => {
                engine.wait(offset, lane, Stored::copy(&entry));
                Ok(Step::Taken)
            }
            Admission::Run => Ok(self.try_first(partition, (offset, lane), moment, place)),
        }
    }

    /// The first try of the current entry, whose lane is free.
    fn try_first(
        &mut self,
        partition: &mut Assigned,
        (offset, lane): (i64, Lane),
        moment: Moment,
        place: usize,
    ) -> Step {
        let Assigned { reader, engine, .. } = partition;
        let Some(entry) = reader.current() else { return Step::Taken };
        match self.judge.judge(entry.value(), 1) {
            Judgement::Sold(order) => {
                engine.succeed(offset, sale(&order));
                self.watch.note_first_try(&order, &entry, moment, place);
                return self.watch.line_for(&order, moment).map_or(Step::Taken, Step::Shown);
            }
            Judgement::Skipped => engine.skip(offset),
            Judgement::Failed(Failed { fault, order, undecodable }) => {
                undecodable.iter().for_each(|reason| self.watch.note_undecodable(*reason));
                let name = order.map(|order| order.order_id.as_str().to_owned());
                let failure = Failure { class: fault.class, wall_milliseconds: moment.wall_milliseconds };
                let verdict = engine.fail(offset, lane, Stored::copy(&entry), failure, moment.now);
                self.follow(partition, verdict, &fault, name.as_deref(), moment);
            }
        }
        Step::Taken
    }

    /// An error in place of a record: one that passes, or one that ends this run.
    fn note_error(&self, code: ErrorCode, (number, offset): (i32, i64), words: String) -> Result<Step, Error> {
        match code {
            ErrorCode::AutoOffsetReset
            | ErrorCode::OffsetOutOfRange
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnknownPartition
            | ErrorCode::UnknownTopicOrPartition => {
                PartitionStoppedSnafu { topic: &self.config.common.topics.orders, partition: number, offset, words }
                    .fail()
            }
            _ => {
                tracing::warn!(target: "kafka", partition = number, "reading: {words}; trying again");
                Ok(Step::Taken)
            }
        }
    }
}

/// Whose order a record has to keep.
fn lane_of(ordering: Ordering, entry: &Entry<'_>) -> Lane {
    match ordering {
        Ordering::Key => Lane::of_key(entry.key()),
        Ordering::Partition => Lane::Shared(0),
        Ordering::Unordered => Lane::Own,
    }
}

/// About what a copy of the record would take; headers are not counted before they are copied.
fn size(entry: &Entry<'_>) -> usize {
    entry.key().map_or(0, <[u8]>::len) + entry.value().map_or(0, <[u8]>::len)
}
