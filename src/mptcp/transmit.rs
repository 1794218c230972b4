//! Segments on their way out: subflows in turn, window and options written at
//! the last moment.

use super::connection::Connection;
use super::options::OptionWriter;
use super::send::DataFin;
use crate::base::{Context, Packet, PortIndex, PortSet, SeqNumber, SubflowId};
use crate::tcp::{OutgoingSegment, State};
use crate::wire::TcpFlags;

impl<P: Packet> Connection<P> {
    /// The next segment of any subflow whose port is in `writable`.
    pub fn poll_transmit(
        &mut self,
        cx: &mut Context<'_>,
        writable: PortSet,
        segment: &mut OutgoingSegment<P>,
    ) -> Option<SubflowId> {
        self.push_data(cx);
        let slots = self.subflows.len();
        for turn in 0..slots {
            let slot = (usize::from(self.core.transmit_turn) + turn) % slots;
            let id = SubflowId(slot as u8);
            let is_writable = self.subflow(id).is_some_and(|subflow| writable.contains(subflow.path.port));
            if is_writable && self.transmit_from(cx, id, segment) {
                self.core.transmit_turn = slot as u8;
                return Some(id);
            }
        }
        self.core.transmit_turn = 0;
        if std::mem::take(&mut self.core.settle_wanted) {
            self.settle(cx);
        }
        None
    }

    fn transmit_from(
        &mut self,
        cx: &mut Context<'_>,
        id: SubflowId,
        segment: &mut OutgoingSegment<P>,
    ) -> bool {
        let Some((core, subflow)) = self.split(id) else { return false };
        subflow.tcp.set_receive_window(core.receive.window());
        if subflow.tcp.is_quiet() {
            return false;
        }
        let super_segment_bytes = subflow.path.super_segment_bytes as usize;
        let mut writer = OptionWriter {
            core,
            signal: &mut subflow.signal,
            now: cx.now,
            room: 0,
            outcomes: Default::default(),
        };
        let sent = subflow.tcp.poll_transmit(cx, &mut writer, super_segment_bytes, segment);
        if sent {
            writer.core.receive.announced();
            // An RST, or the ACK of a FIN, may have been the last thing to do; behind an option that waited
            // others may wait.
            let is_last = segment.flags.contains(TcpFlags::RST) || subflow.tcp.state() == State::TimeWait;
            let settles = is_last || !writer.outcomes.is_empty();
            writer.core.settle_wanted |= settles;
            for outcome in writer.outcomes {
                cx.count(outcome);
            }
            self.signal_what_is_left();
        }
        sent
    }

    /// An ACK had no room for the DATA_FIN beside another option: one more follows.
    fn signal_what_is_left(&mut self) {
        if self.core.send.fin_due && self.core.send.fin == DataFin::Sent && self.core.is_multipath() {
            self.signal_data_fin();
        }
    }

    /// A router says that packets of this subflow must be smaller.
    pub fn handle_path_mtu(&mut self, subflow: SubflowId, mtu: u16) {
        let Some(subflow) = self.subflow_mut(subflow) else { return };
        if mtu < subflow.path.mtu {
            subflow.path.mtu = mtu;
            let mss = subflow.path.path().mss_bytes();
            subflow.tcp.handle_path_mss(mss);
        }
    }

    /// Whether the sequence number is one of data sent and not acknowledged: an
    /// ICMP error that quotes another one is forged or late (RFC 5927 §4.1).
    pub fn is_in_flight(&self, subflow: SubflowId, sequence: SeqNumber) -> bool {
        let Some(subflow) = self.subflow(subflow) else { return false };
        let sent_bytes = subflow.tcp.outstanding().saturating_sub(subflow.tcp.queued());
        let offset = sequence.distance(subflow.tcp.unacknowledged());
        usize::try_from(offset).is_ok_and(|offset| offset < sent_bytes)
    }

    /// An ICMP error quoted this sequence number of the subflow.
    pub fn handle_unreachable(&mut self, cx: &mut Context<'_>, subflow: SubflowId, sequence: SeqNumber) {
        if let Some(subflow) = self.subflow_mut(subflow) {
            subflow.tcp.handle_unreachable(cx, sequence);
        }
        self.settle(cx);
    }

    /// A segment of the subflow that waited for the next hop's address leaves.
    pub fn handle_late_departure(&mut self, cx: &mut Context<'_>, subflow: SubflowId) {
        if let Some(subflow) = self.subflow_mut(subflow) {
            subflow.tcp.handle_late_departure(cx.now);
        }
    }

    /// Whether any subflow leaves by this port.
    pub fn uses_port(&self, port: PortIndex) -> bool {
        self.all().any(|subflow| subflow.path.port == port)
    }
}
