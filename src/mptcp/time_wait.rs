//! A subflow in TIME_WAIT gives way to the next connection of its 4-tuple.

use super::connection::Connection;
use super::event::Event;
use crate::base::{Context, Packet, SeqNumber, SubflowId};
use crate::tcp;
use crate::wire::Tcp;

impl<P: Packet> Connection<P> {
    /// A SYN came for the 4-tuple of a subflow. If that is in TIME_WAIT and the
    /// SYN lies beyond all that its peer sent, it cannot be an old duplicate:
    /// the subflow is gone, `Event::SubflowClosed` follows, and what comes back
    /// is the sequence number beyond which its successor begins (RFC 9293
    /// §3.10.7.4). `None`: the SYN is the subflow's to handle.
    pub fn supersede(&mut self, cx: &mut Context<'_>, id: SubflowId, syn: &Tcp) -> Option<SeqNumber> {
        let subflow = self.subflow(id)?;
        let is_over = subflow.tcp.state() == tcp::State::TimeWait;
        if !is_over || syn.sequence.before(subflow.tcp.receive_next()) {
            return None;
        }
        let (after, tuple) = (subflow.tcp.next_push_sequence(), subflow.path.tuple());
        self.subflows[usize::from(id.0)] = None;
        self.core.events.push_back(Event::SubflowClosed { subflow: id, tuple });
        self.handle_subflow_gone(cx, tcp::CloseReason::Finished);
        self.settle(cx);
        Some(after)
    }
}
