//! Nobody steps round a lint unseen.
//!
//! Deliberately allows `#[expect(.., reason = "..")]`: it says why, and it is reported once it is no longer needed.

use crate::tokens::Token;
use crate::{File, Tree, Violation};

/// `#[allow]` in sources, `#[expect]` and `#[ignore]` without a reason.
pub fn unexplained_exceptions(tree: &Tree) -> Vec<Violation> {
    tree.rust().flat_map(exceptions).collect()
}

fn exceptions(file: &File) -> Vec<Violation> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let Some((name, inside)) = attribute(tokens, at) else { continue };
        let reasoned = inside.iter().any(|token| token.text == "reason");
        let what = match name.text.as_str() {
            "allow" => "use #[expect(…, reason = \"…\")], not #[allow]",
            "expect" if !reasoned => "say why: #[expect(…, reason = \"…\")]",
            "ignore" if !inside.iter().any(|token| token.string().is_some()) => "say why: #[ignore = \"…\"]",
            _ => continue,
        };
        found.push(file.violation_at(name.line, what));
    }
    found
}

/// The name of the attribute that opens at `at`, and its tokens up to the bracket that closes it.
fn attribute(tokens: &[Token], at: usize) -> Option<(&Token, &[Token])> {
    let after_hash = tokens.get(at).filter(|token| token.text == "#").map(|_| at + 1)?;
    let open = if tokens.get(after_hash)?.text == "!" { after_hash + 1 } else { after_hash };
    let name = tokens.get(open).filter(|token| token.text == "[").and_then(|_| tokens.get(open + 1))?;
    let length = tokens[open..].iter().position(|token| token.text == "]")?;
    Some((name, &tokens[open..open + length]))
}

/// Crates that do not take the lints of the workspace.
pub fn crates_without_lints(tree: &Tree) -> Vec<Violation> {
    let without = |file: &&File| {
        let manifest: toml::Table = file.text.parse().unwrap_or_default();
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        manifest.contains_key("package") && lints != Some(true)
    };
    let manifests = tree.files().iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests.filter(without).map(|file| file.violation("add [lints] workspace = true")).collect()
}

#[cfg(test)]
mod tests {
    use super::{crates_without_lints, unexplained_exceptions};
    use crate::Tree;

    #[test]
    fn finds_exceptions_without_a_reason() {
        let text = "\
#![allow(dead_code)]
#[expect(unused)]
fn a() {}
#[expect(unused, reason = \"shown\")]
#[test]
#[ignore]
fn b() {}
#[ignore = \"needs a network\"]
fn c() { d.expect(\"e\"); }
";
        let lines: Vec<usize> = unexplained_exceptions(&Tree::of(&[("a.rs", text)])).iter().map(|v| v.line).collect();
        assert_eq!(lines, [1, 2, 6]);
    }

    #[test]
    fn finds_a_crate_without_the_lints() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
        ]);
        assert_eq!(crates_without_lints(&tree).len(), 1);
    }
}
