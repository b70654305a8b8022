//! `worker consume`: its flags, and what they make together.
//!
//! Deliberately also the home of the failure and retry flags, which the demo shares.
use std::time::Duration;

use clap::{Args, ValueEnum};
use snafu::ensure;

use super::check::Groups;
use super::error::{BackoffOrderSnafu, Error, NeedsSnafu, NothingToFailSnafu};
use super::flag_groups::{DecodeArguments, KafkaArguments, ServeArguments, State, TalkArguments, TopicArguments};
use super::http::HttpArguments;
use super::values;
use crate::config::{self, Consume, DecimalPrice, ResetState, Retry, Simulate};

const AFTER_HELP: &str = "\
Examples:
  worker consume --bootstrap-servers localhost:9092
  worker consume --bootstrap-servers localhost:9092 --failure-percent 15
  worker consume --bootstrap-servers localhost:9092 --http-url http://localhost:8000/orders
  worker consume --bootstrap-servers localhost:9092 --until-idle 10s --report totals.json

An order that fails is tried again after 1, 2 and 4 s; only orders of its own key wait for it. After
the last retry it goes to the dead-letter topic, byte for byte as it came.";

/// Consume orders: keep running averages, retry what fails, dead-letter what cannot be saved
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ConsumeArguments {
    /// What is done with an order [default: none; http with --http-url, simulate with a failure flag]
    #[arg(long, value_name = "HANDLER", help_heading = "Handling")]
    handler: Option<HandlerName>,
    /// A handler that takes longer is cancelled, and its order retried
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::positive_duration)]
    #[arg(help_heading = "Handling")]
    handler_timeout: Duration,
    /// An order above this price is invalid, whatever its currency
    #[arg(long, value_name = "PRICE", help_heading = "Handling")]
    max_price: Option<DecimalPrice>,
    #[command(flatten)]
    http: HttpArguments,
    /// Which orders wait for which
    #[arg(long, value_name = "ORDER", default_value = "key", help_heading = "Handling")]
    ordering: Ordering,
    #[command(flatten)]
    failures: FailureArguments,
    /// Which tries of which orders fail: the same in every process and replay
    #[arg(long, value_name = "N", default_value_t = 42, value_parser = values::count, help_heading = "Simulated failures")]
    seed: u64,
    #[command(flatten)]
    retry: RetryArguments,
    /// Stop taking orders when more than this share becomes dead letters (over 1,000 orders in 60 s); 100 = never
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=100))]
    #[arg(help_heading = "Retries")]
    max_dead_letter_ratio_percent: u8,
    /// Where a new group starts
    #[arg(long, value_name = "WHERE", default_value = "earliest", help_heading = "Consuming")]
    start_from: StartFrom,
    /// End when everything is read and resolved, and stays so for this long
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration, help_heading = "Consuming")]
    until_idle: Option<Duration>,
    /// Orders that are with the service of the http handler at a time, all consumers of the process together
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(help_heading = "Consuming")]
    max_in_flight: u32,
    /// Memory for orders that wait for a retry or for their key
    #[arg(long, value_name = "BYTES", default_value = "128MiB", value_parser = values::bytes)]
    #[arg(help_heading = "Consuming")]
    max_parked_bytes: u64,
    /// Consumers in this process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(help_heading = "Consuming")]
    consumers: u16,
    /// Time between two checkpoints
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::positive_duration)]
    #[arg(help_heading = "Consuming")]
    checkpoint_interval: Duration,
    /// Decide about stored totals that do not fit, once for each ID: snapshot, committed or empty
    #[arg(long, value_name = "MODE:ID", value_parser = values::reset_state, help_heading = "Consuming")]
    reset_state: Option<ResetState>,
    #[command(flatten)]
    decode: DecodeArguments,
    #[command(flatten)]
    kafka: KafkaArguments,
    #[command(flatten)]
    topics: TopicArguments,
    #[command(flatten)]
    serve: ServeArguments,
    #[command(flatten)]
    talk: TalkArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Simulated failures")]
pub(super) struct FailureArguments {
    /// Chance that a try fails, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = values::percent)]
    pub(super) failure_percent: f64,
    /// Share of orders that fail for good, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = values::percent)]
    permanent_percent: f64,
    /// Every try of an order above this price fails
    #[arg(long, value_name = "PRICE")]
    fail_above_price: Option<DecimalPrice>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Retries")]
pub(super) struct RetryArguments {
    /// Retries after the first try, 0 to 20
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=20))]
    max_retries: u32,
    /// Wait before the first retry
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    initial_backoff: Duration,
    /// Each wait is this many times the one before
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = values::multiplier)]
    backoff_multiplier: f64,
    /// Longest wait
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::duration)]
    max_backoff: Duration,
    /// Lengthen each wait by chance, up to this share of it
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    jitter_percent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HandlerName {
    None,
    Simulate,
    Http,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ordering {
    Key,
    Partition,
    Unordered,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StartFrom {
    Earliest,
    Latest,
}

impl ConsumeArguments {
    pub(super) fn check(self) -> Result<Consume, Error> {
        let Self { kafka, topics, decode, serve, talk, .. } = self;
        ensure!(
            self.reset_state.is_none() || topics.state == State::Durable,
            NeedsSnafu { flag: "--reset-state", needs: "--state durable" }
        );
        Ok(Consume {
            common: Groups { kafka, topics, decode: Some(decode), serve: Some(serve), talk }.check()?,
            handler: handler(self.handler, self.http, self.failures, self.seed)?,
            max_price: self.max_price,
            retry: self.retry.check()?,
            handler_timeout: self.handler_timeout,
            max_dead_letter_ratio_percent: self.max_dead_letter_ratio_percent,
            ordering: match self.ordering {
                Ordering::Key => config::Ordering::Key,
                Ordering::Partition => config::Ordering::Partition,
                Ordering::Unordered => config::Ordering::Unordered,
            },
            start_from: match self.start_from {
                StartFrom::Earliest => config::StartFrom::Earliest,
                StartFrom::Latest => config::StartFrom::Latest,
            },
            reset_state: self.reset_state,
            max_in_flight: self.max_in_flight,
            max_parked_bytes: self.max_parked_bytes,
            consumers: self.consumers,
            checkpoint_interval: self.checkpoint_interval,
            until_idle: self.until_idle,
        })
    }
}

fn handler(
    name: Option<HandlerName>,
    http: HttpArguments,
    failures: FailureArguments,
    seed: u64,
) -> Result<config::Handler, Error> {
    let failing = failures.first_given();
    let implied = match (http.http_url.is_some(), failing.is_some()) {
        (true, _) => HandlerName::Http,
        (false, true) => HandlerName::Simulate,
        (false, false) => HandlerName::None,
    };
    match (name.unwrap_or(implied), failing) {
        (HandlerName::None, Some(flag)) => NothingToFailSnafu { flag, handler: "none" }.fail(),
        (HandlerName::Http, Some(flag)) => NothingToFailSnafu { flag, handler: "http" }.fail(),
        (HandlerName::None, None) => http.refuse().map(|()| config::Handler::None),
        (HandlerName::Simulate, _) => http.refuse().map(|()| config::Handler::Simulate(failures.check(seed))),
        (HandlerName::Http, None) => http.check().map(config::Handler::Http),
    }
}

impl FailureArguments {
    fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--failure-percent", self.failure_percent > 0.0),
            ("--permanent-percent", self.permanent_percent > 0.0),
            ("--fail-above-price", self.fail_above_price.is_some()),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }

    pub(super) fn check(self, seed: u64) -> Simulate {
        Simulate {
            failure_percent: self.failure_percent,
            permanent_percent: self.permanent_percent,
            fail_above_price: self.fail_above_price,
            seed,
        }
    }
}

impl RetryArguments {
    pub(super) fn check(self) -> Result<Retry, Error> {
        let too_long = self.initial_backoff > self.max_backoff;
        let [initial, max] = [self.initial_backoff, self.max_backoff].map(humantime::format_duration);
        ensure!(!too_long, BackoffOrderSnafu { initial, max });
        Ok(Retry {
            max_retries: self.max_retries,
            initial_backoff: self.initial_backoff,
            backoff_multiplier: self.backoff_multiplier,
            max_backoff: self.max_backoff,
            jitter_percent: self.jitter_percent,
        })
    }
}
