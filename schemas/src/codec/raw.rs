//! What a writer wrote, before anybody asked whether it makes sense, and the rules that an order must keep.
//!
//! Deliberately no highest price of a shop: that is a handler's rule, checked on the valid order.

use snafu::{OptionExt, ResultExt, Snafu, ensure};

use crate::order::{Currency, Money, Order, PriceError, Text};

/// Which schema a record was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterSchema {
    /// `order.v1.avsc`.
    V1,
    /// `order.v2.avsc`.
    V2,
    /// The one given as writer schema.
    Configured,
    /// One added by its registry id.
    Registered,
}

/// A price as its writer expressed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RawPrice<'a> {
    /// Nothing: null.
    Missing,
    /// Major units as a double; a writer's float is widened.
    Double(f64),
    /// Whole major units: a writer's int or long.
    Major(i64),
    /// Minor units: the field `priceMinor`, which overrides `price`.
    Minor(i64),
    /// `unscaled * 10^-scale` major units.
    Decimal {
        /// Two's complement, big endian, as on the wire.
        unscaled: &'a [u8],
        /// Decimals, from the writer's schema.
        scale: u32,
    },
}

/// A decoded order that nobody has checked: what the writer wrote, with the defaults of `order.v2.avsc` filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawOrder<'a> {
    /// Unique name of the order; may be empty.
    pub order_id: Text<'a>,
    /// What was ordered; may be empty.
    pub product: Text<'a>,
    /// Price of one piece.
    pub price: RawPrice<'a>,
    /// Pieces; any number.
    pub quantity: i64,
    /// Currency code; any text.
    pub currency: Text<'a>,
    /// Milliseconds since 1970-01-01T00:00:00Z; 0 = unknown.
    pub created_at_milliseconds: i64,
    /// Which schema it was written with.
    pub schema: WriterSchema,
    /// The id of the Confluent frame it came in.
    pub schema_id: Option<u32>,
}

/// The rule that an order breaks: failure class `invalid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Snafu)]
pub enum InvalidOrder {
    /// The order id is empty or null.
    #[snafu(display("order id is empty"))]
    EmptyOrderId,
    /// The product is empty or null.
    #[snafu(display("product is empty"))]
    EmptyProduct,
    /// The currency is not three capital letters.
    #[snafu(display("currency is not a code of three capital letters"))]
    UnknownCurrency,
    /// The quantity is below 1 or above 2147483647.
    #[snafu(display("quantity {quantity} is not between 1 and {}", i32::MAX))]
    QuantityOutOfRange {
        /// What was written.
        quantity: i64,
    },
    /// The price is null.
    #[snafu(display("price is missing"))]
    MissingPrice,
    /// The price is no price: see [`PriceError`] for the rule.
    #[snafu(display("price cannot be taken"))]
    Price {
        /// The rule.
        source: PriceError,
    },
}

impl<'a> RawOrder<'a> {
    /// No id, product or price, and the defaults of `order.v2.avsc` for the rest.
    #[inline]
    pub(crate) fn with_defaults(schema: WriterSchema, schema_id: Option<u32>) -> RawOrder<'a> {
        RawOrder {
            order_id: Text::default(),
            product: Text::default(),
            price: RawPrice::Missing,
            quantity: 1,
            currency: Text::from("USD"),
            created_at_milliseconds: 0,
            schema,
            schema_id,
        }
    }

    /// Checks the rules: id and product not empty, a currency code, a quantity of at least 1, a price that is one.
    ///
    /// # Errors
    /// The first rule that is broken.
    #[inline]
    pub fn check(&self) -> Result<Order<'a>, InvalidOrder> {
        ensure!(!self.order_id.is_empty(), EmptyOrderIdSnafu);
        ensure!(!self.product.is_empty(), EmptyProductSnafu);
        let currency = Currency::parse(self.currency.as_bytes()).context(UnknownCurrencySnafu)?;
        let quantity = i32::try_from(self.quantity).ok().filter(|quantity| *quantity >= 1);
        let quantity = quantity.context(QuantityOutOfRangeSnafu { quantity: self.quantity })?;
        let price = match self.price {
            RawPrice::Double(price) => Money::from_f64(price, currency),
            RawPrice::Minor(minor) => Money::price_from_minor(minor, currency),
            RawPrice::Missing => return MissingPriceSnafu.fail(),
            RawPrice::Major(major) => Money::from_unscaled(i128::from(major), 0, currency),
            RawPrice::Decimal { unscaled, scale } => {
                widen(unscaled).and_then(|unscaled| Money::from_unscaled(unscaled, scale, currency))
            }
        };
        let price = price.context(PriceSnafu)?;
        let (order_id, product, created_at_milliseconds) = (self.order_id, self.product, self.created_at_milliseconds);
        Ok(Order { order_id, product, price, quantity, currency, created_at_milliseconds })
    }
}

/// A two's complement, big-endian number of any length as 128 bits; no bytes are 0, as in Avro's own readers.
#[inline(never)]
fn widen(unscaled: &[u8]) -> Result<i128, PriceError> {
    let negative = unscaled.first().is_some_and(|first| *first >= 0x80);
    let filler = if negative { 0xff } else { 0 };
    let start = unscaled.iter().position(|byte| *byte != filler).unwrap_or(unscaled.len());
    let digits = &unscaled[start..];
    let too_wide = if negative { PriceError::Negative } else { PriceError::TooLarge };
    let mut wide = [filler; 17];
    let from = wide.len().checked_sub(digits.len()).filter(|from| *from > 0).ok_or(too_wide)?;
    wide[from..].copy_from_slice(digits);
    let number = wide.iter().skip(1).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte)) as i128;
    if (number < 0) == negative { Ok(number) } else { Err(too_wide) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> RawOrder<'static> {
        RawOrder {
            order_id: Text::from("o-1"),
            product: Text::from("P1"),
            price: RawPrice::Double(12.34),
            quantity: 2,
            currency: Text::from("USD"),
            created_at_milliseconds: 5,
            schema: WriterSchema::V2,
            schema_id: None,
        }
    }

    fn refusal(change: impl FnOnce(&mut RawOrder<'static>)) -> Option<InvalidOrder> {
        let mut raw = good();
        change(&mut raw);
        raw.check().err()
    }

    #[test]
    fn a_good_order_passes() {
        let order = good().check().expect("a good order");
        assert_eq!((order.price.minor(), order.quantity, order.currency.as_str()), (1234, 2, "USD"));
    }

    #[test]
    fn every_rule_refuses_by_name() {
        use InvalidOrder as Rule;
        assert_eq!(refusal(|raw| raw.order_id = Text::default()), Some(Rule::EmptyOrderId));
        assert_eq!(refusal(|raw| raw.product = Text::default()), Some(Rule::EmptyProduct));
        assert_eq!(refusal(|raw| raw.currency = Text::from("usd")), Some(Rule::UnknownCurrency));
        for quantity in [0, -1, i64::from(i32::MAX) + 1] {
            assert_eq!(refusal(|raw| raw.quantity = quantity), Some(Rule::QuantityOutOfRange { quantity }));
        }
        assert_eq!(refusal(|raw| raw.price = RawPrice::Missing), Some(Rule::MissingPrice));
        let price = |price| refusal(|raw| raw.price = price);
        let source = |source| Some(Rule::Price { source });
        assert_eq!(price(RawPrice::Double(f64::NAN)), source(PriceError::NotANumber));
        assert_eq!(price(RawPrice::Double(f64::INFINITY)), source(PriceError::Infinite));
        assert_eq!(price(RawPrice::Major(-1)), source(PriceError::Negative));
        assert_eq!(price(RawPrice::Minor(i64::MAX)), source(PriceError::TooLarge));
    }

    #[test]
    fn decimals_of_any_width_are_read_or_refused() {
        assert_eq!(widen(&[]), Ok(0));
        assert_eq!(widen(&[0x04, 0xd2]), Ok(1234));
        assert_eq!(widen(&[0xff, 0xff]), Ok(-1));
        assert_eq!(widen(&[0x80]), Ok(-128));
        assert_eq!(widen(&[0; 40]), Ok(0));
        assert_eq!(widen(&[0xff; 40]), Ok(-1));
        assert_eq!(widen(&i128::MAX.to_be_bytes()), Ok(i128::MAX));
        assert_eq!(widen(&i128::MIN.to_be_bytes()), Ok(i128::MIN));
        assert_eq!(widen(&[1; 17]), Err(PriceError::TooLarge));
        assert_eq!(widen(&[0x81; 17]), Err(PriceError::Negative));
        assert_eq!(widen(&[&[0x00, 0xff][..], &[0; 15]].concat()), Err(PriceError::TooLarge));
    }
}
