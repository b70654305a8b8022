//! What the demo's roles are given: a broker, topics that are theirs alone, and their configuration.
//!
//! Deliberately the ordinary configuration of the ordinary roles: what the demo shows is what they do.

use std::time::Duration;

use runtime::build_info;
use schemas::codec::SchemaVersion;
use snafu::ResultExt;

use super::{BrokerSnafu, Consume, DeadLetters, Demo, Error, Produce, RoleContext, TopicsSnafu};
use crate::config::{BrokerKind, Budget, Common, Compression, Encoding, Handler, Kafka, Ordering, StartFrom, Topics};
use crate::kafka::admin::{Admin, Made};
use crate::kafka::embedded::EmbeddedBroker;
use crate::roles::prepare::state_settings;

/// Partitions of the orders topic.
const PARTITIONS: i32 = 6;
/// Partitions of the dead-letter topic.
const DEAD_LETTER_PARTITIONS: i32 = 3;
/// Partitions of the state topic.
const STATE_PARTITIONS: i32 = 3;

/// Broker, topics and configuration of one demo.
pub(super) struct Stage {
    /// The producer's.
    pub(super) produce: Produce,
    /// The consumer's.
    pub(super) consume: Consume,
    /// The dead-letter consumer's.
    pub(super) dead_letters: DeadLetters,
    /// Dropped last: its clients must be gone.
    broker: Option<EmbeddedBroker>,
}

impl Stage {
    /// Starts the broker or makes topics on the real one.
    pub(super) fn set(config: &Demo, context: &RoleContext) -> Result<Self, Error> {
        let config = &named(config);
        let (common, broker) = if config.is_embedded() {
            let broker = EmbeddedBroker::start().context(BrokerSnafu)?;
            let kafka = Kafka {
                bootstrap_servers: broker.bootstrap_servers().to_owned(),
                broker_kind: BrokerKind::Embedded,
                ..config.common.kafka.clone()
            };
            let common = Common { kafka, ..config.common.clone() };
            broker.make_topic(&common.topics.orders, PARTITIONS).context(BrokerSnafu)?;
            broker.make_topic(&common.topics.dead_letter, DEAD_LETTER_PARTITIONS).context(BrokerSnafu)?;
            broker.make_topic(&common.topics.state, STATE_PARTITIONS).context(BrokerSnafu)?;
            (common, Some(broker))
        } else {
            (make_topics(&config.common, context).context(TopicsSnafu)?, None)
        };
        Ok(Self {
            produce: produce(config, &common),
            consume: consume(config, &common),
            dead_letters: DeadLetters {
                common,
                until_idle: None,
                peek: false,
                budget: Budget::default(),
                report_interval: None,
            },
            broker,
        })
    }

    /// Whether the broker ends with the demo.
    pub(super) fn is_embedded(&self) -> bool {
        self.broker.is_some()
    }

    /// Says where things are, so that others can look on.
    pub(super) fn introduce(&self, context: &RoleContext) {
        let common = &self.consume.common;
        let (addresses, orders) = (&common.kafka.bootstrap_servers, &common.topics.orders);
        let dead_letter = &common.topics.dead_letter;
        let kind = if self.is_embedded() {
            "an embedded broker, for evaluation only: it ends with the demo"
        } else {
            "topics of its own, which stay when it ends"
        };
        let say = |text: String| context.screen.say(&text);
        say(format!("order pipeline {} demo on {addresses} ({kind})", build_info::VERSION));
        say(format!("  orders        kcat -b {addresses} -t {orders} -C -e -f '%k %s\\n'"));
        say(format!("  dead letters  kcat -b {addresses} -t {dead_letter} -C -e -f '%k %h\\n'"));
        say(format!("  metrics       http://127.0.0.1:{}/metrics  /status  /readyz", context.admin_port));
    }
}

/// The demo calls its pipeline `demo`, unless it was given a name.
fn named(config: &Demo) -> Demo {
    let mut config = config.clone();
    if config.common.pipeline == config.common.group_id {
        config.common.pipeline = "demo".to_owned();
    }
    config
}

/// Names that no topic and no group has yet: `demo-<time>-orders`.
fn own_names(common: &Common, wall_milliseconds: i64) -> Common {
    let own = |name: &str| format!("demo-{wall_milliseconds}-{name}");
    let topics = Topics {
        orders: own(&common.topics.orders),
        dead_letter: own(&common.topics.dead_letter),
        state: own(&common.topics.state),
    };
    Common { topics, group_id: own(&common.group_id), ..common.clone() }
}

/// Makes the demo's topics. Whoever makes the orders topic owns the name: of two demos that begin in one millisecond the
/// other takes the next.
fn make_topics(common: &Common, context: &RoleContext) -> Result<Common, crate::kafka::admin::Error> {
    let mut time = context.clock.wall_milliseconds();
    let mut own = own_names(common, time);
    let admin = Admin::connect(&common.kafka, &own.topics.orders, context.clock)?;
    let make = |name: &str, partitions, settings| {
        let is_made = admin.create(&Made { name, partitions, replication: None, settings })?;
        admin.wait_for(name, partitions).map(|_| is_made)
    };
    while !make(&own.topics.orders, PARTITIONS, Vec::new())? {
        time += 1;
        own = own_names(common, time);
    }
    make(&own.topics.dead_letter, DEAD_LETTER_PARTITIONS, Vec::new())?;
    let state = state_settings();
    let state = state.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    make(&own.topics.state, STATE_PARTITIONS, state)?;
    Ok(own)
}

fn produce(config: &Demo, common: &Common) -> Produce {
    Produce {
        common: common.clone(),
        orders: config.source.clone(),
        count: config.orders,
        pace: config.pace,
        compression: Compression::default(),
        encoding: Encoding::Bare,
        schema_version: SchemaVersion::V2,
    }
}

fn consume(config: &Demo, common: &Common) -> Consume {
    Consume {
        common: common.clone(),
        handler: Handler::Simulate(config.simulate.clone()),
        max_price: None,
        retry: config.retry,
        handler_timeout: Duration::from_secs(30),
        // Off: whoever asks for many failures wants to see them.
        max_dead_letter_ratio_percent: 100,
        ordering: Ordering::Key,
        start_from: StartFrom::Earliest,
        reset_state: None,
        max_in_flight: 1000,
        max_parked_bytes: 128 << 20,
        consumers: 1,
        checkpoint_interval: Duration::from_secs(1),
        until_idle: None,
    }
}
