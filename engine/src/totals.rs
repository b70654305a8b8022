//! What handled orders add up to, per product and currency: a commutative monoid in integers, so that no order of
//! adding or merging changes a digit.
//!
//! Deliberately without floating point, and without knowledge of currencies beyond their three letters.

mod product;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hashbrown::HashTable;

use product::Product;

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

    /// Adds one order. Sums cannot overflow: a price has 63 bits, a count 64. Squares stop at the largest number, which
    /// takes more than 20 billion orders of the highest price there is; revenue has room for more orders than there are.
    #[inline]
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
        self.sum = self.sum.wrapping_add(other.sum);
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

/// Totals by (product, currency). Adding an order allocates only for a pair that is new.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    rows: Vec<Row>,
    /// Places in `rows`, by the hash of the pair.
    places: HashTable<u32>,
}

#[derive(Clone, Debug)]
struct Row {
    product: Product,
    total: Total,
}

impl Totals {
    /// Nothing sold yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one handled order. O(1), a few nanoseconds.
    #[inline]
    pub fn add(&mut self, sale: Sale<'_>) {
        self.total(sale.product, sale.currency).add(sale.price_minor, sale.quantity);
    }

    /// Adds a whole row; one without orders changes nothing.
    pub fn add_total(&mut self, product: &[u8], currency: [u8; 3], total: &Total) {
        if total.count > 0 {
            self.total(product, currency).merge(total);
        }
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
        let short = product::Short::of(product, currency);
        let place = self.places.find(short.hash(), |place| self.rows[*place as usize].product.is(&short, product))?;
        Some(&self.rows[*place as usize].total)
    }

    /// The rows in the order they first came, unsorted: (product, currency, total). Cheap; for a scrape.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], [u8; 3], &Total)> {
        self.rows.iter().map(|row| (row.product.name(), row.product.currency(), &row.total))
    }

    /// The rows sorted by product (bytes), then currency.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&[u8], [u8; 3], &Total)> {
        let mut rows: Vec<_> = self.iter().collect();
        rows.sort_unstable_by_key(|(product, currency, _)| (*product, *currency));
        rows
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

    #[inline]
    fn total(&mut self, product: &[u8], currency: [u8; 3]) -> &mut Total {
        let short = product::Short::of(product, currency);
        let rows = &self.rows;
        let found = self.places.find(short.hash(), |place| rows[*place as usize].product.is(&short, product));
        let place = match found {
            Some(place) => *place,
            None => self.intern(short, product),
        };
        &mut self.rows[place as usize].total
    }

    #[cold]
    fn intern(&mut self, short: product::Short, product: &[u8]) -> u32 {
        let place = u32::try_from(self.rows.len()).expect("4 billion products do not fit in memory");
        self.rows.push(Row { product: Product::new(short, product), total: Total::EMPTY });
        let rows = &self.rows;
        self.places.insert_unique(short.hash(), place, |place| rows[*place as usize].product.hash());
        place
    }
}

impl PartialEq for Totals {
    /// The same rows, in whatever order they came.
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl Eq for Totals {}
