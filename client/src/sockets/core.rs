//! A client's part at one core of an engine, and what drives it.

use crate::doorbell::Doorbell;
use crate::layout::{WAKE_ON_ENTRIES, WAKE_ON_ROOM};
use crate::message::Submission;
use crate::region::{Arena, Region};
use crate::sockets::pieces::{LentPackets, Piece};
use crate::sockets::questions::Answer;
use crate::sockets::state::{Gone, State};
use crate::view::PacketView;
use crate::{Attachment, wake};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use tokio::net::UnixStream;
use tokio::sync::Notify;

/// A client at one core. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct CoreContext {
    handle: Arc<Handle>,
}

/// Takes what the core's engine says and wakes the tasks that wait for it.
#[derive(Debug)]
pub(crate) struct CoreDriver {
    shared: Arc<Shared>,
    doorbell: UnixStream,
    /// The engine's end of the doorbell is closed.
    hung_up: bool,
}

/// Exists as long as somebody uses the context.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) region: Arc<Region>,
    /// What the engine lets us read in place.
    packets: Option<Arc<PacketView>>,
    doorbell: Doorbell,
    state: Mutex<State>,
    /// Wakes the driver for what does not come from the engine.
    driver: Notify,
}

impl CoreContext {
    /// Attaches to a core's engine.
    pub(crate) fn new(attachment: Attachment) -> io::Result<(Self, CoreDriver)> {
        let Attachment { region, doorbell, packets } = attachment;
        let region = Arc::new(region);
        let packets = packets.map(Arc::new);
        let watched = StdUnixStream::from(doorbell.as_fd().try_clone_to_owned()?);
        watched.set_nonblocking(true)?;
        let watched = UnixStream::from_std(watched)?;
        let lent = LentPackets::new(packets.clone());
        let state = State::new(Arc::clone(&region), lent).map_err(io::Error::other)?;
        let (state, driver) = (Mutex::new(state), Notify::new());
        let shared = Arc::new(Shared { region, packets, doorbell, state, driver });
        let driver = CoreDriver { shared: Arc::clone(&shared), doorbell: watched, hung_up: false };
        Ok((Self { handle: Arc::new(Handle { shared }) }, driver))
    }

    /// Whether the engine is gone: everything fails from then on.
    pub(crate) fn is_engine_gone(&self) -> bool {
        self.with(|state| state.gone.is_some())
    }

    pub(crate) fn region(&self) -> &Region {
        &self.handle.shared.region
    }

    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        self.handle.shared.with(act)
    }

    /// The bytes of a piece that the engine has lent us.
    ///
    /// # Safety
    /// The piece is not given back while the result lives.
    #[expect(unsafe_code, reason = "payload is read in place")]
    pub(crate) unsafe fn bytes(&self, piece: Piece) -> &[u8] {
        match (piece, &self.handle.shared.packets) {
            // SAFETY: the block is lent until it is given back, and the client
            // fills none of that arena.
            (Piece::Block(range), _) => unsafe { self.region().bytes(Arena::Receive, range) },
            // SAFETY: the engine has named it, and it is not given back yet.
            (Piece::Packet { range, .. }, Some(packets)) => unsafe { packets.bytes(range) },
            (Piece::Packet { .. }, None) => unreachable!("packets are lent only where they can be seen"),
        }
    }

    /// The piece is to be read soon.
    pub(crate) fn prefetch(&self, piece: Option<&Piece>) {
        if let (Some(Piece::Packet { range, .. }), Some(packets)) = (piece, &self.handle.shared.packets) {
            packets.prefetch(*range);
        }
    }

    /// Asks the engine something; dropping the result takes the question back.
    pub(crate) fn ask(&self, submission: impl FnOnce(u64) -> Submission) -> Asking<'_> {
        Asking { context: self, user_data: self.with(|state| state.ask(submission)) }
    }
}

/// A question on its way.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    context: &'a CoreContext,
    pub(crate) user_data: u64,
}

impl Future for Asking<'_> {
    type Output = io::Result<Answer>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.context.with(|state| state.poll_answer(self.user_data, cx.waker())) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.context.with(|state| state.abandon(self.user_data));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|state| state.handles_gone = true);
        self.shared.driver.notify_one();
    }
}

impl Shared {
    /// Acts on the state under its lock; then wakes whom that concerns.
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state);
        self.settle(state, 0);
        result
    }

    /// A panic while the lock was held is a bug, but not a reason for others to
    /// lose what they have.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what was submitted, unlocks, and wakes. `events`: what the
    /// engine may want to hear of besides.
    fn settle(&self, mut state: MutexGuard<'_, State>, events: u32) {
        let events = events | if state.publish() { WAKE_ON_ENTRIES } else { 0 };
        let ring = events != 0 && wake::must_ring(&self.region.engine().sleeping, events);
        let call_driver = state.has_backlog() || state.gone.is_some();
        let wakers = std::mem::take(&mut state.wake);
        drop(state);
        if ring {
            self.doorbell.ring();
        }
        if call_driver {
            self.driver.notify_one();
        }
        for waker in wakers {
            waker.wake();
        }
    }

    /// One pass over what the engine said; whether there was anything.
    fn turn(&self, hung_up: bool) -> bool {
        // Before the ring: an empty ring after it is the end. Pairs with the
        // engine's store after its last entry.
        let closed = hung_up || self.region.engine().closed.load(Ordering::Acquire) != 0;
        let mut state = self.lock();
        let progress = state.turn();
        if closed && !progress.taken {
            state.fail(Gone::Engine);
        }
        self.settle(state, if progress.taken { WAKE_ON_ROOM } else { 0 });
        progress.taken || progress.granted
    }

    fn is_finished(&self) -> bool {
        let state = self.lock();
        state.gone.is_some() || (state.handles_gone && !state.has_backlog())
    }

    /// Whether the driver may sleep; the engine rings if something comes.
    fn prepare_sleep(&self) -> bool {
        let mut state = self.lock();
        let room = if state.has_backlog() { WAKE_ON_ROOM } else { 0 };
        wake::announce_sleep(&self.region.client().sleeping, WAKE_ON_ENTRIES | room);
        // As in `turn`.
        let closed = self.region.engine().closed.load(Ordering::Acquire) != 0;
        match state.has_work() {
            Ok(work) => !work && !closed,
            Err(corrupt) => {
                state.fail(corrupt.into());
                self.settle(state, 0);
                false
            }
        }
    }

    fn cancel_sleep(&self) {
        wake::cancel_sleep(&self.region.client().sleeping);
    }
}

impl CoreDriver {
    /// Drives the client's part until nobody uses it or the engine is gone.
    pub(crate) async fn run(mut self) {
        loop {
            let progress = self.shared.turn(self.hung_up);
            if self.shared.is_finished() {
                return;
            }
            if progress {
                // What was woken runs before the ring is looked at again, and
                // often makes the next look worth its while.
                tokio::task::yield_now().await;
                continue;
            }
            if self.shared.prepare_sleep() {
                self.sleep().await;
            }
            self.shared.cancel_sleep();
        }
    }

    async fn sleep(&mut self) {
        tokio::select! {
            ready = self.doorbell.readable() => match ready {
                Ok(()) => self.hear(),
                Err(_) => self.shared.with(|state| state.fail(Gone::Driver)),
            },
            () = self.shared.driver.notified() => {}
        }
    }

    /// Takes rings off the doorbell, all of them: it is heard again only when
    /// it rings again.
    fn hear(&mut self) {
        let mut bytes = [0; 256];
        loop {
            match self.doorbell.try_read(&mut bytes) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => return self.hung_up = true,
            }
        }
    }
}

impl Drop for CoreDriver {
    /// Without a driver nothing is answered any more. The engine closes the
    /// connections that are left as if each had been closed here.
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.flush_backlog();
            if !state.handles_gone {
                state.fail(Gone::Driver);
            }
        });
        // Pairs with the engine's load before it looks at the ring.
        self.shared.region.client().closed.store(1, Ordering::Release);
        self.shared.doorbell.ring();
    }
}
