//! Dead letters on their way: made from the stored record, written, and made again when a write fails.
//!
//! A write that failed is repeated for ever; meanwhile the order's lane stays shut and the commit holds. Too large a
//! record goes again with short headers, then without its value, then with nothing but where it came from. A topic that
//! is too small for anything, or for a small record, has to be mended: the record goes whole then. Deliberately never
//! skips one.

use std::time::Duration;

use crate::kafka::ErrorCode;
use crate::kafka::dead_letter_sink::OwnedHeaders;
use engine::Ticket;
use engine::time::Time;
use schemas::dead_letter::DeadLetter;
use schemas::failure::{Disposition, FailureClass};

use super::assigned::Assigned;
use super::judge::Judge;
use super::ledger::Ledger;
use super::moment::Moment;
use super::stored::Stored;
use crate::kafka::dead_letter_sink::{DeadLetterSink, Letter, Refusal, add_header};
use crate::roles::chain;

/// A record up to this size, in bytes, keeps its key and value: our headers take about as much, so a topic that refuses
/// it is set wrongly, and may be mended between two tries.
const SMALL: usize = 1024;

/// How long after a failed write it is repeated.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// How long after a refusal that only a person can mend.
const REPEAT_REFUSED_AFTER: Duration = Duration::from_secs(5);

/// How often the same trouble with writing is told.
const SAY_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How much of a dead letter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// All of it.
    Whole,
    /// The record whole, the message cut short.
    ShortHeaders,
    /// Key and headers; the value stays where the origin headers point.
    Pointer,
    /// Our headers alone; key, value and original headers stay where they point.
    Origin,
}

impl Size {
    /// What to try next after this was too large for a record of so many bytes; `None` after the least there is.
    fn smaller(self, bytes: usize) -> Option<Size> {
        match self {
            Size::Whole => Some(Size::ShortHeaders),
            Size::ShortHeaders => (bytes > SMALL).then_some(Size::Pointer),
            Size::Pointer => Some(Size::Origin),
            Size::Origin => None,
        }
    }

    /// Whether the value stays behind.
    fn omits_value(self) -> bool {
        match self {
            Size::Whole | Size::ShortHeaders => false,
            Size::Pointer | Size::Origin => true,
        }
    }
}

/// One dead letter that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Burial {
    partition: i32,
    assignment: u32,
    ticket: Ticket,
    disposition: Disposition,
    message: Box<str>,
    exception: &'static str,
    size: Size,
    /// Not written before.
    is_new: bool,
}

impl Burial {
    /// The dead letter of a record that `partition` keeps under `ticket`.
    pub(crate) fn new(
        partition: &Assigned,
        ticket: Ticket,
        disposition: Disposition,
        message: &str,
        exception: &'static str,
    ) -> Self {
        let (number, assignment) = (partition.number, partition.assignment);
        Self {
            partition: number,
            assignment,
            ticket,
            disposition,
            message: message.into(),
            exception,
            size: Size::Whole,
            is_new: true,
        }
    }

    /// Whether its record is kept by this assignment of its partition, and not by one before or after.
    fn belongs_to(&self, partition: &Assigned) -> bool {
        (partition.number, partition.assignment) == (self.partition, self.assignment)
    }
}

/// A dead letter that all in-sync replicas have, for what is shown and counted.
pub(crate) struct Buried {
    /// The order's id, where the record has a readable one.
    pub(crate) order_id: Option<String>,
    /// Where the record was.
    pub(crate) offset: i64,
    /// Its partition.
    pub(crate) partition: i32,
    /// Retries it was given.
    pub(crate) retries: u8,
    /// Why it failed last.
    pub(crate) class: FailureClass,
    /// The message of the last failure.
    pub(crate) message: Box<str>,
}

/// What came of the answers of one round.
#[derive(Default)]
pub(crate) struct Round {
    /// Written and resolved.
    pub(crate) buried: Vec<Buried>,
    /// Answers that were failures.
    pub(crate) failures: usize,
    /// Partitions and offsets of what was written and resolved.
    places: Vec<(i32, i64)>,
}

impl Round {
    /// Tells a ledger up to where the dead-letter topic is known.
    pub(crate) fn note_places(&self, ledger: &mut Ledger) {
        self.places.iter().for_each(|(partition, offset)| ledger.note_acknowledged(*partition, *offset));
    }
}

/// The names that every dead letter of this consumer carries.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Source topic.
    pub(crate) topic: String,
    /// The topic they go to.
    pub(crate) dead_letter_topic: String,
    /// Consumer group.
    pub(crate) group: String,
    /// Pipeline.
    pub(crate) pipeline: String,
    /// How to get the right to write them.
    pub(crate) grant: String,
}

/// Writes dead letters and keeps those that are to be written again.
pub(crate) struct Graveyard {
    sink: DeadLetterSink<Burial>,
    names: Names,
    again: Vec<(Time, Burial)>,
    /// Handed to the producer, not answered.
    on_the_way: usize,
    refused: Option<ErrorCode>,
    /// The last trouble that was told, and when.
    said: Option<(ErrorCode, Time)>,
    given_up: u64,
}

impl Graveyard {
    /// A graveyard that writes through `sink`.
    pub(crate) fn new(sink: DeadLetterSink<Burial>, names: Names) -> Self {
        Self { sink, names, again: Vec::new(), on_the_way: 0, refused: None, said: None, given_up: 0 }
    }

    /// Why nothing more may be taken in, while that is so: the topic is gone or closed to us. Without a dead letter that
    /// would find out that it is back (its partition may be another's now), the next one does.
    pub(crate) fn refused(&self) -> Option<ErrorCode> {
        self.refused.filter(|_| self.pending() > 0)
    }

    /// How many are written but not acknowledged, or to be written again.
    pub(crate) fn pending(&self) -> usize {
        self.on_the_way + self.again.len()
    }

    /// Waits for answers that are on their way, at most for `limit`; [`Self::settle`] takes them.
    pub(crate) fn flush(&self, limit: Duration) {
        self.sink.flush(limit);
    }

    /// How many records were given up so far.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Hands a dead letter to the producer. One whose record the partition does not keep any more is forgotten.
    pub(crate) fn bury(&mut self, partition: &Assigned, judge: &mut Judge, burial: Burial) {
        let Some(record) = partition.engine.record(burial.ticket) else { return };
        let Some(letter) = self.letter(partition, judge, &burial) else { return };
        let (size, omitted) = (burial.size, burial.size.omits_value());
        let key = record.key().filter(|_| size != Size::Origin);
        let value = record.value().filter(|_| !omitted);
        let origin = u64::from(burial.partition.unsigned_abs()) << 48 ^ letter.offset.unsigned_abs();
        let headers = headers((size != Size::Origin).then_some(record), &letter);
        let letter = Letter { key, value, timestamp: record.timestamp(), origin, headers };
        self.on_the_way += 1;
        self.given_up += u64::from(burial.is_new);
        self.sink.send(letter, burial);
    }

    /// What the headers will say.
    fn letter(&self, partition: &Assigned, judge: &mut Judge, burial: &Burial) -> Option<DeadLetter> {
        let record = partition.engine.record(burial.ticket)?;
        let history = partition.engine.history(burial.ticket)?;
        let schema_id = judge.schema_id(record.value());
        let message = if burial.size == Size::Whole { &*burial.message } else { "" };
        let mut letter = DeadLetter {
            topic: self.names.topic.clone(),
            partition: burial.partition,
            offset: history.offset,
            group: self.names.group.clone(),
            pipeline: self.names.pipeline.clone(),
            delivery_count: history.runs,
            message: message.to_owned(),
            class: history.class,
            disposition: burial.disposition,
            exception_class_name: burial.exception.to_owned(),
            timestamp: record.timestamp(),
            first_failure_timestamp: history.first_failure_milliseconds,
            last_failure_timestamp: history.last_failure_milliseconds,
            schema_id,
            order_id: None,
            product: None,
            order_value: None,
            payload_omitted: burial.size.omits_value(),
        };
        if let Some(order) = judge.order(record.value()) {
            letter.describe(&order);
        }
        Some(letter)
    }

    /// Takes the producer's answers: resolves what is written, keeps the rest to write it again.
    pub(crate) fn settle(&mut self, partitions: &mut [Assigned], judge: &mut Judge, moment: Moment) -> Round {
        let mut round = Round::default();
        self.sink.renew_login(moment.now);
        while let Some(delivered) = self.sink.answer() {
            self.on_the_way = self.on_the_way.saturating_sub(1);
            let burial = delivered.token;
            let owner = partitions.iter_mut().find(|partition| burial.belongs_to(partition));
            let Some(owner) = owner else { continue };
            match delivered.result {
                Ok((partition, offset)) => {
                    self.refused = None;
                    let buried = acknowledge(owner, judge, burial);
                    // A broker that had the record already does not say where.
                    round.places.extend(buried.iter().map(|_| (partition, offset)).filter(|_| offset >= 0));
                    round.buried.extend(buried);
                }
                Err(refusal) => {
                    round.failures += 1;
                    let bytes = owner.engine.record(burial.ticket).map_or(0, engine::outcome::Stored::bytes);
                    self.keep(burial, bytes, refusal, moment);
                }
            }
        }
        round
    }

    fn keep(&mut self, mut burial: Burial, bytes: usize, refusal: Refusal, moment: Moment) {
        burial.is_new = false;
        let delay = match refusal {
            Refusal::TooLarge => match burial.size.smaller(bytes) {
                Some(smaller) => {
                    burial.size = smaller;
                    Duration::ZERO
                }
                // The topic's limit has to be raised, which nobody but a person can do; then all of it goes.
                None => {
                    burial.size = Size::Whole;
                    self.wait_for_a_person(ErrorCode::MessageSizeTooLarge)
                }
            },
            Refusal::Passing(code) => {
                self.say_passing(code, moment.now);
                REPEAT_AFTER
            }
            Refusal::NotAllowed(code) => self.wait_for_a_person(code),
        };
        self.again.push((moment.now + delay, burial));
    }

    /// Says why a write failed: once in a while, as an outage fails thousands of them.
    fn say_passing(&mut self, code: ErrorCode, now: Time) {
        if self.said.is_none_or(|(said, at)| said != code || now.since(at) >= SAY_AGAIN_AFTER) {
            self.said = Some((code, now));
            tracing::warn!(target: "kafka", "dead letters are not written: {code}; writing them again");
        }
    }

    /// Stops intake until the topic takes dead letters again; says so once.
    fn wait_for_a_person(&mut self, code: ErrorCode) -> Duration {
        if self.refused.replace(code) != Some(code) {
            tracing::error!(target: "kafka", "{}", self.remedy(code));
        }
        REPEAT_REFUSED_AFTER
    }

    /// What is wrong with the dead-letter topic, and what to do.
    pub(crate) fn remedy(&self, code: ErrorCode) -> String {
        let topic = &self.names.dead_letter_topic;
        let mend = match code {
            ErrorCode::MessageSizeTooLarge => "raise its max.message.bytes",
            ErrorCode::TopicAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed => &self.names.grant,
            ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopic | ErrorCode::UnknownPartition => {
                "create it (`worker prepare`)"
            }
            _ => "look at the brokers' log",
        };
        format!("intake stopped: dead-letter topic {topic} takes nothing ({code}): {mend}")
    }

    /// A new producer: for certificates that have changed, or after librdkafka gave the old one up. What that had not
    /// written is written again.
    pub(crate) fn renew_sink(&mut self) {
        if let Err(error) = self.sink.renew() {
            tracing::warn!(target: "kafka", "{}; going on with the old one", chain(&error));
        }
    }

    /// Writes again what is due.
    pub(crate) fn write_again(&mut self, partitions: &[Assigned], judge: &mut Judge, moment: Moment) {
        if self.again.is_empty() {
            return;
        }
        let (due, later) = std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= moment.now);
        self.again = later;
        let due: Vec<(Time, Burial)> = due;
        if !due.is_empty() && self.sink.is_broken() {
            self.renew_sink();
        }
        for (_, burial) in due {
            if let Some(owner) = partitions.iter().find(|partition| burial.belongs_to(partition)) {
                self.bury(owner, judge, burial);
            }
        }
    }
}

fn acknowledge(owner: &mut Assigned, judge: &mut Judge, burial: Burial) -> Option<Buried> {
    let history = owner.engine.history(burial.ticket)?;
    let order = judge.order(owner.engine.record(burial.ticket)?.value());
    let order_id = order.map(|order| order.order_id.as_str().to_owned());
    owner.engine.dead_letter_acknowledged(burial.ticket).then_some(Buried {
        order_id,
        offset: history.offset,
        partition: burial.partition,
        retries: history.retries,
        class: history.class,
        message: burial.message,
    })
}

/// The original's headers in order where they are kept, then ours.
fn headers(record: Option<&Stored>, letter: &DeadLetter) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    for (name, value) in record.into_iter().flat_map(Stored::headers) {
        headers = add_header(headers, name, value);
    }
    for (name, value) in letter.headers() {
        headers = add_header(headers, name.as_bytes(), Some(value.as_bytes()));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::{SMALL, Size};

    #[test]
    fn a_large_record_is_shortened_step_by_step_and_a_small_one_keeps_its_value() {
        let steps =
            |bytes| std::iter::successors(Some(Size::Whole), move |size| size.smaller(bytes)).collect::<Vec<_>>();
        assert_eq!(steps(SMALL + 1), [Size::Whole, Size::ShortHeaders, Size::Pointer, Size::Origin]);
        assert_eq!(steps(SMALL), [Size::Whole, Size::ShortHeaders]);
    }
}
