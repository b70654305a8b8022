//! What is seen of a consumer: lines and progress for people, counters and gauges for Prometheus, `/status`, the report.
//!
//! Deliberately decides nothing. Counters are counted at the deed, gauges and sums are taken from the engines when they
//! are renewed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::snapshot::Counters;
use engine::time::Time;
use engine::totals::{Total, Totals};
use hdrhistogram::Histogram;
use schemas::codec::{DecodePaths, DecodeReason};
use schemas::order::Order;

use super::assigned::Assigned;
use super::consumer_loop::Ended;
use super::gauges::{Gauges, lags, reading};
use super::graveyard::{Buried, Round};
use super::moment::Moment;
use super::span::Span;
use super::status::ThreadStatus;
use crate::config::{Consume, StateMode};
use crate::handler::{Answer, Fault};
use crate::metrics::consumer::ConsumerMetrics;
use crate::report::Latency;
use crate::screen::{ConsumeProgress, Gate, HandledLine, MovedLine, Price, RetryLine, Screen, Ticker};

/// Of each batch so many records are timed: all of them at low rates, few of them in a drain.
const TIMED_OF_A_BATCH: usize = 32;

/// Longest latency that is told apart, in milliseconds: a day.
const LONGEST_LATENCY: u64 = 86_400_000;

/// What this consumer handled, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Handled {
    /// Records resolved by this process.
    pub(crate) records: u64,
    /// From produced to handled, of orders that succeeded at their first try.
    pub(crate) latency: Option<Latency>,
    /// How late retries started; `None` without retries.
    pub(crate) retry_delay: Option<Latency>,
    /// When records were taken in and resolved.
    pub(crate) span: Span,
}

/// An order that was handled and is to be shown.
pub(crate) struct Sold {
    order_id: String,
    product: String,
    price: Price,
}

/// Counts and shows; see the module.
pub(crate) struct Watch {
    screen: Screen,
    topic: String,
    max_retries: u8,
    span: Span,
    /// Lines about single orders would mix up averages of several threads, so only a single thread shows them.
    shows_orders: bool,
    metrics: ConsumerMetrics,
    board: Board,
    orders: Gate,
    retries: Gate,
    moved: Gate,
    ticker: Ticker,
    latency: Histogram<u64>,
    retry_delay: Histogram<u64>,
    /// Whether totals go with their partitions, or stay with this process.
    is_durable: bool,
    /// Of partitions that went, what stays with this process.
    retired: (Totals, Counters),
    /// What this process did in partitions that went.
    retired_deeds: Counters,
    /// What the counters of Prometheus cover.
    counted: Counters,
    decoded: DecodePaths,
    /// Which of the process's consumer threads this is.
    number: usize,
    /// When everything resolved was last committed.
    committed_at: Time,
    told: Told,
}

/// What was told at the last progress line.
#[derive(Clone, Copy, Default)]
struct Told {
    at: Time,
    records: u64,
}

/// Where a consumer thread is seen.
pub(crate) struct Shown {
    /// What a person sees.
    pub(crate) screen: Screen,
    /// What Prometheus sees.
    pub(crate) metrics: ConsumerMetrics,
    /// What `/status` shows.
    pub(crate) board: Board,
}

/// The newest status of one consumer thread, shared with the admin server.
pub(crate) type Board = Arc<Mutex<ThreadStatus>>;

impl Watch {
    /// Watches one consumer thread from `now` on.
    pub(crate) fn new(config: &Consume, shown: Shown, number: usize, now: Time) -> Self {
        let Shown { screen, metrics, board } = shown;
        let histogram = |longest| Histogram::new_with_bounds(1, longest, 3).expect("the bounds are in order");
        Self {
            shows_orders: screen.is_shown() && config.consumers == 1,
            screen,
            topic: config.common.topics.orders.clone(),
            max_retries: u8::try_from(config.retry.max_retries).unwrap_or(u8::MAX),
            span: Span::default(),
            metrics,
            board,
            orders: Gate::default(),
            retries: Gate::default(),
            moved: Gate::default(),
            ticker: Ticker::new(now),
            latency: histogram(LONGEST_LATENCY),
            retry_delay: histogram(LONGEST_LATENCY * 1000),
            is_durable: config.common.state_mode == StateMode::Durable,
            retired: (Totals::new(), Counters::default()),
            retired_deeds: Counters::default(),
            counted: Counters::default(),
            decoded: DecodePaths::default(),
            number,
            committed_at: now,
            told: Told { at: now, records: 0 },
        }
    }

    /// Records were taken in from `start` to `end`.
    pub(crate) fn note_taken(&mut self, start: Time, end: Time) {
        self.span.note_taken(start, end);
        self.metrics.note_processing(end.since(start));
    }

    /// Retries ran until now.
    pub(crate) fn note_ran(&mut self, now: Time) {
        self.span.note_settled(now);
    }

    /// An order was handled at its first try; `place` is its place in the batch,
    /// and `timestamp` its record's.
    pub(crate) fn note_first_try(&mut self, order: &Order<'_>, timestamp: Option<i64>, moment: Moment, place: usize) {
        if place >= TIMED_OF_A_BATCH {
            return;
        }
        let created = Some(order.created_at_milliseconds).filter(|created| *created > 0).or(timestamp);
        if let Some(created) = created {
            let milliseconds = u64::try_from(moment.wall_milliseconds - created).unwrap_or(0);
            self.latency.saturating_record(milliseconds.max(1));
            self.metrics.note_latency(Duration::from_millis(milliseconds));
        }
    }

    /// The line of a handled order, if it is to be shown.
    pub(crate) fn line_for(&mut self, order: &Order<'_>, moment: Moment) -> Option<Sold> {
        if !self.shows_orders || !self.orders.admits(moment.now) {
            return None;
        }
        let price = Price { minor: order.price.minor(), currency: order.currency };
        Some(Sold { order_id: order.order_id.as_str().to_owned(), product: order.product.as_str().to_owned(), price })
    }

    /// Shows a handled order with the averages as they are now.
    pub(crate) fn show(&self, sold: &Sold, partitions: &[Assigned]) {
        let currency = *sold.price.currency.as_bytes();
        let (mut overall, mut of_product) = (Total::EMPTY, Total::EMPTY);
        for totals in partitions.iter().map(|partition| partition.engine.totals()).chain([&self.retired.0]) {
            for (_, total) in totals.overall().iter().filter(|(code, _)| *code == currency) {
                overall.merge(total);
            }
            if let Some(total) = totals.get(sold.product.as_bytes(), currency) {
                of_product.merge(total);
            }
        }
        self.screen.show(&HandledLine {
            order_id: &sold.order_id,
            product: &sold.product,
            price: sold.price,
            overall: (overall.sum, overall.count),
            of_product: (of_product.sum, of_product.count),
        });
    }

    /// A call of the handler came to this, after so long.
    pub(crate) fn note_call(&self, answer: &Answer, took: Duration) {
        self.metrics.note_call(answer, took);
    }

    /// Bytes did not decode, for this reason.
    pub(crate) fn note_undecodable(&self, reason: DecodeReason) {
        self.metrics.note_undecodable(reason);
    }

    /// A retry started so long after it was due.
    pub(crate) fn note_retry(&mut self, late: Duration) {
        self.retry_delay.saturating_record(u64::try_from(late.as_micros()).unwrap_or(u64::MAX).max(1));
        self.metrics.note_retry_start(late);
    }

    /// A failed order waits for a retry.
    pub(crate) fn note_parked(&mut self, fault: &Fault, id: Option<&str>, retry: u8, delay: Duration, moment: Moment) {
        self.metrics.note_retry(fault.class, retry);
        if self.screen.is_shown() && self.retries.admits(moment.now) {
            self.screen.show(&RetryLine {
                order_id: id.unwrap_or("?"),
                number: u32::from(retry),
                of: u32::from(self.max_retries),
                delay,
                message: &fault.message,
            });
        }
    }

    /// A failed order waits for what it needs.
    pub(crate) fn note_held(&mut self, fault: &Fault, id: Option<&str>, delay: Duration, moment: Moment) {
        if self.retries.admits(moment.now) {
            tracing::warn!(
                target: "orders", order = id, class = fault.class.as_str(), delay = ?delay,
                "held until it can be handled: {}", fault.message
            );
        }
    }

    /// Dead letters were written, or not.
    pub(crate) fn note_buried(&mut self, round: &Round, moment: Moment) {
        if !round.buried.is_empty() {
            self.span.note_settled(moment.now);
        }
        self.metrics.note_write_failures(round.failures);
        for buried in &round.buried {
            self.metrics.note_dead_letter(buried.class);
            self.show_moved(buried, moment);
        }
    }

    fn show_moved(&mut self, buried: &Buried, moment: Moment) {
        if !self.moved.admits(moment.now) {
            return;
        }
        if self.screen.is_shown() {
            self.screen.show(&MovedLine {
                order_id: buried.order_id.as_deref(),
                origin: (&self.topic, buried.partition, buried.offset),
                retries: u32::from(buried.retries),
                message: &buried.message,
            });
        } else {
            tracing::info!(
                target: "orders", order = buried.order_id, partition = buried.partition, offset = buried.offset,
                class = buried.class.as_str(), retries = buried.retries, "moved to the dead letters: {}", buried.message
            );
        }
    }

    /// A commit was answered.
    pub(crate) fn note_commit(&mut self, result: Result<(), &str>, now: Time) {
        self.metrics.note_commit(result.is_ok());
        if result.is_ok() {
            self.committed_at = now;
        }
        if let Err(reason) = result {
            tracing::warn!(target: "kafka", "a commit was not taken: {reason}; it is repeated with the next one");
        }
    }

    /// A partition was restored and claimed so long after it came.
    pub(crate) fn note_restored(&self, partition: i32, spent: Duration) {
        self.metrics.note_restored(spent);
        let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(target: "orders", partition, milliseconds, "totals restored and claimed");
    }

    /// Partitions come or go.
    pub(crate) fn note_rebalance(&mut self, kind: &'static str, numbers: &[i32]) {
        self.metrics.note_rebalance(kind);
        tracing::info!(target: "kafka", partitions = ?numbers, "rebalance: {kind}");
    }

    /// The run is to end.
    pub(crate) fn note_draining(&self, partitions: &[Assigned]) {
        let stored: usize = partitions.iter().map(|partition| partition.engine.stored()).sum();
        if stored > 0 {
            let text = format!(
                "finishing {stored} orders that wait for a retry or a dead letter, at most 20 s; once more to stop at once \
                 (they will be read again)"
            );
            self.screen.say(&text);
        }
    }

    /// A partition goes, and durable totals go with it; others stay in this process's report.
    pub(crate) fn retire(&mut self, partition: &Assigned) {
        self.retired_deeds.merge(&partition.own_counters());
        if self.is_durable {
            return;
        }
        self.retired.0.merge(partition.engine.totals());
        self.retired.1.merge(partition.engine.counters());
    }

    /// Records that were resolved in partitions which are not ours any more.
    pub(crate) fn retired_records(&self) -> u64 {
        self.retired_deeds.records()
    }

    /// How the records ended that this thread resolved.
    fn deeds(&self, partitions: &[Assigned]) -> Counters {
        let mut deeds = self.retired_deeds.clone();
        partitions.iter().for_each(|partition| deeds.merge(&partition.own_counters()));
        deeds
    }

    /// What is told as totals: of its partitions, by whomever, where totals are durable; else what this thread resolved.
    fn sums(&self, partitions: &[Assigned]) -> (Totals, Counters) {
        let (mut totals, mut counters) = self.retired.clone();
        for partition in partitions {
            totals.merge(partition.engine.totals());
            counters.merge(partition.engine.counters());
        }
        (totals, counters)
    }

    /// Renews gauges, status and, once a second while orders come too fast for lines, the progress line.
    pub(crate) fn publish(&mut self, partitions: &mut [Assigned], gauges: &Gauges, paths: DecodePaths, moment: Moment) {
        let now = moment.now;
        let (totals, counters) = self.sums(partitions);
        let deeds = self.deeds(partitions);
        let lags = lags(partitions, gauges);
        let lag = lags.iter().copied().sum();
        self.metrics.note_resolved(&self.counted, &deeds);
        self.metrics.note_decoded(self.decoded, paths);
        (self.counted, self.decoded) = (deeds.clone(), paths);
        self.metrics.publish(self.number, reading(partitions, totals.clone(), gauges, self.committed_at, moment));
        let status = ThreadStatus::of(partitions, &lags, &totals, &counters, gauges);
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = status;
        if self.ticker.ticks(now) {
            let records = deeds.records();
            let seconds = now.since(self.told.at).as_secs_f64();
            let per_second =
                if seconds > 0.0 { (records - self.told.records.min(records)) as f64 / seconds } else { 0.0 };
            self.told = Told { at: now, records };
            if self.screen.is_shown() && (self.orders.is_shut() || !self.shows_orders) && per_second > 0.0 {
                let parked = partitions.iter().map(|partition| partition.engine.occupancy().parked as u64).sum();
                self.screen.say(&ConsumeProgress {
                    records: counters.records(),
                    succeeded: counters.succeeded,
                    parked,
                    retries: counters.retries(),
                    dead_lettered: counters.dead_lettered,
                    lag,
                    per_second,
                });
            }
        }
    }

    /// What is left when the thread ends.
    pub(crate) fn ended(&self, partitions: &[Assigned]) -> Ended {
        let (totals, counters) = self.sums(partitions);
        let handled = Handled {
            records: self.deeds(partitions).records(),
            latency: percentiles(&self.latency, 1.0),
            retry_delay: percentiles(&self.retry_delay, 1000.0),
            span: self.span,
        };
        Ended { totals, counters, handled, is_certain: true }
    }
}

/// Median and 99th percentile in milliseconds; `scale` is how many units of the histogram make one.
fn percentiles(histogram: &Histogram<u64>, scale: f64) -> Option<Latency> {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / scale;
    (!histogram.is_empty()).then(|| Latency { p50: at(0.5), p99: at(0.99) })
}
