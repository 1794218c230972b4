//! What other threads tell a running loop.

use super::LinkReport;
use crate::emulator::Profile;
use rustix::event::{EventfdFlags, eventfd};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a link is to be like: each direction, and whether it carries anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Link {
    /// From the first port to the second, and back.
    pub directions: [Profile; 2],
    /// Whether each of them is unplugged.
    pub down: [bool; 2],
}

/// The loop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the loop has ended")]
pub struct Ended;

/// One of them. The answers are given on the loop's thread, and must be short.
pub(super) enum Order {
    Change { index: usize, link: Link, done: Box<dyn FnOnce() + Send> },
    Report(Box<dyn FnOnce(Vec<LinkReport>) + Send>),
    Stop,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Change { .. } => "Change",
            Self::Report(_) => "Report",
            Self::Stop => "Stop",
        })
    }
}

/// Speaks to a loop, from any thread.
#[derive(Clone, Debug)]
pub struct Orders {
    sender: Sender<Order>,
    wake: Arc<OwnedFd>,
}

/// The loop's end.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: Receiver<Order>,
    wake: Arc<OwnedFd>,
}

/// Both ends.
pub(super) fn orders() -> io::Result<(Orders, Inbox)> {
    let (sender, receiver) = channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    Ok((Orders { sender, wake: Arc::clone(&wake) }, Inbox { receiver, wake }))
}

impl Orders {
    /// Makes a link another; `done` is called once it is. A link that is none
    /// is ignored.
    ///
    /// # Errors
    /// If nobody listens any more: `done` is not called then, nor if the loop
    /// ends before.
    pub fn change(
        &self,
        index: usize,
        link: Link,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<(), Ended> {
        self.send(Order::Change { index, link, done: Box::new(done) })
    }

    /// Asks what every link is like and has done, in their order.
    ///
    /// # Errors
    /// As of [`change`](Self::change).
    pub fn report(&self, tell: impl FnOnce(Vec<LinkReport>) + Send + 'static) -> Result<(), Ended> {
        self.send(Order::Report(Box::new(tell)))
    }

    /// Asks the loop to end. What it holds is dropped.
    pub fn stop(&self) {
        // Then it has ended already.
        let _ = self.send(Order::Stop);
    }

    fn send(&self, order: Order) -> Result<(), Ended> {
        self.sender.send(order).map_err(|_| Ended)?;
        // A counter at its limit is readable all the same.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        Ok(())
    }
}

impl Inbox {
    /// The next order. `Stop` also if nobody can give any more.
    pub(super) fn take(&self) -> Option<Order> {
        use std::sync::mpsc::TryRecvError;
        match self.receiver.try_recv() {
            Ok(order) => Some(order),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Order::Stop),
        }
    }

    /// What a sleeping loop waits on.
    pub(super) fn wake_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }

    /// Ends the readiness of [`wake_fd`](Self::wake_fd). What was said before is
    /// found by the turn that follows.
    pub(super) fn hear(&self) {
        // Nothing to read is the usual case.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
    }
}
