//! `worker consume` on quiet topics: every order once, retried as set, given up unchanged, in the order of its key.

use std::collections::BTreeMap;

use crate::{
    broker::Broker,
    orders::{self, Fate, Made},
    pipeline::Pipeline,
    topic::{self, Record},
};

#[test]
fn a_drain_counts_every_order_once_and_commits_the_end() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "drain", 6);
    let made = orders::made("drain", 3_000);
    let (_, produced) = pipeline.producer(&made, 0).done();
    assert_eq!(produced["produced"]["acknowledged"], 3_000);

    let report = pipeline.drain(&[]);

    assert_eq!(report["consumed"]["records"], 3_000);
    assert_eq!(report["consumed"]["succeeded"], 3_000);
    assert_eq!(report["consumed"]["retries"], 0);
    assert_eq!(report["overall"], orders::overall(made.iter()));
    assert_eq!(report["products"], orders::products(made.iter()));
    assert_eq!(pipeline.committed(), pipeline.ends());
    assert!(pipeline.dead().is_empty());

    let report = pipeline.drain(&[]);
    assert_eq!(report["consumed"]["records"], 0, "what is committed is not read again");
}

#[test]
fn failing_orders_are_retried_as_set_and_given_up_unchanged() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "retries", 6);
    let made = orders::made("retries", 3_000);
    let written: Vec<Record> = made.iter().zip(0..).map(|(order, number)| dressed(order, number)).collect();
    topic::produce(pipeline.broker, &pipeline.orders, &written);

    let report = pipeline.drain(&["--failure-percent", "30", "--initial-backoff", "50ms", "--pipeline", "shop"]);

    let fates: BTreeMap<&str, Fate> = made.iter().map(|order| (order.id.as_str(), order.fate(30.0, 3))).collect();
    let given = |number: u32| fates.values().filter(|fate| fate.retries >= number).count();
    let dead = orders::ids(&made, |order| fates[order.id.as_str()].is_dead);
    assert!(dead.len() > 10, "a seed without dead orders shows nothing");
    assert_eq!(report["consumed"]["records"], 3_000);
    assert_eq!(report["consumed"]["deadLettered"], dead.len());
    assert_eq!(report["consumed"]["retriesByNumber"], serde_json::json!([given(1), given(2), given(3)]));
    assert_eq!(report["overall"], orders::overall(made.iter().filter(|order| !dead.contains(&order.id))));
    assert_eq!(pipeline.committed(), pipeline.ends());

    assert_eq!(pipeline.dead_ids(), dead);
    let letters = pipeline.dead();
    assert_eq!(letters.len(), dead.len(), "each once");
    let sources = topic::read_all(pipeline.broker, &pipeline.orders);
    for letter in &letters {
        let number: usize = letter.header("number").and_then(|text| text.parse().ok()).expect("original header");
        let source = sources.iter().find(|record| record.header("number") == letter.header("number"));
        let source = source.expect("the origin is in the source topic");
        assert_eq!((&letter.key, &letter.value, letter.timestamp), (&source.key, &source.value, source.timestamp));
        assert_eq!(letter.headers[..source.headers.len()], source.headers);
        check_added(letter, source, &pipeline, &made[number]);
    }
}

/// An order with headers, some of them odd, and a time of its own; every seventh without a key.
fn dressed(order: &Made, number: i64) -> Record {
    let mut record = order.record();
    record.key = record.key.filter(|_| number % 7 != 0);
    record.timestamp = Some(1_700_000_000_000 + number);
    record.headers = vec![
        ("number".to_owned(), Some(number.to_string().into_bytes())),
        ("binary".to_owned(), Some(vec![0, 255, 128])),
        ("number-again".to_owned(), None),
        ("binary".to_owned(), Some(Vec::new())),
    ];
    record
}

fn check_added(letter: &Record, source: &Record, pipeline: &Pipeline<'_>, order: &Made) {
    let header = |name: &str| letter.header(&format!("__dlq.errors.{name}"));
    let number = |number: i64| number.to_string();
    assert_eq!(header("topic"), Some(pipeline.orders.as_str()));
    assert_eq!(header("partition"), source.partition.map(|partition| partition.to_string()).as_deref());
    assert_eq!(header("offset"), source.offset.map(number).as_deref());
    assert_eq!(header("group"), Some(pipeline.group.as_str()));
    assert_eq!(header("pipeline"), Some("shop"));
    assert_eq!(header("delivery.count"), Some("4"));
    assert_eq!(header("message"), Some("simulated failure"));
    assert_eq!(header("class"), Some("transient"));
    assert_eq!(header("disposition"), Some("retries-exhausted"));
    assert_eq!(header("timestamp"), source.timestamp.map(number).as_deref());
    assert_eq!(header("order.id"), Some(order.id.as_str()));
    assert_eq!(header("product"), Some(order.product.as_str()));
    assert_eq!(header("order.value.minor"), Some(number(order.price * i64::from(order.quantity)).as_str()));
    assert_eq!(header("order.currency"), Some("USD"));
    let time = |name| header(name).and_then(|text| text.parse::<i64>().ok()).expect("milliseconds");
    let waited = time("last.failure.timestamp") - time("first.failure.timestamp");
    assert!(waited >= 350, "50 + 100 + 200 ms lie between the first try and the last, not {waited}");
}

/// 15 lines within a second are all shown, and one thread shows them in the order in which it handled.
#[test]
fn orders_of_a_key_keep_their_order_and_hold_up_no_other_key() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "key-order", 1);
    let mut candidates = orders::made("key-order", 1_000);
    let mut take = |key: &str, retries: u32, is_dead: bool| {
        let place = candidates.iter().position(|order| order.fate(50.0, 2) == Fate { retries, is_dead });
        Made { key: key.to_owned(), ..candidates.remove(place.expect("a thousand orders hold every fate")) }
    };
    let slow = [take("slow", 1, false), take("slow", 2, true), take("slow", 0, false), take("slow", 2, false)];
    let other = [take("other", 1, false), take("other", 0, false)];
    let fast: Vec<Made> = (0..6).map(|_| take("fast", 0, false)).collect();
    let mixed = [&slow[..1], &other[..1], &fast[..2], &slow[1..3], &other[1..], &fast[2..], &slow[3..]].concat();
    pipeline.fill(&mixed);

    let (ended, _) = pipeline
        .consumer(&[
            "--failure-percent",
            "50",
            "--max-retries",
            "2",
            "--initial-backoff",
            "400ms",
            "--until-idle",
            "300ms",
        ])
        .done();

    let place = |order: &Made| {
        let (handled, moved) = (format!("order {}  product", order.id), format!("order {} after", order.id));
        let is_its =
            |line: &str| line.starts_with(&handled) || (line.contains("moved to DLQ") && line.contains(&moved));
        ended.stdout.lines().position(is_its).unwrap_or_else(|| panic!("no line of {order:?}: {ended:?}"))
    };
    let is_sorted = |orders: &[Made]| orders.is_sorted_by_key(place);
    assert!(is_sorted(&slow) && is_sorted(&other) && is_sorted(&fast), "{ended:?}");
    assert!(place(&fast[5]) < place(&slow[0]), "the fast key waited for the slow one: {ended:?}");
    assert!(place(&other[1]) < place(&slow[1]), "the other key waited for the slow one: {ended:?}");
    assert_eq!(pipeline.dead_ids(), orders::ids(&slow[1..2], |_| true));
}
