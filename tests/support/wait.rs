//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

/// Long enough for a slow machine under load; a test that gets here has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks until there is an answer. Panics with `what` at the deadline.
#[track_caller]
pub fn wait_for<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "still waiting for {what} after {deadline:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asks until it is so. Panics with `what` at the deadline.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, mut is_so: impl FnMut() -> bool) {
    wait_for(what, deadline, || is_so().then_some(()));
}
