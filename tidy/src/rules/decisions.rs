//! Architecture decision records: `docs/adr/NNNN-title.md`, each short, of one form, and in the index.
//!
//! Deliberately does not ask for consecutive numbers: two people may write one on the same day.

use crate::{File, Tree, Violation};

const FOLDER: &str = "docs/adr";
const INDEX: &str = "docs/adr/README.md";
const TEMPLATE: &str = "docs/adr/template.md";
const LONGEST: usize = 40;
const SECTIONS: [&str; 3] = ["## Context", "## Decision", "## Consequences"];

/// Records of another form, with a number taken twice, or missing from the index.
pub fn malformed_records(tree: &Tree) -> Vec<Violation> {
    let records: Vec<&File> = tree.documents().filter(|file| is_record(file)).collect();
    let mut found = Vec::new();
    for (index, file) in records.iter().enumerate() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        found.extend(form(file, name).map(|what| file.violation(what)));
        if records[..index].iter().any(|other| number(other) == number(file)) {
            found.push(file.violation("its number is taken"));
        }
        if !tree.file(INDEX).is_some_and(|index| index.text.contains(&format!("({name})"))) {
            found.push(file.violation(format!("list it in {INDEX}")));
        }
    }
    found
}

fn is_record(file: &File) -> bool {
    file.is_in(FOLDER) && file.path != INDEX && file.path != TEMPLATE
}

fn number(file: &File) -> &str {
    file.path.rsplit('/').next().unwrap_or_default().split('-').next().unwrap_or_default()
}

/// What is wrong with the form of the record, if anything.
fn form(file: &File, name: &str) -> Option<String> {
    let number = name.split('-').next().unwrap_or_default();
    if number.len() != 4 || !number.chars().all(|c| c.is_ascii_digit()) {
        return Some("call it NNNN-title.md".to_owned());
    }
    let mut lines = file.text.lines();
    if !lines.next().is_some_and(|title| title.starts_with(&format!("# {number}: "))) {
        return Some(format!("begin it with \"# {number}: Title\""));
    }
    if let Some(section) = SECTIONS.iter().find(|section| !file.text.lines().any(|line| line == **section)) {
        return Some(format!("it has no section \"{section}\""));
    }
    let lines = file.text.lines().count();
    (lines > LONGEST).then(|| format!("{lines} lines; twenty are usual, {LONGEST} the limit"))
}

#[cfg(test)]
mod tests {
    use super::malformed_records;
    use crate::Tree;

    const GOOD: &str = "# 0002: A title\n\n## Context\nx\n## Decision\ny\n## Consequences\nz\n";

    fn problems(name: &str, text: &str, index: &str) -> Vec<String> {
        let tree = Tree::of(&[("docs/adr/README.md", index), ("docs/adr/template.md", ""), (name, text)]);
        malformed_records(&tree).into_iter().map(|violation| violation.what).collect()
    }

    #[test]
    fn a_record_of_the_right_form_is_fine() {
        assert_eq!(problems("docs/adr/0002-a-title.md", GOOD, "[A title](0002-a-title.md)"), Vec::<String>::new());
    }

    #[test]
    fn finds_a_record_that_is_not_in_the_index() {
        assert_eq!(problems("docs/adr/0002-a-title.md", GOOD, ""), ["list it in docs/adr/README.md"]);
    }

    #[test]
    fn finds_records_of_another_form() {
        let index = "(0002-a.md) (two.md)";
        assert_eq!(problems("docs/adr/two.md", GOOD, index), ["call it NNNN-title.md"]);
        let untitled = GOOD.replace("0002: ", "");
        assert_eq!(problems("docs/adr/0002-a.md", &untitled, index), ["begin it with \"# 0002: Title\""]);
        let undecided = GOOD.replace("## Decision", "## Decided");
        assert_eq!(problems("docs/adr/0002-a.md", &undecided, index), ["it has no section \"## Decision\""]);
        let long = format!("{GOOD}{}", "x\n".repeat(40));
        assert_eq!(problems("docs/adr/0002-a.md", &long, index).len(), 1);
    }

    #[test]
    fn finds_a_number_that_is_taken() {
        let files = [
            ("docs/adr/README.md", "(0002-a.md) (0002-b.md)"),
            ("docs/adr/0002-a.md", GOOD),
            ("docs/adr/0002-b.md", GOOD),
        ];
        let found = malformed_records(&Tree::of(&files));
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
