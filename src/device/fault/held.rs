//! Frames held back until others have passed.

use std::collections::VecDeque;

/// Frames held at once, per direction; the oldest go early if it is more.
const LIMIT: usize = 256;

/// Frames with the number of others that may still pass them.
#[derive(Debug)]
pub(super) struct Held<T>(VecDeque<(u32, T)>);

impl<T> Held<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds `frame` until `frames` others have passed. The step that follows
    /// its own arrival does not count.
    pub(super) fn hold(&mut self, frames: u32, frame: T) {
        self.0.push_back((frames.saturating_add(1), frame));
        if self.0.len() > LIMIT
            && let Some((left, _)) = self.0.front_mut()
        {
            *left = 0;
        }
    }

    /// A frame has passed, or a round without one.
    pub(super) fn step(&mut self) {
        for (left, _) in &mut self.0 {
            *left = left.saturating_sub(1);
        }
    }

    /// A frame that has been held long enough.
    pub(super) fn take_due(&mut self) -> Option<T> {
        let at = self.0.iter().position(|&(left, _)| left == 0)?;
        self.0.remove(at).map(|(_, frame)| frame)
    }
}
