//! Tests wait for conditions and never sleep for luck.
//!
//! Deliberately looks at tests alone: that production code does not sleep either is seen by its tests hanging.

use crate::tokens::{lines_of_path, test_blocks};
use crate::{Tree, Violation};

/// Ways to sleep.
const SLEEPS: [&str; 2] = ["thread::sleep", "time::sleep"];

/// Files that may: they poll a condition until a deadline and say what they saw when it passed.
const WAITERS: [&str; 1] = ["worker/tests/real_kafka/wait.rs"];

/// Sleeps in tests.
pub fn sleeping_tests(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| !WAITERS.contains(&file.path.as_str())) {
        let blocks = test_blocks(file.tokens());
        let is_test = |line: &usize| file.is_all_tests() || blocks.iter().any(|block| block.contains(line));
        for sleep in SLEEPS {
            for line in lines_of_path(file.tokens(), sleep).into_iter().filter(is_test) {
                found.push(file.violation_at(line, format!("{sleep} in a test: wait for the condition instead")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::sleeping_tests;
    use crate::Tree;

    #[test]
    fn finds_a_test_that_sleeps() {
        let text =
            "fn a() { thread::sleep(b); }\n#[cfg(test)]\nmod tests {\n    fn c() { std::thread::sleep(d); }\n}\n";
        let tree = Tree::of(&[("worker/src/a.rs", text), (super::WAITERS[0], text), ("worker/tests/a.rs", text)]);
        let found: Vec<(String, usize)> = sleeping_tests(&tree).into_iter().map(|v| (v.path, v.line)).collect();
        let expected = [("worker/src/a.rs", 4), ("worker/tests/a.rs", 1), ("worker/tests/a.rs", 4)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
