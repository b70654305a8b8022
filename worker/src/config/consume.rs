//! What the consumer needs to know.
//!
//! Deliberately plain numbers for the retry policy: the engine makes its own checked policy of them.
use std::time::Duration;

use super::{Common, DecimalPrice, Http};

/// `worker consume`.
#[derive(Debug, Clone, PartialEq)]
pub struct Consume {
    /// What all roles share.
    pub common: Common,
    /// What is done with each order.
    pub handler: Handler,
    /// An order above this is `invalid`, in its own currency.
    pub max_price: Option<DecimalPrice>,
    /// When to try again.
    pub retry: Retry,
    /// After this a running handler is cancelled; class `transient`.
    pub handler_timeout: Duration,
    /// Past this share of dead letters (1..=100, at least 1,000 records in 60 s) intake stops; 100 never does.
    pub max_dead_letter_ratio_percent: u8,
    /// Which orders wait for which.
    pub ordering: Ordering,
    /// Where a group without a commit starts.
    pub start_from: StartFrom,
    /// What to do with stored state, once for each id; absent = go on with it.
    pub reset_state: Option<ResetState>,
    /// Most handlers that wait at a time; at least 1.
    pub max_in_flight: u32,
    /// Most bytes of parked and lane-waiting records in the process.
    pub max_parked_bytes: u64,
    /// Consumer threads in this process; at least 1.
    pub consumers: u16,
    /// Time between two checkpoints.
    pub checkpoint_interval: Duration,
    /// End when everything is read and resolved, for this long.
    pub until_idle: Option<Duration>,
}

/// What is done with an order.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Handler {
    /// Nothing: every valid order succeeds.
    #[default]
    None,
    /// Nothing, with failures for trying things out.
    Simulate(Simulate),
    /// A service is called.
    Http(Http),
}

/// Simulated failures: pure functions of seed, order id and try, so that a replay fails alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulate {
    /// Chance that one try fails, 0..=100.
    pub failure_percent: f64,
    /// Share of orders that fail for good, 0..=100.
    pub permanent_percent: f64,
    /// Every try of an order above this fails, in its own currency.
    pub fail_above_price: Option<DecimalPrice>,
    /// Which orders and tries fail.
    pub seed: u64,
}

/// When to try again after a transient failure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Retries after the first try, 0..=20.
    pub max_retries: u32,
    /// Wait before the first retry; at most `max_backoff`.
    pub initial_backoff: Duration,
    /// Each wait is this many times the one before; at least 1.
    pub backoff_multiplier: f64,
    /// No wait is longer.
    pub max_backoff: Duration,
    /// Each wait is made longer by up to this share of it, 0..=100.
    pub jitter_percent: u32,
}

/// A person's decision about stored state, obeyed by every partition once for each id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetState {
    /// Where to go on.
    pub mode: ResetMode,
    /// Tells this decision from earlier ones; not empty.
    pub id: String,
}

/// Where a reset goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetMode {
    /// With the newest complete snapshot, its place and its totals.
    Snapshot,
    /// At the committed offset, with empty totals.
    Committed,
    /// Where `start_from` says, with empty totals.
    Empty,
}

/// Which orders wait for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// Orders of one key, one after the other.
    #[default]
    Key,
    /// Orders of one partition, one after the other.
    Partition,
    /// None.
    Unordered,
}

/// Where a group without a commit starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartFrom {
    /// With the oldest record there is.
    #[default]
    Earliest,
    /// With the next record to come.
    Latest,
}
