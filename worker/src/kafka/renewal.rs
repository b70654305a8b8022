//! When a client has to be made anew because the files of its TLS connection changed, and whether a new one would work.
//!
//! librdkafka reads certificates when a client is made, and never again. A new client is tried out first: until the
//! brokers let one in, the old one goes on, and the files are tried again. Deliberately swaps nothing itself: what has to
//! be finished before is each role's business.

use std::time::Duration;

use engine::time::Time;
use runtime::Shutdown;

use super::tls_files::TlsFiles;
use super::topic;
use crate::clock::Clock;
use crate::config::Kafka;
use crate::roles::chain;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after files that do not work they are tried again: certificate and key may come one after the other.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long the brokers may take to let a new client in. Whoever tries does nothing else meanwhile.
const LET_IN_WITHIN: Duration = Duration::from_secs(5);

/// Watches over the files of one client.
#[derive(Debug)]
pub(crate) struct Renewal {
    kafka: Kafka,
    files: TlsFiles,
    look_at: Time,
    /// They changed, and no client was made of them yet.
    is_due: bool,
}

impl Renewal {
    /// For a client that is made after this.
    pub(crate) fn of(kafka: &Kafka, now: Time) -> Self {
        Self { kafka: kafka.clone(), files: TlsFiles::of(&kafka.security), look_at: now + LOOK_EVERY, is_due: false }
    }

    /// Whether a new client has to be made now, and brokers let one in to look at `topic`. Says so, or why not. Where
    /// nothing changed this costs a comparison, and a look at the files each second.
    pub(crate) fn is_due(&mut self, topic: &str, clock: &Clock, shutdown: &Shutdown) -> bool {
        let now = clock.now();
        if now < self.look_at {
            return false;
        }
        self.look_at = now + LOOK_EVERY;
        self.is_due |= self.files.have_changed();
        if !self.is_due {
            return false;
        }
        match topic::partitions(&self.kafka, topic, Some(LET_IN_WITHIN), clock, shutdown) {
            Ok(Some(_)) => {
                tracing::info!(target: "kafka", "certificate files have changed: connecting anew");
                self.is_due = false;
                true
            }
            Ok(None) => false,
            Err(error) => {
                let files = "certificate files have changed, and do not work";
                tracing::warn!(target: "kafka", "{files}: {}; going on with the connection as it is", chain(&error));
                self.look_at = clock.now() + TRY_AGAIN_AFTER;
                false
            }
        }
    }
}
