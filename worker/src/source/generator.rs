//! Made-up orders: the same seed makes the same ids, products and prices, on every platform and in every version.
//!
//! Deliberately with a generator of its own: libraries change theirs between versions. It is fast enough that librdkafka
//! is what limits a producer, and no more random than a demonstration needs.

use schemas::order::{Currency, Money, Order, Text};

use super::Draft;
use crate::config;

/// Ids have at least this many digits, so that they sort as they were made: `order-web-000029`.
const ID_DIGITS: usize = 6;
/// The currency of all made-up orders.
const CURRENCY: Currency = Currency::USD;

/// A stream of orders without end, ids counted from 1.
#[derive(Debug)]
pub struct Generator {
    chance: SplitMix64,
    /// `P1`, `P2`, …
    products: Vec<String>,
    /// Lowest price in cents.
    lowest: i64,
    /// How many different prices there are.
    prices: u64,
    /// Prefix and number; counted up in place.
    id: Vec<u8>,
    prefix_length: usize,
    product: usize,
    price: i64,
    created_at: i64,
}

impl Generator {
    /// A stream that starts where the seed says.
    pub fn new(config: &config::Generator) -> Self {
        let lowest = config.min_price.to_minor(CURRENCY.exponent());
        let highest = config.max_price.to_minor(CURRENCY.exponent()).max(lowest);
        let mut id = config.id_prefix.clone().into_bytes();
        let prefix_length = id.len();
        id.resize(prefix_length + ID_DIGITS, b'0');
        Self {
            chance: SplitMix64(config.seed),
            products: (1..=config.products.max(1)).map(|number| format!("P{number}")).collect(),
            lowest,
            prices: lowest.abs_diff(highest) + 1,
            id,
            prefix_length,
            product: 0,
            price: lowest,
            created_at: 0,
        }
    }

    /// All products.
    pub fn products(&self) -> &[String] {
        &self.products
    }

    /// Makes the next order, created at `now` (milliseconds since 1970).
    #[inline]
    pub fn advance(&mut self, now: i64) {
        count_up(&mut self.id, self.prefix_length);
        let products = self.products.len() as u64;
        // Both are below what they were made from: a list's length and a span of i64.
        self.product = self.chance.below(products) as usize;
        self.price = self.lowest + self.chance.below(self.prices) as i64;
        self.created_at = now;
    }

    /// The order made last.
    #[inline]
    pub fn draft(&self) -> Draft<'_> {
        let order = Order {
            order_id: Text::from_utf8(&self.id).expect("a prefix and digits are UTF-8"),
            product: Text::from(self.products[self.product].as_str()),
            price: Money::from_minor(self.price),
            quantity: 1,
            currency: CURRENCY,
            created_at_milliseconds: self.created_at,
        };
        Draft { order, key: &self.id }
    }
}

/// Adds one to the decimal number that starts at `start`; it grows a digit when it has to.
fn count_up(id: &mut Vec<u8>, start: usize) {
    for digit in id[start..].iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    id.insert(start, b'1');
}

/// `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014; constants as in Vigna's
/// public-domain `splitmix64.c`).
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    #[inline]
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end` - 1, by the high half of a product; its bias is below `end` / 2^64.
    #[inline]
    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(seed: u64) -> Generator {
        let amount = |text: &str| text.parse().expect("an amount");
        Generator::new(&config::Generator {
            seed,
            products: 10,
            min_price: amount("10.00"),
            max_price: amount("1000.00"),
            id_prefix: "order-web-".to_owned(),
        })
    }

    fn first(generator: &mut Generator, count: usize) -> Vec<String> {
        let mut orders = Vec::with_capacity(count);
        for _ in 0..count {
            generator.advance(7);
            let order = generator.draft().order;
            let price = order.price.amount(order.currency);
            orders.push(format!("{} {} {price} {}", order.order_id, order.product, order.created_at_milliseconds));
        }
        orders
    }

    #[test]
    fn a_seed_makes_the_same_orders_for_ever() {
        let expected = [
            "order-web-000001 P8 168.31 7",
            "order-web-000002 P3 350.75 7",
            "order-web-000003 P1 869.55 7",
            "order-web-000004 P3 802.63 7",
        ];
        assert_eq!(first(&mut generator(42), 4), expected);
        assert_ne!(first(&mut generator(43), 4), expected);
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // First output for seed 1234567 of the published splitmix64.
        assert_eq!(SplitMix64(1_234_567).next(), 6_457_827_717_110_365_317);
    }

    #[test]
    fn all_products_occur_and_prices_keep_their_range() {
        let mut generator = generator(1);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            generator.advance(0);
            seen[generator.product] += 1;
            assert!((1_000..=100_000).contains(&generator.price), "{}", generator.price);
        }
        assert!(seen.iter().all(|count| (800..1_200).contains(count)), "{seen:?}");
    }

    #[test]
    fn ids_count_up_and_grow_beyond_their_digits() {
        let mut id = b"order-9-000998".to_vec();
        count_up(&mut id, 8);
        count_up(&mut id, 8);
        assert_eq!(id, b"order-9-001000");
        let mut id = b"x999999".to_vec();
        count_up(&mut id, 1);
        assert_eq!(id, b"x1000000");
    }

    #[test]
    fn one_price_and_one_product_are_enough() {
        let price = "5.00".parse().expect("an amount");
        let config =
            config::Generator { seed: 0, products: 1, min_price: price, max_price: price, id_prefix: String::new() };
        let orders = first(&mut Generator::new(&config), 2);
        assert_eq!(orders, ["000001 P1 5.00 7", "000002 P1 5.00 7"]);
    }
}
