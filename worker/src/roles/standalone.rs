//! The life of a process with one role: logging, signals, admin server, the role, its report and its summary.
//!
//! Deliberately knows no role: what differs comes in as a closure. The demo, with all roles in one process, goes the
//! same way with a closure that runs them side by side.

use std::io::IsTerminal;
use std::sync::Arc;

use prometheus::Registry;
use runtime::admin::{AdminServer, AdminState};
use runtime::shutdown::{Shutdown, drain_on_signals};
use runtime::telemetry::{self, LogLevel};
use runtime::{Readiness, build_info};
use snafu::{ResultExt, Snafu};
use tokio::runtime::Runtime;

use super::{Ending, RoleContext, RoleError, StatusBoard};
use crate::clock::Clock;
use crate::config::{Common, LogFormat};
use crate::metrics::{self, Scope};
use crate::report::{self, Report};
use crate::screen::{Handled, Palette, Screen, Summary};

/// Threads of tokio: the admin server, the signals, and what of handlers waits.
const ASYNC_THREADS: usize = 1;

/// What a role ends with.
#[derive(Debug)]
pub struct Outcome {
    /// Goes to the report file and, as a table, to the screen.
    pub report: Report,
    /// For the table: how fast this process consumed.
    pub handled: Option<Handled>,
    /// Goes to the exit code.
    pub ending: Ending,
}

/// Why a process could not begin or end as it should.
#[derive(Debug, Snafu)]
pub(super) enum Error {
    /// No log.
    #[snafu(display("cannot set up logging"))]
    Log {
        /// Why.
        source: telemetry::Error,
    },
    /// No threads.
    #[snafu(display("cannot start the threads of the admin server"))]
    Threads {
        /// The system's answer.
        source: std::io::Error,
    },
    /// No signals.
    #[snafu(display("cannot be stopped by signals"))]
    Signals {
        /// Why.
        source: runtime::shutdown::Error,
    },
    /// No admin server.
    #[snafu(display("no admin server"))]
    Admin {
        /// Why.
        source: runtime::admin::Error,
    },
    /// The role ran, but its report is not in its file.
    #[snafu(display("the run is over, its report is lost"))]
    Report {
        /// Why.
        source: report::Error,
    },
}

/// Runs `work` as the one role of this process, from logging to the report.
///
/// # Errors
/// [`RoleError::Ran`] when the admin address is taken or the report cannot be written, and whatever `work` returns.
pub fn standalone(
    role: &'static str,
    common: &Common,
    work: impl FnOnce(&RoleContext) -> Result<Outcome, RoleError>,
) -> Result<Ending, RoleError> {
    let furniture = Furniture::set_up(role, common).map_err(|error| RoleError::ran(role, error))?;
    let context = &furniture.context;
    let outcome = work(context);
    let written = match &outcome {
        Ok(outcome) => {
            context.screen.finish(Some(&Summary { report: &outcome.report, handled: outcome.handled }));
            common.report.as_ref().map_or(Ok(()), |path| report::write(path, &outcome.report)).context(ReportSnafu)
        }
        Err(_) => {
            context.screen.finish(None);
            Ok(())
        }
    };
    // The admin server answers until now, so that the last figures can be scraped.
    furniture.runtime.shutdown_background();
    written.map_err(|error| RoleError::ran(role, error))?;
    outcome.map(|outcome| outcome.ending)
}

/// What stands around a role.
struct Furniture {
    runtime: Runtime,
    context: RoleContext,
}

impl Furniture {
    fn set_up(role: &'static str, common: &Common) -> Result<Self, Error> {
        let log_level = telemetry::init(talk(common)).context(LogSnafu)?;
        let server = AdminServer::bind(common.admin_address).context(AdminSnafu)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ASYNC_THREADS)
            .enable_all()
            .build()
            .context(ThreadsSnafu)?;
        let context = RoleContext {
            clock: Clock::start(),
            shutdown: Shutdown::new(),
            screen: screen(common),
            metrics: Scope::new(Registry::new()),
            readiness: Readiness::new(),
            status: StatusBoard::default(),
            admin_port: server.local_addr().port(),
        };
        metrics::process::register(&context.metrics, role, &context.readiness);
        {
            let _inside = runtime.enter();
            let abort = |signal: runtime::shutdown::Signal| std::process::exit(signal.exit_code());
            drain_on_signals(context.shutdown.clone(), abort).context(SignalsSnafu)?;
        }
        tracing::info!(version = build_info::VERSION, role, "admin server on http://{}", server.local_addr());
        serve(&runtime, server, &context, log_level);
        Ok(Self { runtime, context })
    }
}

/// Answers on the admin port from now on. If the socket breaks, the role goes on and the probes tell.
fn serve(runtime: &Runtime, server: AdminServer, context: &RoleContext, log_level: LogLevel) {
    let board = context.status.clone();
    let state = AdminState {
        readiness: context.readiness.clone(),
        registry: context.metrics.registry().clone(),
        status: Arc::new(move || board.document()),
        log_level,
    };
    let shutdown = context.shutdown.clone();
    runtime.spawn(async move {
        if let Err(error) = server.serve(state, shutdown).await {
            tracing::error!(error = &error as &dyn std::error::Error, "no admin server any more");
        }
    });
}

pub(super) fn talk(common: &Common) -> telemetry::Options {
    let format = match common.log_format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    let colour = std::io::stderr().is_terminal() && !anstyle_query::no_color();
    telemetry::Options { format, verbosity: common.verbosity, colour }
}

/// Lines are for people; with JSON lines on stderr nobody looks at stdout.
fn screen(common: &Common) -> Screen {
    let palette = |is_terminal| Palette::new(is_terminal, anstyle_query::no_color());
    match common.log_format {
        LogFormat::Text => {
            Screen::standard(palette(std::io::stdout().is_terminal()), palette(std::io::stderr().is_terminal()))
        }
        LogFormat::Json => Screen::silent(),
    }
}
