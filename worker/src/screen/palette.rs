//! Colours, and where they are allowed.
//!
//! Deliberately few: a colour says good, waiting, bad or beside the point, and every line reads the same without it.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Whether a stream takes colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    colour: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It worked.
    Good,
    /// It will be tried again.
    Waiting,
    /// It was given up.
    Bad,
    /// A heading.
    Strong,
    /// Less important than the rest of the line.
    Faint,
}

impl Palette {
    /// No colours: files, pipes, and wherever `NO_COLOR` is set.
    pub const PLAIN: Palette = Palette { colour: false };

    /// Colours where the stream is a terminal and the user did not set `NO_COLOR` (<https://no-color.org>).
    pub fn new(is_terminal: bool, no_color: bool) -> Self {
        Self { colour: is_terminal && !no_color }
    }

    /// `text` in the colour of `tone`, or as it is.
    pub fn paint<T: fmt::Display>(self, tone: Tone, text: T) -> Painted<T> {
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Waiting => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        };
        Painted { text, style: if self.colour { style } else { Style::new() } }
    }
}

/// Text with its colour.
pub struct Painted<T> {
    text: T,
    style: Style,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.style.render())?;
        self.text.fmt(formatter)?;
        write!(formatter, "{}", self.style.render_reset())
    }
}

#[cfg(test)]
mod tests {
    use super::{Palette, Tone};

    #[test]
    fn colour_is_for_terminals_without_no_color() {
        let painted = |is_terminal, no_color| Palette::new(is_terminal, no_color).paint(Tone::Bad, "x").to_string();
        assert_eq!(painted(true, false), "\x1b[31mx\x1b[0m");
        for plain in [painted(true, true), painted(false, false), painted(false, true)] {
            assert_eq!(plain, "x");
        }
    }

    #[test]
    fn width_counts_the_text_and_not_its_colour() {
        assert_eq!(format!("[{:>4}]", Palette::new(true, false).paint(Tone::Strong, "ab")), "[\x1b[1m  ab\x1b[0m]");
    }
}
