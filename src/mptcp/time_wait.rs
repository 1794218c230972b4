//! What the endpoint keeps of a subflow in TIME_WAIT.

use super::connection::Core;
use super::subflow::Subflow;
use crate::base::{Context, DataSeqNumber, FourTuple, Instant, Packet};
use crate::tcp::{self, TimeWaitReaction};
use crate::wire::{DataAck, DataSignal, OptionBytes, Tcp};

/// A subflow in TIME_WAIT, which outlives its connection: TCP's part, and the
/// Data ACK, which the peer may have missed too (RFC 8684 §3.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    tcp: tcp::TimeWait,
    data_ack: Option<DataSeqNumber>,
}

impl TimeWait {
    /// What is left of `subflow`, once it is in TIME_WAIT and its last ACK left.
    pub(super) fn of<P: Packet>(core: &Core<P>, subflow: &Subflow<P>) -> Option<Self> {
        let data_ack = core.is_multipath().then(|| core.receive.acknowledgement());
        subflow.tcp.time_wait().map(|tcp| Self { tcp, data_ack })
    }

    /// A segment with `payload_bytes` came for its 4-tuple.
    pub fn handle_segment(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Tcp,
        payload_bytes: usize,
    ) -> TimeWaitReaction {
        self.tcp.handle_segment(cx, segment, payload_bytes)
    }

    /// The ACK that answers, and its options.
    pub fn acknowledgement(&self, tuple: &FourTuple, now: Instant) -> (Tcp, OptionBytes) {
        let (header, mut options) = self.tcp.acknowledgement(tuple, now);
        if let Some(sequence) = self.data_ack {
            // Beside the timestamps there is room for it.
            DataSignal { data_fin: false, data_ack: Some(DataAck::Long(sequence)), mapping: None }
                .emit(&mut options);
        }
        (header, options)
    }
}
