//! The worker's metrics: one file a role, each with a struct that registers what the role counts.
//!
//! A role's process has a registry of its own, and the scrape names the role. The demo has all roles in one process and
//! one registry: there each metric carries a `role` label, which its [`Scope`] adds. Deliberately knows no role.

pub(crate) mod consumer;
pub(crate) mod consumer_gauges;
pub(crate) mod dead_letters;
pub(crate) mod process;
pub(crate) mod producer;
pub(crate) mod registry;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Opts, Registry};
use schemas::metric_names::Metric;

/// Where a role registers its metrics.
#[derive(Clone, Debug)]
pub struct Scope {
    registry: Registry,
    role: Option<&'static str>,
}

impl Scope {
    /// A scope whose metrics carry no `role` label: one role, one process.
    pub fn new(registry: Registry) -> Self {
        Self { registry, role: None }
    }

    /// The scope of one role among several in this process.
    pub fn of_role(&self, role: &'static str) -> Self {
        Self { registry: self.registry.clone(), role: Some(role) }
    }

    /// What `/metrics` gathers.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Name and help of a counter or gauge, with the scope's label.
    pub fn of(&self, metric: &Metric) -> Opts {
        let options = Opts::new(metric.name, metric.help);
        match self.role {
            Some(role) => options.const_label("role", role),
            None => options,
        }
    }

    /// Name, help and buckets of a histogram, with the scope's label.
    pub fn histogram_of(&self, metric: &Metric, buckets: &[f64]) -> HistogramOpts {
        HistogramOpts { common_opts: self.of(metric), buckets: buckets.to_vec() }
    }

    /// Makes a metric of `made` and registers it.
    ///
    /// # Panics
    /// When the name is malformed or taken: names are constants, so that is a mistake in this program.
    pub fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("metric names, labels and buckets are well formed");
        self.registry.register(Box::new(metric.clone())).expect("each metric is registered once in its scope");
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;
    use prometheus::{IntGauge, Registry, TextEncoder};
    use schemas::metric_names::READY;

    #[test]
    fn roles_of_one_process_are_told_apart_by_a_label() {
        let scope = Scope::new(Registry::new());
        for role in ["produce", "consume"] {
            let of_role = scope.of_role(role);
            of_role.register(IntGauge::with_opts(of_role.of(&READY))).inc();
        }
        let text = TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text");
        assert!(text.contains("orderpipeline_ready{role=\"produce\"} 1\n"), "{text}");
        assert!(text.contains("orderpipeline_ready{role=\"consume\"} 1\n"), "{text}");
    }

    #[test]
    fn one_role_needs_no_label() {
        let scope = Scope::new(Registry::new());
        scope.register(IntGauge::with_opts(scope.of(&READY))).inc();
        let text = TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text");
        assert!(text.contains("\norderpipeline_ready 1\n"), "{text}");
    }
}
