//! An order as the pipeline sees it: checked, borrowed from the record it came in, money in integer minor units.
//!
//! Deliberately without a way to build an invalid one from bytes: `codec::RawOrder::check` is the only door.

mod currency;
mod money;
mod text;

pub use currency::Currency;
pub use money::{Amount, MAXIMUM_PRICE_MAJOR, Money, PriceError};
pub use text::Text;

/// A valid order, borrowed from the bytes it was decoded from.
///
/// `revenue` of an order is `price * quantity` and may need more than 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Unique name of the order; not empty.
    pub order_id: Text<'a>,
    /// What was ordered; not empty.
    pub product: Text<'a>,
    /// Price of one piece in minor units of `currency`; not negative.
    pub price: Money,
    /// Pieces ordered; at least 1.
    pub quantity: i32,
    /// Currency of `price`.
    pub currency: Currency,
    /// When the order was made, milliseconds since 1970-01-01T00:00:00Z; 0 = unknown.
    pub created_at_milliseconds: i64,
}
