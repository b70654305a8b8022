//! What the consumer thread works with besides its partitions: one place to borrow it from.
//!
//! Deliberately no behaviour of its own; `intake` and `dispatch` add what is done at it.

use engine::breaker::FloodGuard;

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
}
