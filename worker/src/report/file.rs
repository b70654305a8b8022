//! The report's way into its file: whole or not at all.
//!
//! A reader never meets half a report: it is written beside its place and renamed. What is no plain file (a pipe,
//! `/dev/stdout`) is written in place, and never replaced. Deliberately ignorant of what is in the report.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use snafu::{ResultExt, Snafu};

/// Readable by all whom the umask lets, as any file that is simply written.
const MODE: u32 = 0o666;

/// Why there is no report.
#[derive(Debug, Snafu)]
pub enum Error {
    /// The figures are no JSON.
    #[snafu(display("cannot turn the report into JSON"))]
    Encode {
        /// The reason.
        source: serde_json::Error,
    },
    /// The folder takes no file: missing, read-only, full.
    #[snafu(display("cannot write the report {}; choose another place with --report FILE", path.display()))]
    Write {
        /// Where the report was to be.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Writes `report` as JSON to `path`, replacing what was there.
///
/// # Errors
/// [`Error::Write`] when the disk is full, the folder missing or not writable; what was at `path` is then untouched,
/// unless it is no plain file.
pub fn write(path: &Path, report: &impl Serialize) -> Result<(), Error> {
    let mut json = serde_json::to_vec_pretty(report).context(EncodeSnafu)?;
    json.push(b'\n');
    // A link is followed: the file behind it is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(found) if !found.is_file() => write_in_place(&target, &json),
        Ok(_) | Err(_) => replace(&target, &json),
    }
    .context(WriteSnafu { path })
}

fn write_in_place(target: &Path, json: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(target)?;
    file.write_all(json)?;
    file.flush()
}

fn replace(target: &Path, json: &[u8]) -> io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().prefix(".report-").permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
    file.write_all(json)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::fs;

    #[test]
    fn a_report_replaces_its_predecessor_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("report.json");
        fs::write(&path, "older and longer than what comes").expect("a file");
        write(&path, &[1, 2]).expect("the folder takes files");
        assert_eq!(fs::read_to_string(&path).expect("the report"), "[\n  1,\n  2\n]\n");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&file, "").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        write(&link, &[1]).expect("the folder takes files");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("the report"), "[\n  1\n]\n");
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write("/no/such/folder/report.json".as_ref(), &[1]).expect_err("there is no folder");
        let expected = "cannot write the report /no/such/folder/report.json; choose another place with --report FILE";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_full_disk_is_an_error_and_a_device_stays_a_device() {
        use std::os::unix::fs::FileTypeExt;
        let error = write("/dev/full".as_ref(), &[1]).expect_err("the device is always full");
        assert!(
            std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("space")),
            "{error}"
        );
        assert!(fs::metadata("/dev/full").expect("the device").file_type().is_char_device());
    }
}
