//! A consumer whose secrets or rights change: a new client for a new certificate, and what a missing right does.
//!
//! The old client goes as at a revocation: what is resolved is committed, what is not is the next owner's, which is this
//! thread again. Totals of the process go on. Deliberately nothing about passwords: the clients take those up themselves.

use snafu::{ResultExt, ensure};

use super::consumer_loop::ConsumerLoop;
use super::{Error, ForbiddenSnafu, ReadSnafu};
use crate::kafka::source::Source;
use crate::roles::chain;

impl ConsumerLoop<'_> {
    /// Goes on with new clients when certificates have changed and the brokers let a new client in.
    pub(super) fn renew(&mut self) -> Result<(), Error> {
        let topic = self.topic();
        if !self.renewal.is_due(topic, &self.desk.clock, &self.shutdown) {
            return Ok(());
        }
        let kafka = &self.desk.config.common.kafka;
        let fresh = match Source::new(kafka, self.group(), topic, std::thread::current()) {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::warn!(target: "kafka", "{}; going on with the connection as it is", chain(&error));
                return Ok(());
            }
        };
        self.part_with(&self.numbers(), false);
        self.checkpoints.forget_sent();
        // The group learns that the old member is gone before the new one comes.
        drop(std::mem::replace(&mut self.source, fresh));
        self.desk.graveyard.renew_sink();
        if let Some(durable) = &mut self.durable {
            durable.renew_sink();
        }
        self.source.join().context(ReadSnafu { topic })
    }

    /// A right is missing: a run that is to end by itself ends now, a service waits until it is given.
    pub(super) fn note_forbidden(&mut self, words: String) -> Result<(), Error> {
        ensure!(self.desk.config.until_idle.is_none(), ForbiddenSnafu { words });
        self.note_trouble(words);
        Ok(())
    }
}
