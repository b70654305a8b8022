//! The text in a group commit's metadata that names the state which belongs to it.
//!
//! Deliberately strict: what `parse` takes, `format` gives back byte for byte; anything else is somebody else's.

use std::fmt;

use snafu::{OptionExt, Snafu, ensure};

/// What is wrong with a commit's metadata.
#[derive(Debug, Snafu, PartialEq, Eq)]
pub enum Error {
    /// Another program committed, or a person moved the group.
    #[snafu(display("commit metadata {text:?} is not of this program (it begins with \"op1:\")"))]
    Foreign {
        /// The first 64 characters of it.
        text: String,
    },
    /// Ours by its beginning, but broken.
    #[snafu(display("commit metadata {text:?} is not op1:<epoch>:<partition>:<offset>:<checksum>"))]
    Malformed {
        /// The first 64 characters of it.
        text: String,
    },
}

/// Which state belongs to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommitPointer {
    /// `op1:none`: what was done before is not in any state.
    None,
    /// `op1:start`: the group begins here; nothing was done before.
    Start,
    /// `op1:<epoch>:<state partition>:<state offset>:<checksum>`.
    Snapshot {
        /// Epoch of the owner that wrote it.
        epoch: u64,
        /// Partition of the state topic.
        partition: i32,
        /// Offset of the snapshot's head record there.
        offset: i64,
        /// Checksum of the snapshot's bytes; 16 hexadecimal digits.
        checksum: u64,
    },
}

impl CommitPointer {
    /// Reads a commit's metadata.
    ///
    /// # Errors
    /// [`Error::Foreign`] when it is not ours, [`Error::Malformed`] when it begins like ours and goes on otherwise.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let excerpt = || text.chars().take(64).collect::<String>();
        let rest = text.strip_prefix("op1:").with_context(|| ForeignSnafu { text: excerpt() })?;
        match rest {
            "none" => return Ok(Self::None),
            "start" => return Ok(Self::Start),
            _ => {}
        }
        let pointer = parse_snapshot(rest).with_context(|| MalformedSnafu { text: excerpt() })?;
        ensure!(pointer.to_string() == text, MalformedSnafu { text: excerpt() });
        Ok(pointer)
    }
}

fn parse_snapshot(rest: &str) -> Option<CommitPointer> {
    let mut parts = rest.split(':');
    let epoch = parts.next()?.parse().ok()?;
    let partition = parts.next()?.parse().ok().filter(|partition| *partition >= 0)?;
    let offset = parts.next()?.parse().ok().filter(|offset| *offset >= 0)?;
    let checksum = u64::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().is_none().then_some(CommitPointer::Snapshot { epoch, partition, offset, checksum })
}

impl fmt::Display for CommitPointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("op1:none"),
            Self::Start => formatter.write_str("op1:start"),
            Self::Snapshot { epoch, partition, offset, checksum } => {
                write!(formatter, "op1:{epoch}:{partition}:{offset}:{checksum:016x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pointer() -> impl Strategy<Value = CommitPointer> {
        let snapshot = (any::<u64>(), 0..=i32::MAX, 0..=i64::MAX, any::<u64>()).prop_map(
            |(epoch, partition, offset, checksum)| CommitPointer::Snapshot { epoch, partition, offset, checksum },
        );
        prop_oneof![1 => Just(CommitPointer::None), 1 => Just(CommitPointer::Start), 8 => snapshot]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(pointer in pointer()) {
            prop_assert_eq!(CommitPointer::parse(&pointer.to_string()), Ok(pointer));
        }

        #[test]
        fn what_reads_is_written_so(text in "op1:[0-9a-f+:-]{0,40}|.{0,40}") {
            if let Ok(pointer) = CommitPointer::parse(&text) {
                prop_assert_eq!(pointer.to_string(), text);
            }
        }

        #[test]
        fn a_changed_character_never_reads_as_the_same_pointer(
            pointer in pointer(), place: prop::sample::Index, other in "[ -~]",
        ) {
            let mut text = pointer.to_string();
            let place = place.index(text.len());
            prop_assume!(text[place..=place] != other);
            text.replace_range(place..=place, &other);
            prop_assert_ne!(CommitPointer::parse(&text), Ok(pointer));
        }
    }

    #[test]
    fn the_text_is_about_sixty_characters() {
        let pointer = CommitPointer::Snapshot { epoch: 12, partition: 2, offset: 4711, checksum: 0xdc63_85e6 };
        assert_eq!(pointer.to_string(), "op1:12:2:4711:00000000dc6385e6");
        let (epoch, checksum) = (u64::MAX, u64::MAX);
        let longest = CommitPointer::Snapshot { epoch, partition: i32::MAX, offset: i64::MAX, checksum };
        assert_eq!(longest.to_string().len(), 72);
    }

    #[test]
    fn foreign_metadata_is_told_from_our_own_that_is_broken() {
        let excerpt = |text: &str| text.to_owned();
        for text in ["", "none", "OP1:none", "om1:AAAA", "op2:1:2:3:4"] {
            assert_eq!(CommitPointer::parse(text), Err(Error::Foreign { text: excerpt(text) }));
        }
        let (digits, partition) = ("0000000000000004", "op1:1:4294967296:3:0000000000000004");
        let broken = ["op1:", "op1:none ", "op1:1:2:3", "op1:1:2:3:4", "op1:01:2:3:0000000000000004", partition];
        for text in broken
            .map(str::to_owned)
            .into_iter()
            .chain([format!("op1:1:-2:3:{digits}"), format!("op1:1:2:3:{digits}:")])
        {
            assert_eq!(CommitPointer::parse(&text), Err(Error::Malformed { text }));
        }
    }
}
