//! Where a partition that was assigned goes on, with what state, and under which epoch: the protocol of durable totals,
//! as decisions. Reading, writing, clocks and names are the caller's.
//!
//! One assignment of one source partition, in this order:
//! 1. Read the group's commit ([`Commit`]), then of the state topic what [`Reading::of`] asks for, and only then the
//!    bounds of the source log and of the dead-letter partitions. Of the state topic every record of this group, topic
//!    and partition counts: those that make a snapshot become a [`Found`] each, the highest epoch in any key goes
//!    into `highest_epoch` (also of tombstones, chunks and what cannot be read).
//! 2. [`decide`] answers with a [`Decision`], or with a [`Refusal`]: then nothing is started or written.
//! 3. `Partition::restore(decision.snapshot, …)`, then `partition.note_end(decision.start)`.
//! 4. Read `decision.scan`, and for each dead letter of this group, topic and partition at a place that the scan
//!    `covers` call `partition.found_dead_lettered`. One reading serves all partitions assigned together: see
//!    [`Scan::union`].
//! 5. Claim: make [`Turns`] of `decision.epoch` and [`Marks`] of `decision.scan`, cut the partition, fill in
//!    `scan_marks` and `last_reset`, write it, and commit it. No record is admitted before [`Turns::is_claimed`].
//! 6. Every checkpoint is a turn of `Turns`. The keys that are of no use any more are in [`Litter`].
//!
//! Why that is exact: a snapshot is consistent in itself, whoever wrote it, and what was dead-lettered after it was
//! cut is at or above its marks. The commit decides between snapshots. Only members of the group can commit; so a
//! commit may be late, but not a stranger's, and a claim is found by reading on.
//! `engine/tests/protocol.rs` searches for a history in which it is not exact.
//!
//! A group that starts with the newest records ([`StartFrom::Latest`]), has no commit for any partition of the topic and
//! nothing in the state topic, first commits [`CommitPointer::Start`] at the end of *every* partition, then reads
//! anew: so a partition that another member is slow to start loses nothing, and one that is added later starts at its
//! beginning.
//!
//! [`CommitPointer::Start`]: crate::commit_pointer::CommitPointer::Start

mod choice;
mod found;
mod litter;
mod refusal;
mod scan;
mod turns;

#[cfg(test)]
mod tests;

pub use found::{Found, Place, Reading, Unusable};
pub use litter::Litter;
pub use refusal::Refusal;
pub use scan::{DeadLetterLog, Marks, Scan, ScanRange};
pub use turns::{NamedCommit, Slot, Turn, Turns};

use choice::{Choice, choose, newest, refuse_newer, start_of_log};
use snafu::{OptionExt, ensure};

use crate::snapshot::Snapshot;
use refusal::{AfterEndSnafu, BeforeStartSnafu, CommitOutsideLogSnafu, NoSnapshotSnafu};

/// What the group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    /// The offset to go on from.
    pub offset: i64,
    /// The text beside it.
    pub metadata: String,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset there is.
    pub low: i64,
    /// The offset after the last record.
    pub high: i64,
}

/// Where a partition starts that has no past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFrom {
    /// With the first record there is.
    Earliest,
    /// With the next record to come.
    Latest,
}

/// A person's decision about stored state, obeyed by every partition once for each id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Where to go on.
    pub to: ResetTo,
    /// Tells this decision from earlier ones; not empty.
    pub id: String,
}

/// Where a reset goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// With the newest complete snapshot: its watermark (or the log's start, where that is later), its totals, and a
    /// scan for dead letters as usual.
    Snapshot,
    /// At the committed offset with empty totals, dead letters from now on. So an existing group is adopted.
    Committed,
    /// Where [`StartFrom`] says, with empty totals, dead letters from now on.
    Empty,
}

/// Everything a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The group's commit for this partition.
    pub commit: Option<&'a Commit>,
    /// Whether the group has a commit for any partition of the topic.
    pub group_has_commits: bool,
    /// The snapshots that were read, in any order.
    pub found: &'a [Found],
    /// The highest epoch in any key that was read, of whatever can be read or not.
    pub highest_epoch: Option<u64>,
    /// The source partition's log, read after the commit.
    pub log: Bounds,
    /// Every dead-letter partition, read after the state topic.
    pub dead_letters: &'a [DeadLetterLog],
    /// Where a partition without a past starts.
    pub start_from: StartFrom,
    /// What a person decided.
    pub reset: Option<&'a Reset>,
}

/// How a partition goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why so.
    pub origin: Origin,
    /// What to restore. `last_reset` is right for the claim and all that follows; `scan_marks` are what it was
    /// written with, see [`Marks`].
    pub snapshot: Snapshot,
    /// The first offset to read. Above `snapshot.watermark` only when a reset goes on although records in between are
    /// gone; else equal to it.
    pub start: i64,
    /// The epoch to claim: above every one that was seen.
    pub epoch: u64,
    /// Which dead letters have to be looked at before the claim.
    pub scan: Scan,
}

/// Where a decision's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There is neither a commit nor a snapshot: totals are empty.
    Fresh,
    /// The group said where it starts and nothing was done since: totals are empty.
    Pinned,
    /// The snapshot that the commit names.
    Named,
    /// A later owner's snapshot; the commit is a late one of an owner before.
    Superseded {
        /// The epoch that the commit names.
        committed_epoch: u64,
        /// The epoch of the snapshot that counts.
        epoch: u64,
    },
    /// A later snapshot of the epoch that the commit names, which compaction put in the place of the named one.
    FellBack {
        /// Where the named one was.
        named: Place,
        /// Where the one that counts is.
        used: Place,
    },
    /// There is no commit any more (they expire): the newest complete snapshot.
    Newest,
    /// The group's last run kept its totals in memory: the offset goes on, totals are empty. Warn.
    WithoutTotals,
    /// A reset was obeyed.
    Reset(ResetTo),
}

/// Where and with what a partition goes on.
///
/// # Errors
/// A [`Refusal`] when the state is not what this program left behind, or cannot be continued without a loss: a person
/// has to decide with a [`Reset`] whose id was not used before.
pub fn decide(question: &Question<'_>) -> Result<Decision, Refusal> {
    let usual = choose(question);
    let choice = match question.reset {
        Some(reset) if !was_obeyed(question.found, usual.as_ref().ok(), &reset.id) => obey(question, reset.to, usual)?,
        Some(_) | None => in_log(question.log, usual?)?,
    };
    let Choice { origin, mut snapshot, has_past } = choice;
    if let Some(reset) = question.reset {
        reset.id.clone_into(&mut snapshot.last_reset);
    }
    let scan = if has_past {
        Scan::after(&snapshot.scan_marks, question.dead_letters)
    } else {
        Scan::from_now_on(question.dead_letters)
    };
    let start = snapshot.watermark.max(question.log.low);
    Ok(Decision { origin, snapshot, start, epoch: next_epoch(question), scan })
}

/// Above every epoch that was seen.
fn next_epoch(question: &Question<'_>) -> u64 {
    let named = question.commit.and_then(choice::named_epoch);
    let found = question.found.iter().map(|found| found.epoch).max();
    question.highest_epoch.max(named).max(found).map_or(1, |highest| highest.saturating_add(1))
}

/// The state that is to be continued knows. Where there is none, any snapshot of an owner whose claim was committed
/// does; a claim may have been written for this very reset by one that did not live to commit it.
fn was_obeyed(found: &[Found], usual: Option<&Choice>, id: &str) -> bool {
    match usual.filter(|choice| choice.has_past) {
        Some(choice) => choice.snapshot.last_reset == id,
        None => found
            .iter()
            .filter(|found| found.sequence > 0)
            .any(|found| found.snapshot().is_some_and(|snapshot| snapshot.last_reset == id)),
    }
}

fn obey(question: &Question<'_>, to: ResetTo, usual: Result<Choice, Refusal>) -> Result<Choice, Refusal> {
    if !has_past(question, to) {
        return usual;
    }
    let origin = Origin::Reset(to);
    let Bounds { low, high } = question.log;
    match (to, question.commit) {
        (ResetTo::Snapshot, _) => {
            refuse_newer(question.found.iter())?;
            let (_, snapshot) = newest(question.found.iter()).context(NoSnapshotSnafu)?;
            ensure_end(question.log, snapshot)?;
            Ok(Choice::past(origin, snapshot.clone()))
        }
        (ResetTo::Committed, Some(Commit { offset: committed, .. })) => {
            let committed = *committed;
            ensure!((low..=high).contains(&committed), CommitOutsideLogSnafu { committed, low, high });
            Ok(Choice::empty(origin, committed))
        }
        (ResetTo::Committed, None) => Ok(Choice::empty(origin, start_of_log(question))),
        (ResetTo::Empty, _) => Ok(Choice::empty(origin, end_or_start(question))),
    }
}

/// Whether there is anything to reset. Where a new group begins may still be moved to the log's start.
fn has_past(question: &Question<'_>, to: ResetTo) -> bool {
    let is_moved = to == ResetTo::Empty && question.start_from == StartFrom::Earliest;
    let is_begun = question.commit.is_some_and(|commit| is_moved || !choice::is_start(commit));
    is_begun || !question.found.is_empty()
}

fn end_or_start(question: &Question<'_>) -> i64 {
    match question.start_from {
        StartFrom::Earliest => question.log.low,
        StartFrom::Latest => question.log.high,
    }
}

/// Neither are records gone that were not seen, nor were records seen that the log does not have.
fn in_log(log: Bounds, choice: Choice) -> Result<Choice, Refusal> {
    let watermark = choice.snapshot.watermark;
    ensure!(watermark >= log.low, BeforeStartSnafu { watermark, low: log.low });
    ensure_end(log, &choice.snapshot)?;
    Ok(choice)
}

fn ensure_end(log: Bounds, snapshot: &Snapshot) -> Result<(), Refusal> {
    let known_end = snapshot.resolved_ahead.last().map_or(snapshot.end, |last| snapshot.end.max(last + 1));
    ensure!(known_end <= log.high, AfterEndSnafu { known_end, high: log.high });
    Ok(())
}
