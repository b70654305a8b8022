//! What our own certificate says of itself: whose it is, and until when.
//!
//! Only to tell a person; whether it is good is judged by the brokers. Deliberately no look at keys and signatures.

use std::fs;
use std::path::Path;
use std::time::Duration;

use x509_cert::Certificate;
use x509_cert::der::DecodePem;

/// The first certificate of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnCertificate {
    /// Its subject as RFC 4514 writes it, which is what brokers call the user: `CN=worker`.
    pub(crate) subject: String,
    /// Its last moment, since 1970.
    pub(crate) expires: Duration,
}

impl OwnCertificate {
    /// Reads a PEM file; `None` when there is no certificate in it that can be read.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        Self::of(&fs::read_to_string(file).ok()?)
    }

    fn of(text: &str) -> Option<Self> {
        let begin = text.find("-----BEGIN CERTIFICATE-----")?;
        let end = text.find("-----END CERTIFICATE-----")? + "-----END CERTIFICATE-----".len();
        let certificate = Certificate::from_pem(text.get(begin..end)?).ok()?;
        let certificate = certificate.tbs_certificate();
        let expires = certificate.validity().not_after.to_unix_duration();
        Some(Self { subject: certificate.subject().to_string(), expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl req -x509 -newkey ec -nodes -subj /O=Shop/CN=worker -days 1`.
    const PEM: &str = include_str!("own_certificate.pem");

    #[test]
    fn a_certificate_tells_whose_it_is_and_until_when() {
        let told = OwnCertificate::of(PEM).expect("a certificate");
        assert_eq!(
            told,
            OwnCertificate { subject: "CN=worker,O=Shop".to_owned(), expires: Duration::from_secs(1795373064) }
        );
        let with_words_before = format!("subject: worker\n{PEM}and behind");
        assert_eq!(OwnCertificate::of(&with_words_before), Some(told));
    }

    #[test]
    fn what_is_no_certificate_tells_nothing() {
        let damaged = PEM.replace("MII", "AAA");
        for text in
            ["", "-----BEGIN CERTIFICATE-----", &damaged, "-----END CERTIFICATE----- -----BEGIN CERTIFICATE-----"]
        {
            assert_eq!(OwnCertificate::of(text), None, "{text}");
        }
    }
}
