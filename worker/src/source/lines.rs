//! Lines of a file, with their numbers, whatever ends them, and never more of one than fits in memory.
//!
//! Deliberately ignorant of what is in a line: bytes come out, and a line that is too long is only said to be so.

use std::io::{self, BufRead};

/// No order is as long as this many bytes; of a longer line nothing is kept.
pub(super) const LONGEST_LINE: usize = 64 * 1024;
/// What some editors put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a stream line by line; LF and CRLF end a line, a UTF-8 byte order mark before the first is dropped.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    line: Vec<u8>,
    /// Bytes of the line so far, kept or not.
    length: usize,
    /// The line goes on where it was interrupted.
    interrupted: bool,
}

/// What stands in the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A line: see [`Lines::line`].
    Line,
    /// A line of more than [`LONGEST_LINE`] bytes, passed over.
    TooLong,
    /// Nothing now: the input is not over, but the rest of the line is not there yet.
    Later,
    /// The end.
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, line: Vec::new(), length: 0, interrupted: false }
    }

    /// Number of the line read last, from 1; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The line read last, without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Reads the next line that is not blank.
    pub(super) fn advance(&mut self) -> io::Result<Found> {
        loop {
            let found = self.read()?;
            if found != Found::Line || !self.line.iter().all(u8::is_ascii_whitespace) {
                return Ok(found);
            }
        }
    }

    fn read(&mut self) -> io::Result<Found> {
        if !std::mem::take(&mut self.interrupted) {
            self.line.clear();
            self.length = 0;
        }
        let mut ended = false;
        while !ended {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.interrupted = true;
                    return Ok(Found::Later);
                }
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            ended = end.is_some();
            let taken = end.unwrap_or(chunk.len());
            self.length += taken;
            if self.length <= LONGEST_LINE {
                self.line.extend_from_slice(&chunk[..taken]);
            }
            self.reader.consume(taken + usize::from(ended));
        }
        if self.length == 0 && !ended {
            return Ok(Found::End);
        }
        self.number += 1;
        self.tidy();
        Ok(if self.length > LONGEST_LINE { Found::TooLong } else { Found::Line })
    }

    fn tidy(&mut self) {
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
    }
}

impl<R> std::fmt::Debug for Lines<R> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(bytes: &[u8]) -> Vec<(u64, String)> {
        // A buffer of three bytes makes every line cross a border.
        let mut lines = Lines::new(BufReader::with_capacity(3, bytes));
        let mut found = Vec::new();
        while lines.advance().expect("memory can be read") == Found::Line {
            found.push((lines.number(), String::from_utf8_lossy(lines.line()).into_owned()));
        }
        found
    }

    #[test]
    fn every_line_end_is_taken_and_blank_lines_are_counted() {
        let expected = [(1, "a,b".to_owned()), (3, "c".to_owned()), (5, "d".to_owned())];
        assert_eq!(lines(b"a,b\n\nc\n  \nd"), expected);
        assert_eq!(lines(b"a,b\r\n\r\nc\r\n\r\nd\r\n"), expected);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(lines(b"\xef\xbb\xbforderId\n"), [(1, "orderId".to_owned())]);
        assert_eq!(lines(b"\xef\xbb\xbf"), []);
        assert_eq!(lines(b""), []);
    }

    /// Has one byte at a time, and every second time nothing.
    struct Hesitant<'a>(&'a [u8], bool);

    impl io::Read for Hesitant<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(&mut buffer[..1]) }
        }
    }

    #[test]
    fn a_line_may_arrive_in_pieces() {
        let mut lines = Lines::new(BufReader::new(Hesitant(b"one\n\ntwo\n", false)));
        let (mut found, mut waits) = (Vec::new(), 0);
        loop {
            match lines.advance().expect("memory can be read") {
                Found::Line => found.push((lines.number(), lines.line().to_vec())),
                Found::Later => waits += 1,
                Found::TooLong | Found::End => break,
            }
        }
        assert_eq!((found, waits), (vec![(1, b"one".to_vec()), (3, b"two".to_vec())], 10));
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let text = [&vec![b'x'; LONGEST_LINE + 1][..], b"\nnext\n"].concat();
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.advance().expect("memory can be read"), Found::TooLong);
        assert_eq!(lines.advance().expect("memory can be read"), Found::Line);
        assert_eq!((lines.number(), lines.line()), (2, &b"next"[..]));
    }
}
