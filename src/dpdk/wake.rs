//! How a queue wakes a thread that waits for frames.
//!
//! Every source is wrapped in an epoll descriptor of its own, so that the
//! outside sees one kind of thing. Drivers that interrupt signal an eventfd
//! that they never read again: edge-triggered. A TAP's file and a packet
//! socket are readable as long as frames wait: level-triggered, because
//! net_tap may return nothing at first (see [`Wake::nudge`]), and an edge would
//! be lost by then.

use super::{Errno, ffi};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{Ordering, fence};

/// `F_GETSIG` of fcntl.h.
const GET_SIGNAL: libc::c_int = 11;

/// Wakes whoever waits for one queue.
#[derive(Debug)]
pub(super) struct Wake {
    epoll: OwnedFd,
    source: Source,
    port: u16,
    queue: u16,
    armed: bool,
}

/// What becomes readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The file of a TAP's queue.
    Tap(RawFd),
    /// The sockets of net_af_packet. With several queues any of them: which is
    /// whose the driver does not say.
    Sockets(Vec<RawFd>),
    /// What a driver with interrupts signals.
    Interrupt(RawFd),
}

impl Source {
    fn descriptors(&self) -> &[RawFd] {
        match self {
            Self::Tap(fd) | Self::Interrupt(fd) => std::slice::from_ref(fd),
            Self::Sockets(fds) => fds,
        }
    }
}

impl Wake {
    pub(super) fn new(source: Source, port: u16, queue: u16) -> Result<Self, Errno> {
        // SAFETY: creates a descriptor.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(Errno::last());
        }
        // SAFETY: a descriptor that nobody else has.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let edge = if matches!(source, Source::Interrupt(_)) { libc::EPOLLET } else { 0 };
        for &fd in source.descriptors() {
            let mut event = libc::epoll_event { events: (libc::EPOLLIN | edge) as u32, u64: 0 };
            // SAFETY: both descriptors are open, the event is copied.
            let added =
                unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
            if added < 0 {
                return Err(Errno::last());
            }
        }
        Ok(Self { epoll, source, port, queue, armed: false })
    }

    /// Becomes readable with this descriptor too.
    pub(super) fn watch(&self, fd: RawFd) -> Result<(), Errno> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: both descriptors are open, the event is copied.
        let added = unsafe { libc::epoll_ctl(self.fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if added < 0 { Err(Errno::last()) } else { Ok(()) }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// The file of a TAP's queue, if it is one.
    pub(super) fn tap_fd(&self) -> Option<RawFd> {
        match self.source {
            Source::Tap(fd) => Some(fd),
            _ => None,
        }
    }

    /// Asks to be woken. The caller then polls once more.
    pub(super) fn arm(&mut self) {
        self.armed = true;
        if matches!(self.source, Source::Interrupt(_)) {
            // SAFETY: the port is started. A driver without this function
            // interrupts always.
            unsafe { ffi::mpdk_port_interrupt_enable(self.port, self.queue) };
            // The peer must see the request before the queue is looked at
            // again, or both look away at once: net_vhost has no barrier here.
            fence(Ordering::SeqCst);
        }
    }

    /// Once more, for a peer that came after [`arm`](Self::arm): net_vhost
    /// forgets the request of a peer that was not there.
    pub(super) fn rearm(&mut self) {
        if self.armed {
            self.arm();
        }
    }

    /// Makes net_tap look at its file. It reads only after a signal, which may
    /// come later than the frame or, when buffers lacked, have come before:
    /// then the file is readable and yet the driver returns nothing. Returns
    /// whether to poll again.
    pub(super) fn nudge(&self) -> bool {
        let Source::Tap(fd) = self.source else { return false };
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor to look at, without waiting.
        if unsafe { libc::poll(&raw mut poll, 1, 0) } <= 0 || poll.revents & libc::POLLIN == 0 {
            return false;
        }
        // SAFETY: reads which signal the file sends.
        let signal = unsafe { libc::fcntl(fd, GET_SIGNAL) };
        // SAFETY: the driver has a handler for the signal it chose, which
        // counts; sent to this thread, it runs before this returns.
        signal > 0 && unsafe { libc::pthread_kill(libc::pthread_self(), signal) } == 0
    }

    /// Ends what [`arm`](Self::arm) began.
    pub(super) fn disarm(&mut self) {
        self.armed = false;
        if matches!(self.source, Source::Interrupt(_)) {
            // SAFETY: an event to be overwritten; a plain type.
            let mut event: libc::epoll_event = unsafe { mem::zeroed() };
            // Takes the edge, without waiting.
            // SAFETY: room for one event.
            unsafe { libc::epoll_wait(self.fd(), &raw mut event, 1, 0) };
            // SAFETY: the port is started.
            unsafe { ffi::mpdk_port_interrupt_disable(self.port, self.queue) };
        }
    }
}
