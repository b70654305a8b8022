//! What happens to a dead-letter consumer.
//!
//! At high rates letters are not told one by one: the role's gate says which are (`told`). Deliberately nothing about
//! connections: the Kafka client logs those.

use schemas::dead_letter::DeadLetter;

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
