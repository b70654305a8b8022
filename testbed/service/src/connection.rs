//! One connection: reads calls by hand and does with each what the script says.
//!
//! Deliberately understands only what our client sends: a request line, headers, and a body with its length.

use std::fmt::Write;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::reply::{Action, Reply};
use crate::{Call, Shared};

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Serves one connection to its end. `reset` makes closing it a reset.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    shared: &Shared,
    number: usize,
    reset: impl Fn(&S),
) {
    let mut buffer = Vec::with_capacity(4096);
    while let Some(call) = read(&mut stream, &mut buffer, number).await {
        let (place, Reply { delay, action }) = shared.arrive(call);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if matches!(action, Action::Hang) {
            // Until the other side gives up.
            while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {}
        }
        shared.leave(place);
        let goes_on = match action {
            Action::Answer { status, headers, body } => {
                stream.write_all(&answer(status, &headers, &body, body.len())).await.is_ok()
            }
            Action::CutOff { status } => {
                stream.write_all(&answer(status, &[], "half", 8)).await.is_ok() && stream.shutdown().await.is_err()
            }
            Action::Reset => {
                reset(&stream);
                false
            }
            Action::Hang | Action::Close => false,
        };
        if !goes_on {
            return;
        }
    }
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &str, length: usize) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("a string takes what is written");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// The next call; `None` at the end of the connection, or when what comes is none. Keeps what follows it.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>, connection: usize) -> Option<Call> {
    let head = loop {
        if let Some(end) = buffer.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD) {
            break end + END_OF_HEAD.len();
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let mut start = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (start.next()?, start.next()?);
    let pair =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(pair).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let end = head + length.and_then(|(_, length)| length.parse::<usize>().ok()).unwrap_or(0);
    while buffer.len() < end {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8_lossy(&buffer[head..end]).into_owned();
    buffer.drain(..end);
    Some(Call { method, path, headers, body, number: 1, connection, began: 0, ended: None })
}
