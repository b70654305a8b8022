//! What one test of the consumer works on: two topics, a group, a folder for reports, and the roles started on them.
//!
//! Deliberately without oracle and assertion on orders: see `orders.rs`.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    orders::{self, Made},
    process::{self, Ended, Process},
    topic::{self, Record},
    wait,
};

/// Names and places of one test.
pub(crate) struct Pipeline<'b> {
    /// The broker's address.
    pub(crate) broker: &'b str,
    /// The source topic.
    pub(crate) orders: String,
    /// The dead-letter topic.
    pub(crate) dead_letters: String,
    /// The consumer group.
    pub(crate) group: String,
    /// The topic of its totals.
    pub(crate) state: String,
    folder: TempDir,
    started: Cell<u32>,
}

/// A running role with the report it will write.
pub(crate) struct Role {
    pub(crate) process: Process,
    report: PathBuf,
}

impl<'b> Pipeline<'b> {
    /// A source topic with so many partitions, a dead-letter topic with three and a state topic with two.
    pub(crate) fn new(broker: &'b str, name: &str, partitions: i32) -> Pipeline<'b> {
        let pipeline = Pipeline::without_topics(broker, name);
        topic::create(broker, &pipeline.orders, partitions);
        topic::create(broker, &pipeline.dead_letters, 3);
        topic::create_with(broker, &pipeline.state, 2, &[("cleanup.policy", "compact")]);
        pipeline
    }

    /// The names alone.
    pub(crate) fn without_topics(broker: &'b str, name: &str) -> Pipeline<'b> {
        let orders = topic::unique(name);
        Pipeline {
            broker,
            dead_letters: format!("{orders}-dlq"),
            group: format!("{orders}-group"),
            state: format!("{orders}-group-state"),
            orders,
            folder: TempDir::with_prefix("real-kafka-").expect("the folder for temporary files is writable"),
            started: Cell::new(0),
        }
    }

    /// A new name in the test's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.started.set(self.started.get() + 1);
        self.folder.path().join(format!("{}-{name}", self.started.get()))
    }

    /// `worker consume` with totals in memory, a free admin port, a report, and what else is asked for.
    pub(crate) fn consumer(&self, more: &[&str]) -> Role {
        self.durable(&[&["--state", "none"], more].concat())
    }

    /// The same with durable totals.
    pub(crate) fn durable(&self, more: &[&str]) -> Role {
        self.start(&[&["consume", "--group-id", &self.group], more].concat())
    }

    /// A consumer with durable totals that ends when all is read and resolved; its report.
    pub(crate) fn durable_drain(&self, more: &[&str]) -> Value {
        self.durable(&[&["--until-idle", "300ms"], more].concat()).done().1
    }

    /// `worker report`: the report, and what it printed.
    pub(crate) fn report(&self) -> (Ended, Value) {
        let report = self.file("report.json");
        let path = report.to_str().expect("temporary paths are UTF-8");
        let names = ["--group-id", &self.group, "--topic", &self.orders, "--bootstrap-servers", self.broker];
        let ended = Process::worker(&[&["report"], &names[..], &["--report", path]].concat()).wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (ended, process::report(&report))
    }

    /// A consumer with totals in memory that ends when all is read and resolved; its report.
    pub(crate) fn drain(&self, more: &[&str]) -> Value {
        self.consumer(&[&["--until-idle", "300ms"], more].concat()).done().1
    }

    /// `worker produce` that sends these orders at a rate (0: as fast as it goes).
    pub(crate) fn producer(&self, made: &[Made], rate: u32) -> Role {
        self.producer_with(made, &["--rate", &rate.to_string()])
    }

    /// `worker produce` that sends these orders, with other flags.
    pub(crate) fn producer_with(&self, made: &[Made], more: &[&str]) -> Role {
        let input = self.file("orders.csv");
        fs::write(&input, orders::csv(made)).expect("a writable folder");
        let input = input.to_str().expect("temporary paths are UTF-8");
        self.start(&[&["produce", "--input", input], more].concat())
    }

    fn start(&self, arguments: &[&str]) -> Role {
        let report = self.file("report.json");
        let path = report.to_str().expect("temporary paths are UTF-8");
        let common = ["--bootstrap-servers", self.broker, "--topic", &self.orders, "--report", path];
        let process = Process::worker(&[arguments, &common, &["--admin-address", "127.0.0.1:0"]].concat());
        Role { process, report }
    }

    /// Writes these orders to the source topic.
    pub(crate) fn fill(&self, made: &[Made]) {
        topic::produce(self.broker, &self.orders, &orders::records(made));
    }

    /// All records of the dead-letter topic.
    pub(crate) fn dead(&self) -> Vec<Record> {
        topic::read_all(self.broker, &self.dead_letters)
    }

    /// The ids of the orders in the dead-letter topic.
    pub(crate) fn dead_ids(&self) -> BTreeSet<String> {
        let id = |record: &Record| record.header("__dlq.errors.order.id").expect("dead orders have ids").to_owned();
        self.dead().iter().map(id).collect()
    }

    /// What the group committed: offset by partition. Partitions without a commit are left out.
    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        topic::committed(self.broker, &self.group, &self.orders)
            .into_iter()
            .map(|(number, (offset, metadata))| {
                assert!(metadata.starts_with("op1:"), "partition {number}: {metadata}");
                (number, offset)
            })
            .collect()
    }

    /// The end of each partition that has records.
    pub(crate) fn ends(&self) -> BTreeMap<i32, i64> {
        topic::end_offsets(self.broker, &self.orders).into_iter().filter(|(_, end)| *end > 0).collect()
    }

    /// Everything that is in the source topic is committed.
    pub(crate) fn is_committed(&self) -> bool {
        let committed = self.committed();
        self.ends().iter().all(|(number, end)| committed.get(number) == Some(end))
    }

    /// Waits until [`Self::is_committed`].
    pub(crate) fn wait_until_committed(&self) {
        let seen = || format!("{:?} of {:?}", self.committed(), self.ends());
        wait::until("all to be committed", seen, || self.is_committed().then_some(()));
    }
}

impl Role {
    /// Waits until it has ended by itself, with exit code 0.
    pub(crate) fn done(self) -> (Ended, Value) {
        self.done_within(wait::DEADLINE)
    }

    /// [`Self::done`], sooner than usual.
    pub(crate) fn done_within(self, deadline: Duration) -> (Ended, Value) {
        let ended = self.process.wait_within(deadline);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (ended, process::report(&self.report))
    }

    /// SIGTERM, then as [`Self::done`].
    pub(crate) fn stop(self) -> (Ended, Value) {
        self.process.terminate();
        self.done()
    }

    /// Waits until `/status` shows what `probe` looks for.
    pub(crate) fn wait_for_status<T>(&self, what: &str, mut probe: impl FnMut(&Value) -> Option<T>) -> T {
        wait::until(what, || self.process.status().to_string(), || probe(&self.process.status()))
    }

    /// Waits until it has resolved more than so many records.
    pub(crate) fn wait_for_records(&self, more_than: u64) -> u64 {
        let what = format!("more than {more_than} records");
        self.wait_for_status(&what, |status| status["totals"]["records"].as_u64().filter(|count| *count > more_than))
    }
}

/// The products that a report lists, which name the orders where each has its own.
pub(crate) fn products(report: &Value) -> BTreeSet<String> {
    let products = report["products"].as_array().expect("a list of products");
    products.iter().map(|entry| entry["product"].as_str().expect("a name").to_owned()).collect()
}
