//! Every source says first what it is.
//!
//! Deliberately does not judge what it says.

use crate::{File, Tree, Violation};

/// Rust files that do not open with `//!`, and scripts without a comment after their first line.
pub fn silent_files(tree: &Tree) -> Vec<Violation> {
    let silent = |file: &File| {
        let what = match file.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs") if !file.text.starts_with("//!") => {
                "open it with //!: what it is, and what it deliberately does not do"
            }
            Some("sh" | "py") if !opens_with_comment(&file.text) => "say in a comment at its head what the script does",
            _ => return None,
        };
        Some(file.violation(what))
    };
    tree.files().iter().filter_map(silent).collect()
}

/// A comment, or a Python docstring, on the first line that is no `#!`.
fn opens_with_comment(text: &str) -> bool {
    let first = text.lines().find(|line| !line.starts_with("#!") && !line.starts_with("# shellcheck"));
    first.is_some_and(|line| line.starts_with("# ") || line.starts_with("\"\"\""))
}

#[cfg(test)]
mod tests {
    use super::silent_files;
    use crate::Tree;

    #[test]
    fn finds_files_that_do_not_say_what_they_are() {
        let tree = Tree::of(&[
            ("good.rs", "//! Good.\n"),
            ("silent.rs", "use a;\n//! Late.\n"),
            ("good.sh", "#!/bin/sh\n# shellcheck shell=bash\n# Good.\n"),
            ("silent.sh", "#!/bin/sh\nset -e\n# Late.\n"),
            ("good.py", "#!/usr/bin/env python3\n\"\"\"Good.\"\"\"\n"),
        ]);
        let found: Vec<String> = silent_files(&tree).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["silent.rs", "silent.sh"]);
    }
}
