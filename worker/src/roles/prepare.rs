//! `worker prepare`: the topics a pipeline needs, made where they are missing and looked at where they are not.
//!
//! It may be run again and again, and by several at a time: a topic that somebody else made a moment ago is as good as
//! one's own. Only the partitions of topics that it is told the pipeline created are grown; nothing else is ever
//! altered, what differs is reported. Rights are learnt by doing: a refusal names the right that is missing.
//!
//! The state topic is made with the others; while totals are in memory (`--state none`) trouble with it is a remark and
//! no failure. Where a registry is set, the schema is looked up or registered there. Deliberately deletes no schema.

mod files;
mod schema;
mod topics;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use runtime::telemetry;
use schemas::prepare_outcome::{Finding, PrepareOutcome, Reason, Status, TopicOutcome, TopicRole};
use snafu::{ResultExt, Snafu};

use self::topics::Wanted;
use super::standalone::talk;
use super::{Ending, RoleError, chain};
use crate::clock::Clock;
use crate::config::{Common, Prepare, PrepareTask, StateMode, TopicShape};
use crate::kafka::admin::{self, Admin, Found, Made};
use crate::kafka::trouble::Kind;

/// The role's name in messages.
const ROLE: &str = "prepare";

/// Why the outcome did not reach its reader.
#[derive(Debug, Snafu)]
enum Error {
    /// No log.
    #[snafu(display("cannot set up logging"))]
    Log {
        /// Why.
        source: telemetry::Error,
    },
    /// Standard output takes nothing.
    #[snafu(display("cannot write the result to standard output"))]
    Print {
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file takes nothing.
    #[snafu(display("cannot write the result to {}; choose another file with --termination-message", path.display()))]
    Leave {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Runs the role to its end: 0 when everything is as it should be, drift included; 1 when not, and the result says why.
///
/// # Errors
/// When the settings cannot be used (a client setting that does not exist, the embedded broker), and when the result
/// cannot be written.
pub fn run(config: &Prepare) -> Result<Ending, RoleError> {
    telemetry::init(talk(&config.common)).context(LogSnafu).map_err(|error| RoleError::ran(ROLE, error))?;
    let outcome = prepare(config, Clock::start()).map_err(|error| RoleError::unusable(ROLE, error))?;
    say(&outcome);
    leave(config, &outcome).map_err(|error| RoleError::ran(ROLE, error))?;
    Ok(if outcome.is_good() { Ending::Done } else { Ending::Incomplete })
}

/// Does the task.
///
/// # Errors
/// Only what no broker has to do with: settings that cannot be used.
fn prepare(config: &Prepare, clock: Clock) -> Result<PrepareOutcome, admin::Error> {
    let mut outcome = PrepareOutcome::unchecked();
    let common = &config.common;
    outcome.references_resolved = files::look(&common.kafka.security, common.registry.as_ref());
    if outcome.references_resolved.status == Status::False {
        return Ok(outcome);
    }
    outcome.schema_compatible = schema::look(config, clock);
    let admin = match Admin::connect(&common.kafka, &common.topics.orders, clock) {
        Ok(admin) => admin,
        Err(error @ (admin::Error::Unreachable { .. } | admin::Error::NotLetIn { .. })) => {
            outcome.kafka_reachable = Finding::bad(reason(&error), chain(&error));
            return Ok(outcome);
        }
        Err(error) => return Err(error),
    };
    outcome.kafka_reachable = Finding::good();
    let looked = match &config.task {
        PrepareTask::Create { shape, created } => {
            Preparation { admin: &admin, created: Some(created) }.all(common, shape)
        }
        PrepareTask::Check { shape } => Preparation { admin: &admin, created: None }.all(common, shape),
        PrepareTask::Delete { topics } => topics.iter().map(|topic| delete(&admin, topic)).collect(),
    };
    outcome.topics_ready = Finding::good();
    for Looked { finding, topic } in looked {
        outcome.topics_ready = outcome.topics_ready.worse(finding);
        outcome.topics.push(topic);
    }
    Ok(outcome)
}

/// The settings that a state topic is made with.
pub(super) fn state_settings() -> Vec<(String, String)> {
    topics::state_settings()
}

/// What became of one topic.
struct Looked {
    finding: Finding,
    topic: TopicOutcome,
}

impl Looked {
    fn new(role: TopicRole, name: &str) -> Self {
        let topic = TopicOutcome {
            role,
            name: name.to_owned(),
            partitions: None,
            created: false,
            grown: false,
            deleted: false,
            drift: Vec::new(),
        };
        Self { finding: Finding::good(), topic }
    }

    fn bad(mut self, reason: Reason, message: impl Into<String>) -> Self {
        self.finding = Finding::bad(reason, message);
        self
    }

    /// Says that something differs, without making the topic unfit.
    fn remark(&mut self, reason: Reason, what: String) {
        let message = format!("{}: {what}", self.topic.name);
        self.finding =
            std::mem::replace(&mut self.finding, Finding::good()).worse(Finding::remarkable(reason, message));
        self.topic.drift.push(what);
    }

    /// The same as a remark, if it is bad: for a topic that the pipeline can do without.
    fn unneeded(mut self) -> Self {
        if self.finding.status == Status::False {
            self.finding.status = Status::True;
        }
        self
    }
}

/// Makes and looks at topics.
struct Preparation<'a> {
    admin: &'a Admin,
    /// The topics that the pipeline created; `None` = change nothing at all.
    created: Option<&'a [String]>,
}

impl Preparation<'_> {
    fn all(&self, common: &Common, shape: &TopicShape) -> Vec<Looked> {
        let names = &common.topics;
        let (orders, settings) = self.one(&Wanted::orders(&names.orders, shape));
        let (dead_letters, _) = self.one(&Wanted::dead_letter(&names.dead_letter, shape, &settings));
        let (state, _) = self.one(&Wanted::state(&names.state, shape));
        let state = match common.state_mode {
            StateMode::Durable => state,
            StateMode::None => state.unneeded(),
        };
        vec![orders, dead_letters, state]
    }

    /// One topic, and its settings where they can be had.
    fn one(&self, wanted: &Wanted) -> (Looked, BTreeMap<String, String>) {
        let mut settings = BTreeMap::new();
        let mut looked = Looked::new(wanted.role, &wanted.name);
        if let Err(error) = self.ensure(wanted, &mut looked, &mut settings) {
            looked = looked.bad(reason(&error), chain(&error));
        }
        (looked, settings)
    }

    fn ensure(
        &self,
        wanted: &Wanted,
        looked: &mut Looked,
        settings: &mut BTreeMap<String, String>,
    ) -> Result<(), admin::Error> {
        let found = match (self.admin.find(&wanted.name)?, self.created) {
            (Some(found), _) => self.grow(wanted, found, looked)?,
            (None, Some(_)) => self.create(wanted, looked)?,
            (None, None) => {
                let message = format!("topic {} does not exist; make it with `worker prepare`", wanted.name);
                looked.finding = Finding::bad(Reason::TopicMissing, message);
                return Ok(());
            }
        };
        looked.topic.partitions = Some(found.partitions);
        let remedy = match self.created {
            Some(_) => "; not grown, because it is not named as created by this pipeline (--created-topic)",
            None => "",
        };
        if let Some(drift) = wanted.partition_drift(found.partitions, remedy) {
            looked.remark(Reason::PartitionMismatch, drift);
        }
        if let Some(drift) = wanted.replication_drift(found.replication) {
            looked.remark(Reason::ConfigDrift, drift);
        }
        match self.admin.settings(&wanted.name) {
            Ok(found) => *settings = found,
            Err(error) if error.is_forbidden() => {
                looked.remark(Reason::ConfigDrift, format!("settings not compared: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        wanted.drift(settings).into_iter().for_each(|drift| looked.remark(Reason::ConfigDrift, drift));
        if wanted.is_unusable(settings) {
            let message =
                format!("topic {} must have cleanup.policy=compact: totals in it would get lost", wanted.name);
            looked.finding = Finding::bad(Reason::ConfigDrift, message);
        }
        Ok(())
    }

    /// Makes the topic, or finds that somebody else was faster.
    fn create(&self, wanted: &Wanted, looked: &mut Looked) -> Result<Found, admin::Error> {
        let made = Made {
            name: &wanted.name,
            partitions: wanted.partitions,
            replication: wanted.replication,
            settings: wanted.settings_to_make(),
        };
        looked.topic.created = self.admin.create(&made)?;
        if looked.topic.created {
            tracing::info!(topic = wanted.name, partitions = wanted.partitions, "topic created");
            self.admin.wait_for(&wanted.name, wanted.partitions)
        } else {
            self.admin.wait_for(&wanted.name, 1)
        }
    }

    /// Gives the topic the partitions it lacks, if the pipeline created it.
    fn grow(&self, wanted: &Wanted, found: Found, looked: &mut Looked) -> Result<Found, admin::Error> {
        let is_ours = self.created.is_some_and(|created| created.contains(&wanted.name));
        if !is_ours || found.partitions >= wanted.partitions {
            return Ok(found);
        }
        self.admin.grow(&wanted.name, wanted.partitions)?;
        looked.topic.grown = true;
        tracing::info!(topic = wanted.name, from = found.partitions, to = wanted.partitions, "topic grown");
        self.admin.wait_for(&wanted.name, wanted.partitions)
    }
}

/// Deletes a topic; one that is not there is as good as deleted.
fn delete(admin: &Admin, topic: &str) -> Looked {
    let mut looked = Looked::new(TopicRole::Deleted, topic);
    match admin.delete(topic) {
        Ok(deleted) => {
            looked.topic.deleted = deleted;
            tracing::info!(topic, deleted, "{}", if deleted { "topic deleted" } else { "topic was not there" });
            looked
        }
        Err(error) => looked.bad(reason(&error), chain(&error)),
    }
}

/// The operator's word for an error.
fn reason(error: &admin::Error) -> Reason {
    match error {
        admin::Error::Unreachable { kind, .. } | admin::Error::NotLetIn { kind, .. } => match kind {
            Kind::Name => Reason::DnsFailed,
            Kind::Tls | Kind::Certificate => Reason::TlsFailed,
            Kind::Authentication => Reason::AuthenticationFailed,
            Kind::Silence => Reason::TimedOut,
        },
        admin::Error::Forbidden { .. } => Reason::AuthorizationFailed,
        admin::Error::Refused { .. } if error.is_short_of_brokers() => Reason::ReplicationUnsatisfiable,
        admin::Error::NoAnswer { .. } => Reason::TimedOut,
        admin::Error::Embedded
        | admin::Error::Settings { .. }
        | admin::Error::MakeClient { .. }
        | admin::Error::Refused { .. } => Reason::Refused,
    }
}

/// Says on stderr what is not as it should be; the result on stdout says it for programs.
fn say(outcome: &PrepareOutcome) {
    let findings =
        [&outcome.references_resolved, &outcome.kafka_reachable, &outcome.topics_ready, &outcome.schema_compatible];
    for finding in findings.into_iter().filter(|finding| finding.status == Status::False) {
        tracing::error!("{}", finding.message);
    }
    for topic in &outcome.topics {
        for drift in &topic.drift {
            tracing::warn!("topic {}: {drift}", topic.name);
        }
    }
}

/// Leaves the result where its readers look.
fn leave(config: &Prepare, outcome: &PrepareOutcome) -> Result<(), Error> {
    let json = outcome.to_json();
    writeln!(std::io::stdout(), "{json}").context(PrintSnafu)?;
    match &config.termination_message {
        Some(path) => std::fs::write(path, json).context(LeaveSnafu { path }),
        None => Ok(()),
    }
}
