//! Metric names are API: they stand in one file.
//!
//! Deliberately does not look into dashboards and alerts; they are tested against the same list where they are made.

use regex_lite::Regex;

use crate::{File, Tree, Violation};

const PREFIX: &str = "orderpipeline_";
const LIST: &str = "schemas/src/metric_names.rs";

/// What Prometheus appends to the name of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Metric names written out in other sources; tests may spell out what they expect to see.
pub fn stray_names(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| file.path != LIST && !file.is_all_tests() && !file.is_in("tidy")) {
        let blocks = crate::tokens::test_blocks(file.tokens());
        for token in file.tokens() {
            let is_name = token.string().is_some_and(|text| text.starts_with(PREFIX));
            if is_name && !blocks.iter().any(|block| block.contains(&token.line)) {
                found.push(file.violation_at(token.line, format!("{}: take the name from {LIST}", token.text)));
            }
        }
    }
    found
}

/// Metrics on the list that nobody counts: the documentation would promise them. A line of the list declares a metric
/// as `CONSTANT = "name", …`.
pub fn uncounted_names(tree: &Tree) -> Vec<Violation> {
    let Some(list) = tree.file(LIST) else { return Vec::new() };
    let declaration = Regex::new("^ *([A-Z][A-Z_]*) = \"").expect("the pattern is valid");
    let is_counted = |constant: &str| {
        let mut others = tree.rust().filter(|file| file.path != LIST && !file.is_all_tests());
        others.any(|file| file.tokens().iter().any(|token| token.text == constant))
    };
    let mut found = Vec::new();
    for (index, line) in list.text.lines().enumerate() {
        let constant = declaration.captures(line).and_then(|captures| captures.get(1)).map(|name| name.as_str());
        if let Some(constant) = constant.filter(|constant| !is_counted(constant)) {
            found.push(
                list.violation_at(index + 1, format!("nobody counts {constant}: count it, or take it off the list")),
            );
        }
    }
    found
}

/// Metric names in documents that the list does not have.
pub fn unknown_in_documents(tree: &Tree) -> Vec<Violation> {
    let Some(list) = tree.file(LIST) else { return Vec::new() };
    let known: Vec<&str> = list.tokens().iter().filter_map(crate::tokens::Token::string).collect();
    let is_known =
        |name: &str| known.contains(&name) || name.strip_prefix(PREFIX).is_some_and(|bare| known.contains(&bare));
    let pattern = Regex::new("orderpipeline_[a-z_]*[a-z]").expect("the pattern is valid");
    let mut found = Vec::new();
    for file in tree.documents() {
        for (index, line) in file.text.lines().enumerate() {
            for name in pattern.find_iter(line).map(|name| name.as_str()) {
                let bare = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
                if !is_known(name) && !is_known(bare) {
                    found.push(unknown(file, index + 1, name));
                }
            }
        }
    }
    found
}

fn unknown(file: &File, line: usize, name: &str) -> Violation {
    file.violation_at(line, format!("there is no metric {name} in {LIST}"))
}

#[cfg(test)]
mod tests {
    use super::{LIST, stray_names, uncounted_names, unknown_in_documents};
    use crate::Tree;

    #[test]
    fn finds_a_name_outside_the_list() {
        let text = "const A: &str = \"orderpipeline_ready\";\n";
        let in_test = format!("#[cfg(test)]\nmod tests {{ {text} }}\n");
        let tree = Tree::of(&[(LIST, text), ("worker/src/a.rs", text), ("worker/src/b.rs", &in_test)]);
        let found = stray_names(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "worker/src/a.rs");
    }

    #[test]
    fn finds_a_metric_that_nobody_counts() {
        let list = "metrics! {\n    READY = \"ready\", Gauge;\n    LAG = \"lag\", Gauge;\n}\n";
        let tree = Tree::of(&[(LIST, list), ("worker/src/a.rs", "fn f() { names::READY; } // LAG\n")]);
        let found = uncounted_names(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 3);
    }

    #[test]
    fn finds_a_documented_metric_that_does_not_exist() {
        let list = "const A: &str = \"orderpipeline_lag_seconds\"; const B: &str = \"ready\";\n";
        let document = "`orderpipeline_lag_seconds_bucket`, orderpipeline_ready,\norderpipeline_lag_hours\n";
        let found = unknown_in_documents(&Tree::of(&[(LIST, list), ("README.md", document)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 2);
    }
}
