//! What `/status` says of a consumer thread.
//!
//! Deliberately a picture of a moment: the loop renews it a few times a second.
use engine::snapshot::Counters;
use engine::totals::Totals;

use super::assigned::Assigned;
use super::watch::Gauges;

/// The status of one thread.
pub(crate) fn status(
    partitions: &[Assigned],
    _totals: &Totals,
    counters: &Counters,
    _gauges: &Gauges,
    lag: Option<u64>,
) -> serde_json::Value {
    serde_json::json!({ "partitions": partitions.len(), "records": counters.records(), "lag": lag })
}
