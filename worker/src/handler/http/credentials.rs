//! What proves to the service who we are: a file with `user:password` or a bearer token, looked at again while we run.
//!
//! What a file holds is told by its look: a line with a colon is a user name and a password (RFC 7617), any other a
//! bearer token (RFC 6750), which has no colon; a line that begins with `Basic ` or `Bearer ` is sent as it is.
//! Deliberately no other scheme. A file that becomes unreadable changes nothing: what it held last is used on.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::time::Time;
use http::HeaderValue;
use snafu::OptionExt;

use crate::http::{UnreadableSecret, UnsendableSnafu, secret};
use crate::roles::chain;

/// The flag that names the file.
const FLAG: &str = "--http-auth-file";

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Below this, a text that happens to be in an answer is not taken for the secret.
const SHORTEST_SECRET: usize = 4;

/// The header's value, and when it was read from which state of the file.
pub(super) struct Credentials {
    path: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    header: HeaderValue,
    /// What must not be shown, each by itself.
    secrets: Vec<String>,
    stamp: Option<Stamp>,
    looked_at: Time,
}

/// What changes when a file is written or replaced: device, inode, size, modification time in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl Credentials {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it cannot be read or holds nothing that can be sent.
    pub(super) fn read(path: &Path, now: Time) -> Result<Self, UnreadableSecret> {
        let stamp = stamp(path);
        let (header, secrets) = parse(&secret(path, FLAG)?, path)?;
        let known = Known { header, secrets, stamp, looked_at: now };
        Ok(Self { path: path.to_owned(), known: Mutex::new(known) })
    }

    /// What to send, as of a second ago at most.
    pub(super) fn header(&self, now: Time) -> HeaderValue {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(known.looked_at) >= LOOK_EVERY {
            self.look(&mut known, now);
        }
        known.header.clone()
    }

    /// What to send in place of `refused`, if the file holds something else by now.
    pub(super) fn instead_of(&self, refused: &HeaderValue, now: Time) -> Option<HeaderValue> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.look(&mut known, now);
        Some(known.header.clone()).filter(|header| header != refused)
    }

    /// The text with what must not be shown crossed out.
    pub(super) fn cross_out(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let secrets = known.secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// Reads the file again if it changed.
    fn look(&self, known: &mut Known, now: Time) {
        known.looked_at = now;
        let stamp = stamp(&self.path);
        if stamp == known.stamp {
            return;
        }
        known.stamp = stamp;
        match secret(&self.path, FLAG).and_then(|text| parse(&text, &self.path)) {
            Ok((header, secrets)) => {
                if header != known.header {
                    tracing::info!(target: "orders", "{FLAG} has changed: calling the service with what it holds now");
                }
                (known.header, known.secrets) = (header, secrets);
            }
            Err(error) => {
                tracing::warn!(target: "orders", "{}; going on with what it held before", chain(&error));
            }
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |file: Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
    std::fs::metadata(path).ok().map(of)
}

/// The header's value, and what of it must not be shown.
fn parse(text: &str, path: &Path) -> Result<(HeaderValue, Vec<String>), UnreadableSecret> {
    let scheme = text.split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let (value, mut secrets) = match scheme.as_deref() {
        Some("basic" | "bearer") => (text.to_owned(), Vec::new()),
        _ => match text.split_once(':') {
            Some((_, password)) => (format!("Basic {}", STANDARD.encode(text)), vec![password.to_owned()]),
            None => (format!("Bearer {text}"), Vec::new()),
        },
    };
    secrets.extend(value.split_once(' ').map(|(_, secret)| secret.to_owned()));
    let mut header = HeaderValue::try_from(value).ok().context(UnsendableSnafu { flag: FLAG, path })?;
    header.set_sensitive(true);
    Ok((header, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("auth");
        std::fs::write(&path, content).expect("a writable folder");
        (folder, path)
    }

    fn header(content: &str) -> String {
        let (_folder, path) = file(content);
        let credentials = Credentials::read(&path, Time::ZERO).expect("good credentials");
        let header = credentials.header(Time::ZERO);
        assert!(header.is_sensitive());
        header.to_str().expect("it is text").to_owned()
    }

    #[test]
    fn the_look_of_the_line_tells_password_and_token_apart() {
        assert_eq!(header("Aladdin:open sesame\n"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(header("mF_9.B5f-4.1JqM\r\n"), "Bearer mF_9.B5f-4.1JqM");
        assert_eq!(header("Bearer a:b"), "Bearer a:b");
        assert_eq!(header("basic QQ=="), "basic QQ==");
    }

    #[test]
    fn a_file_that_holds_nothing_to_send_is_named_and_not_repeated() {
        for content in ["", "one\ntwo", "tok\u{7}en"] {
            let (_folder, path) = file(content);
            let error = Credentials::read(&path, Time::ZERO).err().expect("nothing to send").to_string();
            assert!(error.contains("auth that --http-auth-file names") && !error.contains("one"), "{error}");
        }
    }

    #[test]
    fn a_changed_file_is_taken_up_within_a_second_and_at_once_after_a_refusal() {
        let (_folder, path) = file("first");
        let credentials = Credentials::read(&path, Time::ZERO).expect("good credentials");
        let first = credentials.header(Time::ZERO);
        assert_eq!(credentials.instead_of(&first, Time::ZERO), None, "nothing else to try");
        std::fs::write(&path, "second!").expect("a writable file");
        assert_eq!(credentials.header(Time(SECOND - 1)), "Bearer first");
        assert_eq!(credentials.header(Time(SECOND)), "Bearer second!");
        std::fs::write(&path, "number three").expect("a writable file");
        let third = credentials.instead_of(&HeaderValue::from_static("Bearer second!"), Time(SECOND));
        assert_eq!(third.expect("it changed"), "Bearer number three");
    }

    #[test]
    fn a_file_that_is_gone_for_a_while_changes_nothing() {
        let (_folder, path) = file("first");
        let credentials = Credentials::read(&path, Time::ZERO).expect("good credentials");
        std::fs::remove_file(&path).expect("it is there");
        assert_eq!(credentials.header(Time(SECOND)), "Bearer first");
        std::fs::write(&path, "second").expect("a writable folder");
        assert_eq!(credentials.header(Time(2 * SECOND)), "Bearer second");
    }

    #[test]
    fn an_echo_of_what_was_sent_is_crossed_out() {
        let (_folder, path) = file("shop:s3cret-word");
        let credentials = Credentials::read(&path, Time::ZERO).expect("good credentials");
        let echo = format!("no such user: {}, s3cret-word", STANDARD.encode("shop:s3cret-word"));
        assert_eq!(credentials.cross_out(&echo), "no such user: ***, ***");
    }
}
