//! What the consumer thread works with besides its partitions: one place to borrow it from.
//!
//! Deliberately no behaviour of its own; `intake` and `dispatch` add what is done at it.

use engine::breaker::FloodGuard;

use super::calls::Calls;
use super::graveyard::Graveyard;
use super::judge::Judge;
use super::moment::Moment;
use super::watch::Watch;
use crate::clock::Clock;
use crate::config::Consume;

/// The tools of one consumer thread.
pub(crate) struct Desk<'c> {
    /// What was asked for.
    pub(crate) config: &'c Consume,
    /// Decodes, checks, handles.
    pub(crate) judge: Judge,
    /// Writes dead letters.
    pub(crate) graveyard: Graveyard,
    /// Counts and shows.
    pub(crate) watch: Watch,
    /// Stops intake when too much is dead-lettered.
    pub(crate) flood: FloodGuard,
    /// Calls of a handler that takes time; `None` for one that answers at once.
    pub(crate) calls: Option<Calls>,
    /// How many of them may begin in this step of the loop.
    pub(crate) allowance: usize,
    /// How many answers of the registry were acted upon.
    pub(crate) heard_answers: u64,
    /// Reads the time.
    pub(crate) clock: Clock,
    /// Room for a product's name while its record is given up.
    pub(crate) product: Vec<u8>,
}

impl Desk<'_> {
    /// Now.
    pub(crate) fn moment(&self) -> Moment {
        Moment::read(&self.clock)
    }

    /// Sends off the calls that were begun.
    pub(crate) fn flush_calls(&mut self) {
        if let Some(calls) = &mut self.calls {
            calls.flush();
        }
    }
}
