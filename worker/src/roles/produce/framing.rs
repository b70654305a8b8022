//! What is written before each record, where the registry has a say in it: learnt before the first order is sent.
//!
//! Deliberately never guesses: without an id from the registry no framed record is written.

use std::time::Duration;

use runtime::ReadyHandle;
use schemas::codec::{Encoder, Encoding, SchemaVersion};

use super::Error;
use crate::config::{self, Produce};
use crate::metrics::registry::RegistryMetrics;
use crate::registry::{Chance, Client, Follower, Patience, Subject, block_on};
use crate::roles::RoleContext;

/// How records are framed; the schema id may change while orders are sent.
pub(super) struct Framing {
    version: SchemaVersion,
    kind: Kind,
}

enum Kind {
    Fixed(Encoding),
    Registered { follower: Follower, written: u32 },
}

impl Framing {
    /// Asks the registry where it has to be asked, for at most `limit`; `None` when a stop was asked for meanwhile.
    ///
    /// # Errors
    /// When the registry has no id for what is written, or gives no answer in time.
    pub(super) fn learn(
        config: &Produce,
        context: &RoleContext,
        limit: Option<Duration>,
        ready: &ReadyHandle,
    ) -> Result<Option<Self>, Error> {
        let version = config.schema_version;
        let kind = match config.encoding {
            config::Encoding::Bare => Kind::Fixed(Encoding::Bare),
            config::Encoding::SingleObject => Kind::Fixed(Encoding::SingleObject),
            config::Encoding::Confluent => match registered(config, context, limit, ready)? {
                Some((follower, written)) => Kind::Registered { follower, written },
                None => return Ok(None),
            },
        };
        Ok(Some(Self { version, kind }))
    }

    /// Writes records as they are to be written now.
    pub(super) fn encoder(&self) -> Encoder {
        let encoding = match &self.kind {
            Kind::Fixed(encoding) => *encoding,
            Kind::Registered { written, .. } => Encoding::Confluent(*written),
        };
        Encoder::new(self.version, encoding)
    }

    /// A new encoder, when the id has changed since the last one.
    pub(super) fn renewed(&mut self) -> Option<Encoder> {
        match &mut self.kind {
            Kind::Fixed(_) => return None,
            Kind::Registered { follower, written } => {
                let id = follower.id();
                if id == *written {
                    return None;
                }
                *written = id;
            }
        }
        Some(self.encoder())
    }
}

fn registered(
    config: &Produce,
    context: &RoleContext,
    limit: Option<Duration>,
    ready: &ReadyHandle,
) -> Result<Option<(Follower, u32)>, Error> {
    let registry = config.common.registry.as_ref().expect("the command line refuses frames without a registry");
    let client = Client::new(registry, Some(RegistryMetrics::register(&context.metrics)))?;
    let subject = Subject::of_topic(&config.common.topics.orders, config.schema_version);
    let registration = registry.registration;
    let patience = Patience {
        clock: context.clock,
        chance: Chance::new((gethostname::gethostname(), std::process::id(), context.clock.wall_milliseconds())),
        until: limit.map(|limit| context.clock.now() + limit),
        is_over: &|| context.shutdown.is_draining(),
        tell: &|trouble| {
            tracing::warn!(target: "registry", "{trouble}; asking again");
            ready.wait_for(format!("producer: {trouble}"));
        },
    };
    let asked = block_on(patience.ask(async || subject.identify(&client, registration).await));
    let Some(id) = asked.transpose()? else { return Ok(None) };
    tracing::info!(target: "registry", subject = subject.name, id, "records carry this schema id");
    Ok(Some((Follower::new(id, registration, subject, client), id)))
}
