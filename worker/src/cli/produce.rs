//! `worker produce`: its flags, and what they make together.
//!
//! Deliberately also the home of the flags for the source of orders, which the demo shares.
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemas::codec::SchemaVersion;
use snafu::{OptionExt, ensure};

use super::check::Groups;
use super::error::{Error, InputNotationSnafu, NeedsSnafu, PriceOrderSnafu};
use super::flag_groups::{KafkaArguments, ServeArguments, TalkArguments, TopicArguments};
use super::values;
use crate::config::{self, DecimalPrice, Encoding, Generator, Input, InputFormat, Orders, Pace, Produce};

const AFTER_HELP: &str = "\
Examples:
  worker produce --bootstrap-servers localhost:9092                        one order a second, for ever
  worker produce --bootstrap-servers localhost:9092 --count 100 --interval 500ms
  worker produce --bootstrap-servers localhost:9092 --input orders.csv --rate 0
  tail -f orders.ndjson | worker produce --bootstrap-servers localhost:9092 --input -";

/// Write orders to the topic: made up, or read from a file
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ProduceArguments {
    /// How many orders; 0 = for ever, or all of the input
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::count, help_heading = "Orders")]
    count: u64,
    /// Orders a second; 0 = as fast as the broker takes them
    #[arg(long, value_name = "R", default_value = "1", value_parser = values::rate, help_heading = "Orders")]
    rate: f64,
    /// Time between two orders, instead of --rate
    #[arg(long, value_name = "DURATION", conflicts_with = "rate", value_parser = values::positive_duration)]
    #[arg(help_heading = "Orders")]
    interval: Option<Duration>,
    #[command(flatten)]
    source: SourceArguments,
    /// What each order id begins with [default: order-<host>-]
    #[arg(long, value_name = "TEXT", value_parser = values::name, help_heading = "Orders made up")]
    id_prefix: Option<String>,
    /// How batches are compressed
    #[arg(long, value_name = "CODEC", default_value = "lz4", help_heading = "Records")]
    compression: Compression,
    /// What stands before the Avro datum [default: bare; confluent with --schema-registry-url]
    #[arg(long, value_name = "ENCODING", help_heading = "Records")]
    encoding: Option<EncodingName>,
    /// Order schema to write
    #[arg(long, value_name = "1|2", default_value = "2", help_heading = "Records")]
    schema_version: Version,
    #[command(flatten)]
    kafka: KafkaArguments,
    #[command(flatten)]
    topics: TopicArguments,
    #[command(flatten)]
    serve: ServeArguments,
    #[command(flatten)]
    talk: TalkArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Orders")]
pub(super) struct SourceArguments {
    /// Read orders from a .csv or .ndjson file, or from standard input (-)
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// What to do with a line that is no order
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    on_bad_line: OnBadLine,
    /// Where the stream of chance starts: the same seed makes the same orders
    #[arg(long, value_name = "N", default_value_t = 42, value_parser = values::count, help_heading = "Orders made up")]
    pub(super) seed: u64,
    /// How many products: P1, P2, …
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(help_heading = "Orders made up")]
    products: u32,
    /// Lowest price
    #[arg(long, value_name = "PRICE", default_value = "10.00", help_heading = "Orders made up")]
    min_price: DecimalPrice,
    /// Highest price
    #[arg(long, value_name = "PRICE", default_value = "1000.00", help_heading = "Orders made up")]
    max_order_price: DecimalPrice,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnBadLine {
    Fail,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EncodingName {
    Bare,
    SingleObject,
    Confluent,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Version {
    #[value(name = "1")]
    V1,
    #[value(name = "2")]
    V2,
}

impl From<Version> for SchemaVersion {
    fn from(version: Version) -> SchemaVersion {
        match version {
            Version::V1 => SchemaVersion::V1,
            Version::V2 => SchemaVersion::V2,
        }
    }
}

impl ProduceArguments {
    pub(super) fn check(self) -> Result<Produce, Error> {
        let Self { kafka, topics, serve, talk, .. } = self;
        let common = Groups { kafka, topics, decode: None, serve: Some(serve), talk }.check()?;
        let encoding = match (self.encoding, &common.registry) {
            (Some(EncodingName::Bare), _) | (None, None) => Encoding::Bare,
            (Some(EncodingName::SingleObject), _) => Encoding::SingleObject,
            (Some(EncodingName::Confluent) | None, Some(_)) => Encoding::Confluent,
            (Some(EncodingName::Confluent), None) => {
                return NeedsSnafu { flag: "--encoding confluent", needs: "--schema-registry-url" }.fail();
            }
        };
        Ok(Produce {
            common,
            orders: self.source.check(self.id_prefix.unwrap_or_else(host_prefix))?,
            count: NonZeroU64::new(self.count),
            pace: self.interval.map_or_else(|| pace(self.rate), Pace::Every),
            compression: match self.compression {
                Compression::None => config::Compression::None,
                Compression::Gzip => config::Compression::Gzip,
                Compression::Snappy => config::Compression::Snappy,
                Compression::Lz4 => config::Compression::Lz4,
                Compression::Zstd => config::Compression::Zstd,
            },
            encoding,
            schema_version: self.schema_version.into(),
        })
    }
}

impl SourceArguments {
    pub(super) fn reads_input(&self) -> bool {
        self.input.is_some()
    }

    pub(super) fn check(self, id_prefix: String) -> Result<Orders, Error> {
        let (min, max) = (self.min_price, self.max_order_price);
        ensure!(min <= max, PriceOrderSnafu { min, max });
        let Some(path) = self.input else {
            let Self { seed, products, .. } = self;
            return Ok(Orders::Generated(Generator { seed, products, min_price: min, max_price: max, id_prefix }));
        };
        let on_bad_line = match self.on_bad_line {
            OnBadLine::Fail => config::OnBadLine::Fail,
            OnBadLine::Skip => config::OnBadLine::Skip,
        };
        if path.as_os_str() == "-" {
            return Ok(Orders::Read { input: Input::Stdin, format: None, on_bad_line });
        }
        let format = notation(&path).with_context(|| InputNotationSnafu { path: path.clone() })?;
        Ok(Orders::Read { input: Input::File(path), format: Some(format), on_bad_line })
    }
}

fn notation(path: &std::path::Path) -> Option<InputFormat> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(InputFormat::Csv),
        "ndjson" | "jsonl" => Some(InputFormat::Ndjson),
        _ => None,
    }
}

pub(super) fn pace(rate: f64) -> Pace {
    if rate == 0.0 { Pace::Unlimited } else { Pace::PerSecond(rate) }
}

/// `order-<host>-`: two producers on two machines make no order id twice.
fn host_prefix() -> String {
    let host = gethostname::gethostname();
    let host = host.to_string_lossy();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '-' };
    format!("order-{}-", host.chars().map(plain).collect::<String>())
}
