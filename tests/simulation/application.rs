//! An application that sends a known stream and checks the one it gets.

use super::packet::{CountedPacket, Held};
use mpdk::base::{ConnectionId, Context, Instant, Packet};
use mpdk::endpoint::{CloseReason, ConnectError, Endpoint, Event};
use std::net::SocketAddr;

/// The byte at an offset of the stream of a connection and direction.
fn stream_byte(stream: u64, offset: u64) -> u8 {
    let mixed = (offset / 8 + stream * 0x9e37_79b9).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> (8 * (offset % 8))) as u8
}

/// What one side of a connection does.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Bytes that this side sends.
    pub send_bytes: u64,
    /// Bytes in one write.
    pub write_bytes: usize,
    /// Bytes that this side expects.
    pub expect_bytes: u64,
    /// Whether it closes only after it has everything.
    pub close_last: bool,
    /// Received bytes after which it aborts the connection.
    pub abort_after: Option<u64>,
    /// Whether its peer may abort.
    pub may_be_aborted: bool,
}

impl Script {
    /// Whether this side sends nothing.
    pub const fn is_silent(&self) -> bool {
        self.send_bytes == 0
    }
}

/// How one side of a connection stands.
#[derive(Debug)]
pub struct Session {
    pub id: ConnectionId,
    script: Script,
    send_stream: u64,
    receive_stream: u64,
    established: bool,
    sent: u64,
    pub received: u64,
    close_called: bool,
    released: bool,
    peer_finished: bool,
    pub closed: Option<CloseReason>,
    pub last_progress: Instant,
    pub longest_gap_ns: u64,
}

/// All sessions of a host.
#[derive(Debug, Default)]
pub struct Application {
    pub sessions: Vec<Session>,
    accept_scripts: Vec<Script>,
    pub corrupted: Option<String>,
}

impl Application {
    /// What to do with connections that are accepted, in order; the last script
    /// serves all that follow.
    pub fn accept_with(&mut self, scripts: Vec<Script>) {
        self.accept_scripts = scripts;
    }

    pub fn connect(
        &mut self,
        endpoint: &mut Endpoint<CountedPacket>,
        cx: &mut Context<'_>,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        script: Script,
    ) -> Result<(), ConnectError> {
        let id = endpoint.connect(cx, local, remote)?;
        self.sessions.push(Session::new(id, script, 0, 1, cx.now));
        Ok(())
    }

    pub fn turn(&mut self, endpoint: &mut Endpoint<CountedPacket>, cx: &mut Context<'_>, held: &Held) {
        while let Some(event) = endpoint.poll_event(cx) {
            self.handle(event, cx);
        }
        for session in &mut self.sessions {
            session.read(endpoint, cx, &mut self.corrupted);
            session.write(endpoint, cx, held);
            session.end(endpoint, cx);
        }
    }

    fn handle(&mut self, event: Event, cx: &mut Context<'_>) {
        match event {
            Event::Accepted { connection, .. } => {
                let which = self.sessions.len().min(self.accept_scripts.len() - 1);
                let mut session = Session::new(connection, self.accept_scripts[which], 1, 0, cx.now);
                session.established = true;
                self.sessions.push(session);
            }
            Event::Connected(id) => self.session(id, |session| session.established = true),
            Event::PeerFinished(id) => self.session(id, |session| session.peer_finished = true),
            Event::Closed(id, reason) => self.session(id, |session| session.closed = Some(reason)),
            Event::Readable(_) | Event::Writable(_) => {}
        }
    }

    fn session(&mut self, id: ConnectionId, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) {
            change(session);
        }
    }
}

impl Session {
    fn new(id: ConnectionId, script: Script, send_stream: u64, receive_stream: u64, now: Instant) -> Self {
        Self {
            id,
            script,
            send_stream,
            receive_stream,
            established: false,
            sent: 0,
            received: 0,
            close_called: false,
            released: false,
            peer_finished: false,
            closed: None,
            last_progress: now,
            longest_gap_ns: 0,
        }
    }

    fn read(
        &mut self,
        endpoint: &mut Endpoint<CountedPacket>,
        cx: &mut Context<'_>,
        corrupted: &mut Option<String>,
    ) {
        let before = self.received;
        while let Some(packet) = endpoint.read(self.id) {
            for (index, &byte) in packet.as_slice().iter().enumerate() {
                let offset = self.received + index as u64;
                if byte != stream_byte(self.receive_stream, offset) {
                    corrupted.get_or_insert_with(|| format!("byte {offset} of {:?} is wrong", self.id));
                }
            }
            self.received += packet.len() as u64;
            endpoint.consumed(self.id, packet.len());
        }
        if self.received > before {
            self.longest_gap_ns = self.longest_gap_ns.max(cx.now.since(self.last_progress).as_nanos());
            self.last_progress = cx.now;
        }
    }

    fn write(&mut self, endpoint: &mut Endpoint<CountedPacket>, cx: &mut Context<'_>, held: &Held) {
        while self.established && self.closed.is_none() && self.sent < self.script.send_bytes {
            let capacity = endpoint.send_capacity(self.id);
            let left = (self.script.send_bytes - self.sent) as usize;
            let bytes = self.script.write_bytes.min(left).min(capacity);
            if bytes == 0 {
                return;
            }
            let data: Vec<u8> =
                (0..bytes as u64).map(|at| stream_byte(self.send_stream, self.sent + at)).collect();
            if endpoint.write(cx, self.id, held.packet(&data)).is_err() {
                return;
            }
            self.sent += bytes as u64;
        }
    }

    fn end(&mut self, endpoint: &mut Endpoint<CountedPacket>, cx: &mut Context<'_>) {
        if self.closed.is_none() && self.script.abort_after.is_some_and(|bytes| self.received >= bytes) {
            self.closed = Some(CloseReason::Aborted);
            self.released = true;
            endpoint.abort(cx, self.id);
        }
        if self.released {
            return;
        }
        let all_sent = self.established && self.sent == self.script.send_bytes;
        let may_close =
            !self.script.close_last || (self.peer_finished && self.received == self.script.expect_bytes);
        if all_sent && may_close && !self.close_called {
            self.close_called = true;
            endpoint.close(cx, self.id);
        }
        if self.closed.is_some() {
            self.released = true;
            endpoint.release(cx, self.id);
        }
    }

    /// What is wrong with how the session ended, if anything.
    pub fn complaint(&self) -> Option<String> {
        let is_cut_off = self.script.abort_after.is_some() || self.script.may_be_aborted;
        if is_cut_off && self.received <= self.script.expect_bytes && self.closed.is_some() {
            return None;
        }
        if self.received != self.script.expect_bytes {
            return Some(format!(
                "{} of {} bytes received, {self:?}",
                self.received, self.script.expect_bytes
            ));
        }
        match self.closed {
            Some(CloseReason::Finished) => None,
            other => Some(format!("ended with {other:?} instead of Finished")),
        }
    }
}
