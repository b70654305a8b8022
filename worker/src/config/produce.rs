//! What the producer needs to know.
//!
//! Deliberately does not open the input: a file that is missing is found when the role opens it.
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use schemas::codec::SchemaVersion;

use super::{Common, DecimalPrice};

/// `worker produce`.
#[derive(Debug, Clone, PartialEq)]
pub struct Produce {
    /// What all roles share.
    pub common: Common,
    /// Where orders come from.
    pub orders: Orders,
    /// How many orders; absent = for ever, or the whole input.
    pub count: Option<NonZeroU64>,
    /// How fast.
    pub pace: Pace,
    /// How batches are compressed.
    pub compression: Compression,
    /// What stands before a record; Confluent's frame only where there is a registry.
    pub encoding: Encoding,
    /// Which order schema is written.
    pub schema_version: SchemaVersion,
}

/// What is written before the Avro datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Nothing.
    #[default]
    Bare,
    /// C3 01 and the schema's fingerprint.
    SingleObject,
    /// 0x00 and the schema's id in the registry, which is not known before the registry was asked.
    Confluent,
}

/// Where a producer's orders come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Orders {
    /// Made up.
    Generated(Generator),
    /// Read.
    Read {
        /// From where.
        input: Input,
        /// In which notation; absent for standard input: its first byte that is no space tells (`{` = NDJSON).
        format: Option<InputFormat>,
        /// What becomes of a line that is no order.
        on_bad_line: OnBadLine,
    },
}

/// Made-up orders: the same seed makes the same orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Generator {
    /// Where the stream of chance starts.
    pub seed: u64,
    /// Products are `P1` .. `P<products>`; at least 1.
    pub products: u32,
    /// Lowest price.
    pub min_price: DecimalPrice,
    /// Highest price; not below the lowest.
    pub max_price: DecimalPrice,
    /// Order ids are this and a number of at least six digits, from 1.
    pub id_prefix: String,
}

/// Where lines are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input (`--input -`).
    Stdin,
}

/// The notation of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    /// With a header `orderId,product,price[,quantity,currency,createdAt,key]`.
    Csv,
    /// One JSON object a line, with the same names.
    Ndjson,
}

/// What becomes of a line that is no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadLine {
    /// The command ends with 1.
    #[default]
    Fail,
    /// It is named on stderr and counted.
    Skip,
}

/// How fast orders are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As fast as the broker takes them.
    Unlimited,
    /// This many a second; finite and above 0.
    PerSecond(f64),
    /// One each time this has passed; above 0.
    Every(Duration),
}

/// librdkafka's `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip
    Gzip,
    /// Snappy
    Snappy,
    /// LZ4
    #[default]
    Lz4,
    /// Zstandard
    Zstd,
}

impl Compression {
    /// librdkafka's name for it.
    #[must_use]
    pub const fn client_name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}
