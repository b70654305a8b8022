//! What may happen in a history, and what kind of world it happens in.
//!
//! Deliberately plain values: `world` says what they do, `search` when they may happen.

/// What a try of an order gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Done,
    /// May go well the next time.
    Later,
    Never,
    /// There is nothing to do: a null value.
    Nothing,
}

/// What is left out of the protocol on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    NoClaim,
    NoScan,
    MarkFromEnd,
    NoReadingOn,
    NoFallBack,
    /// What says where the group begins is taken at its word, whatever was done since.
    TrustedPin,
}

/// What kind of handler and topic there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Records of the topic in the end.
    pub(crate) orders: i64,
    /// The group starts with the next records; the first is there before it.
    pub(crate) is_latest: bool,
    pub(crate) defect: Defect,
    /// A producer that is made anew while the old one's last request is still on its way: an owner's snapshots may land
    /// in another order.
    pub(crate) is_unordered: bool,
    /// Snapshots are written as a chunk and a head.
    pub(crate) in_chunks: bool,
    /// The answers of the handler may differ from one try to the next.
    pub(crate) is_fickle: bool,
    /// With another number than 0 a fickle handler answers at random.
    pub(crate) seed: u64,
}

/// What may happen next. `usize` is a process slot, or the place of a message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// One more order is in the topic.
    Produce,
    /// A new process joins the group.
    Join(usize),
    /// kill -9. The group notices later.
    Crash(usize),
    /// The session times out; a process that lives is a zombie from now on.
    Expire(usize),
    /// The group gives the partition to the process.
    Assign(usize),
    /// The group wants it back: a last snapshot and commit, then it is given back.
    Leave(usize),
    /// It is given back at once, whatever is on its way.
    GiveBack(usize),
    /// The process goes on with what it would do next.
    Step(usize),
    /// It takes an order, and the handler answers like this.
    Take(usize, Answer),
    /// A snapshot before its time.
    Checkpoint(usize),
    /// The last commit is sent again.
    Repeat(usize),
    /// Keys of former owners get tombstones.
    Sweep(usize),
    /// A message arrives, and its answer does.
    Land(usize),
    /// It arrives, and the answer is lost.
    LandUnanswered(usize),
    /// Of a snapshot in chunks only the first record arrives.
    LandHalf(usize),
    /// It will arrive at some time or never; its sender gives up waiting.
    Delay(usize),
    /// It never arrives, and its sender learns that.
    Drop(usize),
    /// The state topic is compacted.
    Compact,
    /// All processes die, and nobody is in the group until its commit expires.
    Desert,
    /// The group notices who died.
    Notice,
    /// Retention removes the dead letters there are.
    ExpireLetters,
}

impl Action {
    /// The number of its kind, below 32.
    pub(crate) fn kind(self) -> u32 {
        match self {
            Self::Join(_) => 0,
            Self::Crash(_) => 1,
            Self::Notice => 2,
            Self::Expire(_) => 3,
            Self::Assign(_) => 4,
            Self::Leave(_) => 5,
            Self::GiveBack(_) => 6,
            Self::Step(_) => 7,
            Self::Take(_, Answer::Done) => 8,
            Self::Take(_, Answer::Later) => 9,
            Self::Take(_, Answer::Never | Answer::Nothing) => 10,
            Self::Checkpoint(_) => 11,
            Self::Repeat(_) => 12,
            Self::Sweep(_) => 13,
            Self::Land(_) => 14,
            Self::LandUnanswered(_) => 15,
            Self::LandHalf(_) => 16,
            Self::Delay(_) => 17,
            Self::Drop(_) => 18,
            Self::Compact => 19,
            Self::Desert => 20,
            Self::ExpireLetters => 21,
            Self::Produce => 22,
        }
    }
}
