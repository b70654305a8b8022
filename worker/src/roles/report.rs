//! `worker report`: what a group's orders add up to, read from its state topic.
//!
//! It joins nothing and changes nothing, and no consumer has to run. Deliberately the same report as the consumer's and
//! the demo's, without what only a running process knows.

use std::io::IsTerminal;
use std::sync::Arc;

use engine::recovery::StartFrom;
use engine::snapshot::Counters;
use engine::totals::Totals;
use runtime::{Shutdown, telemetry};
use snafu::{ResultExt, Snafu};

use super::standalone::talk;
use super::{Ending, RoleError};
use crate::clock::Clock;
use crate::config::Common;
use crate::kafka::log_reader::LogReader;
use crate::kafka::{log_reader, topic};
use crate::report::{self, Consumed, CurrencyTotal, ProductTotal, Report};
use crate::screen::{Palette, Screen, Summary};
use crate::state::{self, Asked};

/// The role's name in messages.
const ROLE: &str = "report";

/// Why there is no report.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// No log.
    #[snafu(display("cannot set up logging"))]
    Log {
        /// Why.
        source: telemetry::Error,
    },
    /// A topic cannot be read.
    #[snafu(display("cannot read the group's topics"))]
    Topic {
        /// Why.
        source: topic::Error,
    },
    /// There is no state topic.
    #[snafu(display(
        "state topic {topic} does not exist on {addresses}: no consumer kept totals there; check --group-id and --state-topic"
    ))]
    NoState {
        /// The topic.
        topic: String,
        /// Where.
        addresses: String,
    },
    /// The reader cannot be made.
    #[snafu(display("cannot read the totals"))]
    Reader {
        /// Why.
        #[snafu(source(from(log_reader::Error, Box::new)))]
        source: Box<log_reader::Error>,
    },
    /// The totals cannot be read.
    #[snafu(display("no totals"))]
    Totals {
        /// Why.
        #[snafu(source(from(state::Error, Box::new)))]
        source: Box<state::Error>,
    },
    /// The figures are there, their file is not.
    #[snafu(display("the report is lost"))]
    Write {
        /// Why.
        source: report::Error,
    },
}

/// Runs the role to its end.
///
/// # Errors
/// When the brokers cannot be reached in time, a topic is missing, the group keeps no durable totals, or the report
/// cannot be written.
pub fn run(common: &Common) -> Result<Ending, RoleError> {
    make(common).map_err(|error| RoleError::ran(ROLE, error))
}

fn make(common: &Common) -> Result<Ending, Error> {
    telemetry::init(talk(common)).context(LogSnafu)?;
    let clock = Clock::start();
    ensure_topics(common, &clock)?;
    let (totals, counters) = group_totals(common, clock)?;
    let report = Report {
        pipeline: common.pipeline.clone(),
        consumed: Some(Consumed::new(&counters, 0)),
        overall: Some(CurrencyTotal::overall(&totals)),
        products: Some(ProductTotal::products(&totals)),
        seconds: clock.now().since(engine::time::Time::ZERO).as_secs_f64(),
        ..Report::default()
    };
    let palette = |is_terminal| Palette::new(is_terminal, anstyle_query::no_color());
    let screen = Screen::standard(palette(std::io::stdout().is_terminal()), palette(std::io::stderr().is_terminal()));
    screen.finish(Some(&Summary { report: &report, handled: None }));
    common.report.as_ref().map_or(Ok(()), |path| report::write(path, &report)).context(WriteSnafu)?;
    Ok(Ending::Done)
}

/// Both topics are there; asked in a way that makes none.
fn ensure_topics(common: &Common, clock: &Clock) -> Result<(), Error> {
    let limit = Some(common.kafka.connect_timeout);
    let look = |name: &str| topic::partitions(&common.kafka, name, limit, clock, &Shutdown::new());
    look(&common.topics.orders).context(TopicSnafu)?;
    match look(&common.topics.state) {
        Err(topic::Error::Missing { topic, addresses }) => NoStateSnafu { topic, addresses }.fail(),
        Err(error) => Err(error).context(TopicSnafu),
        Ok(_) => Ok(()),
    }
}

/// The totals of all partitions of the group, as of each one's last checkpoint.
pub(crate) fn group_totals(common: &Common, clock: Clock) -> Result<(Totals, Counters), Error> {
    let (group, topics) = (common.group_id.clone(), common.topics.clone());
    let reader = LogReader::new(&common.kafka, &group, clock, Arc::default()).context(ReaderSnafu)?;
    let asked = Asked { group, topics, start_from: StartFrom::Earliest, reset: None };
    state::totals(&asked, &reader).context(TotalsSnafu)
}
