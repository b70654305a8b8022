//! Names that say nothing, and tests that say they are tests.
//!
//! Deliberately short: a name is a matter for review, but these were never right.

use crate::{File, Tree, Violation};

/// Module names behind which anything hides.
const FORBIDDEN: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

/// Files and folders of Rust with a forbidden name.
pub fn empty_names(tree: &Tree) -> Vec<Violation> {
    let forbidden = |file: &File| {
        let mut parts = file.path.trim_end_matches(".rs").split('/');
        let name = parts.find(|part| FORBIDDEN.contains(part))?;
        Some(file.violation(format!("\"{name}\" says nothing; name it after what it holds")))
    };
    tree.rust().filter_map(forbidden).collect()
}

/// Tests whose name starts with `test_`: they are named by the behaviour they show.
pub fn test_prefixes(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust() {
        let mut is_test = false;
        for pair in file.tokens().windows(2) {
            match (pair[0].text.as_str(), pair[1].text.as_str()) {
                // `#[test]`, `#[tokio::test]`, `#[tokio::test(start_paused = true)]`
                ("test", "]" | "(") => is_test = true,
                ("fn", name) => {
                    if is_test && name.starts_with("test_") {
                        found.push(file.violation_at(pair[1].line, format!("name {name} by the behaviour it shows")));
                    }
                    is_test = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{empty_names, test_prefixes};
    use crate::Tree;

    #[test]
    fn finds_names_that_say_nothing() {
        let tree = Tree::of(&[("worker/src/utils.rs", ""), ("worker/tests/common/mod.rs", ""), ("a/commons.rs", "")]);
        assert_eq!(empty_names(&tree).len(), 2);
    }

    #[test]
    fn finds_a_test_that_says_it_is_one() {
        let tree = Tree::of(&[("tidy/src/rules/a.rs", "#[tokio::test(a)]\nfn test_blocks() {}\nfn test_lines() {}\n")]);
        assert_eq!(test_prefixes(&tree).len(), 1);
    }
}
