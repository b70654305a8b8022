//! What the producer counts.
//!
//! Labels are looked up when an order is sent and kept as numbers, so that a report costs a few atomic additions.
//! Deliberately caps products and currencies, which come from a file that anybody may have written.

use std::collections::HashMap;

use prometheus::{Counter, CounterVec, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};
use schemas::metric_names::{
    PRODUCER_DELIVERY_DURATION_SECONDS, PRODUCER_ORDER_VALUE_TOTAL, PRODUCER_ORDERS_TOTAL, PRODUCER_QUEUED_RECORDS,
    PRODUCER_TARGET_ORDERS_PER_SECOND,
};
use schemas::order::Currency;

use super::Scope;

/// Products (and currencies) beyond this many are counted as [`OTHER`].
const MOST_LABELS: usize = 50;
/// The label of what is beyond the cap.
const OTHER: &str = "other";
/// 1 ms to 10 s, as acknowledgements take.
const DELIVERY_SECONDS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The producer's metrics. One thread counts, any may scrape.
#[derive(Debug)]
pub(crate) struct ProducerMetrics {
    orders: IntCounterVec,
    value: CounterVec,
    /// From the moment an order was to be sent to its acknowledgement.
    pub(crate) delivery_seconds: Histogram,
    /// Orders that are queued or on their way.
    pub(crate) queued: IntGauge,
    /// The pace that was asked for; 0 = none.
    pub(crate) target: Gauge,
    labels: HashMap<Box<str>, ProductLabel>,
    products: Vec<Results>,
    currencies: HashMap<Currency, Value>,
}

/// A product as its metrics know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProductLabel(usize);

#[derive(Debug)]
struct Results {
    acknowledged: IntCounter,
    failed: IntCounter,
}

#[derive(Debug)]
struct Value {
    counter: Counter,
    /// Exact; the counter is a float.
    minor: i128,
}

impl ProducerMetrics {
    /// Registers the metrics; those of `products` start at 0.
    pub(crate) fn register(scope: &Scope, products: impl Iterator<Item = String>) -> Self {
        let mut metrics = Self {
            orders: scope.register(IntCounterVec::new(scope.of(&PRODUCER_ORDERS_TOTAL), PRODUCER_ORDERS_TOTAL.labels)),
            value: scope
                .register(CounterVec::new(scope.of(&PRODUCER_ORDER_VALUE_TOTAL), PRODUCER_ORDER_VALUE_TOTAL.labels)),
            delivery_seconds: scope.register(Histogram::with_opts(
                scope.histogram_of(&PRODUCER_DELIVERY_DURATION_SECONDS, &DELIVERY_SECONDS),
            )),
            queued: scope.register(IntGauge::with_opts(scope.of(&PRODUCER_QUEUED_RECORDS))),
            target: scope.register(Gauge::with_opts(scope.of(&PRODUCER_TARGET_ORDERS_PER_SECOND))),
            labels: HashMap::new(),
            products: Vec::new(),
            currencies: HashMap::new(),
        };
        for product in products.take(MOST_LABELS) {
            metrics.product(&product);
        }
        metrics.count_value(Currency::USD, 0);
        metrics
    }

    /// The label of a product.
    pub(crate) fn product(&mut self, product: &str) -> ProductLabel {
        if let Some(label) = self.labels.get(product) {
            return *label;
        }
        if self.products.len() > MOST_LABELS {
            return ProductLabel(MOST_LABELS);
        }
        let shown = if self.products.len() == MOST_LABELS { OTHER } else { product };
        let counter = |result| self.orders.with_label_values(&[shown, result]);
        let results = Results { acknowledged: counter("acknowledged"), failed: counter("failed") };
        let label = ProductLabel(self.products.len());
        self.products.push(results);
        if shown == product {
            self.labels.insert(product.into(), label);
        }
        label
    }

    /// Counts an order that all in-sync replicas have.
    pub(crate) fn count_acknowledged(&mut self, product: ProductLabel, currency: Currency, price_minor: i64) {
        self.products[product.0].acknowledged.inc();
        self.count_value(currency, price_minor);
    }

    /// Counts an order that is not in its topic.
    pub(crate) fn count_failed(&self, product: ProductLabel) {
        self.products[product.0].failed.inc();
    }

    fn count_value(&mut self, currency: Currency, price_minor: i64) {
        // Values of different currencies cannot be added: beyond the cap they are not shown.
        if self.currencies.len() == MOST_LABELS && !self.currencies.contains_key(&currency) {
            return;
        }
        let value = self.currencies.entry(currency).or_insert_with(|| {
            let counter = self.value.with_label_values(&[currency.as_str()]);
            Value { counter, minor: 0 }
        });
        value.minor += i128::from(price_minor);
        // From the exact sum each time, so that no rounding adds up.
        let shown = value.minor as f64 / currency.minor_per_major() as f64;
        value.counter.inc_by((shown - value.counter.get()).max(0.0));
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
    fn known_series_start_at_zero() {
        let scope = Scope::new(Registry::new());
        let _metrics = ProducerMetrics::register(&scope, ["P1".to_owned()].into_iter());
        let text = text(&scope);
        for series in [
            "orderpipeline_producer_orders_total{product=\"P1\",result=\"acknowledged\"} 0\n",
            "orderpipeline_producer_orders_total{product=\"P1\",result=\"failed\"} 0\n",
            "orderpipeline_producer_order_value_total{currency=\"USD\"} 0\n",
            "orderpipeline_producer_queued_records 0\n",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
    }

    #[test]
    fn values_are_exact_and_in_major_units() {
        let scope = Scope::new(Registry::new());
        let mut metrics = ProducerMetrics::register(&scope, std::iter::empty());
        let product = metrics.product("P1");
        (0..1000).for_each(|_| metrics.count_acknowledged(product, Currency::USD, 10));
        let text = text(&scope);
        assert!(text.contains("_order_value_total{currency=\"USD\"} 100\n"), "{text}");
        assert!(text.contains("{product=\"P1\",result=\"acknowledged\"} 1000\n"), "{text}");
    }

    #[test]
    fn products_beyond_the_cap_are_counted_together() {
        let scope = Scope::new(Registry::new());
        let mut metrics = ProducerMetrics::register(&scope, std::iter::empty());
        for number in 0..60 {
            let product = metrics.product(&format!("P{number}"));
            metrics.count_failed(product);
        }
        let text = text(&scope);
        assert!(text.contains("{product=\"P49\",result=\"failed\"} 1\n"), "{text}");
        assert!(text.contains("{product=\"other\",result=\"failed\"} 10\n"), "{text}");
        assert!(!text.contains("P50"), "{text}");
    }
}
