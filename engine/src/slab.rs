//! The unresolved records a partition keeps, each under a ticket that goes stale when its turn is over.
//!
//! Deliberately ignorant of order and time: `lanes`, `timer` and [`Queue`] link the places through the entries, so
//! that none of them needs memory of its own for each record. Chunks of fixed size: growing copies nothing.

use crate::{
    failure::{Disposition, FailureClass},
    time::Time,
};

/// No slot: the end of a list.
pub(crate) const NONE: u32 = u32::MAX;

const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Names one turn of a stored record; refused once that turn is over, and in every other assignment (I5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) assignment: u32,
}

/// Where a stored record is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Behind another one of its lane.
    Waiting,
    /// Its turn has come; nobody took it yet.
    Ready,
    /// A handler has it.
    Running,
    /// Waits for its due time.
    Parked,
    /// Its dead letter is being written.
    DeadLettering,
}

/// What the tries of a record left behind; 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trail {
    /// When it may run again; means nothing before the first failure.
    pub(crate) due: Time,
    pub(crate) first_failure_milliseconds: i64,
    /// From the first failure to the last, in milliseconds.
    pub(crate) failing_for: u32,
    /// Failed runs; 0 = it never failed, and nothing else here means anything.
    pub(crate) runs: u16,
    /// Retries it was given, the pending one included.
    pub(crate) retries: u8,
    /// Times it was held since its last retry.
    pub(crate) holds: u8,
    pub(crate) class: Option<FailureClass>,
    /// Set when only its dead letter is to be written.
    pub(crate) dead: Option<Disposition>,
    /// The last retry did not finish yet.
    pub(crate) retry_pending: bool,
    pub(crate) panicked: bool,
}

impl Trail {
    /// When it may run again, for one that failed and was not given up.
    pub(crate) fn due(&self) -> Option<Time> {
        (self.runs > 0 && self.dead.is_none()).then_some(self.due)
    }

    /// One more failed run. Its length of failing stops growing after 49 days.
    pub(crate) fn note_failure(&mut self, class: FailureClass, wall_milliseconds: i64) {
        if self.runs == 0 {
            self.first_failure_milliseconds = wall_milliseconds;
        }
        let failing_for = wall_milliseconds.saturating_sub(self.first_failure_milliseconds).max(0);
        self.failing_for = u32::try_from(failing_for).unwrap_or(u32::MAX);
        self.runs = self.runs.saturating_add(1);
        self.class = Some(class);
        self.panicked |= class == FailureClass::HandlerPanic;
    }

    pub(crate) fn last_failure_milliseconds(&self) -> i64 {
        self.first_failure_milliseconds.saturating_add(i64::from(self.failing_for))
    }
}

/// One place: a stored record, or none.
#[derive(Clone, Debug)]
pub(crate) struct Entry<R> {
    record: Option<R>,
    pub(crate) offset: i64,
    /// Means something with `in_lane` alone.
    pub(crate) lane: u64,
    pub(crate) trail: Trail,
    /// The successor in its lane.
    pub(crate) next_in_lane: u32,
    /// The next one of the list it is in: free places, ready records or a slot of the timer.
    pub(crate) link: u32,
    generation: u32,
    pub(crate) state: State,
    pub(crate) in_lane: bool,
}

impl<R> Entry<R> {
    pub(crate) fn new(record: R, offset: i64, lane: Option<u64>, trail: Trail) -> Self {
        Self {
            record: Some(record),
            offset,
            lane: lane.unwrap_or(0),
            trail,
            next_in_lane: NONE,
            link: NONE,
            generation: 0,
            state: State::Waiting,
            in_lane: lane.is_some(),
        }
    }

    pub(crate) fn record(&self) -> &R {
        self.record.as_ref().expect("a linked slot holds a record")
    }
}

/// Places for entries, used again.
#[derive(Clone, Debug)]
pub(crate) struct Slab<R> {
    chunks: Vec<Vec<Entry<R>>>,
    /// First of the list of free places.
    free: u32,
    len: usize,
    assignment: u32,
    /// Of the newest ticket. One for all slots: a ticket could be mistaken only 4 billion turns later.
    generation: u32,
}

impl<R> Slab<R> {
    pub(crate) fn new(assignment: u32) -> Self {
        Self { chunks: Vec::new(), free: NONE, len: 0, assignment, generation: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, entry: Entry<R>) -> u32 {
        self.len += 1;
        if self.free != NONE {
            let slot = self.free;
            let place = self.get_mut(slot);
            let next = place.link;
            *place = entry;
            self.free = next;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            let first = self.chunks.is_empty();
            self.chunks.push(if first { Vec::new() } else { Vec::with_capacity(CHUNK) });
        }
        let number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[number];
        chunk.push(entry);
        u32::try_from((number << CHUNK_BITS) + chunk.len() - 1).expect("the window holds far fewer than 4 billion")
    }

    /// Empties a place; an empty slab gives its memory back.
    pub(crate) fn remove(&mut self, slot: u32) -> R {
        let free = self.free;
        let place = self.get_mut(slot);
        let record = place.record.take().expect("a linked slot holds a record");
        place.link = free;
        self.free = slot;
        self.len -= 1;
        if self.len == 0 {
            self.chunks.truncate(1);
            self.chunks.iter_mut().for_each(Vec::clear);
            self.free = NONE;
        }
        record
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &Entry<R> {
        &self.chunks[slot as usize >> CHUNK_BITS][slot as usize & (CHUNK - 1)]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Entry<R> {
        &mut self.chunks[slot as usize >> CHUNK_BITS][slot as usize & (CHUNK - 1)]
    }

    /// Begins a turn: every earlier ticket of the slot is stale.
    pub(crate) fn issue(&mut self, slot: u32) -> Ticket {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        self.get_mut(slot).generation = generation;
        Ticket { slot, generation, assignment: self.assignment }
    }

    /// The slot of a ticket whose turn is not over.
    pub(crate) fn find(&self, ticket: Ticket) -> Option<u32> {
        let entry = self.chunks.get(ticket.slot as usize >> CHUNK_BITS)?.get(ticket.slot as usize & (CHUNK - 1))?;
        let good = ticket.assignment == self.assignment
            && entry.generation == ticket.generation
            && entry.record.is_some()
            && matches!(entry.state, State::Running | State::DeadLettering);
        good.then_some(ticket.slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<R>> {
        self.chunks.iter().flatten().filter(|entry| entry.record.is_some())
    }
}

/// A first-in first-out list of slots, linked through the entries.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    head: u32,
    tail: u32,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { head: NONE, tail: NONE }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == NONE
    }

    pub(crate) fn push<R>(&mut self, slab: &mut Slab<R>, slot: u32) {
        slab.get_mut(slot).link = NONE;
        if self.tail == NONE {
            self.head = slot;
        } else {
            slab.get_mut(self.tail).link = slot;
        }
        self.tail = slot;
    }

    pub(crate) fn pop<R>(&mut self, slab: &Slab<R>) -> Option<u32> {
        let slot = self.head;
        if slot == NONE {
            return None;
        }
        self.head = slab.get(slot).link;
        if self.head == NONE {
            self.tail = NONE;
        }
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: i64) -> Entry<Box<[u8]>> {
        Entry::new(Box::from(&b"x"[..]), offset, None, Trail::default())
    }

    #[test]
    fn an_entry_takes_eighty_bytes() {
        assert_eq!(size_of::<Entry<Box<[u8]>>>(), 80);
    }

    #[test]
    fn a_ticket_is_good_for_one_turn_of_one_assignment() {
        let mut slab = Slab::new(7);
        let slot = slab.insert(entry(1));
        let first = slab.issue(slot);
        slab.get_mut(slot).state = State::Running;
        assert_eq!(slab.find(first), Some(slot));
        let second = slab.issue(slot);
        assert_eq!((slab.find(first), slab.find(second)), (None, Some(slot)));
        assert_eq!(slab.find(Ticket { assignment: 8, ..second }), None);
        slab.get_mut(slot).state = State::Parked;
        assert_eq!(slab.find(second), None);
        slab.remove(slot);
        assert_eq!(slab.find(second), None);
        let again = slab.insert(entry(2));
        slab.get_mut(again).state = State::Running;
        assert_eq!((again, slab.find(second)), (slot, None));
    }

    #[test]
    fn places_are_used_again_and_an_empty_slab_gives_its_memory_back() {
        let mut slab = Slab::new(0);
        let slots: Vec<u32> = (0..1000).map(|offset| slab.insert(entry(offset))).collect();
        slab.remove(slots[3]);
        slab.remove(slots[700]);
        assert_eq!((slab.insert(entry(3)), slab.insert(entry(700)), slab.len()), (slots[700], slots[3], 1000));
        slots.iter().for_each(|slot| {
            slab.remove(*slot);
        });
        assert_eq!((slab.len(), slab.chunks.len()), (0, 1));
    }

    #[test]
    fn a_queue_is_first_in_first_out() {
        let mut slab = Slab::new(0);
        let slots: Vec<u32> = (0..3).map(|offset| slab.insert(entry(offset))).collect();
        let mut queue = Queue::new();
        slots.iter().for_each(|slot| queue.push(&mut slab, *slot));
        let out: Vec<u32> = std::iter::from_fn(|| queue.pop(&slab)).collect();
        assert_eq!(out, slots);
        assert!(queue.is_empty());
    }
}
