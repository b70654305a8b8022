//! What every process shows, whatever its role: its build, whether it is ready, and what the system knows of it.
//!
//! Deliberately registered once a process, not once a role: in the demo all roles share these.

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec};
use runtime::{Readiness, build_info};
use schemas::metric_names::{BUILD_INFO, READY};

use super::Scope;

/// Registers the metrics of a process that runs `role`.
pub(crate) fn register(scope: &Scope, role: &str, readiness: &Readiness) {
    let build = scope.register(IntGaugeVec::new(scope.of(&BUILD_INFO), BUILD_INFO.labels));
    build.with_label_values(&[build_info::VERSION, build_info::REVISION, role]).set(1);
    let ready = IntGauge::with_opts(scope.of(&READY));
    scope.register(ready.map(|gauge| Ready { gauge, readiness: readiness.clone() }));
    let process = Box::new(ProcessCollector::for_self());
    scope.registry().register(process).expect("a process registers itself once");
}

/// Whether nothing is waited for, looked up at each scrape.
#[derive(Clone)]
struct Ready {
    gauge: IntGauge,
    readiness: Readiness,
}

impl Collector for Ready {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set(i64::from(self.readiness.is_ready()));
        self.gauge.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Registry, TextEncoder};

    #[test]
    fn a_process_tells_its_build_its_readiness_and_its_memory() {
        let (scope, readiness) = (Scope::new(Registry::new()), Readiness::new());
        register(&scope, "produce", &readiness);
        let text = || TextEncoder::new().encode_to_string(&scope.registry().gather()).expect("metrics are text");
        let expected = format!("orderpipeline_build_info{{revision=\"{}\",role=\"produce\"", build_info::REVISION);
        assert!(text().contains(&expected) && text().contains("process_resident_memory_bytes"), "{}", text());
        assert!(text().contains("\norderpipeline_ready 1\n"));
        let part = readiness.handle("waiting");
        assert!(text().contains("\norderpipeline_ready 0\n"), "looked up at the scrape");
        part.set_ready();
        assert!(text().contains("\norderpipeline_ready 1\n"));
    }
}
