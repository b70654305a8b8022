//! `worker demo`: the whole pipeline in one process, on a broker of its own or on topics of its own on a real one.
//!
//! Producer, consumer and dead-letter consumer run side by side, each as it would alone; this file only starts them,
//! waits until every order is accounted for, and stops them in order. Deliberately never writes into a topic that was
//! there before.

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime::Shutdown;
use snafu::{ResultExt, Snafu};

use self::stage::Stage;
use super::standalone::{Outcome, standalone};
use super::{Ending, RoleContext, RoleError, chain, consume, dead_letters, produce};
use crate::config::{Consume, DeadLetters, Demo, Produce};
use crate::consumer::{self, Ended, Progress};
use crate::kafka::{admin, embedded};
use crate::metrics::dead_letters::DeadLetterMetrics;
use crate::report::{DeadLetterTotals, Report};

/// The role's name in messages.
const ROLE: &str = "demo";

/// How often the demo looks how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long after the last order is resolved the dead-letter consumer may take to see the last dead letter.
const DEAD_LETTERS_WITHIN: Duration = Duration::from_secs(30);

/// On the embedded broker the producer is never further ahead of the consumer than this, or the broker, which keeps 5 MiB
/// a partition, would drop orders that nobody has read.
const MOST_AHEAD: u64 = 60_000;

/// Why the demo did not run.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// The embedded broker.
    #[snafu(display("cannot start the demo's broker"))]
    Broker {
        /// Why.
        source: embedded::Error,
    },
    /// The real broker.
    #[snafu(display("cannot make the demo's topics"))]
    Topics {
        /// Why.
        #[snafu(source(from(admin::Error, Box::new)))]
        source: Box<admin::Error>,
    },
    /// The producer.
    #[snafu(display("the demo's producer gave up"))]
    Produce {
        /// Why.
        source: produce::Error,
    },
    /// The consumer.
    #[snafu(display("the demo's consumer gave up"))]
    Consume {
        /// Why.
        #[snafu(source(from(consumer::Error, Box::new)))]
        source: Box<consumer::Error>,
    },
    /// The dead-letter consumer.
    #[snafu(display("the demo's dead-letter consumer gave up"))]
    DeadLetters {
        /// Why.
        #[snafu(source(from(dead_letters::Error, Box::new)))]
        source: Box<dead_letters::Error>,
    },
}

/// Runs the demo to its end.
///
/// # Errors
/// When a role gives up. A demo in which an order is not accounted for ends [`Ending::Incomplete`].
pub fn run(config: &Demo) -> Result<Ending, RoleError> {
    let mut common = config.common.clone();
    if !config.admin_address_given && std::net::TcpListener::bind(common.admin_address).is_err() {
        common.admin_address.set_port(0);
    }
    standalone(ROLE, &common, |context| {
        let stage = Stage::set(config, context).map_err(|error| RoleError::ran(ROLE, error))?;
        stage.introduce(context);
        let acts = play(&stage, context).map_err(|error| RoleError::ran(ROLE, error))?;
        let ending = acts.judge(context);
        Ok(Outcome { handled: Some(consume::summary(&acts.consumed.handled)), report: acts.report(&stage), ending })
    })
}

/// What the three roles did.
struct Acts {
    produced: produce::Finished,
    consumed: Ended,
    dead_letters: DeadLetterTotals,
    seconds: f64,
}

/// Runs the three roles until every order is accounted for.
fn play(stage: &Stage, context: &RoleContext) -> Result<Acts, Error> {
    let start = context.clock.now();
    let progress = Arc::new(Progress::default());
    let of_role = |role, shutdown: &Shutdown| RoleContext { shutdown: shutdown.clone(), ..context.of_role(role) };
    let (consumer_stop, graves_stop) = (Shutdown::new(), Shutdown::new());
    let consumer_context = of_role(consume::ROLE, &consumer_stop);
    let graves_context = of_role(dead_letters::ROLE, &graves_stop);
    let board = dead_letters::Board::new(DeadLetterMetrics::register(&graves_context.metrics));
    let gone = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            let ended = consume::run(&stage.consume, &consumer_context, &progress);
            gone.store(true, Ordering::Release);
            ended
        });
        let graves = scope.spawn(|| dead_letters::read(&stage.dead_letters, &graves_context, &board));
        let allowance = || if stage.is_embedded() { progress.read() + MOST_AHEAD } else { u64::MAX };
        let produced = produce::run(&stage.produce, &context.of_role(produce::ROLE), &allowance);
        let acknowledged = produced.as_ref().map_or(0, |finished| finished.produced.acknowledged);
        wait(|| progress.resolved() >= acknowledged || gone.load(Ordering::Acquire), Duration::MAX, context);
        consumer_stop.drain();
        let consumed = consumer.join().expect("the consumer does not panic");
        let dead = consumed.as_ref().map_or(0, |ended| ended.counters.dead_lettered);
        wait(|| board.count() >= dead || graves.is_finished(), DEAD_LETTERS_WITHIN, context);
        graves_stop.drain();
        let dead_letters = graves.join().expect("the dead-letter consumer does not panic");
        Ok(Acts {
            produced: produced.context(ProduceSnafu)?,
            consumed: consumed.context(ConsumeSnafu)?,
            dead_letters: dead_letters.context(DeadLettersSnafu)?,
            seconds: context.clock.now().since(start).as_secs_f64(),
        })
    })
}

/// Waits until `is_done`, at most for `limit`.
fn wait(is_done: impl Fn() -> bool, limit: Duration, context: &RoleContext) {
    let start = context.clock.now();
    while !is_done() && context.clock.now().since(start) < limit {
        std::thread::park_timeout(LOOK_EVERY);
    }
}

impl Acts {
    /// Whether every order that was produced is handled or dead-lettered, and every dead letter was seen.
    fn judge(&self, context: &RoleContext) -> Ending {
        let counters = &self.consumed.counters;
        let (sent, seen) = (self.produced.produced.acknowledged, self.dead_letters.count);
        let is_sound = self.produced.produced.failed == 0 && self.produced.stopped_by.is_none();
        if let Some(error) = &self.produced.stopped_by {
            tracing::error!("{}", chain(error));
        }
        if sent != counters.succeeded + counters.dead_lettered {
            context.screen.say(&format!(
                "not every order is accounted for: {sent} produced, {} succeeded, {} dead-lettered",
                counters.succeeded, counters.dead_lettered
            ));
            return Ending::Incomplete;
        }
        if seen != counters.dead_lettered {
            let text = format!("the dead-letter consumer saw {seen} of {} dead letters", counters.dead_lettered);
            context.screen.say(&text);
            return Ending::Incomplete;
        }
        if is_sound { Ending::Done } else { Ending::Incomplete }
    }

    fn report(self, stage: &Stage) -> Report {
        Report {
            produced: Some(self.produced.produced),
            dead_letters: Some(self.dead_letters),
            seconds: self.seconds,
            ..consume::report(&stage.consume, &self.consumed)
        }
    }
}
