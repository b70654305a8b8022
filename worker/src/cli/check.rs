//! Common flags to checked configuration: what does not fit together is refused here.
//!
//! Deliberately without the flags of single commands: each checks its own.
use std::collections::BTreeMap;
use std::path::PathBuf;

use schemas::settings::{OwnedSetting, owned_client_setting};
use snafu::{OptionExt, ResultExt, ensure};

use super::error::{
    Error, FixedSnafu, NeedsSnafu, NoBootstrapServersSnafu, OwnedByFlagSnafu, ReadFileSnafu, SameTopicSnafu,
};
use super::flag_groups::{
    DecodeArguments, KafkaArguments, SecurityArguments, ServeArguments, TalkArguments, TopicArguments,
};
use crate::config::{Common, Kafka, Sasl, SaslMechanism, Security, SecurityProtocol, Topics};

/// The groups of flags that commands have in common; a command without one leaves it out.
pub(super) struct Groups {
    pub(super) kafka: KafkaArguments,
    pub(super) topics: TopicArguments,
    pub(super) decode: Option<DecodeArguments>,
    pub(super) serve: Option<ServeArguments>,
    pub(super) talk: TalkArguments,
}

impl Groups {
    /// Checks all groups for a command that needs a broker.
    pub(super) fn check(self) -> Result<Common, Error> {
        ensure!(self.kafka.bootstrap_servers.is_some(), NoBootstrapServersSnafu);
        self.check_with_or_without_broker()
    }

    /// The same for a command that brings a broker when none is named: then the servers are empty.
    pub(super) fn check_with_or_without_broker(self) -> Result<Common, Error> {
        let registry = self.topics.registry.clone().check()?;
        let writer_schema = self.decode.and_then(|decode| decode.writer_schema).map(read_schema).transpose()?;
        let (report, admin_address) = match self.serve {
            Some(serve) => (serve.report, serve.admin_address),
            None => (None, ([127, 0, 0, 1], 0).into()),
        };
        Ok(Common {
            kafka: self.kafka.check()?,
            pipeline: self.topics.pipeline.clone().unwrap_or_else(|| self.topics.group_id.clone()),
            group_id: self.topics.group_id.clone(),
            state_mode: self.topics.state.into(),
            topics: self.topics.check()?,
            registry,
            writer_schema,
            report,
            admin_address,
            verbosity: self.talk.verbose,
            log_format: self.talk.log_format.into(),
        })
    }
}

fn read_schema(path: PathBuf) -> Result<String, Error> {
    std::fs::read_to_string(&path).with_context(|_| ReadFileSnafu { flag: "--writer-schema", path })
}

impl KafkaArguments {
    fn check(self) -> Result<Kafka, Error> {
        for (key, _) in &self.client_config {
            match owned_client_setting(key) {
                Some(OwnedSetting::Flag(flag)) => return OwnedByFlagSnafu { key, flag }.fail(),
                Some(OwnedSetting::Fixed(why)) => return FixedSnafu { key, why }.fail(),
                None => {}
            }
        }
        Ok(Kafka {
            bootstrap_servers: self.bootstrap_servers.unwrap_or_default(),
            broker_kind: self.broker_kind.into(),
            security: self.security.check()?,
            client_config: BTreeMap::from_iter(self.client_config),
            connect_timeout: self.connect_timeout,
        })
    }
}

impl SecurityArguments {
    fn check(self) -> Result<Security, Error> {
        let protocol = SecurityProtocol::from(self.security_protocol);
        let tls_file = [("--ca-file", &self.ca_file), ("--certificate-file", &self.certificate_file)]
            .into_iter()
            .find_map(|(flag, file)| file.as_ref().map(|_| flag));
        if let Some(flag) = tls_file.filter(|_| !protocol.encrypts()) {
            return NeedsSnafu { flag, needs: "--security-protocol tls or sasl-tls" }.fail();
        }
        let sasl_given =
            self.sasl_username.is_some() || self.sasl_password_file.is_some() || self.sasl_mechanism.is_some();
        let sasl = if protocol.authenticates() {
            let needs = |needs| NeedsSnafu { flag: "--security-protocol sasl-plaintext or sasl-tls", needs };
            Some(Sasl {
                mechanism: self.sasl_mechanism.map_or(SaslMechanism::ScramSha512, SaslMechanism::from),
                username: self.sasl_username.with_context(|| needs("--sasl-username"))?,
                password_file: self.sasl_password_file.with_context(|| needs("--sasl-password-file"))?,
            })
        } else {
            let needs = "--security-protocol sasl-tls or sasl-plaintext";
            ensure!(!sasl_given, NeedsSnafu { flag: "a --sasl-… flag", needs });
            None
        };
        let Self { ca_file, certificate_file, key_file, .. } = self;
        Ok(Security { protocol, ca_file, certificate_file, key_file, sasl })
    }
}

impl TopicArguments {
    fn check(self) -> Result<Topics, Error> {
        let topics = Topics {
            dead_letter: self.dead_letter_topic.unwrap_or_else(|| format!("{}-dlq", self.topic)),
            state: self.state_topic.unwrap_or_else(|| format!("{}-state", self.group_id)),
            orders: self.topic,
        };
        let pairs = [
            ("--topic", "--dead-letter-topic", &topics.orders, &topics.dead_letter),
            ("--topic", "--state-topic", &topics.orders, &topics.state),
            ("--dead-letter-topic", "--state-topic", &topics.dead_letter, &topics.state),
        ];
        for (first, second, one, other) in pairs {
            ensure!(one != other, SameTopicSnafu { first, second, topic: one });
        }
        Ok(topics)
    }
}
