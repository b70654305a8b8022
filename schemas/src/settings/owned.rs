//! librdkafka settings that the pipeline owns: its guarantees hang on them, so users may not set them as they please.
//!
//! Deliberately a list of refusals only; what the pipeline sets them to stands with the clients.

/// Why a client setting is refused, and what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnedSetting {
    /// A flag of the worker sets it.
    Flag(&'static str),
    /// Nothing may set it: a guarantee depends on it.
    Fixed(&'static str),
}

/// Exact names, with librdkafka's aliases.
const OWNED: &[(&str, OwnedSetting)] = &[
    ("bootstrap.servers", OwnedSetting::Flag("--bootstrap-servers")),
    ("metadata.broker.list", OwnedSetting::Flag("--bootstrap-servers")),
    ("security.protocol", OwnedSetting::Flag("--security-protocol")),
    ("group.id", OwnedSetting::Flag("--group-id")),
    ("auto.offset.reset", OwnedSetting::Flag("--start-from")),
    ("compression.type", OwnedSetting::Flag("--compression")),
    ("compression.codec", OwnedSetting::Flag("--compression")),
    ("group.protocol", OwnedSetting::Flag("--broker-kind")),
    ("sasl.mechanism", OwnedSetting::Flag("--sasl-mechanism")),
    ("sasl.mechanisms", OwnedSetting::Flag("--sasl-mechanism")),
    ("sasl.username", OwnedSetting::Flag("--sasl-username")),
    ("sasl.password", OwnedSetting::Flag("--sasl-password-file")),
    ("ssl.ca.location", OwnedSetting::Flag("--ca-file")),
    ("ssl.certificate.location", OwnedSetting::Flag("--certificate-file")),
    ("ssl.key.location", OwnedSetting::Flag("--key-file")),
    ("enable.ssl.certificate.verification", OwnedSetting::Flag("--ca-file")),
    ("enable.auto.commit", OwnedSetting::Fixed("offsets are committed only when everything below them is resolved")),
    ("enable.auto.offset.store", OwnedSetting::Fixed("offsets are stored only when everything below them is resolved")),
    ("isolation.level", OwnedSetting::Fixed("orders of aborted transactions must not be counted")),
    ("partition.assignment.strategy", OwnedSetting::Fixed("all members of the group need the same one")),
    ("acks", OwnedSetting::Fixed("a record counts as written when all in-sync replicas have it")),
    ("request.required.acks", OwnedSetting::Fixed("a record counts as written when all in-sync replicas have it")),
    ("enable.idempotence", OwnedSetting::Fixed("a repeated write must not make a second record")),
    ("transactional.id", OwnedSetting::Fixed("the pipeline uses no transactions")),
    ("partitioner", OwnedSetting::Fixed("orders of one key must go where Java's producers put them")),
    ("test.mock.num.brokers", OwnedSetting::Fixed("the embedded broker belongs to worker demo")),
];

/// Whether the pipeline owns a librdkafka setting, and what to do instead of setting it. The other settings of the
/// families `sasl.` and `ssl.` are owned too: they would go round the flags.
#[must_use]
pub fn owned_client_setting(key: &str) -> Option<OwnedSetting> {
    let exact = OWNED.iter().find(|(name, _)| *name == key).map(|(_, owned)| *owned);
    exact.or_else(|| match key.split('.').next() {
        Some("sasl") => Some(OwnedSetting::Flag("--sasl-mechanism, --sasl-username and --sasl-password-file")),
        Some("ssl") => Some(OwnedSetting::Flag("--ca-file, --certificate-file and --key-file")),
        Some(_) | None => None,
    })
}
