//! The commands with few flags of their own: demo, dead-letters, prepare, check-schemas.
//!
//! Deliberately in one file while each of them is a handful of flags.
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use schemas::order::{Currency, Money};

use super::check::Groups;
use super::consume::RetryArguments;
use super::error::{Error, NotHereSnafu};
use super::flag_groups::{DecodeArguments, KafkaArguments, ServeArguments, TalkArguments, TopicArguments};
use super::produce::{SourceArguments, Version, pace};
use super::values;
use crate::config::{
    Budget, CheckSchemas, Common, DeadLetters, DecimalPrice, Demo, Prepare, PrepareTask, Simulate, TopicShape,
};

const DEMO_AFTER_HELP: &str = "\
Examples:
  worker demo                                       200 orders at 50 a second, 15 % of tries failing
  worker demo --orders 100000 --rate 0              as fast as it goes
  worker demo --input orders.csv                    your own orders
  worker demo --bootstrap-servers localhost:9092    on your broker, in topics of its own

Ends with 0 when every order was counted or dead-lettered, and the dead-letter consumer saw each
dead letter.";

const DEAD_LETTERS_AFTER_HELP: &str = "\
Examples:
  worker dead-letters --bootstrap-servers localhost:9092           goes on until it is stopped
  worker dead-letters --bootstrap-servers localhost:9092 --peek    what is there now, then ends
  worker dead-letters --bootstrap-servers localhost:9092 --max-depth 1000 --max-age 1d --max-value USD=10000.00
                                                                   says so when there is more";

const REPORT_AFTER_HELP: &str = "\
Examples:
  worker report --bootstrap-servers localhost:9092
  worker report --bootstrap-servers localhost:9092 --group-id orders --report totals.json

The totals are those of each partition's last checkpoint. Nothing is joined, and nothing is changed.";

const PREPARE_AFTER_HELP: &str = "\
Examples:
  worker prepare --bootstrap-servers localhost:9092
  worker prepare --bootstrap-servers localhost:9092 --check-only
  worker prepare --bootstrap-servers localhost:9092 --delete orders orders-dlq

The result is one JSON object on stdout.";

/// Show the whole pipeline in one process; needs no Kafka
#[derive(Debug, Args)]
#[command(after_help = DEMO_AFTER_HELP)]
pub(super) struct DemoArguments {
    /// How many orders [default: 200, or all of --input]
    #[arg(long, value_name = "N", value_parser = values::positive_count, help_heading = "Orders")]
    orders: Option<NonZeroU64>,
    /// Orders a second; 0 = as fast as it goes
    #[arg(long, value_name = "R", default_value = "50", value_parser = values::rate, help_heading = "Orders")]
    rate: f64,
    #[command(flatten)]
    source: SourceArguments,
    /// Chance that a try fails, in percent
    #[arg(long, value_name = "PERCENT", default_value = "15", value_parser = values::percent)]
    #[arg(help_heading = "Simulated failures")]
    failure_percent: f64,
    /// Share of orders that fail for good, in percent
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = values::percent)]
    #[arg(help_heading = "Simulated failures")]
    permanent_percent: f64,
    /// Every try of an order above this price fails [default: 980.00, none with --input]
    #[arg(long, value_name = "PRICE", help_heading = "Simulated failures")]
    fail_above_price: Option<DecimalPrice>,
    #[command(flatten)]
    retry: RetryArguments,
    #[command(flatten)]
    kafka: KafkaArguments,
    #[command(flatten)]
    topics: TopicArguments,
    #[command(flatten)]
    decode: DecodeArguments,
    #[command(flatten)]
    serve: ServeArguments,
    #[command(flatten)]
    talk: TalkArguments,
}

/// Read the dead letters: print, count by class, sum the value at risk
#[derive(Debug, Args)]
#[command(after_help = DEAD_LETTERS_AFTER_HELP)]
pub(super) struct DeadLettersArguments {
    /// Read all there is without joining the group, then end
    #[arg(long, help_heading = "Consuming")]
    peek: bool,
    /// End when everything is read, and stays so for this long
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration, help_heading = "Consuming")]
    until_idle: Option<Duration>,
    /// How often the figures are reported: a line, and the file of --report renewed; 0s = only at the end
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = values::duration)]
    #[arg(help_heading = "Consuming")]
    report_interval: Duration,
    #[command(flatten)]
    budget: BudgetArguments,
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
#[command(next_help_heading = "Budget")]
struct BudgetArguments {
    /// Warn when more distinct dead letters than this are in the topic [default: no limit]
    #[arg(long, value_name = "N", value_parser = values::count)]
    max_depth: Option<u64>,
    /// Warn when the oldest dead letter is older than this [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    max_age: Option<Duration>,
    /// Warn when dead letters are worth more than this; repeat it for more currencies [default: no limit]
    #[arg(long, value_name = "CURRENCY=AMOUNT", value_parser = values::amount)]
    max_value: Vec<(Currency, Money)>,
}

/// What the group's orders add up to, read from its state topic; needs no running consumer
#[derive(Debug, Args)]
#[command(after_help = REPORT_AFTER_HELP)]
pub(super) struct ReportArguments {
    /// Write the report here (JSON), too
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    report: Option<PathBuf>,
    #[command(flatten)]
    kafka: KafkaArguments,
    #[command(flatten)]
    topics: TopicArguments,
    #[command(flatten)]
    talk: TalkArguments,
}

/// Create the topics that are missing, check those that are there
#[derive(Debug, Args)]
#[command(after_help = PREPARE_AFTER_HELP)]
pub(super) struct PrepareArguments {
    /// Only look, change nothing
    #[arg(long, conflicts_with_all = ["created_topic", "delete"], help_heading = "Task")]
    check_only: bool,
    /// A topic this pipeline created: its partitions may be grown; repeat it for more
    #[arg(long, value_name = "TOPIC", value_parser = values::topic, help_heading = "Task")]
    created_topic: Vec<String>,
    /// Delete these topics, with all that is in them
    #[arg(long, value_name = "TOPIC", num_args = 1.., value_parser = values::topic, help_heading = "Task")]
    delete: Vec<String>,
    /// Write the result here, too
    #[arg(long, value_name = "FILE", help_heading = "Task")]
    termination_message: Option<PathBuf>,
    /// Partitions of the orders topic
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = partitions(), help_heading = "Topic shape")]
    partitions: i32,
    /// Partitions of the dead-letter topic
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = partitions(), help_heading = "Topic shape")]
    dead_letter_partitions: i32,
    /// Partitions of the state topic
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = partitions(), help_heading = "Topic shape")]
    state_partitions: i32,
    /// Copies of each partition [default: the broker's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000), help_heading = "Topic shape")]
    replication_factor: Option<i32>,
    /// A topic setting of the orders topic; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::pair, help_heading = "Topic shape")]
    topic_config: Vec<(String, String)>,
    /// Order schema that is looked for in the registry, or registered
    #[arg(long, value_name = "1|2", default_value = "2", help_heading = "Schema registry")]
    schema_version: Version,
    #[command(flatten)]
    kafka: KafkaArguments,
    #[command(flatten)]
    topics: TopicArguments,
    #[command(flatten)]
    talk: TalkArguments,
}

/// Check that every order schema reads what every other one wrote; needs no Kafka
#[derive(Debug, Args)]
pub(super) struct CheckSchemasArguments {
    /// Further order schemas (.avsc) to check against the built-in ones
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn partitions() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(1..=100_000)
}

impl DemoArguments {
    pub(super) fn check(self, admin_address_given: bool) -> Result<Demo, Error> {
        let Self { kafka, topics, decode, serve, talk, .. } = self;
        if topics.registry.schema_registry_url.is_some() {
            let why = "writes to topics of its own, and to no registry";
            return NotHereSnafu { flag: "--schema-registry-url", command: "worker demo", why }.fail();
        }
        let groups = Groups { kafka, topics, decode: Some(decode), serve: Some(serve), talk };
        let reads_input = self.source.reads_input();
        let usual = if reads_input { None } else { NonZeroU64::new(200) };
        // Of the made-up orders about two in a hundred are dearer: a demo without a dead letter shows half of it.
        let dear = if reads_input { None } else { "980.00".parse().ok() };
        Ok(Demo {
            common: groups.check_with_or_without_broker()?,
            admin_address_given,
            orders: self.orders.or(usual),
            pace: pace(self.rate),
            simulate: Simulate {
                failure_percent: self.failure_percent,
                permanent_percent: self.permanent_percent,
                fail_above_price: self.fail_above_price.or(dear),
                seed: self.source.seed,
            },
            source: self.source.check("order-".to_owned())?,
            retry: self.retry.check()?,
        })
    }
}

impl DeadLettersArguments {
    pub(super) fn check(self) -> Result<DeadLetters, Error> {
        let Self { kafka, topics, decode, serve, talk, budget, .. } = self;
        let common = Groups { kafka, topics, decode: Some(decode), serve: Some(serve), talk }.check()?;
        let max_value =
            budget.max_value.into_iter().map(|(currency, money)| (currency, money.minor().into())).collect();
        let budget = Budget { max_depth: budget.max_depth, max_age: budget.max_age, max_value };
        let report_interval = Some(self.report_interval).filter(|interval| !interval.is_zero());
        Ok(DeadLetters { common, until_idle: self.until_idle, peek: self.peek, budget, report_interval })
    }
}

impl ReportArguments {
    pub(super) fn check(self) -> Result<Common, Error> {
        let Self { report, kafka, topics, talk } = self;
        Ok(Common { report, ..Groups { kafka, topics, decode: None, serve: None, talk }.check()? })
    }
}

impl PrepareArguments {
    pub(super) fn check(self) -> Result<Prepare, Error> {
        let shape = TopicShape {
            orders_partitions: self.partitions,
            dead_letter_partitions: self.dead_letter_partitions,
            state_partitions: self.state_partitions,
            replication_factor: self.replication_factor,
            config: BTreeMap::from_iter(self.topic_config),
        };
        let task = if !self.delete.is_empty() {
            PrepareTask::Delete { topics: self.delete }
        } else if self.check_only {
            PrepareTask::Check { shape }
        } else {
            PrepareTask::Create { shape, created: self.created_topic }
        };
        let common =
            Groups { kafka: self.kafka, topics: self.topics, decode: None, serve: None, talk: self.talk }.check()?;
        let schema_version = self.schema_version.into();
        Ok(Prepare { common, task, schema_version, termination_message: self.termination_message })
    }
}

impl CheckSchemasArguments {
    pub(super) fn check(self) -> CheckSchemas {
        CheckSchemas { files: self.files }
    }
}
