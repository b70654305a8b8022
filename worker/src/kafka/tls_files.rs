//! The files of a TLS connection: looked at before a client is made of them, and watched while it runs.
//!
//! librdkafka reads them once, when a client is made, and answers with OpenSSL's words when it cannot use them. Here
//! each mistake has a message that names the file and the flag. Deliberately no judgement of what certificates say: that
//! is TLS's, and the broker's.

use std::fs;
use std::path::{Path, PathBuf};

use snafu::{ResultExt, Snafu, ensure};

use super::stamp::Stamp;
use crate::config::Security;

/// Why no client can be made of the files.
#[derive(Debug, Snafu)]
pub(crate) enum Error {
    /// It cannot be read.
    #[snafu(display("cannot read {what} from {}: check {flag}", path.display()))]
    Read {
        /// What it should hold.
        what: &'static str,
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds something else.
    #[snafu(display("{} holds no {what} in PEM (no line `-----BEGIN {label}-----`): check {flag}", path.display()))]
    NotPem {
        /// What it should hold.
        what: &'static str,
        /// How such a thing begins.
        label: &'static str,
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Nobody is there to type the passphrase.
    #[snafu(display("the key in {} has a passphrase: give it without one (openssl pkey -in … -out …)", path.display()))]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[snafu(display(
        "the key in {} and the certificate in {} do not belong together: put a pair there",
        key.display(), certificate.display()
    ))]
    NoPair {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// It looks like what it should be, and OpenSSL cannot read it.
    #[snafu(display("{} is damaged: check {flag} ({reason})", path.display()))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The flag that names it.
        flag: &'static str,
        /// OpenSSL's word.
        reason: String,
    },
    /// This program was built without TLS.
    #[snafu(display(
        "this worker was built without TLS and SCRAM: build it with its default features, or use --security-protocol \
         plaintext, or sasl-plaintext with --sasl-mechanism plain"
    ))]
    NotBuilt,
}

const CERTIFICATE: &str = "CERTIFICATE";
const KEY: &str = "PRIVATE KEY";

/// Looks at the files that `security` names.
///
/// # Errors
/// The first that cannot be used.
pub(crate) fn check(security: &Security) -> Result<(), Error> {
    let authorities = security.ca_file.as_deref();
    let files = [
        ("certificates of authorities", CERTIFICATE, "--ca-file", authorities),
        ("certificate", CERTIFICATE, "--certificate-file", security.certificate_file.as_deref()),
        ("private key", KEY, "--key-file", security.key_file.as_deref()),
    ];
    for (what, label, flag, path) in files {
        let Some(path) = path else { continue };
        let bytes = fs::read(path).context(ReadSnafu { what, flag, path })?;
        let text = String::from_utf8_lossy(&bytes);
        ensure!(has_block(&text, label), NotPemSnafu { what, label, flag, path });
        ensure!(label != KEY || !is_encrypted(&text), EncryptedSnafu { path });
    }
    Ok(())
}

/// What librdkafka's refusal to make a client says of the files; `None` when it is about something else.
pub(crate) fn refused(reason: &str, security: &Security) -> Option<Error> {
    let Security { ca_file, certificate_file, key_file, .. } = security;
    if let (Some(key), Some(certificate), true) = (key_file, certificate_file, is_no_pair(reason)) {
        return Some(NoPairSnafu { key, certificate }.build());
    }
    let files = [
        ("ssl.ca.location failed", "--ca-file", ca_file),
        ("ssl.certificate.location failed", "--certificate-file", certificate_file),
        ("ssl.key.location failed", "--key-file", key_file),
    ];
    let blamed = files.into_iter().find(|(words, ..)| reason.contains(words));
    let (_, flag, path) = blamed?;
    path.as_ref().map(|path| DamagedSnafu { path, flag, reason }.build())
}

fn is_no_pair(reason: &str) -> bool {
    reason.contains("key values mismatch") || reason.contains("Private key check failed")
}

/// Whether a PEM block of this label begins in `text`; `RSA PRIVATE KEY` is a `PRIVATE KEY`.
fn has_block(text: &str, label: &str) -> bool {
    let mut begun = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    begun.any(|found| found.ends_with(label))
}

fn is_encrypted(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// Tells when the files change under a running client.
#[derive(Debug)]
pub(crate) struct TlsFiles {
    files: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    stamp: Option<Stamp>,
    content: Option<Vec<u8>>,
}

impl TlsFiles {
    /// The files as they are now: look before the client is made.
    pub(crate) fn of(security: &Security) -> Self {
        let paths = [&security.ca_file, &security.certificate_file, &security.key_file];
        Self { files: paths.into_iter().flatten().map(|path| Watched::new(path)).collect() }
    }

    /// Whether what they hold has changed since the last call that said so. Cheap where nothing did.
    pub(crate) fn have_changed(&mut self) -> bool {
        // Each has to be looked at, so that a change of several is told once.
        self.files.iter_mut().filter_map(|file| file.has_changed().then_some(())).count() > 0
    }
}

impl Watched {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: Stamp::of(path), content: fs::read(path).ok() }
    }

    fn has_changed(&mut self) -> bool {
        let stamp = Stamp::of(&self.path);
        if stamp == self.stamp {
            return false;
        }
        self.stamp = stamp;
        // A file that is being replaced is not there for a moment; that is no change.
        let Ok(content) = fs::read(&self.path) else { return false };
        let is_new = self.content.as_ref() != Some(&content);
        self.content = Some(content);
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const KEY_PEM: &str = "-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary folder"))
        }

        fn put(&self, name: &str, text: &str) -> PathBuf {
            let (path, new) = (self.0.path().join(name), self.0.path().join("new"));
            fs::write(&new, text).expect("a writable folder");
            fs::rename(new, &path).expect("a writable folder");
            path
        }
    }

    fn security(ca: PathBuf, certificate: PathBuf, key: PathBuf) -> Security {
        Security { ca_file: Some(ca), certificate_file: Some(certificate), key_file: Some(key), ..Security::default() }
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_flag() {
        let folder = Folder::new();
        let (ca, certificate) = (folder.put("ca.crt", CERTIFICATE_PEM), folder.put("user.crt", CERTIFICATE_PEM));
        let key = folder.put("user.key", KEY_PEM);
        let good = security(ca.clone(), certificate.clone(), key.clone());
        check(&good).expect("they look like what they should be");
        let told = |security: &Security| check(security).expect_err("one is wrong").to_string();

        let missing = Security { ca_file: Some("/no/such/ca.crt".into()), ..good.clone() };
        assert_eq!(told(&missing), "cannot read certificates of authorities from /no/such/ca.crt: check --ca-file");
        let swapped = security(ca.clone(), key.clone(), certificate);
        assert!(told(&swapped).contains("user.key holds no certificate in PEM"), "{}", told(&swapped));
        assert!(told(&swapped).ends_with("check --certificate-file"), "{}", told(&swapped));
        folder.put("user.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n");
        assert!(told(&good).contains("user.key has a passphrase"), "{}", told(&good));
        folder.put("user.key", "\0\u{1}binary");
        assert!(told(&good).contains("user.key holds no private key in PEM"), "{}", told(&good));
    }

    #[test]
    fn a_change_is_told_once_and_a_new_file_with_the_old_content_is_none() {
        let folder = Folder::new();
        let path = folder.put("user.crt", "one");
        let mut files = TlsFiles::of(&Security { certificate_file: Some(path.clone()), ..Security::default() });
        assert!(!files.have_changed());
        folder.put("user.crt", "one");
        assert!(!files.have_changed(), "nothing new");
        folder.put("user.crt", "two");
        assert!(files.have_changed());
        assert!(!files.have_changed());
        fs::remove_file(path).expect("it was there");
        assert!(!files.have_changed(), "gone for a moment");
        folder.put("user.crt", "three");
        assert!(files.have_changed());
    }
}
