//! What is wrong with settings that are well formed each for itself.
//!
//! Deliberately not what clap says of single flags: unknown ones, bad numbers, values out of range.
use std::path::PathBuf;

use schemas::settings::SettingsError;
use snafu::Snafu;

/// One variant a refusal; each names the thing and the remedy.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
#[expect(missing_docs, reason = "the fields are the words of the message above them")]
pub enum Error {
    /// No broker is named.
    #[snafu(display(
        "no broker to connect to; give --bootstrap-servers HOST:PORT, or set ORDERPIPELINE_BOOTSTRAP_SERVERS \
         (worker demo needs none)"
    ))]
    NoBootstrapServers,
    /// Two of the three topics have one name: the pipeline would read what it writes.
    #[snafu(display("{first} and {second} are both {topic:?}; give them different topics"))]
    SameTopic { first: &'static str, second: &'static str, topic: String },
    /// The first wait would be longer than the longest.
    #[snafu(display(
        "--initial-backoff {initial} is longer than --max-backoff {max}; lower the first or raise the second"
    ))]
    BackoffOrder { initial: humantime::FormattedDuration, max: humantime::FormattedDuration },
    /// No price is between the two.
    #[snafu(display("--min-price {min} is above --max-order-price {max}; lower the first or raise the second"))]
    PriceOrder { min: crate::config::DecimalPrice, max: crate::config::DecimalPrice },
    /// A flag makes sense only beside another.
    #[snafu(display("{flag} needs {needs}"))]
    Needs { flag: &'static str, needs: &'static str },
    /// A failure flag beside a handler that simulates nothing.
    #[snafu(display(
        "{flag} simulates failures, which --handler {handler} never does; leave {flag} out or use --handler simulate"
    ))]
    NothingToFail { flag: &'static str, handler: &'static str },
    /// An address that nobody can call. It is not repeated: it may hold a password.
    #[snafu(display("{flag} {problem}{remedy}"))]
    Address { flag: &'static str, problem: crate::config::HttpUrlError, remedy: &'static str },
    /// A flag that a command has no use for.
    #[snafu(display("{flag} has no place in {command}, which {why}; leave it out"))]
    NotHere { flag: &'static str, command: &'static str, why: &'static str },
    /// A client setting that a flag sets.
    #[snafu(display("--client-config {key} is set by the worker; use {flag} instead"))]
    OwnedByFlag { key: String, flag: &'static str },
    /// A client setting that a guarantee depends on.
    #[snafu(display("--client-config {key} is fixed: {why}; leave it out"))]
    Fixed { key: String, why: &'static str },
    /// The name of the input does not tell its notation.
    #[snafu(display("--input {} does not end in .csv or .ndjson; rename it, or pipe it in with --input -", path.display()))]
    InputNotation { path: PathBuf },
    /// A file that a flag names.
    #[snafu(display("cannot read {} that {flag} names; check the path and its permissions", path.display()))]
    ReadFile { flag: &'static str, path: PathBuf, source: std::io::Error },
    /// The settings file is no YAML map.
    #[snafu(display("settings file {} is not a YAML map of settings: {problem}", path.display()))]
    ParseSettings { path: PathBuf, problem: String },
    /// A key or a value in the settings file.
    #[snafu(display("settings file {}", path.display()))]
    Settings { path: PathBuf, source: SettingsError },
    /// A value in the settings file that the flag of the same name does not take.
    #[snafu(display("settings file {}: {problem}", path.display()))]
    SettingValue { path: PathBuf, problem: String },
}
