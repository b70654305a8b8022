//! Whether the registry has the schema that orders are written with, or takes it.
//!
//! Deliberately alters nothing but that: a subject's compatibility level is its owner's business.

use schemas::prepare_outcome::{Finding, Reason};

use crate::clock::Clock;
use crate::config::{Prepare, PrepareTask, Registration, Registry};
use crate::registry::{Chance, Client, Patience, Refusal, Subject, block_on};
use crate::roles::chain;

/// Looks the schema up; registers it where that is asked for and something may be changed.
pub(super) fn look(config: &Prepare, clock: Clock) -> Finding {
    // Without a registry there is nothing to register, and the schemas in the program fit each other.
    let Some(registry) = &config.common.registry else { return Finding::remarkable(Reason::NotConfigured, "") };
    let may_register = match &config.task {
        PrepareTask::Create { .. } => true,
        PrepareTask::Check { .. } => false,
        PrepareTask::Delete { .. } => {
            return Finding::remarkable(Reason::NotChecked, "schemas stay in the registry when topics are deleted");
        }
    };
    let client = match Client::new(registry, None) {
        Ok(client) => client,
        Err(error) => return Finding::bad(Reason::RegistryUnreachable, chain(&error)),
    };
    let subject = Subject::of_topic(&config.common.topics.orders, config.schema_version);
    let patience = Patience {
        clock,
        chance: Chance::new((gethostname::gethostname(), std::process::id(), clock.wall_milliseconds())),
        until: Some(clock.now() + config.common.kafka.connect_timeout),
        is_over: &|| false,
        tell: &|trouble| tracing::warn!(target: "registry", "{trouble}; asking again"),
    };
    let question = async || ensure(&client, &subject, registry, may_register).await;
    let answer = block_on(patience.ask(question)).expect("nobody stops this command but by ending it");
    match answer {
        Ok(id) => {
            tracing::info!(target: "registry", subject = subject.name, id, "the schema is registered");
            Finding::good()
        }
        Err(refusal) => Finding::bad(reason(&refusal), chain(&refusal)),
    }
}

/// The id of the schema, which is registered first where it may be.
async fn ensure(client: &Client, subject: &Subject, registry: &Registry, may_register: bool) -> Result<u32, Refusal> {
    match registry.registration {
        Registration::Register if may_register => {
            // A refused registration says that the schema does not fit; only this says why.
            subject.compare(client).await?;
            subject.identify(client, Registration::Register).await
        }
        // Only looking: it is there, or it could be registered, or the registry says why it cannot.
        Registration::Register => match subject.identify(client, Registration::Lookup).await {
            Err(missing @ Refusal::NotRegistered { .. }) => {
                subject.compare(client).await?;
                Err(missing)
            }
            answer => answer,
        },
        Registration::Lookup | Registration::Latest | Registration::Id(_) => {
            subject.identify(client, registry.registration).await
        }
    }
}

/// The operator's word for a refusal.
fn reason(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Ask { .. } => Reason::RegistryUnreachable,
        Refusal::NotRegistered { .. } | Refusal::NoVersion { .. } | Refusal::NoSuchId { .. } => Reason::NotRegistered,
        Refusal::Incompatible { .. } | Refusal::OtherLayout { .. } => Reason::Incompatible,
    }
}
