//! Flags that several commands have: brokers, security, topics, and the process itself.
//!
//! Deliberately only what is typed; `check` makes configuration of it.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::registry::RegistryArguments;
use super::values;
use crate::config;

#[derive(Debug, Args)]
#[command(next_help_heading = "Kafka")]
pub(super) struct KafkaArguments {
    /// Brokers to start from, several with commas between them
    #[arg(long, value_name = "HOST:PORT", value_parser = values::bootstrap_servers)]
    pub(super) bootstrap_servers: Option<String>,
    /// What the brokers are: Apache Kafka (or one like it), or the embedded broker of worker demo
    #[arg(long, value_name = "KIND", default_value = "kafka")]
    pub(super) broker_kind: BrokerKind,
    /// How long to try to reach a broker; services try for ever once they run
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = values::positive_duration)]
    pub(super) connect_timeout: Duration,
    /// A librdkafka setting of your own; repeat it for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::pair)]
    pub(super) client_config: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) security: SecurityArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub(super) struct SecurityArguments {
    /// How the connection to Kafka is protected
    #[arg(long, value_name = "PROTOCOL", default_value = "plaintext")]
    pub(super) security_protocol: SecurityProtocol,
    /// Certificates (PEM) of the authorities to trust [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// Client certificate (PEM), with --key-file
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(super) certificate_file: Option<PathBuf>,
    /// Key (PEM) of the client certificate
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    pub(super) key_file: Option<PathBuf>,
    /// How the password is proven [default: scram-sha-512]
    #[arg(long, value_name = "MECHANISM")]
    pub(super) sasl_mechanism: Option<SaslMechanism>,
    /// User name
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    pub(super) sasl_username: Option<String>,
    /// File that holds the password; read anew at every connection
    #[arg(long, value_name = "FILE")]
    pub(super) sasl_password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Topics and group")]
pub(super) struct TopicArguments {
    /// Topic of the orders
    #[arg(long, value_name = "TOPIC", default_value = "orders", value_parser = values::topic)]
    pub(super) topic: String,
    /// Topic of the dead letters [default: <topic>-dlq]
    #[arg(long, value_name = "TOPIC", value_parser = values::topic)]
    pub(super) dead_letter_topic: Option<String>,
    /// Topic of the totals' snapshots [default: <group>-state]
    #[arg(long, value_name = "TOPIC", value_parser = values::topic)]
    pub(super) state_topic: Option<String>,
    /// Consumer group; the dead-letter consumer's is <group>-dead-letters
    #[arg(long, value_name = "GROUP", default_value = "orders", value_parser = values::name)]
    pub(super) group_id: String,
    /// Name of the pipeline in reports and dead letters [default: the group]
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    pub(super) pipeline: Option<String>,
    /// Where totals live: durable = in the state topic, none = in memory
    #[arg(long, value_name = "MODE", default_value = "durable")]
    pub(super) state: State,
    #[command(flatten)]
    pub(super) registry: RegistryArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Decoding")]
pub(super) struct DecodeArguments {
    /// Avro schema of records without a frame [default: the order schemas, newest first]
    #[arg(long, value_name = "FILE")]
    pub(super) writer_schema: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct ServeArguments {
    /// Write the report here (JSON) when done
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Where /livez, /readyz, /metrics and /status answer; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT", default_value = "0.0.0.0:8080", value_parser = values::address)]
    pub(super) admin_address: SocketAddr,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
pub(super) struct TalkArguments {
    /// Settings file (YAML); flags and environment variables win over it
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// How log lines look: text for people, json for log collectors
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Say more; twice: everything
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum BrokerKind {
    Kafka,
    Embedded,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SecurityProtocol {
    Plaintext,
    Tls,
    SaslPlaintext,
    SaslTls,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SaslMechanism {
    Plain,
    #[value(name = "scram-sha-256")]
    ScramSha256,
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum State {
    Durable,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

impl From<BrokerKind> for config::BrokerKind {
    fn from(kind: BrokerKind) -> config::BrokerKind {
        match kind {
            BrokerKind::Kafka => config::BrokerKind::Kafka,
            BrokerKind::Embedded => config::BrokerKind::Embedded,
        }
    }
}

impl From<SecurityProtocol> for config::SecurityProtocol {
    fn from(protocol: SecurityProtocol) -> config::SecurityProtocol {
        match protocol {
            SecurityProtocol::Plaintext => config::SecurityProtocol::Plaintext,
            SecurityProtocol::Tls => config::SecurityProtocol::Tls,
            SecurityProtocol::SaslPlaintext => config::SecurityProtocol::SaslPlaintext,
            SecurityProtocol::SaslTls => config::SecurityProtocol::SaslTls,
        }
    }
}

impl From<SaslMechanism> for config::SaslMechanism {
    fn from(mechanism: SaslMechanism) -> config::SaslMechanism {
        match mechanism {
            SaslMechanism::Plain => config::SaslMechanism::Plain,
            SaslMechanism::ScramSha256 => config::SaslMechanism::ScramSha256,
            SaslMechanism::ScramSha512 => config::SaslMechanism::ScramSha512,
        }
    }
}

impl From<State> for config::StateMode {
    fn from(state: State) -> config::StateMode {
        match state {
            State::Durable => config::StateMode::Durable,
            State::None => config::StateMode::None,
        }
    }
}

impl From<LogFormat> for config::LogFormat {
    fn from(format: LogFormat) -> config::LogFormat {
        match format {
            LogFormat::Text => config::LogFormat::Text,
            LogFormat::Json => config::LogFormat::Json,
        }
    }
}
