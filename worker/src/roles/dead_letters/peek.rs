//! `--peek`: reads what is in the topic now, once, and ends.
//!
//! Deliberately joins no group and commits nothing: whoever reads the topic for a living does not notice.

use std::time::Duration;

use snafu::{ResultExt, ensure};

use super::desk::{Assigned, Desk};
use super::{Error, ReadSnafu, SilenceSnafu};
use crate::config::Kafka;
use crate::kafka::source::Source;
use crate::roles::RoleContext;

/// The longest rest between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Reads `partitions` partitions to the ends that they have now. When nothing more comes before that for as long as
/// `--connect-timeout` says, the broker is gone.
pub(super) fn peek(
    source: &Source,
    partitions: i32,
    desk: &mut Desk,
    kafka: &Kafka,
    context: &RoleContext,
) -> Result<(), Error> {
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
    let mut heard_at = context.clock.now();
    loop {
        let now = context.clock.now();
        let mut taken = 0;
        for partition in &mut assigned {
            taken += desk.take_batch(partition, now)?;
        }
        let is_read = |(partition, end): (&Assigned, &i64)| {
            partition.position >= *end || source.reached_end(&partition.reader, partition.position).is_some()
        };
        if context.shutdown.is_draining() || assigned.iter().zip(&ends).all(is_read) {
            return Ok(());
        }
        // Nothing arrives in the main queue but trouble, which the client logs.
        source.serve().context(ReadSnafu { topic: &topic })?;
        desk.teller.progress(&desk.ledger.sums(), None, now);
        if taken > 0 {
            heard_at = now;
            continue;
        }
        let (addresses, limit) = (&kafka.bootstrap_servers, kafka.connect_timeout);
        ensure!(now.since(heard_at) < limit, SilenceSnafu { addresses, limit, trouble: source.trouble() });
        std::thread::park_timeout(LOOK_EVERY);
    }
}
