//! Does everybody get on? Watches what the group has committed against what is in the source topic.
//!
//! Deliberately asks the broker and not the workers: what is committed is what counts after a crash.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{clock, fleet::Place, topic};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What is committed, and where a partition ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) committed: i64,
    pub(crate) end: i64,
}

/// Positions by partition.
pub(crate) type Positions = BTreeMap<i32, Position>;

/// A client that asks; it joins no group.
pub(crate) struct Watch {
    client: BaseConsumer,
    orders: String,
    partitions: i32,
}

impl Watch {
    /// Watches a group.
    pub(crate) fn new(place: &Place, partitions: i32) -> Watch {
        Watch { client: topic::reader(&place.broker, &place.group), orders: place.orders.clone(), partitions }
    }

    /// Where the group is; `None` while the broker does not tell.
    pub(crate) fn look(&self) -> Option<Positions> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&self.orders, 0, self.partitions - 1);
        let found = self.client.committed_offsets(asked, ANSWER).ok()?;
        let mut positions = Positions::new();
        for element in found.elements() {
            element.error().ok()?;
            let committed = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let (_, end) = self.client.fetch_watermarks(&self.orders, element.partition(), ANSWER).ok()?;
            positions.insert(element.partition(), Position { committed, end });
        }
        Some(positions)
    }

    /// Waits until every partition that had something to do has gone on, and new orders have come; how long that took.
    ///
    /// # Errors
    /// What stood still when `limit` was over.
    pub(crate) fn wait_for_progress(&self, since: Instant, limit: Duration) -> Result<Duration, String> {
        let mut first: Option<Positions> = None;
        loop {
            let now = self.look();
            let waited = clock::now() - since;
            if let (Some(first), Some(now)) = (&first, &now)
                && stuck(first, now).is_none()
            {
                return Ok(waited);
            }
            if waited > limit {
                let why = match (&first, &now) {
                    (Some(first), Some(now)) => stuck(first, now).unwrap_or_default(),
                    _ => "the broker does not answer".to_owned(),
                };
                return Err(why);
            }
            first = first.or(now);
            clock::pass(PAUSE);
        }
    }

    /// Waits until everything is committed.
    ///
    /// # Errors
    /// Where the group was when `limit` was over.
    pub(crate) fn wait_for_the_end(&self, limit: Duration) -> Result<Duration, String> {
        let since = clock::now();
        loop {
            let now = self.look();
            if now.as_ref().is_some_and(|now| now.values().all(|position| position.committed == position.end)) {
                return Ok(clock::now() - since);
            }
            if clock::now() - since > limit {
                return Err(format!("not everything is committed after {limit:?}: {now:?}"));
            }
            clock::pass(PAUSE);
        }
    }
}

/// What has not moved between two looks although it should have.
fn stuck(first: &Positions, now: &Positions) -> Option<String> {
    let ends = |positions: &Positions| positions.values().map(|position| position.end).sum::<i64>();
    let partition = now.iter().find(|(number, now)| {
        let first = first.get(number).copied().unwrap_or(Position { committed: 0, end: 0 });
        now.committed <= first.committed && now.committed < now.end
    });
    match partition {
        Some((number, position)) => Some(format!("partition {number} stands at {position:?}")),
        None if ends(now) <= ends(first) => Some("no new orders come".to_owned()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, Positions, stuck};

    fn positions(of: &[(i64, i64)]) -> Positions {
        (0..)
            .zip(of)
            .map(|(number, (committed, end))| (number, Position { committed: *committed, end: *end }))
            .collect()
    }

    #[test]
    fn a_partition_that_stands_still_before_its_end_is_stuck() {
        let first = positions(&[(5, 9), (7, 7)]);
        assert_eq!(stuck(&first, &positions(&[(6, 10), (7, 7)])), None);
        assert!(stuck(&first, &positions(&[(5, 10), (7, 7)])).is_some_and(|why| why.contains("partition 0")));
        assert!(stuck(&first, &positions(&[(9, 9), (7, 8)])).is_some_and(|why| why.contains("partition 1")));
        assert_eq!(stuck(&first, &positions(&[(9, 9), (8, 8), (1, 2)])), None);
        assert!(stuck(&first, &positions(&[(9, 9), (8, 8), (0, 2)])).is_some_and(|why| why.contains("partition 2")));
    }

    #[test]
    fn a_topic_that_nobody_writes_to_any_more_is_stuck() {
        let first = positions(&[(5, 9), (7, 7)]);
        assert_eq!(stuck(&first, &positions(&[(9, 9), (7, 7)])), Some("no new orders come".to_owned()));
    }
}
