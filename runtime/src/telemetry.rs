//! Log lines on stderr: short ones for people, JSON for clusters; the filter can be changed while the process runs.
//!
//! Deliberately writes nothing to stdout, which belongs to data, and reads no environment: the caller decides.

use std::fmt;

use snafu::{ResultExt, Snafu};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

/// What can go wrong with logging.
#[derive(Debug, Snafu)]
pub enum Error {
    /// The text is no filter.
    #[snafu(display("\"{filter}\" is no log level; write error, warn, info, debug, trace, or target=level,…"))]
    ParseFilter {
        /// What was given.
        filter: String,
        /// Where it is wrong.
        source: ParseError,
    },
    /// Logging was set up before.
    #[snafu(display("logging is already set up; set it up once, in main"))]
    Install {
        /// What was found in place.
        source: TryInitError,
    },
    /// The subscriber is gone.
    #[snafu(display("the log level cannot be changed any more; logging has ended"))]
    Reload {
        /// What the subscriber answered.
        source: reload::Error,
    },
}

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: `message key=value`, with the level where it is not info, and no time.
    Text,
    /// For clusters: one JSON object a line, with time, level and target.
    Json,
}

/// How a process talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How lines look.
    pub format: Format,
    /// How often `-v` was given: 0 info, 1 debug, 2 and more trace. Dependencies stay at warn until the second.
    pub verbosity: u8,
    /// Colour the level; the caller knows whether stderr is a terminal and what `NO_COLOR` says. Text only.
    pub colour: bool,
}

/// The log filter of a running process. Clones change the same one.
#[derive(Clone, Debug)]
pub struct LogLevel {
    handle: reload::Handle<Targets, Registry>,
}

impl LogLevel {
    /// Replaces the filter: a level, or `target=level` pairs with commas between them.
    ///
    /// # Errors
    /// [`Error::ParseFilter`] when `filter` is neither; [`Error::Reload`] when logging has ended.
    pub fn set(&self, filter: &str) -> Result<(), Error> {
        self.handle.reload(parse(filter)?).context(ReloadSnafu)
    }

    /// The filter in force, as text that [`set`](Self::set) takes; empty when logging has ended.
    pub fn current(&self) -> String {
        self.handle.with_current(ToString::to_string).unwrap_or_default()
    }
}

/// Sets up logging for the whole process, on stderr. Lines of libraries that use the `log` crate come along.
///
/// # Errors
/// [`Error::Install`] when it was set up before.
pub fn init(options: Options) -> Result<LogLevel, Error> {
    let (subscriber, level) = subscriber(options, std::io::stderr)?;
    subscriber.try_init().context(InstallSnafu)?;
    Ok(level)
}

fn subscriber<W>(options: Options, writer: W) -> Result<(impl Subscriber + Send + Sync, LogLevel), Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse(filter_of(options.verbosity))?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match options.format {
        Format::Text => lines.with_ansi(options.colour).event_format(ForPeople).boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    Ok((tracing_subscriber::registry().with(filter).with(lines), LogLevel { handle }))
}

/// A log level of a subscriber that is in force nowhere, for tests of what changes log levels.
#[cfg(test)]
pub(crate) fn detached() -> LogLevel {
    let options = Options { format: Format::Text, verbosity: 0, colour: false };
    let (subscriber, level) = subscriber(options, std::io::sink).expect("the built-in filters parse");
    // The level reaches the filter through a weak reference: the filter has to live as long as the test.
    std::mem::forget(subscriber);
    level
}

fn filter_of(verbosity: u8) -> &'static str {
    match verbosity {
        0 => "warn,worker=info,runtime=info,kafka=info,orders=info",
        1 => "warn,worker=debug,runtime=debug,kafka=debug,orders=debug",
        _ => "trace",
    }
}

fn parse(filter: &str) -> Result<Targets, Error> {
    filter.trim().parse().with_context(|_| ParseFilterSnafu { filter })
}

/// The text format: what compilers and shells print, not what log collectors read.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'field> FormatFields<'field> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (prefix, colour) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "\x1b[31m"),
            Level::WARN => ("warning: ", "\x1b[33m"),
            Level::INFO => ("", ""),
            Level::DEBUG => ("debug: ", "\x1b[2m"),
            Level::TRACE => ("trace: ", "\x1b[2m"),
        };
        if writer.has_ansi_escapes() && !prefix.is_empty() {
            write!(writer, "{colour}{prefix}\x1b[0m")?;
        } else {
            writer.write_str(prefix)?;
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Format, Options, subscriber};
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    /// Keeps what was written, for all clones.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("log lines are UTF-8")
        }
    }

    fn logged(options: Options, lines: impl FnOnce(&super::LogLevel)) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let (subscriber, level) = subscriber(options, move || writer.clone()).expect("the built-in filters parse");
        tracing::subscriber::with_default(subscriber, || lines(&level));
        kept.text()
    }

    const TEXT: Options = Options { format: Format::Text, verbosity: 0, colour: false };

    #[test]
    fn people_read_message_and_fields_without_time_and_level() {
        let text = logged(TEXT, |_| tracing::info!(orders = 3, "done"));
        assert_eq!(text, "done orders=3\n");
    }

    #[test]
    fn people_see_that_a_warning_is_one() {
        let text = logged(TEXT, |_| tracing::warn!("broker gone"));
        assert_eq!(text, "warning: broker gone\n");
        let coloured = logged(Options { colour: true, ..TEXT }, |_| tracing::error!("broker gone"));
        assert_eq!(coloured, "\x1b[31merror: \x1b[0mbroker gone\n");
    }

    #[test]
    fn clusters_read_one_json_object_a_line() {
        let options = Options { format: Format::Json, verbosity: 0, colour: true };
        let text = logged(options, |_| tracing::info!(orders = 3, "done"));
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("a line is JSON");
        assert_eq!((&line["message"], &line["orders"], &line["level"]), (&"done".into(), &3.into(), &"INFO".into()));
        assert!(line["timestamp"].is_string(), "{line}");
    }

    #[test]
    fn verbosity_shows_more() {
        assert_eq!(logged(TEXT, |_| tracing::debug!("detail")), "");
        assert_eq!(logged(Options { verbosity: 1, ..TEXT }, |_| tracing::debug!("detail")), "debug: detail\n");
        let dependency = |_: &super::LogLevel| tracing::debug!(target: "hyper", "detail");
        assert_eq!(logged(Options { verbosity: 1, ..TEXT }, dependency), "");
        assert_eq!(logged(Options { verbosity: 2, ..TEXT }, dependency), "debug: detail\n");
    }

    #[test]
    fn the_filter_changes_while_the_process_runs() {
        let text = logged(TEXT, |level| {
            tracing::debug!("before");
            level.set("debug").expect("a level is a filter");
            assert_eq!(level.current(), "debug");
            tracing::debug!("after");
        });
        assert_eq!(text, "debug: after\n");
    }

    #[test]
    fn a_filter_that_is_none_is_named_and_changes_nothing() {
        logged(TEXT, |level| {
            let before = level.current();
            let error = level.set("worker=loud").expect_err("loud is no level");
            assert!(matches!(error, Error::ParseFilter { .. }));
            assert!(error.to_string().starts_with("\"worker=loud\" is no log level"), "{error}");
            assert_eq!(level.current(), before);
        });
    }
}
