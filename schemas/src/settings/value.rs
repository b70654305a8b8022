//! What values of settings look like in the document, and how the command line writes them.
//!
//! Deliberately no meaning: whether a text is a duration or a number is in range is checked by the command line.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `key: value` pairs: a flag that is given once for each, as `key=value`.
pub(super) type Pairs = BTreeMap<String, Written>;

/// What the value of a setting looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// One number.
    Number,
    /// A number that may be quoted, to keep its digits: money, sizes.
    Written,
    /// `true` or `false`; as a flag it has no value.
    Switch,
    /// Several texts; as a flag it is given several times.
    List,
    /// Several `key: value` pairs; as a flag it is given several times, as `key=value`.
    Pairs,
}

/// A type that a setting may have.
pub trait SettingValue {
    /// Its kind.
    const KIND: Kind;

    /// The value as the command line writes it: the values of each time the flag is given. `true` is one empty text,
    /// `false` is none.
    fn texts(&self) -> Vec<String>;
}

/// A text, or a number that stands for the text it was written as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
pub enum Written {
    /// `"950.00"`
    Text(String),
    /// `950`
    Integer(i64),
    /// `950.5`
    Number(f64),
    /// `true`, for broker and topic settings.
    Switch(bool),
}

impl Written {
    /// The text it was written as.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Written::Text(text) => text.clone(),
            Written::Integer(number) => number.to_string(),
            Written::Number(number) => number.to_string(),
            Written::Switch(switch) => switch.to_string(),
        }
    }
}

impl SettingValue for String {
    const KIND: Kind = Kind::Text;

    fn texts(&self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl SettingValue for u64 {
    const KIND: Kind = Kind::Number;

    fn texts(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl SettingValue for f64 {
    const KIND: Kind = Kind::Number;

    fn texts(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl SettingValue for Written {
    const KIND: Kind = Kind::Written;

    fn texts(&self) -> Vec<String> {
        vec![self.text()]
    }
}

impl SettingValue for bool {
    const KIND: Kind = Kind::Switch;

    fn texts(&self) -> Vec<String> {
        if *self { vec![String::new()] } else { Vec::new() }
    }
}

impl SettingValue for Vec<String> {
    const KIND: Kind = Kind::List;

    fn texts(&self) -> Vec<String> {
        self.clone()
    }
}

impl SettingValue for Pairs {
    const KIND: Kind = Kind::Pairs;

    fn texts(&self) -> Vec<String> {
        self.iter().map(|(key, value)| format!("{key}={}", value.text())).collect()
    }
}
