//! Every metric of every binary: name, type, help, labels. Dashboards, alerts and docs are checked against this list.
//!
//! Names are an interface: base units in the name, counters end in `_total`, labels come from closed lists (products are
//! capped by whoever counts). Deliberately no values and no library: the crates that count register what they need.

/// A metric's type, as Prometheus names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and starts at 0 with each process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// Which program or role has a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Every binary and role.
    All,
    /// `worker produce`.
    Producer,
    /// `worker consume`.
    Consumer,
    /// `worker dead-letters`.
    DeadLetters,
    /// Whoever decodes orders.
    Decoder,
    /// Whoever asks a schema registry.
    Registry,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Full name, with the prefix.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Its labels, without those that a scrape or the demo adds.
    pub labels: &'static [&'static str],
    /// Who has it.
    pub owner: Owner,
}

/// What all names begin with.
pub const PREFIX: &str = "orderpipeline_";

/// Declares each metric once: as a constant and as a member of [`ALL`].
macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:ident, $owner:ident, [$($label:literal),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: concat!("orderpipeline_", $name),
                kind: Kind::$kind,
                help: $help,
                labels: &[$($label),*],
                owner: Owner::$owner,
            };
        )*
        /// Every metric, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = "build_info", Gauge, All, ["version", "revision", "role"], "Which build this is; always 1.";
    READY = "ready", Gauge, All, [], "1 while nothing is waited for, else 0.";

    PRODUCER_ORDERS_TOTAL = "producer_orders_total", Counter, Producer, ["product", "result"],
        "Orders by product and result (acknowledged or failed), counted when the broker has answered.";
    PRODUCER_ORDER_VALUE_TOTAL = "producer_order_value_total", Counter, Producer, ["currency"],
        "Sum of the prices of acknowledged orders, in major units of the currency.";
    PRODUCER_DELIVERY_DURATION_SECONDS = "producer_delivery_duration_seconds", Histogram, Producer, [],
        "Time from the moment an order was to be sent to its acknowledgement.";
    PRODUCER_QUEUED_RECORDS = "producer_queued_records", Gauge, Producer, [],
        "Orders that are queued or on their way.";
    PRODUCER_TARGET_ORDERS_PER_SECOND = "producer_target_orders_per_second", Gauge, Producer, [],
        "Rate that was asked for; 0 means as fast as the broker takes them.";

    CONSUMER_ORDERS_TOTAL = "consumer_orders_total", Counter, Consumer, ["outcome"],
        "Records resolved by this process, by outcome (succeeded, dead_lettered or skipped).";
    CONSUMER_RETRIES_TOTAL = "consumer_retries_total", Counter, Consumer, ["class", "number"],
        "Retries made, by failure class and number of the retry.";
    CONSUMER_PARKED_ORDERS = "consumer_parked_orders", Gauge, Consumer, [],
        "Orders that wait for their retry or behind one of their key.";
    CONSUMER_PARKED_BYTES = "consumer_parked_bytes", Gauge, Consumer, [],
        "Memory of the orders that wait for their retry or behind one of their key.";
    CONSUMER_RETRY_START_DELAY_SECONDS = "consumer_retry_start_delay_seconds", Histogram, Consumer, [],
        "How much later than due retries started.";
    CONSUMER_DEAD_LETTERS_TOTAL = "consumer_dead_letters_total", Counter, Consumer, ["class"],
        "Records moved to the dead-letter topic, by failure class.";
    CONSUMER_DEAD_LETTER_WRITE_FAILURES_TOTAL = "consumer_dead_letter_write_failures_total", Counter, Consumer, [],
        "Writes to the dead-letter topic that failed; each is tried again and nothing is lost.";
    CONSUMER_PRICE_AVERAGE = "consumer_price_average", Gauge, Consumer, ["product", "currency"],
        "Mean price of the orders that succeeded, in major units.";
    CONSUMER_PRICE_MIN = "consumer_price_min", Gauge, Consumer, ["product", "currency"],
        "Lowest price of the orders that succeeded, in major units.";
    CONSUMER_PRICE_MAX = "consumer_price_max", Gauge, Consumer, ["product", "currency"],
        "Highest price of the orders that succeeded, in major units.";
    CONSUMER_TOTAL_ORDERS = "consumer_total_orders", Gauge, Consumer, ["product", "currency"],
        "Orders that succeeded, in the totals that this process holds.";
    CONSUMER_TOTAL_VALUE = "consumer_total_value", Gauge, Consumer, ["product", "currency"],
        "Sum of the prices of the orders that succeeded, in major units.";
    CONSUMER_TOTAL_REVENUE = "consumer_total_revenue", Gauge, Consumer, ["product", "currency"],
        "Sum of price times quantity of the orders that succeeded, in major units.";
    CONSUMER_ASSIGNED_PARTITIONS = "consumer_assigned_partitions", Gauge, Consumer, [],
        "Partitions of the orders topic that this process has; over all processes they add up to the topic's.";
    CONSUMER_HELD_PARTITIONS = "consumer_held_partitions", Gauge, Consumer, [],
        "Partitions whose next record has a schema that is still asked for; the others go on.";
    CONSUMER_PENDING_DEAD_LETTERS = "consumer_pending_dead_letters", Gauge, Consumer, [],
        "Dead letters that are not acknowledged yet; the commit waits for each.";
    CONSUMER_LAG_RECORDS = "consumer_lag_records", Gauge, Consumer, ["topic", "partition"],
        "Records between the committed offset and the end of the partition.";
    CONSUMER_LAG_SECONDS = "consumer_lag_seconds", Gauge, Consumer, [],
        "Age of the last record read, in the partition that is farthest behind; 0 when everything is resolved.";
    CONSUMER_WATERMARK_GAP_RECORDS = "consumer_watermark_gap_records", Gauge, Consumer, [],
        "Records resolved above the lowest unresolved one.";
    CONSUMER_CHECKPOINT_AGE_SECONDS = "consumer_checkpoint_age_seconds", Gauge, Consumer, [],
        "Time since the last checkpoint that was committed.";
    CONSUMER_RESTORE_DURATION_SECONDS = "consumer_restore_duration_seconds", Histogram, Consumer, [],
        "Time from a partition's assignment until its totals were restored and claimed, and records could be taken in.";
    CONSUMER_END_TO_END_LATENCY_SECONDS = "consumer_end_to_end_latency_seconds", Histogram, Consumer, [],
        "Time from a record's timestamp to its resolution.";
    CONSUMER_PROCESSING_DURATION_SECONDS = "consumer_processing_duration_seconds", Histogram, Consumer, [],
        "Time one turn of the consumer's loop spent on new records: reading, decoding, handling, adding up.";
    CONSUMER_REBALANCES_TOTAL = "consumer_rebalances_total", Counter, Consumer, ["kind"],
        "Rebalances of the group, by kind (assign, revoke or lost).";
    CONSUMER_COMMITS_TOTAL = "consumer_commits_total", Counter, Consumer, ["result"],
        "Offset commits, by result (committed or failed).";
    CONSUMER_IN_FLIGHT_ORDERS = "consumer_in_flight_orders", Gauge, Consumer, [],
        "Orders that are with the service behind the http handler.";
    CONSUMER_HANDLER_CALLS_TOTAL = "consumer_handler_calls_total", Counter, Consumer, ["result"],
        "Calls of the http handler that are over, by result (done, transient, rejected or panicked).";
    CONSUMER_HANDLER_CALL_DURATION_SECONDS = "consumer_handler_call_duration_seconds", Histogram, Consumer, [],
        "How long calls of the http handler took, whatever came of them.";
    CONSUMER_BREAKER_STATE = "consumer_breaker_state", Gauge, Consumer, [],
        "State of the http handler's circuit breaker: 0 closed, 1 half open, 2 open.";
    CONSUMER_INTAKE_STOPPED = "consumer_intake_stopped", Gauge, Consumer, ["reason"],
        "1 while no orders are taken in, by reason (breaker, dead_letter_flood or dead_letter_topic).";

    AVRO_DECODED_RECORDS_TOTAL = "avro_decoded_records_total", Counter, Decoder, ["path"],
        "Records decoded, by path (exact for our own layouts, plan for other writers', fallback for what no plan covers).";
    AVRO_DECODE_ERRORS_TOTAL = "avro_decode_errors_total", Counter, Decoder, ["reason"],
        "Records that are no readable order, by reason.";

    REGISTRY_REQUESTS_TOTAL = "registry_requests_total", Counter, Registry, ["operation", "result"],
        "Requests to the schema registry, by operation and result (found, missing, unavailable or refused).";

    DEAD_LETTER_RECORDS_TOTAL = "dead_letter_records_total", Counter, DeadLetters, ["class"],
        "Dead letters that no earlier reader of the group had seen, by failure class.";
    DEAD_LETTER_VALUE = "dead_letter_value", Gauge, DeadLetters, ["currency"],
        "What the orders that are now in the dead-letter topic are worth (price times quantity), in major units.";
    DEAD_LETTER_DEPTH = "dead_letter_depth", Gauge, DeadLetters, [],
        "Distinct dead letters that are now in the topic.";
    DEAD_LETTER_OLDEST_TIMESTAMP_SECONDS = "dead_letter_oldest_timestamp_seconds", Gauge, DeadLetters, [],
        "Timestamp of the oldest dead letter, from which retention counts, as Unix time; 0 when there is none.";
    DEAD_LETTER_RETENTION_SECONDS = "dead_letter_retention_seconds", Gauge, DeadLetters, [],
        "How long the topic keeps a dead letter; 0 when unknown, infinite when for ever.";
    DEAD_LETTER_BUDGET_EXCEEDED = "dead_letter_budget_exceeded", Gauge, DeadLetters, ["limit"],
        "1 while the dead letters now in the topic go beyond their budget (limit depth, age or value), else 0.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_prefixed() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| name.starts_with(PREFIX)));
    }

    #[test]
    fn counters_and_only_counters_end_in_total() {
        for Metric { name, kind, .. } in ALL {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        }
    }

    #[test]
    fn help_is_one_sentence_and_labels_are_words() {
        for Metric { name, help, labels, .. } in ALL {
            assert!(help.ends_with('.') && !help.trim_end_matches('.').contains(". "), "{name}: {help}");
            let word = |label: &&str| label.bytes().all(|byte| byte.is_ascii_lowercase());
            assert!(labels.iter().all(word), "{name}: {labels:?}");
        }
    }

    #[test]
    fn no_label_can_hold_an_order_id() {
        let known = ["version", "revision", "role", "product", "result", "currency", "outcome", "class", "number"];
        let known: BTreeSet<&str> =
            known.into_iter().chain(["topic", "partition", "kind", "reason", "path", "limit", "operation"]).collect();
        let used: BTreeSet<&str> = ALL.iter().flat_map(|metric| metric.labels).copied().collect();
        assert!(used.is_subset(&known), "{:?}", used.difference(&known));
    }
}
