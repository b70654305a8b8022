//! `worker produce`: orders to the topic.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::Produce;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &Produce) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "produce" })
}
