//! Simulated failures, for trying things out: which try of which order fails depends on the seed and nothing else.
//!
//! Deliberately without time and memory: a replay fails alike, and a test can compute what must come out.

use std::borrow::Cow;

use engine::faults;
use schemas::failure::FailureClass;
use schemas::order::Order;

use super::{Answer, Fault};
use crate::config::Simulate;

/// What `__dlq.errors.exception.class.name` says of simulated failures.
const EXCEPTION: &str = "SimulatedFailure";

/// One try: refused for good, too dear, or failing by chance.
pub(super) fn handle(setting: &Simulate, order: &Order<'_>, attempt: u32) -> Answer {
    let id = order.order_id.as_bytes();
    if setting.permanent_percent > 0.0 && faults::permanent(setting.seed, id, setting.permanent_percent) {
        return failed(FailureClass::Rejected, "simulated permanent failure");
    }
    let limit = setting.fail_above_price.map(|amount| amount.to_minor(order.currency.exponent()));
    if limit.is_some_and(|limit| order.price.minor() > limit) {
        return failed(FailureClass::Transient, "simulated failure: the price is above --fail-above-price");
    }
    if setting.failure_percent > 0.0 && faults::fails(setting.seed, id, attempt, setting.failure_percent) {
        return failed(FailureClass::Transient, "simulated failure");
    }
    Answer::Done
}

fn failed(class: FailureClass, message: &'static str) -> Answer {
    Answer::Failed(Fault { class, message: Cow::Borrowed(message), exception: EXCEPTION })
}

#[cfg(test)]
mod tests {
    use schemas::order::{Currency, Money, Order, Text};

    use super::{Answer, FailureClass, Simulate, handle};

    fn order(id: &'static str, minor: i64) -> Order<'static> {
        Order {
            order_id: Text::from(id),
            product: Text::from("P1"),
            price: Money::from_minor(minor),
            quantity: 1,
            currency: Currency::USD,
            created_at_milliseconds: 0,
        }
    }

    fn setting() -> Simulate {
        Simulate { failure_percent: 0.0, permanent_percent: 0.0, fail_above_price: None, seed: 42 }
    }

    fn class(answer: &Answer) -> Option<FailureClass> {
        match answer {
            Answer::Done => None,
            Answer::Failed(fault) => Some(fault.class),
        }
    }

    #[test]
    fn a_dear_order_fails_at_every_try_and_one_at_the_limit_never() {
        let setting = Simulate { fail_above_price: "950.00".parse().ok(), ..setting() };
        for attempt in 1..=4 {
            assert_eq!(class(&handle(&setting, &order("o-1", 95_001), attempt)), Some(FailureClass::Transient));
            assert_eq!(handle(&setting, &order("o-1", 95_000), attempt), Answer::Done);
        }
    }

    #[test]
    fn the_same_order_and_try_fail_alike_in_every_process() {
        let setting = Simulate { failure_percent: 50.0, ..setting() };
        for id in ["a", "b", "c", "d"] {
            for attempt in 1..=4 {
                assert_eq!(handle(&setting, &order(id, 1), attempt), handle(&setting, &order(id, 1), attempt));
            }
        }
    }

    #[test]
    fn a_permanent_failure_is_a_refusal_at_the_first_try() {
        let setting = Simulate { permanent_percent: 100.0, ..setting() };
        assert_eq!(class(&handle(&setting, &order("o-1", 1), 1)), Some(FailureClass::Rejected));
    }
}
