//! What happens to a dead-letter consumer.
//!
//! At high rates letters are not told one by one: the role's gate says which are (`told`). Deliberately nothing about
//! connections: the Kafka client logs those.

use std::time::Duration;

use schemas::dead_letter::DeadLetter;
use schemas::worker_status::{BudgetLimit, DeadLetterTotals, Excess};

use crate::metrics::dead_letters::DeadLetterMetrics;

/// A letter came that nobody of the group had read before.
pub(crate) struct Arrived<'a> {
    pub(crate) letter: &'a DeadLetter,
    /// Whether the log has a line for it.
    pub(crate) told: bool,
}

impl Arrived<'_> {
    pub(crate) fn emit(&self, metrics: &DeadLetterMetrics) {
        let DeadLetter { topic, partition, offset, group, message, class, disposition, .. } = self.letter;
        metrics.count(*class);
        if self.told {
            let (class, disposition) = (class.as_str(), disposition.as_str());
            let (order, product) = (self.letter.order_id.as_deref(), self.letter.product.as_deref());
            let value = self.letter.order_value.map(|(minor, _)| minor.to_string());
            let currency = self.letter.order_value.map(|(_, currency)| currency.to_string());
            let (retries, value, currency) =
                (self.letter.delivery_count.saturating_sub(1), value.as_deref(), currency.as_deref());
            tracing::info!(
                order,
                product,
                value_minor = value,
                currency,
                class,
                disposition,
                retries,
                error = message,
                topic,
                partition,
                offset,
                group,
                "dead letter"
            );
        }
    }
}

/// A record came that is no dead letter of ours.
pub(crate) struct ForeignSeen<'a> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// What is wrong with its headers.
    pub(crate) reason: &'a dyn std::error::Error,
    /// Whether the log has a line for it.
    pub(crate) told: bool,
}

impl ForeignSeen<'_> {
    pub(crate) fn emit(&self) {
        if self.told {
            let Self { partition, offset, reason, .. } = self;
            tracing::warn!(partition, offset, "a record of the dead-letter topic is no dead letter of ours: {reason}");
        }
    }
}

/// Dead letters go beyond a limit of their budget, or keep to it again.
pub(crate) struct BudgetPassed<'a> {
    pub(crate) topic: &'a str,
    pub(crate) excess: &'a Excess,
    /// They keep to it again.
    pub(crate) is_over: bool,
}

impl BudgetPassed<'_> {
    pub(crate) fn emit(&self) {
        let Excess { limit, currency, actual, allowed } = self.excess;
        let unit = currency.as_deref().unwrap_or_default();
        let (flag, what) = match limit {
            BudgetLimit::MaxDepth => ("--max-depth", "dead letters in number"),
            BudgetLimit::MaxAgeSeconds => ("--max-age", "age of the oldest dead letter in seconds"),
            BudgetLimit::MaxValue => ("--max-value", "value of the dead letters"),
        };
        let topic = self.topic;
        if self.is_over {
            tracing::warn!(
                topic,
                actual,
                allowed,
                currency = unit,
                "over budget ({flag}): {what} is {actual} {unit}, {allowed} {unit} are allowed; look at topic {topic}"
            );
        } else {
            tracing::info!(topic, allowed, currency = unit, "within the budget again ({flag}): {what}");
        }
    }
}

/// Kafka is about to delete dead letters that nobody has dealt with.
pub(crate) struct Expiring<'a> {
    pub(crate) topic: &'a str,
    /// How old the oldest is.
    pub(crate) age: Duration,
    /// How long Kafka keeps it at least.
    pub(crate) left: Duration,
}

impl Expiring<'_> {
    pub(crate) fn emit(&self) {
        let (topic, age) = (self.topic, whole_seconds(self.age));
        let when =
            if self.left.is_zero() { "any moment now".to_owned() } else { format!("in {}", whole_seconds(self.left)) };
        tracing::warn!(
            topic,
            age_seconds = self.age.as_secs(),
            left_seconds = self.left.as_secs(),
            "Kafka deletes dead letters of topic {topic} {when}: the oldest is {age} old; deal with them, or raise the \
             topic's retention.ms"
        );
    }
}

/// What is in the topic, told now and then.
pub(crate) struct Reported<'a> {
    pub(crate) totals: &'a DeadLetterTotals,
    /// How old the oldest letter is.
    pub(crate) age: Option<Duration>,
    /// Records that are still to be read; `None` while unknown.
    pub(crate) lag: Option<u64>,
}

impl Reported<'_> {
    pub(crate) fn emit(&self) {
        let DeadLetterTotals { count, value, value_unknown, by_class } = self.totals;
        let value: Vec<String> = value.iter().map(|amount| format!("{} {}", amount.value, amount.currency)).collect();
        let classes: Vec<String> = by_class.iter().map(|class| format!("{} {}", class.count, class.class)).collect();
        tracing::info!(
            count,
            value = value.join(", "),
            value_unknown,
            classes = classes.join(", "),
            oldest_seconds = self.age.map(|age| age.as_secs()),
            to_read = self.lag,
            "dead letters now in the topic"
        );
    }
}

/// A duration as people write it, without parts of seconds.
fn whole_seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}
