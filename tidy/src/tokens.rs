//! Rust sources as a flat list of tokens with their lines, and which of those lines are tests.
//!
//! Deliberately no syntax tree: the rules ask for names, paths and string literals, and tokens have no comments in them.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a name.
    Word,
    /// Anything in quotes, and numbers.
    Literal,
    /// One character: punctuation or a bracket.
    Mark,
}

/// One token.
#[derive(Clone, Debug)]
pub struct Token {
    /// As written; a string literal with its quotes.
    pub text: String,
    /// What it is.
    pub kind: Kind,
    /// Line, from 1.
    pub line: usize,
}

impl Token {
    /// The inside of a plain string literal.
    pub fn string(&self) -> Option<&str> {
        let quoted = self.kind == Kind::Literal;
        quoted.then(|| self.text.strip_prefix('"')?.strip_suffix('"')).flatten()
    }
}

/// The tokens of `text`.
///
/// # Errors
/// When `text` cannot be Rust.
pub fn read(text: &str) -> Result<Vec<Token>, LexError> {
    let mut tokens = Vec::new();
    flatten(text.parse::<TokenStream>()?, &mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |text: String, kind, line| tokens.push(Token { text, kind, line });
        match tree {
            TokenTree::Ident(word) => push(word.to_string(), Kind::Word, line),
            TokenTree::Literal(literal) => push(literal.to_string(), Kind::Literal, line),
            TokenTree::Punct(mark) => push(mark.as_char().to_string(), Kind::Mark, line),
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                let end = group.span_close().end().line;
                push(open.to_owned(), Kind::Mark, line);
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), kind: Kind::Mark, line: end });
            }
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// Where `path`, written as in Rust (`Instant::now`), stands in `tokens`: the lines.
pub fn lines_of_path(tokens: &[Token], path: &str) -> Vec<usize> {
    let spelled = read(path).expect("a path is Rust");
    let is_here = |window: &&[Token]| window.iter().zip(&spelled).all(|(token, wanted)| token.text == wanted.text);
    tokens.windows(spelled.len()).filter(is_here).map(|window| window[0].line).collect()
}

/// The lines of each item under `#[cfg(test)]`, its attribute included.
pub fn test_blocks(tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    let attribute: Vec<Token> = read("#[cfg(test)]").expect("an attribute is Rust");
    let mut blocks = Vec::new();
    let mut at = 0;
    while at + attribute.len() <= tokens.len() {
        let here = &tokens[at..at + attribute.len()];
        if here.iter().zip(&attribute).all(|(token, wanted)| token.text == wanted.text) {
            let end = end_of_item(tokens, at + attribute.len());
            blocks.push(tokens[at].line..=tokens[end].line);
            at = end;
        }
        at += 1;
    }
    blocks
}

/// The index of the token that ends the item at `start`: its `;`, or the brace that closes its body.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return index;
                }
            }
            ";" if depth == 0 => return index,
            _ => {}
        }
    }
    tokens.len() - 1
}

#[cfg(test)]
mod tests {
    use super::{lines_of_path, read, test_blocks};

    #[test]
    fn paths_are_found_in_code_and_not_in_comments_or_strings() {
        let text = "// Instant::now\nlet a = \"Instant::now\";\nlet b = std::time::Instant::\n  now();\n";
        assert_eq!(lines_of_path(&read(text).expect("the text is Rust"), "Instant::now"), [3]);
    }

    #[test]
    fn a_block_of_tests_ends_with_its_item() {
        let text = "\
fn a() {}
#[cfg(test)]
use x::{y, z};
#[cfg(test)]
mod tests {
    fn b() { (c)([d]); }
}
fn e() {}
#[cfg(test)]
mod more;
";
        assert_eq!(test_blocks(&read(text).expect("the text is Rust")), [2..=3, 4..=7, 9..=10]);
    }
}
