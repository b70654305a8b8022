//! The rules, in the order of CONTRIBUTING.md; each function takes a tree and gives the places that break it.
//!
//! Deliberately leaves to clippy what clippy can keep: function length, `unwrap`, wildcards over enums.

pub mod size;

pub mod opening;

pub mod borders;

pub mod lints;

pub mod clock;

pub mod names;

pub mod waiting;

pub mod metrics;

pub mod documents;

pub mod decisions;

pub mod places;
