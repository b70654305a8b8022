//! Time, chance and the environment are parameters; these are the files that may read them.
//!
//! Deliberately finer than clippy's `disallowed-methods`: an `#[expect]` there is not enough, the file has to be here.

use crate::tokens::lines_of_path;
use crate::{Tree, Violation};

/// Ways to read them.
const READS: [&str; 10] = [
    "Instant::now",
    "SystemTime::now",
    "Utc::now",
    "env::var",
    "env::vars",
    "env::var_os",
    "rand::random",
    "rand::rng",
    "thread_rng",
    "fastrand",
];

/// Files that may, each with what it reads and why.
const READERS: [&str; 7] = [
    // librdkafka calls its log callback from threads of its own, with no time to pass in.
    "worker/src/kafka/client.rs",
    // The one clock of the worker.
    "worker/src/clock.rs",
    // Deadlines of tests that wait for a condition.
    "worker/tests/real_kafka/wait.rs",
    // Asks whether this is CI, where a skip is a failure.
    "worker/tests/real_kafka/broker.rs",
    // Faults last for a while, and what follows them is timed.
    "worker/tests/torture/clock.rs",
    // Asks how long a run is to be, and for its seed.
    "worker/tests/torture/settings.rs",
    // Asks whether to write the generated references instead of comparing them.
    "worker/tests/generated.rs",
];

/// Benchmarks measure time; they are not shipped.
const EXEMPT: &str = "bench";

/// Reads of the clock, of chance or of the environment in other files.
pub fn stray_reads(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !file.is_in(EXEMPT) && !READERS.contains(&file.path.as_str())) {
        for read in READS {
            let what = format!("{read}: take it as an argument, or name this file in tidy/src/rules/clock.rs");
            let lines = lines_of_path(file.tokens(), read);
            found.extend(lines.into_iter().map(|line| file.violation_at(line, what.clone())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::stray_reads;
    use crate::Tree;

    #[test]
    fn finds_a_clock_read_in_passing() {
        let text = "use std::time;\nfn f() -> time::Instant { time::Instant::now() }\n";
        let tree = Tree::of(&[("worker/src/clock.rs", text), ("worker/src/cli.rs", text), ("bench/src/a.rs", text)]);
        let found = stray_reads(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_str(), found[0].line), ("worker/src/cli.rs", 2));
    }

    #[test]
    fn finds_a_read_of_the_environment() {
        let tree = Tree::of(&[("worker/src/cli.rs", "fn f() { std::env::var(\"HOME\"); std::env::args(); }\n")]);
        assert_eq!(stray_reads(&tree).len(), 1);
    }
}
