//! librdkafka's words for a connection that does not come about, turned into one message that says what to mend.
//!
//! librdkafka knows its own settings, not our flags, and gives an OpenSSL error where a file has to be renewed. What is
//! not recognised is passed on as it is. Deliberately reads words and nothing else: it opens no file and no connection.

use std::path::Path;

use super::rights::principal;
use crate::config::{Kafka, Sasl};

/// Kinds of trouble on the way to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The name has no address.
    Name,
    /// TLS did not come about.
    Tls,
    /// The broker's certificate was refused by us; why is not in librdkafka's words.
    Certificate,
    /// Name or password was refused.
    Authentication,
    /// Nobody listens, or nobody answers.
    Silence,
}

/// A trouble, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Which.
    pub(crate) kind: Kind,
    /// What is wrong and what to do.
    pub(crate) words: String,
    /// It does not pass by itself: who can end should.
    pub(crate) is_lasting: bool,
}

impl Trouble {
    /// What `reason` means to whoever set `kafka`; without settings little is known of remedies. `has_expired` is asked
    /// of our own certificate when the broker refuses it: most do not say why.
    pub(crate) fn of(reason: &str, kafka: Option<&Kafka>, has_expired: impl Fn(&Path) -> bool) -> Self {
        let reason = subject(reason);
        let says = |part: &str| reason.contains(part);
        let Some(kafka) = kafka else { return Self::passing(Kind::Silence, reason.to_owned()) };
        let address = address(reason).unwrap_or(&kafka.bootstrap_servers);
        if says("Failed to resolve") {
            return Self::passing(Kind::Name, reason.to_owned());
        }
        if let (Some(sasl), Some((_, offered))) =
            (&kafka.security.sasl, reason.split_once("broker's supported mechanisms: "))
        {
            return Self::lasting(Kind::Authentication, wrong_mechanism(address, sasl, offered));
        }
        if let (Some(sasl), true) = (&kafka.security.sasl, says("SASL authentication") && says("uthentication failed"))
        {
            return Self::lasting(Kind::Authentication, wrong_password(address, sasl));
        }
        if let Some(words) = refused_certificate(address, kafka, reason, has_expired) {
            return Self::lasting(Kind::Tls, words);
        }
        if says("certificate verify failed") {
            let words = format!("the certificate of Kafka at {address} cannot be trusted: check --ca-file");
            return Self::passing(Kind::Certificate, words);
        }
        if says("wrong version number") || says("connecting to a PLAINTEXT broker") || says("packet length too long") {
            let words = format!("Kafka at {address} does not speak TLS: check the port, and --security-protocol");
            return Self::lasting(Kind::Tls, words);
        }
        if says("Failed to acquire idempotence PID") && says("authorization failed") {
            return Self::passing(Kind::Authentication, no_writer(address, kafka));
        }
        if says("connecting to a SSL listener") || says("might require SASL authentication") {
            let words = format!(
                "Kafka at {address} closed the connection before it said a word: it is starting, or this port wants TLS or \
                 a password (check --security-protocol)"
            );
            return Self::passing(Kind::Silence, words);
        }
        let kind = match () {
            () if says("SASL") => Kind::Authentication,
            () if says("SSL") || says("ssl://") => Kind::Tls,
            () => Kind::Silence,
        };
        Self::passing(kind, reason.to_owned())
    }

    fn passing(kind: Kind, words: String) -> Self {
        Self { kind, words, is_lasting: false }
    }

    fn lasting(kind: Kind, words: String) -> Self {
        Self { kind, words, is_lasting: true }
    }
}

/// A line without what changes at each repetition: librdkafka adds `(after 3ms in state CONNECT, 4 identical …)`.
pub(crate) fn subject(line: &str) -> &str {
    line.split(" (after ").next().unwrap_or(line)
}

/// The broker's address in `sasl_ssl://kafka:9092/bootstrap: …` or `GroupCoordinator: kafka:9092: …`.
fn address(reason: &str) -> Option<&str> {
    let is_address = |part: &&str| part.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let named = reason.split_once("://").map(|(_, rest)| rest);
    let named = named.and_then(|rest| rest.split(['/', ' ']).next()).map(|part| part.trim_end_matches(':'));
    named.filter(is_address).or_else(|| reason.split(": ").find(is_address))
}

fn wrong_password(address: &str, Sasl { mechanism, username, password_file }: &Sasl) -> String {
    format!(
        "Kafka at {address} refuses user {username} with the password in {} ({}): put the right one into the file, or \
         check --sasl-username and --sasl-mechanism; the file is read again while this runs",
        password_file.display(),
        mechanism.client_name()
    )
}

fn wrong_mechanism(address: &str, sasl: &Sasl, offered: &str) -> String {
    let offered = if offered.is_empty() { "none" } else { offered };
    format!(
        "Kafka at {address} does not take {}, only {offered}: set --sasl-mechanism, or check the port",
        sasl.mechanism.client_name()
    )
}

/// An idempotent producer asks for an id first, which brokers refuse to who may write to no topic at all.
fn no_writer(address: &str, kafka: &Kafka) -> String {
    let principal = principal(&kafka.security);
    format!(
        "Kafka at {address} allows {principal} to write to no topic: it needs the operation Write on each that it writes to"
    )
}

/// The broker's TLS alert about the client's certificate (RFC 8446, section 6.2).
fn refused_certificate(
    address: &str,
    kafka: &Kafka,
    reason: &str,
    has_expired: impl Fn(&Path) -> bool,
) -> Option<String> {
    const EXPIRED: &str = "alert certificate expired";
    const OTHERS: [&str; 7] = [
        "alert bad certificate",
        "alert unsupported certificate",
        "alert certificate revoked",
        "alert certificate unknown",
        "alert unknown ca",
        "alert certificate required",
        "alert handshake failure",
    ];
    let reason =
        reason.replace("tlsv13 alert", "alert").replace("tlsv1 alert", "alert").replace("sslv3 alert", "alert");
    let is_expired = reason.contains(EXPIRED);
    if !is_expired && !OTHERS.iter().any(|alert| reason.contains(alert)) {
        return None;
    }
    Some(match &kafka.security.certificate_file {
        Some(file) if is_expired || has_expired(file) => format!(
            "Kafka at {address} refuses the certificate in {}: it has expired; put a new one there, it is taken up while \
             this runs",
            file.display()
        ),
        Some(file) => format!(
            "Kafka at {address} refuses the certificate in {}: it trusts no authority that signed it, or it is not for \
             clients; put another one there",
            file.display()
        ),
        None => format!("Kafka at {address} asks for a certificate: give --certificate-file and --key-file"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::{plain, with_password};

    fn told(reason: &str, kafka: &Kafka) -> Trouble {
        Trouble::of(reason, Some(kafka), |_| false)
    }

    #[test]
    fn a_refused_password_names_the_user_the_file_and_the_broker() {
        let kafka = with_password("alice", "/etc/password");
        let reason = "sasl_plaintext://10.0.0.7:9093/bootstrap: SASL authentication error: Authentication failed during \
                      authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 9ms in state AUTH_REQ)";
        let trouble = told(reason, &kafka);
        assert_eq!((trouble.kind, trouble.is_lasting), (Kind::Authentication, true));
        let expected = "Kafka at 10.0.0.7:9093 refuses user alice with the password in /etc/password (SCRAM-SHA-512): ";
        assert!(trouble.words.starts_with(expected), "{}", trouble.words);
    }

    #[test]
    fn an_authentication_that_broke_off_may_pass() {
        let reason =
            "sasl_plaintext://k:9093/1: SASL authentication error: SaslAuthenticateRequest failed: Local: Timed out";
        assert!(!told(reason, &with_password("alice", "/etc/password")).is_lasting);
    }

    #[test]
    fn a_mechanism_that_is_not_offered_is_named_with_those_that_are() {
        let reason = "GroupCoordinator: kafka:9093: SASL SCRAM-SHA-512 mechanism handshake failed: Broker: Unsupported SASL \
                      mechanism: broker's supported mechanisms: PLAIN (after 2ms in state AUTH_HANDSHAKE)";
        let words = told(reason, &with_password("alice", "/etc/password")).words;
        assert_eq!(
            words,
            "Kafka at kafka:9093 does not take SCRAM-SHA-512, only PLAIN: set --sasl-mechanism, or check the port"
        );
    }

    #[test]
    fn a_certificate_that_the_broker_refuses_is_named_with_the_reason() {
        let reason = |alert: &str| {
            format!(
                "ssl://kafka:9094/1: Receive failed: error:0A000415:SSL routines::{alert}:ssl/record/rec_layer_s3.c:907:"
            )
        };
        let mut kafka = plain("kafka:9094");
        let words = told(&reason("tlsv13 alert certificate required"), &kafka).words;
        assert_eq!(words, "Kafka at kafka:9094 asks for a certificate: give --certificate-file and --key-file");
        kafka.security.certificate_file = Some("/tls/user.crt".into());
        let words = told(&reason("ssl/tls alert certificate expired"), &kafka).words;
        assert!(
            words.starts_with("Kafka at kafka:9094 refuses the certificate in /tls/user.crt: it has expired"),
            "{words}"
        );
        let unknown = reason("sslv3 alert certificate unknown");
        let words = told(&unknown, &kafka).words;
        assert!(words.contains("it trusts no authority that signed it"), "{words}");
        let words = Trouble::of(&unknown, Some(&kafka), |file| file == Path::new("/tls/user.crt")).words;
        assert!(words.contains("it has expired"), "{words}");
    }

    #[test]
    fn a_port_that_speaks_something_else_is_told() {
        let kafka = plain("kafka:9092");
        let tls =
            "ssl://kafka:9092/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong version number:";
        assert_eq!(told(tls, &kafka).kind, Kind::Tls);
        let plain = "kafka:9094/bootstrap: Disconnected: requesting ApiVersion: might be caused by incorrect \
                     security.protocol configuration (connecting to a SSL listener?) or broker version is < 0.10";
        let trouble = told(plain, &kafka);
        assert_eq!((trouble.kind, trouble.is_lasting), (Kind::Silence, false), "a broker that starts says the same");
    }

    #[test]
    fn what_is_not_recognised_is_passed_on_without_what_changes() {
        let reason = "kafka:9092/bootstrap: Connect to ipv4#10.0.0.7:9092 failed: Connection refused (after 0ms in state CONNECT)";
        let expected = "kafka:9092/bootstrap: Connect to ipv4#10.0.0.7:9092 failed: Connection refused";
        assert_eq!(told(reason, &plain("kafka:9092")).words, expected);
        assert_eq!(Trouble::of(reason, None, |_| false).words, expected);
    }
}
