//! `--peek`: reads what is in the topic now, once, and ends.
//!
//! Deliberately joins no group and commits nothing: whoever reads the topic for a living does not notice.

use snafu::ResultExt;
use std::time::Duration;

use super::desk::{Assigned, Desk};
use super::{Error, ReadSnafu};
use crate::kafka::source::Source;
use crate::roles::RoleContext;

/// The longest rest between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Reads `partitions` partitions to the ends that they have now.
pub(super) fn peek(source: &Source, partitions: i32, desk: &mut Desk, context: &RoleContext) -> Result<(), Error> {
    let topic = desk.topic.clone();
    let mut starts = Vec::new();
    let mut ends = Vec::new();
    for number in 0..partitions {
        let bounds = source.bounds(number).context(ReadSnafu { topic: &topic })?;
        desk.ledger.open(number);
        starts.push((number, bounds.low));
        ends.push(bounds.high);
    }
    let readers = source.start(&starts).context(ReadSnafu { topic: &topic })?;
    let with_start = readers.into_iter().zip(&starts);
    let mut assigned: Vec<Assigned> = with_start.map(|(reader, (_, low))| Assigned::new(reader, *low, 0)).collect();
    loop {
        let now = context.clock.now();
        let mut taken = 0;
        for partition in &mut assigned {
            taken += desk.take_batch(partition, now)?;
        }
        let is_read = |(partition, end): (&Assigned, &i64)| partition.position >= *end || partition.is_at_end;
        if context.shutdown.is_draining() || assigned.iter().zip(&ends).all(is_read) {
            return Ok(());
        }
        // Nothing arrives in the main queue but trouble, which the client logs.
        source.serve().context(ReadSnafu { topic: &topic })?;
        desk.teller.progress(&desk.ledger.sums(), None, now);
        if taken == 0 {
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}
