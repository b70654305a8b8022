//! Orders that are on their way: what has to be known of each when its report comes.
//!
//! Deliberately small: one slot an order, reused, found by the number that travels with the record.

use engine::time::Time;
use schemas::order::Currency;

use crate::metrics::producer::ProductLabel;

/// What is remembered of an order on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flown {
    /// When it was to be sent.
    pub(crate) due: Time,
    /// Its product, as far as metrics tell products apart.
    pub(crate) product: ProductLabel,
    /// Its price in minor units.
    pub(crate) price_minor: i64,
    /// What the price is in.
    pub(crate) currency: Currency,
    /// Id and product, when a line shall be shown for it.
    pub(crate) names: Option<Box<(String, String)>>,
}

/// All orders on their way.
#[derive(Debug, Default)]
pub(super) struct Flight {
    slots: Vec<Option<Flown>>,
    free: Vec<usize>,
}

impl Flight {
    /// How many orders are on their way.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Remembers an order; the number by which it is found again.
    pub(super) fn depart(&mut self, order: Flown) -> usize {
        if let Some(slot) = self.free.pop() {
            self.slots[slot] = Some(order);
            return slot;
        }
        self.slots.push(Some(order));
        self.slots.len() - 1
    }

    /// Forgets an order; `None` for a number that nothing has.
    pub(super) fn arrive(&mut self, slot: usize) -> Option<Flown> {
        let order = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(price_minor: i64) -> Flown {
        Flown { due: Time(0), product: ProductLabel::default(), price_minor, currency: Currency::USD, names: None }
    }

    #[test]
    fn every_order_arrives_once_and_its_slot_is_used_again() {
        let mut flight = Flight::default();
        let (first, second) = (flight.depart(order(1)), flight.depart(order(2)));
        assert_eq!(flight.arrive(first), Some(order(1)));
        assert_eq!((flight.arrive(first), flight.arrive(99), flight.len()), (None, None, 1));
        assert_eq!((flight.depart(order(3)), flight.len()), (first, 2));
        assert_eq!(flight.arrive(second), Some(order(2)));
    }
}
