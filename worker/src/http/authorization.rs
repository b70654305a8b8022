//! What proves who we are: the `Authorization` header, made anew for each request because its file may change.
//!
//! Deliberately keeps no secret: it is read, sent and forgotten, and marked so that no log shows it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use snafu::{OptionExt, ResultExt, Snafu};

/// A file with a secret cannot be used.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub(crate) enum UnreadableSecret {
    /// It cannot be read.
    #[snafu(display("cannot read {} that {flag} names; check the path and its permissions", path.display()))]
    ReadSecret {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// What it holds cannot be sent in a header.
    #[snafu(display("{} that {flag} names holds no secret on a single line of text", path.display()))]
    Unsendable {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    /// RFC 7617: a name, and the file of its password.
    Basic {
        /// The name.
        username: String,
        /// The file.
        password_file: PathBuf,
        /// The flag that names the file.
        flag: &'static str,
    },
}

impl Authorization {
    /// The header's value as of now.
    ///
    /// # Errors
    /// When the file is not there, or holds what no header can carry.
    pub(crate) fn header(&self) -> Result<HeaderValue, UnreadableSecret> {
        match self {
            Authorization::Basic { username, password_file, flag } => {
                let password = secret(password_file, flag)?;
                let text = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
                sensitive(&text, password_file, flag)
            }
        }
    }
}

/// The file's text without the line end that editors leave.
///
/// # Errors
/// When it cannot be read, is empty, or has several lines.
pub(crate) fn secret(path: &Path, flag: &'static str) -> Result<String, UnreadableSecret> {
    let text = std::fs::read_to_string(path).context(ReadSecretSnafu { flag, path })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty() && !text.contains(['\n', '\r'])).then(|| text.to_owned()).context(UnsendableSnafu { flag, path })
}

fn sensitive(text: &str, path: &Path, flag: &'static str) -> Result<HeaderValue, UnreadableSecret> {
    let mut value = HeaderValue::from_str(text).ok().context(UnsendableSnafu { flag, path })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::Authorization;

    fn header(content: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, content).expect("a file");
        let username = "Aladdin".to_owned();
        let basic = Authorization::Basic { username, password_file, flag: "--registry-password-file" };
        let value = basic.header().map_err(|error| error.to_string())?;
        assert!(value.is_sensitive());
        Ok(value.to_str().expect("it is text").to_owned())
    }

    #[test]
    fn name_and_password_are_sent_as_rfc_7617_says() {
        assert_eq!(header("open sesame").as_deref(), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(header("open sesame\r\n"), header("open sesame"));
    }

    #[test]
    fn a_file_without_a_secret_is_named_with_its_flag() {
        for content in ["", "\n", "one\ntwo"] {
            let error = header(content).expect_err("there is no secret in it");
            assert!(error.contains("password that --registry-password-file names holds no secret"), "{error}");
        }
    }
}
