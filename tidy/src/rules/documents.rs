//! Documents that hold: links that lead somewhere, flags that exist, a README one reads to its end, no promises to self.
//!
//! Deliberately checks no address on the network: a build must not depend on other people's servers.

use pulldown_cmark::{Event, Options, Parser, Tag};
use regex_lite::Regex;

use crate::tokens::Token;
use crate::{File, Tree, Violation};

const LONGEST_README: usize = 200;

/// Flags of other programs that our documents mention.
const FOREIGN_FLAGS: [&str; 14] = [
    "alter",
    "bootstrap-server",
    "describe",
    "entity-type",
    "data",
    "release",
    "locked",
    "no-default-features",
    "version",
    "help",
    "all-targets",
    "workspace",
    "features",
    "records",
];

/// Links to files and headings that are not there.
pub fn broken_links(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in tree.documents() {
        for (line, target) in links(&file.text) {
            if let Some(what) = broken(tree, file, &target) {
                found.push(file.violation_at(line, what));
            }
        }
    }
    found
}

/// Line and target of each link and image.
fn links(text: &str) -> Vec<(usize, String)> {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let target = |(event, range): (Event<'_>, std::ops::Range<usize>)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some((text[..range.start].matches('\n').count() + 1, dest_url.into_string()))
        }
        _ => None,
    };
    parser.filter_map(target).collect()
}

fn broken(tree: &Tree, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
    if !tree.holds(&path) {
        return Some(format!("the link to {target} leads nowhere"));
    }
    let headings = tree.file(&path).filter(|_| !anchor.is_empty()).map(|linked| anchors(&linked.text));
    let missing = headings.is_some_and(|headings| !headings.iter().any(|heading| heading == anchor));
    missing.then(|| format!("{path} has no heading #{anchor}"))
}

/// `target` as seen from the folder of `from`, as a path from the root.
fn resolve(from: &str, target: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// The anchors of the headings, as GitHub makes them: lower case, words joined by `-`, punctuation dropped.
fn anchors(text: &str) -> Vec<String> {
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let keep = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let anchor = |heading: String| heading.chars().filter(keep).map(|c| if c == ' ' { '-' } else { c }).collect();
    text.lines().filter_map(heading).map(anchor).collect()
}

/// A README that is too long.
pub fn long_readme(tree: &Tree) -> Vec<Violation> {
    let lines = |file: &File| file.text.lines().count();
    let readme = tree.file("README.md").filter(|file| lines(file) > LONGEST_README);
    let what = |file: &File| file.violation(format!("{} lines; the limit is {LONGEST_README}", lines(file)));
    readme.map(what).into_iter().collect()
}

/// Flags in README and docs that the command line does not have.
pub fn unknown_flags(tree: &Tree) -> Vec<Violation> {
    let places = ["worker/src/cli.rs", "worker/src/cli", "schemas/src/settings.rs"];
    let command_line: Vec<&File> = tree.rust().filter(|file| places.iter().any(|place| file.is_in(place))).collect();
    if !command_line.iter().any(|file| file.is_in("worker")) {
        return Vec::new();
    }
    let pattern = Regex::new("(?:^|[^-a-z])--([a-z][a-z-]*[a-z])").expect("the pattern is valid");
    let mut found = Vec::new();
    for file in tree.documents().filter(|file| file.path == "README.md" || file.is_in("docs")) {
        for (index, line) in file.text.lines().enumerate() {
            for flag in pattern.captures_iter(line).map(|captures| captures.get(1).map_or("", |flag| flag.as_str())) {
                if !FOREIGN_FLAGS.contains(&flag) && !has_flag(&command_line, flag) {
                    found.push(file.violation_at(index + 1, format!("the worker has no flag --{flag}")));
                }
            }
        }
    }
    found
}

/// clap derives a flag from the field of the same name, or takes it from a string.
fn has_flag(sources: &[&File], flag: &str) -> bool {
    let field = flag.replace('-', "_");
    let is_flag = |token: &Token| token.text == field || token.string() == Some(flag);
    sources.iter().any(|file| file.tokens().iter().any(is_flag))
}

/// Tests that the guarantees name and that do not exist, or are ignored: long words with underscores in code marks.
pub fn unknown_tests(tree: &Tree) -> Vec<Violation> {
    let Some(file) = tree.file("docs/guarantees.md") else { return Vec::new() };
    let pattern = Regex::new("`([a-z0-9]+(?:_[a-z0-9]+){3,})`").expect("the pattern is valid");
    let names: Vec<&str> = tree.rust().flat_map(|file| functions_that_run(file.tokens())).collect();
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for name in pattern.captures_iter(line).map(|captures| captures.get(1).map_or("", |name| name.as_str())) {
            if !names.contains(&name) {
                found.push(file.violation_at(index + 1, format!("there is no test {name}, or it is ignored")));
            }
        }
    }
    found
}

/// The names of all functions but those with `#[ignore]` among their attributes.
fn functions_that_run(tokens: &[Token]) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_ignored = false;
    for pair in tokens.windows(2) {
        match (pair[0].text.as_str(), pair[1].text.as_str()) {
            ("[", "ignore") => is_ignored = true,
            ("fn", name) => {
                if !is_ignored {
                    names.push(name);
                }
                is_ignored = false;
            }
            _ => {}
        }
    }
    names
}

/// Promises to oneself: what is left to do belongs into an issue.
pub fn promises(tree: &Tree) -> Vec<Violation> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let pattern = Regex::new(&format!(r"\b({})\b", words.join("|"))).expect("the pattern is valid");
    let mut found = Vec::new();
    for file in tree.files().iter().filter(|file| !file.path.ends_with(".lock")) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(word) = pattern.find(line) {
                found.push(file.violation_at(index + 1, format!("{}: open an issue, or do it", word.as_str())));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{broken_links, long_readme, promises, unknown_flags, unknown_tests};
    use crate::Tree;

    #[test]
    fn finds_links_that_lead_nowhere() {
        let docs = "\
# What it is, really
[here](#what-it-is-really) [file](../README.md) [folder](adr/) [web](https://example.org/x)
[lost](lost.md) `[code](not-a-link.md)`
[no heading](../README.md#nowhere)
";
        let tree = Tree::of(&[("docs/a.md", docs), ("docs/adr/0001-a.md", ""), ("README.md", "# Title\n")]);
        let lines: Vec<usize> = broken_links(&tree).iter().map(|violation| violation.line).collect();
        assert_eq!(lines, [3, 4]);
    }

    #[test]
    fn finds_a_readme_that_nobody_reads_to_its_end() {
        assert_eq!(long_readme(&Tree::of(&[("README.md", &"x\n".repeat(201))])).len(), 1);
        assert_eq!(long_readme(&Tree::of(&[("README.md", &"x\n".repeat(200))])).len(), 0);
    }

    #[test]
    fn finds_a_flag_that_does_not_exist() {
        let cli = "struct Args { failure_percent: u8, #[arg(long = \"until-idle\")] idle: u8 }\n";
        let readme = "`worker demo --failure-percent 15 --until-idle 2s`\n`--failures 3` a--b ---\n";
        let found = unknown_flags(&Tree::of(&[("worker/src/cli.rs", cli), ("README.md", readme)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 2);
    }

    #[test]
    fn finds_a_guarantee_that_no_test_shows() {
        let guarantees = "| `no_order_is_lost` |\n| `no_order_is_doubled` |\n| `no_order_is_late` |\n";
        let test = "#[test]\n#[ignore = \"slow\"]\nfn no_order_is_late() {}\n#[test]\nfn no_order_is_lost() {}\n";
        let found = unknown_tests(&Tree::of(&[("docs/guarantees.md", guarantees), ("engine/tests/laws.rs", test)]));
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn finds_a_promise_to_oneself() {
        let text = format!("# {}: later\nTODOS are a plural\n", concat!("TO", "DO"));
        let found = promises(&Tree::of(&[("a.sh", &text)]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 1);
    }
}
