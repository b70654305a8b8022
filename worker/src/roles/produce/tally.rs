//! What a producer has counted: for its report, its progress and `/status`.
//!
//! Written by the role's thread alone, read by the admin server too. Deliberately not the metrics, which are a registry's
//! and go away with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::time::Time;
use hdrhistogram::Histogram;
use schemas::worker_status::ProducerStatus;

use crate::report::{Latency, Produced};

/// Latencies are kept to three digits.
const DIGITS: u8 = 3;
/// Longer ones count as this: twice the longest that librdkafka waits for an answer, in microseconds.
const LONGEST: u64 = 600_000_000;

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    skipped_lines: AtomicU64,
    in_flight: AtomicU64,
    /// Microseconds from the moment an order was to be sent to its acknowledgement.
    latency: Mutex<Histogram<u64>>,
    /// When progress was last asked for, and what was acknowledged then.
    last: Mutex<(Time, u64)>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            skipped_lines: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            latency: Mutex::new(Histogram::new_with_max(LONGEST, DIGITS).expect("the bounds are a histogram's")),
            last: Mutex::new((Time::ZERO, 0)),
        }
    }

    pub(super) fn acknowledge(&self, took: Duration) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skip_line(&self) {
        self.skipped_lines.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_in_flight(&self, orders: usize) {
        self.in_flight.store(orders as u64, Ordering::Relaxed);
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn skipped_lines(&self) -> u64 {
        self.skipped_lines.load(Ordering::Relaxed)
    }

    /// Acknowledged orders a second since this was last asked, or since the start.
    pub(super) fn acknowledged_since_last(&self, now: Time) -> f64 {
        let acknowledged = self.acknowledged();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) = std::mem::replace(&mut *last, (now, acknowledged));
        let seconds = now.since(since).as_secs_f64();
        if seconds > 0.0 { (acknowledged - before) as f64 / seconds } else { 0.0 }
    }

    /// For the report.
    pub(super) fn produced(&self) -> Produced {
        Produced { acknowledged: self.acknowledged(), failed: self.failed(), latency_milliseconds: self.latency() }
    }

    fn latency(&self) -> Option<Latency> {
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let milliseconds = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
        (!latency.is_empty()).then(|| Latency { p50: milliseconds(0.5), p99: milliseconds(0.99) })
    }

    /// For `/status`.
    pub(super) fn status(&self) -> ProducerStatus {
        ProducerStatus {
            acknowledged: self.acknowledged(),
            failed: self.failed(),
            queued: self.in_flight.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let tally = Tally::new();
        assert_eq!(tally.produced().latency_milliseconds, None);
        (1..=100).for_each(|milliseconds| tally.acknowledge(Duration::from_millis(milliseconds)));
        let latency = tally.produced().latency_milliseconds.expect("orders were acknowledged");
        assert!((latency.p50 - 50.0).abs() < 0.1 && (latency.p99 - 99.0).abs() < 0.1, "{latency:?}");
    }

    #[test]
    fn progress_counts_from_the_last_look() {
        let tally = Tally::new();
        (0..10).for_each(|_| tally.acknowledge(Duration::ZERO));
        assert!((tally.acknowledged_since_last(Time(2_000_000)) - 5.0).abs() < 1e-9);
        tally.acknowledge(Duration::ZERO);
        assert!((tally.acknowledged_since_last(Time(3_000_000)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_status_says_how_far_the_run_is() {
        let tally = Tally::new();
        tally.fail();
        tally.set_in_flight(3);
        assert_eq!(tally.status(), ProducerStatus { acknowledged: 0, failed: 1, queued: 3 });
    }
}
