//! What other threads tell a running engine: that something arrived for it, or
//! that it shall stop.

use crate::ring::Bell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The line between an engine's thread and the others.
#[derive(Debug)]
pub(super) struct Signal<T> {
    stop: AtomicBool,
    /// Something is in `arrivals`: spares the loop the lock.
    arrived: AtomicBool,
    /// `None`: nobody takes anything any more.
    arrivals: Mutex<Option<Vec<T>>>,
    /// Rings when something was said; and for the other cores, which say nothing to
    /// an engine that is awake.
    pub(super) bell: Bell,
}

impl<T> Signal<T> {
    /// # Errors
    /// If the system gives no eventfd.
    pub(super) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            stop: AtomicBool::new(false),
            arrived: AtomicBool::new(false),
            arrivals: Mutex::new(Some(Vec::new())),
            bell: Bell::new()?,
        }))
    }

    /// Asks the engine to stop.
    pub(super) fn stop(&self) {
        // Release, with the Acquire in `is_stopping`: what was done before is
        // seen by the engine that stops.
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Whether somebody asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Hands something over; gives it back if the engine has ended.
    pub(super) fn send(&self, arrival: T) -> Result<(), T> {
        match &mut *self.lock() {
            Some(arrivals) => arrivals.push(arrival),
            None => return Err(arrival),
        }
        // Release, with the Acquire in `has_arrivals`; the lock orders the rest.
        self.arrived.store(true, Ordering::Release);
        self.bell.ring();
        Ok(())
    }

    /// Whether something was handed over.
    pub(super) fn has_arrivals(&self) -> bool {
        self.arrived.load(Ordering::Acquire)
    }

    /// Takes what was handed over.
    pub(super) fn take(&self) -> Vec<T> {
        let mut arrivals = self.lock();
        self.arrived.store(false, Ordering::Release);
        arrivals.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The engine has ended: what nobody took is dropped.
    pub(super) fn end(&self) {
        let left = self.lock().take();
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<T>>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_once_and_in_order() {
        let signal = Signal::new().unwrap();
        assert_eq!(signal.take(), Vec::<u8>::new());
        let sender = Arc::clone(&signal);
        let sent = std::thread::spawn(move || [1, 2].map(|value| sender.send(value))).join().unwrap();
        assert_eq!(sent, [Ok(()), Ok(())]);
        assert_eq!(signal.take(), [1, 2]);
        assert_eq!(signal.take(), Vec::<u8>::new());
        assert!(!signal.is_stopping());
        signal.stop();
        assert!(signal.is_stopping());
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let signal = Signal::new().unwrap();
        let kept = Arc::new(());
        assert!(signal.send(Arc::clone(&kept)).is_ok());
        signal.end();
        assert_eq!(Arc::strong_count(&kept), 1);
        assert!(signal.send(kept).is_err());
        assert!(signal.take().is_empty());
    }

    #[test]
    fn the_descriptor_is_readable_until_it_was_heard() {
        let signal = Signal::<()>::new().unwrap();
        let readable = || signal.bell.has_rung();
        assert!(!readable());
        signal.stop();
        assert_eq!(signal.send(()), Ok(()));
        assert!(readable());
        signal.bell.hear();
        assert!(!readable());
        signal.bell.hear();
    }
}
