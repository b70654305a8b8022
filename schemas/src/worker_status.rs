//! What `/status` of a worker answers: the operator reads it and makes the pipeline's status of it.
//!
//! One JSON object a role, told apart by `role`; the demo, which has all roles, answers `{"roles": [...]}`. Money is a
//! decimal string in the currency's exponent. Deliberately a picture of a moment and no history: that is in the metrics.
use serde::{Deserialize, Serialize};

use crate::order::{Amount, Currency};

/// The status of one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum WorkerStatus {
    /// `worker produce`
    Produce(ProducerStatus),
    /// `worker consume`
    Consume(ConsumerStatus),
    /// `worker dead-letters`
    DeadLetters(DeadLettersStatus),
}

/// How the producer is doing.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerStatus {
    /// Orders the broker has acknowledged, since the process started.
    pub acknowledged: u64,
    /// Orders the broker has refused for good, since the process started.
    pub failed: u64,
    /// Orders on their way.
    pub queued: u64,
}

/// How the consumer is doing, all its threads together.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// Whether it gets on.
    pub processing: Processing,
    /// What is wrong and what to do; empty when nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What the circuit breaker of its handler allows; absent for a handler without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// The partitions it has, by number.
    pub assignment: Vec<PartitionStatus>,
    /// Records between watermarks and ends of its partitions; absent while an end is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Orders that wait for a retry, or behind one of their key.
    pub parked: u64,
    /// Memory these orders take, in bytes.
    pub parked_bytes: u64,
    /// The lowest unresolved record of those that were read; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_unresolved: Option<Position>,
    /// What its partitions add up to.
    pub totals: TotalsStatus,
}

/// Whether a consumer gets on: the reasons of the condition of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Processing {
    /// Orders are resolved.
    AsExpected,
    /// Nothing is left to do.
    #[default]
    Idle,
    /// It waits for its partitions.
    Rebalancing,
    /// There is work, and none gets done.
    Stuck,
    /// It was told to take nothing in.
    Paused,
    /// Stored state does not fit the topic; somebody has to decide.
    StateRefused,
    /// Too many orders became dead letters; intake has stopped.
    DeadLetterFlood,
}

/// What a circuit breaker allows, the least restrictive first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Breaker {
    /// The service answers.
    Closed,
    /// A few orders are tried; what becomes of them decides.
    HalfOpen,
    /// The service is taken to be down: orders are held, intake has stopped.
    Open,
}

/// One partition of an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStatus {
    /// Its number.
    pub partition: i32,
    /// The lowest unresolved offset, or the next one to come: what is committed next.
    pub watermark: i64,
    /// Records between the watermark and the partition's end; absent while the end is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Records that were read and are not resolved.
    pub unresolved: u64,
}

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Counts and averages of a consumer's partitions. Always `records = succeeded + deadLettered + skipped`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TotalsStatus {
    /// Records resolved.
    pub records: u64,
    /// Orders that succeeded.
    pub succeeded: u64,
    /// Records that became dead letters.
    pub dead_lettered: u64,
    /// Records passed over.
    pub skipped: u64,
    /// Mean price of the orders that succeeded, by currency.
    pub average: Vec<CurrencyAmount>,
}

/// How the dead-letter consumer is doing, and what it sees in its partitions.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersStatus {
    /// The partitions it has.
    pub partitions: Vec<i32>,
    /// Records of these that it has not read yet; absent while an end is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// The distinct dead letters that are now in the topic.
    pub dead_letters: DeadLetterTotals,
    /// When the oldest of them was written, milliseconds since 1970; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_timestamp_milliseconds: Option<i64>,
    /// How long the topic keeps a record; absent = for ever, or not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<u64>,
    /// Where they go beyond their budget: empty while they keep to it, absent when none was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_budget: Option<Vec<Excess>>,
    /// Dead letters of other groups in the same topic.
    pub of_other_groups: u64,
    /// Copies of dead letters that were counted once.
    pub copies: u64,
    /// Records that no consumer of ours wrote.
    pub foreign_records: u64,
}

/// A limit of the dead-letter budget, named as in the pipeline's `budget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BudgetLimit {
    /// How many distinct dead letters may be in the topic.
    MaxDepth,
    /// How old the oldest of them may be, in seconds.
    MaxAgeSeconds,
    /// What they may be worth in one currency.
    MaxValue,
}

/// A limit of the budget that dead letters go beyond.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Excess {
    /// Which.
    pub limit: BudgetLimit,
    /// Of a value: in which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What there is, as a decimal string.
    pub actual: String,
    /// What there may be at most, as a decimal string.
    pub allowed: String,
}

/// Dead letters added up; in the report file, too.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterTotals {
    /// How many.
    pub count: u64,
    /// What is at risk, by currency.
    pub value: Vec<CurrencyAmount>,
    /// How many of them nobody knows the value of.
    pub value_unknown: u64,
    /// The same by failure class; classes without any are left out.
    pub by_class: Vec<ClassTotal>,
}

/// Money in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyAmount {
    /// ISO 4217 code.
    pub currency: String,
    /// A decimal string: averages have four decimals, amounts those of the currency.
    pub value: String,
}

impl CurrencyAmount {
    /// `minor` units of `currency`, written with its decimals.
    #[must_use]
    pub fn new(currency: Currency, minor: i128) -> CurrencyAmount {
        CurrencyAmount { currency: currency.as_str().to_owned(), value: Amount::new(minor, currency).to_string() }
    }
}

/// The dead letters of one failure class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassTotal {
    /// The class's name.
    pub class: String,
    /// How many.
    pub count: u64,
    /// What is at risk, by currency.
    pub value: Vec<CurrencyAmount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> ConsumerStatus {
        let average = vec![CurrencyAmount { currency: "USD".to_owned(), value: "64.9771".to_owned() }];
        ConsumerStatus {
            processing: Processing::AsExpected,
            message: String::new(),
            breaker: None,
            assignment: vec![PartitionStatus { partition: 0, watermark: 190, lag: Some(10), unresolved: 3 }],
            lag: Some(10),
            parked: 2,
            parked_bytes: 300,
            oldest_unresolved: Some(Position { partition: 0, offset: 190 }),
            totals: TotalsStatus { records: 200, succeeded: 196, dead_lettered: 4, skipped: 0, average },
        }
    }

    #[test]
    fn the_role_tells_whose_status_it_is() {
        let text = serde_json::to_string(&WorkerStatus::Consume(consumer())).expect("it is plain data");
        let expected = concat!(
            r#"{"role":"consume","processing":"AsExpected","#,
            r#""assignment":[{"partition":0,"watermark":190,"lag":10,"unresolved":3}],"#,
            r#""lag":10,"parked":2,"parkedBytes":300,"oldestUnresolved":{"partition":0,"offset":190},"#,
            r#""totals":{"records":200,"succeeded":196,"deadLettered":4,"skipped":0,"#,
            r#""average":[{"currency":"USD","value":"64.9771"}]}}"#,
        );
        assert_eq!(text, expected);
        let read: WorkerStatus = serde_json::from_str(&text).expect("it reads what it wrote");
        assert_eq!(read, WorkerStatus::Consume(consumer()));
    }

    #[test]
    fn what_is_unknown_is_left_out_and_what_is_new_is_passed_over() {
        let text = serde_json::to_string(&WorkerStatus::DeadLetters(DeadLettersStatus::default()));
        let expected = concat!(
            r#"{"role":"dead-letters","partitions":[],"#,
            r#""deadLetters":{"count":0,"value":[],"valueUnknown":0,"byClass":[]},"#,
            r#""ofOtherGroups":0,"copies":0,"foreignRecords":0}"#,
        );
        assert_eq!(text.expect("it is plain data"), expected);
        let newer = r#"{"role":"produce","acknowledged":1,"failed":0,"queued":0,"colour":"blue"}"#;
        let read: WorkerStatus = serde_json::from_str(newer).expect("a newer worker may say more");
        assert_eq!(read, WorkerStatus::Produce(ProducerStatus { acknowledged: 1, ..ProducerStatus::default() }));
    }
}
