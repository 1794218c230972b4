//! The program of each core: takes connections and reads what comes.

use mpdk::base::{Context, Instant, Packet};
use mpdk::endpoint::{Endpoint, Event};
use mpdk::engine::{Bytes, Resident};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

/// What a core's program has done.
#[derive(Debug, Default)]
pub struct Progress {
    pub connections: Cell<usize>,
    pub bytes: Cell<usize>,
}

#[derive(Debug)]
pub struct Reader {
    service: SocketAddr,
    listens: bool,
    progress: Rc<Progress>,
}

impl Reader {
    pub const fn new(service: SocketAddr, progress: Rc<Progress>) -> Self {
        Self { service, listens: false, progress }
    }
}

impl<D: Packet> Resident<D> for Reader {
    fn take_event(&mut self, _: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        match *event {
            Event::Accepted { .. } => self.progress.connections.update(|count| count + 1),
            Event::Readable(id) => {
                let mut bytes = 0;
                while let Some(packet) = endpoint.read(id) {
                    bytes += packet.len();
                }
                endpoint.consumed(id, bytes);
                self.progress.bytes.update(|count| count + bytes);
            }
            _ => {}
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        if !self.listens {
            endpoint.listen(cx, self.service, 1_024).expect("a free port");
            self.listens = true;
        }
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
