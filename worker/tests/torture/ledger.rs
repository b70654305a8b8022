//! The oracle: what must have become of every record of the source topic, computed from its records alone.
//!
//! Deliberately knows nothing of faults: whatever happened, this must come out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde_json::Value;

use crate::{
    bare,
    orders::{Made, Tally},
    topic::Record,
};

/// Where a record stands in the source topic.
pub(crate) type Place = (i32, i64);

/// What a handler does with orders, as a pure function: whether an order ends as a dead letter, and as which class.
pub(crate) type Fate = fn(&Made) -> Option<&'static str>;

/// What must have come of a source topic.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// All records.
    pub(crate) records: u64,
    /// Those whose value is null.
    pub(crate) skipped: u64,
    /// Those that succeed.
    pub(crate) succeeded: u64,
    /// What the orders that succeed add up to, by product.
    pub(crate) products: BTreeMap<String, Tally>,
    /// Those that must be in the dead-letter topic.
    pub(crate) dead: HashMap<Place, Letter>,
    /// Which orders of each stream are there.
    pub(crate) streams: BTreeMap<String, Numbers>,
    /// The handled orders of each (partition, key), in their order.
    pub(crate) keys: HashMap<(i32, Vec<u8>), Vec<i64>>,
}

/// What a dead letter must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) class: Cow<'static, str>,
}

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    bits: Vec<u64>,
    /// How many different ones.
    pub(crate) count: u64,
    /// How often one came again.
    pub(crate) copies: u64,
}

impl Numbers {
    fn add(&mut self, number: usize) {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit == 0 {
            self.bits[word] |= bit;
            self.count += 1;
        } else {
            self.copies += 1;
        }
    }
}

impl Ledger {
    /// Takes in a record of the source topic; those of a partition come in their order.
    pub(crate) fn add(&mut self, record: Record, fate: Fate) {
        self.records += 1;
        let place = (record.partition.expect("it was read"), record.offset.expect("it was read"));
        let Some(value) = record.value.as_deref() else {
            self.skipped += 1;
            return;
        };
        let Some(order) = bare::order(record.key.as_deref().unwrap_or_default(), value) else {
            return self.bury(place, record, "undecodable");
        };
        self.note(&order.id);
        if order.price < 0 {
            return self.bury(place, record, "invalid");
        }
        if let Some(key) = &record.key {
            self.keys.entry((place.0, key.clone())).or_default().push(place.1);
        }
        match fate(&order) {
            Some(class) => self.bury(place, record, class),
            None => {
                self.succeeded += 1;
                self.products.entry(order.product.clone()).or_default().add(&order);
            }
        }
    }

    fn bury(&mut self, place: Place, record: Record, class: &'static str) {
        self.dead.insert(place, Letter { key: record.key, value: record.value, class: class.into() });
    }

    fn note(&mut self, id: &str) {
        let (stream, number) = id.rsplit_once('-').expect("ids of a stream have a number");
        let number = number.parse().expect("ids of a stream have a number");
        if let Some(numbers) = self.streams.get_mut(stream) {
            return numbers.add(number);
        }
        self.streams.entry(stream.to_owned()).or_default().add(number);
    }

    /// What is wrong with a report of the totals; empty when it is exact.
    pub(crate) fn check_totals(&self, report: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        let dead = self.dead.len() as u64;
        let counts = [
            ("records", self.records),
            ("succeeded", self.succeeded),
            ("deadLettered", dead),
            ("skipped", self.skipped),
        ];
        for (name, expected) in counts {
            let reported = &report["consumed"][name];
            if *reported != expected {
                problems.push(format!("consumed.{name} is {reported} instead of {expected}"));
            }
        }
        let reported = report["products"].as_array().map_or(&[][..], Vec::as_slice);
        let mut reported: BTreeMap<&str, &Value> =
            reported.iter().filter_map(|entry| Some((entry["product"].as_str()?, entry))).collect();
        for (product, tally) in &self.products {
            let expected = tally.of_product(product);
            match reported.remove(product.as_str()) {
                Some(entry) if *entry == expected => {}
                Some(entry) => problems.push(format!("product {product} is {entry} instead of {expected}")),
                None => problems.push(format!("product {product} is missing instead of {expected}")),
            }
        }
        problems.extend(reported.into_keys().map(|product| format!("product {product} was never ordered")));
        problems
    }

    /// What is wrong with the dead letters of a group; copies are dropped by identity and counted.
    pub(crate) fn check_dead(&self, group: &str, letters: &[Record]) -> (Vec<String>, u64) {
        let mut problems = Vec::new();
        let mut copies = 0;
        // By first copy, in the order of the dead-letter topic, where all of a key are in one partition.
        let mut seen: HashMap<Place, ()> = HashMap::new();
        let mut last: HashMap<(i32, &[u8]), i64> = HashMap::new();
        for letter in letters {
            let place = match origin(group, letter) {
                Ok(place) => place,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if seen.insert(place, ()).is_some() {
                copies += 1;
                continue;
            }
            match self.dead.get(&place) {
                None => problems.push(format!("{place:?} is a dead letter and should not be")),
                Some(expected) if !expected.is(letter) => {
                    problems
                        .push(format!("the dead letter of {place:?} is {} instead of {expected}", Letter::of(letter)));
                }
                Some(_) => {}
            }
            if let Some(key) = letter.key.as_deref() {
                let before = last.entry((place.0, key)).or_insert(-1);
                if *before > place.1 {
                    problems
                        .push(format!("the dead letter of {place:?} came after that of offset {before} of its key"));
                }
                *before = place.1.max(*before);
            }
        }
        let missing = self.dead.iter().filter(|(place, _)| !seen.contains_key(*place));
        problems.extend(missing.map(|(place, letter)| format!("the dead letter of {place:?} is missing: {letter}")));
        (problems, copies)
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| bytes.escape_ascii().to_string());
        write!(formatter, "{} (key {:?}, value {:?})", self.class, text(&self.key), text(&self.value))
    }
}

impl Letter {
    /// What a record of the dead-letter topic says.
    fn of(letter: &Record) -> Letter {
        let class = letter.header("__dlq.errors.class").unwrap_or_default().to_owned();
        Letter { key: letter.key.clone(), value: letter.value.clone(), class: class.into() }
    }

    fn is(&self, letter: &Record) -> bool {
        *self == Letter::of(letter)
    }
}

fn origin(group: &str, letter: &Record) -> Result<Place, String> {
    let number = |name: &str| letter.header(name).and_then(|text| text.parse::<i64>().ok());
    let whose = letter.header("__dlq.errors.group");
    let place = number("__dlq.errors.partition").zip(number("__dlq.errors.offset"));
    match (whose, place) {
        (Some(whose), Some((partition, offset))) if whose == group => {
            Ok((i32::try_from(partition).map_err(|_| format!("a strange dead letter: {letter:?}"))?, offset))
        }
        _ => Err(format!("a strange dead letter: {letter:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{Ledger, Made, Record};
    use crate::material::{self, Stream};

    const GROUP: &str = "g";

    /// One in ten dies.
    fn fate(order: &Made) -> Option<&'static str> {
        order.id.ends_with('7').then_some("transient")
    }

    /// The source topic of the tests: 200 orders, some foreign records.
    fn source() -> Vec<Record> {
        let orders = Stream::new(1, "p0.1").take(200).map(|order| order.record());
        let placed = orders.chain(material::foreign(1, 0)).zip(0..);
        placed.map(|(record, offset)| Record { partition: Some(0), offset: Some(offset), ..record }).collect()
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        source().into_iter().for_each(|record| ledger.add(record, fate));
        ledger
    }

    /// The report of a worker that did it right.
    fn report(ledger: &Ledger) -> Value {
        let products: Value = ledger.products.iter().map(|(product, tally)| tally.of_product(product)).collect();
        let consumed = json!({
            "records": ledger.records, "succeeded": ledger.succeeded, "deadLettered": ledger.dead.len(),
            "skipped": ledger.skipped,
        });
        json!({ "consumed": consumed, "products": products })
    }

    /// The dead letters of a worker that did it right.
    fn letters(ledger: &Ledger) -> Vec<Record> {
        let sorted: BTreeMap<_, _> = ledger.dead.iter().collect();
        let headers = |(partition, offset): (i32, i64), class: &str| {
            let pairs = [
                ("group", GROUP.to_owned()),
                ("partition", partition.to_string()),
                ("offset", offset.to_string()),
                ("class", class.to_owned()),
            ];
            pairs.map(|(name, text)| (format!("__dlq.errors.{name}"), Some(text.into_bytes()))).to_vec()
        };
        let record = |(place, letter): (&(i32, i64), &super::Letter)| Record {
            key: letter.key.clone(),
            value: letter.value.clone(),
            headers: headers(*place, &letter.class),
            ..Record::default()
        };
        sorted.into_iter().map(record).collect()
    }

    #[test]
    fn a_right_result_is_found_right() {
        let ledger = ledger();
        assert_eq!((ledger.records, ledger.skipped, ledger.dead.len()), (240, 10, 20 + 20 + 2));
        assert_eq!(ledger.check_totals(&report(&ledger)), [""; 0]);
        let letters = letters(&ledger);
        assert_eq!(ledger.check_dead(GROUP, &letters), (Vec::new(), 0));
        let copies = [&letters[..], &letters[..3]].concat();
        assert_eq!(ledger.check_dead(GROUP, &copies), (Vec::new(), 3));
    }

    #[test]
    fn an_order_that_is_lost_or_counted_twice_is_found() {
        let ledger = ledger();
        for (name, by) in [("records", -1), ("succeeded", 1), ("deadLettered", 1), ("skipped", -1)] {
            let mut wrong = report(&ledger);
            wrong["consumed"][name] = json!(wrong["consumed"][name].as_i64().expect("a number") + by);
            assert_eq!(ledger.check_totals(&wrong).len(), 1, "{name}");
        }
        for name in ["count", "sum", "min", "max", "revenue"] {
            let mut wrong = report(&ledger);
            wrong["products"][3][name] = json!("0.01");
            assert_eq!(ledger.check_totals(&wrong).len(), 1, "{name}");
        }
        let mut wrong = report(&ledger);
        wrong["products"][0]["product"] = json!("P999");
        assert_eq!(ledger.check_totals(&wrong).len(), 2);
    }

    #[test]
    fn dead_letters_that_are_missing_wrong_or_too_many_are_found() {
        let ledger = ledger();
        let right = letters(&ledger);
        let problems = |letters: &[Record]| ledger.check_dead(GROUP, letters).0.len();
        assert_eq!(problems(&right[1..]), 1);
        assert_eq!(ledger.check_dead("another", &right).0.len(), 2 * right.len());
        let mut wrong = right.clone();
        wrong[5].value = Some(vec![1]);
        assert_eq!(problems(&wrong), 1);
        let mut wrong = right.clone();
        wrong[5].headers[2].1 = Some(b"0".to_vec());
        assert_eq!(problems(&wrong), 2);
    }

    #[test]
    fn dead_letters_of_a_key_in_the_wrong_order_are_found() {
        let mut ledger = Ledger::default();
        for record in source() {
            ledger.add(Record { key: Some(b"the same".to_vec()), ..record }, fate);
        }
        let mut letters = letters(&ledger);
        assert_eq!(ledger.check_dead(GROUP, &letters), (Vec::new(), 0));
        letters.swap(3, 4);
        assert_eq!(ledger.check_dead(GROUP, &letters).0.len(), 1);
    }

    #[test]
    fn an_order_that_was_written_twice_is_counted() {
        let mut ledger = ledger();
        let Some(first) = source().into_iter().next() else { return };
        ledger.add(Record { offset: Some(999), ..first }, fate);
        assert_eq!((ledger.streams["p0.1"].count, ledger.streams["p0.1"].copies), (200, 1));
    }
}
