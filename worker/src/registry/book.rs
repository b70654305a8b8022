//! What is known of schema ids, and which questions are to be asked: pure, time comes in.
//!
//! Schemas are kept for ever, since an id never changes its schema. That an id is not there is believed for 30 s, then
//! twice as long at each further miss, up to 10 min; so a topic full of bad ids costs next to no requests. But the
//! registry may lag behind the producer: the retries of the first orders with the id may ask again sooner, once a second
//! at most and three times in all. Deliberately one question at a time for an id, whoever asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::time::Time;

use super::client::Found;

/// How long the first miss is believed.
const FIRST_MISS: Duration = Duration::from_secs(30);
/// How long a miss is believed at most.
const LONGEST_MISS: Duration = Duration::from_mins(10);
/// Questions that retries may ask although a miss is still believed.
const EARLY_QUESTIONS: u8 = 3;
/// The time between two of them.
const BETWEEN_EARLY_QUESTIONS: Duration = Duration::from_secs(1);
/// Ids that are remembered; past it the misses that were asked about longest ago are forgotten.
const MOST_IDS: usize = 10_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The first try of an order.
    FirstTry,
    /// A retry: somebody waited in order to ask again.
    Retry,
}

/// What is known of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its schema.
    Schema(Arc<Found>),
    /// The registry does not have it.
    Missing,
    /// It is being asked for.
    Coming {
        /// Why that takes so long, if it does.
        trouble: Option<Arc<str>>,
    },
}

#[derive(Debug)]
enum Entry {
    Schema(Arc<Found>),
    Missing(Miss),
    /// With the last miss, if there was one.
    Asked {
        before: Option<Miss>,
        trouble: Option<Arc<str>>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Miss {
    at: Time,
    believed_for: Duration,
    early_questions: u8,
}

/// Everything that is known; see the module.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: HashMap<u32, Entry>,
    misses: usize,
}

impl Book {
    /// What is known of an id, and whether the caller has to send the question now.
    pub(crate) fn look_up(&mut self, id: u32, asker: Asker, now: Time) -> (Known, bool) {
        let before = match self.entries.get(&id) {
            Some(Entry::Schema(schema)) => return (Known::Schema(Arc::clone(schema)), false),
            Some(Entry::Asked { trouble, .. }) => return (Known::Coming { trouble: trouble.clone() }, false),
            Some(Entry::Missing(miss)) if miss.answers(asker, now) => return (Known::Missing, false),
            Some(Entry::Missing(miss)) => {
                self.misses -= 1;
                Some(miss.asked_again(now))
            }
            None => None,
        };
        self.entries.insert(id, Entry::Asked { before, trouble: None });
        (Known::Coming { trouble: None }, true)
    }

    /// The registry answered: with a schema, or that it has none.
    pub(crate) fn answer(&mut self, id: u32, answer: Option<Found>, now: Time) {
        let before = match self.entries.remove(&id) {
            Some(Entry::Asked { before, .. }) => before,
            Some(Entry::Missing(miss)) => {
                self.misses -= 1;
                Some(miss)
            }
            Some(Entry::Schema(_)) | None => None,
        };
        let entry = match answer {
            Some(found) => Entry::Schema(Arc::new(found)),
            None => {
                self.misses += 1;
                Entry::Missing(Miss::after(before, now))
            }
        };
        self.entries.insert(id, entry);
        if self.misses > MOST_IDS {
            self.forget_misses();
        }
    }

    /// The registry gave no answer, and is asked again.
    pub(crate) fn note_trouble(&mut self, id: u32, words: &str) {
        if let Some(Entry::Asked { trouble, .. }) = self.entries.get_mut(&id) {
            *trouble = Some(words.into());
        }
    }

    /// Why questions stay without an answer, while some do.
    pub(crate) fn trouble(&self) -> Option<Arc<str>> {
        self.entries.values().find_map(|entry| match entry {
            Entry::Asked { trouble, .. } => trouble.clone(),
            Entry::Schema(_) | Entry::Missing(_) => None,
        })
    }

    /// Forgets the half of the misses that is older.
    fn forget_misses(&mut self) {
        let missed_at = |entry: &Entry| match entry {
            Entry::Missing(miss) => Some(miss.at),
            Entry::Schema(_) | Entry::Asked { .. } => None,
        };
        let mut times: Vec<Time> = self.entries.values().filter_map(missed_at).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        self.entries.retain(|_, entry| missed_at(entry).is_none_or(|at| at > middle));
        self.misses = self.entries.values().filter_map(missed_at).count();
    }
}

impl Miss {
    /// A miss at `now`, after an earlier one or none.
    fn after(before: Option<Miss>, now: Time) -> Self {
        match before {
            Some(Miss { at, believed_for, early_questions }) => {
                let is_early = now.since(at) < believed_for;
                let longer = if is_early { believed_for } else { (believed_for * 2).min(LONGEST_MISS) };
                Self { at: now, believed_for: longer, early_questions }
            }
            None => Self { at: now, believed_for: FIRST_MISS, early_questions: EARLY_QUESTIONS },
        }
    }

    /// Whether it is answer enough.
    fn answers(&self, asker: Asker, now: Time) -> bool {
        let age = now.since(self.at);
        let may_ask_early = match asker {
            Asker::FirstTry => false,
            Asker::Retry => self.early_questions > 0 && age >= BETWEEN_EARLY_QUESTIONS,
        };
        age < self.believed_for && !may_ask_early
    }

    /// The same while the question is asked again.
    fn asked_again(&self, now: Time) -> Self {
        let is_early = now.since(self.at) < self.believed_for;
        Self { early_questions: self.early_questions - u8::from(is_early), ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Option<Found> {
        Some(Found::Avro { text: "{}".to_owned(), references: Vec::new() })
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn asks(book: &mut Book, asker: Asker, seconds: u64) -> bool {
        book.look_up(7, asker, at(seconds)).1
    }

    #[test]
    fn one_question_is_asked_whoever_asks_and_its_answer_is_for_ever() {
        let mut book = Book::default();
        assert_eq!(book.look_up(7, Asker::FirstTry, at(0)), (Known::Coming { trouble: None }, true));
        for asker in [Asker::FirstTry, Asker::Retry] {
            assert_eq!(book.look_up(7, asker, at(100)), (Known::Coming { trouble: None }, false));
        }
        book.answer(7, schema(), at(100));
        let (known, asks) = book.look_up(7, Asker::FirstTry, at(1_000_000));
        assert!(matches!(known, Known::Schema(_)) && !asks);
    }

    #[test]
    fn a_miss_is_believed_for_30_seconds_and_twice_as_long_each_time_up_to_10_minutes() {
        let mut book = Book::default();
        assert!(asks(&mut book, Asker::FirstTry, 0));
        let mut now = 0;
        for believed_for in [30, 60, 120, 240, 480, 600, 600] {
            book.answer(7, None, at(now));
            assert!(!asks(&mut book, Asker::FirstTry, now + believed_for - 1), "{believed_for}");
            assert_eq!(book.look_up(7, Asker::FirstTry, at(now + 1)), (Known::Missing, false));
            now += believed_for;
            assert!(asks(&mut book, Asker::FirstTry, now), "{believed_for}");
        }
    }

    #[test]
    fn retries_of_the_first_orders_ask_again_once_a_second_and_three_times_in_all() {
        let mut book = Book::default();
        assert!(asks(&mut book, Asker::FirstTry, 0));
        book.answer(7, None, at(0));
        assert!(!asks(&mut book, Asker::Retry, 0), "just answered");
        for seconds in [1, 3, 7] {
            assert!(asks(&mut book, Asker::Retry, seconds));
            book.answer(7, None, at(seconds));
            assert!(!asks(&mut book, Asker::FirstTry, seconds + 5), "first tries believe the miss");
        }
        assert!(!asks(&mut book, Asker::Retry, 20), "the id is wrong, the registry does not lag");
        assert!(!asks(&mut book, Asker::Retry, 36) && asks(&mut book, Asker::Retry, 37), "30 s after the last miss");
        book.answer(7, None, at(37));
        assert!(!asks(&mut book, Asker::FirstTry, 96) && asks(&mut book, Asker::FirstTry, 97), "then 60 s");
    }

    #[test]
    fn a_schema_that_arrives_late_ends_the_misses() {
        let mut book = Book::default();
        asks(&mut book, Asker::FirstTry, 0);
        book.answer(7, None, at(0));
        assert!(asks(&mut book, Asker::Retry, 1));
        book.answer(7, schema(), at(1));
        assert!(matches!(book.look_up(7, Asker::FirstTry, at(2)).0, Known::Schema(_)));
    }

    #[test]
    fn trouble_is_told_until_there_is_an_answer() {
        let mut book = Book::default();
        assert_eq!(book.trouble(), None);
        asks(&mut book, Asker::FirstTry, 0);
        book.note_trouble(7, "connection refused");
        assert_eq!(book.trouble().as_deref(), Some("connection refused"));
        let (known, asks) = book.look_up(7, Asker::Retry, at(9));
        assert_eq!((known, asks), (Known::Coming { trouble: Some("connection refused".into()) }, false));
        book.answer(7, schema(), at(10));
        assert_eq!(book.trouble(), None);
    }

    #[test]
    fn a_flood_of_bad_ids_does_not_fill_the_memory() {
        let mut book = Book::default();
        for id in 0..50_000_u32 {
            let now = at(u64::from(id));
            book.look_up(id, Asker::FirstTry, now);
            book.answer(id, if id == 3 { schema() } else { None }, now);
            assert!(book.entries.len() <= MOST_IDS + 2, "{}", book.entries.len());
        }
        assert!(matches!(book.look_up(3, Asker::FirstTry, at(60_000)).0, Known::Schema(_)), "schemas are kept");
    }
}
