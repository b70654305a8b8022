//! The files of a repository as text.
//!
//! Deliberately not the index of git: a source archive has none, and a file that is not added yet is checked too.

use std::path::Path;
use std::sync::OnceLock;

use crate::Violation;
use crate::tokens::{self, Token};

/// All text files below one folder, sorted by path.
#[derive(Debug, Default)]
pub struct Tree {
    files: Vec<File>,
}

/// One text file.
#[derive(Debug)]
pub struct File {
    /// Path from the root, with `/`: `engine/src/retry.rs`.
    pub path: String,
    /// What is in it.
    pub text: String,
    tokens: OnceLock<Vec<Token>>,
}

impl Tree {
    /// Reads the tree below `root`: what `.gitignore` names is left out, and so are hidden folders but `.ci`, and files
    /// that are not UTF-8.
    ///
    /// # Panics
    /// When a folder or file cannot be read: the check would be worth nothing.
    pub fn read(root: &Path) -> Self {
        let walk = ignore::WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .sort_by_file_path(Ord::cmp)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        let mut files = Vec::new();
        for entry in walk {
            let entry = entry.expect("the repository can be listed");
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("a file of the repository can be read");
            if let Ok(text) = String::from_utf8(bytes) {
                let path = entry.path().strip_prefix(root).expect("a walk stays below its root");
                files.push(File::new(path.to_string_lossy().into_owned(), text));
            }
        }
        Self { files }
    }

    /// A tree made of `(path, text)` pairs, for the tests of the rules.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// All files.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The file at exactly this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Documents: `.md`.
    pub fn documents(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }

    /// True when `path` is a file, or a folder with a file in it.
    pub fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.path.starts_with(&inside))
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        Self { path, text, tokens: OnceLock::new() }
    }

    /// The tokens of a Rust source, without comments; documentation comments are `doc` attributes.
    ///
    /// # Panics
    /// When the text is no Rust.
    pub fn tokens(&self) -> &[Token] {
        self.tokens.get_or_init(|| tokens::read(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path)))
    }

    /// True for a file that holds nothing but tests or benchmarks.
    pub fn is_all_tests(&self) -> bool {
        let folders: Vec<&str> = self.path.split('/').collect();
        folders.contains(&"tests") || folders.contains(&"benches") || self.path.ends_with("/tests.rs")
    }

    /// True for what is below the folder, or is the file, `place`.
    pub fn is_in(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// A violation of the whole file.
    pub fn violation(&self, what: impl Into<String>) -> Violation {
        self.violation_at(0, what)
    }

    /// A violation on a line, counted from 1.
    pub fn violation_at(&self, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn folders_are_held_by_their_files() {
        let tree = Tree::of(&[("docs/adr/README.md", "")]);
        for (path, held) in [("docs", true), ("docs/adr/", true), ("docs/a", false), ("docs/adr/README.md", true)] {
            assert_eq!(tree.holds(path), held, "{path}");
        }
    }

    #[test]
    fn a_place_is_a_folder_or_a_file_and_no_prefix() {
        let tree = Tree::of(&[("worker/src/kafka/ffi.rs", "")]);
        let file = &tree.files()[0];
        for (place, inside) in
            [("worker/src/kafka", true), ("worker/src/kaf", false), ("worker/src/kafka/ffi.rs", true)]
        {
            assert_eq!(file.is_in(place), inside, "{place}");
        }
    }
}
