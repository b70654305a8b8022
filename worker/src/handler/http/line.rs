//! One kept connection to the service: one call after the other, each with its whole answer.
//!
//! The connection is driven by whoever waits for its answer, so there is no task besides: dropping a line closes it.
//! Deliberately HTTP/1.1, which every service speaks; no pipelining, so that a slow answer delays nobody else.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use snafu::{ResultExt, Snafu};

use super::answer::Heard;
use crate::http::Stream;

/// How much of a body is kept to be quoted.
const KEPT: usize = 1024;

/// A body beyond this is not read to its end: the answer counts, the connection is closed.
const LONGEST_BODY: usize = 1 << 20;

/// Why a line brought no answer.
#[derive(Debug, Snafu)]
pub(super) enum Error {
    /// It was not made to an HTTP connection.
    #[snafu(display("the service does not speak HTTP/1.1"))]
    Shake {
        /// hyper's answer.
        source: hyper::Error,
    },
    /// It broke before the answer began; on a kept line this is the ordinary end of its life.
    #[snafu(display("the service closed the connection before it answered"))]
    Silent {
        /// hyper's answer.
        source: hyper::Error,
    },
    /// It broke within the answer: what it says cannot be relied on.
    #[snafu(display("the service broke off in the middle of its answer"))]
    CutOff {
        /// hyper's answer.
        source: hyper::Error,
    },
}

/// What carries the bytes; `None` once it has ended.
type Carrier = Option<Pin<Box<Connection<Stream, Full<Bytes>>>>>;

/// See the module.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    connection: Carrier,
}

impl Line {
    /// A line over a fresh connection.
    pub(super) async fn new(stream: Stream) -> Result<Self, Error> {
        let (sender, connection) = http1::handshake(stream).await.context(ShakeSnafu)?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Makes one call. Answers with the line where it can be kept.
    pub(super) async fn exchange(mut self, request: Request<Full<Bytes>>) -> Result<(Heard, Option<Self>), Error> {
        let Self { sender, connection } = &mut self;
        let (heard, is_whole) = driving(connection, talk(sender, request)).await?;
        let is_good = is_whole && self.connection.is_some();
        Ok((heard, is_good.then_some(self)))
    }

    /// Whether it has ended, looked at while nobody calls; wakes the task when it does.
    pub(super) fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        drive(&mut self.connection, context);
        self.connection.is_none()
    }
}

/// Sends the request and reads the answer; whether it was read to its end.
async fn talk(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<(Heard, bool), Error> {
    sender.ready().await.context(SilentSnafu)?;
    let answer = sender.send_request(request).await.context(SilentSnafu)?;
    let (head, mut body) = answer.into_parts();
    let mut beginning = Vec::new();
    let is_whole = read(&mut body, &mut beginning).await.context(CutOffSnafu)?;
    Ok((Heard { status: head.status, headers: head.headers, beginning }, is_whole))
}

/// Reads the body to its end or to its limit, and keeps how it begins.
async fn read(body: &mut Incoming, beginning: &mut Vec<u8>) -> hyper::Result<bool> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = KEPT - beginning.len();
        beginning.extend_from_slice(&data[..data.len().min(room)]);
        length += data.len();
        if length > LONGEST_BODY {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs `work` while the connection does its part of it.
async fn driving<W: Future>(connection: &mut Carrier, work: W) -> W::Output {
    let mut work = pin!(work);
    poll_fn(|context| {
        drive(connection, context);
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        // What `work` has just handed over is sent now, not a round later.
        drive(connection, context);
        Poll::Pending
    })
    .await
}

/// Lets the connection do what it can. Errors reach whoever waits for an answer; while nobody does, it has just ended.
fn drive(connection: &mut Carrier, context: &mut Context<'_>) {
    let has_ended = connection.as_mut().is_none_or(|connection| connection.as_mut().poll(context).is_ready());
    if has_ended {
        *connection = None;
    }
}
