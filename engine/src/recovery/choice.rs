//! Which snapshot a partition goes on with when nobody resets it.
//!
//! Deliberately blind to the logs: whether the choice fits them is judged afterwards.

use snafu::{ResultExt, ensure};

use crate::{
    commit_pointer::CommitPointer,
    snapshot::{self, Snapshot},
};

use super::{
    Commit, Found, Origin, Place, Question, Refusal, StartFrom, Unusable,
    refusal::{
        CommitMovedSnafu, DamagedSnafu, ForeignCommitSnafu, NamedMissingSnafu, NewerSnafu, NothingCompleteSnafu,
    },
};

/// A state to go on with.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) origin: Origin,
    pub(super) snapshot: Snapshot,
    /// It is a snapshot that was found; dead letters after it count.
    pub(super) has_past: bool,
}

impl Choice {
    pub(super) fn past(origin: Origin, snapshot: Snapshot) -> Self {
        Self { origin, snapshot, has_past: true }
    }

    pub(super) fn empty(origin: Origin, start: i64) -> Self {
        Self { origin, snapshot: Snapshot { watermark: start, end: start, ..Snapshot::default() }, has_past: false }
    }
}

/// What a commit names.
#[derive(Clone, Copy)]
struct Named {
    epoch: u64,
    place: Place,
    checksum: u64,
}

/// The epoch that a commit names.
pub(super) fn named_epoch(commit: &Commit) -> Option<u64> {
    match CommitPointer::parse(&commit.metadata) {
        Ok(CommitPointer::Snapshot { epoch, .. }) => Some(epoch),
        Ok(CommitPointer::None | CommitPointer::Start) | Err(_) => None,
    }
}

/// Whether a commit says no more than where the group begins.
pub(super) fn is_start(commit: &Commit) -> bool {
    CommitPointer::parse(&commit.metadata) == Ok(CommitPointer::Start)
}

/// The state that the group's commit leads to.
pub(super) fn choose(question: &Question<'_>) -> Result<Choice, Refusal> {
    let found = question.found;
    let Some(commit) = question.commit else {
        return Ok(newest_or_refuse(found)?.map_or_else(
            || Choice::empty(Origin::Fresh, start_of_log(question)),
            |snapshot| Choice::past(Origin::Newest, snapshot),
        ));
    };
    match CommitPointer::parse(&commit.metadata).context(ForeignCommitSnafu)? {
        CommitPointer::None => {
            refuse_newer(found.iter())?;
            let mut choice = Choice::empty(Origin::WithoutTotals, commit.offset);
            if let Some((_, newest)) = newest(found.iter()) {
                newest.last_reset.clone_into(&mut choice.snapshot.last_reset);
            }
            Ok(choice)
        }
        CommitPointer::Start => Ok(newest_or_refuse(found)?.map_or_else(
            || Choice::empty(Origin::Pinned, commit.offset),
            |snapshot| Choice::past(Origin::Newest, snapshot),
        )),
        CommitPointer::Snapshot { epoch, partition, offset, checksum } => {
            let named = Named { epoch, place: Place { partition, offset }, checksum };
            follow(found, commit.offset, named)
        }
    }
}

/// The start of a partition that nobody started before. One that was added to the topic of a group which is at work
/// starts at its beginning, whatever new groups do: nobody was told to leave its first records out.
pub(super) fn start_of_log(question: &Question<'_>) -> i64 {
    match question.start_from {
        StartFrom::Latest if !question.group_has_commits => question.log.high,
        StartFrom::Latest | StartFrom::Earliest => question.log.low,
    }
}

/// The named snapshot, or the one that counts in its stead.
fn follow(found: &[Found], committed: i64, named: Named) -> Result<Choice, Refusal> {
    let later = || found.iter().filter(move |other| is_later(other, named));
    refuse_newer(later())?;
    if let Some((other, snapshot)) = newest(later().filter(|other| other.epoch > named.epoch)) {
        let origin = Origin::Superseded { committed_epoch: named.epoch, epoch: other.epoch };
        return Ok(Choice::past(origin, snapshot.clone()));
    }
    let at_place = found.iter().find(|other| other.place == named.place && other.epoch == named.epoch);
    if let Some(snapshot) = at_place.filter(|other| other.checksum == named.checksum).and_then(Found::snapshot) {
        let watermark = snapshot.watermark;
        ensure!(watermark == committed, CommitMovedSnafu { committed, watermark });
        return Ok(Choice::past(Origin::Named, snapshot.clone()));
    }
    if let Some((other, snapshot)) = newest(later().filter(|other| other.place != named.place)) {
        let origin = Origin::FellBack { named: named.place, used: other.place };
        return Ok(Choice::past(origin, snapshot.clone()));
    }
    match at_place.and_then(unreadable) {
        Some((place, error)) => Err(error).context(DamagedSnafu { place }),
        None => NamedMissingSnafu { place: named.place }.fail(),
    }
}

/// Of the named epoch or a higher one, and not known to be written before the named one.
fn is_later(other: &Found, named: Named) -> bool {
    let is_before = other.place.partition == named.place.partition && other.place.offset < named.place.offset;
    other.epoch >= named.epoch && !is_before
}

/// The newest complete one: of the highest epoch, there the one whose owner had committed most, there the last.
/// But of claims the first: one that comes later in the same epoch is of somebody who had lost the partition before he
/// read that it was claimed.
pub(super) fn newest<'a>(found: impl Iterator<Item = &'a Found>) -> Option<(&'a Found, &'a Snapshot)> {
    let complete = found.filter_map(|found| Some((found, found.snapshot()?)));
    complete.max_by_key(|(Found { epoch, sequence, place: Place { offset, .. }, .. }, _)| {
        (*epoch, *sequence, if *sequence == 0 { -offset } else { *offset })
    })
}

/// None when nothing at all was found.
fn newest_or_refuse(found: &[Found]) -> Result<Option<Snapshot>, Refusal> {
    refuse_newer(found.iter())?;
    if let Some((_, snapshot)) = newest(found.iter()) {
        return Ok(Some(snapshot.clone()));
    }
    match found.iter().rev().find_map(unreadable) {
        Some((place, error)) => Err(error).context(DamagedSnafu { place }),
        None if found.is_empty() => Ok(None),
        None => NothingCompleteSnafu.fail(),
    }
}

/// A later release knows what it wrote; what it replaced does not count any more, however readable it is.
pub(super) fn refuse_newer<'a>(mut found: impl Iterator<Item = &'a Found>) -> Result<(), Refusal> {
    let newer =
        found.find_map(|found| unreadable(found).filter(|(_, error)| matches!(error, snapshot::Error::Newer { .. })));
    newer.map_or(Ok(()), |(place, error)| Err(error).context(NewerSnafu { place }))
}

fn unreadable(found: &Found) -> Option<(Place, snapshot::Error)> {
    match &found.content {
        Err(Unusable::Unreadable(error)) => Some((found.place, error.clone())),
        Err(Unusable::Incomplete) | Ok(_) => None,
    }
}
