//! When a consumer's work began and ended: what its speed is measured by, without joining and waiting.
//!
//! Deliberately three moments and no rate: who reads them divides.

use std::time::Duration;

use engine::time::Time;

/// The moments of one thread, or of several merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// First record taken in, last record taken in, last order handled or buried.
    moments: Option<(Time, Time, Time)>,
}

impl Span {
    /// Records were taken in from `start` to `end`.
    pub(crate) fn note_taken(&mut self, start: Time, end: Time) {
        let (first, _, last) = self.moments.unwrap_or((start, end, end));
        self.moments = Some((first, end, last.max(end)));
    }

    /// A retry ran, or a dead letter was acknowledged.
    pub(crate) fn note_settled(&mut self, now: Time) {
        if let Some((_, _, last)) = &mut self.moments {
            *last = now;
        }
    }

    /// The span of two threads: from the earlier beginning to the later ends.
    pub(crate) fn merge(&mut self, other: Self) {
        self.moments = match (self.moments, other.moments) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1), a.2.max(b.2))),
            (a, b) => a.or(b),
        };
    }

    /// From the first record taken in to the last one.
    pub(crate) fn taking_in(self) -> Option<Duration> {
        self.moments.map(|(first, taken, _)| taken.since(first))
    }

    /// From the first record taken in to the last order handled or buried.
    pub(crate) fn resolving(self) -> Option<Duration> {
        self.moments.map(|(first, _, last)| last.since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Span, Time};

    #[test]
    fn a_span_runs_from_the_first_record_to_the_last_settled_order() {
        let mut span = Span::default();
        span.note_settled(Time(5));
        assert_eq!((span.taking_in(), span.resolving()), (None, None));
        span.note_taken(Time(10), Time(12));
        span.note_taken(Time(20), Time(25));
        span.note_settled(Time(40));
        assert_eq!(span.taking_in(), Some(Duration::from_micros(15)));
        assert_eq!(span.resolving(), Some(Duration::from_micros(30)));
    }

    #[test]
    fn spans_of_threads_add_up_to_one() {
        let (mut one, mut other) = (Span::default(), Span::default());
        one.note_taken(Time(10), Time(20));
        other.note_taken(Time(5), Time(15));
        one.merge(other);
        one.merge(Span::default());
        assert_eq!(one.taking_in(), Some(Duration::from_micros(15)));
    }
}
