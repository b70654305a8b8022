//! The network between everybody and the broker: it can be slow, silent or cut.
//!
//! Listens where the broker says it is to be found, and carries bytes to where it really is. Deliberately knows no Kafka.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock},
    thread,
    time::Duration,
};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They go through.
    Fair,
    /// They go through so much later.
    Slow(Duration),
    /// They wait until the weather changes.
    Silent,
    /// Their connections are closed, new ones too.
    Cut,
}

/// A running proxy; its threads live as long as their connections.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: OnceLock<String>,
    weather: Mutex<Weather>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy on a free port of this machine. Whoever connects before [`Proxy::lead_to`] is turned away.
    pub(crate) fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target: OnceLock::new(),
            weather: Mutex::new(Weather::Fair),
            changed: Condvar::new(),
            open: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Where nobody listens behind us the client is let go, as the system would do.
                of_thread.connect(client);
            }
        });
        Proxy { address, shared }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where connections go from now on; to be said once.
    pub(crate) fn lead_to(&self, target: &str) {
        self.shared.target.set(target.to_owned()).expect("it leads nowhere yet");
    }

    /// Changes the weather.
    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather() = weather;
        self.shared.changed.notify_all();
        if weather == Weather::Cut {
            for stream in self.shared.open().drain(..) {
                // It may have been closed from the other side meanwhile.
                stream.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

impl Shared {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().expect("no holder panics")
    }

    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().expect("no holder panics")
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> Option<()> {
        // Held to the end, so that no connection is made beside a cut.
        let weather = self.weather();
        if *weather == Weather::Cut {
            return None;
        }
        let server = TcpStream::connect(self.target.get()?).ok()?;
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let mut open = self.open();
        open.retain(|stream| stream.peer_addr().is_ok());
        open.extend([client.try_clone().ok()?, server.try_clone().ok()?]);
        for (from, to) in [(client.try_clone().ok()?, server.try_clone().ok()?), (server, client)] {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.carry(&from, &to));
        }
        Some(())
    }

    /// One direction of one connection, until either side has had enough.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.wait_for_leave();
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            // It may have been closed from the other side meanwhile.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Returns when what was read may go on.
    fn wait_for_leave(&self) {
        let mut weather = self.weather();
        loop {
            match *weather {
                Weather::Fair | Weather::Cut => return,
                Weather::Silent => weather = self.changed.wait(weather).expect("no holder panics"),
                Weather::Slow(delay) => {
                    let same = |weather: &mut Weather| *weather == Weather::Slow(delay);
                    let (after, waited) =
                        self.changed.wait_timeout_while(weather, delay, same).expect("no holder panics");
                    if waited.timed_out() {
                        return;
                    }
                    weather = after;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
        time::Duration,
    };

    use super::{Proxy, Weather};
    use crate::clock;

    /// A proxy to a server that says everything again.
    fn echo() -> Proxy {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Proxy::start();
        proxy.lead_to(&server.local_addr().expect("bound").to_string());
        thread::spawn(move || {
            for stream in server.incoming().map_while(Result::ok) {
                thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        proxy
    }

    fn asked(mut stream: &TcpStream) -> std::io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        stream.write_all(b"ping")?;
        stream.read_exact(&mut answer).map(|()| answer)
    }

    #[test]
    fn bytes_go_through_at_once_later_or_when_the_weather_changes() {
        let proxy = echo();
        let stream = TcpStream::connect(proxy.address()).expect("it listens");
        assert_eq!(&asked(&stream).expect("an answer"), b"ping");

        let delay = Duration::from_millis(30);
        proxy.set(Weather::Slow(delay));
        let before = clock::now();
        assert_eq!(&asked(&stream).expect("an answer"), b"ping");
        assert!(clock::now() - before >= 2 * delay, "there and back");

        // A delay ends early when the weather changes.
        proxy.set(Weather::Slow(Duration::from_secs(3_600)));
        let slow = thread::spawn(move || asked(&stream).map(|answer| (answer, stream)).expect("an answer"));
        clock::pass(delay);
        proxy.set(Weather::Fair);
        let (answer, stream) = slow.join().expect("no panic");
        assert_eq!(&answer, b"ping");

        proxy.set(Weather::Silent);
        let waiting = thread::spawn(move || asked(&stream).expect("an answer"));
        clock::pass(delay);
        assert!(!waiting.is_finished());
        proxy.set(Weather::Fair);
        assert_eq!(&waiting.join().expect("no panic"), b"ping");
    }

    #[test]
    fn connections_are_cut_and_come_back_when_the_weather_is_fair() {
        let proxy = echo();
        let stream = TcpStream::connect(proxy.address()).expect("it listens");
        asked(&stream).expect("an answer");
        proxy.set(Weather::Cut);
        asked(&stream).expect_err("the connection is gone");
        let stream = TcpStream::connect(proxy.address()).expect("it listens");
        asked(&stream).expect_err("nobody is reached");
        proxy.set(Weather::Fair);
        let stream = TcpStream::connect(proxy.address()).expect("it listens");
        asked(&stream).expect("an answer");
    }
}
