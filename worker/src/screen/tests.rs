//! The screen as a sink: order, several threads, closed pipes; and a screen that other tests can read.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::{Palette, Screen};

/// What was written to one stream of a [`captured`] screen.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// The text so far; complete after `Screen::finish`.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("lines are UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A screen, with what it writes to stdout and to stderr.
pub(crate) fn captured() -> (Screen, Captured, Captured) {
    let (out, talk) = (Captured::default(), Captured::default());
    let screen = Screen::with_writers(out.clone(), talk.clone(), Palette::PLAIN, Palette::PLAIN);
    (screen, out, talk)
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr() {
    let (screen, out, talk) = captured();
    screen.show(&"an order".to_owned());
    screen.say(&"a remark".to_owned());
    screen.finish(Some(&"the summary".to_owned()));
    assert_eq!((out.text().as_str(), talk.text().as_str()), ("an order\nthe summary\n", "a remark\n"));
}

#[test]
fn lines_of_several_threads_stay_whole() {
    let (screen, out, _) = captured();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let screen = screen.clone();
            scope.spawn(move || (0..100).for_each(|_| screen.show(&name.repeat(50))));
        }
    });
    screen.finish(None);
    let text = out.text();
    assert_eq!(text.lines().count(), 200);
    assert!(text.lines().all(|line| line == "a".repeat(50) || line == "b".repeat(50)));
}

/// A stream that nobody reads any more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_stdout_does_not_end_the_program_or_silence_stderr() {
    let talk = Captured::default();
    let screen = Screen::with_writers(Closed, talk.clone(), Palette::PLAIN, Palette::PLAIN);
    (0..10).for_each(|_| screen.show(&"an order".to_owned()));
    screen.say(&"a remark".to_owned());
    screen.finish(Some(&"the summary".to_owned()));
    assert_eq!(talk.text(), "a remark\n");
}

#[test]
fn finishing_twice_and_showing_afterwards_is_harmless() {
    let (screen, out, _) = captured();
    screen.finish(None);
    screen.show(&"late".to_owned());
    screen.finish(Some(&"later".to_owned()));
    assert_eq!(out.text(), "");
    Screen::silent().finish(Some(&"nobody looks".to_owned()));
}
