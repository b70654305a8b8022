//! `worker consume`: the consumer.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::Consume;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &Consume) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "consume" })
}
