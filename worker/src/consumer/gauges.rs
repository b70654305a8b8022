//! What a consumer thread reads off its partitions for gauges and `/status`.
//!
//! Deliberately computed from the state when it is asked for; nothing here is counted along the way.

use engine::breaker::BreakerState;
use engine::time::Time;
use engine::totals::Totals;

use super::assigned::Assigned;
use super::ledger::Ledger;
use super::moment::Moment;
use crate::kafka::ErrorCode;
use crate::kafka::source::Bounds;
use crate::metrics::consumer_gauges::{Reading, Stopped};

/// What the loop knows besides its engines.
pub(crate) struct Gauges {
    /// Where each partition's log begins and ends, in the order of the partitions.
    pub(crate) bounds: Vec<Option<Bounds>>,
    /// Dead letters that are not acknowledged yet.
    pub(crate) pending_dead_letters: usize,
    /// Why dead letters are refused, while they are.
    pub(crate) refused: Option<ErrorCode>,
    /// `Open` while too many dead letters have stopped intake.
    pub(crate) flood: BreakerState,
    /// The state of the breaker; `None` for a handler without one.
    pub(crate) breaker: Option<BreakerState>,
    /// What keeps orders from being resolved until somebody mends it.
    pub(crate) blocked: Option<String>,
    /// Orders that are with the service behind the handler.
    pub(crate) in_flight: usize,
    /// What keeps orders waiting for their schema, while it does.
    pub(crate) schema_trouble: Option<String>,
}

/// What the gauges show.
pub(crate) fn reading(
    partitions: &[Assigned],
    totals: Totals,
    gauges: &Gauges,
    committed_at: Time,
    moment: Moment,
) -> Reading {
    let occupancies = || partitions.iter().map(|partition| partition.engine.occupancy());
    let certain_at = partitions.iter().filter_map(|partition| partition.ledger.as_ref()).map(Ledger::certain_at).min();
    let is_committed = partitions.iter().all(|partition| partition.to_commit().is_none());
    let plain_age = if is_committed { 0.0 } else { moment.now.since(committed_at).as_secs_f64() };
    let lag: Vec<(i32, i64)> = partitions
        .iter()
        .zip(&gauges.bounds)
        .filter_map(|(partition, bounds)| {
            Some((partition.number, (bounds.as_ref()?.high - partition.engine.watermark()).max(0)))
        })
        .collect();
    let is_behind = |partition: &&Assigned| lag.iter().any(|(number, lag)| *number == partition.number && *lag > 0);
    let read = partitions.iter().filter(is_behind).filter_map(|partition| partition.read_timestamp).min();
    let gap = |partition: &Assigned| {
        let unresolved = i64::try_from(partition.engine.unresolved()).unwrap_or(i64::MAX);
        (partition.engine.position() - partition.engine.watermark() - unresolved).max(0)
    };
    Reading {
        totals,
        parked: occupancies().map(|occupancy| occupancy.parked + occupancy.waiting + occupancy.ready).sum(),
        parked_bytes: partitions.iter().map(|partition| partition.engine.stored_bytes()).sum(),
        partitions: partitions.len(),
        pending_dead_letters: gauges.pending_dead_letters,
        watermark_gap: partitions.iter().map(gap).sum(),
        checkpoint_age: certain_at.map_or(plain_age, |at| moment.now.since(at).as_secs_f64()),
        breaker: gauges.breaker.unwrap_or(BreakerState::Closed),
        in_flight: gauges.in_flight,
        held_partitions: partitions.iter().filter(|partition| partition.held_since_answer.is_some()).count(),
        stopped: Stopped {
            breaker: gauges.breaker == Some(BreakerState::Open),
            flood: gauges.flood == BreakerState::Open,
            dead_letter_topic: gauges.refused.is_some(),
        },
        lag_milliseconds: read.map_or(0, |timestamp| (moment.wall_milliseconds - timestamp).max(0)),
        lag,
    }
}

/// Records between each partition's watermark and its end, where the end is known.
pub(crate) fn lags(partitions: &[Assigned], gauges: &Gauges) -> Vec<Option<u64>> {
    let lag = |(partition, bounds): (&Assigned, &Option<Bounds>)| {
        Some(u64::try_from((bounds.as_ref()?.high - partition.engine.watermark()).max(0)).unwrap_or(0))
    };
    partitions.iter().zip(&gauges.bounds).map(lag).collect()
}
