//! Whether a file is still the one that was looked at: place, length and date of change.
//!
//! Deliberately not its content: that is read only when one of these differs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What changes when a file is replaced or written. A link is followed, so that a folder of a Kubernetes secret, which
/// is swapped behind a link, counts as changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds since 1970.
    changed: (i64, i64),
}

impl Stamp {
    /// The file's stamp now; `None` while it is not there or may not be seen.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let changed = (found.mtime(), found.mtime_nsec());
        Some(Self { device: found.dev(), inode: found.ino(), length: found.len(), changed })
    }
}
