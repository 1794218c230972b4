//! How often and when to try again.

use std::time::Duration;

use super::error::TransferError;
use super::monitor::Monitor;

/// The longest wait between two attempts, unless the first is longer.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// The retries that are left.
#[derive(Debug)]
pub(super) struct Retries {
    left: u32,
    delay: Duration,
    max_delay: Duration,
}

impl Retries {
    /// `count` retries, the first after `delay`, each further one after twice
    /// the time.
    pub(super) fn new(count: u32, delay: Duration) -> Retries {
        Retries { left: count, delay, max_delay: MAX_DELAY.max(delay) }
    }

    /// Waits until it is time to try again.
    ///
    /// # Errors
    /// `error` itself, where trying again is over or would not help.
    pub(super) async fn after(
        &mut self,
        error: TransferError,
        monitor: &Monitor,
    ) -> Result<(), TransferError> {
        if self.left == 0 || !error.is_transient() {
            return Err(error);
        }
        self.left -= 1;
        tracing::warn!(%error, delay = ?self.delay, "trying again");
        monitor.say(&format!("{error}; trying again"));
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(self.max_delay);
        Ok(())
    }
}
