//! What a person sees: lines about orders and the summary on stdout, progress and remarks on stderr.
//!
//! [`Screen`] is the sink: cheap to clone, used from any thread, written by a thread of its own, so that a stopped
//! terminal never holds up a consumer. What the lines say is in `line` and `summary`, how often in `gate`.
//! Deliberately no log lines here (those are `tracing`'s) and no cursor control: what is shown can be piped.

mod decimal;
mod gate;
mod line;
mod palette;
mod progress;
mod summary;

pub use gate::{Gate, Ticker};
pub use line::{DeadLetterLine, HandledLine, Line, MovedLine, Price, RetryLine, SentLine};
pub use palette::{Palette, Tone};
pub use progress::{ConsumeProgress, DeadLetterProgress, ProduceProgress};
pub use summary::{DeadLetterReport, Handled, Summary};

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Lines that may wait for a slow terminal; more are left out and counted.
const WAITING_LINES: usize = 1024;

/// Where lines for people go. Clones write to the same place, whole lines at a time and in order.
#[derive(Clone)]
pub struct Screen {
    /// `None`: nobody looks.
    sink: Option<Arc<Sink>>,
}

impl fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Screen").field("shown", &self.is_shown()).finish()
    }
}

struct Sink {
    lines: Mutex<Option<SyncSender<Written>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    left_out: AtomicU64,
    out: Palette,
    talk: Palette,
}

enum Written {
    Out(String),
    Talk(String),
}

impl Screen {
    /// Lines go to stdout and stderr, in the colours that each of them bears.
    pub fn standard(out: Palette, talk: Palette) -> Self {
        Self::with_writers(std::io::stdout(), std::io::stderr(), out, talk)
    }

    /// Nothing is shown: in a cluster the log has it all.
    pub fn silent() -> Self {
        Self { sink: None }
    }

    fn with_writers(
        out: impl Write + Send + 'static,
        talk: impl Write + Send + 'static,
        out_palette: Palette,
        talk_palette: Palette,
    ) -> Self {
        let (sender, receiver) = sync_channel(WAITING_LINES);
        let writer = std::thread::Builder::new().name("screen".to_owned()).spawn(move || write(&receiver, out, talk));
        let Ok(writer) = writer else {
            tracing::warn!("no thread for the screen; orders are not shown");
            return Self::silent();
        };
        let sink = Sink {
            lines: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            left_out: AtomicU64::new(0),
            out: out_palette,
            talk: talk_palette,
        };
        Self { sink: Some(Arc::new(sink)) }
    }

    /// Whether anybody looks: saves the work of making lines.
    pub fn is_shown(&self) -> bool {
        self.sink.is_some()
    }

    /// Shows a line of data on stdout. Never waits: a line that does not fit is left out and counted.
    pub fn show(&self, line: &dyn Line) {
        if let Some(sink) = &self.sink {
            sink.offer(Written::Out(line.text(sink.out)));
        }
    }

    /// Says a line on stderr. Never waits.
    pub fn say(&self, line: &dyn Line) {
        if let Some(sink) = &self.sink {
            sink.offer(Written::Talk(line.text(sink.talk)));
        }
    }

    /// Shows the last lines on stdout and waits until everything is written; later lines are lost.
    pub fn finish(&self, last: Option<&dyn Line>) {
        let Some(sink) = &self.sink else { return };
        let sender = sink.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let left_out = sink.left_out.load(Ordering::Relaxed);
            let note = (left_out > 0).then(|| Written::Talk(format!("{left_out} lines were left out: slow terminal")));
            let last = last.map(|line| Written::Out(line.text(sink.out)));
            // A writer that is gone has met a closed pipe: whoever closed it wants no more lines.
            let _closed = note.into_iter().chain(last).try_for_each(|line| sender.send(line)).is_err();
        }
        let writer = sink.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::warn!("the screen's thread panicked; lines are missing");
        }
    }
}

impl Sink {
    fn offer(&self, line: Written) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.as_ref().is_some_and(|lines| lines.try_send(line).is_err()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes until all senders are gone. A stream that cannot be written (a closed pipe) is given up, the other goes on.
fn write(lines: &Receiver<Written>, out: impl Write, talk: impl Write) {
    let (mut out, mut talk) = (Some(out), Some(talk));
    while let Ok(line) = lines.recv() {
        match line {
            Written::Out(text) => write_line(&mut out, &text),
            Written::Talk(text) => write_line(&mut talk, &text),
        }
    }
}

fn write_line<W: Write>(stream: &mut Option<W>, text: &str) {
    let Some(writer) = stream else { return };
    if writeln!(writer, "{text}").and_then(|()| writer.flush()).is_err() {
        *stream = None;
    }
}

#[cfg(test)]
pub(crate) mod tests;
