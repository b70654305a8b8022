//! How to reach Kafka.
//!
//! Deliberately without passwords: they are read from their files at each connection, because they may change.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a Kafka client of any role starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port`, several separated by commas; each part was checked.
    pub bootstrap_servers: String,
    /// What stands behind the addresses.
    pub broker_kind: BrokerKind,
    /// How the connection is protected.
    pub security: Security,
    /// librdkafka settings of the user's own; none that the pipeline owns.
    pub client_config: BTreeMap<String, String>,
    /// How long one-shot commands try to reach a broker before they give up; services try for ever.
    pub connect_timeout: Duration,
}

/// What stands behind the bootstrap addresses; some client settings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BrokerKind {
    /// Apache Kafka, or a broker that behaves like it.
    #[default]
    Kafka,
    /// librdkafka's mock cluster, as `worker demo` starts it.
    Embedded,
}

/// Transport security and authentication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// Which of the four of Kafka's protocols.
    pub protocol: SecurityProtocol,
    /// PEM certificates of the authorities that sign the brokers' certificates; absent = the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM certificate of the client, for mutual TLS; always together with `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// PEM private key of the client certificate.
    pub key_file: Option<PathBuf>,
    /// Present if and only if the protocol is one of the SASL ones.
    pub sasl: Option<Sasl>,
}

/// Kafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecurityProtocol {
    /// Neither encryption nor authentication.
    #[default]
    Plaintext,
    /// Encryption, and authentication by client certificate where one is given.
    Tls,
    /// Authentication by name and password, without encryption.
    SaslPlaintext,
    /// Authentication by name and password, with encryption.
    SaslTls,
}

/// Name and password, in one of SASL's mechanisms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: SaslMechanism,
    /// The user's name.
    pub username: String,
    /// The file whose content, without a line end, is the password.
    pub password_file: PathBuf,
}

/// SASL mechanisms that need nothing but a name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// The password itself crosses the wire.
    Plain,
    /// RFC 7677 with SHA-256.
    ScramSha256,
    /// The same with SHA-512.
    ScramSha512,
}

impl SecurityProtocol {
    /// librdkafka's name for it (`security.protocol`).
    #[must_use]
    pub const fn client_name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "plaintext",
            SecurityProtocol::Tls => "ssl",
            SecurityProtocol::SaslPlaintext => "sasl_plaintext",
            SecurityProtocol::SaslTls => "sasl_ssl",
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn encrypts(self) -> bool {
        matches!(self, SecurityProtocol::Tls | SecurityProtocol::SaslTls)
    }

    /// Whether a name and a password are sent.
    #[must_use]
    pub const fn authenticates(self) -> bool {
        matches!(self, SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslTls)
    }
}

impl SaslMechanism {
    /// librdkafka's name for it (`sasl.mechanism`).
    #[must_use]
    pub const fn client_name(self) -> &'static str {
        match self {
            SaslMechanism::Plain => "PLAIN",
            SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
            SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}
