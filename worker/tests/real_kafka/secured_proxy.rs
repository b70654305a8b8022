//! A door before a broker that counts who comes through it.
//!
//! Deliberately passes everything on as it is: clients that are let in go on to the address that the broker tells them.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The door; it stays open until the process ends.
pub(crate) struct Proxy {
    address: String,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// A door at a free port that leads to `target`.
    pub(crate) fn to(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let (target, count) = (target.to_owned(), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                let Ok(broker) = TcpStream::connect(&target) else { continue };
                let other = (client.try_clone().expect("a socket"), broker.try_clone().expect("a socket"));
                thread::spawn(move || pass(client, broker));
                thread::spawn(move || pass(other.1, other.0));
            }
        });
        Proxy { address, connections }
    }

    /// Where it is: `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many came so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Until one side hangs up: then the other is told.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    // What goes wrong here the two sides notice by themselves.
    io::copy(&mut from, &mut to).ok();
    to.shutdown(std::net::Shutdown::Both).ok();
}
