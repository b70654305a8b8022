//! What a law is tried on: the orders of a topic, each with a script of its tries, and the events that befall them.
//!
//! Deliberately plain data, so that proptest can shrink it.

use std::time::Duration;

use engine::{
    failure::{FailureClass, Treatment},
    outcome::Lane,
    retry::RetryPolicy,
    totals::Sale,
};
use proptest::prelude::*;

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeded,
    DeadLettered,
    Skipped,
}

/// A record of the topic. What a try of it gives depends on the number of its retry alone, so a replay repeats it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) offset: i64,
    pub(crate) key: Option<u8>,
    pub(crate) price_minor: i64,
    pub(crate) quantity: i32,
    pub(crate) bytes: usize,
    /// Its handler takes time.
    pub(crate) slow: bool,
    /// What try number 0, 1, … gives: `None` = success, as after the last.
    pub(crate) steps: Vec<Option<FailureClass>>,
    /// At this retry it is held so many times before.
    pub(crate) held: (u8, u8),
}

impl Order {
    pub(crate) fn lane(&self) -> Lane {
        self.key.map_or(Lane::Own, |key| Lane::of_key(Some(&[key])))
    }

    pub(crate) fn sale(&self) -> Sale<'_> {
        let product = if self.price_minor % 2 == 0 { b"even".as_slice() } else { b"odd" };
        Sale { product, currency: *b"USD", price_minor: self.price_minor, quantity: self.quantity }
    }

    pub(crate) fn step(&self, retry: u8) -> Option<FailureClass> {
        self.steps.get(usize::from(retry)).copied().flatten()
    }

    /// How it ends and how many retries that takes, from the contract alone.
    pub(crate) fn fate(&self, max_retries: u8) -> (Fate, u8) {
        let mut panics = 0;
        for retry in 0..=max_retries {
            let Some(class) = self.step(retry) else { return (Fate::Succeeded, retry) };
            panics += u32::from(class == FailureClass::HandlerPanic);
            match class.treatment() {
                Treatment::Skip => return (Fate::Skipped, retry),
                Treatment::DeadLetter => return (Fate::DeadLettered, retry),
                Treatment::RetryOnce if panics > 1 => return (Fate::DeadLettered, retry),
                Treatment::Retry | Treatment::RetryOnce | Treatment::Hold => {}
            }
        }
        (Fate::DeadLettered, max_retries)
    }
}

/// Something that happens. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The next record is polled.
    Poll,
    /// Time passes, in microseconds.
    Pass(u64),
    /// Time passes until `next_due`.
    PassToDue,
    /// A worker asks for something to run.
    Take,
    /// A running handler ends.
    Complete(usize),
    /// A dead letter is acknowledged.
    Acknowledge(usize),
    /// A result or acknowledgement comes that belongs to a turn or an assignment that is over.
    Stale(usize),
    /// A checkpoint: cut, written, committed.
    Checkpoint,
    /// The partition is revoked in order and assigned again; some dead letters under way have arrived.
    Revoke(u8),
    /// The process dies; it goes on from the last checkpoint; some dead letters under way have arrived.
    Crash(u8),
    /// A record is compacted away.
    Compact(usize),
    /// The position is told to have moved.
    NoteEnd,
    /// What held records wait for is back.
    ReleaseHeld,
    /// The share of the bytes changes.
    Limit(usize),
}

/// All a run needs.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) policy: RetryPolicy,
    pub(crate) window: u32,
    pub(crate) orders: Vec<Order>,
    pub(crate) events: Vec<Event>,
}

fn step() -> impl Strategy<Value = Option<FailureClass>> {
    prop_oneof![
        10 => Just(None),
        6 => Just(Some(FailureClass::Transient)),
        1 => Just(Some(FailureClass::SchemaUnknown)),
        2 => Just(Some(FailureClass::HandlerPanic)),
        1 => prop::sample::select(vec![FailureClass::Rejected, FailureClass::Undecodable, FailureClass::Invalid])
            .prop_map(Some),
        1 => Just(Some(FailureClass::Tombstone)),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    let gap = prop_oneof![8 => Just(0), 2 => 0..4i64, 1 => 0..100i64];
    let key = prop_oneof![1 => Just(None), 3 => (0..3u8).prop_map(Some)];
    let held = prop_oneof![6 => Just((0, 0)), 1 => (0..3u8, 1..3u8)];
    let value = (-100..10_000i64, -3..100i32, 0..300usize);
    (gap, key, value, any::<bool>(), prop::collection::vec(step(), 0..6), held).prop_map(
        |(gap, key, (price_minor, quantity, bytes), slow, steps, held)| Order {
            offset: gap,
            key,
            price_minor,
            quantity,
            bytes,
            slow,
            steps,
            held,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => Just(Event::Poll),
        3 => (0..5_000_000u64).prop_map(Event::Pass),
        3 => Just(Event::PassToDue),
        8 => Just(Event::Take),
        6 => any::<usize>().prop_map(Event::Complete),
        3 => any::<usize>().prop_map(Event::Acknowledge),
        2 => any::<usize>().prop_map(Event::Stale),
        2 => Just(Event::Checkpoint),
        1 => any::<u8>().prop_map(Event::Revoke),
        1 => any::<u8>().prop_map(Event::Crash),
        1 => any::<usize>().prop_map(Event::Compact),
        1 => Just(Event::NoteEnd),
        1 => Just(Event::ReleaseHeld),
        1 => (0..4_000usize).prop_map(Event::Limit),
    ]
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    (0..5u32, 1..2_000u64, 1.0..3.0f64, prop_oneof![Just(0.0), 0.0..100.0f64]).prop_map(
        |(max_retries, initial, multiplier, jitter)| {
            let (initial, max) = (Duration::from_millis(initial), Duration::from_secs(5));
            RetryPolicy::new(max_retries, initial, multiplier, max, jitter).expect("in range")
        },
    )
}

/// A random schedule of up to 160 events on up to 60 orders.
pub(crate) fn schedule() -> impl Strategy<Value = Schedule> {
    let window = prop_oneof![Just(4_000_000u32), 20..200u32];
    let orders = prop::collection::vec(order(), 1..60);
    (policy(), window, 0..100i64, orders, prop::collection::vec(event(), 1..160)).prop_map(
        |(policy, window, mut offset, mut orders, events)| {
            for order in &mut orders {
                offset += order.offset + 1;
                order.offset = offset;
            }
            Schedule { policy, window, orders, events }
        },
    )
}
