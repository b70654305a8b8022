//! The report of a run: its JSON shape and how it gets into its file.
//!
//! The shape is an interface (docs: "Report file"): the same from every command, which leaves out what it did not do.
//! Amounts are decimal strings in their currency's decimals, averages have four decimals, rounded half to even.
//! Deliberately without arithmetic on orders: totals come from the engine, `file` writes, `screen::Summary` shows.

mod file;

pub use file::{Error, write};
pub use schemas::worker_status::{ClassTotal, CurrencyAmount, DeadLetterTotals};

use engine::snapshot::Counters;
use engine::totals::{Total, Totals};
use schemas::order::{Amount, Currency};
use serde::Serialize;

/// What became of the orders of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the pipeline.
    pub pipeline: String,
    /// What the producer did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub produced: Option<Produced>,
    /// What became of the records that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumed: Option<Consumed>,
    /// Totals of the orders that succeeded, one entry a currency, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overall: Option<Vec<CurrencyTotal>>,
    /// The same by product, sorted by product and currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<ProductTotal>>,
    /// What the dead-letter consumer saw, copies not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<DeadLetterTotals>,
    /// How fast the process was that consumed; the totals above may be those of many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
    /// How long the run took.
    #[serde(serialize_with = "thousandths")]
    pub seconds: f64,
}

/// What the producer did. Each order that it began to send is in exactly one of the two counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Produced {
    /// Orders that all in-sync replicas have.
    pub acknowledged: u64,
    /// Orders that were refused or ran out of time.
    pub failed: u64,
    /// From the moment an order was to be sent to its acknowledgement; left out when none was acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_milliseconds: Option<Latency>,
}

/// How fast this process consumed; what nothing was measured for is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// From the first record taken in to the last one.
    #[serde(serialize_with = "thousandths")]
    pub taken_in_seconds: f64,
    /// From the first record taken in to the last order handled or in the dead-letter topic; without the last commit.
    #[serde(serialize_with = "thousandths")]
    pub resolved_seconds: f64,
    /// From produced to handled, of orders that succeeded at their first try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_milliseconds: Option<Latency>,
    /// How late retries started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_delay_milliseconds: Option<Latency>,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them took at most this.
    #[serde(serialize_with = "thousandths")]
    pub p50: f64,
    /// 99 of 100 took at most this.
    #[serde(serialize_with = "thousandths")]
    pub p99: f64,
}

/// What became of the records. Always `records = succeeded + dead_lettered + skipped`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumed {
    /// Records that are resolved.
    pub records: u64,
    /// Orders that were handled.
    pub succeeded: u64,
    /// Records that are in the dead-letter topic.
    pub dead_lettered: u64,
    /// Records without a value.
    pub skipped: u64,
    /// Retries of all numbers.
    pub retries: u64,
    /// First retries, second retries, …
    pub retries_by_number: Vec<u64>,
}

/// Totals of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CurrencyTotal {
    /// ISO 4217 code.
    pub currency: String,
    /// Orders.
    pub count: u64,
    /// Sum of their prices.
    pub sum: String,
    /// Mean price, four decimals.
    pub average: String,
    /// Lowest price.
    pub min: String,
    /// Highest price.
    pub max: String,
    /// Sum of price x quantity.
    pub revenue: String,
}

/// Totals of one product in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductTotal {
    /// Name of the product.
    pub product: String,
    /// Its totals.
    #[serde(flatten)]
    pub total: CurrencyTotal,
}

impl Consumed {
    /// What the counters say; retries are listed up to number `least` at least.
    pub fn new(counters: &Counters, least: usize) -> Self {
        let numbers = counters.retries.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let numbers = numbers.max(least).min(counters.retries.len());
        Self {
            records: counters.records(),
            succeeded: counters.succeeded,
            dead_lettered: counters.dead_lettered,
            skipped: counters.skipped,
            retries: counters.retries(),
            retries_by_number: counters.retries[..numbers].to_vec(),
        }
    }
}

impl CurrencyTotal {
    /// The totals of `currency` as the report shows them; all zero without orders.
    pub fn new(currency: Currency, total: &Total) -> Self {
        let amount = |minor: i128| Amount::new(minor, currency).to_string();
        let (min, max) = if total.count == 0 { (0, 0) } else { (total.min, total.max) };
        Self {
            currency: currency.to_string(),
            count: total.count,
            sum: amount(total.sum),
            average: total.average_4_decimals(currency.exponent()).unwrap_or_else(|| "0.0000".to_owned()),
            min: amount(min.into()),
            max: amount(max.into()),
            revenue: amount(total.revenue),
        }
    }

    /// One entry a currency, as `overall` of the report.
    pub fn overall(totals: &Totals) -> Vec<Self> {
        totals.overall().iter().map(|(code, total)| Self::new(currency(*code), total)).collect()
    }
}

impl ProductTotal {
    /// One entry a product and currency, as `products` of the report.
    pub fn products(totals: &Totals) -> Vec<Self> {
        let rows = totals.sorted();
        let product = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        rows.iter()
            .map(|(name, code, total)| Self {
                product: product(name),
                total: CurrencyTotal::new(currency(*code), total),
            })
            .collect()
    }
}

/// Totals are made of checked orders, so their codes are codes.
fn currency(code: [u8; 3]) -> Currency {
    Currency::parse(&code).expect("totals hold the codes of checked orders")
}

/// Three decimals are as fine as anything here was measured.
fn thousandths<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1000.0).round() / 1000.0)
}

#[cfg(test)]
pub(crate) mod tests;
