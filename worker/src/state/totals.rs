//! What a group's orders add up to, all partitions together: as of each partition's last checkpoint.
//!
//! Read from the topics alone, without joining the group and without a live consumer. Deliberately reads no dead letters
//! and claims nothing: what was handled after a checkpoint belongs to the next one.

use engine::recovery::Bounds;
use engine::snapshot::Counters;
use engine::totals::Totals;
use snafu::{ResultExt, ensure};

use super::recovery::{Asked, Error, Past, ReadSnafu, WithoutTotalsSnafu};
use crate::kafka::log_reader::LogReader;

/// Merges the totals and the counters of all partitions; a partition that was never committed counts zero.
///
/// # Errors
/// When the brokers do not answer, the group keeps its totals in memory, or a partition's state is refused.
pub(crate) fn totals(asked: &Asked, reader: &LogReader) -> Result<(Totals, Counters), Error> {
    let group = &asked.group;
    let partitions = reader.partitions(&asked.topics.orders).context(ReadSnafu { group })?;
    let numbers: Vec<i32> = (0..partitions).collect();
    let past = Past::read(asked, &numbers, reader).context(ReadSnafu { group })?;
    // Whether the log still has what is not done is the consumer's trouble.
    let log = Bounds { low: 0, high: i64::MAX };
    let (mut totals, mut counters) = (Totals::new(), Counters::default());
    for number in numbers {
        ensure!(!past.is_without_totals(number), WithoutTotalsSnafu { group });
        let snapshot = past.decide(asked, number, log, &[])?.snapshot;
        totals.merge(&snapshot.totals);
        counters.merge(&snapshot.counters);
    }
    Ok((totals, counters))
}
