//! What the three topics should look like, and where those that are there differ.
//!
//! Deliberately pure: who asks the brokers and changes something is `prepare` itself.

use std::collections::BTreeMap;

use schemas::prepare_outcome::TopicRole;

use crate::config::TopicShape;

/// Dead letters stay at least this long: 14 days, in milliseconds.
const DEAD_LETTER_RETENTION: i64 = 14 * 24 * 60 * 60 * 1000;
/// Room for the headers that a dead letter has more than its order, in bytes.
const HEADER_ROOM: i64 = 64 * 1024;
/// Kafka's own `max.message.bytes`, for when the orders topic does not tell.
const USUAL_RECORD_BYTES: i64 = 1_048_588;
/// Snapshots stay readable one by one for an hour before compaction may drop older ones, in milliseconds.
const STATE_COMPACTION_LAG: i64 = 60 * 60 * 1000;
/// Only a segment that is closed is compacted: one is closed at least every hour, in milliseconds, or at 64 MiB. So a
/// new owner of a group whose commits are gone reads a few hours of snapshots at most, and not a week of them.
const STATE_SEGMENT: i64 = 60 * 60 * 1000;
const STATE_SEGMENT_BYTES: i64 = 64 * 1024 * 1024;
/// Chunks of snapshots are 512 KiB before compression.
const STATE_RECORD_BYTES: i64 = 1_048_588;

const MAXIMUM_RECORD_BYTES: &str = "max.message.bytes";
const CLEANUP: &str = "cleanup.policy";

/// The settings that a state topic is made with.
pub(super) fn state_settings() -> Vec<(String, String)> {
    state_rules().into_iter().map(|(key, rule)| (key, rule.value())).collect()
}

/// Compacted, or snapshots would be deleted with age.
fn state_rules() -> Vec<(String, Rule)> {
    vec![
        (CLEANUP.to_owned(), Rule::Is("compact".to_owned())),
        ("min.compaction.lag.ms".to_owned(), Rule::AtLeast(STATE_COMPACTION_LAG)),
        ("segment.ms".to_owned(), Rule::AtMost(STATE_SEGMENT)),
        ("segment.bytes".to_owned(), Rule::AtMost(STATE_SEGMENT_BYTES)),
        (MAXIMUM_RECORD_BYTES.to_owned(), Rule::AtLeast(STATE_RECORD_BYTES)),
    ]
}

/// What a topic's setting must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Exactly this.
    Is(String),
    /// A number not below this; -1 is Kafka's word for unlimited.
    AtLeast(i64),
    /// A number not above this.
    AtMost(i64),
}

/// A topic as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What it is for.
    pub(super) role: TopicRole,
    /// Its name.
    pub(super) name: String,
    /// Its partitions.
    pub(super) partitions: i32,
    /// Copies of each; `None` = whatever the broker takes.
    pub(super) replication: Option<i32>,
    /// Its settings; all others are nobody's business here.
    pub(super) settings: Vec<(String, Rule)>,
}

impl Wanted {
    /// The orders topic: settings as the user gave them.
    pub(super) fn orders(name: &str, shape: &TopicShape) -> Self {
        let settings = shape.config.iter().map(|(key, value)| (key.clone(), Rule::Is(value.clone()))).collect();
        let (name, partitions) = (name.to_owned(), shape.orders_partitions);
        Self { role: TopicRole::Orders, name, partitions, replication: shape.replication_factor, settings }
    }

    /// The dead-letter topic: it keeps its records long enough to look at them, never merges two of one key, and takes
    /// every record of the orders topic, whose settings these are, with headers added.
    pub(super) fn dead_letter(name: &str, shape: &TopicShape, orders: &BTreeMap<String, String>) -> Self {
        let told = orders.get(MAXIMUM_RECORD_BYTES).or_else(|| shape.config.get(MAXIMUM_RECORD_BYTES));
        let order_bytes = told.and_then(|bytes| bytes.parse().ok()).unwrap_or(USUAL_RECORD_BYTES);
        // The broker's own type is a 32-bit number.
        let record_bytes = (order_bytes + HEADER_ROOM).min(i32::MAX.into());
        let settings = vec![
            (CLEANUP.to_owned(), Rule::Is("delete".to_owned())),
            ("retention.ms".to_owned(), Rule::AtLeast(DEAD_LETTER_RETENTION)),
            (MAXIMUM_RECORD_BYTES.to_owned(), Rule::AtLeast(record_bytes)),
        ];
        let (name, partitions) = (name.to_owned(), shape.dead_letter_partitions);
        Self { role: TopicRole::DeadLetter, name, partitions, replication: shape.replication_factor, settings }
    }

    /// The state topic.
    pub(super) fn state(name: &str, shape: &TopicShape) -> Self {
        let (name, partitions) = (name.to_owned(), shape.state_partitions);
        Self {
            role: TopicRole::State,
            name,
            partitions,
            replication: shape.replication_factor,
            settings: state_rules(),
        }
    }

    /// The settings to make it with.
    pub(super) fn settings_to_make(&self) -> Vec<(&str, String)> {
        self.settings.iter().map(|(key, rule)| (key.as_str(), rule.value())).collect()
    }

    /// Where the topic that is there differs in its settings: one text each, without an end.
    pub(super) fn drift(&self, found: &BTreeMap<String, String>) -> Vec<String> {
        let differs = |(key, rule): &(String, Rule)| {
            let value = found.get(key).map(String::as_str);
            let shown = value.unwrap_or("not told");
            (!rule.holds(value)).then(|| format!("{key} is {shown}, should be {}", rule.words()))
        };
        self.settings.iter().filter_map(differs).collect()
    }

    /// Whether the settings make the topic unusable for its part: totals in a topic that is not compacted get lost.
    pub(super) fn is_unusable(&self, found: &BTreeMap<String, String>) -> bool {
        self.role == TopicRole::State && found.get(CLEANUP).is_some_and(|policy| policy != "compact")
    }

    /// Where it differs in partitions; `remedy` is said when they are too few.
    pub(super) fn partition_drift(&self, partitions: i32, remedy: &str) -> Option<String> {
        let remedy = if partitions < self.partitions { remedy } else { "" };
        (partitions != self.partitions)
            .then(|| format!("{partitions} partitions, should be {}{remedy}", self.partitions))
    }

    /// Where it differs in copies.
    pub(super) fn replication_drift(&self, replication: i32) -> Option<String> {
        let wanted = self.replication.filter(|wanted| *wanted != replication)?;
        Some(format!("replication factor is {replication}, should be {wanted}"))
    }
}

impl Rule {
    fn value(&self) -> String {
        match self {
            Rule::Is(value) => value.clone(),
            Rule::AtLeast(limit) | Rule::AtMost(limit) => limit.to_string(),
        }
    }

    fn holds(&self, found: Option<&str>) -> bool {
        match self {
            Rule::Is(value) => found == Some(value),
            Rule::AtLeast(least) => {
                found.and_then(|found| found.parse::<i64>().ok()).is_some_and(|found| found == -1 || found >= *least)
            }
            Rule::AtMost(most) => found.and_then(|found| found.parse::<i64>().ok()).is_some_and(|found| found <= *most),
        }
    }

    fn words(&self) -> String {
        match self {
            Rule::Is(value) => value.clone(),
            Rule::AtLeast(least) => format!("at least {least}"),
            Rule::AtMost(most) => format!("at most {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn wanted(rules: &[(&str, Rule)]) -> Wanted {
        let settings = rules.iter().map(|(key, rule)| ((*key).to_owned(), rule.clone())).collect();
        Wanted { role: TopicRole::State, name: "t".to_owned(), partitions: 3, replication: None, settings }
    }

    #[test]
    fn a_number_may_be_larger_or_unlimited() {
        let wanted = wanted(&[("retention.ms", Rule::AtLeast(DEAD_LETTER_RETENTION))]);
        for fine in ["1209600000", "1209600001", "-1"] {
            assert!(wanted.drift(&settings(&[("retention.ms", fine)])).is_empty(), "{fine}");
        }
        let drift = wanted.drift(&settings(&[("retention.ms", "604800000")]));
        assert_eq!(drift, ["retention.ms is 604800000, should be at least 1209600000"]);
        assert_eq!(wanted.drift(&settings(&[])), ["retention.ms is not told, should be at least 1209600000"]);
    }

    #[test]
    fn a_number_may_be_smaller() {
        let wanted = wanted(&[("segment.ms", Rule::AtMost(STATE_SEGMENT))]);
        assert!(wanted.drift(&settings(&[("segment.ms", "600000")])).is_empty());
        let drift = wanted.drift(&settings(&[("segment.ms", "604800000")]));
        assert_eq!(drift, ["segment.ms is 604800000, should be at most 3600000"]);
    }

    #[test]
    fn a_state_topic_that_is_not_compacted_is_unusable() {
        let wanted = wanted(&[(CLEANUP, Rule::Is("compact".to_owned()))]);
        for (policy, unusable) in [("compact", false), ("delete", true), ("compact,delete", true)] {
            assert_eq!(wanted.is_unusable(&settings(&[(CLEANUP, policy)])), unusable, "{policy}");
        }
        assert!(!Wanted { role: TopicRole::Orders, ..wanted }.is_unusable(&settings(&[(CLEANUP, "delete")])));
    }

    #[test]
    fn partitions_and_copies_are_compared() {
        let wanted = Wanted { replication: Some(3), ..wanted(&[]) };
        assert_eq!(wanted.partition_drift(3, "; why"), None);
        assert_eq!(wanted.partition_drift(2, "; why").as_deref(), Some("2 partitions, should be 3; why"));
        assert_eq!(wanted.partition_drift(12, "; why").as_deref(), Some("12 partitions, should be 3"));
        assert_eq!(wanted.replication_drift(3), None);
        assert_eq!(wanted.replication_drift(1).as_deref(), Some("replication factor is 1, should be 3"));
        assert_eq!(Wanted { replication: None, ..wanted }.replication_drift(1), None);
    }

    #[test]
    fn dead_letters_have_room_for_any_order_and_its_headers() {
        let shape = TopicShape {
            orders_partitions: 6,
            dead_letter_partitions: 3,
            state_partitions: 3,
            replication_factor: None,
            config: settings(&[("max.message.bytes", "2000000")]),
        };
        let room = |told: &[(&str, &str)], shape: &TopicShape| {
            let wanted = Wanted::dead_letter("orders-dlq", shape, &settings(told));
            wanted.settings_to_make().into_iter().find(|(key, _)| *key == MAXIMUM_RECORD_BYTES).map(|(_, value)| value)
        };
        assert_eq!(room(&[("max.message.bytes", "1048588")], &shape).as_deref(), Some("1114124"));
        assert_eq!(room(&[], &shape).as_deref(), Some("2065536"), "what it will be made with");
        assert_eq!(room(&[("max.message.bytes", "2147483647")], &shape).as_deref(), Some("2147483647"));
        let plain = TopicShape { config: BTreeMap::new(), ..shape };
        assert_eq!(room(&[], &plain).as_deref(), Some("1114124"), "Kafka's own default");
    }
}
