//! What `/status` says of the consumer: each thread leaves a picture of itself, the answer joins them.
//!
//! Deliberately a picture of a moment: the loop renews it a few times a second, and averages are made when asked for.
use std::collections::BTreeMap;

use engine::breaker::BreakerState;
use engine::snapshot::Counters;
use engine::totals::{Total, Totals};
use schemas::order::Currency;
use schemas::worker_status::{
    self as status, ConsumerStatus, CurrencyAmount, PartitionStatus, Position, Processing, TotalsStatus,
};

use super::assigned::Assigned;
use super::gauges::Gauges;

/// One thread's picture of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadStatus {
    status: ConsumerStatus,
    overall: Vec<([u8; 3], Total)>,
}

impl ThreadStatus {
    /// The picture of a thread that has `partitions`, with the lag of each where it is known; `totals` and `counters`
    /// are all that it resolved.
    pub(crate) fn of(
        partitions: &[Assigned],
        lags: &[Option<u64>],
        totals: &Totals,
        counters: &Counters,
        gauges: &Gauges,
    ) -> ThreadStatus {
        let assignment: Vec<PartitionStatus> =
            partitions.iter().zip(lags).map(|(partition, lag)| picture(partition, *lag)).collect();
        let occupancies = || partitions.iter().map(|partition| partition.engine.occupancy());
        let (processing, message) = processing(partitions, gauges);
        let status = ConsumerStatus {
            processing,
            message,
            breaker: gauges.breaker.map(|state| match state {
                BreakerState::Closed => status::Breaker::Closed,
                BreakerState::HalfOpen => status::Breaker::HalfOpen,
                BreakerState::Open => status::Breaker::Open,
            }),
            lag: assignment.iter().map(|partition| partition.lag).sum(),
            assignment,
            parked: occupancies().map(|at| (at.parked + at.waiting + at.ready) as u64).sum(),
            parked_bytes: partitions.iter().map(|partition| partition.engine.stored_bytes() as u64).sum(),
            oldest_unresolved: None,
            totals: TotalsStatus {
                records: counters.records(),
                succeeded: counters.succeeded,
                dead_lettered: counters.dead_lettered,
                skipped: counters.skipped,
                average: Vec::new(),
            },
        };
        ThreadStatus { status, overall: totals.overall() }
    }
}

fn picture(partition: &Assigned, lag: Option<u64>) -> PartitionStatus {
    let (number, watermark) = (partition.number, partition.engine.watermark());
    PartitionStatus { partition: number, watermark, lag, unresolved: partition.engine.unresolved() as u64 }
}

fn processing(partitions: &[Assigned], gauges: &Gauges) -> (Processing, String) {
    if gauges.flood == BreakerState::Open {
        let message = "too many orders became dead letters and intake has stopped; look at their reasons, then restart";
        return (Processing::DeadLetterFlood, message.to_owned());
    }
    if let Some(words) = &gauges.blocked {
        return (Processing::Stuck, words.clone());
    }
    let waits = |partition: &Assigned| partition.held_since_answer.is_some();
    if let Some(trouble) = &gauges.schema_trouble {
        let is_stuck = !partitions.is_empty() && partitions.iter().all(waits);
        return (if is_stuck { Processing::Stuck } else { Processing::AsExpected }, trouble.clone());
    }
    let state = if partitions.is_empty() {
        Processing::Rebalancing
    } else if partitions.iter().all(Assigned::is_idle) {
        Processing::Idle
    } else {
        Processing::AsExpected
    };
    (state, String::new())
}

/// What all threads say together.
pub(crate) fn joined(threads: &[ThreadStatus]) -> ConsumerStatus {
    let statuses = || threads.iter().map(|thread| &thread.status);
    let worst = statuses().max_by_key(|status| gravity(status.processing));
    let mut assignment: Vec<PartitionStatus> = statuses().flat_map(|status| status.assignment.clone()).collect();
    assignment.sort_unstable_by_key(|partition| partition.partition);
    let totals = || statuses().map(|status| &status.totals);
    ConsumerStatus {
        processing: worst.map(|status| status.processing).unwrap_or_default(),
        message: worst.map(|status| status.message.clone()).unwrap_or_default(),
        breaker: statuses().filter_map(|status| status.breaker).max(),
        lag: statuses().map(|status| status.lag).sum(),
        parked: statuses().map(|status| status.parked).sum(),
        parked_bytes: statuses().map(|status| status.parked_bytes).sum(),
        oldest_unresolved: oldest(&assignment),
        totals: TotalsStatus {
            records: totals().map(|totals| totals.records).sum(),
            succeeded: totals().map(|totals| totals.succeeded).sum(),
            dead_lettered: totals().map(|totals| totals.dead_lettered).sum(),
            skipped: totals().map(|totals| totals.skipped).sum(),
            average: averages(threads),
        },
        assignment,
    }
}

/// Which of two threads' states is told: the one that needs somebody most. A thread without partitions is told only
/// when no other has any.
fn gravity(processing: Processing) -> u8 {
    match processing {
        Processing::Rebalancing => 0,
        Processing::Idle => 1,
        Processing::AsExpected => 2,
        Processing::Paused => 3,
        Processing::Stuck => 4,
        Processing::DeadLetterFlood => 5,
        Processing::StateRefused => 6,
    }
}

/// The lowest unresolved record of the partition that is farthest behind.
fn oldest(assignment: &[PartitionStatus]) -> Option<Position> {
    let unresolved = assignment.iter().filter(|partition| partition.unresolved > 0);
    let behind = unresolved.max_by_key(|partition| partition.lag)?;
    Some(Position { partition: behind.partition, offset: behind.watermark })
}

fn averages(threads: &[ThreadStatus]) -> Vec<CurrencyAmount> {
    let mut overall: BTreeMap<[u8; 3], Total> = BTreeMap::new();
    for (code, total) in threads.iter().flat_map(|thread| &thread.overall) {
        overall.entry(*code).and_modify(|known| known.merge(total)).or_insert(*total);
    }
    let amount = |(code, total): (&[u8; 3], &Total)| {
        let currency = Currency::parse(code)?;
        let value = total.average_4_decimals(currency.exponent())?;
        Some(CurrencyAmount { currency: currency.as_str().to_owned(), value })
    };
    overall.iter().filter_map(amount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(partition: i32, processing: Processing, lag: Option<u64>, price_minor: i64) -> ThreadStatus {
        let mut total = Total::EMPTY;
        total.add(price_minor, 1);
        let totals = TotalsStatus { records: 1, succeeded: 1, ..TotalsStatus::default() };
        let assignment = vec![PartitionStatus { partition, watermark: 7, lag, unresolved: lag.unwrap_or(0) }];
        let status = ConsumerStatus { processing, lag, assignment, parked: 2, totals, ..ConsumerStatus::default() };
        ThreadStatus { status, overall: vec![(*b"USD", total)] }
    }

    #[test]
    fn threads_are_added_up_and_the_gravest_state_is_told() {
        let threads =
            [thread(1, Processing::DeadLetterFlood, Some(3), 1_000), thread(0, Processing::AsExpected, Some(5), 2_001)];
        let all = joined(&threads);
        assert_eq!(all.processing, Processing::DeadLetterFlood);
        assert_eq!((all.lag, all.parked, all.totals.records), (Some(8), 4, 2));
        assert_eq!(all.assignment.iter().map(|partition| partition.partition).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(all.oldest_unresolved, Some(Position { partition: 0, offset: 7 }));
        assert_eq!(all.totals.average, [CurrencyAmount { currency: "USD".to_owned(), value: "15.0050".to_owned() }]);
    }

    #[test]
    fn a_thread_without_partitions_is_told_only_when_no_other_has_any() {
        let idle = thread(0, Processing::Idle, Some(0), 1);
        assert_eq!(joined(&[ThreadStatus::default(), idle]).processing, Processing::Idle);
        let waiting = ConsumerStatus { processing: Processing::Rebalancing, ..ConsumerStatus::default() };
        let waiting = ThreadStatus { status: waiting, overall: Vec::new() };
        assert_eq!(joined(&[waiting]).processing, Processing::Rebalancing);
    }

    #[test]
    fn an_unknown_end_makes_the_lag_unknown() {
        let threads = [thread(0, Processing::AsExpected, Some(3), 1), thread(1, Processing::AsExpected, None, 1)];
        assert_eq!(joined(&threads).lag, None);
    }
}
