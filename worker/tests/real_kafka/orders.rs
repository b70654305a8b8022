//! Orders as tests make them: their bytes, what they add up to, and which of their tries must fail.
//!
//! The oracle of all tests of the consumer: everything here is computed from the orders alone. Deliberately no broker.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use engine::faults;
use schemas::{
    codec::{Encoder, Encoding, SchemaVersion},
    order::{Currency, Money, Order, Text},
};
use serde_json::{Value, json};

use crate::topic::Record;

/// The seed of simulated failures that `worker consume` has without `--seed`.
const SEED: u64 = 42;

/// One order in US dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) product: String,
    /// In cents.
    pub(crate) price: i64,
    pub(crate) quantity: i32,
}

impl Made {
    /// The order as a bare record of version 2.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.encoded(SchemaVersion::V2, Encoding::Bare)
    }

    /// The order in any version and encoding.
    pub(crate) fn encoded(&self, version: SchemaVersion, encoding: Encoding) -> Vec<u8> {
        let order = Order {
            order_id: Text::from(self.id.as_str()),
            product: Text::from(self.product.as_str()),
            price: Money::from_minor(self.price),
            quantity: self.quantity,
            currency: Currency::USD,
            created_at_milliseconds: 0,
        };
        let mut bytes = Vec::new();
        Encoder::new(version, encoding).encode(&order, &mut bytes);
        bytes
    }

    /// The record to write: bare, with the order's key.
    pub(crate) fn record(&self) -> Record {
        Record::new(&self.key, self.bytes())
    }

    /// What simulated failures do to it.
    pub(crate) fn fate(&self, percent: f64, max_retries: u32) -> Fate {
        let failed =
            (1..=max_retries + 1).take_while(|attempt| faults::fails(SEED, self.id.as_bytes(), *attempt, percent));
        let failed = u32::try_from(failed.count()).expect("few retries");
        Fate { retries: failed.min(max_retries), is_dead: failed > max_retries }
    }
}

/// What becomes of an order under simulated failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Retries it is given.
    pub(crate) retries: u32,
    /// Every try fails.
    pub(crate) is_dead: bool,
}

/// `count` orders `prefix-0`, `prefix-1`, … with ten products and prices all over; each is a key of its own.
pub(crate) fn made(prefix: &str, count: usize) -> Vec<Made> {
    let one = |number: usize| {
        let id = format!("{prefix}-{number}");
        let price = 1_000 + i64::try_from(number * 7_919 % 99_000).expect("small");
        let quantity = 1 + i32::try_from(number % 3).expect("small");
        Made { key: id.clone(), id, product: format!("P{}", number % 10), price, quantity }
    };
    (0..count).map(one).collect()
}

/// The same, each with a product of its own: the report's products then name the orders that were handled.
pub(crate) fn told_apart(prefix: &str, count: usize) -> Vec<Made> {
    made(prefix, count).into_iter().map(|order| Made { product: order.id.clone(), ..order }).collect()
}

/// Records to write.
pub(crate) fn records(orders: &[Made]) -> Vec<Record> {
    orders.iter().map(Made::record).collect()
}

/// Input of `worker produce`.
pub(crate) fn csv(orders: &[Made]) -> String {
    let mut text = "orderId,product,price,quantity,key\n".to_owned();
    for Made { id, key, product, price, quantity } in orders {
        text += &format!("{id},{product},{},{quantity},{key}\n", amount(*price));
    }
    text
}

/// The ids of the orders that `chosen` picks.
pub(crate) fn ids(orders: &[Made], chosen: impl Fn(&Made) -> bool) -> BTreeSet<String> {
    orders.iter().filter(|order| chosen(order)).map(|order| order.id.clone()).collect()
}

/// The id of the order in a bare record: its first field, whose length takes one byte here.
pub(crate) fn id_of(record: &Record) -> String {
    let value = record.value.as_deref().expect("orders have values");
    let end = 1 + usize::from(value[0] / 2);
    String::from_utf8(value[1..end].to_vec()).expect("ids are text")
}

/// What the report says of these orders in `products`.
pub(crate) fn products<'a>(orders: impl Iterator<Item = &'a Made>) -> Value {
    let mut products: BTreeMap<&str, Tally> = BTreeMap::new();
    for order in orders {
        products.entry(&order.product).or_default().add(order);
    }
    products.iter().map(|(product, tally)| tally.of_product(product)).collect()
}

/// What the report says of these orders in `overall`.
pub(crate) fn overall<'a>(orders: impl Iterator<Item = &'a Made>) -> Value {
    let mut tally = Tally::default();
    orders.for_each(|order| tally.add(order));
    json!([tally.entry()])
}

/// What orders add up to, in cents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    prices: Option<RangeInclusive<i64>>,
    count: i64,
    sum: i64,
    revenue: i64,
}

impl Tally {
    /// Adds one more.
    pub(crate) fn add(&mut self, order: &Made) {
        let range = self.prices.take().unwrap_or(order.price..=order.price);
        self.prices = Some(*range.start().min(&order.price)..=*range.end().max(&order.price));
        self.count += 1;
        self.sum += order.price;
        self.revenue += order.price * i64::from(order.quantity);
    }

    /// What the report says of them.
    pub(crate) fn entry(&self) -> Value {
        let prices = self.prices.as_ref().expect("orders");
        json!({
            "currency": "USD",
            "count": self.count,
            "sum": amount(self.sum),
            "average": average(self.sum, self.count),
            "min": amount(*prices.start()),
            "max": amount(*prices.end()),
            "revenue": amount(self.revenue),
        })
    }

    /// The same in the list of products.
    pub(crate) fn of_product(&self, product: &str) -> Value {
        let mut entry = self.entry();
        entry["product"] = json!(product);
        entry
    }
}

fn amount(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Four decimals, half to even.
fn average(cents: i64, count: i64) -> String {
    let (whole, rest) = (cents * 100 / count, cents * 100 % count);
    let is_up = rest * 2 > count || (rest * 2 == count && whole % 2 == 1);
    let rounded = whole + i64::from(is_up);
    format!("{}.{:04}", rounded / 10_000, rounded % 10_000)
}
