//! `worker demo`: the whole pipeline in one process.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::Demo;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &Demo) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "demo" })
}
