//! The options of a segment, in Linux's layout: timestamps first, what else
//! TCP has to say next, and the room above's last.

use super::segment::{OptionContext, OptionSource};
use super::subflow::Subflow;
use crate::base::{Instant, Packet, SeqNumber};
use crate::wire::{OptionBytes, emit_sack, emit_syn};
use arrayvec::ArrayVec;

/// Bytes of a SACK option with its padding, without blocks and per block.
const SACK_HEADER_BYTES: usize = 4;
const SACK_BLOCK_BYTES: usize = 8;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// A SYN: MSS, SACK permitted, timestamps, window scale, the room above's.
    pub(super) fn lay_out_syn(
        &self,
        source: &mut impl OptionSource<T>,
        context: &OptionContext<T>,
        now: Instant,
        options: &mut OptionBytes,
    ) {
        let scale = self.agreed.scaling.then_some(self.agreed.receive_scale);
        // Twenty of forty bytes at most: there is room.
        emit_syn(self.send.path_mss, self.agreed.sack, self.stamp(now), scale, options);
        append(source, context, options.remaining_capacity(), options);
    }

    /// Data, FIN or RST: timestamps, then the room above's.
    pub(super) fn lay_out_data(
        &self,
        source: &mut impl OptionSource<T>,
        context: &OptionContext<T>,
        now: Instant,
        options: &mut OptionBytes,
    ) {
        self.lay_out_timestamps(now, options);
        append(source, context, options.remaining_capacity(), options);
    }

    /// A pure ACK: timestamps, SACK, then the room above's. If SACK blocks wait,
    /// the room above leaves space for one, except on a segment that leaves
    /// for the sake of its options.
    pub(super) fn lay_out_ack(
        &mut self,
        source: &mut impl OptionSource<T>,
        context: &OptionContext<T>,
        now: Instant,
        options: &mut OptionBytes,
    ) {
        self.lay_out_timestamps(now, options);
        let is_waiting = self.agreed.sack && self.receive.report.is_waiting();
        let is_signal = self.receive.schedule.is_signal_due();
        if !is_waiting {
            return append(source, context, options.remaining_capacity(), options);
        }
        let reserved = if is_signal { 0 } else { SACK_HEADER_BYTES + SACK_BLOCK_BYTES };
        let mut upper = OptionBytes::new();
        append(source, context, options.remaining_capacity() - reserved, &mut upper);
        self.lay_out_sack(options.remaining_capacity() - upper.len(), options);
        let fits = options.try_extend_from_slice(&upper).is_ok();
        debug_assert!(fits, "options that keep to the room");
    }

    fn lay_out_timestamps(&self, now: Instant, options: &mut OptionBytes) {
        if let Some(stamp) = self.stamp(now) {
            // The first option: there is room.
            stamp.emit(options);
        }
    }

    fn lay_out_sack(&mut self, room: usize, options: &mut OptionBytes) {
        let count = room.saturating_sub(SACK_HEADER_BYTES) / SACK_BLOCK_BYTES;
        let blocks: ArrayVec<(SeqNumber, SeqNumber), 4> = self
            .receive
            .report
            .take(count)
            .into_iter()
            .map(|(start, end)| (self.receive.sequence(start), self.receive.sequence(end)))
            .collect();
        emit_sack(&blocks, options);
    }
}

/// Appends the room above's options, or none if they do not keep to the room: half
/// an option must not leave.
fn append<T>(
    source: &mut impl OptionSource<T>,
    context: &OptionContext<T>,
    room: usize,
    options: &mut OptionBytes,
) {
    let before = options.len();
    source.write_options(context, room, options);
    let written = options.len() - before;
    if written > room || !written.is_multiple_of(4) {
        debug_assert!(false, "{written} bytes of options for {room} bytes of room");
        options.truncate(before);
    }
}
