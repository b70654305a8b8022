//! Parked records by due time: a hierarchical wheel whose slots are lists linked through the slab's entries.
//!
//! Deliberately without a clock: it is told the time, and never gives a slot before it is due. A tick is 1,024
//! microseconds; nine levels of 64 slots reach the end of time. Only the records of the newest begun tick leave the wheel
//! for a heap, which puts them in exact order; so the order does not suffer from the tick.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    slab::{NONE, Slab},
    time::Time,
};

const TICK_BITS: u32 = 10;
const LEVEL_BITS: u32 = 6;
const LEVELS: usize = 9;
const SLOTS: usize = 1 << LEVEL_BITS;
/// Heap places kept when it is empty.
const KEPT: usize = 1024;

/// Slots of the slab in the order they are due; equal ones by offset.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    /// Every tick up to this one is in `imminent`, the rest in the wheel.
    current: u64,
    /// First of the list of each place.
    heads: Box<[[u32; SLOTS]; LEVELS]>,
    /// Places that hold something, one bit each.
    occupied: [u64; LEVELS],
    imminent: BinaryHeap<Reverse<(Time, i64, u32)>>,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self {
            current: 0,
            heads: Box::new([[NONE; SLOTS]; LEVELS]),
            occupied: [0; LEVELS],
            imminent: BinaryHeap::new(),
        }
    }

    /// Adds a slot at the due time of its entry. O(1).
    pub(crate) fn insert<R>(&mut self, slab: &mut Slab<R>, slot: u32) {
        let entry = slab.get_mut(slot);
        let tick = tick_of(entry.trail.due);
        if tick <= self.current {
            self.imminent.push(Reverse((entry.trail.due, entry.offset, slot)));
            return;
        }
        let level = level_of(tick, self.current);
        let place = place_of(tick, level);
        entry.link = self.heads[level][place];
        self.heads[level][place] = slot;
        self.occupied[level] |= 1 << place;
    }

    /// Not later than the earliest due time, and less than a tick before it when it is within 64 ticks.
    pub(crate) fn next_due(&self) -> Option<Time> {
        if let Some(Reverse((due, ..))) = self.imminent.peek() {
            return Some(*due);
        }
        self.next_place().map(|(.., first_tick)| Time(first_tick << TICK_BITS))
    }

    /// The earliest slot, if it is due. Amortised O(levels) and the heap of one tick.
    pub(crate) fn pop<R>(&mut self, slab: &mut Slab<R>, now: Time) -> Option<u32> {
        while self.imminent.is_empty() {
            let Some((level, place, first_tick)) = self.next_place().filter(|place| place.2 <= tick_of(now)) else {
                // Nothing is filed up to now, so every filed tick keeps its place when the clock moves here.
                self.current = self.current.max(tick_of(now));
                return None;
            };
            self.current = first_tick;
            self.empty_place(slab, level, place);
        }
        let Reverse((due, _, slot)) = *self.imminent.peek()?;
        if due > now {
            return None;
        }
        self.imminent.pop();
        if self.imminent.is_empty() && self.imminent.capacity() > KEPT {
            self.imminent.shrink_to(KEPT);
        }
        Some(slot)
    }

    /// Every slot, in no order; the timer is empty afterwards. O(all).
    pub(crate) fn drain<R>(&mut self, slab: &Slab<R>) -> Vec<u32> {
        let mut slots: Vec<u32> =
            std::mem::take(&mut self.imminent).into_iter().map(|Reverse(entry)| entry.2).collect();
        for head in self.heads.iter_mut().flatten() {
            let mut slot = std::mem::replace(head, NONE);
            while slot != NONE {
                slots.push(slot);
                slot = slab.get(slot).link;
            }
        }
        self.occupied = [0; LEVELS];
        slots
    }

    /// Lower levels hold earlier ticks, and every occupied place of a level is later than the current tick.
    fn next_place(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|places| *places != 0)?;
        let place = self.occupied[level].trailing_zeros() as usize;
        let shift = LEVEL_BITS * level as u32;
        let above = self.current >> shift >> LEVEL_BITS;
        Some((level, place, ((above << LEVEL_BITS) | place as u64) << shift))
    }

    fn empty_place<R>(&mut self, slab: &mut Slab<R>, level: usize, place: usize) {
        self.occupied[level] &= !(1 << place);
        let mut slot = std::mem::replace(&mut self.heads[level][place], NONE);
        while slot != NONE {
            let next = slab.get(slot).link;
            self.insert(slab, slot);
            slot = next;
        }
    }
}

fn tick_of(time: Time) -> u64 {
    time.0 >> TICK_BITS
}

/// The highest group of bits in which the two ticks differ.
fn level_of(tick: u64, current: u64) -> usize {
    let highest = 63 - ((tick ^ current) | 1).leading_zeros();
    (highest / LEVEL_BITS) as usize
}

fn place_of(tick: u64, level: usize) -> usize {
    (tick >> (LEVEL_BITS * level as u32)) as usize & (SLOTS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::{Entry, Trail};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn add(slab: &mut Slab<()>, timer: &mut Timer, due: u64, offset: i64) -> u32 {
        let slot = slab.insert(Entry::new((), offset, None, Trail { due: Time(due), ..Trail::default() }));
        timer.insert(slab, slot);
        slot
    }

    #[test]
    fn nothing_is_given_a_microsecond_early() {
        let (mut slab, mut timer) = (Slab::new(0), Timer::new());
        let slot = add(&mut slab, &mut timer, 1_000_001, 0);
        assert_eq!(timer.pop(&mut slab, Time(1_000_000)), None);
        assert_eq!(timer.next_due(), Some(Time(1_000_001)));
        assert_eq!(timer.pop(&mut slab, Time(1_000_001)), Some(slot));
        assert_eq!(timer.next_due(), None);
    }

    #[test]
    fn a_drained_timer_is_empty_and_gave_everything() {
        let (mut slab, mut timer) = (Slab::new(0), Timer::new());
        let slots: BTreeSet<u32> =
            (0..500u64).map(|number| add(&mut slab, &mut timer, number * number * 999, 0)).collect();
        assert_eq!(timer.drain(&slab).into_iter().collect::<BTreeSet<u32>>(), slots);
        assert_eq!((timer.next_due(), timer.pop(&mut slab, Time(u64::MAX))), (None, None));
    }

    /// Delays from nothing to a day, dense near nothing.
    fn delay() -> impl Strategy<Value = u64> {
        (0..37u32, any::<u64>()).prop_map(|(bits, noise)| noise & ((1 << bits) - 1))
    }

    proptest! {
        #[test]
        fn slots_come_in_due_order_never_early_and_as_soon_as_they_are_asked_for(
            origin in prop_oneof![Just(0), Just(1_795_000_000_000_000u64), any::<u32>().prop_map(u64::from)],
            steps in prop::collection::vec((prop::collection::vec(delay(), 0..8), delay()), 1..60),
        ) {
            let (mut slab, mut timer) = (Slab::new(0), Timer::new());
            let mut expected = BTreeSet::new();
            let (mut now, mut offset) = (origin, 0);
            for (delays, pass) in steps {
                for delay in delays {
                    offset += 1;
                    let slot = add(&mut slab, &mut timer, now + delay, offset);
                    expected.insert((Time(now + delay), offset, slot));
                }
                if let Some(first) = expected.first() {
                    let next = timer.next_due().expect("something is parked");
                    prop_assert!(next <= first.0);
                    now = if pass % 2 == 0 { next.0.max(now) } else { now + pass };
                } else {
                    prop_assert_eq!(timer.next_due(), None);
                    now += pass;
                }
                while let Some(slot) = timer.pop(&mut slab, Time(now)) {
                    let first = expected.pop_first().expect("something is parked");
                    prop_assert_eq!(first.2, slot);
                    prop_assert!(first.0 <= Time(now));
                    slab.remove(slot);
                }
                prop_assert!(expected.first().is_none_or(|first| first.0 > Time(now)));
            }
        }
    }
}
