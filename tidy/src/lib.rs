//! The house rules a machine can keep and clippy cannot: each is a function from a [`Tree`] to its violations.
//!
//! `tests/tidy.rs` holds them against this repository; each rule's own tests show that it finds a planted violation.
//! Deliberately reads text and tokens alone: it builds nothing, knows no types, and fixes nothing.

pub mod tree;

pub mod tokens;

pub mod rules;

use std::fmt;

pub use tree::{File, Tree};

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path from the root of the repository.
    pub path: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}
