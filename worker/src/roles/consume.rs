//! `worker consume`: reads orders, handles them, retries, gives up, and keeps running totals.
//!
//! One thread for each of `--consumers`, each a member of the group with partitions of its own; what they did is added
//! up at the end. Deliberately thin: the work is in `consumer`.

use std::sync::{Arc, PoisonError};

use engine::snapshot::Counters;
use engine::totals::Totals;
use serde_json::json;
use snafu::ResultExt;

use super::report::group_totals;
use super::standalone::{Outcome, standalone};
use super::{Ending, RoleContext, RoleError, chain};
use crate::config::{Consume, Registry, StateMode};
use crate::consumer::{
    Board, Ended, Error, Handled, Progress, RegistrySnafu, Shown, Surroundings, ThreadStatus, connect, joined,
};
use crate::metrics::consumer::ConsumerMetrics;
use crate::metrics::registry::RegistryMetrics;
use crate::registry::{Chance, Client, Schemas};
use crate::report::{self, Consumed, CurrencyTotal, ProductTotal, Report};
use crate::screen;

/// The role's name in metrics, status and messages.
pub(crate) const ROLE: &str = "consume";

/// Runs the role to its end.
///
/// # Errors
/// When the brokers cannot be reached in time, a topic is missing, or a partition cannot be read any more.
pub fn command(config: &Consume) -> Result<Ending, RoleError> {
    standalone(ROLE, &config.common, |context| {
        let start = context.clock.now();
        let mut ended = run(config, context, &Arc::default()).map_err(|error| RoleError::ran(ROLE, error))?;
        if config.common.state_mode == StateMode::Durable && ended.is_certain {
            take_group_totals(config, context, &mut ended);
        }
        let mut report = report(config, &ended);
        report.seconds = context.clock.now().since(start).as_secs_f64();
        Ok(Outcome { report, handled: Some(summary(&ended.handled)), ending: Ending::Done })
    })
}

/// The report is about the group: all its partitions, whoever has them.
fn take_group_totals(config: &Consume, context: &RoleContext, ended: &mut Ended) {
    match group_totals(&config.common, context.clock) {
        Ok((totals, counters)) => (ended.totals, ended.counters) = (totals, counters),
        Err(error) => {
            tracing::warn!(target: "orders", "{}; the report is about this process's partitions alone", chain(&error));
        }
    }
}

/// Consumes until drained or idle, in the process of `context`.
///
/// # Errors
/// The first error of any thread; the others are drained before it is returned.
pub(crate) fn run(config: &Consume, context: &RoleContext, progress: &Arc<Progress>) -> Result<Ended, Error> {
    let metrics = ConsumerMetrics::register(&context.metrics, &config.common.topics.orders, config.retry.max_retries);
    let boards: Vec<Board> = (0..config.consumers).map(|_| Board::default()).collect();
    publish_status(context, boards.clone());
    let schemas = config.common.registry.as_ref().map(|registry| schemas(registry, context)).transpose()?;
    let results: Vec<Result<Ended, Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = boards
            .into_iter()
            .enumerate()
            .map(|(number, board)| {
                let metrics = metrics.clone();
                let name = format!("consumer-{number}");
                let (progress, schemas) = (Arc::clone(progress), schemas.clone());
                let shown = Shown { screen: context.screen.clone(), metrics, board };
                let body = move || run_thread(config, context, shown, number, progress, schemas);
                std::thread::Builder::new().name(name).spawn_scoped(scope, body).expect("the system has threads left")
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a consumer thread does not panic")).collect()
    });
    let (totals, counters, handled) = (Totals::new(), Counters::default(), Handled::default());
    let mut all = Ended { totals, counters, handled, is_certain: true };
    for result in results {
        add(&mut all, &result?);
    }
    Ok(all)
}

/// One consumer thread; when it fails, the others are told to end.
fn run_thread(
    config: &Consume,
    context: &RoleContext,
    shown: Shown,
    number: usize,
    progress: Arc<Progress>,
    schemas: Option<Schemas>,
) -> Result<Ended, Error> {
    let surroundings = Surroundings {
        clock: context.clock,
        shutdown: context.shutdown.clone(),
        ready: context.readiness.handle(format!("consumer {number}: waiting for Kafka")),
        number,
        shown,
        progress,
        schemas,
    };
    let result = connect(config, surroundings).and_then(|consumer| consumer.run());
    if result.is_err() {
        context.shutdown.drain();
    }
    result
}

/// Where the threads look schemas up; nothing is asked yet.
fn schemas(registry: &Registry, context: &RoleContext) -> Result<Schemas, Error> {
    let client = Client::new(registry, Some(RegistryMetrics::register(&context.metrics))).context(RegistrySnafu)?;
    let chance = Chance::new((gethostname::gethostname(), std::process::id(), context.clock.wall_milliseconds()));
    Ok(Schemas::start(client, context.clock, chance))
}

/// `/status` shows what the threads last said, together.
fn publish_status(context: &RoleContext, boards: Vec<Board>) {
    context.status.publish(ROLE, move || {
        let threads: Vec<ThreadStatus> =
            boards.iter().map(|board| board.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect();
        json!(joined(&threads))
    });
}

fn add(all: &mut Ended, one: &Ended) {
    all.is_certain &= one.is_certain;
    all.totals.merge(&one.totals);
    all.counters.merge(&one.counters);
    all.handled.records += one.handled.records;
    // Percentiles of several threads cannot be added: the slowest thread's are shown.
    let slower = |a: Option<crate::report::Latency>, b: Option<crate::report::Latency>| match (a, b) {
        (Some(a), Some(b)) => Some(if a.p99 >= b.p99 { a } else { b }),
        (a, b) => a.or(b),
    };
    all.handled.latency = slower(all.handled.latency, one.handled.latency);
    all.handled.retry_delay = slower(all.handled.retry_delay, one.handled.retry_delay);
    all.handled.span.merge(one.handled.span);
}

/// The report of what `ended` tells; its `seconds` are still to be set.
pub(crate) fn report(config: &Consume, ended: &Ended) -> Report {
    let least = usize::try_from(config.retry.max_retries).unwrap_or(0);
    Report {
        pipeline: config.common.pipeline.clone(),
        consumed: Some(Consumed::new(&ended.counters, least)),
        overall: Some(CurrencyTotal::overall(&ended.totals)),
        products: Some(ProductTotal::products(&ended.totals)),
        handled: speed(&ended.handled),
        ..Report::default()
    }
}

/// How fast it was; `None` if there was nothing to handle.
fn speed(handled: &Handled) -> Option<report::Handled> {
    Some(report::Handled {
        taken_in_seconds: handled.span.taking_in()?.as_secs_f64(),
        resolved_seconds: handled.span.resolving()?.as_secs_f64(),
        latency_milliseconds: handled.latency,
        retry_delay_milliseconds: handled.retry_delay,
    })
}

/// What the summary table shows of it.
pub(crate) fn summary(handled: &Handled) -> screen::Handled {
    screen::Handled { records: handled.records, latency: handled.latency }
}
