//! `worker consume` that is told to stop: what can be finished is, the rest stays uncommitted for the next.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    broker::Broker,
    orders::{self, Fate, Made},
    pipeline::{Pipeline, products},
    topic,
};

/// What a stop may take: the budget for finishing, and a little for saying good-bye.
const LONGEST_STOP: Duration = Duration::from_secs(25);

/// The first retry comes while the consumer is being stopped, the second would come long after.
const RETRIES: [&str; 8] =
    ["--failure-percent", "50", "--initial-backoff", "5s", "--backoff-multiplier", "20", "--max-backoff", "100s"];

/// The lowest offset of each partition whose order is not resolved after one retry, or the end.
fn lowest_open(pipeline: &Pipeline<'_>, made: &[Made]) -> BTreeMap<i32, i64> {
    let mut lowest = pipeline.ends();
    for source in topic::read_all(pipeline.broker, &pipeline.orders) {
        let (partition, offset) = (source.partition.expect("read"), source.offset.expect("read"));
        let id = orders::id_of(&source);
        let order = made.iter().find(|order| order.id == id).expect("nobody else writes to the topic");
        let open = lowest.get_mut(&partition).expect("a partition with records");
        if needs_more_than_one_retry(order) && offset < *open {
            *open = offset;
        }
    }
    lowest
}

fn needs_more_than_one_retry(order: &Made) -> bool {
    order.fate(50.0, 1).is_dead
}

#[test]
fn a_stop_finishes_due_retries_and_leaves_the_rest_uncommitted() {
    let Some(broker) = Broker::shared() else { return };
    let pipeline = Pipeline::new(broker.address(), "stop", 3);
    let made = orders::told_apart("stop", 60);
    pipeline.fill(&made);
    let consumer = pipeline.consumer(&RETRIES);
    let failing = made.iter().filter(|order| order.fate(50.0, 3) != Fate { retries: 0, is_dead: false }).count();
    consumer.wait_for_status("all failing orders to be parked", |status| {
        (status["parked"] == failing && status["totals"]["records"] == 60 - failing).then_some(())
    });
    consumer.process.terminate();
    consumer.process.wait_for_line("finishing");
    let (ended, first) = consumer.done_within(LONGEST_STOP);

    assert_eq!(ended.code, Some(0));
    assert_eq!(products(&first), orders::ids(&made, |order| !needs_more_than_one_retry(order)));
    assert_eq!(pipeline.committed(), {
        let mut open = lowest_open(&pipeline, &made);
        open.retain(|_, offset| *offset > 0);
        open
    });
    assert!(pipeline.dead().is_empty());

    let second = pipeline.drain(&[]);
    let handled = &products(&first) | &products(&second);
    assert_eq!(handled, orders::ids(&made, |_| true));
    assert_eq!(pipeline.committed(), pipeline.ends());
}
