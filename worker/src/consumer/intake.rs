//! Reading: from a partition's queue into its engine, a batch at a time.
//!
//! What the handler answers at once never leaves this loop and is never copied. Deliberately no waiting here: a full
//! partition, or one whose next record has a schema that is still asked for, is left alone, and its queue fills.

use crate::kafka::ErrorCode;
use engine::outcome::{Admission, Failure, Lane};

use schemas::failure::FailureClass;

use super::assigned::Assigned;
use super::calls::Place;
use super::consumer_loop::ConsumerLoop;
use super::desk::Desk;
use super::judge::{Failed, Judgement, sale};
use super::moment::Moment;
use super::stored::Stored;
use super::watch::Sold;
use super::{Error, PartitionStoppedSnafu};
use crate::config::Ordering;
use crate::kafka::ffi::Entry;

/// Records of one partition that are taken before the next partition has its turn; more brings nothing.
const BATCH: usize = 1000;

/// So many records given up within a batch are told to the flood guard at once.
const GUARDED: u64 = 50;

/// What became of the entry that was next in line.
pub(crate) enum Step {
    /// It was taken, or was no record: go on with the next.
    Taken,
    /// It was taken and handled, and its line is to be shown.
    Shown(Sold),
    /// The topic is closed to us: no record.
    Forbidden,
    /// There is no room for it: leave it where it is.
    NoRoom,
    /// Its schema is being asked for: leave it where it is.
    Held,
}

impl ConsumerLoop<'_> {
    /// Takes one batch of each partition that has room. Answers how many entries were taken.
    pub(super) fn take_in(&mut self) -> Result<usize, Error> {
        let count = self.partitions.len();
        // Where calls are few, each partition gets its share of them, and another one begins each time.
        let share = self.desk.allowance.div_ceil(count.max(1)).min(BATCH);
        self.first = self.first.wrapping_add(1);
        let mut taken = 0;
        for step in 0..count {
            taken += self.take_batch(self.first.wrapping_add(step) % count, share)?;
        }
        if taken > 0 {
            self.trouble = None;
        }
        Ok(taken)
    }

    fn take_batch(&mut self, index: usize, share: usize) -> Result<usize, Error> {
        let partition = &mut self.partitions[index];
        if !partition.is_open() || partition.is_full && !partition.engine.has_room() {
            return Ok(0);
        }
        if partition.held_since_answer.is_some_and(|answers| answers == self.desk.judge.answers()) {
            return Ok(0);
        }
        partition.held_since_answer = None;
        partition.is_full = false;
        if self.desk.allowance == 0 || !partition.reader.refill(BATCH) {
            return Ok(0);
        }
        partition.note_time();
        let moment = self.desk.moment();
        let (mut taken, mut given_up) = (0, self.desk.graveyard.given_up());
        while taken < share && self.desk.allowance > 0 && self.partitions[index].reader.current().is_some() {
            match self.desk.step(&mut self.partitions[index], moment, taken)? {
                Step::Taken => self.partitions[index].reader.advance(),
                Step::Shown(sold) => {
                    self.partitions[index].reader.advance();
                    self.desk.watch.show(&sold, &self.partitions);
                }
                Step::Forbidden => {
                    self.partitions[index].reader.advance();
                    self.note_forbidden(self.source.may_not_read())?;
                    break;
                }
                Step::NoRoom => {
                    self.partitions[index].is_full = true;
                    break;
                }
                Step::Held => break,
            }
            taken += 1;
            // A flood is not let in by the batch.
            if self.desk.graveyard.given_up() >= given_up + GUARDED {
                given_up = self.desk.graveyard.given_up();
                self.guard(moment.now);
                if self.is_flooded() {
                    break;
                }
            }
        }
        Ok(taken)
    }
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
        let Assigned { reader, engine, number, assignment, held_since_answer, .. } = partition;
        let Some(entry) = reader.current() else { return Step::Taken };
        let answers = self.judge.answers();
        match self.judge.judge(entry.value(), 1) {
            Judgement::Sold(order) => {
                engine.succeed(offset, sale(&order));
                self.watch.note_first_try(&order, entry.timestamp(), moment, place);
                return self.watch.line_for(&order, moment).map_or(Step::Taken, Step::Shown);
            }
            Judgement::Valid(order) => {
                let calls = self.calls.as_ref().expect("a handler that takes time has its calls");
                let request = calls.request(&order, (*number, offset), entry.headers());
                let ticket = engine.start(offset, lane, Stored::copy(&entry));
                let place = Place { partition: *number, offset, assignment: *assignment, ticket };
                self.begin(place, request, moment.now);
            }
            Judgement::Skipped => engine.skip(offset),
            // Nothing was tried: the partition waits as it is, whatever becomes of it meanwhile.
            Judgement::Failed(Failed { fault, .. }) if fault.class == FailureClass::RegistryUnavailable => {
                *held_since_answer = Some(answers);
                return Step::Held;
            }
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
            | ErrorCode::UnknownPartition
            | ErrorCode::UnknownTopicOrPartition => {
                PartitionStoppedSnafu { topic: &self.config.common.topics.orders, partition: number, offset, words }
                    .fail()
            }
            ErrorCode::TopicAuthorizationFailed => Ok(Step::Forbidden),
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
