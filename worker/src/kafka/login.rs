//! The password of a running client: read from its file, and taken up again when the file changes.
//!
//! librdkafka proves who it is with each new connection (and when the broker asks again), so a password that is handed
//! over while it runs counts from then on; connections that stand go on. Deliberately keeps the last good password when
//! the file cannot be read: a secret that is being replaced is not there for a moment.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::time::Time;
use rdkafka::client::{Client, ClientContext};
use snafu::{ResultExt, Snafu, ensure};

use super::ffi;
use super::stamp::Stamp;
use crate::config::{Sasl, Security};
use crate::roles::chain;

/// How often [`Login::renew_at`] looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no password.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[snafu(display("cannot read the password of user {username} from {file}: check --sasl-password-file"))]
    Read {
        /// The user.
        username: String,
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[snafu(display("the password file {file} of user {username} is empty: put the password there"))]
    Empty {
        /// The user.
        username: String,
        /// The file.
        file: String,
    },
    /// librdkafka takes texts that end at the first NUL byte.
    #[snafu(display("the password in {file} of user {username} has a NUL byte: write it as plain text"))]
    Nul {
        /// The user.
        username: String,
        /// The file.
        file: String,
    },
}

/// A password; never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    /// What the file holds now, without a line end.
    pub(crate) fn read(sasl: &Sasl) -> Result<Self, Error> {
        let (username, path) = (&sasl.username, &sasl.password_file);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).context(ReadSnafu { username, file: &file })?;
        let password = text.trim_end_matches(['\r', '\n']);
        ensure!(!password.is_empty(), EmptySnafu { username, file });
        ensure!(!password.contains('\0'), NulSnafu { username, file });
        Ok(Self(password.to_owned()))
    }

    /// The password itself, for the client.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// Watches over the password of one client.
#[derive(Debug)]
pub(crate) struct Login {
    sasl: Option<Sasl>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    password: Option<Password>,
    look_at: Time,
}

impl Login {
    /// The login of a client that is made now.
    pub(crate) fn of(security: &Security) -> Self {
        let sasl = security.sasl.clone();
        // Looked at before the file is read: what changes in between is read twice, not missed.
        let stamp = sasl.as_ref().and_then(|sasl| Stamp::of(&sasl.password_file));
        let password = sasl.as_ref().and_then(|sasl| Password::read(sasl).ok());
        Self { sasl, known: Mutex::new(Known { stamp, password, look_at: Time::ZERO }) }
    }

    /// [`Self::renew`] once a second, for whoever comes by more often.
    pub(crate) fn renew_at<C: ClientContext>(&self, client: &Client<C>, now: Time) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sasl.is_some() && now >= known.look_at {
            known.look_at = now + LOOK_EVERY;
            drop(known);
            self.renew(client);
        }
    }

    /// Hands the client a password that changed. Cheap where nothing did: one look at the file's date.
    pub(crate) fn renew<C: ClientContext>(&self, client: &Client<C>) {
        if let Some((sasl, password)) = self.changed() {
            match ffi::set_credentials(client, &sasl.username, password.reveal()) {
                Ok(()) => tracing::info!(
                    target: "kafka",
                    "the password of user {} in {} has changed and is used from the next connection on",
                    sasl.username, sasl.password_file.display()
                ),
                Err(reason) => tracing::warn!(
                    target: "kafka", "a changed password of user {} is not taken up: {reason}", sasl.username
                ),
            }
        }
    }

    /// The new password, once for each change.
    fn changed(&self) -> Option<(&Sasl, Password)> {
        let sasl = self.sasl.as_ref()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(Path::new(&sasl.password_file));
        if stamp == known.stamp {
            return None;
        }
        known.stamp = stamp;
        match Password::read(sasl) {
            Ok(password) if known.password.as_ref() == Some(&password) => None,
            Ok(password) => {
                known.password = Some(password.clone());
                Some((sasl, password))
            }
            Err(error) => {
                tracing::warn!(target: "kafka", "{}; going on with the last one", chain(&error));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SaslMechanism;

    fn sasl(file: &Path) -> Sasl {
        Sasl { mechanism: SaslMechanism::Plain, username: "alice".to_owned(), password_file: file.to_owned() }
    }

    fn login(file: &Path) -> Login {
        Login::of(&Security { sasl: Some(sasl(file)), ..Security::default() })
    }

    fn taken(login: &Login) -> Option<String> {
        login.changed().map(|(_, password)| password.reveal().to_owned())
    }

    /// As the kubelet does it: a new file takes the place of the old one.
    fn replace(file: &Path, text: &str) {
        let new = file.with_extension("new");
        std::fs::write(&new, text).expect("a writable folder");
        std::fs::rename(new, file).expect("a writable folder");
    }

    #[test]
    fn a_changed_password_is_taken_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("password");
        replace(&file, "first\n");
        let login = login(&file);
        assert_eq!(taken(&login), None, "the client was made with it");
        replace(&file, "second\r\n");
        assert_eq!((taken(&login), taken(&login)), (Some("second".to_owned()), None));
        replace(&file, "second\n");
        assert_eq!(taken(&login), None, "a new file with the old password");
    }

    #[test]
    fn what_cannot_be_read_leaves_the_last_password() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("password");
        replace(&file, "first");
        let login = login(&file);
        std::fs::remove_file(&file).expect("it was there");
        assert_eq!(taken(&login), None);
        replace(&file, "\n");
        assert_eq!(taken(&login), None, "an empty file is no password");
        replace(&file, "second");
        assert_eq!(taken(&login), Some("second".to_owned()));
    }

    #[test]
    fn a_password_is_never_shown() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("password");
        replace(&file, "hush");
        let login = login(&file);
        assert!(!format!("{login:?}").contains("hush"));
    }

    #[test]
    fn each_thing_that_is_no_password_has_its_message() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("password");
        let told = || Password::read(&sasl(&file)).expect_err("it is none").to_string();
        assert!(told().contains("cannot read the password of user alice from"), "{}", told());
        replace(&file, "\n");
        assert!(told().ends_with("is empty: put the password there"), "{}", told());
        replace(&file, "a\0b");
        assert!(told().contains("NUL byte"), "{}", told());
    }
}
