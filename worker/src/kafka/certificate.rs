//! Why a broker's certificate is refused: librdkafka says only that it was, so a client is made that looks closer.
//!
//! It connects once more, hears what OpenSSL holds against each certificate, and is gone. It lets nothing through that
//! the other clients refuse. Deliberately asked only after a refusal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;

use super::client;
use super::ffi;
use super::trouble::{Kind, Trouble};
use crate::config::Kafka;

/// One look at what was seen.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After so many looks the broker is gone, or has another certificate by now.
const LOOKS: u32 = 25;

/// OpenSSL's codes, from `openssl/x509_vfy.h`: they are part of its interface and never change.
mod code {
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    /// No issuer, self-signed, self-signed in the chain, no issuer here, a chain that ends too early.
    pub(super) const UNKNOWN_AUTHORITY: [i32; 5] = [2, 18, 19, 20, 21];
    pub(super) const REVOKED: i32 = 23;
    /// Host name, and IP address.
    pub(super) const OTHER_NAME: [i32; 2] = [62, 64];
}

/// What OpenSSL holds against a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The broker: `host:port`.
    pub(crate) address: String,
    /// OpenSSL's code.
    pub(crate) code: i32,
    /// 0 = the broker's own certificate, 1 = of the authority that signed it, and so on.
    pub(crate) depth: i32,
}

/// Keeps what is held against certificates. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inspector {
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl Inspector {
    /// Something is held against a certificate.
    pub(super) fn note(&self, fault: Fault) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    fn first(&self) -> Option<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

impl ClientContext for Inspector {}

/// Connects to the brokers and tells what is wrong with their certificates; `None` when nothing was seen.
pub(crate) fn diagnose(kafka: &Kafka) -> Option<Trouble> {
    let mut config = client::base(kafka, "certificate").ok()?;
    client::override_with(&mut config, kafka);
    let inspector = Inspector::default();
    let client = ffi::inspecting_client(&config, inspector.clone()).ok()?;
    for _ in 0..LOOKS {
        // What it answers does not matter: it is asked so that the client connects.
        let is_answered = client.fetch_metadata(None, LOOK_EVERY).is_ok();
        if let Some(fault) = inspector.first() {
            return Some(Trouble { kind: Kind::Certificate, words: words(&fault, kafka), is_lasting: true });
        }
        if is_answered {
            return None;
        }
    }
    None
}

fn words(fault: &Fault, kafka: &Kafka) -> String {
    let Fault { address, code, depth } = fault;
    let whose = match depth {
        0 => format!("the certificate of Kafka at {address}"),
        _ => format!("the certificate of an authority behind Kafka at {address}"),
    };
    match *code {
        code::HAS_EXPIRED => format!("{whose} has expired: renew it at the broker"),
        code::NOT_YET_VALID => format!("{whose} is not valid yet: check the clocks of broker and worker"),
        code::REVOKED => format!("{whose} is revoked: renew it at the broker"),
        other if code::OTHER_NAME.contains(&other) => {
            format!(
                "{whose} is for another name: use a name that is in it in --bootstrap-servers, or have it made anew"
            )
        }
        other if code::UNKNOWN_AUTHORITY.contains(&other) => match &kafka.security.ca_file {
            Some(file) => format!(
                "{whose} is signed by no authority in {}: put the certificate of the right authority there",
                file.display()
            ),
            None => format!("{whose} is signed by no authority that this system trusts: name it with --ca-file"),
        },
        other => format!("{whose} cannot be verified (OpenSSL's X.509 error {other}): check it with openssl s_client"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::plain;

    #[test]
    fn each_fault_has_words_of_its_own() {
        let mut kafka = plain("kafka:9094");
        let told = |code, depth, kafka: &Kafka| words(&Fault { address: "kafka:9094".to_owned(), code, depth }, kafka);
        let whose = "the certificate of Kafka at kafka:9094";
        assert_eq!(told(10, 0, &kafka), format!("{whose} has expired: renew it at the broker"));
        assert!(
            told(10, 1, &kafka).starts_with("the certificate of an authority behind Kafka at kafka:9094 has expired")
        );
        assert!(told(62, 0, &kafka).starts_with(&format!("{whose} is for another name")));
        assert!(told(20, 0, &kafka).ends_with("name it with --ca-file"));
        kafka.security.ca_file = Some("/tls/ca.crt".into());
        assert!(told(19, 1, &kafka).contains("is signed by no authority in /tls/ca.crt"));
        assert!(told(7, 0, &kafka).contains("X.509 error 7"));
    }
}
