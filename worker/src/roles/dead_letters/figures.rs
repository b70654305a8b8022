//! What dead letters add up to: how many, of which class, worth how much.
//!
//! Integers all the way: adding letters and taking them away again in any order leaves nothing behind. Deliberately
//! ignorant of where letters are and when they go; that is the ledger's.

use std::collections::BTreeMap;

use schemas::dead_letter::DeadLetter;
use schemas::failure::FailureClass;
use schemas::order::Currency;

use crate::report::{ClassTotal, CurrencyAmount, DeadLetterTotals};

/// What one dead letter adds. There may be a million of them, so it is small: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    /// Why its order failed.
    class: FailureClass,
    /// What its order is worth; without a currency nobody could read it.
    currency: Option<Currency>,
    minor: i64,
}

impl Weight {
    /// What a letter's headers say. A value beyond 64 bits (a quintillion cents) is no order's, and taken as unknown:
    /// headers can be written by anybody, and sums must not overflow.
    pub(super) fn of(letter: &DeadLetter) -> Self {
        let value = letter.order_value.and_then(|(minor, currency)| Some((currency, i64::try_from(minor).ok()?)));
        Self::new(letter.class, value)
    }

    pub(super) fn new(class: FailureClass, value: Option<(Currency, i64)>) -> Self {
        Self { class, currency: value.map(|(currency, _)| currency), minor: value.map_or(0, |(_, minor)| minor) }
    }
}

/// The sum of some letters' weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    classes: BTreeMap<FailureClass, Share>,
}

/// The letters of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Share {
    count: u64,
    unknown: u64,
    /// Letters and minor units of each currency.
    values: BTreeMap<Currency, (u64, i128)>,
}

impl Figures {
    /// One letter more.
    pub(super) fn add(&mut self, weight: Weight) {
        let share = self.classes.entry(weight.class).or_default();
        share.count += 1;
        match weight.currency {
            None => share.unknown += 1,
            Some(currency) => {
                let (count, sum) = share.values.entry(currency).or_default();
                *count += 1;
                *sum += i128::from(weight.minor);
            }
        }
    }

    /// One letter less; it was added before.
    pub(super) fn take_away(&mut self, weight: Weight) {
        let Some(share) = self.classes.get_mut(&weight.class) else { return };
        share.count = share.count.saturating_sub(1);
        match weight.currency {
            None => share.unknown = share.unknown.saturating_sub(1),
            Some(currency) => {
                if let Some((count, sum)) = share.values.get_mut(&currency) {
                    *count = count.saturating_sub(1);
                    *sum -= i128::from(weight.minor);
                    if *count == 0 {
                        share.values.remove(&currency);
                    }
                }
            }
        }
        if share.count == 0 {
            self.classes.remove(&weight.class);
        }
    }

    /// All letters of another sum too.
    pub(super) fn merge(&mut self, other: &Figures) {
        for (class, share) in &other.classes {
            let ours = self.classes.entry(*class).or_default();
            ours.count += share.count;
            ours.unknown += share.unknown;
            for (currency, (count, sum)) in &share.values {
                let (our_count, our_sum) = ours.values.entry(*currency).or_default();
                *our_count += count;
                *our_sum += sum;
            }
        }
    }

    /// How many letters.
    pub(super) fn count(&self) -> u64 {
        self.classes.values().map(|share| share.count).sum()
    }

    /// What they are worth, in minor units, by currency.
    pub(super) fn values(&self) -> BTreeMap<Currency, i128> {
        let mut all = BTreeMap::new();
        for (currency, (_, sum)) in self.classes.values().flat_map(|share| &share.values) {
            *all.entry(*currency).or_default() += sum;
        }
        all
    }

    /// The report's part.
    pub(super) fn report(&self) -> DeadLetterTotals {
        let class_total = |(class, share): (&FailureClass, &Share)| ClassTotal {
            class: class.as_str().to_owned(),
            count: share.count,
            value: share.values.iter().map(|(currency, (_, sum))| CurrencyAmount::new(*currency, *sum)).collect(),
        };
        let mut by_class: Vec<ClassTotal> = self.classes.iter().map(class_total).collect();
        by_class.sort_by(|one, other| one.class.cmp(&other.class));
        DeadLetterTotals {
            count: self.count(),
            value: self.values().into_iter().map(|(currency, sum)| CurrencyAmount::new(currency, sum)).collect(),
            value_unknown: self.classes.values().map(|share| share.unknown).sum(),
            by_class,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code.as_bytes()).expect("three capital letters")
    }

    pub(in super::super) fn weights() -> impl Strategy<Value = Weight> {
        let currencies = prop::sample::select(vec!["USD", "EUR", "JPY", "KWD"]).prop_map(currency);
        let values = prop::option::of((currencies, prop::num::i64::ANY));
        (prop::sample::select(FailureClass::ALL.to_vec()), values).prop_map(|(class, value)| Weight::new(class, value))
    }

    #[test]
    fn figures_say_what_the_report_shows() {
        let mut figures = Figures::default();
        for (class, value) in [
            (FailureClass::Transient, Some((Currency::USD, 10_010))),
            (FailureClass::Transient, Some((Currency::USD, 11_000))),
            (FailureClass::Invalid, Some((currency("JPY"), 700))),
            (FailureClass::Undecodable, None),
        ] {
            figures.add(Weight::new(class, value));
        }
        let json = serde_json::to_value(figures.report()).expect("plain data");
        let usd = serde_json::json!({"currency": "USD", "value": "210.10"});
        let jpy = serde_json::json!({"currency": "JPY", "value": "700"});
        let expected = serde_json::json!({
            "count": 4, "value": [jpy, usd], "valueUnknown": 1,
            "byClass": [
                {"class": "invalid", "count": 1, "value": [jpy]},
                {"class": "transient", "count": 2, "value": [usd]},
                {"class": "undecodable", "count": 1, "value": []},
            ],
        });
        assert_eq!(json, expected);
    }

    proptest! {
        #[test]
        fn what_comes_and_goes_leaves_nothing(
            stay in prop::collection::vec(weights(), 0..20), go in prop::collection::vec(weights(), 0..20), at in 0..20_usize,
        ) {
            let sum = |weights: &[Weight]| {
                let mut figures = Figures::default();
                weights.iter().for_each(|weight| figures.add(*weight));
                figures
            };
            let at = at.min(stay.len());
            let mut figures = sum(&[&stay[..at], &go, &stay[at..]].concat());
            go.iter().rev().for_each(|weight| figures.take_away(*weight));
            prop_assert_eq!(&figures, &sum(&stay));
            figures.merge(&sum(&go));
            prop_assert_eq!(figures.count(), (stay.len() + go.len()) as u64);
            prop_assert_eq!(figures, sum(&[stay, go].concat()));
        }
    }
}
