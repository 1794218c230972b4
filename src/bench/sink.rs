//! The passive side: takes, answers, and closes when the peer does.

use super::{News, Pattern, Wish, later_port};
use crate::base::{ConnectionId, Context, Instant, ListenerId, Packet};
use crate::endpoint::{Endpoint, Event};
use crate::engine::{Bytes, Resident};
use hashbrown::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

/// Connections that wait to be accepted, at most.
const BACKLOG: usize = 4_096;

/// How far a connection is.
#[derive(Debug)]
enum Progress {
    /// What it is for is not known yet: its first bytes, and how many came.
    Asking { asked: Vec<u8>, came: u64 },
    /// What is thrown away.
    Discarding,
    /// Bytes of the request at hand that came, and of responses that wait for
    /// room.
    Answering { request_bytes: u64, response_bytes: u64, came: u64, owed: u64 },
    /// Nothing comes.
    Idle,
}

/// The passive program.
#[derive(Debug)]
pub struct Sink<D> {
    listeners: Vec<ListenerId>,
    /// Whether it tried to listen.
    begun: bool,
    news: Sender<News>,
    address: SocketAddr,
    /// How many ports from that of `address` on.
    ports: u16,
    pattern: Pattern<D>,
    connections: HashMap<ConnectionId, Progress>,
    /// Bytes taken since the start.
    taken_bytes: u64,
}

impl<D: Packet> Sink<D> {
    /// A sink that will listen at `ports` ports from that of `address` on; `pattern`
    /// is what it answers with.
    pub fn new(address: SocketAddr, ports: u16, pattern: Pattern<D>, news: Sender<News>) -> Self {
        let (listeners, connections) = (Vec::new(), HashMap::new());
        Self { listeners, begun: false, news, address, ports, pattern, connections, taken_bytes: 0 }
    }

    /// Bytes taken since the start.
    pub const fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    fn listen(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for address in (0..self.ports).map(|number| later_port(self.address, number)) {
            match endpoint.listen(cx, address, BACKLOG) {
                Ok(listener) => {
                    self.listeners.push(listener);
                    tracing::info!(%address, "listening");
                }
                // Nobody may want to know any more.
                Err(error) => {
                    drop(self.news.send(News::Failed(format!("cannot listen at {address}: {error}"))));
                }
            }
        }
    }

    fn take(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, id: ConnectionId) {
        let Some(progress) = self.connections.get_mut(&id) else { return };
        let mut bytes = 0;
        while let Some(packet) = endpoint.read(id) {
            bytes += packet.len();
            if let Progress::Asking { asked, .. } = progress {
                packet.for_each_piece(&mut |piece| {
                    let room = Wish::BYTES_MOST - asked.len().min(Wish::BYTES_MOST);
                    asked.extend_from_slice(&piece[..piece.len().min(room)]);
                });
            }
        }
        self.taken_bytes += bytes as u64;
        endpoint.consumed(id, bytes);
        let mut new_bytes = bytes as u64;
        if let Progress::Asking { asked, came } = progress {
            *came += new_bytes;
            match Wish::decode(asked) {
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "a connection is reset");
                    self.connections.remove(&id);
                    return endpoint.abort(cx, id);
                }
                Ok(Some((wish, length))) => {
                    // What came beyond the wish is data already.
                    new_bytes = *came - length as u64;
                    *progress = Progress::new(wish);
                }
            }
        }
        if let Progress::Answering { request_bytes, response_bytes, came, owed } = progress {
            *came += new_bytes;
            *owed += *came / *request_bytes * *response_bytes;
            *came %= *request_bytes;
        }
        answer(cx, endpoint, id, progress, &self.pattern);
    }
}

impl Progress {
    fn new(wish: Wish) -> Self {
        match wish {
            Wish::Discard => Self::Discarding,
            Wish::Idle => Self::Idle,
            Wish::Once => Self::Answering { request_bytes: 1, response_bytes: 1, came: 0, owed: 1 },
            Wish::Answer { request_bytes, response_bytes } => Self::Answering {
                request_bytes: request_bytes.into(),
                response_bytes: response_bytes.into(),
                came: 0,
                owed: 0,
            },
        }
    }
}

/// Sends what is owed, as far as there is room.
fn answer<D: Packet>(
    cx: &mut Context<'_>,
    endpoint: &mut Endpoint<Bytes<D>>,
    id: ConnectionId,
    progress: &mut Progress,
    pattern: &Pattern<D>,
) {
    let Progress::Answering { owed, .. } = progress else { return };
    while *owed > 0 {
        let room = endpoint.send_capacity(id) as u64;
        if room == 0 {
            return;
        }
        let piece = pattern.first((*owed).min(room) as usize);
        let bytes = piece.len() as u64;
        if endpoint.write(cx, id, piece).is_err() {
            return;
        }
        *owed -= bytes;
    }
}

impl<D: Packet> Resident<D> for Sink<D> {
    fn take_event(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>, event: &Event) -> bool {
        match *event {
            Event::Accepted { listener, connection } if self.listeners.contains(&listener) => {
                self.connections.insert(connection, Progress::Asking { asked: Vec::new(), came: 0 });
                self.take(cx, endpoint, connection);
            }
            Event::Readable(id) if self.connections.contains_key(&id) => self.take(cx, endpoint, id),
            Event::Writable(id) => {
                let Some(progress) = self.connections.get_mut(&id) else { return false };
                answer(cx, endpoint, id, progress, &self.pattern);
            }
            Event::PeerFinished(id) if self.connections.contains_key(&id) => endpoint.close(cx, id),
            Event::Closed(id, _) if self.connections.remove(&id).is_some() => endpoint.release(cx, id),
            _ => return false,
        }
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint<Bytes<D>>) -> bool {
        self.listen(cx, endpoint);
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
