//! A right that is missing, in words that say how to give it.
//!
//! Source of the operations: Apache Kafka, "Authorization and ACLs", table of operations and resources. Deliberately no
//! question to the broker: rights are learnt by doing, and a refusal becomes these words.

use std::fmt;

use super::own_certificate::OwnCertificate;
use crate::config::{Kafka, Security};

/// What a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// A topic, by name.
    Topic(&'a str),
    /// A consumer group, by name.
    Group(&'a str),
}

/// An operation as `kafka-acls` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// See that it is there.
    Describe,
    /// Read records, or be a member of a group.
    Read,
    /// Write records.
    Write,
    /// Read its settings.
    DescribeConfigs,
    /// Make it.
    Create,
    /// Add partitions.
    Alter,
    /// Remove it.
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operation::Describe => "Describe",
            Operation::Read => "Read",
            Operation::Write => "Write",
            Operation::DescribeConfigs => "DescribeConfigs",
            Operation::Create => "Create",
            Operation::Alter => "Alter",
            Operation::Delete => "Delete",
        })
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Topic(name) => write!(formatter, "topic {name}"),
            Resource::Group(name) => write!(formatter, "group {name}"),
        }
    }
}

/// How to give the user of `kafka` a right: `allow User:alice the operation Read on topic orders (kafka-acls …)`.
pub(crate) fn grant(kafka: &Kafka, operation: Operation, resource: Resource<'_>) -> String {
    let principal = principal(&kafka.security);
    let flag = match resource {
        Resource::Topic(name) => format!("--topic {name}"),
        Resource::Group(name) => format!("--group {name}"),
    };
    format!(
        "allow {principal} the operation {operation} on {resource} (kafka-acls --bootstrap-server {} --add \
         --allow-principal '{principal}' --operation {operation} {flag})",
        kafka.bootstrap_servers
    )
}

/// Whom the broker takes us for.
pub(crate) fn principal(security: &Security) -> String {
    match (&security.sasl, &security.certificate_file) {
        (Some(sasl), _) => format!("User:{}", sasl.username),
        (None, Some(file)) => match OwnCertificate::read(file) {
            Some(certificate) => format!("User:{}", certificate.subject),
            None => format!("User:<subject of {}>", file.display()),
        },
        (None, None) => "User:ANONYMOUS".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::testing::{plain, with_password};

    #[test]
    fn the_words_can_be_pasted_into_a_shell() {
        let kafka = with_password("alice", "/etc/password");
        assert_eq!(
            grant(&kafka, Operation::Read, Resource::Group("shop")),
            "allow User:alice the operation Read on group shop (kafka-acls --bootstrap-server kafka:9092 --add \
             --allow-principal 'User:alice' --operation Read --group shop)"
        );
    }

    #[test]
    fn who_has_no_name_is_told_what_the_broker_calls_him() {
        let mut kafka = plain("kafka:9092");
        assert!(grant(&kafka, Operation::Write, Resource::Topic("orders")).contains("allow User:ANONYMOUS"));
        kafka.security.certificate_file = Some("/tls/user.crt".into());
        let words = grant(&kafka, Operation::Write, Resource::Topic("orders"));
        assert!(words.contains("allow User:<subject of /tls/user.crt> the operation Write on topic orders"), "{words}");
    }
}
