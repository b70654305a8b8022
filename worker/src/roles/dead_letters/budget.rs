//! Whether the dead letters keep to their budget, and whether Kafka is about to delete them: what is to be said, and when.
//!
//! Each excess is told when it begins and when it ends, not at every look. Deliberately pure: figures, limits and the
//! wall clock come in, events go out; the budget is for the partitions that this reader has.

use std::time::Duration;

use schemas::order::Amount;
use schemas::worker_status::{BudgetLimit, Excess};

use super::ledger::Sums;
use crate::config::Budget;

/// Letters are about to be deleted when less than this part of their retention is left: one in four.
const LAST_PART: u32 = 4;

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// A limit is exceeded that was not before.
    Over(Excess),
    /// A limit that was exceeded is kept to again.
    Within(Excess),
    /// Kafka deletes the oldest letter in this time at the earliest; zero when it may do so at any moment.
    Expiring {
        /// How old the oldest letter is.
        age: Duration,
        /// How long it is still safe.
        left: Duration,
    },
}

/// How near the oldest letter is to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Nearness {
    #[default]
    Far,
    Near,
    Due,
}

/// Looks at the figures again and again, and remembers what was said.
#[derive(Debug, Default)]
pub(super) struct Watchman {
    budget: Budget,
    over: Vec<Excess>,
    nearness: Nearness,
}

impl Watchman {
    /// Watches over `budget`.
    pub(super) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// What is to be said of these figures. `retention`: how long the topic keeps a letter, where that is known and not
    /// for ever.
    pub(super) fn look(&mut self, sums: &Sums, retention: Option<Duration>, wall_milliseconds: i64) -> Vec<Notice> {
        let age = age(sums, wall_milliseconds);
        let over = excesses(&self.budget, sums, age);
        let is_in = |list: &[Excess], excess: &Excess| list.iter().any(|known| is_same(known, excess));
        let begun = over.iter().filter(|excess| !is_in(&self.over, excess)).cloned().map(Notice::Over);
        let ended = self.over.iter().filter(|excess| !is_in(&over, excess)).cloned().map(Notice::Within);
        let mut notices: Vec<Notice> = begun.chain(ended).collect();
        notices.extend(self.note_age(age, retention));
        self.over = over;
        notices
    }

    /// Where the letters go beyond the budget now; `None` without a budget.
    pub(super) fn over_budget(&self) -> Option<Vec<Excess>> {
        self.budget.is_set().then(|| self.over.clone())
    }

    fn note_age(&mut self, age: Option<Duration>, retention: Option<Duration>) -> Option<Notice> {
        let (nearness, notice) = match (age, retention) {
            (Some(age), Some(retention)) => {
                let left = retention.saturating_sub(age);
                let nearness = match () {
                    () if left.is_zero() => Nearness::Due,
                    () if left < retention / LAST_PART => Nearness::Near,
                    () => Nearness::Far,
                };
                (nearness, Some(Notice::Expiring { age, left }))
            }
            (_, _) => (Nearness::Far, None),
        };
        let before = std::mem::replace(&mut self.nearness, nearness);
        notice.filter(|_| nearness > before)
    }
}

/// How old the oldest letter is, by the timestamp that retention goes by; `None` without a letter.
pub(super) fn age(sums: &Sums, wall_milliseconds: i64) -> Option<Duration> {
    let age = wall_milliseconds.saturating_sub(sums.oldest?);
    Some(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
}

/// Whether two excesses are of one limit, whatever their figures.
fn is_same(one: &Excess, other: &Excess) -> bool {
    (one.limit, &one.currency) == (other.limit, &other.currency)
}

fn excesses(budget: &Budget, sums: &Sums, age: Option<Duration>) -> Vec<Excess> {
    let excess = |limit, actual: String, allowed: String| Excess { limit, currency: None, actual, allowed };
    let count = sums.figures.count();
    let depth = budget.max_depth.filter(|allowed| count > *allowed);
    let depth = depth.map(|allowed| excess(BudgetLimit::MaxDepth, count.to_string(), allowed.to_string()));
    let old = budget.max_age.zip(age).filter(|(allowed, age)| age > allowed);
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let old = old.map(|(allowed, age)| excess(BudgetLimit::MaxAgeSeconds, seconds(age), seconds(allowed)));
    let values = sums.figures.values();
    let value = budget.max_value.iter().filter_map(|(currency, allowed)| {
        let actual = values.get(currency).filter(|actual| *actual > allowed)?;
        let amount = |minor: i128| Amount::new(minor, *currency).to_string();
        let excess = excess(BudgetLimit::MaxValue, amount(*actual), amount(*allowed));
        Some(Excess { currency: Some(currency.as_str().to_owned()), ..excess })
    });
    depth.into_iter().chain(old).chain(value).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemas::failure::FailureClass;
    use schemas::order::Currency;

    use super::super::figures::{Figures, Weight};
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn budget() -> Budget {
        Budget { max_depth: Some(2), max_age: Some(HOUR), max_value: BTreeMap::from([(Currency::USD, 1_000)]) }
    }

    /// So many letters of 5.00 USD, the oldest from the beginning of time.
    fn sums(letters: u64) -> Sums {
        let mut figures = Figures::default();
        (0..letters).for_each(|_| figures.add(Weight::new(FailureClass::Transient, Some((Currency::USD, 500)))));
        Sums { figures, oldest: (letters > 0).then_some(0), ..Sums::default() }
    }

    fn wall(time: Duration) -> i64 {
        i64::try_from(time.as_millis()).expect("a short time")
    }

    fn over(limit: BudgetLimit, currency: Option<&str>, actual: &str, allowed: &str) -> Excess {
        let currency = currency.map(str::to_owned);
        Excess { limit, currency, actual: actual.to_owned(), allowed: allowed.to_owned() }
    }

    #[test]
    fn what_is_just_within_the_budget_is_not_told() {
        let mut watchman = Watchman::new(budget());
        assert_eq!(watchman.look(&sums(2), None, wall(HOUR)), []);
        assert_eq!(watchman.over_budget(), Some(Vec::new()));
    }

    #[test]
    fn each_limit_is_told_when_it_is_passed_and_when_it_is_kept_again() {
        let mut watchman = Watchman::new(budget());
        let late = wall(HOUR + Duration::from_secs(1));
        let all = [
            over(BudgetLimit::MaxDepth, None, "3", "2"),
            over(BudgetLimit::MaxAgeSeconds, None, "3601", "3600"),
            over(BudgetLimit::MaxValue, Some("USD"), "15.00", "10.00"),
        ];
        assert_eq!(watchman.look(&sums(3), None, late), all.clone().map(Notice::Over));
        assert_eq!(watchman.look(&sums(4), None, late), [], "told already, whatever the figure");
        let shown = watchman.over_budget().expect("there is a budget");
        assert_eq!(shown[0], over(BudgetLimit::MaxDepth, None, "4", "2"), "the figure is shown as it is");
        let ended = watchman.look(&sums(0), None, late);
        assert_eq!(ended.len(), 3, "{ended:?}");
        assert!(ended.iter().all(|notice| matches!(notice, Notice::Within(_))), "{ended:?}");
        assert_eq!(watchman.over_budget(), Some(Vec::new()));
    }

    #[test]
    fn without_a_budget_nothing_exceeds_it() {
        let mut watchman = Watchman::new(Budget::default());
        assert_eq!(watchman.look(&sums(1_000), None, i64::MAX), []);
        assert_eq!(watchman.over_budget(), None);
    }

    #[test]
    fn letters_that_kafka_will_delete_are_told_when_a_quarter_of_their_time_is_left_and_when_it_is_over() {
        let mut watchman = Watchman::new(Budget::default());
        let mut look = |age: Duration| watchman.look(&sums(1), Some(4 * HOUR), wall(age));
        let second = Duration::from_secs(1);
        let expiring = |age, left| Notice::Expiring { age, left };
        assert_eq!(look(3 * HOUR), []);
        assert_eq!(look(3 * HOUR + second), [expiring(3 * HOUR + second, HOUR - second)]);
        assert_eq!(look(3 * HOUR + 2 * second), [], "told already");
        assert_eq!(look(5 * HOUR), [expiring(5 * HOUR, Duration::ZERO)]);
        assert_eq!(look(HOUR), [], "the old ones are gone");
        assert_eq!(look(4 * HOUR), [expiring(4 * HOUR, Duration::ZERO)], "and there are old ones again");
    }

    #[test]
    fn a_topic_that_keeps_everything_threatens_nothing() {
        let mut watchman = Watchman::new(Budget::default());
        assert_eq!(watchman.look(&sums(1), None, i64::MAX), []);
        assert_eq!(watchman.look(&sums(0), Some(HOUR), i64::MAX), []);
    }

    #[test]
    fn a_letter_from_the_future_is_new() {
        let future = Sums { oldest: Some(10), ..sums(1) };
        assert_eq!(age(&future, 5), Some(Duration::ZERO));
    }
}
