//! The engine's share of the consumer's loop: what one record costs it, clean and with failures, and what a parked
//! one occupies.
//!
//! `cargo bench -p bench --bench engine`. Deliberately without Kafka, decoding and clocks: time is virtual, three
//! million records a second. Exits with 1 when a target of the project is missed.
#![expect(clippy::print_stdout, reason = "the table is the product")]

use std::{process::ExitCode, time::Duration};

use bench::{Contestant, contest};
use engine::{
    failure::FailureClass,
    faults::fails,
    outcome::{Admission, Failure, Lane, Outcome, Stored, Verdict},
    partition::{Limits, Partition},
    retry::RetryPolicy,
    time::Time,
    totals::Sale,
};

const ROUNDS: usize = 9;
const RECORDS: usize = 1_000_000;
const BATCH: usize = 1000;
const PARTITIONS: usize = 6;
/// Virtual nanoseconds from one record to the next.
const INTERVAL: u64 = 333;
const PAYLOAD: usize = 44;
const SEED: u64 = 42;
/// Targets: nanoseconds for a clean record, those that 15 % failing add to it, bytes besides a parked record's own.
const CLEAN: f64 = 20.0;
const FAILING: f64 = 150.0;
const OVERHEAD: f64 = 150.0;

struct Blob(Box<[u8]>);

impl Stored for Blob {
    fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// A topic that never ends: partitions in turn, a batch from each.
struct Topic {
    products: Vec<Vec<u8>>,
    /// Which product comes next: long enough not to be learnt.
    sequence: Vec<u32>,
    partitions: Vec<Partition<Blob>>,
    offsets: Vec<i64>,
    number: u64,
    percent: f64,
    hash_key: bool,
}

impl Topic {
    fn new(products: usize, percent: f64, hash_key: bool) -> Self {
        let limits = Limits { parked_bytes: 1 << 30, window: Limits::WINDOW };
        let partition = |number| Partition::new(0, RetryPolicy::default(), limits, number);
        Self {
            products: (0..products).map(|number| format!("product-{number}").into_bytes()).collect(),
            sequence: (0..1 << 16).map(|number| (mixed(number) >> 40) as u32 % products as u32).collect(),
            partitions: (0..PARTITIONS as u32).map(partition).collect(),
            offsets: vec![0; PARTITIONS],
            number: 0,
            percent,
            hash_key,
        }
    }

    /// Takes in so many records, and runs what is due after each batch.
    fn take(&mut self, records: usize) -> u64 {
        for batch in 0..records / BATCH {
            self.take_batch(batch % PARTITIONS);
            if self.percent > 0.0 {
                (0..PARTITIONS).for_each(|place| self.run_due(place));
            }
        }
        self.partitions.iter().map(|partition| partition.counters().succeeded).sum()
    }

    fn take_batch(&mut self, place: usize) {
        let now = now(self.number);
        let (partition, next) = (&mut self.partitions[place], &mut self.offsets[place]);
        for _ in 0..BATCH {
            let (number, offset) = (self.number, *next);
            (self.number, *next) = (number + 1, offset + 1);
            let id = id(offset, place);
            let lane = if self.hash_key { Lane::of_key(Some(&id)) } else { Lane::Shared(mixed(number)) };
            let admission = partition.admit(offset, lane, PAYLOAD);
            assert!(admission == Admission::Run, "{admission:?} at {offset}");
            if self.percent > 0.0 && fails(SEED, &id, 0, self.percent) {
                partition.fail(offset, lane, Blob([0; PAYLOAD].into()), transient(now), now);
            } else {
                partition.succeed(offset, sale(&self.products, &self.sequence, number));
            }
        }
    }

    fn run_due(&mut self, place: usize) {
        let now = now(self.number);
        let partition = &mut self.partitions[place];
        while let Some(ready) = partition.next_ready(now) {
            let failed = fails(SEED, &id(ready.offset, place), ready.retry.into(), self.percent);
            let outcome = if failed {
                Outcome::Failed(transient(now))
            } else {
                Outcome::Succeeded(sale(&self.products, &self.sequence, ready.offset as u64))
            };
            if let Some(Verdict::DeadLetter(ticket, _)) = partition.complete(ready.ticket, outcome, now) {
                partition.dead_letter_acknowledged(ticket);
            }
        }
    }
}

/// Virtual time when that record comes.
fn now(number: u64) -> Time {
    Time(number * INTERVAL / 1000)
}

fn transient(now: Time) -> Failure {
    Failure { class: FailureClass::Transient, wall_milliseconds: 1_795_000_000_000 + (now.0 / 1000) as i64 }
}

fn id(offset: i64, place: usize) -> [u8; 8] {
    (offset as u64 * PARTITIONS as u64 + place as u64).to_le_bytes()
}

fn sale<'a>(products: &'a [Vec<u8>], sequence: &[u32], number: u64) -> Sale<'a> {
    let product = &products[sequence[number as usize % sequence.len()] as usize];
    let price_minor = 1000 + (number & 0xffff) as i64;
    Sale { product, currency: *b"USD", price_minor, quantity: 1 + (number & 3) as i32 }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ 0x6a09_e667_f3bc_c908).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    number ^ (number >> 29)
}

fn contestant(name: &'static str, mut topic: Topic, warm_up: usize) -> Contestant<'static> {
    topic.take(warm_up);
    Contestant { name, pass: Box::new(move || topic.take(RECORDS)) }
}

fn main() -> ExitCode {
    // Five virtual seconds until the third retries run as often as they ever will, and some more.
    let steady = 24 * RECORDS;
    let mut contestants = [
        contestant("clean, 64 products", Topic::new(64, 0.0, false), RECORDS),
        contestant("clean, lane hashed from an 8-byte key", Topic::new(64, 0.0, true), RECORDS),
        contestant("clean, 100,000 products", Topic::new(100_000, 0.0, false), RECORDS),
        contestant("1 % of tries failing", Topic::new(64, 1.0, false), steady),
        contestant("15 % of tries failing", Topic::new(64, 15.0, false), steady),
        contestant("30 % of tries failing", Topic::new(64, 30.0, false), steady),
    ];
    let timings = contest(&mut contestants, ROUNDS, 1, RECORDS);
    println!("{RECORDS} records a round, {ROUNDS} interleaved rounds, CPU time of the thread, {PARTITIONS} partitions");
    println!("{:42} {:>8} {:>15} {:>10}", "", "median", "min..max ns", "over clean");
    for (contestant, timing) in contestants.iter().zip(&timings) {
        let over = timing.median - timings[0].median;
        println!(
            "{:42} {:8.1} {:7.1}..{:<6.1} {:10.1}",
            contestant.name, timing.median, timing.least, timing.most, over
        );
    }
    let overhead = bytes_besides_the_record();
    let missed = [timings[0].median > CLEAN, timings[4].median - timings[0].median > FAILING, overhead > OVERHEAD];
    if missed.contains(&true) {
        println!("targets missed: clean, failing, memory = {missed:?}");
        return ExitCode::FAILURE;
    }
    println!("targets met");
    ExitCode::SUCCESS
}

/// Parks records until the tables have just grown, the worst moment; the allocator's own 8 bytes a block included.
fn bytes_besides_the_record() -> f64 {
    let mut worst: f64 = 0.0;
    for records in [10_000, 60_000, 115_000, 120_000, 380_000, 470_000] {
        let mut parked = 0;
        let info = allocation_counter::measure(|| {
            let limits = Limits { parked_bytes: 1 << 30, window: Limits::WINDOW };
            let policy = RetryPolicy::new(3, Duration::from_secs(60), 1.0, Duration::from_secs(60), 0.0);
            let mut partition = Partition::new(0, policy.expect("in range"), limits, 0);
            for offset in 0..records {
                let failure = Failure { class: FailureClass::Transient, wall_milliseconds: 0 };
                let record = Blob([0; PAYLOAD].into());
                partition.fail(offset, Lane::Shared(mixed(offset as u64)), record, failure, Time(offset as u64));
            }
            parked = partition.occupancy().parked;
            std::mem::forget(partition);
        });
        let bytes = info.bytes_current as f64 / parked as f64;
        let block = ((PAYLOAD + 8).next_multiple_of(16).max(32) - PAYLOAD) as f64;
        let overhead = bytes - PAYLOAD as f64 + block;
        println!(
            "{parked:9} parked: {bytes:6.1} bytes each, {overhead:6.1} besides its own {PAYLOAD}, malloc's share included"
        );
        worst = worst.max(overhead);
    }
    worst
}
