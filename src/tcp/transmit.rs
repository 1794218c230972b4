//! The next segment that may leave: which duty comes first, and what is the
//! same on every segment.

use super::segment::{OptionSource, OutgoingSegment};
use super::state::State;
use super::subflow::Subflow;
use crate::base::{Context, Packet};
use crate::wire::TcpFlags;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// The next segment that may leave now (RST, SYN, signal, retransmission,
    /// new data, FIN, probe, ACK, in this order); `false`: nothing.
    /// `super_segment_bytes`: payload the port takes in one segment if it cuts
    /// (TSO); 0: no TSO.
    pub fn poll_transmit(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl OptionSource<T>,
        super_segment_bytes: usize,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        segment.clear();
        let leaves = self.transmit_reset(cx, segment)
            || match self.state {
                State::Closed => self.transmit_abort(cx, source, segment),
                State::SynSent => self.transmit_syn(cx, source, segment),
                State::SynReceived => {
                    self.transmit_syn(cx, source, segment) || self.transmit_ack(cx, source, segment)
                }
                _ => {
                    self.transmit_signal(cx, source, segment)
                        || self.transmit_data(cx, source, super_segment_bytes, segment)
                        || self.transmit_probe(cx, source, segment)
                        || self.transmit_ack(cx, source, segment)
                }
            };
        if leaves {
            self.counts.segments_sent += segment.segments() as u64;
            self.counts.bytes_sent += segment.payload_bytes as u64;
        }
        leaves
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has nothing to do: no duty is
    /// left, and nothing waits for a window or for its retransmission.
    pub fn is_quiet(&self) -> bool {
        let duties = &self.duties;
        let owes = duties.abort || duties.syn || duties.reset || duties.probe.is_some();
        let acknowledges = self.receive.schedule.is_due()
            || self.receive.schedule.is_signal_due()
            || self.receive.report.is_due();
        let sends = self.send.unsent() > 0
            || self.send.scoreboard.lost_bytes() > 0
            || self.recovery.is_fast()
            || (self.send.finishing && !self.send.fin_sent());
        !owes && !acknowledges && !sends
    }

    /// Header fields of a segment with ACK at `offset`, and what follows from
    /// its leaving.
    pub(super) fn stamp_header(&mut self, offset: u64, flags: TcpFlags, segment: &mut OutgoingSegment<P>) {
        segment.sequence = self.send.sequence(offset);
        segment.acknowledgement = self.receive.sequence(self.receive.next);
        segment.flags = flags.with(TcpFlags::ACK);
        segment.window = self.window_field();
        self.announced(u64::from(segment.window) << self.agreed.receive_scale);
        self.receive.schedule.acknowledged();
    }
}
