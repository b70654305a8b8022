//! What a group left behind, read from its topics: commits, snapshots, dead letters; and what to go on with.
//!
//! The order of the questions matters (`engine::recovery` says why): commits, then the state topic, then where the logs
//! begin and end, then the dead letters. Deliberately writes nothing and joins nothing; it runs beside the consumer's
//! loop, on a thread of its own.

use std::collections::BTreeMap;

use engine::commit_pointer::CommitPointer;
use engine::recovery::{
    self, Bounds, Commit, DeadLetterLog, Decision, Place, Question, Reading, Refusal, Reset, Scan, StartFrom,
};
use schemas::dead_letter::DeadLetter;
use snafu::{ResultExt, Snafu};

use super::key::{Key, Subject};
use super::shelf::Shelf;
use crate::config::Topics;
use crate::kafka::ffi::Entry;
use crate::kafka::log_reader::{self, LogReader, Stretch};
use crate::kafka::source;
use crate::roles::chain;

/// The header of a record in the state topic that counts its owner's snapshots, in decimal.
pub(crate) const SEQUENCE: &str = "op1.sequence";

/// Why nothing was recovered.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum Error {
    /// The brokers did not answer, or do not let us.
    #[snafu(display("cannot read what group {group} left behind"))]
    Read {
        /// The group.
        group: String,
        /// Why.
        #[snafu(source(from(log_reader::Error, Box::new)))]
        source: Box<log_reader::Error>,
    },
    /// There are no totals to read.
    #[snafu(display(
        "group {group} keeps its totals in memory (--state none): the reports of its consumers have them; with --state \
         durable they are kept"
    ))]
    WithoutTotals {
        /// The group.
        group: String,
    },
    /// Somebody has to decide.
    #[snafu(display(
        "the totals of group {} for partition {} of topic {} are not started: {reason}; {remedy} (docs/operations/state-refused.md)",
        subject.group, subject.partition, subject.topic
    ))]
    Refused {
        /// Whose state.
        subject: Subject,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl Error {
    /// Whether the same question may be answered later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.is_passing(),
            Self::WithoutTotals { .. } | Self::Refused { .. } => false,
        }
    }
}

/// What to do about a refusal.
fn remedy(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::ForeignCommit { .. } => {
            "to take the group over where it stands, with empty totals, start once with --reset-state committed:ID, any ID of \
             your own"
        }
        Refusal::CommitMoved { .. } => {
            "to follow the move with empty totals, start once with --reset-state committed:ID; to go on with the \
             snapshot, --reset-state snapshot:ID"
        }
        Refusal::NamedMissing { .. } | Refusal::Damaged { .. } | Refusal::NothingComplete => {
            "restore the state topic, or start once with --reset-state snapshot:ID (the newest snapshot there is) or \
             --reset-state committed:ID (empty totals)"
        }
        Refusal::Newer { .. } => "run the release that wrote it, or a later one",
        Refusal::NoSnapshot => "use --reset-state committed:ID or --reset-state empty:ID instead",
        Refusal::CommitOutsideLog { .. } => "use --reset-state empty:ID instead",
        Refusal::AfterEnd { .. } => {
            "if the topic was made anew, start once with --reset-state empty:ID: totals are empty then"
        }
        Refusal::BeforeStart { .. } => {
            "to go on behind the gap with the totals there are, start once with --reset-state snapshot:ID"
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The consumer group.
    pub(crate) group: String,
    /// Its topics.
    pub(crate) topics: Topics,
    /// Where a partition without a past starts.
    pub(crate) start_from: StartFrom,
    /// What a person decided.
    pub(crate) reset: Option<Reset>,
}

/// A partition that can go on.
#[derive(Clone, Debug)]
pub(crate) struct Recovered {
    /// Whose state.
    pub(crate) subject: Subject,
    /// Where it goes on, and with what.
    pub(crate) decision: Decision,
    /// Offsets that were dead-lettered after the snapshot was cut, and the retries they were given.
    pub(crate) letters: Vec<(i64, u8)>,
    /// Keys that were seen in the state topic: epoch, partition of the state topic, key.
    pub(crate) seen: Vec<(u64, (i32, Key))>,
}

/// What comes of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These go on; the state topic has so many partitions.
    Recovered(Vec<Recovered>, i32),
    /// The group is new and starts with the newest records: first commit this, then ask again.
    Pin(Vec<source::Commit>),
}

/// Recovers `numbers`.
///
/// # Errors
/// When the brokers do not answer, or somebody has to decide.
pub(crate) fn recover(asked: &Asked, numbers: &[i32], reader: &LogReader) -> Result<Outcome, Error> {
    let context = || ReadSnafu { group: &asked.group };
    let past = Past::read(asked, numbers, reader).context(context())?;
    if asked.start_from == StartFrom::Latest && past.commits.is_empty() {
        return Ok(Outcome::Pin(pins(asked, &past, reader).context(context())?));
    }
    let dead_letters = dead_letter_logs(asked, reader).context(context())?;
    let mut recovered = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let log = bounds(reader, &asked.topics.orders, number).context(context())?;
        let shelf = past.shelf(number);
        let decision = past.decide(asked, number, log, &dead_letters)?;
        let seen = shelf.map(Shelf::seen).unwrap_or_default();
        recovered.push(Recovered { subject: asked.subject(number), decision, letters: Vec::new(), seen });
    }
    scan(asked, &mut recovered, reader).context(context())?;
    Ok(Outcome::Recovered(recovered, past.places))
}

impl Asked {
    fn subject(&self, partition: i32) -> Subject {
        Subject { group: self.group.clone(), topic: self.topics.orders.clone(), partition }
    }
}

/// The group's commits, and what the state topic has of some partitions.
pub(crate) struct Past {
    /// Of all partitions that have one.
    commits: BTreeMap<i32, Commit>,
    /// All partitions of the orders topic.
    partitions: i32,
    /// How many partitions the state topic has.
    places: i32,
    shelves: BTreeMap<i32, Shelf>,
}

impl Past {
    /// Reads the past of `numbers`.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub(crate) fn read(asked: &Asked, numbers: &[i32], reader: &LogReader) -> Result<Self, log_reader::Error> {
        let partitions = reader.partitions(&asked.topics.orders)?;
        let all: Vec<i32> = (0..partitions).collect();
        let committed = reader.committed(&asked.topics.orders, &all)?;
        let commit = |(number, commit): (i32, Option<(i64, String)>)| {
            commit.map(|(offset, metadata)| (number, Commit { offset, metadata }))
        };
        let commits: BTreeMap<i32, Commit> = committed.into_iter().filter_map(commit).collect();
        let places = reader.partitions(&asked.topics.state)?;
        let mut past = Self { commits, partitions, places, shelves: BTreeMap::new() };
        past.read_state(asked, numbers, reader)?;
        Ok(past)
    }

    /// Whether the group's last run kept this partition's totals in memory.
    pub(crate) fn is_without_totals(&self, number: i32) -> bool {
        let pointer = self.commits.get(&number).and_then(|commit| CommitPointer::parse(&commit.metadata).ok());
        pointer == Some(CommitPointer::None)
    }

    fn shelf(&self, number: i32) -> Option<&Shelf> {
        self.shelves.get(&number)
    }

    /// Where and with what a partition goes on.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(crate) fn decide(
        &self,
        asked: &Asked,
        number: i32,
        log: Bounds,
        dead_letters: &[DeadLetterLog],
    ) -> Result<Decision, Error> {
        let shelf = self.shelf(number);
        let found = shelf.map(Shelf::found).unwrap_or_default();
        let question = Question {
            commit: self.commits.get(&number),
            group_has_commits: !self.commits.is_empty(),
            found: &found,
            highest_epoch: shelf.and_then(Shelf::highest_epoch),
            log,
            dead_letters,
            start_from: asked.start_from,
            reset: asked.reset.as_ref(),
        };
        recovery::decide(&question).map_err(|refusal| {
            let (subject, reason) = (asked.subject(number), chain(&refusal));
            RefusedSnafu { subject, reason, remedy: remedy(&refusal) }.build()
        })
    }

    fn read_state(&mut self, asked: &Asked, numbers: &[i32], reader: &LogReader) -> Result<(), log_reader::Error> {
        // The first offset to read of each partition of the state topic.
        let mut from: BTreeMap<i32, i64> = BTreeMap::new();
        let mut need = |partition: i32, offset: i64| {
            let known = from.entry(partition).or_insert(offset);
            *known = offset.min(*known);
        };
        let mut wanted: BTreeMap<Subject, Shelf> = BTreeMap::new();
        for &number in numbers {
            let (subject, commit) = (asked.subject(number), self.commits.get(&number));
            let named = match Reading::of(commit, asked.reset.as_ref()) {
                Reading::Everything => {
                    (0..self.places).for_each(|partition| need(partition, 0));
                    named_place(commit)
                }
                Reading::From(place) => {
                    need(place.partition, place.offset);
                    let usual = subject.place(self.places);
                    if usual != place.partition {
                        need(usual, 0);
                    }
                    Some(place)
                }
            };
            wanted.insert(subject, Shelf::new(named));
        }
        let topic = &asked.topics.state;
        let mut stretches = Vec::new();
        let mut starts: BTreeMap<i32, Bounds> = BTreeMap::new();
        for (partition, from) in from.into_iter().filter(|(partition, _)| *partition < self.places) {
            let Bounds { low, high } = bounds(reader, topic, partition)?;
            stretches.push(Stretch { partition, from: from.max(low), to: high });
            starts.insert(partition, Bounds { low, high: from.max(low) });
        }
        reader.read(topic, &stretches, |partition, entry| put(&mut wanted, partition, entry))?;
        read_missing_chunks(topic, &mut wanted, &starts, reader)?;
        self.shelves = wanted.into_iter().map(|(subject, shelf)| (subject.partition, shelf)).collect();
        Ok(())
    }
}

fn named_place(commit: Option<&Commit>) -> Option<Place> {
    match CommitPointer::parse(&commit?.metadata) {
        Ok(CommitPointer::Snapshot { partition, offset, .. }) => Some(Place { partition, offset }),
        Ok(CommitPointer::None | CommitPointer::Start) | Err(_) => None,
    }
}

/// Keeps a record of the state topic, if it is of one of ours.
fn put(wanted: &mut BTreeMap<Subject, Shelf>, partition: i32, entry: &Entry<'_>) {
    let Some(key) = entry.key().and_then(Key::parse) else { return };
    let Some(shelf) = wanted.get_mut(&key.subject) else { return };
    let header = entry.headers().find(|(name, _)| *name == SEQUENCE.as_bytes()).and_then(|(_, value)| value);
    let sequence = header.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0);
    shelf.put(Place { partition, offset: entry.offset() }, key, entry.value(), sequence);
}

/// Chunks are written before their head, so those of the named one are below what was read; `starts` has where each log
/// begins, and where it was read from.
fn read_missing_chunks(
    topic: &str,
    wanted: &mut BTreeMap<Subject, Shelf>,
    starts: &BTreeMap<i32, Bounds>,
    reader: &LogReader,
) -> Result<(), log_reader::Error> {
    let missing: Vec<Place> = wanted.values().flat_map(Shelf::missing).collect();
    let stretch = |(&partition, bounds): (&i32, &Bounds)| {
        let here = missing.iter().filter(|place| place.partition == partition).map(|place| place.offset);
        let from = here.filter(|offset| (bounds.low..bounds.high).contains(offset)).min()?;
        Some(Stretch { partition, from, to: bounds.high })
    };
    let stretches: Vec<Stretch> = starts.iter().filter_map(stretch).collect();
    reader.read(topic, &stretches, |partition, entry| {
        let place = Place { partition, offset: entry.offset() };
        let key = entry.key().and_then(Key::parse).filter(|_| missing.contains(&place));
        if let (Some(shelf), Some(value)) = (key.and_then(|key| wanted.get_mut(&key.subject)), entry.value()) {
            shelf.put_chunk(place, value);
        }
    })
}

fn bounds(reader: &LogReader, topic: &str, partition: i32) -> Result<Bounds, log_reader::Error> {
    let source::Bounds { low, high } = reader.bounds(topic, partition)?;
    Ok(Bounds { low, high })
}

/// The ends of all partitions, as a new group's first commit.
fn pins(asked: &Asked, past: &Past, reader: &LogReader) -> Result<Vec<source::Commit>, log_reader::Error> {
    let metadata = CommitPointer::Start.to_string();
    let pin = |partition| {
        let offset = bounds(reader, &asked.topics.orders, partition)?.high;
        Ok(source::Commit { partition, offset, metadata: metadata.clone() })
    };
    (0..past.partitions).map(pin).collect()
}

fn dead_letter_logs(asked: &Asked, reader: &LogReader) -> Result<Vec<DeadLetterLog>, log_reader::Error> {
    let topic = &asked.topics.dead_letter;
    let log = |partition| Ok(DeadLetterLog { partition, bounds: bounds(reader, topic, partition)? });
    (0..reader.partitions(topic)?).map(log).collect()
}

/// Looks for dead letters of these partitions that their snapshots do not know of: one reading for all of them, and of
/// each record the headers only.
fn scan(asked: &Asked, recovered: &mut [Recovered], reader: &LogReader) -> Result<(), log_reader::Error> {
    let union = Scan::union(recovered.iter().map(|one| &one.decision.scan));
    if union.is_empty() {
        return Ok(());
    }
    let stretch = |range: &recovery::ScanRange| {
        let recovery::ScanRange { partition, from, to } = *range;
        Stretch { partition, from, to }
    };
    let stretches: Vec<Stretch> = union.ranges().iter().map(stretch).collect();
    reader.read(&asked.topics.dead_letter, &stretches, |partition, entry| {
        let Ok(letter) = DeadLetter::from_headers(entry.headers()) else { return };
        if letter.group != asked.group || letter.topic != asked.topics.orders {
            return;
        }
        let owner = recovered.iter_mut().find(|one| one.subject.partition == letter.partition);
        if let Some(owner) = owner.filter(|owner| owner.decision.scan.covers(partition, entry.offset())) {
            let retries = u8::try_from(letter.delivery_count.saturating_sub(1)).unwrap_or(u8::MAX);
            owner.letters.push((letter.offset, retries));
        }
    })
}
