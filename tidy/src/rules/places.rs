//! Nothing in the tree is tied to one machine: no home folders, no addresses of package registries.
//!
//! Deliberately leaves lock files alone: cargo writes where a package came from in its own way.

use crate::{File, Tree, Violation};

/// Folders of one machine or user, and hosts that a machine may be told to replace by its own mirror.
const TIED: [&str; 9] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("pythonho", "sted.org"),
    concat!("npm", "js.org"),
    concat!("repo.ma", "ven"),
    concat!("proxy.go", "lang.org"),
];

/// Lines that name one of them.
pub fn tied_lines(tree: &Tree) -> Vec<Violation> {
    let is_lock = |file: &&File| file.path.ends_with(".lock") || file.path.ends_with("package-lock.json");
    let mut found = Vec::new();
    for file in tree.files().iter().filter(|file| !is_lock(file)) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(place) = TIED.iter().find(|place| line.contains(**place)) {
                found.push(file.violation_at(index + 1, format!("{place} belongs to one machine's settings")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{TIED, tied_lines};
    use crate::Tree;

    #[test]
    fn finds_paths_and_hosts_of_one_machine() {
        let text = format!("a\ncd {}me\n~/.cache/x\n", TIED[0]);
        let found = tied_lines(&Tree::of(&[("a.sh", &text), ("Cargo.lock", &text)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 2);
    }
}
