//! The laws themselves, checked from outside after every event: against a ledger of what had an effect, never against
//! the engine's own state of mind.
//!
//! Deliberately apart from the reference model: a law holds or not, however the engine goes about it.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    partition::OVERHEAD,
    snapshot::{Counters, Snapshot},
    time::Time,
    totals::Totals,
};

use super::{
    schedule::{Fate, Order},
    world::World,
};

/// What a violation is one of. I1 to I7 are those of docs/guarantees.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    /// Every order ends as its script says, and is counted once.
    Once,
    /// The engine answers as the reference model does.
    Model,
}

/// What happened, as the world outside saw it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) violations: Vec<(Law, String)>,
    /// Effects that count: goes back to the checkpoint's with a crash.
    pub(crate) ledger: BTreeMap<i64, Fate>,
    /// Bytes of the records the engine has to keep now.
    pub(crate) stored: BTreeMap<i64, usize>,
    /// No run before that, for what failed; and whether it is held.
    pub(crate) parked: BTreeMap<i64, (Time, bool)>,
    /// The watermark seen last in this assignment.
    pub(crate) committed: i64,
    /// Each restore may put a due time off by three milliseconds: the wall clock is cut to whole ones twice.
    pub(crate) restores: u64,
    /// From now on whoever runs retries is there whenever `next_due` says so.
    pub(crate) punctual: bool,
}

impl Watch {
    pub(crate) fn law(&mut self, law: Law, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push((law, what()));
        }
    }

    /// I3 when a record starts: every earlier one of its key is resolved.
    pub(crate) fn starts(&mut self, order: &Order, orders: &[Order], removed: &BTreeSet<i64>) {
        let before = orders.iter().find(|before| {
            let there = !removed.contains(&before.offset) || self.stored.contains_key(&before.offset);
            let same_lane = before.key.is_some() && before.key == order.key && before.offset < order.offset;
            same_lane && there && !self.ledger.contains_key(&before.offset)
        });
        self.law(Law::I3, before.is_none(), || format!("{} started before {before:?}", order.offset));
        self.law(Law::I2, !self.ledger.contains_key(&order.offset), || format!("{} started again", order.offset));
    }

    /// I7 when a record starts that failed before.
    pub(crate) fn starts_due(&mut self, offset: i64, now: Time) {
        let Some((due, _)) = self.parked.remove(&offset) else { return };
        self.law(Law::I7, due <= now, || format!("{offset} started at {now:?}, due {due:?}"));
        let late = self.punctual && now.0 > due.0 + 50_000 + 3_000 * self.restores;
        self.law(Law::I7, !late, || format!("{offset} started late, at {now:?}, due {due:?}"));
    }

    /// I7 when there is nothing to start.
    pub(crate) fn nothing_ready(&mut self, now: Time) {
        let slack = 3_000 * self.restores;
        let late =
            self.parked.iter().find(|(offset, (due, _))| self.stored.contains_key(offset) && due.0 + slack <= now.0);
        let late = late.map(|(offset, due)| (*offset, *due));
        self.law(Law::I7, late.is_none(), || format!("{late:?} did not start at {now:?}"));
    }
}

/// After every event: I1, I2, I4 and I6.
pub(crate) fn check(world: &mut World) {
    let (watermark, snapshot) = (world.partition.watermark(), world.cut());
    let stored_bytes = world.partition.stored_bytes();
    let window = i64::from(world.schedule.window);
    let World { watch, schedule, removed, .. } = world;
    let lowest = schedule
        .orders
        .iter()
        .find(|order| !watch.ledger.contains_key(&order.offset) && !removed.contains(&order.offset));
    let lowest = lowest.map_or(i64::MAX, |order| order.offset);
    watch.law(Law::I1, watermark <= lowest, || format!("watermark {watermark} is above {lowest}, which is unresolved"));
    let before = watch.committed;
    watch.law(Law::I1, watermark >= before, || format!("watermark went from {before} back to {watermark}"));
    watch.law(Law::I1, watermark == snapshot.watermark, || format!("cut at {}", snapshot.watermark));
    watch.committed = watermark;

    covers_the_ledger(watch, &snapshot, &schedule.orders, removed);

    let expected: usize = watch.stored.values().map(|bytes| bytes + OVERHEAD).sum();
    watch.law(Law::I6, stored_bytes == expected, || format!("{stored_bytes} bytes counted, {expected} stored"));
    let span = watch.stored.last_key_value().map_or(0, |(highest, _)| highest - watermark);
    watch.law(Law::I6, span < window, || format!("{span} offsets ahead of the watermark"));
}

/// I2: what the snapshot calls resolved had an effect. I4: its totals and counters are those effects, each once.
fn covers_the_ledger(watch: &mut Watch, snapshot: &Snapshot, orders: &[Order], removed: &BTreeSet<i64>) {
    let open: BTreeSet<i64> = snapshot.unresolved.iter().map(|unresolved| unresolved.offset).collect();
    let ahead: BTreeSet<i64> = snapshot.resolved_ahead.iter().copied().collect();
    let (mut totals, mut counters) = (Totals::new(), Counters::default());
    for order in orders {
        let offset = order.offset;
        let resolved = (offset < snapshot.end && !open.contains(&offset)) || ahead.contains(&offset);
        let fate = watch.ledger.get(&offset).copied();
        let explained = !resolved || fate.is_some() || removed.contains(&offset);
        watch.law(Law::I2, explained, || format!("{offset} is resolved, and nothing happened to it"));
        watch.law(Law::I4, resolved || fate.is_none(), || format!("{offset} had its effect, and is not resolved"));
        match fate {
            Some(Fate::Succeeded) => {
                counters.succeeded += 1;
                totals.add(order.sale());
            }
            Some(Fate::DeadLettered) => counters.dead_lettered += 1,
            Some(Fate::Skipped) => counters.skipped += 1,
            None => {}
        }
    }
    counters.retries = snapshot.counters.retries;
    watch.law(Law::I4, snapshot.totals == totals, || format!("totals {:?}, not {totals:?}", snapshot.totals));
    watch.law(Law::I4, snapshot.counters == counters, || format!("{:?}, not {counters:?}", snapshot.counters));
}
