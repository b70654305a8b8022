//! The service behind the http handler: what it answers is a pure function of the order, but while it is out.
//!
//! It remembers who called when, so that order per key can be checked over all processes together. Deliberately patient
//! with nobody: a first call may fail, as calls do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use engine::faults;
use test_service::{Call, Reply, TestService};

use crate::{
    clock::Stopwatch,
    ledger::{Ledger, Place},
    orders::Made,
};

/// What chance in the service starts from.
const SEED: u64 = 7;
/// Share of the orders that are refused for good.
const REFUSED: f64 = 0.3;
/// Share of the orders whose first call fails; the second one of a tenth of them, too.
const FAILING: f64 = 10.0;
/// How long each answer takes.
const WORK: Duration = Duration::from_millis(2);

/// A running service.
pub(crate) struct Service {
    http: TestService,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    is_out: bool,
    calls: HashMap<Place, Calls>,
}

/// All calls with one order.
#[derive(Clone, Copy, Debug)]
struct Calls {
    count: u32,
    /// How many were answered for good: done, or refused.
    answered: u32,
    first: Duration,
    /// When the first answer for good was given.
    done: Option<Duration>,
}

/// What the service does with an order in the end.
pub(crate) fn fate(order: &Made) -> Option<&'static str> {
    is_refused(&order.id).then_some("rejected")
}

fn is_refused(id: &str) -> bool {
    faults::permanent(SEED, id.as_bytes(), REFUSED)
}

impl Service {
    /// A service on a free port.
    pub(crate) fn start() -> Service {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (of_script, watch) = (Arc::clone(&seen), Stopwatch::start());
        let http = TestService::forgetful(0, move |call| {
            let place = place(call).expect("the handler names the order's place");
            lock(&of_script).answer(place, &call.order_id(), watch.elapsed())
        });
        Service { http, seen }
    }

    /// Where orders are posted to.
    pub(crate) fn url(&self) -> String {
        self.http.url("/orders")
    }

    /// From now on it fails every call, or none any more.
    pub(crate) fn set_out(&self, is_out: bool) {
        lock(&self.seen).is_out = is_out;
    }

    /// How often orders were handled that had been handled before.
    pub(crate) fn again(&self) -> u64 {
        lock(&self.seen).calls.values().map(|calls| u64::from(calls.answered.saturating_sub(1))).sum()
    }

    /// Orders that were called before the one before them of their key was done, or never.
    pub(crate) fn check_order(&self, ledger: &Ledger) -> Vec<String> {
        lock(&self.seen).check_order(ledger)
    }
}

impl Seen {
    fn answer(&mut self, place: Place, id: &str, now: Duration) -> Reply {
        let is_out = self.is_out;
        let calls = self.calls.entry(place).or_insert(Calls { count: 0, answered: 0, first: now, done: None });
        calls.count += 1;
        if is_out {
            return out(place.1, calls.count);
        }
        if faults::fails(SEED, id.as_bytes(), calls.count, FAILING) && calls.count <= 2 {
            return Reply::status(503).after(WORK);
        }
        calls.answered += 1;
        calls.done = calls.done.or(Some(now + WORK));
        Reply::status(if is_refused(id) { 422 } else { 200 }).after(WORK)
    }

    fn check_order(&self, ledger: &Ledger) -> Vec<String> {
        let mut problems = Vec::new();
        for ((partition, key), offsets) in &ledger.keys {
            let mut done = Duration::ZERO;
            for offset in offsets {
                let key = String::from_utf8_lossy(key);
                match self.calls.get(&(*partition, *offset)) {
                    Some(calls) if calls.first < done => {
                        problems
                            .push(format!("{key}: ({partition}, {offset}) began before the one before it was done"));
                    }
                    Some(Calls { done: Some(end), .. }) => done = *end,
                    Some(Calls { done: None, .. }) | None => {
                        problems.push(format!("{key}: ({partition}, {offset}) was never handled"));
                    }
                }
            }
        }
        problems
    }
}

/// Ways not to answer, all of them in turn.
fn out(offset: i64, count: u32) -> Reply {
    match (offset + i64::from(count)) % 4 {
        0 => Reply::hang(),
        1 => Reply::reset(),
        _ => Reply::status(503),
    }
}

/// From the idempotency key: `<group>-<topic>-<partition>-<offset>`.
fn place(call: &Call) -> Option<Place> {
    let mut parts = call.header("idempotency-key")?.rsplit('-');
    let offset = parts.next()?.parse().ok()?;
    Some((parts.next()?.parse().ok()?, offset))
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no holder panics")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Seen;
    use crate::{ledger::Ledger, topic::Record};

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Three orders of one key.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for (order, offset) in crate::material::Stream::new(1, "a").take(3).zip(0..) {
            let placed = Record { partition: Some(0), offset: Some(offset), ..order.record() };
            ledger.add(Record { key: Some(b"k".to_vec()), ..placed }, super::fate);
        }
        ledger
    }

    fn calls(at: &[(i64, u32)]) -> Seen {
        let mut seen = Seen::default();
        for (offset, milliseconds) in at {
            seen.answer((0, *offset), "an order nothing happens to", *milliseconds * MILLISECOND);
        }
        seen
    }

    #[test]
    fn calls_one_after_the_other_are_in_order_and_repeats_change_nothing() {
        assert_eq!(calls(&[(0, 1), (1, 10), (2, 20)]).check_order(&ledger()), [""; 0]);
        assert_eq!(calls(&[(0, 1), (1, 10), (0, 11), (1, 12), (2, 20)]).check_order(&ledger()), [""; 0]);
    }

    #[test]
    fn an_order_that_overtakes_or_is_left_out_is_found() {
        assert_eq!(calls(&[(0, 1), (2, 10), (1, 20)]).check_order(&ledger()).len(), 1);
        assert_eq!(calls(&[(0, 1), (1, 2), (2, 20)]).check_order(&ledger()).len(), 1, "at the same time");
        assert_eq!(calls(&[(0, 1), (2, 10)]).check_order(&ledger()).len(), 1);
        let mut out = Seen { is_out: true, ..Seen::default() };
        out.answer((0, 0), "a", MILLISECOND);
        assert_eq!(out.check_order(&ledger()).len(), 3, "never answered");
    }
}
