//! Which build this is: version and source revision.
//!
//! Deliberately runs no git and needs no build script: the revision comes from the environment of the build
//! (`ORDERPIPELINE_REVISION`, set by `make release-build` and by the image build), so a source archive builds too.

/// Version of the workspace, as in `Cargo.toml`: `0.1.0`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Source revision given to the build as `ORDERPIPELINE_REVISION`, or `unknown`.
pub const REVISION: &str = match option_env!("ORDERPIPELINE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

#[cfg(test)]
mod tests {
    use super::{REVISION, VERSION};

    #[test]
    fn names_a_version_and_a_revision() {
        assert_eq!(VERSION.split('.').count(), 3, "{VERSION}");
        assert!(!REVISION.is_empty());
    }
}
