//! `worker produce`: orders from a source to the topic, at a pace, with every answer of the broker counted.
//!
//! One thread does it all: `sending` has the loop, `answers` the counts.
//! Deliberately never makes the topic, and never drops an order it began to send: each ends acknowledged or failed.

mod sending;

mod answers;
mod pace;

mod flight;
mod framing;
mod tally;

use std::num::NonZeroU64;
use std::sync::Arc;

use engine::time::Time;
use serde_json::json;
use snafu::{ResultExt, Snafu};

pub(crate) use flight::Flown;

use self::answers::Answers;
use self::framing::Framing;
use self::pace::Pacer;
use self::sending::{Progress, Sending};
use self::tally::Tally;
use super::{Ending, Outcome, RoleContext, RoleError, chain, standalone};
use crate::config::{Orders, Produce};
use crate::events::producer::{Ended, Started};
use crate::kafka::renewal::Renewal;
use crate::kafka::sink::{self, Sink};
use crate::kafka::topic;
use crate::metrics::producer::ProducerMetrics;
use crate::registry;
use crate::report::{Produced, Report};
use crate::source::{self, BadLine, OrderSource};

/// The role's name, in its status and metrics.
pub(crate) const ROLE: &str = "produce";

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
    /// There is no schema id to frame records with.
    #[snafu(display("cannot write framed orders"))]
    Schema {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The topic cannot be written to.
    #[snafu(display("cannot send orders"))]
    Topic {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        Error::Schema { source: Box::new(error) }
    }
}

impl From<registry::Refusal> for Error {
    fn from(refusal: registry::Refusal) -> Self {
        Error::Schema { source: Box::new(refusal) }
    }
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
    let renewal = Renewal::of(kafka, context.clock.now());
    let Some(framing) = Framing::learn(config, context, limit, &ready)? else {
        return Ok(Finished { produced: tally.produced(), skipped_lines: 0, stopped_by: None });
    };
    let mut sending = Sending {
        config,
        context,
        allowance,
        source,
        sink: Sink::new(kafka, topic, config.compression, context.clock)?,
        renewal,
        answers: Answers::new(context, config.count.map(NonZeroU64::get), metrics, Arc::clone(&tally)),
        pacer: Pacer::new(config.pace, context.clock.now()),
        encoder: framing.encoder(),
        framing,
        progress: Progress::default(),
    };
    Started { topic, partitions, orders_per_second: sending.pacer.per_second() }.emit(sending.answers.metrics());
    ready.set_ready();
    let stopped_by = sending.send_all().err();
    ready.wait_for("producer: done");
    sending.wait_for_answers();
    let (produced, skipped_lines) = (tally.produced(), tally.skipped_lines());
    Ended { produced: &produced, skipped_lines, told: !context.screen.is_shown() }.emit();
    Ok(Finished { produced, skipped_lines, stopped_by })
}

#[cfg(test)]
mod tests;
