//! What happens to a producer.
//!
//! At high rates orders are not told one by one: the role's gate says which are (`told`). Deliberately nothing about
//! connections: the Kafka client logs those.

use std::time::Duration;

use crate::kafka::sink::Undelivered;
use crate::metrics::producer::ProducerMetrics;
use crate::report::{Latency, Produced};
use crate::roles::produce::Flown;
use crate::source::BadLine;

/// The topic is there, and orders begin to flow.
pub(crate) struct Started<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: usize,
    /// 0 = as fast as it goes.
    pub(crate) orders_per_second: f64,
}

impl Started<'_> {
    pub(crate) fn emit(&self, metrics: &ProducerMetrics) {
        metrics.target.set(self.orders_per_second);
        let Self { topic, partitions, orders_per_second } = self;
        tracing::info!(topic, partitions, orders_per_second, "producing orders");
    }
}

/// All in-sync replicas have an order.
pub(crate) struct Acknowledged<'a> {
    pub(crate) order: &'a Flown,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) took: Duration,
    /// Whether the log has a line for it.
    pub(crate) told: bool,
}

impl Acknowledged<'_> {
    pub(crate) fn emit(&self, metrics: &mut ProducerMetrics) {
        metrics.count_acknowledged(self.order.product, self.order.currency, self.order.price_minor);
        metrics.delivery_seconds.observe(self.took.as_secs_f64());
        if let (true, Some(names)) = (self.told, &self.order.names) {
            let (order, product) = &**names;
            let (partition, offset) = (self.partition, self.offset);
            tracing::info!(order, product, partition, offset, "order sent");
        }
    }
}

/// An order is not in its topic, and will not be.
pub(crate) struct NotDelivered<'a> {
    pub(crate) order: &'a Flown,
    pub(crate) reason: Undelivered,
    /// Whether the log has a line for it.
    pub(crate) told: bool,
}

impl NotDelivered<'_> {
    pub(crate) fn emit(&self, metrics: &ProducerMetrics) {
        metrics.count_failed(self.order.product);
        if self.told {
            let order = self.order.names.as_ref().map_or("", |names| names.0.as_str());
            tracing::warn!(order, reason = %self.reason, "order not delivered");
        }
    }
}

/// A line of the input is no order, and is skipped.
pub(crate) struct LineSkipped<'a> {
    pub(crate) line: &'a BadLine,
    /// Whether the log has a line for it.
    pub(crate) told: bool,
}

impl LineSkipped<'_> {
    pub(crate) fn emit(&self) {
        if self.told {
            tracing::warn!("{}: {}; skipped", self.line, self.line.source);
        }
    }
}

/// The run is over.
pub(crate) struct Ended<'a> {
    pub(crate) produced: &'a Produced,
    pub(crate) skipped_lines: u64,
    /// Whether the log has its figures: where a screen shows them it need not.
    pub(crate) told: bool,
}

impl Ended<'_> {
    pub(crate) fn emit(&self) {
        let Produced { acknowledged, failed, latency_milliseconds } = self.produced;
        if self.told {
            let Latency { p50, p99 } = latency_milliseconds.unwrap_or_default();
            tracing::info!(acknowledged, failed, p50_milliseconds = p50, p99_milliseconds = p99, "production ended");
        }
        if self.skipped_lines > 0 {
            tracing::warn!(count = self.skipped_lines, "lines of the input were no orders and were skipped");
        }
    }
}

/// The producer was asked to stop, and waits for the last acknowledgements.
pub(crate) struct Draining {
    pub(crate) in_flight: usize,
}

impl Draining {
    pub(crate) fn emit(&self) {
        tracing::info!(in_flight = self.in_flight, "waiting for the last acknowledgements");
    }
}
