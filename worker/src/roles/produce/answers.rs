//! What comes back: the broker's answer to each order, counted once, shown while orders come slowly.
//!
//! Deliberately sends nothing; an order is entered when it departs, and leaves with its answer.

use std::sync::Arc;

use engine::time::Time;
use schemas::order::Order;

use super::flight::{Flight, Flown};
use super::tally::Tally;
use crate::events::producer::{Acknowledged, LineSkipped, NotDelivered};
use crate::kafka::sink::{Delivery, Undelivered};
use crate::metrics::producer::ProducerMetrics;
use crate::roles::RoleContext;
use crate::screen::{Gate, Price, ProduceProgress, SentLine, Ticker};
use crate::source::BadLine;

/// The orders on their way, and the counts of those that arrived.
pub(super) struct Answers<'a> {
    context: &'a RoleContext,
    /// How many orders there will be; for the progress.
    of: Option<u64>,
    flight: Flight,
    metrics: ProducerMetrics,
    tally: Arc<Tally>,
    lines: Gate,
    troubles: Gate,
    ticker: Ticker,
}

impl<'a> Answers<'a> {
    pub(super) fn new(context: &'a RoleContext, of: Option<u64>, metrics: ProducerMetrics, tally: Arc<Tally>) -> Self {
        let ticker = Ticker::new(context.clock.now());
        let (lines, troubles) = (Gate::default(), Gate::default());
        Self { context, of, flight: Flight::default(), metrics, tally, lines, troubles, ticker }
    }

    /// How many orders are on their way.
    pub(super) fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// For events that count nothing but set a gauge.
    pub(super) fn metrics(&self) -> &ProducerMetrics {
        &self.metrics
    }

    /// Enters an order that was due at `due`; the token by which its answer finds it.
    pub(super) fn depart(&mut self, order: &Order<'_>, due: Time, now: Time) -> usize {
        let told = self.lines.admits(now);
        self.flight.depart(Flown {
            due,
            product: self.metrics.product(order.product.as_str()),
            price_minor: order.price.minor(),
            currency: order.currency,
            names: told.then(|| Box::new((order.order_id.to_string(), order.product.to_string()))),
        })
    }

    /// Takes back an order that did not depart.
    pub(super) fn recall(&mut self, token: usize) {
        self.flight.arrive(token);
    }

    /// Counts the answers, and shows how far the run is.
    pub(super) fn settle(&mut self, deliveries: &mut Vec<Delivery>) {
        deliveries.drain(..).for_each(|delivery| self.arrive(delivery));
        let in_flight = self.flight.len();
        self.tally.set_in_flight(in_flight);
        self.metrics.queued.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
        let now = self.context.clock.now();
        if self.ticker.ticks(now) {
            let per_second = self.tally.acknowledged_since_last(now);
            if self.lines.is_shut() {
                self.context.screen.say(&self.progress(per_second));
            }
        }
    }

    /// Counts one answer.
    pub(super) fn arrive(&mut self, delivery: Delivery) {
        let Some(order) = self.flight.arrive(delivery.token) else { return };
        match delivery.result {
            Ok(place) => self.acknowledged(&order, place, delivery.at),
            Err(reason) => self.failed(&order, reason, delivery.at),
        }
    }

    /// Counts a line that is no order.
    pub(super) fn skip(&mut self, line: &BadLine, now: Time) {
        self.tally.skip_line();
        LineSkipped { line, told: self.troubles.admits(now) }.emit();
    }

    fn acknowledged(&mut self, order: &Flown, (partition, offset): (i32, i64), at: Time) {
        let took = at.since(order.due);
        self.tally.acknowledge(took);
        let screen = &self.context.screen;
        Acknowledged { order, partition, offset, took, told: !screen.is_shown() }.emit(&mut self.metrics);
        if let Some(names) = &order.names {
            let (order_id, product) = (&*names.0, &*names.1);
            let price = Price { minor: order.price_minor, currency: order.currency };
            screen.show(&SentLine { order_id, product, price, partition, offset });
        }
    }

    fn failed(&mut self, order: &Flown, reason: Undelivered, at: Time) {
        self.tally.fail();
        NotDelivered { order, reason, told: self.troubles.admits(at) }.emit(&self.metrics);
    }

    fn progress(&self, per_second: f64) -> ProduceProgress {
        ProduceProgress {
            acknowledged: self.tally.acknowledged(),
            failed: self.tally.failed(),
            in_flight: self.flight.len() as u64,
            of: self.of,
            per_second,
        }
    }
}
