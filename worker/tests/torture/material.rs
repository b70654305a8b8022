//! What goes into the source topic: orders for the producers, and records of others that are no good orders.
//!
//! Few keys of many orders each, so that order per key means something. Deliberately the same stream for the same seed; how
//! much of it arrives is up to the faults.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    path::Path,
    process::Command,
    thread,
};

use crate::{
    chance::Chance,
    orders::{self, Made},
    topic::Record,
};

const KEYS: u64 = 5_000;
const PRODUCTS: u64 = 20;

/// Orders without end, numbered from 0.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    chance: Chance,
    prefix: String,
    next: u64,
}

impl Stream {
    /// Orders `prefix-0`, `prefix-1`, …
    pub(crate) fn new(seed: u64, prefix: &str) -> Stream {
        let purpose = prefix.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Stream { chance: Chance::new(seed, purpose), prefix: prefix.to_owned(), next: 0 }
    }
}

impl Iterator for Stream {
    type Item = Made;

    fn next(&mut self) -> Option<Made> {
        let number = self.next;
        self.next += 1;
        let mut up_to = |high| self.chance.between(1, high);
        Some(Made {
            id: format!("{}-{number}", self.prefix),
            key: format!("customer-{}", up_to(KEYS)),
            product: format!("P{}", up_to(PRODUCTS)),
            price: 1_000 + i64::try_from(up_to(99_000)).expect("small"),
            quantity: i32::try_from(up_to(3)).expect("small"),
        })
    }
}

/// Makes a named pipe and writes a stream into it as CSV, until its reader ends.
pub(crate) fn pour(stream: Stream, pipe: &Path) {
    let made = Command::new("mkfifo").arg(pipe).status().expect("mkfifo is there");
    assert!(made.success());
    let pipe = pipe.to_owned();
    thread::spawn(move || -> std::io::Result<()> {
        // Opens when the reader does; the end of the reader ends the writing.
        let mut out = BufWriter::new(OpenOptions::new().write(true).open(pipe)?);
        let csv = |orders: &[Made]| orders::csv(orders);
        out.write_all(csv(&[]).as_bytes())?;
        for order in stream {
            let text = csv(&[order]);
            let (_, line) = text.split_once('\n').expect("a header stands above");
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    });
}

/// Records that no producer of ours would write: tombstones, bytes that are no order, orders that break a rule.
pub(crate) fn foreign(seed: u64, round: u64) -> Vec<Record> {
    let mut made = Stream::new(seed, &format!("foreign.{round}"));
    let mut take = || made.next().expect("it has no end");
    let mut records = Vec::new();
    for number in 0..10_u8 {
        records.push(Record { value: None, ..Record::new(take().key, "") });
        records.push(Record::new(take().key, [0xff, 0xff, 0xff, 0xff, number]));
        records.push(Made { price: -1, ..take() }.record());
        // Without a key it waits for nobody.
        records.push(Record { key: None, ..take().record() });
    }
    records
}

#[cfg(test)]
mod tests {
    use super::Stream;

    #[test]
    fn a_stream_is_the_same_for_the_same_seed_and_differs_by_prefix() {
        let some = |seed, prefix| Stream::new(seed, prefix).take(5).collect::<Vec<_>>();
        assert_eq!(some(1, "p0.1"), some(1, "p0.1"));
        let keys = |seed, prefix| some(seed, prefix).into_iter().map(|order| order.key).collect::<Vec<_>>();
        assert_ne!(keys(1, "p0.1"), keys(1, "p0.2"));
        assert_ne!(keys(1, "p0.1"), keys(2, "p0.1"));
    }
}
