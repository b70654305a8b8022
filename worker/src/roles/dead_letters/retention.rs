//! How long the dead-letter topic keeps its letters, looked up now and then beside the reading.
//!
//! On a thread of its own, because an admin question may take half a minute. Deliberately no more than a figure: a user
//! who may not read the topic's settings goes without it, and is told so once.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::Shutdown;

use super::board::Board;
use crate::clock::Clock;
use crate::config::{BrokerKind, Common};
use crate::kafka::admin::{self, Admin};
use crate::roles::chain;

/// Settings change seldom.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// After a look that brought nothing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// What a topic's settings say of how long its records stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    /// Older ones are deleted; `None` = for ever.
    retention: Option<Duration>,
    /// Of records with one key only the last stays.
    is_compacted: bool,
}

/// Looks until `stop`. Nothing happens on the embedded broker, which has no settings.
pub(super) fn watch(common: &Common, board: Board, clock: Clock, stop: Shutdown) {
    if common.kafka.broker_kind == BrokerKind::Embedded {
        return;
    }
    let (kafka, topic) = (common.kafka.clone(), common.topics.dead_letter.clone());
    let body = move || {
        let mut said = String::new();
        while !stop.is_draining() {
            let found = Admin::connect(&kafka, &topic, clock).and_then(|admin| look(&admin, &topic));
            let (words, rest) = match found {
                Ok(Kept { retention, is_compacted }) => {
                    board.set_retention(retention);
                    (if is_compacted { compacted(&topic) } else { String::new() }, LOOK_EVERY)
                }
                Err(error) => (unknown(&topic, &error), LOOK_AGAIN_AFTER),
            };
            if words != said && !words.is_empty() && !stop.is_draining() {
                tracing::warn!("{words}");
            }
            said = words;
            stop.wait_timeout(rest);
        }
    };
    // Nobody waits for it: at the end of the process it is cut short wherever it is.
    if let Err(error) = std::thread::Builder::new().name("retention".to_owned()).spawn(body) {
        tracing::info!("no figure for the retention of the dead letters: {error}");
    }
}

fn look(admin: &Admin, topic: &str) -> Result<Kept, admin::Error> {
    Ok(kept(&admin.settings(topic)?))
}

fn kept(settings: &BTreeMap<String, String>) -> Kept {
    let policy = |name: &str| {
        settings.get("cleanup.policy").is_some_and(|policies| policies.split(',').any(|policy| policy.trim() == name))
    };
    // -1 is for ever, and is no unsigned number.
    let milliseconds = settings.get("retention.ms").and_then(|milliseconds| milliseconds.parse().ok());
    Kept {
        retention: milliseconds.filter(|_| policy("delete")).map(Duration::from_millis),
        is_compacted: policy("compact"),
    }
}

fn compacted(topic: &str) -> String {
    format!(
        "topic {topic} is compacted: of dead letters with one key Kafka keeps only the last; set its cleanup.policy to \
         delete"
    )
}

fn unknown(topic: &str, error: &admin::Error) -> String {
    format!("cannot tell when Kafka deletes dead letters of topic {topic}: {}", chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &str, milliseconds: &str) -> Kept {
        let settings = [("cleanup.policy", policy), ("retention.ms", milliseconds)];
        kept(&settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn time_counts_where_old_records_are_deleted() {
        let minute = Some(Duration::from_mins(1));
        assert_eq!(of("delete", "60000"), Kept { retention: minute, is_compacted: false });
        assert_eq!(of("compact,delete", "60000"), Kept { retention: minute, is_compacted: true });
        assert_eq!(of("compact", "60000"), Kept { retention: None, is_compacted: true });
        assert_eq!(of("delete", "-1"), Kept { retention: None, is_compacted: false });
    }
}
