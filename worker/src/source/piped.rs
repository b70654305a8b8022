//! Standard input, read by a thread of its own: a pipe that is quiet for a while must not hold up acknowledgements, nor a
//! stop.
//!
//! Deliberately not used for files, which answer at once. The thread ends with its input, or with the process.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks read ahead.
const CHUNKS_AHEAD: usize = 16;

/// A reader that says `WouldBlock` when nothing is there, once it has lost its patience.
pub(super) struct Piped {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    used: usize,
    patient: Arc<AtomicBool>,
}

/// Ends the patience of a [`Piped`] reader: before that it waits for its bytes.
pub(super) struct Patience(Arc<AtomicBool>);

impl Patience {
    pub(super) fn end(self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Piped {
    /// Starts to read.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(super) fn start(input: impl Read + Send + 'static) -> io::Result<(Self, Patience)> {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || read(input, &sender))?;
        let patient = Arc::new(AtomicBool::new(true));
        let piped = Self { chunks, chunk: Vec::new(), used: 0, patient: Arc::clone(&patient) };
        Ok((piped, Patience(patient)))
    }

    /// The next chunk; an empty one at the end.
    fn next(&self) -> io::Result<Vec<u8>> {
        if self.patient.load(Ordering::Relaxed) {
            return self.chunks.recv().unwrap_or_else(|_ended| Ok(Vec::new()));
        }
        match self.chunks.try_recv() {
            Ok(chunk) => chunk,
            Err(TryRecvError::Empty) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryRecvError::Disconnected) => Ok(Vec::new()),
        }
    }
}

/// Reads until the input ends or breaks, or nobody wants more.
fn read(mut input: impl Read, chunks: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let broken = read.is_err();
        if chunks.send(read).is_err() || broken {
            return;
        }
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Piped {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.chunk.len() {
            self.chunk = self.next()?;
            self.used = 0;
        }
        Ok(&self.chunk[self.used..])
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.chunk.len().min(self.used + amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn everything_arrives_in_order_and_then_the_end() {
        let text: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut piped, _) = Piped::start(io::Cursor::new(text.clone())).expect("a thread");
        let mut read = Vec::new();
        piped.read_to_end(&mut read).expect("memory can be read");
        assert!(read == text);
    }

    #[test]
    fn a_quiet_pipe_blocks_only_the_patient() {
        let (quiet, mut writer) = UnixStream::pair().expect("a pipe");
        let (mut piped, patience) = Piped::start(quiet).expect("a thread");
        io::Write::write_all(&mut writer, b"first").expect("the pipe takes five bytes");
        assert_eq!(piped.fill_buf().expect("it waits"), b"first");
        piped.consume(5);
        patience.end();
        assert_eq!(piped.fill_buf().expect_err("nothing is there").kind(), io::ErrorKind::WouldBlock);
    }
}
