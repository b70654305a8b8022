//! `worker dead-letters`: the dead-letter consumer.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::DeadLetters;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &DeadLetters) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "dead-letters" })
}
