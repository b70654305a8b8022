//! Which offsets of a partition are resolved, and the lowest one that is not.
//!
//! Deliberately ignorant of records: offsets only. It keeps one bit for each offset from the lowest to the highest
//! unresolved one (1 = unresolved), so that resolving in order touches no memory but three numbers.

use std::{collections::VecDeque, ops::Range};

/// Words kept when nothing is unresolved: 4096 offsets, half a kibibyte.
const KEPT_WORDS: usize = 64;

/// The offsets from the watermark to the end of what is known.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The lowest unresolved offset; `end` when there is none.
    watermark: i64,
    end: i64,
    unresolved: usize,
    /// The offset of the first bit of the first word, a multiple of 64. The watermark is in the first word.
    base: i64,
    words: VecDeque<u64>,
}

impl Window {
    /// The most offsets between watermark and highest unresolved one: 2 MiB of bits.
    pub(crate) const REACH: i64 = 1 << 24;

    /// Nothing known from `start` on.
    pub(crate) fn new(start: i64) -> Self {
        Self { watermark: start, end: start, unresolved: 0, base: 0, words: VecDeque::new() }
    }

    /// The lowest unresolved offset, or the end when there is none. Never goes back (I1).
    #[inline]
    pub(crate) fn watermark(&self) -> i64 {
        self.watermark
    }

    /// One past the highest offset known.
    #[inline]
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// How many offsets are unresolved.
    pub(crate) fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// Whether `offset` is known and unresolved.
    pub(crate) fn is_unresolved(&self, offset: i64) -> bool {
        self.place(offset).is_some_and(|(word, bit)| self.words[word] & bit != 0)
    }

    /// Everything below `end` that was not opened is resolved. O(1).
    #[inline]
    pub(crate) fn extend(&mut self, end: i64) {
        if end > self.end {
            self.end = end;
            if self.unresolved == 0 {
                self.watermark = end;
            }
        }
    }

    /// `offset`, which is at or above `end`, is known from now on, and unresolved. What is open already stays so.
    /// Amortised O(1); at most [`Self::REACH`] above the watermark.
    pub(crate) fn open(&mut self, offset: i64) {
        if offset < self.end {
            debug_assert!(self.is_unresolved(offset), "offset {offset} is resolved: it cannot be opened again");
            return;
        }
        if self.unresolved == 0 {
            self.watermark = offset;
            self.base = offset & !63;
            self.words.clear();
        }
        let ahead = offset - self.watermark;
        assert!(ahead <= Self::REACH, "offset {offset} is {ahead} above the watermark: admission keeps the window");
        let word = usize::try_from((offset - self.base) >> 6).expect("the base is not above the watermark");
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (offset & 63);
        self.unresolved += 1;
        self.end = offset + 1;
    }

    /// Resolves `offset`; `false` when it was not unresolved. Amortised O(1).
    pub(crate) fn resolve(&mut self, offset: i64) -> bool {
        let Some((word, bit)) = self.place(offset).filter(|(word, bit)| self.words[*word] & bit != 0) else {
            return false;
        };
        self.words[word] &= !bit;
        self.unresolved -= 1;
        if offset == self.watermark {
            self.advance();
        }
        true
    }

    /// Resolves every unresolved offset of `range`; gives how many there were. O(words).
    pub(crate) fn resolve_range(&mut self, range: Range<i64>) -> usize {
        let before = self.unresolved;
        for word in 0..self.words.len() {
            let first = self.base + ((word as i64) << 6);
            let (from, to) = ((range.start - first).clamp(0, 64), (range.end - first).clamp(0, 64));
            if from >= to {
                continue;
            }
            let mask = (u64::MAX >> (64 - (to - from))) << from;
            self.unresolved -= (self.words[word] & mask).count_ones() as usize;
            self.words[word] &= !mask;
        }
        if self.unresolved != before && range.contains(&self.watermark) {
            self.advance();
        }
        before - self.unresolved
    }

    /// The unresolved offsets, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        let (base, watermark) = (self.base, self.watermark);
        self.words.iter().enumerate().flat_map(move |(word, bits)| {
            let first = base + ((word as i64) << 6);
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                bits &= bits.checked_sub(1)?;
                Some(first + i64::from(bit))
            })
            .filter(move |offset| *offset >= watermark)
        })
    }

    /// Which place each unresolved offset has among all of them. O(words) once, then O(1) each.
    pub(crate) fn ranks(&self) -> Ranks<'_> {
        let mut before = Vec::with_capacity(self.words.len());
        let mut count = 0;
        for word in &self.words {
            before.push(count);
            count += word.count_ones();
        }
        Ranks { window: self, before }
    }

    /// Bytes the bits occupy.
    #[cfg(test)]
    fn capacity_bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    #[inline]
    fn place(&self, offset: i64) -> Option<(usize, u64)> {
        if self.unresolved == 0 || offset < self.watermark || offset >= self.end {
            return None;
        }
        let word = usize::try_from((offset - self.base) >> 6).ok()?;
        (word < self.words.len()).then_some((word, 1 << (offset & 63)))
    }

    /// The watermark was resolved: moves it to the next unresolved offset and drops the words below it.
    fn advance(&mut self) {
        if self.unresolved == 0 {
            self.watermark = self.end;
            self.words.clear();
        }
        while self.words.front() == Some(&0) {
            self.words.pop_front();
            self.base += 64;
        }
        if let Some(first) = self.words.front() {
            self.watermark = self.base + i64::from(first.trailing_zeros());
        }
        if self.words.capacity() > (self.words.len() * 4).max(KEPT_WORDS * 4) {
            self.words.shrink_to((self.words.len() * 2).max(KEPT_WORDS));
        }
    }
}

/// The places of the unresolved offsets in their ascending order.
#[derive(Debug)]
pub(crate) struct Ranks<'a> {
    window: &'a Window,
    /// Unresolved offsets below each word.
    before: Vec<u32>,
}

impl Ranks<'_> {
    /// The place of `offset`, from 0; `None` when it is not unresolved.
    pub(crate) fn of(&self, offset: i64) -> Option<usize> {
        let (word, bit) = self.window.place(offset)?;
        let bits = self.window.words[word];
        (bits & bit != 0).then(|| (self.before[word] + (bits & (bit - 1)).count_ones()) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn in_order_resolution_keeps_no_bits() {
        let mut window = Window::new(5);
        for offset in 5..100_000 {
            window.extend(offset + 1);
            assert_eq!(window.watermark(), offset + 1);
        }
        assert_eq!(window.capacity_bytes(), 0);
    }

    #[test]
    fn a_full_window_of_4_million_takes_half_a_mebibyte_and_gives_it_back() {
        let mut window = Window::new(0);
        for offset in 0..4_000_000 {
            window.open(offset);
        }
        assert!(window.capacity_bytes() <= 1 << 20, "{}", window.capacity_bytes());
        for offset in (0..4_000_000).rev() {
            assert!(window.resolve(offset));
        }
        assert_eq!(window.watermark(), 4_000_000);
        assert!(window.capacity_bytes() <= 4096, "{}", window.capacity_bytes());
    }

    #[test]
    fn a_gap_of_any_size_costs_no_memory() {
        let mut window = Window::new(0);
        window.open(0);
        window.extend(i64::MAX);
        assert!(window.resolve(0));
        assert_eq!(window.watermark(), i64::MAX);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Extend(i64),
        Open(i64),
        Resolve(usize),
        ResolveRange(usize, i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..300i64).prop_map(Step::Extend),
            (0..300i64).prop_map(Step::Open),
            (0..1000usize).prop_map(Step::Resolve),
            (0..1000usize).prop_map(Step::Resolve),
            ((0..1000usize), (0..200i64)).prop_map(|(place, length)| Step::ResolveRange(place, length)),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(start in -3..500i64, steps in prop::collection::vec(step(), 0..200)) {
            let mut window = Window::new(start);
            let (mut end, mut open) = (start, BTreeSet::new());
            for step in steps {
                match step {
                    Step::Extend(by) => {
                        window.extend(end + by);
                        end += by;
                    }
                    Step::Open(by) => {
                        window.open(end + by);
                        open.insert(end + by);
                        end += by + 1;
                    }
                    Step::Resolve(place) => {
                        let offset = open.iter().copied().nth(place % 64).unwrap_or(end - 1);
                        prop_assert_eq!(window.resolve(offset), open.remove(&offset));
                    }
                    Step::ResolveRange(place, length) => {
                        let from = open.iter().copied().nth(place % 64).unwrap_or(end - 1) - length / 2;
                        let gone: Vec<i64> = open.range(from..from + length).copied().collect();
                        prop_assert_eq!(window.resolve_range(from..from + length), gone.len());
                        gone.iter().for_each(|offset| { open.remove(offset); });
                    }
                }
                prop_assert_eq!(window.watermark(), open.first().copied().unwrap_or(end));
                prop_assert_eq!((window.end(), window.unresolved()), (end, open.len()));
                prop_assert!(window.iter().eq(open.iter().copied()));
                let ranks = window.ranks();
                prop_assert!(open.iter().enumerate().all(|(place, offset)| ranks.of(*offset) == Some(place)));
                prop_assert!((end - 70..end + 5).all(|offset| ranks.of(offset).is_some() == open.contains(&offset)));
                prop_assert!((end - 70..end + 5).all(|offset| window.is_unresolved(offset) == open.contains(&offset)));
            }
        }
    }
}
