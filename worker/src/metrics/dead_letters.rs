//! What the dead-letter consumer counts and shows.
//!
//! Gauges speak of the topic as it is now; the counter of what this process was the first of its group to read.
//! Deliberately caps the currencies: headers can be written by anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Gauge, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec};
use schemas::failure::FailureClass;
use schemas::metric_names::{
    DEAD_LETTER_BUDGET_EXCEEDED, DEAD_LETTER_DEPTH, DEAD_LETTER_OLDEST_TIMESTAMP_SECONDS, DEAD_LETTER_RECORDS_TOTAL,
    DEAD_LETTER_RETENTION_SECONDS, DEAD_LETTER_VALUE,
};
use schemas::order::Currency;
use schemas::worker_status::{BudgetLimit, Excess};

use super::Scope;

/// Currencies beyond this many are not shown: their values cannot be added up.
const MOST_CURRENCIES: usize = 50;

/// The dead-letter consumer's metrics. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetterMetrics {
    records: IntCounterVec,
    value: GaugeVec,
    depth: IntGauge,
    oldest: Gauge,
    retention: Gauge,
    budget: IntGaugeVec,
    /// The currencies that are shown.
    currencies: Arc<Mutex<BTreeSet<Currency>>>,
}

impl DeadLetterMetrics {
    /// Registers the metrics; every class and the usual currency start at 0.
    pub(crate) fn register(scope: &Scope) -> Self {
        let records = IntCounterVec::new(scope.of(&DEAD_LETTER_RECORDS_TOTAL), DEAD_LETTER_RECORDS_TOTAL.labels);
        let metrics = Self {
            records: scope.register(records),
            value: scope.register(GaugeVec::new(scope.of(&DEAD_LETTER_VALUE), DEAD_LETTER_VALUE.labels)),
            depth: scope.register(IntGauge::with_opts(scope.of(&DEAD_LETTER_DEPTH))),
            oldest: scope.register(Gauge::with_opts(scope.of(&DEAD_LETTER_OLDEST_TIMESTAMP_SECONDS))),
            retention: scope.register(Gauge::with_opts(scope.of(&DEAD_LETTER_RETENTION_SECONDS))),
            budget: scope
                .register(IntGaugeVec::new(scope.of(&DEAD_LETTER_BUDGET_EXCEEDED), DEAD_LETTER_BUDGET_EXCEEDED.labels)),
            currencies: Arc::default(),
        };
        for class in FailureClass::ALL {
            metrics.records.with_label_values(&[class.as_str()]).inc_by(0);
        }
        metrics.show(&BTreeMap::new(), 0, None);
        metrics.show_budget(&[]);
        metrics
    }

    /// Counts a letter that nobody of the group had read before.
    pub(crate) fn count(&self, class: FailureClass) {
        self.records.with_label_values(&[class.as_str()]).inc();
    }

    /// Shows what is in the topic: minor units by currency, distinct letters, and the oldest one's timestamp in
    /// milliseconds.
    pub(crate) fn show(&self, values: &BTreeMap<Currency, i128>, depth: u64, oldest: Option<i64>) {
        self.depth.set(i64::try_from(depth).unwrap_or(i64::MAX));
        self.oldest.set(oldest.map_or(0.0, |milliseconds| milliseconds as f64 / 1000.0));
        let mut shown = self.currencies.lock().unwrap_or_else(PoisonError::into_inner);
        shown.insert(Currency::USD);
        for currency in values.keys() {
            if shown.len() < MOST_CURRENCIES {
                shown.insert(*currency);
            }
        }
        // A currency stays once it was shown: a series that ends looks like a process that ends.
        for currency in shown.iter() {
            let minor = values.get(currency).copied().unwrap_or(0);
            let major = minor as f64 / currency.minor_per_major() as f64;
            self.value.with_label_values(&[currency.as_str()]).set(major);
        }
    }

    /// Shows which limits of the budget are exceeded.
    pub(crate) fn show_budget(&self, over: &[Excess]) {
        for limit in [BudgetLimit::MaxDepth, BudgetLimit::MaxAgeSeconds, BudgetLimit::MaxValue] {
            let is_over = over.iter().any(|excess| excess.limit == limit);
            self.budget.with_label_values(&[label(limit)]).set(i64::from(is_over));
        }
    }

    /// Shows how long the topic keeps a letter; `None` = for ever.
    pub(crate) fn show_retention(&self, retention: Option<Duration>) {
        self.retention.set(retention.map_or(f64::INFINITY, |retention| retention.as_secs_f64()));
    }
}

fn label(limit: BudgetLimit) -> &'static str {
    match limit {
        BudgetLimit::MaxDepth => "depth",
        BudgetLimit::MaxAgeSeconds => "age",
        BudgetLimit::MaxValue => "value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Registry, TextEncoder};

    fn text(scope: &Scope) -> String {
        TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text")
    }

    #[test]
    fn every_known_series_starts_at_zero() {
        let scope = Scope::new(Registry::new());
        let _metrics = DeadLetterMetrics::register(&scope);
        let text = text(&scope);
        for series in [
            "dead_letter_records_total{class=\"transient\"}",
            "dead_letter_value{currency=\"USD\"}",
            "dead_letter_depth",
            "dead_letter_oldest_timestamp_seconds",
            "dead_letter_retention_seconds",
            "dead_letter_budget_exceeded{limit=\"depth\"}",
            "dead_letter_budget_exceeded{limit=\"age\"}",
            "dead_letter_budget_exceeded{limit=\"value\"}",
        ] {
            assert!(text.contains(&format!("orderpipeline_{series} 0\n")), "{series} in\n{text}");
        }
    }

    #[test]
    fn values_are_in_major_units_and_go_back_to_zero() {
        let scope = Scope::new(Registry::new());
        let metrics = DeadLetterMetrics::register(&scope);
        let yen = Currency::parse(b"JPY").expect("a currency");
        metrics.show(&BTreeMap::from([(Currency::USD, 21_010), (yen, 700)]), 3, Some(1_500));
        let shown = text(&scope);
        for series in
            ["value{currency=\"USD\"} 210.1", "value{currency=\"JPY\"} 700", "depth 3", "oldest_timestamp_seconds 1.5"]
        {
            assert!(shown.contains(&format!("dead_letter_{series}\n")), "{series} in\n{shown}");
        }
        metrics.show(&BTreeMap::new(), 0, None);
        assert!(text(&scope).contains("dead_letter_value{currency=\"JPY\"} 0\n"));
    }

    #[test]
    fn invented_currencies_do_not_flood_the_scrape() {
        let scope = Scope::new(Registry::new());
        let metrics = DeadLetterMetrics::register(&scope);
        let invented = (b'A'..=b'Z').flat_map(|one| (b'A'..=b'Z').map(move |other| [one, other, b'X']));
        let values = invented.filter_map(|code| Some((Currency::parse(&code)?, 1))).collect();
        metrics.show(&values, 676, None);
        assert_eq!(text(&scope).matches("dead_letter_value{").count(), MOST_CURRENCIES);
    }

    #[test]
    fn a_limit_that_is_exceeded_shows_until_it_is_kept_again() {
        let scope = Scope::new(Registry::new());
        let metrics = DeadLetterMetrics::register(&scope);
        let over = |currency: &str| Excess {
            limit: BudgetLimit::MaxValue,
            currency: Some(currency.to_owned()),
            actual: "2.00".to_owned(),
            allowed: "1.00".to_owned(),
        };
        metrics.show_budget(&[over("EUR"), over("USD")]);
        let series = |value: u8| format!("dead_letter_budget_exceeded{{limit=\"value\"}} {value}\n");
        assert!(text(&scope).contains(&series(1)));
        metrics.show_budget(&[]);
        assert!(text(&scope).contains(&series(0)));
    }

    #[test]
    fn what_is_kept_for_ever_has_no_end() {
        let scope = Scope::new(Registry::new());
        DeadLetterMetrics::register(&scope).show_retention(None);
        assert!(text(&scope).contains("dead_letter_retention_seconds inf\n"), "{}", text(&scope));
    }
}
