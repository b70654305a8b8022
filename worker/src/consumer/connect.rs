//! Before the first record: the brokers answer, both topics exist, the group is joined.
//!
//! A service waits for its brokers for as long as it takes; a one-shot run gives up after `--connect-timeout`.
//! Deliberately makes no topic: that is `worker prepare`.

use std::sync::Arc;
use std::thread::Thread;

use engine::breaker::FloodGuard;
use engine::retry::RetryPolicy;
use runtime::{ReadyHandle, Shutdown};
use schemas::codec::Decoder;
use snafu::{OptionExt, ResultExt, ensure};

use super::calls::Calls;
use super::consumer_loop::{Around, ConsumerLoop};
use super::desk::Desk;
use super::durable::Durable;
use super::graveyard::{Graveyard, Names};
use super::judge::Judge;
use super::progress::Progress;
use super::watch::{Shown, Watch};
use super::{
    DeadLettersSnafu, Error, HandlerSnafu, LookAtStateSnafu, NotCompactedSnafu, ReadSnafu, RetryPolicySnafu,
    StateTopicMissingSnafu, StoppedSnafu, TopicSnafu, WriterSchemaSnafu,
};
use crate::clock::Clock;
use crate::config::{self, BrokerKind, Common, Consume, Retry, StateMode};
use crate::handler::Handler;
use crate::kafka::admin::Admin;
use crate::kafka::dead_letter_sink::DeadLetterSink;
use crate::kafka::rights::{Operation, Resource, grant};
use crate::kafka::source::Source;
use crate::kafka::topic;
use crate::registry::Schemas;

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
    /// How far it is, for whoever paces the producer.
    pub(crate) progress: Arc<Progress>,
    /// Where schemas come from that frames name; absent without a registry.
    pub(crate) schemas: Option<Schemas>,
}

/// Connects, joins the group and answers with a loop that is ready to run on this thread.
pub(crate) fn connect(config: &Consume, surroundings: Surroundings) -> Result<ConsumerLoop<'_>, Error> {
    let Surroundings { clock, shutdown, ready, number, shown, progress, schemas } = surroundings;
    let common = &config.common;
    let writer_schema = common.writer_schema.as_deref();
    let decoder = match &schemas {
        Some(_) => Decoder::with_registry(writer_schema),
        None => Decoder::without_registry(writer_schema),
    }
    .context(WriterSchemaSnafu)?;
    let policy = policy(&config.retry)?;
    let waker: Thread = std::thread::current();
    let calls = match &config.handler {
        config::Handler::Http(http) => Some(Calls::start(config, http, waker.clone(), clock).context(HandlerSnafu)?),
        config::Handler::None | config::Handler::Simulate(_) => None,
    };
    let (topic, group) = (&common.topics.orders, &common.group_id);
    let limit = config.until_idle.and(Some(common.kafka.connect_timeout));
    let partitions = |topic: &str| {
        let found = topic::partitions(&common.kafka, topic, limit, &clock, &shutdown).context(TopicSnafu)?;
        found.context(StoppedSnafu { addresses: &common.kafka.bootstrap_servers })
    };
    partitions(topic)?;
    let graves = i32::try_from(partitions(&common.topics.dead_letter)?).unwrap_or(i32::MAX);
    let durable = match common.state_mode {
        StateMode::None => None,
        StateMode::Durable => {
            look_at_state(common, clock, partitions)?;
            Some(Durable::new(config, clock, waker.clone())?)
        }
    };
    let source = Source::new(&common.kafka, group, topic, waker.clone()).context(ReadSnafu { topic })?;
    let sink = DeadLetterSink::new(&common.kafka, &common.topics.dead_letter, graves, waker);
    let names = Names {
        topic: topic.clone(),
        dead_letter_topic: common.topics.dead_letter.clone(),
        group: group.clone(),
        pipeline: common.pipeline.clone(),
        grant: grant(&common.kafka, Operation::Write, Resource::Topic(&common.topics.dead_letter)),
    };
    let graveyard = Graveyard::new(sink.context(DeadLettersSnafu)?, names);
    source.join().context(ReadSnafu { topic })?;
    let watch = Watch::new(config, shown, number, clock.now());
    let judge = Judge::new(decoder, schemas, Handler::new(&config.handler), config.max_price);
    let flood = FloodGuard::new(f64::from(config.max_dead_letter_ratio_percent));
    let desk = Desk {
        config,
        judge,
        graveyard,
        watch,
        flood,
        calls,
        allowance: usize::MAX,
        heard_answers: 0,
        clock,
        product: Vec::new(),
    };
    Ok(ConsumerLoop::new(desk, source, policy, durable, Around { progress, shutdown, ready }))
}

/// The state topic has to be there, and compacted. Where its settings may not be read, that is left to `worker prepare`.
fn look_at_state(
    common: &Common,
    clock: Clock,
    partitions: impl Fn(&str) -> Result<usize, Error>,
) -> Result<(), Error> {
    let name = &common.topics.state;
    match partitions(name) {
        Err(Error::Topic { source: topic::Error::Missing { topic, addresses } }) => {
            return StateTopicMissingSnafu { topic, addresses }.fail();
        }
        Err(error) => return Err(error),
        Ok(_) if common.kafka.broker_kind == BrokerKind::Embedded => return Ok(()),
        Ok(_) => {}
    }
    let context = || LookAtStateSnafu { topic: name };
    let admin = Admin::connect(&common.kafka, name, clock).context(context())?;
    match admin.settings(name) {
        Ok(settings) => {
            let policy = settings.get("cleanup.policy").map_or("delete", String::as_str);
            ensure!(policy == "compact", NotCompactedSnafu { topic: name, policy });
            Ok(())
        }
        Err(error) if error.is_forbidden() => {
            tracing::warn!(target: "kafka", "{error}; not checked whether it is compacted");
            Ok(())
        }
        Err(error) => Err(error).context(context()),
    }
}

fn policy(retry: &Retry) -> Result<RetryPolicy, Error> {
    let Retry { max_retries, initial_backoff, backoff_multiplier, max_backoff, jitter_percent } = *retry;
    RetryPolicy::new(max_retries, initial_backoff, backoff_multiplier, max_backoff, f64::from(jitter_percent))
        .context(RetryPolicySnafu)
}
