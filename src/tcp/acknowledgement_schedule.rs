//! When an acknowledgement leaves (RFC 5681 §4.2, RFC 9293 §3.8.6.3).

/// What the receive side owes the peer. A burst of segments is answered when
/// the burst is over, so that everything here coalesces.
#[derive(Debug)]
pub(super) struct AcknowledgementSchedule {
    /// In-order bytes since the last acknowledgement.
    unacknowledged_bytes: u32,
    /// An acknowledgement leaves at once, on whatever segment.
    now: bool,
    /// A segment of its own leaves, with options of the room above.
    signal: bool,
    /// Duplicate ACKs owed to a peer without SACK: it counts them.
    duplicates: u8,
    /// The largest segment seen: two of these are answered at once.
    full_segment_bytes: u32,
}

/// Duplicate ACKs of one burst at most.
const MAX_DUPLICATES: u8 = 64;

/// What a full segment has at least, before one was seen (RFC 9293 §3.7.1).
const SMALLEST_FULL_SEGMENT: u32 = 536;

impl AcknowledgementSchedule {
    pub(super) const fn new() -> Self {
        Self {
            unacknowledged_bytes: 0,
            now: false,
            signal: false,
            duplicates: 0,
            full_segment_bytes: SMALLEST_FULL_SEGMENT,
        }
    }

    /// In-order data came, `largest_bytes` being what the peer may put into a
    /// segment. Returns whether the acknowledgement may wait.
    pub(super) fn received(&mut self, bytes: usize, largest_bytes: usize) -> bool {
        self.full_segment_bytes = self.full_segment_bytes.max(bytes.min(largest_bytes) as u32);
        self.unacknowledged_bytes = self.unacknowledged_bytes.saturating_add(bytes as u32);
        // RFC 5681 §4.2: at least every second full-sized segment.
        self.now |= self.unacknowledged_bytes >= 2 * self.full_segment_bytes;
        !self.now
    }

    pub(super) const fn hurry(&mut self) {
        self.now = true;
    }

    pub(super) const fn signal(&mut self) {
        self.signal = true;
    }

    /// A segment came out of order, from a peer without SACK.
    pub(super) fn duplicate(&mut self) {
        self.duplicates = (self.duplicates + 1).min(MAX_DUPLICATES);
    }

    pub(super) const fn is_due(&self) -> bool {
        self.now || self.duplicates > 0
    }

    pub(super) const fn is_signal_due(&self) -> bool {
        self.signal
    }

    pub(super) const fn is_delayed(&self) -> bool {
        self.unacknowledged_bytes > 0 && !self.now
    }

    /// Any segment with ACK left.
    pub(super) const fn acknowledged(&mut self) {
        self.now = false;
        self.unacknowledged_bytes = 0;
    }

    /// A segment without payload left: it counts as a duplicate ACK.
    pub(super) const fn acknowledged_alone(&mut self) {
        self.acknowledged();
        self.signal = false;
        self.duplicates = self.duplicates.saturating_sub(1);
    }

    pub(super) const fn clear(&mut self) {
        self.acknowledged();
        self.signal = false;
        self.duplicates = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_full_segment_is_answered() {
        let mut schedule = AcknowledgementSchedule::new();
        assert!(schedule.received(1448, 1460));
        assert!(schedule.is_delayed() && !schedule.is_due());
        assert!(!schedule.received(1448, 1460));
        assert!(schedule.is_due() && !schedule.is_delayed());
    }

    #[test]
    fn data_answers_all_but_duplicates_and_signals() {
        let mut schedule = AcknowledgementSchedule::new();
        schedule.hurry();
        schedule.duplicate();
        schedule.duplicate();
        schedule.signal();
        schedule.acknowledged();
        assert!(schedule.is_due() && schedule.is_signal_due());
        schedule.acknowledged_alone();
        assert!(schedule.is_due() && !schedule.is_signal_due());
        schedule.acknowledged_alone();
        assert!(!schedule.is_due());
    }
}
