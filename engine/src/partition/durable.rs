//! A partition's durable state: the consistent cut, the way back from it, and dead letters found by a scan.
//!
//! Deliberately without bytes: `snapshot` knows the format.

use std::time::Duration;

use crate::{
    outcome::Stored,
    retry::{MAXIMUM_RETRIES, RetryPolicy},
    slab::Trail,
    snapshot::{Pending, Snapshot, Tries, Unresolved},
    time::Time,
};

use super::{Limits, Partition};

impl<R: Stored> Partition<R> {
    /// The state at this moment: totals and counters cover exactly the offsets it calls resolved (I4). `now` and
    /// `wall_milliseconds` are one moment on both clocks. The caller adds scan marks and the last reset.
    #[must_use]
    pub fn cut(&self, now: Time, wall_milliseconds: i64) -> Snapshot {
        let mut unresolved = Vec::with_capacity(self.window.unresolved());
        unresolved.extend(self.window.iter().map(|offset| Unresolved { offset, tries: None }));
        let ranks = self.window.ranks();
        let stored = self.slab.iter().map(|entry| (entry.offset, &entry.trail));
        let unpolled = self.restored.iter().map(|(offset, trail)| (*offset, trail));
        for (offset, trail) in stored.chain(unpolled).filter(|(_, trail)| trail.class.is_some()) {
            if let Some(place) = ranks.of(offset) {
                unresolved[place].tries = freeze(trail, now, wall_milliseconds);
            }
        }
        Snapshot {
            watermark: self.window.watermark(),
            end: self.window.end(),
            unresolved,
            resolved_ahead: self.resolved_ahead.iter().copied().collect(),
            counters: self.counters.clone(),
            totals: self.totals.clone(),
            ..Snapshot::default()
        }
    }

    /// A partition that goes on where `snapshot` was cut. Poll from its watermark on: what it calls resolved is
    /// `Done`, what had failed is to `Wait` and comes back when it was due. `now` and `wall_milliseconds` are one
    /// moment on both clocks; no delay grows beyond the policy's longest. `assignment` as in [`Partition::new`].
    #[must_use]
    pub fn restore(
        snapshot: Snapshot,
        policy: RetryPolicy,
        limits: Limits,
        assignment: u32,
        (now, wall_milliseconds): (Time, i64),
    ) -> Self {
        let longest = policy.longest();
        let mut partition = Self::new(snapshot.watermark, policy, limits, assignment);
        for Unresolved { offset, tries } in snapshot.unresolved {
            partition.window.open(offset);
            if let Some(tries) = tries {
                partition.restored.insert(offset, thaw(&tries, now, wall_milliseconds, longest));
            }
        }
        partition.window.extend(snapshot.end);
        partition.resolved_ahead = snapshot.resolved_ahead.into_iter().collect();
        partition.counters = snapshot.counters;
        partition.totals = snapshot.totals;
        partition
    }

    /// A scan of the dead-letter topic found that the record at `offset` was given up before a restart, after
    /// `retries` retries: resolves it as dead (I2). Before polling begins; `false` when it was resolved already.
    pub fn found_dead_lettered(&mut self, offset: i64, retries: u8) -> bool {
        let fresh = if offset < self.window.end() {
            offset >= self.next && self.window.resolve(offset)
        } else {
            self.resolved_ahead.insert(offset)
        };
        if fresh {
            let trail = self.restored.remove(&offset).unwrap_or_default();
            let counted = trail.retries - u8::from(trail.retry_pending);
            for number in counted..retries.min(MAXIMUM_RETRIES) {
                self.counters.retries[usize::from(number)] += 1;
            }
            self.counters.dead_lettered += 1;
        }
        fresh
    }
}

fn freeze(trail: &Trail, now: Time, wall_milliseconds: i64) -> Option<Tries> {
    let pending = match trail.dead {
        Some(disposition) => Pending::DeadLetter(disposition),
        None => Pending::Run { due_milliseconds: wall_of(trail.due, now, wall_milliseconds) },
    };
    Some(Tries {
        retries: trail.retries,
        retry_pending: trail.retry_pending,
        panicked: trail.panicked,
        runs: u32::from(trail.runs),
        class: trail.class?,
        first_failure_milliseconds: trail.first_failure_milliseconds,
        last_failure_milliseconds: trail.last_failure_milliseconds(),
        pending,
    })
}

/// Rounded up, and a millisecond for the part of one that the wall clock was cut by: never early.
fn wall_of(due: Time, now: Time, wall_milliseconds: i64) -> i64 {
    let ahead = due.since(now).as_micros().div_ceil(1000) + u128::from(due > now);
    let behind = now.since(due).as_micros() / 1000;
    let shift = i64::try_from(ahead).unwrap_or(i64::MAX) - i64::try_from(behind).unwrap_or(i64::MAX);
    wall_milliseconds.saturating_add(shift)
}

fn thaw(tries: &Tries, now: Time, wall_milliseconds: i64, longest: Duration) -> Trail {
    let (due, dead) = match tries.pending {
        Pending::DeadLetter(disposition) => (now, Some(disposition)),
        Pending::Run { due_milliseconds } => {
            let left = u64::try_from(due_milliseconds.saturating_sub(wall_milliseconds)).unwrap_or(0);
            (now + Duration::from_millis(left).min(longest), None)
        }
    };
    let failing_for = tries.last_failure_milliseconds.saturating_sub(tries.first_failure_milliseconds);
    Trail {
        due,
        dead,
        first_failure_milliseconds: tries.first_failure_milliseconds,
        failing_for: u32::try_from(failing_for.max(0)).unwrap_or(u32::MAX),
        runs: u16::try_from(tries.runs).unwrap_or(u16::MAX).max(1),
        retries: tries.retries.min(MAXIMUM_RETRIES),
        holds: 0,
        class: Some(tries.class),
        retry_pending: tries.retry_pending && tries.retries > 0,
        panicked: tries.panicked,
    }
}
