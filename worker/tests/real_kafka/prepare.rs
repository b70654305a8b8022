//! `worker prepare` against a real broker: what it makes, what it leaves alone, and how it refuses.
//!
//! Deliberately no comparison of whole texts: the shape of the result is tested where it is made.

use serde_json::Value;

use crate::{
    broker::Broker,
    process::{Ended, Process},
    secured::{self, Listener, Login},
    topic,
};

/// Names of one pipeline that no other test has.
struct Names {
    broker: String,
    orders: String,
}

impl Names {
    fn new(broker: &Broker) -> Names {
        Names { broker: broker.address().to_owned(), orders: topic::unique("prepare") }
    }

    fn dead_letter(&self) -> String {
        format!("{}-dlq", self.orders)
    }

    fn state(&self) -> String {
        format!("{}-group-state", self.orders)
    }

    fn all(&self) -> [String; 3] {
        [self.orders.clone(), self.dead_letter(), self.state()]
    }

    fn start(&self, extra: &[&str]) -> Process {
        let group = format!("{}-group", self.orders);
        let common =
            ["prepare", "--bootstrap-servers", &self.broker, "--topic", &self.orders, "--group-id", group.as_str()];
        Process::worker(&[&common[..], extra].concat())
    }

    fn prepare(&self, extra: &[&str]) -> (Ended, Value) {
        let ended = self.start(extra).wait();
        let result = result(&ended);
        (ended, result)
    }

    fn partitions(&self) -> [Option<i32>; 3] {
        self.all().map(|topic| topic::partition_count(&self.broker, &topic))
    }

    fn setting(&self, topic: &str, name: &str) -> String {
        topic::setting(&self.broker, topic, name).expect("the broker tells all its settings")
    }
}

/// The one line on stdout.
fn result(ended: &Ended) -> Value {
    assert!(ended.stdout.len() <= 2048, "{} bytes", ended.stdout.len());
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error} in {ended:?}"))
}

/// The flags that are true of each topic of a result, such as `created`.
fn flags(result: &Value, name: &str) -> Vec<bool> {
    let topics = result["topics"].as_array().expect("a list of topics");
    topics.iter().map(|topic| topic[name].as_bool().unwrap_or(false)).collect()
}

#[test]
fn what_is_missing_is_made_once() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let file = tempfile::NamedTempFile::new().expect("a writable folder");
    let path = file.path().to_str().expect("a plain path");
    let (first, made) = names.prepare(&["--termination-message", path, "--topic-config", "retention.ms=3600000"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(flags(&made, "created"), [true, true, true]);
    assert_eq!(names.partitions(), [Some(6), Some(3), Some(3)]);
    let left = std::fs::read_to_string(file.path()).expect("the result was left there");
    assert_eq!(left, first.stdout);

    let [orders, dead_letter, state] = names.all();
    assert_eq!(names.setting(&orders, "retention.ms"), "3600000");
    assert_eq!(names.setting(&dead_letter, "retention.ms"), (14 * 24 * 3_600_000_u64).to_string());
    let usual: u64 = names.setting(&orders, "max.message.bytes").parse().expect("a number");
    assert_eq!(names.setting(&dead_letter, "max.message.bytes"), (usual + 64 * 1024).to_string());
    assert_eq!(names.setting(&state, "cleanup.policy"), "compact");
    assert_eq!(names.setting(&state, "min.compaction.lag.ms"), "3600000");

    let (second, found) = names.prepare(&["--topic-config", "retention.ms=3600000"]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(flags(&found, "created"), [false, false, false]);
    assert_eq!(found["topicsReady"]["reason"], "AsExpected", "{found}");
}

#[test]
fn several_at_a_time_make_each_topic_once_and_all_succeed() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let racers: Vec<Process> = (0..4).map(|_| names.start(&[])).collect();
    let mut makers = [0; 3];
    for racer in racers {
        let ended = racer.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let created = flags(&result(&ended), "created");
        makers.iter_mut().zip(created).for_each(|(makers, created)| *makers += i32::from(created));
    }
    assert_eq!(makers, [1, 1, 1]);
}

#[test]
fn looking_changes_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let (ended, looked) = names.prepare(&["--check-only"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(looked["topicsReady"]["reason"], "TopicMissing");
    assert!(ended.stderr.contains(&format!("topic {} does not exist", names.orders)), "{}", ended.stderr);
    assert_eq!(names.partitions(), [None, None, None], "not even a broker that makes topics by itself made one");

    names.prepare(&[]);
    let (ended, looked) = names.prepare(&["--check-only", "--partitions", "8"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(looked["topicsReady"]["reason"], "PartitionMismatch");
    assert_eq!(names.partitions()[0], Some(6));
}

#[test]
fn only_the_partitions_of_our_own_topics_grow() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let [orders, dead_letter, _] = names.all();
    names.prepare(&["--partitions", "2", "--dead-letter-partitions", "1"]);
    let more = ["--partitions", "4", "--dead-letter-partitions", "2"];
    let (ended, grown) = names.prepare(&[&more[..], &["--created-topic", &orders]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(flags(&grown, "grown"), [true, false, false]);
    assert_eq!(names.partitions(), [Some(4), Some(1), Some(3)]);
    let said = grown["topics"][1]["drift"][0].as_str().expect("what differs");
    assert!(said.starts_with("1 partitions, should be 2; not grown"), "{said}");

    let (ended, _) = names.prepare(&["--partitions", "2", "--created-topic", &orders, "--created-topic", &dead_letter]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(names.partitions()[0], Some(4), "partitions never become fewer");
}

#[test]
fn what_differs_is_reported_and_left_alone() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    for topic in names.all() {
        topic::create(&names.broker, &topic, 3);
    }
    let asked = ["--partitions", "3", "--topic-config", "retention.ms=60000"];
    let (ended, found) = names.prepare(&asked);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("must have cleanup.policy=compact: totals in it would get lost"), "{ended:?}");
    assert_eq!(found["topicsReady"]["status"], "False");
    let (ended, found) = names.prepare(&[&asked[..], &["--state", "none"]].concat());
    assert_eq!(ended.code, Some(0), "totals in memory need no state topic: {ended:?}");
    assert_eq!(found["topicsReady"]["status"], "True");
    let drift = found["topics"].to_string();
    for part in [
        "retention.ms is 604800000, should be 60000",
        "retention.ms is 604800000, should be at least 1209600000",
        "max.message.bytes is 1048588, should be at least 1114124",
        "cleanup.policy is delete, should be compact",
        "segment.ms is 604800000, should be at most 3600000",
    ] {
        assert!(drift.contains(part), "{part} is not in {drift}");
    }
    assert_eq!(names.setting(&names.dead_letter(), "retention.ms"), "604800000");
}

#[test]
fn topics_are_deleted_and_missing_ones_are_no_failure() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    names.prepare(&[]);
    let [orders, dead_letter, _] = names.all();
    for deleted in [true, false] {
        let (ended, result) = names.prepare(&["--delete", &orders, &dead_letter]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(flags(&result, "deleted"), [deleted, deleted]);
    }
    assert_eq!(names.partitions(), [None, None, Some(3)]);
}

#[test]
fn more_copies_than_brokers_are_refused_with_a_reason() {
    let Some(broker) = Broker::shared() else { return };
    let names = Names::new(broker);
    let (ended, result) = names.prepare(&["--replication-factor", "3"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(result["topicsReady"]["reason"], "ReplicationUnsatisfiable");
    assert_eq!(names.partitions()[0], None);
}

/// Needs no broker: nobody listens at port 1.
#[test]
fn an_unreachable_broker_is_named_and_given_up() {
    let started = Process::worker(&["prepare", "--bootstrap-servers", "127.0.0.1:1", "--connect-timeout", "1s"]);
    let ended = started.wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no broker answered at 127.0.0.1:1 within 1 s"), "{}", ended.stderr);
    let result = result(&ended);
    assert_eq!(result["kafkaReachable"]["reason"], "TimedOut");
    assert_eq!(result["topicsReady"]["status"], "Unknown");
}

#[test]
fn the_embedded_broker_is_refused() {
    let broker = ["--bootstrap-servers", "127.0.0.1:1", "--broker-kind", "embedded"];
    let ended = Process::worker(&[&["prepare"], &broker[..]].concat()).wait();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("the embedded broker answers no admin requests"), "{}", ended.stderr);
}

#[test]
fn a_missing_right_is_named() {
    let Some(broker) = secured::shared() else { return };
    let carol = Login::password(broker, Listener::Sasl, "plain", "carol");
    let names = Names { broker: broker.address().to_owned(), orders: topic::unique("forbidden") };
    let group = format!("{}-group", names.orders);
    let prepare = || {
        let ended = carol.worker(&["prepare", "--topic", &names.orders, "--group-id", &group]).wait();
        let result = result(&ended);
        (ended, result)
    };
    let (ended, result) = prepare();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(result["topicsReady"]["reason"], "AuthorizationFailed");
    let message = result["topicsReady"]["message"].as_str().expect("a message");
    assert!(message.contains("allow User:carol the operation Describe on topic"), "{message}");

    let topics = names.all();
    let topics: Vec<&str> = topics.iter().flat_map(|topic| ["--topic", topic.as_str()]).collect();
    secured::allow(broker, "carol", &["Describe", "Create"], &topics);
    let (ended, result) = prepare();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(flags(&result, "created"), [true, true, true]);
    let drift = result["topics"].to_string();
    assert!(drift.contains("allow User:carol the operation DescribeConfigs on topic"), "{drift}");
}

#[test]
fn a_password_that_is_not_there_is_named() {
    let login = ["--security-protocol", "sasl-plaintext", "--sasl-mechanism", "plain", "--sasl-username", "alice"];
    let missing = ["--sasl-password-file", "/no/such/password"];
    let broker = ["prepare", "--bootstrap-servers", "127.0.0.1:1"];
    let ended = Process::worker(&[&broker[..], &login[..], &missing[..]].concat()).wait();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(result(&ended)["referencesResolved"]["reason"], "SecretKeyMissing");
}
