//! The worker's settings document, and the one table of everything that can be set: the operator writes the document,
//! the worker reads it.
//!
//! One name in four spellings: flag `--max-retries` = environment variable `ORDERPIPELINE_MAX_RETRIES` = setting
//! `maxRetries` = a field of the `OrderPipeline` resource where there is one. Deliberately no YAML here (whoever has
//! text parses it), no defaults and no ranges: those stand with the command line and are checked there.
mod owned;
mod value;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use snafu::Snafu;

pub use owned::{OwnedSetting, owned_client_setting};
pub use value::{Kind, SettingValue, Written};

/// What every environment variable of the worker begins with.
pub const ENVIRONMENT_PREFIX: &str = "ORDERPIPELINE_";

/// One row of the table: something that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The fields of the `OrderPipeline` resource it comes from; empty for what only the command line has.
    pub resource_fields: &'static [&'static str],
}

/// Why a settings document is refused. Keys are named as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum SettingsError {
    /// No setting has this name.
    #[snafu(display("unknown setting {key:?}{}", Suggestion(suggestion)))]
    UnknownKey {
        /// The name that was written.
        key: String,
        /// The setting that was probably meant.
        suggestion: Option<String>,
    },
    /// The value has a wrong type.
    #[snafu(display("setting {key}: {problem}"))]
    WrongType {
        /// The setting.
        key: String,
        /// What was found and what is expected.
        problem: String,
    },
}

struct Suggestion<'a>(&'a Option<String>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(formatter, "; did you mean {name:?}?"),
            None => formatter.write_str("; docs/reference/settings.md lists them all"),
        }
    }
}

macro_rules! settings {
    ($($name:ident: $type:ty => [$($field:literal),*],)*) => {
        /// The settings document: every setting, all optional. Settings of other commands than the one that runs are
        /// allowed and ignored, so that one document serves several.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Settings {
            $(
                #[doc = concat!("The flag `", stringify!($name), "`, with dashes.")]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
        }

        /// Every setting there is, in the order in which the reference lists them.
        pub const SETTINGS: &[Setting] = &[
            $(Setting { name: stringify!($name), kind: <$type as SettingValue>::KIND, resource_fields: &[$($field),*] },)*
        ];

        impl Settings {
            /// What is set, each with its values as the command line writes them: one text, or several where a flag
            /// is given several times. A switch that is off is left out.
            #[must_use]
            pub fn as_flags(&self) -> Vec<(&'static Setting, Vec<String>)> {
                let values = [$(self.$name.as_ref().map(SettingValue::texts)),*];
                SETTINGS.iter().zip(values).filter_map(|(setting, texts)| Some((setting, texts?))).collect()
            }
        }
    };
}

settings! {
    bootstrap_servers: String => ["spec.kafka.bootstrapServers"],
    broker_kind: String => [],
    connect_timeout: String => [],
    client_config: value::Pairs => ["spec.kafka.clientConfig"],
    security_protocol: String => ["spec.kafka.tls", "spec.kafka.authentication"],
    ca_file: String => ["spec.kafka.tls.trustedCertificates"],
    certificate_file: String => ["spec.kafka.authentication.certificate"],
    key_file: String => ["spec.kafka.authentication.key"],
    sasl_mechanism: String => ["spec.kafka.authentication.type"],
    sasl_username: String => ["spec.kafka.authentication.username"],
    sasl_password_file: String => ["spec.kafka.authentication.passwordSecret"],
    topic: String => ["spec.topics.orders.name"],
    dead_letter_topic: String => ["spec.topics.deadLetter.name"],
    state_topic: String => ["spec.topics.state.name"],
    state: String => ["spec.topics.state.mode"],
    group_id: String => ["spec.consumer.groupId"],
    pipeline: String => ["metadata.name"],
    writer_schema: String => [],
    schema_registry_url: String => ["spec.schemaRegistry.url"],
    registration: String => ["spec.schemaRegistry.registration"],
    registry_username: String => ["spec.schemaRegistry.authentication.username"],
    registry_password_file: String => ["spec.schemaRegistry.authentication.passwordSecret"],
    registry_ca_file: String => ["spec.schemaRegistry.tls.trustedCertificates"],
    report: String => [],
    admin_address: String => [],
    log_format: String => [],
    verbose: u64 => [],
    orders: u64 => [],
    count: u64 => [],
    rate: f64 => ["spec.producer.ordersPerSecond"],
    interval: String => ["spec.producer.intervalMilliseconds"],
    input: String => [],
    on_bad_line: String => [],
    seed: u64 => ["spec.producer.seed", "spec.consumer.handler.simulate.seed"],
    products: u64 => [],
    min_price: Written => [],
    max_order_price: Written => [],
    id_prefix: String => [],
    compression: String => [],
    encoding: String => [],
    schema_version: u64 => [],
    handler: String => ["spec.consumer.handler.type"],
    failure_percent: f64 => ["spec.consumer.handler.simulate.failurePercent"],
    permanent_percent: f64 => ["spec.consumer.handler.simulate.permanentPercent"],
    fail_above_price: Written => ["spec.consumer.handler.simulate.failAbovePrice"],
    http_url: String => ["spec.consumer.handler.http.url"],
    http_auth_file: String => ["spec.consumer.handler.http.authentication"],
    http_ca_file: String => ["spec.consumer.handler.http.tls.trustedCertificates"],
    http_timeout: String => ["spec.consumer.handler.http.timeoutSeconds"],
    handler_timeout: String => ["spec.consumer.handlerTimeoutSeconds"],
    max_price: Written => ["spec.consumer.maxPrice"],
    max_retries: u64 => ["spec.consumer.retry.maxRetries"],
    initial_backoff: String => ["spec.consumer.retry.initialBackoffMilliseconds"],
    backoff_multiplier: f64 => ["spec.consumer.retry.backoffMultiplier"],
    max_backoff: String => ["spec.consumer.retry.maxBackoffMilliseconds"],
    jitter_percent: u64 => ["spec.consumer.retry.jitterPercent"],
    max_dead_letter_ratio_percent: u64 => ["spec.consumer.maxDeadLetterRatioPercent"],
    ordering: String => ["spec.consumer.ordering"],
    start_from: String => ["spec.consumer.startFrom"],
    max_in_flight: u64 => ["spec.consumer.maxInFlight"],
    max_parked_bytes: Written => ["spec.consumer.maxParkedMebibytes"],
    consumers: u64 => [],
    checkpoint_interval: String => [],
    reset_state: String => ["spec.consumer.resetState"],
    until_idle: String => [],
    peek: bool => [],
    max_depth: u64 => ["spec.deadLetterConsumer.budget.maxDepth"],
    max_age: String => ["spec.deadLetterConsumer.budget.maxAgeSeconds"],
    max_value: value::Pairs => ["spec.deadLetterConsumer.budget.maxValue"],
    report_interval: String => [],
    partitions: u64 => ["spec.topics.orders.partitions"],
    dead_letter_partitions: u64 => ["spec.topics.deadLetter.partitions"],
    state_partitions: u64 => ["spec.topics.state.partitions"],
    replication_factor: u64 => ["spec.topics.orders.replicationFactor"],
    topic_config: value::Pairs => ["spec.topics.orders.config"],
    created_topic: Vec<String> => ["status.topics[].created"],
    check_only: bool => ["spec.topics.management"],
    delete: Vec<String> => ["spec.topics.deletionPolicy"],
    termination_message: String => [],
}

impl Setting {
    /// The flag without its two dashes: `max-retries`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable: `ORDERPIPELINE_MAX_RETRIES`.
    #[must_use]
    pub fn environment_variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.to_ascii_uppercase())
    }

    /// The key in the settings document: `maxRetries`.
    #[must_use]
    pub fn key(&self) -> String {
        let mut words = self.name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |mut key, word| {
            let (initial, rest) = word.split_at(1);
            key.push_str(&initial.to_ascii_uppercase());
            key.push_str(rest);
            key
        })
    }
}

impl Settings {
    /// Reads a document that was parsed to a map, key by key, so that a refusal names the key.
    ///
    /// # Errors
    /// The first key that no setting has, with the nearest one; else the first value of a wrong type.
    pub fn from_map(map: Map<String, Value>) -> Result<Settings, SettingsError> {
        let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
        for (key, value) in &map {
            if !keys.contains(key) {
                return UnknownKeySnafu { key, suggestion: nearest(key, &keys) }.fail();
            }
            let alone = Map::from_iter([(key.clone(), value.clone())]);
            if let Err(problem) = serde_json::from_value::<Settings>(Value::Object(alone)) {
                return WrongTypeSnafu { key, problem: problem.to_string() }.fail();
            }
        }
        serde_json::from_value(Value::Object(map))
            .map_err(|error| error.to_string())
            .map_err(|problem| SettingsError::WrongType { key: "document".to_owned(), problem })
    }
}

/// The key that was probably meant: flag and environment spellings count as the key itself.
fn nearest(written: &str, keys: &[String]) -> Option<String> {
    let plain = |key: &str| key.replace(['-', '_'], "").to_ascii_lowercase();
    let written = plain(written);
    let written = written.strip_prefix("orderpipeline").unwrap_or(&written);
    let (key, likeness) = keys
        .iter()
        .map(|key| (key, strsim::jaro_winkler(written, &plain(key))))
        .max_by(|one, other| one.1.total_cmp(&other.1))?;
    (likeness > 0.8).then(|| key.clone())
}

#[cfg(test)]
mod tests;
