//! Before the first record: the brokers answer, both topics exist, the group is joined.
//!
//! A service waits for its brokers for as long as it takes; a one-shot run gives up after `--connect-timeout`.
//! Deliberately makes no topic: that is `worker prepare`.

use std::thread::Thread;
use std::time::Duration;

use engine::breaker::FloodGuard;
use engine::retry::RetryPolicy;
use runtime::{ReadyHandle, Shutdown};
use schemas::codec::Decoder;
use snafu::{OptionExt, ResultExt, ensure};

use super::consumer_loop::ConsumerLoop;
use super::desk::Desk;
use super::graveyard::{Graveyard, Names};
use super::judge::Judge;
use super::watch::{Shown, Watch};
use super::{
    DeadLettersSnafu, Error, ReadSnafu, RetryPolicySnafu, StoppedSnafu, TopicMissingSnafu, UnreachableSnafu,
    WriterSchemaSnafu,
};
use crate::clock::Clock;
use crate::config::{Consume, Retry};
use crate::handler::Handler;
use crate::kafka::dead_letter_sink::DeadLetterSink;
use crate::kafka::source::Source;
use crate::roles::chain;

/// How long after an unanswered question it is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What a consumer thread is given.
pub(crate) struct Surroundings {
    /// Reads the time.
    pub(crate) clock: Clock,
    /// Ends the run.
    pub(crate) shutdown: Shutdown,
    /// Says what is waited for.
    pub(crate) ready: ReadyHandle,
    /// Which of the process's consumer threads this is.
    pub(crate) number: usize,
    /// Where it is seen.
    pub(crate) shown: Shown,
}

/// Connects, joins the group and answers with a loop that is ready to run on this thread.
pub(crate) fn connect(config: &Consume, surroundings: Surroundings) -> Result<ConsumerLoop<'_>, Error> {
    let Surroundings { clock, shutdown, ready, number, shown } = surroundings;
    let common = &config.common;
    let decoder = Decoder::without_registry(common.writer_schema.as_deref()).context(WriterSchemaSnafu)?;
    let policy = policy(&config.retry)?;
    let waker: Thread = std::thread::current();
    let (topic, group) = (&common.topics.orders, &common.group_id);
    let source = Source::new(&common.kafka, group, topic, waker.clone()).context(ReadSnafu { topic })?;
    let waiting = Waiting { config, clock: &clock, shutdown: &shutdown, source: &source };
    waiting.partitions_of(topic, "--topic")?;
    let graves = waiting.partitions_of(&common.topics.dead_letter, "--dead-letter-topic")?;
    let sink = DeadLetterSink::new(&common.kafka, &common.topics.dead_letter, graves, waker);
    let names = Names { topic: topic.clone(), group: group.clone(), pipeline: common.pipeline.clone() };
    let graveyard = Graveyard::new(sink.context(DeadLettersSnafu)?, names);
    source.join().context(ReadSnafu { topic })?;
    let watch = Watch::new(config, shown, number, clock.now());
    let judge = Judge::new(decoder, Handler::new(&config.handler), config.max_price);
    let flood = FloodGuard::new(f64::from(config.max_dead_letter_ratio_percent));
    let desk = Desk { config, judge, graveyard, watch, flood, clock, product: Vec::new() };
    Ok(ConsumerLoop::new(desk, source, policy, shutdown, ready))
}

fn policy(retry: &Retry) -> Result<RetryPolicy, Error> {
    let Retry { max_retries, initial_backoff, backoff_multiplier, max_backoff, jitter_percent } = *retry;
    RetryPolicy::new(max_retries, initial_backoff, backoff_multiplier, max_backoff, f64::from(jitter_percent))
        .context(RetryPolicySnafu)
}

/// Asks until somebody answers.
struct Waiting<'w> {
    config: &'w Consume,
    clock: &'w Clock,
    shutdown: &'w Shutdown,
    source: &'w Source,
}

impl Waiting<'_> {
    /// How many partitions a topic has, which `flag` names.
    fn partitions_of(&self, topic: &str, flag: &'static str) -> Result<i32, Error> {
        let kafka = &self.config.common.kafka;
        let start = self.clock.now();
        loop {
            let addresses = &kafka.bootstrap_servers;
            match self.source.partitions_of(topic) {
                Ok(found) => return found.context(TopicMissingSnafu { topic, addresses, flag }),
                Err(error) => {
                    let trouble = self.source.trouble().unwrap_or_else(|| chain(&error));
                    let limit = kafka.connect_timeout;
                    let is_late = self.config.until_idle.is_some() && self.clock.now().since(start) >= limit;
                    ensure!(!is_late, UnreachableSnafu { addresses, limit, trouble: format!(" ({trouble})") });
                    tracing::debug!(target: "kafka", "{addresses}: {trouble}; asking again");
                }
            }
            ensure!(!self.shutdown.wait_timeout(ASK_AGAIN_AFTER), StoppedSnafu { addresses });
        }
    }
}
