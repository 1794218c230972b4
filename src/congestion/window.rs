//! What every controller shares: the window, its threshold, slow start and
//! the reactions of RFC 5681 that do not depend on the algorithm.

/// More than any peer's window can be (RFC 7323: 65535 << 14).
const MAX_WINDOW_BYTES: usize = 1 << 30;
/// The threshold before the first loss.
const NO_THRESHOLD: u32 = u32::MAX;

/// A congestion window with its slow start threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    bytes: u32,
    threshold_bytes: u32,
    segment_bytes: u32,
    initial_segments: u32,
}

/// As it is kept: no window is longer than its maximum.
fn kept(bytes: usize) -> u32 {
    bytes.min(MAX_WINDOW_BYTES) as u32
}

impl Window {
    pub(super) fn new(segment_bytes: usize, initial_segments: usize) -> Self {
        let segment_bytes = segment_bytes.max(1);
        let initial_segments = initial_segments.max(1);
        Self {
            bytes: kept(segment_bytes * initial_segments),
            threshold_bytes: NO_THRESHOLD,
            segment_bytes: kept(segment_bytes),
            initial_segments: kept(initial_segments),
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    pub(super) const fn threshold_bytes(&self) -> usize {
        if self.threshold_bytes == NO_THRESHOLD { usize::MAX } else { self.threshold_bytes as usize }
    }

    pub(super) const fn segment_bytes(&self) -> usize {
        self.segment_bytes as usize
    }

    pub(super) const fn is_slow_start(&self) -> bool {
        self.bytes < self.threshold_bytes
    }

    /// Grows by what was delivered up to the threshold; returns the delivered
    /// bytes that are left for congestion avoidance.
    ///
    /// The increase counts bytes (RFC 3465) and has no limit per ACK: one ACK
    /// answers a burst of dozens of segments, and `delivered_bytes` counts only
    /// what arrived since the last ACK, also after a timeout.
    pub(super) fn slow_start(&mut self, delivered_bytes: usize) -> usize {
        let room = self.threshold_bytes().saturating_sub(self.bytes());
        let growth = delivered_bytes.min(room);
        self.grow(growth);
        delivered_bytes - growth
    }

    pub(super) fn grow(&mut self, bytes: usize) {
        self.bytes = kept(self.bytes().saturating_add(bytes));
    }

    pub(super) fn grow_to(&mut self, bytes: usize) {
        self.bytes = kept(self.bytes().max(bytes));
    }

    /// Slow start ends here: delay says that the queue grows.
    pub(super) const fn leave_slow_start(&mut self) {
        self.threshold_bytes = self.bytes;
    }

    /// Fast recovery: window and threshold fall to `target_bytes`, two segments
    /// at least (RFC 5681 equation 4).
    pub(super) fn reduce(&mut self, target_bytes: usize) {
        self.threshold_bytes = kept(target_bytes.max(2 * self.segment_bytes()));
        self.bytes = self.threshold_bytes;
    }

    /// A timeout: one segment, the loss window of RFC 5681 §3.1.
    pub(super) fn collapse(&mut self, threshold_bytes: Option<usize>) {
        if let Some(target) = threshold_bytes {
            self.threshold_bytes = kept(target.max(2 * self.segment_bytes()));
        }
        self.bytes = self.segment_bytes;
    }

    /// RFC 2861: halved per idle timeout, not below the restart window; three
    /// quarters of what it was stay as the threshold.
    pub(super) fn decay(&mut self, timeouts: u32) {
        let restart = self.bytes.min(self.initial_segments * self.segment_bytes);
        let kept = self.bytes / 4 * 3;
        let decayed = self.bytes.checked_shr(timeouts).unwrap_or(0);
        self.bytes = decayed.max(restart);
        if self.threshold_bytes != NO_THRESHOLD {
            self.threshold_bytes = self.threshold_bytes.max(kept);
        }
    }

    pub(super) fn set_segment_bytes(&mut self, segment_bytes: usize) {
        self.segment_bytes = kept(segment_bytes.max(1));
        self.bytes = self.bytes.max(self.segment_bytes);
    }
}
