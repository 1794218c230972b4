//! What became of the frames of a direction.

/// Frames and their bytes, Ethernet header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub frames: u64,
    /// How many bytes together.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u32) {
        self.frames += 1;
        self.bytes += u64::from(bytes);
    }

    pub(super) fn remove(&mut self, bytes: u32) {
        self.frames -= 1;
        self.bytes -= u64::from(bytes);
    }
}

/// Since the start. What went in is somewhere: `received + duplicated` is
/// `sent + lost + queue_dropped + down_dropped + overflowed` and what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came in.
    pub received: Tally,
    /// Went out.
    pub sent: Tally,
    /// Lost on the way, as the profile asked.
    pub lost: Tally,
    /// Found the queue full.
    pub queue_dropped: Tally,
    /// The link was down, or went down while they were on it.
    pub down_dropped: Tally,
    /// Found all packet memory of the direction in use: the emulator's limit,
    /// not the link's.
    pub overflowed: Tally,
    /// Copies that were made.
    pub duplicated: Tally,
    /// Held back so that others passed them.
    pub reordered: Tally,
}
