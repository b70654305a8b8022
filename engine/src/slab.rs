//! The unresolved records a partition keeps, each under a ticket that goes stale when its turn is over.
//!
//! Deliberately ignorant of order and time: `lanes` and `timer` link the places.

use crate::{
    failure::{Disposition, FailureClass},
    time::Time,
};

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

/// What the tries of a record left behind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trail {
    /// Not before; of the last time it was parked.
    pub(crate) due: Option<Time>,
    pub(crate) retries: u8,
    pub(crate) holds: u8,
    pub(crate) runs: u32,
    pub(crate) retry_pending: bool,
    pub(crate) panicked: bool,
    pub(crate) class: Option<FailureClass>,
    pub(crate) dead: Option<Disposition>,
    pub(crate) first_failure_milliseconds: i64,
    pub(crate) last_failure_milliseconds: i64,
}

/// One stored record.
#[derive(Debug)]
pub(crate) struct Entry<R> {
    pub(crate) record: R,
    pub(crate) offset: i64,
    pub(crate) lane: Option<u64>,
    pub(crate) next_in_lane: Option<u32>,
    pub(crate) state: State,
    pub(crate) trail: Trail,
}

/// Places for entries, used again with a new generation.
#[derive(Debug)]
pub(crate) struct Slab<R> {
    places: Vec<(u32, Option<Entry<R>>)>,
    free: Vec<u32>,
    assignment: u32,
}

impl<R> Slab<R> {
    pub(crate) fn new(assignment: u32) -> Self {
        Self { places: Vec::new(), free: Vec::new(), assignment }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, entry: Entry<R>) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.places[slot as usize].1 = Some(entry);
            return slot;
        }
        let slot = u32::try_from(self.places.len()).expect("the window holds at most 4 million offsets");
        self.places.push((0, Some(entry)));
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Entry<R> {
        let place = &mut self.places[slot as usize];
        place.0 = place.0.wrapping_add(1);
        self.free.push(slot);
        place.1.take().expect("a linked slot holds an entry")
    }

    pub(crate) fn get(&self, slot: u32) -> &Entry<R> {
        self.places[slot as usize].1.as_ref().expect("a linked slot holds an entry")
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Entry<R> {
        self.places[slot as usize].1.as_mut().expect("a linked slot holds an entry")
    }

    /// Begins a turn: every earlier ticket of the slot is stale.
    pub(crate) fn issue(&mut self, slot: u32) -> Ticket {
        let place = &mut self.places[slot as usize];
        place.0 = place.0.wrapping_add(1);
        Ticket { slot, generation: place.0, assignment: self.assignment }
    }

    /// The slot of a ticket that is still good.
    pub(crate) fn resolve(&self, ticket: Ticket) -> Option<u32> {
        let (generation, entry) = self.places.get(ticket.slot as usize)?;
        let good = ticket.assignment == self.assignment && *generation == ticket.generation && entry.is_some();
        good.then_some(ticket.slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<R>> {
        self.places.iter().filter_map(|(_, entry)| entry.as_ref())
    }
}
