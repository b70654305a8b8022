//! What handled orders add up to, per product and currency: a commutative monoid in integers, so that no order of
//! adding or merging changes a digit.
//!
//! Deliberately without floating point, and without knowledge of currencies beyond their three letters.

use std::collections::BTreeMap;

/// What one handled order adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale<'a> {
    /// The product's name, UTF-8.
    pub product: &'a [u8],
    /// ISO 4217 letters.
    pub currency: [u8; 3],
    /// Price of one, in minor units of the currency.
    pub price_minor: i64,
    /// How many.
    pub quantity: i32,
}

/// The totals of one product in one currency, in minor units of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Orders.
    pub count: u64,
    /// Sum of prices.
    pub sum: i128,
    /// Sum of squared prices.
    pub sum_squares: i128,
    /// Lowest price; `i64::MAX` while there is no order.
    pub min: i64,
    /// Highest price; `i64::MIN` while there is no order.
    pub max: i64,
    /// Sum of price times quantity.
    pub revenue: i128,
}

impl Total {
    /// The neutral element: no orders.
    pub const EMPTY: Self = Self { count: 0, sum: 0, sum_squares: 0, min: i64::MAX, max: i64::MIN, revenue: 0 };

    /// Adds one order.
    pub fn add(&mut self, price_minor: i64, quantity: i32) {
        let price = i128::from(price_minor);
        self.count += 1;
        self.sum += price;
        self.sum_squares = self.sum_squares.saturating_add(price * price);
        self.min = self.min.min(price_minor);
        self.max = self.max.max(price_minor);
        self.revenue = self.revenue.wrapping_add(price * i128::from(quantity));
    }

    /// Adds what another total holds.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.sum_squares = self.sum_squares.saturating_add(other.sum_squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.revenue = self.revenue.wrapping_add(other.revenue);
    }

    /// The mean price in whole currency units with exactly 4 decimals, rounded half to even; `exponent` is the
    /// currency's (2: a cent is a hundredth, at most 4). `None` without orders.
    #[must_use]
    pub fn average_4_decimals(&self, exponent: u32) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let unit = i128::from(self.count) * 10i128.pow(exponent);
        let magnitude = self.sum.unsigned_abs();
        let unit = unit.unsigned_abs();
        let (whole, rest) = (magnitude / unit, (magnitude % unit) * 10_000);
        let (mut decimals, half) = (rest / unit, (rest % unit) * 2);
        if half > unit || (half == unit && decimals % 2 == 1) {
            decimals += 1;
        }
        let (whole, decimals) = (whole + decimals / 10_000, decimals % 10_000);
        let sign = if self.sum < 0 && (whole, decimals) != (0, 0) { "-" } else { "" };
        Some(format!("{sign}{whole}.{decimals:04}"))
    }
}

/// Totals by (product, currency).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    rows: BTreeMap<(Vec<u8>, [u8; 3]), Total>,
}

impl Totals {
    /// Nothing sold yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one handled order.
    pub fn add(&mut self, sale: Sale<'_>) {
        let row = self.rows.entry((sale.product.to_vec(), sale.currency)).or_insert(Total::EMPTY);
        row.add(sale.price_minor, sale.quantity);
    }

    /// Adds a whole row.
    pub fn add_total(&mut self, product: &[u8], currency: [u8; 3], total: &Total) {
        self.rows.entry((product.to_vec(), currency)).or_insert(Total::EMPTY).merge(total);
    }

    /// Adds what another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (product, currency, total) in other.iter() {
            self.add_total(product, currency, total);
        }
    }

    /// How many (product, currency) pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One product's total in one currency.
    #[must_use]
    pub fn get(&self, product: &[u8], currency: [u8; 3]) -> Option<&Total> {
        self.rows.get(&(product.to_vec(), currency))
    }

    /// The rows in the order they first came, unsorted: (product, currency, total). Cheap; for a scrape.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], [u8; 3], &Total)> {
        self.rows.iter().map(|((product, currency), total)| (product.as_slice(), *currency, total))
    }

    /// The rows sorted by product (bytes), then currency.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&[u8], [u8; 3], &Total)> {
        self.iter().collect()
    }

    /// All products together, by currency, sorted.
    #[must_use]
    pub fn overall(&self) -> Vec<([u8; 3], Total)> {
        let mut overall = BTreeMap::new();
        for (_, currency, total) in self.iter() {
            overall.entry(currency).or_insert(Total::EMPTY).merge(total);
        }
        overall.into_iter().collect()
    }
}
