//! How long the dead-letter topic keeps its letters, looked up now and then beside the reading.
//!
//! On a thread of its own, because an admin question may take half a minute. Deliberately no more than a figure: a user
//! who may not read the topic's settings goes without it.

use std::time::Duration;

use runtime::Shutdown;

use super::board::Board;
use crate::clock::Clock;
use crate::config::{BrokerKind, Common};
use crate::kafka::admin::{self, Admin};
use crate::roles::chain;

/// Settings change seldom.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Looks until `stop`. Nothing happens on the embedded broker, which has no settings.
pub(super) fn watch(common: &Common, board: Board, clock: Clock, stop: Shutdown) {
    if common.kafka.broker_kind == BrokerKind::Embedded {
        return;
    }
    let (kafka, topic) = (common.kafka.clone(), common.topics.dead_letter.clone());
    let body = move || {
        while !stop.is_draining() {
            let found = Admin::connect(&kafka, &topic, clock).and_then(|admin| retention(&admin, &topic));
            match found {
                Ok(retention) => board.set_retention(retention),
                Err(error) => tracing::info!("no figure for the retention of {topic}: {}", chain(&error)),
            }
            stop.wait_timeout(LOOK_EVERY);
        }
    };
    // Nobody waits for it: at the end of the process it is cut short wherever it is.
    if let Err(error) = std::thread::Builder::new().name("retention".to_owned()).spawn(body) {
        tracing::info!("no figure for the retention of the dead letters: {error}");
    }
}

fn retention(admin: &Admin, topic: &str) -> Result<Option<Duration>, admin::Error> {
    let settings = admin.settings(topic)?;
    // -1 is for ever, and is no unsigned number.
    Ok(settings.get("retention.ms").and_then(|milliseconds| milliseconds.parse().ok()).map(Duration::from_millis))
}
