//! The consumer's gauges: what its threads know of themselves, read at each scrape.
//!
//! What the orders add up to moves between processes with their partitions, so it is a gauge, made anew of the threads'
//! last readings. Deliberately no label from a record but the product, and of those at most fifty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use engine::breaker::BreakerState;
use engine::totals::{Total, Totals};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, GaugeVec, IntGauge, IntGaugeVec};
use schemas::metric_names as names;
use schemas::order::Currency;

use super::Scope;

/// Products beyond this many are added up as [`OTHER`].
const MOST_PRODUCTS: usize = 50;

/// The label of what is beyond the cap.
const OTHER: &str = "other";

/// Why a consumer thread takes no orders in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stopped {
    /// The service behind the handler is down.
    pub(crate) breaker: bool,
    /// Too much was dead-lettered.
    pub(crate) flood: bool,
    /// Dead letters are refused.
    pub(crate) dead_letter_topic: bool,
}

/// What a consumer thread knows of itself at one moment; threads of one process are added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// What its partitions' orders add up to.
    pub(crate) totals: Totals,
    /// Orders that wait for their retry, or behind one of their key.
    pub(crate) parked: usize,
    /// Bytes they are counted with.
    pub(crate) parked_bytes: usize,
    /// Partitions it has.
    pub(crate) partitions: usize,
    /// Partitions that wait for the schema of their next record.
    pub(crate) held_partitions: usize,
    /// Dead letters that are not acknowledged yet.
    pub(crate) pending_dead_letters: usize,
    /// Records resolved above the lowest unresolved one.
    pub(crate) watermark_gap: i64,
    /// Seconds since everything resolved was committed.
    pub(crate) checkpoint_age: f64,
    /// What the handler's breaker allows.
    pub(crate) breaker: BreakerState,
    /// Orders that are with the service behind the handler.
    pub(crate) in_flight: usize,
    /// Why intake is stopped.
    pub(crate) stopped: Stopped,
    /// Age of the last record read in the partition that is farthest behind in time; 0 when nothing is left.
    pub(crate) lag_milliseconds: i64,
    /// Partition and records between its watermark and its end, where known.
    pub(crate) lag: Vec<(i32, i64)>,
}

/// The gauges of one process's consumer; clones share them.
#[derive(Clone)]
pub(crate) struct ConsumerGauges {
    topic: Arc<str>,
    parked: IntGauge,
    parked_bytes: IntGauge,
    partitions: IntGauge,
    held_partitions: IntGauge,
    pending_dead_letters: IntGauge,
    watermark_gap: IntGauge,
    checkpoint_age: Gauge,
    in_flight: IntGauge,
    breaker: IntGauge,
    stopped: IntGaugeVec,
    lag: IntGaugeVec,
    lag_seconds: Gauge,
    prices: Prices,
    /// The last reading of each thread. Held while a scrape is answered, so that none sees half of another's.
    readings: Arc<Mutex<BTreeMap<usize, Reading>>>,
}

impl ConsumerGauges {
    /// Registers the gauges; they show nothing until the first reading.
    pub(crate) fn register(scope: &Scope, topic: &str) -> Self {
        let well_formed = "names and labels of metrics are well formed";
        let gauge = |metric| IntGauge::with_opts(scope.of(metric)).expect(well_formed);
        let lag = &names::CONSUMER_LAG_RECORDS;
        let stopped = &names::CONSUMER_INTAKE_STOPPED;
        scope.register(Ok(Self {
            topic: topic.into(),
            parked: gauge(&names::CONSUMER_PARKED_ORDERS),
            parked_bytes: gauge(&names::CONSUMER_PARKED_BYTES),
            partitions: gauge(&names::CONSUMER_ASSIGNED_PARTITIONS),
            held_partitions: gauge(&names::CONSUMER_HELD_PARTITIONS),
            pending_dead_letters: gauge(&names::CONSUMER_PENDING_DEAD_LETTERS),
            watermark_gap: gauge(&names::CONSUMER_WATERMARK_GAP_RECORDS),
            checkpoint_age: Gauge::with_opts(scope.of(&names::CONSUMER_CHECKPOINT_AGE_SECONDS)).expect(well_formed),
            in_flight: gauge(&names::CONSUMER_IN_FLIGHT_ORDERS),
            breaker: gauge(&names::CONSUMER_BREAKER_STATE),
            stopped: IntGaugeVec::new(scope.of(stopped), stopped.labels).expect(well_formed),
            lag: IntGaugeVec::new(scope.of(lag), lag.labels).expect(well_formed),
            lag_seconds: Gauge::with_opts(scope.of(&names::CONSUMER_LAG_SECONDS)).expect(well_formed),
            prices: Prices::new(scope),
            readings: Arc::default(),
        }))
    }

    /// From now on the gauges show this of thread `number`.
    pub(crate) fn publish(&self, number: usize, reading: Reading) {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner).insert(number, reading);
    }

    fn parts(&self) -> Vec<&dyn Collector> {
        let mut parts: Vec<&dyn Collector> =
            vec![&self.parked, &self.parked_bytes, &self.watermark_gap, &self.checkpoint_age, &self.breaker, &self.lag];
        parts.extend([&self.lag_seconds as &dyn Collector, &self.partitions, &self.pending_dead_letters]);
        parts.extend([&self.in_flight as &dyn Collector, &self.stopped, &self.held_partitions]);
        parts.extend(self.prices.parts());
        parts
    }

    fn renew(&self, readings: &BTreeMap<usize, Reading>) {
        let sum = |of: fn(&Reading) -> i64| readings.values().map(of).sum::<i64>();
        self.parked.set(sum(|reading| whole(reading.parked)));
        self.parked_bytes.set(sum(|reading| whole(reading.parked_bytes)));
        self.partitions.set(sum(|reading| whole(reading.partitions)));
        self.held_partitions.set(sum(|reading| whole(reading.held_partitions)));
        self.pending_dead_letters.set(sum(|reading| whole(reading.pending_dead_letters)));
        self.watermark_gap.set(sum(|reading| reading.watermark_gap));
        self.checkpoint_age.set(readings.values().map(|reading| reading.checkpoint_age).fold(0.0, f64::max));
        self.in_flight.set(sum(|reading| whole(reading.in_flight)));
        self.breaker.set(readings.values().map(|reading| level(reading.breaker)).max().unwrap_or(0));
        let stopped = |of: fn(&Stopped) -> bool| i64::from(readings.values().any(|reading| of(&reading.stopped)));
        for (reason, value) in [
            ("breaker", stopped(|stopped| stopped.breaker)),
            ("dead_letter_flood", stopped(|stopped| stopped.flood)),
            ("dead_letter_topic", stopped(|stopped| stopped.dead_letter_topic)),
        ] {
            self.stopped.with_label_values(&[reason]).set(value);
        }
        let behind = readings.values().map(|reading| reading.lag_milliseconds).max().unwrap_or(0);
        self.lag_seconds.set(behind as f64 / 1000.0);
        self.lag.reset();
        for (partition, lag) in readings.values().flat_map(|reading| &reading.lag) {
            self.lag.with_label_values(&[&*self.topic, &partition.to_string()]).set(*lag);
        }
        let mut totals = Totals::new();
        readings.values().for_each(|reading| totals.merge(&reading.totals));
        self.prices.renew(&totals);
    }
}

impl Collector for ConsumerGauges {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        self.renew(&readings);
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

fn level(state: BreakerState) -> i64 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What the handled orders add up to, per product and currency.
#[derive(Clone)]
struct Prices {
    average: GaugeVec,
    min: GaugeVec,
    max: GaugeVec,
    orders: IntGaugeVec,
    value: GaugeVec,
    revenue: GaugeVec,
}

impl Prices {
    fn new(scope: &Scope) -> Self {
        let well_formed = "names and labels of metrics are well formed";
        let gauge = |metric: &names::Metric| GaugeVec::new(scope.of(metric), metric.labels).expect(well_formed);
        let orders = &names::CONSUMER_TOTAL_ORDERS;
        Self {
            average: gauge(&names::CONSUMER_PRICE_AVERAGE),
            min: gauge(&names::CONSUMER_PRICE_MIN),
            max: gauge(&names::CONSUMER_PRICE_MAX),
            orders: IntGaugeVec::new(scope.of(orders), orders.labels).expect(well_formed),
            value: gauge(&names::CONSUMER_TOTAL_VALUE),
            revenue: gauge(&names::CONSUMER_TOTAL_REVENUE),
        }
    }

    fn parts(&self) -> [&dyn Collector; 6] {
        [&self.average, &self.min, &self.max, &self.orders, &self.value, &self.revenue]
    }

    /// Shows these totals and no others: what went with its partition is not shown any more.
    fn renew(&self, totals: &Totals) {
        self.average.reset();
        self.min.reset();
        self.max.reset();
        self.orders.reset();
        self.value.reset();
        self.revenue.reset();
        for ((product, currency), total) in capped(totals) {
            self.set(&product, currency, &total);
        }
    }

    fn set(&self, product: &str, currency: Currency, total: &Total) {
        let labels = [product, currency.as_str()];
        let major = |minor: i128| minor as f64 / currency.minor_per_major() as f64;
        self.average.with_label_values(&labels).set(major(total.sum) / total.count as f64);
        self.min.with_label_values(&labels).set(major(total.min.into()));
        self.max.with_label_values(&labels).set(major(total.max.into()));
        self.orders.with_label_values(&labels).set(i64::try_from(total.count).unwrap_or(i64::MAX));
        self.value.with_label_values(&labels).set(major(total.sum));
        self.revenue.with_label_values(&labels).set(major(total.revenue));
    }
}

/// The totals with at most fifty products, the first by name; the rest is added up.
fn capped(totals: &Totals) -> BTreeMap<(String, Currency), Total> {
    let sorted = totals.sorted();
    let products: BTreeSet<&[u8]> = sorted.iter().map(|(product, _, _)| *product).collect();
    let shown: BTreeSet<&[u8]> = products.into_iter().take(MOST_PRODUCTS).collect();
    let mut capped: BTreeMap<(String, Currency), Total> = BTreeMap::new();
    for (product, code, total) in sorted.into_iter().filter(|(_, _, total)| total.count > 0) {
        let name = if shown.contains(product) { String::from_utf8_lossy(product) } else { OTHER.into() };
        let Some(currency) = Currency::parse(&code) else { continue };
        capped.entry((name.into_owned(), currency)).or_insert(Total::EMPTY).merge(total);
    }
    capped
}

#[cfg(test)]
mod tests {
    use engine::totals::Sale;
    use prometheus::{Registry, TextEncoder};

    use super::*;

    fn text(scope: &Scope) -> String {
        TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text")
    }

    fn reading(sales: &[(&str, i64)]) -> Reading {
        let mut totals = Totals::new();
        for (product, price_minor) in sales {
            totals.add(Sale { product: product.as_bytes(), currency: *b"USD", price_minor: *price_minor, quantity: 2 });
        }
        Reading { totals, ..Reading::default() }
    }

    #[test]
    fn threads_of_one_process_are_added_up() {
        let scope = Scope::new(Registry::new());
        let gauges = ConsumerGauges::register(&scope, "orders");
        gauges.publish(0, reading(&[("P1", 100), ("P1", 300)]));
        gauges.publish(1, reading(&[("P1", 500)]));
        let text = text(&scope);
        assert!(text.contains("price_average{currency=\"USD\",product=\"P1\"} 3\n"), "{text}");
        assert!(text.contains("total_revenue{currency=\"USD\",product=\"P1\"} 18\n"), "{text}");
    }

    #[test]
    fn what_went_with_its_partition_is_not_shown_any_more() {
        let scope = Scope::new(Registry::new());
        let gauges = ConsumerGauges::register(&scope, "orders");
        gauges.publish(0, Reading { lag: vec![(4, 7)], ..reading(&[("P1", 100)]) });
        gauges.publish(0, Reading::default());
        let text = text(&scope);
        assert!(!text.contains("product=\"P1\"") && !text.contains("partition=\"4\""), "{text}");
    }

    #[test]
    fn the_thread_that_is_farthest_behind_tells_the_lag_in_seconds() {
        let scope = Scope::new(Registry::new());
        let gauges = ConsumerGauges::register(&scope, "orders");
        assert!(text(&scope).contains("consumer_lag_seconds 0\n"));
        for (number, lag_milliseconds) in [(0, 1_500), (1, 61_250)] {
            gauges.publish(number, Reading { lag_milliseconds, ..Reading::default() });
        }
        let text = text(&scope);
        assert!(text.contains("consumer_lag_seconds 61.25\n"), "{text}");
    }

    #[test]
    fn products_beyond_the_cap_are_added_up() {
        let scope = Scope::new(Registry::new());
        let gauges = ConsumerGauges::register(&scope, "orders");
        let names: Vec<String> = (0..60).map(|number| format!("P{number:02}")).collect();
        let sales: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 100)).collect();
        gauges.publish(0, reading(&sales));
        let text = text(&scope);
        assert!(text.contains("total_orders{currency=\"USD\",product=\"other\"} 10\n"), "{text}");
        assert!(!text.contains("P50"), "{text}");
    }
}
