//! Whether the files that the settings of security and registry name are there.
//!
//! Deliberately does not judge what is in them: TLS and the brokers do.

use std::fs::File;
use std::path::Path;

use schemas::prepare_outcome::{Finding, Reason};

use crate::config::{Registry, Security};

/// Opens each of them.
pub(super) fn look(security: &Security, registry: Option<&Registry>) -> Finding {
    let password = security.sasl.as_ref().map(|sasl| sasl.password_file.as_path());
    let registry_password = registry.and_then(|registry| registry.credentials.as_ref());
    let files = [
        ("--ca-file", security.ca_file.as_deref()),
        ("--certificate-file", security.certificate_file.as_deref()),
        ("--key-file", security.key_file.as_deref()),
        ("--sasl-password-file", password),
        ("--registry-password-file", registry_password.map(|(_, file)| file.as_path())),
        ("--registry-ca-file", registry.and_then(|registry| registry.ca_file.as_deref())),
    ];
    let missing: Vec<String> = files.into_iter().filter_map(|(flag, path)| unreadable(flag, path?)).collect();
    if missing.is_empty() { Finding::good() } else { Finding::bad(Reason::SecretKeyMissing, missing.join("; ")) }
}

fn unreadable(flag: &str, path: &Path) -> Option<String> {
    let error = File::open(path).err()?;
    Some(format!("cannot read {} ({flag}): {error}; is the secret there, and does it have this key?", path.display()))
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::config::{HttpUrl, Registration, Registry, Sasl, SaslMechanism, Security};
    use schemas::prepare_outcome::{Finding, Reason};

    #[test]
    fn every_missing_file_is_named_with_its_flag() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let present = folder.path().join("ca.crt");
        std::fs::write(&present, "").expect("a file");
        let sasl = Sasl {
            mechanism: SaslMechanism::Plain,
            username: "shop".to_owned(),
            password_file: folder.path().join("password"),
        };
        let security = Security { ca_file: Some(present), ..Security::default() };
        assert_eq!(look(&security, None), Finding::good());
        let key_file = Some(folder.path().join("tls.key"));
        let registry = Registry {
            url: HttpUrl::parse("http://registry").expect("a good address"),
            registration: Registration::Lookup,
            credentials: Some(("shop".to_owned(), folder.path().join("secret"))),
            ca_file: None,
        };
        let finding = look(&Security { key_file, sasl: Some(sasl), ..security }, Some(&registry));
        assert_eq!(finding.reason, Reason::SecretKeyMissing);
        let password = "password (--sasl-password-file): No such file";
        for part in ["tls.key (--key-file): No such file", password, "secret (--registry-password-file): No such"] {
            assert!(finding.message.contains(part), "{}", finding.message);
        }
        assert!(!finding.message.contains("ca.crt"), "{}", finding.message);
    }
}
