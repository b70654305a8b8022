//! `worker prepare`: topics and rights, made or checked.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::Prepare;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &Prepare) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "prepare" })
}
