//! What `worker prepare` ends with: one small JSON object, on stdout and in a pod's termination message.
//!
//! Its four findings bear the names and reasons of the `OrderPipeline` conditions that are made of them. Deliberately
//! says what was found and not what to do about it as a whole: the exit code and the operator do.

use serde::{Deserialize, Serialize};

/// The JSON is at most this long: what a termination message holds with room to spare, in bytes.
pub const MAXIMUM_BYTES: usize = 2048;

/// What `worker prepare` found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareOutcome {
    /// Whether the files that settings name (passwords, certificates) are there.
    pub references_resolved: Finding,
    /// Whether a broker answered.
    pub kafka_reachable: Finding,
    /// Whether the topics are fit for their work.
    pub topics_ready: Finding,
    /// Whether the registry has a schema that the pipeline can use.
    pub schema_compatible: Finding,
    /// The topics that were looked at, in the order in which they were.
    pub topics: Vec<TopicOutcome>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finding {
    /// Good, bad, or not looked at.
    pub status: Status,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, and what to do; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The status of a Kubernetes condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// As it should be.
    True,
    /// Not as it should be.
    False,
    /// Nobody looked: something before it is not as it should be.
    Unknown,
}

/// Why a finding is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// All is well.
    AsExpected,
    /// Not looked at, because of an earlier finding.
    NotChecked,
    /// A file that a setting names is not there or cannot be read.
    SecretKeyMissing,
    /// The brokers' names have no address.
    DnsFailed,
    /// The brokers' certificate, or ours, is refused.
    TlsFailed,
    /// Name or password is refused.
    AuthenticationFailed,
    /// A right is missing.
    AuthorizationFailed,
    /// No answer in time.
    TimedOut,
    /// A topic does not exist.
    TopicMissing,
    /// A topic has another number of partitions than asked for.
    PartitionMismatch,
    /// The brokers cannot keep as many copies as asked for.
    ReplicationUnsatisfiable,
    /// A topic's settings differ from what is asked for.
    ConfigDrift,
    /// The broker refused for another reason.
    Refused,
    /// No registry is set: the schemas in the program are used.
    NotConfigured,
    /// The registry does not have the schema.
    NotRegistered,
    /// The schema does not go with those of its subject, or its subject has another.
    Incompatible,
    /// The registry gives no answer that can be used.
    RegistryUnreachable,
}

/// What a topic is to the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TopicRole {
    /// Orders come from it.
    Orders,
    /// What cannot be saved goes to it.
    DeadLetter,
    /// Snapshots of the totals are kept in it.
    State,
    /// A topic that was to be deleted.
    Deleted,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicOutcome {
    /// What it is for.
    pub role: TopicRole,
    /// Its name.
    pub name: String,
    /// How many partitions it has now; absent when it is not there or nobody could see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Whether this run created it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub created: bool,
    /// Whether this run gave it more partitions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub grown: bool,
    /// Whether this run deleted it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Where it differs from what was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn good() -> Self {
        Self { status: Status::True, reason: Reason::AsExpected, message: String::new() }
    }

    /// Nobody looked.
    #[must_use]
    pub fn unchecked() -> Self {
        Self { status: Status::Unknown, reason: Reason::NotChecked, message: String::new() }
    }

    /// Not as it should be.
    pub fn bad(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: Status::False, reason, message: message.into() }
    }

    /// Good enough, with something to say.
    pub fn remarkable(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: Status::True, reason, message: message.into() }
    }

    /// The worse of two: bad before unknown before remarkable before good; of two alike, the first.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(&self) -> u8 {
        match (self.status, self.reason) {
            (Status::False, _) => 3,
            (Status::Unknown, _) => 2,
            (Status::True, Reason::AsExpected) => 0,
            (Status::True, _) => 1,
        }
    }
}

impl PrepareOutcome {
    /// Before anything was looked at.
    #[must_use]
    pub fn unchecked() -> Self {
        Self {
            references_resolved: Finding::unchecked(),
            kafka_reachable: Finding::unchecked(),
            topics_ready: Finding::unchecked(),
            schema_compatible: Finding::unchecked(),
            topics: Vec::new(),
        }
    }

    /// Whether nothing is as it should not be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings().iter().all(|finding| finding.status == Status::True)
    }

    fn findings(&self) -> [&Finding; 4] {
        [&self.references_resolved, &self.kafka_reachable, &self.topics_ready, &self.schema_compatible]
    }

    /// The JSON, at most [`MAXIMUM_BYTES`] long: texts that would make it longer are cut, and topics left out from the
    /// end if there are very many.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut shown = self.clone();
        for longest in [1024, 512, 256, 128, 64, 32] {
            let json = json(&shown);
            if json.len() <= MAXIMUM_BYTES {
                return json;
            }
            shown.shorten(longest);
        }
        while json(&shown).len() > MAXIMUM_BYTES && shown.topics.pop().is_some() {}
        json(&shown)
    }

    fn shorten(&mut self, longest: usize) {
        let findings = [
            &mut self.references_resolved,
            &mut self.kafka_reachable,
            &mut self.topics_ready,
            &mut self.schema_compatible,
        ];
        findings.into_iter().for_each(|finding| cut(&mut finding.message, longest));
        for drift in self.topics.iter_mut().flat_map(|topic| &mut topic.drift) {
            cut(drift, longest);
        }
    }
}

fn json(outcome: &PrepareOutcome) -> String {
    serde_json::to_string(outcome).expect("plain data with text keys is JSON")
}

/// Cuts a text to at most `longest` bytes, the mark of the cut included.
fn cut(text: &mut String, longest: usize) {
    const MARK: &str = "…";
    if text.len() > longest {
        let end = (0..=longest - MARK.len()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str(MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(name: &str, drift: Vec<String>) -> TopicOutcome {
        TopicOutcome {
            role: TopicRole::DeadLetter,
            name: name.to_owned(),
            partitions: Some(3),
            created: false,
            grown: false,
            deleted: false,
            drift,
        }
    }

    #[test]
    fn the_shape_is_what_the_operator_reads() {
        let outcome = PrepareOutcome {
            references_resolved: Finding::good(),
            kafka_reachable: Finding::good(),
            topics_ready: Finding::remarkable(Reason::ConfigDrift, "orders-dlq: retention.ms is 1"),
            schema_compatible: Finding::remarkable(Reason::NotConfigured, ""),
            topics: vec![TopicOutcome { created: true, ..topic("orders-dlq", vec!["retention.ms is 1".to_owned()]) }],
        };
        let expected = concat!(
            r#"{"referencesResolved":{"status":"True","reason":"AsExpected"},"#,
            r#""kafkaReachable":{"status":"True","reason":"AsExpected"},"#,
            r#""topicsReady":{"status":"True","reason":"ConfigDrift","message":"orders-dlq: retention.ms is 1"},"#,
            r#""schemaCompatible":{"status":"True","reason":"NotConfigured"},"#,
            r#""topics":[{"role":"deadLetter","name":"orders-dlq","partitions":3,"created":true,"drift":["retention.ms is 1"]}]}"#,
        );
        assert_eq!(outcome.to_json(), expected);
        assert_eq!(serde_json::from_str::<PrepareOutcome>(expected).expect("our own shape"), outcome);
        assert!(outcome.is_good());
    }

    #[test]
    fn the_worst_finding_wins_and_the_first_of_its_kind() {
        let bad = |message| Finding::bad(Reason::TopicMissing, message);
        let drift = Finding::remarkable(Reason::ConfigDrift, "");
        assert_eq!(Finding::good().worse(drift.clone()), drift);
        assert_eq!(drift.clone().worse(Finding::unchecked()), Finding::unchecked());
        assert_eq!(Finding::unchecked().worse(bad("a")).worse(drift).worse(bad("b")), bad("a"));
    }

    #[test]
    fn what_nobody_looked_at_is_not_good() {
        assert!(!PrepareOutcome::unchecked().is_good());
    }

    proptest! {
        #[test]
        fn the_json_is_short_and_whole(
            message in ".{0,3000}",
            topics in prop::collection::vec(("[a-z.]{1,249}", prop::collection::vec(".{0,600}", 0..4)), 0..12),
        ) {
            let topics = topics.into_iter().map(|(name, drift)| topic(&name, drift)).collect();
            let topics_ready = Finding::bad(Reason::Refused, message);
            let outcome = PrepareOutcome { topics_ready, topics, ..PrepareOutcome::unchecked() };
            let json = outcome.to_json();
            prop_assert!(json.len() <= MAXIMUM_BYTES, "{} bytes", json.len());
            let read: PrepareOutcome = serde_json::from_str(&json).expect("our own shape");
            prop_assert_eq!(read.topics_ready.status, Status::False);
        }
    }
}
