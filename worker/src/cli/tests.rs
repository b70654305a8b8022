//! The command line: what it takes, what it refuses, and that its references are current.
