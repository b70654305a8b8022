//! `worker check-schemas`: compatibility of all order schemas, pairwise.
//!
//! Deliberately a stub until its role is built.
use super::{Ending, RoleError};
use crate::config::CheckSchemas;

/// Runs the role to its end.
///
/// # Errors
/// Always, while the role is not built.
pub fn run(_config: &CheckSchemas) -> Result<Ending, RoleError> {
    Err(RoleError::NotBuilt { role: "check-schemas" })
}
