//! `worker produce`: orders from a source to the topic, at a pace, with every answer of the broker counted.
//!
//! The loop is this thread's alone: orders that are due are sent in small batches, reports are taken between them.
//! Deliberately never makes the topic, and never drops an order it began to send: each ends acknowledged or failed.

mod flight;
mod pace;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use engine::time::Time;
use schemas::codec::Encoder;
use serde_json::json;
use snafu::{ResultExt, Snafu};

pub(crate) use flight::Flown;

use self::flight::Flight;
use self::pace::Pacer;
use self::tally::Tally;
use super::{Ending, Outcome, RoleContext, RoleError, chain, standalone};
use crate::config::{OnBadLine, Orders, Produce};
use crate::events::producer::{Acknowledged, Draining, LineSkipped, LinesSkipped, NotDelivered, Started};
use crate::kafka::sink::{self, Delivery, Sent, Sink, Undelivered};
use crate::kafka::topic;
use crate::metrics::producer::ProducerMetrics;
use crate::report::{Produced, Report};
use crate::screen::{Gate, Price, ProduceProgress, SentLine, Ticker};
use crate::source::{self, BadLine, OrderSource, Step};

/// The role's name, in its status and metrics.
const ROLE: &str = "produce";
/// Orders sent between two looks at the reports and the clock.
const BATCH: u64 = 256;
/// The loop sleeps at least this long, so that high paces do not spin.
const SHORTEST_WAIT: Duration = Duration::from_micros(200);
/// The loop wakes this often whatever happens: to notice a stop, and to show progress.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// How often it is asked again whether more orders are allowed, or there.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// After a stop was asked for, acknowledgements are waited for this long.
const DRAIN: Duration = Duration::from_secs(20);

/// Why nothing was produced, or no more.
#[derive(Debug, Snafu)]
pub enum Error {
    /// The input cannot be used.
    #[snafu(display("no orders to send"))]
    Input {
        /// Why.
        source: source::Error,
    },
    /// A line of the input is no order.
    #[snafu(display("stopped at a line that is no order; mend it, or skip such lines with --on-bad-line skip"))]
    Line {
        /// Which, and why.
        source: BadLine,
    },
    /// The topic cannot be written to.
    #[snafu(display("cannot send orders"))]
    Topic {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<topic::Error> for Error {
    fn from(error: topic::Error) -> Self {
        Error::Topic { source: Box::new(error) }
    }
}

impl From<sink::Error> for Error {
    fn from(error: sink::Error) -> Self {
        Error::Topic { source: Box::new(error) }
    }
}

/// What a producer ends with.
#[derive(Debug)]
pub struct Finished {
    /// For the report.
    pub produced: Produced,
    /// Lines of the input that were no orders.
    pub skipped_lines: u64,
    /// Why it ended before its orders did, other than by being asked to.
    pub stopped_by: Option<Error>,
}

/// How many orders may have been sent by now, asked again and again: back-pressure from whoever reads them.
pub type Allowance<'a> = &'a (dyn Fn() -> u64 + Sync);

/// No back-pressure: a real broker keeps what is sent to it.
pub const UNLIMITED: Allowance<'static> = &|| u64::MAX;

/// `worker produce` as a process of its own.
///
/// # Errors
/// Whatever keeps it from sending orders at all, or from reading on.
pub fn command(config: &Produce) -> Result<Ending, RoleError> {
    standalone(ROLE, &config.common, |context| {
        let finished = run(config, context, UNLIMITED).map_err(|error| RoleError::ran(ROLE, error))?;
        let complete = finished.produced.failed == 0 && finished.stopped_by.is_none();
        if let Some(error) = &finished.stopped_by {
            // What was sent before is reported all the same.
            tracing::error!("{}", chain(error));
        }
        let report = Report {
            pipeline: config.common.pipeline.clone(),
            produced: Some(finished.produced),
            seconds: context.clock.now().since(Time::ZERO).as_secs_f64(),
            ..Report::default()
        };
        let ending = if complete { Ending::Done } else { Ending::Incomplete };
        Ok(Outcome { report, handled: None, ending })
    })
}

/// Sends orders until they are all sent, a stop is asked for, or the input breaks; then waits for the answers.
///
/// # Errors
/// When nothing could be sent: the input cannot be opened, the topic is not there, or no broker answers in time.
pub fn run(config: &Produce, context: &RoleContext, allowance: Allowance<'_>) -> Result<Finished, Error> {
    let ready = context.readiness.handle("producer: waiting for Kafka");
    let source = OrderSource::open(&config.orders).context(InputSnafu)?;
    let (kafka, topic) = (&config.common.kafka, &config.common.topics.orders);
    let tally = Arc::new(Tally::new());
    let shown = Arc::clone(&tally);
    context.status.publish(ROLE, move || json!(shown.status()));
    let metrics = ProducerMetrics::register(&context.metrics, source.known_products());

    let one_shot = config.count.is_some() || matches!(config.orders, Orders::Read { .. });
    let limit = one_shot.then_some(kafka.connect_timeout);
    let Some(partitions) = topic::partitions(kafka, topic, limit, &context.clock, &context.shutdown)? else {
        return Ok(Finished { produced: tally.produced(), skipped_lines: 0, stopped_by: None });
    };
    let sink = Sink::new(kafka, topic, config.compression, context.clock)?;
    let mut run = Run::new(config, context, allowance, source, sink, metrics, tally);
    Started { topic, partitions, orders_per_second: run.pacer.per_second() }.emit(&run.metrics);
    ready.set_ready();
    let stopped_by = run.send_all().err();
    ready.wait_for("producer: done");
    run.finish();
    let (produced, skipped_lines) = (run.tally.produced(), run.tally.skipped_lines());
    Ok(Finished { produced, skipped_lines, stopped_by })
}

/// A producer at work.
struct Run<'a> {
    config: &'a Produce,
    context: &'a RoleContext,
    allowance: Allowance<'a>,
    source: OrderSource,
    /// The source's current order is not sent yet: librdkafka had no room.
    held: bool,
    /// The first order was answered: connections are up, and the schedule runs.
    opened: bool,
    /// Orders handed to librdkafka, or refused by it.
    begun: u64,
    encoder: Encoder,
    payload: Vec<u8>,
    sink: Sink,
    flight: Flight,
    deliveries: Vec<Delivery>,
    pacer: Pacer,
    metrics: ProducerMetrics,
    tally: Arc<Tally>,
    lines: Gate,
    troubles: Gate,
    ticker: Ticker,
}

/// What the loop does next.
enum Next {
    /// Goes on at once.
    Continue,
    /// Waits for reports, at most this long.
    Wait(Duration),
    /// Sends nothing more.
    Finish,
}

impl<'a> Run<'a> {
    fn new(
        config: &'a Produce,
        context: &'a RoleContext,
        allowance: Allowance<'a>,
        source: OrderSource,
        sink: Sink,
        metrics: ProducerMetrics,
        tally: Arc<Tally>,
    ) -> Self {
        let now = context.clock.now();
        Self {
            config,
            context,
            allowance,
            source,
            held: false,
            opened: false,
            begun: 0,
            encoder: Encoder::new(config.schema_version, config.encoding),
            payload: Vec::new(),
            sink,
            flight: Flight::default(),
            deliveries: Vec::new(),
            pacer: Pacer::new(config.pace, now),
            metrics,
            tally,
            lines: Gate::default(),
            troubles: Gate::default(),
            ticker: Ticker::new(now),
        }
    }

    /// Sends what is due until nothing more is to be sent.
    fn send_all(&mut self) -> Result<(), Error> {
        while !self.context.shutdown.is_draining() {
            self.settle();
            match self.send_due()? {
                Next::Continue => {}
                Next::Wait(limit) => self.sink.wait(limit.clamp(SHORTEST_WAIT, LONGEST_WAIT)),
                Next::Finish => break,
            }
        }
        Ok(())
    }

    /// Sends what is due now, a batch at most.
    fn send_due(&mut self) -> Result<Next, Error> {
        let (now, wall) = (self.context.clock.now(), self.context.clock.wall_milliseconds());
        if !self.opens(now) {
            return Ok(Next::Wait(LONGEST_WAIT));
        }
        let left = self.config.count.map_or(u64::MAX, |count| count.get() - self.begun);
        let allowed = (self.allowance)().saturating_sub(self.begun);
        let due = self.pacer.due(now);
        let batch = if self.opened { BATCH } else { 1 };
        for _ in 0..due.min(left).min(allowed).min(batch) {
            if !self.held {
                match self.source.advance(wall).context(InputSnafu)? {
                    Step::Order => {}
                    Step::Bad(line) => {
                        self.refuse(line, now)?;
                        continue;
                    }
                    Step::Later => return Ok(Next::Wait(ASK_AGAIN)),
                    Step::End => return Ok(Next::Finish),
                }
            }
            self.held = !self.send(now);
            if self.held {
                return Ok(Next::Wait(LONGEST_WAIT));
            }
        }
        Ok(match () {
            () if self.config.count.is_some_and(|count| count.get() == self.begun) => Next::Finish,
            () if allowed == 0 => Next::Wait(ASK_AGAIN),
            () if due == 0 => Next::Wait(self.pacer.until_due(now)),
            () => Next::Continue,
        })
    }

    /// The first order goes alone: it connects, which takes half a second of librdkafka's. The schedule begins with its
    /// answer, so that the others are not late before they were ever due.
    fn opens(&mut self, now: Time) -> bool {
        if !self.opened && self.begun > 0 && self.flight.len() == 0 {
            self.pacer.restart_after_first(now);
            self.opened = true;
        }
        self.opened || self.begun == 0
    }

    /// A line that is no order ends the run, or is named and counted.
    fn refuse(&mut self, line: BadLine, now: Time) -> Result<(), Error> {
        match &self.config.orders {
            Orders::Read { on_bad_line: OnBadLine::Skip, .. } => {
                self.tally.skip_line();
                LineSkipped { line: &line, told: self.troubles.admits(now) }.emit();
                Ok(())
            }
            Orders::Read { on_bad_line: OnBadLine::Fail, .. } | Orders::Generated(_) => Err(line).context(LineSnafu),
        }
    }

    /// Sends the source's current order; false when there is no room for it.
    fn send(&mut self, now: Time) -> bool {
        let draft = self.source.draft();
        self.payload.clear();
        self.encoder.encode(&draft.order, &mut self.payload);
        let order = &draft.order;
        let told = self.lines.admits(now);
        let flown = Flown {
            due: self.pacer.peek(now),
            product: self.metrics.product(order.product.as_str()),
            price_minor: order.price.minor(),
            currency: order.currency,
            names: told.then(|| Box::new((order.order_id.to_string(), order.product.to_string()))),
        };
        let slot = self.flight.depart(flown);
        let sent = self.sink.send(draft.key, &self.payload, slot);
        if sent == Sent::Full {
            let _not_sent = self.flight.arrive(slot).is_some();
            return false;
        }
        self.pacer.release();
        self.begun += 1;
        if let Sent::Refused(reason) = sent {
            self.settle_one(Delivery { token: slot, at: now, result: Err(reason) });
        }
        true
    }

    /// Takes the reports that have come, and shows how far the run is.
    fn settle(&mut self) {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        self.sink.take(&mut deliveries);
        deliveries.drain(..).for_each(|delivery| self.settle_one(delivery));
        self.deliveries = deliveries;
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

    fn settle_one(&mut self, delivery: Delivery) {
        let Some(order) = self.flight.arrive(delivery.token) else { return };
        match delivery.result {
            Ok(place) => self.acknowledged(&order, place, delivery.at),
            Err(reason) => self.failed(&order, reason, delivery.at),
        }
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
            of: self.config.count.map(std::num::NonZeroU64::get),
            per_second,
        }
    }

    /// Waits for the answers that are missing. Once a stop is asked for that takes [`DRAIN`] at most; what is then not
    /// acknowledged has failed.
    fn finish(&mut self) {
        if self.context.shutdown.is_draining() && self.flight.len() > 0 {
            Draining { in_flight: self.flight.len() }.emit();
        }
        let (mut deadline, mut gave_up) = (None, false);
        self.settle();
        while self.flight.len() > 0 {
            self.sink.wait(LONGEST_WAIT);
            self.settle();
            let now = self.context.clock.now();
            if self.context.shutdown.is_draining() && now >= *deadline.get_or_insert(now + DRAIN) && !gave_up {
                self.sink.give_up();
                gave_up = true;
            }
        }
        let count = self.tally.skipped_lines();
        if count > 0 {
            LinesSkipped { count }.emit();
        }
    }
}

#[cfg(test)]
mod tests;
