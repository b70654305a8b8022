//! Files that one can read in one go: at most 400 lines of production code, at most 150 lines of tests beside them.
//!
//! Deliberately counts blank lines and comments: they are read too.

use crate::tokens::test_blocks;
use crate::{File, Tree, Violation};

const LONGEST_FILE: usize = 400;
const LONGEST_TESTS: usize = 150;

/// Files with more than 400 lines that are no tests. Files of tests may be longer.
pub fn long_files(tree: &Tree) -> Vec<Violation> {
    let too_long = |file: &File| {
        let lines = file.text.lines().count() - test_lines(file);
        let what = format!("{lines} lines of production code; split it, the limit is {LONGEST_FILE}");
        (lines > LONGEST_FILE).then(|| file.violation(what))
    };
    tree.rust().filter(|file| !file.is_all_tests()).filter_map(too_long).collect()
}

/// Files whose `#[cfg(test)]` blocks are longer than 150 lines together.
pub fn long_inline_tests(tree: &Tree) -> Vec<Violation> {
    let too_long = |file: &File| {
        let lines = test_lines(file);
        let what =
            format!("{lines} lines of tests inside; move them to tests.rs in its folder, the limit is {LONGEST_TESTS}");
        (lines > LONGEST_TESTS).then(|| file.violation(what))
    };
    tree.rust().filter(|file| !file.is_all_tests()).filter_map(too_long).collect()
}

fn test_lines(file: &File) -> usize {
    test_blocks(file.tokens()).into_iter().map(Iterator::count).sum()
}

#[cfg(test)]
mod tests {
    use super::{long_files, long_inline_tests};
    use crate::Tree;

    #[test]
    fn finds_a_long_file_and_counts_no_tests() {
        let long = "fn a() {}\n".repeat(401);
        let long_with_tests =
            format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn a() {}\n".repeat(400), "\n".repeat(90));
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", &long_with_tests), ("c/tests.rs", &long)]);
        let found = long_files(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "a.rs");
    }

    #[test]
    fn finds_long_inline_tests() {
        let tests = |blank: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(blank));
        let tree = Tree::of(&[("a.rs", &tests(147)), ("b.rs", &tests(148))]);
        let found = long_inline_tests(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "b.rs");
    }
}
