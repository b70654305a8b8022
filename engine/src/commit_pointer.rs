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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPointer {
    /// `op1:none`: no durable state.
    None,
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
        if rest == "none" {
            return Ok(Self::None);
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
            Self::Snapshot { epoch, partition, offset, checksum } => {
                write!(formatter, "op1:{epoch}:{partition}:{offset}:{checksum:016x}")
            }
        }
    }
}
