//! Bytes in and out of a connection, as far as the state knows of them.

use crate::layout::Reason;
use crate::message::{ConnectionHandle, Submission};
use crate::sockets::reading::Reading;
use crate::sockets::state::{Connection, State};
use crate::sockets::transmit::{NoRoom, Reserved};
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

impl State {
    /// The next connection of a listener, taken: its handle, local and remote
    /// address.
    pub(crate) fn poll_accepted(
        &mut self,
        user_data: u64,
        waker: &Waker,
    ) -> Poll<io::Result<(ConnectionHandle, SocketAddr, SocketAddr)>> {
        let gone = self.gone;
        let Some(listener) = self.listeners.get_mut(&user_data) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Some(handle) = listener.accepted.pop_front() {
            let listener = listener.handle;
            self.submit(Submission::AcceptMore { listener, count: 1 });
            let Connection { local, remote, .. } = *self.connection(handle)?;
            return Poll::Ready(Ok((handle, local, remote)));
        }
        if let Some(gone) = gone {
            return Poll::Ready(Err(gone.error(io::ErrorKind::ConnectionAborted)));
        }
        if !listener.acceptors.iter().any(|other| other.will_wake(waker)) {
            listener.acceptors.push(waker.clone());
        }
        Poll::Pending
    }

    /// A connection's local and remote address.
    pub(crate) fn addresses(&self, handle: ConnectionHandle) -> Option<(SocketAddr, SocketAddr)> {
        self.connections.get(&handle).map(|connection| (connection.local, connection.remote))
    }

    /// Gives back what was read and takes what was received, if nothing is being
    /// read; `false` at the end of the stream.
    pub(crate) fn poll_received(
        &mut self,
        handle: ConnectionHandle,
        reading: &mut Reading,
        waker: &Waker,
    ) -> Poll<io::Result<bool>> {
        self.turn_over(handle, reading);
        if !reading.pieces.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let gone = self.gone;
        let connection = self.connection(handle)?;
        if connection.received_fin {
            return Poll::Ready(Ok(false));
        }
        match (connection.closed, gone) {
            (Some(Reason::NONE), _) => Poll::Ready(Ok(false)),
            (Some(reason), _) => Poll::Ready(Err(reason.into_error())),
            (None, Some(gone)) => Poll::Ready(Err(gone.error(io::ErrorKind::ConnectionAborted))),
            (None, None) => {
                connection.reader = Some(waker.clone());
                if std::mem::take(&mut connection.held_back) {
                    self.submit(Submission::Want { connection: handle });
                }
                Poll::Pending
            }
        }
    }

    /// Gives back what was read, and takes what was received if nothing is being
    /// read.
    pub(crate) fn turn_over(&mut self, handle: ConnectionHandle, reading: &mut Reading) {
        for piece in reading.read.drain(..) {
            self.give_back(piece, 1);
        }
        if reading.pieces.is_empty()
            && let Some(connection) = self.connections.get_mut(&handle)
        {
            std::mem::swap(&mut connection.received, &mut reading.pieces);
        }
    }

    /// Room in a transmit block, to be filled and [`sent`](Self::sent).
    pub(crate) fn poll_reserve(
        &mut self,
        handle: ConnectionHandle,
        waker: &Waker,
    ) -> Poll<io::Result<Reserved>> {
        self.check_writable(handle)?;
        let Some(connection) = self.connections.get_mut(&handle) else { return Poll::Pending };
        match self.transmit.reserve(handle, &mut connection.share) {
            Ok(reserved) => Poll::Ready(Ok(reserved)),
            Err(no_room) => {
                connection.writer = Some(waker.clone());
                if no_room == NoRoom::Empty && !connection.starved {
                    connection.starved = true;
                    self.starved.push_back(handle);
                }
                Poll::Pending
            }
        }
    }

    /// The first `len` bytes of the reserved room are to be sent.
    pub(crate) fn sent(&mut self, handle: ConnectionHandle, reserved: &Reserved, len: u32) {
        if let Some(connection) = self.connections.get_mut(&handle) {
            let range = self.transmit.sent(&mut connection.share, reserved, len);
            self.submit(Submission::Send { connection: handle, range });
        }
    }

    /// Waits until everything submitted is on the ring: it is then the
    /// engine's, whatever becomes of this process.
    pub(crate) fn poll_flush(&mut self, waker: &Waker) -> Poll<io::Result<()>> {
        if let Some(gone) = self.gone {
            return Poll::Ready(Err(gone.error(io::ErrorKind::BrokenPipe)));
        }
        if !self.has_backlog() {
            return Poll::Ready(Ok(()));
        }
        if !self.flushing.iter().any(|other| other.will_wake(waker)) {
            self.flushing.push(waker.clone());
        }
        Poll::Pending
    }

    /// Says, once, that nothing more will be sent, and waits until that is on
    /// the ring.
    pub(crate) fn poll_shut_down(&mut self, handle: ConnectionHandle, waker: &Waker) -> Poll<io::Result<()>> {
        let connection = self.connection(handle)?;
        match connection.closed {
            Some(Reason::NONE) => return Poll::Ready(Ok(())),
            Some(reason) => return Poll::Ready(Err(reason.into_error())),
            None => {}
        }
        if !connection.shut_down {
            connection.shut_down = true;
            self.submit(Submission::ShutdownWrite { connection: handle });
        }
        self.poll_flush(waker)
    }

    fn check_writable(&mut self, handle: ConnectionHandle) -> io::Result<()> {
        let gone = self.gone;
        let connection = self.connection(handle)?;
        match (connection.closed, gone) {
            _ if connection.shut_down => Err(io::ErrorKind::BrokenPipe.into()),
            (Some(Reason::NONE), _) => Err(io::ErrorKind::BrokenPipe.into()),
            (Some(reason), _) => Err(reason.into_error()),
            (None, Some(gone)) => Err(gone.error(io::ErrorKind::BrokenPipe)),
            (None, None) => Ok(()),
        }
    }

    fn connection(&mut self, handle: ConnectionHandle) -> io::Result<&mut Connection> {
        self.connections.get_mut(&handle).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
