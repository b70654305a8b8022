//! The consumer's metrics.
//!
//! Counters and histograms are this process's own deeds, counted when they are done. Deliberately no gauges: those are
//! read from the state of the threads at each scrape, in `consumer_gauges`.

use std::time::Duration;

use engine::snapshot::Counters;
use prometheus::{Histogram, IntCounter, IntCounterVec};
use schemas::codec::{DecodePaths, DecodeReason};
use schemas::failure::{FailureClass, Treatment};
use schemas::metric_names as names;

use super::Scope;
use super::consumer_gauges::{ConsumerGauges, Reading};
use crate::handler::Answer;

/// Bounds of how late a retry may start, in seconds: the promise is 0.05.
const RETRY_DELAY: [f64; 8] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0];

/// Bounds of the time from produced to handled, in seconds.
const END_TO_END: [f64; 13] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// Bounds of how long a partition takes to be restored, in seconds: the aim is 0.2.
const RESTORE: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0];

/// Bounds of the time one turn of the loop spends on new records, in seconds.
const PROCESSING: [f64; 10] = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0];

/// Bounds of the time a call of the handler takes, in seconds; the default limit is 5.
const CALL: [f64; 11] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// The metrics of one process's consumer; clones share them.
#[derive(Clone)]
pub(crate) struct ConsumerMetrics {
    orders: [IntCounter; 3],
    retries: IntCounterVec,
    dead_letters: IntCounterVec,
    write_failures: IntCounter,
    decoded: [IntCounter; 3],
    decode_errors: IntCounterVec,
    retry_delay: Histogram,
    end_to_end: Histogram,
    restore: Histogram,
    processing: Histogram,
    calls: [IntCounter; 4],
    call_duration: Histogram,
    rebalances: IntCounterVec,
    commits: IntCounterVec,
    gauges: ConsumerGauges,
}

impl ConsumerMetrics {
    /// Registers the metrics; every series that is known beforehand starts at 0.
    pub(crate) fn register(scope: &Scope, topic: &str, max_retries: u32) -> Self {
        let counters = |metric: &names::Metric| scope.register(IntCounterVec::new(scope.of(metric), metric.labels));
        let counter = |metric| scope.register(IntCounter::with_opts(scope.of(metric)));
        let histogram =
            |metric, bounds: &[f64]| scope.register(Histogram::with_opts(scope.histogram_of(metric, bounds)));
        let orders = counters(&names::CONSUMER_ORDERS_TOTAL);
        let decoded = counters(&names::AVRO_DECODED_RECORDS_TOTAL);
        let calls = counters(&names::CONSUMER_HANDLER_CALLS_TOTAL);
        let metrics = Self {
            orders: ["succeeded", "dead_lettered", "skipped"].map(|outcome| orders.with_label_values(&[outcome])),
            retries: counters(&names::CONSUMER_RETRIES_TOTAL),
            dead_letters: counters(&names::CONSUMER_DEAD_LETTERS_TOTAL),
            write_failures: counter(&names::CONSUMER_DEAD_LETTER_WRITE_FAILURES_TOTAL),
            decoded: ["exact", "plan", "fallback"].map(|path| decoded.with_label_values(&[path])),
            decode_errors: counters(&names::AVRO_DECODE_ERRORS_TOTAL),
            retry_delay: histogram(&names::CONSUMER_RETRY_START_DELAY_SECONDS, &RETRY_DELAY),
            end_to_end: histogram(&names::CONSUMER_END_TO_END_LATENCY_SECONDS, &END_TO_END),
            restore: histogram(&names::CONSUMER_RESTORE_DURATION_SECONDS, &RESTORE),
            processing: histogram(&names::CONSUMER_PROCESSING_DURATION_SECONDS, &PROCESSING),
            calls: ["done", "transient", "rejected", "panicked"].map(|result| calls.with_label_values(&[result])),
            call_duration: histogram(&names::CONSUMER_HANDLER_CALL_DURATION_SECONDS, &CALL),
            rebalances: counters(&names::CONSUMER_REBALANCES_TOTAL),
            commits: counters(&names::CONSUMER_COMMITS_TOTAL),
            gauges: ConsumerGauges::register(scope, topic),
        };
        metrics.start_at_zero(max_retries);
        metrics
    }

    fn start_at_zero(&self, max_retries: u32) {
        for class in FailureClass::ALL {
            if class.disposition().is_some() {
                self.dead_letters.with_label_values(&[class.as_str()]);
            }
            let retries = match class.treatment() {
                Treatment::Retry => max_retries,
                Treatment::RetryOnce => max_retries.min(1),
                Treatment::DeadLetter | Treatment::Hold | Treatment::Skip => 0,
            };
            for number in 1..=retries {
                self.retries.with_label_values(&[class.as_str(), &number.to_string()]);
            }
        }
        for reason in DecodeReason::ALL {
            self.decode_errors.with_label_values(&[reason.as_str()]);
        }
        for kind in ["assign", "revoke", "lost"] {
            self.rebalances.with_label_values(&[kind]);
        }
        for result in ["committed", "failed"] {
            self.commits.with_label_values(&[result]);
        }
    }

    /// An order was handled so long after it was made.
    pub(crate) fn note_latency(&self, latency: Duration) {
        self.end_to_end.observe(latency.as_secs_f64());
    }

    /// A partition was restored and claimed so long after it came.
    pub(crate) fn note_restored(&self, spent: Duration) {
        self.restore.observe(spent.as_secs_f64());
    }

    /// One turn of the loop spent so long on new records.
    pub(crate) fn note_processing(&self, spent: Duration) {
        self.processing.observe(spent.as_secs_f64());
    }

    /// A call of the handler came to this, after so long.
    pub(crate) fn note_call(&self, answer: &Answer, took: Duration) {
        let [done, transient, rejected, panicked] = &self.calls;
        let result = match answer {
            Answer::Done => done,
            Answer::Failed(fault) if fault.class == FailureClass::Rejected => rejected,
            Answer::Failed(fault) if fault.class == FailureClass::HandlerPanic => panicked,
            Answer::Failed(_) => transient,
        };
        result.inc();
        self.call_duration.observe(took.as_secs_f64());
    }

    /// Counts what was decoded between two looks at one thread's decoder.
    pub(crate) fn note_decoded(&self, before: DecodePaths, after: DecodePaths) {
        let grown = [after.exact - before.exact, after.plan - before.plan, after.fallback - before.fallback];
        for (counter, grown) in self.decoded.iter().zip(grown) {
            counter.inc_by(grown);
        }
    }

    /// Bytes were no order, for this reason.
    pub(crate) fn note_undecodable(&self, reason: DecodeReason) {
        self.decode_errors.with_label_values(&[reason.as_str()]).inc();
    }

    /// A retry started so late.
    pub(crate) fn note_retry_start(&self, late: Duration) {
        self.retry_delay.observe(late.as_secs_f64());
    }

    /// A retry was arranged.
    pub(crate) fn note_retry(&self, class: FailureClass, number: u8) {
        self.retries.with_label_values(&[class.as_str(), &number.to_string()]).inc();
    }

    /// So many writes of dead letters failed.
    pub(crate) fn note_write_failures(&self, count: usize) {
        self.write_failures.inc_by(count as u64);
    }

    /// A dead letter is in its topic.
    pub(crate) fn note_dead_letter(&self, class: FailureClass) {
        self.dead_letters.with_label_values(&[class.as_str()]).inc();
    }

    /// A commit was answered.
    pub(crate) fn note_commit(&self, is_committed: bool) {
        self.commits.with_label_values(&[if is_committed { "committed" } else { "failed" }]).inc();
    }

    /// Partitions came (`assign`), went (`revoke`), or were taken (`lost`).
    pub(crate) fn note_rebalance(&self, kind: &str) {
        self.rebalances.with_label_values(&[kind]).inc();
    }

    /// Counts what was resolved between two looks at the counters of one thread.
    pub(crate) fn note_resolved(&self, before: &Counters, after: &Counters) {
        let grown = [
            after.succeeded - before.succeeded,
            after.dead_lettered - before.dead_lettered,
            after.skipped - before.skipped,
        ];
        for (counter, grown) in self.orders.iter().zip(grown) {
            counter.inc_by(grown);
        }
    }

    /// From now on the gauges show this of thread `number`.
    pub(crate) fn publish(&self, number: usize, reading: Reading) {
        self.gauges.publish(number, reading);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    fn text(scope: &Scope) -> String {
        TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text")
    }

    #[test]
    fn known_series_start_at_zero() {
        let scope = Scope::new(Registry::new());
        let _metrics = ConsumerMetrics::register(&scope, "orders", 3);
        let text = text(&scope);
        for series in [
            "orders_total{outcome=\"succeeded\"} 0\n",
            "retries_total{class=\"transient\",number=\"3\"} 0\n",
            "dead_letters_total{class=\"undecodable\"} 0\n",
            "decode_errors_total{reason=\"truncated\"} 0\n",
            "rebalances_total{kind=\"lost\"} 0\n",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
    }
}
