//! Data-level retransmission: what a subflow held when it stalled or died goes
//! out again on another (RFC 8684 §3.3.6). The stalled subflow goes on
//! retransmitting its own copy.

use super::connection::{Connection, Mode};
use super::subflow::ResetSignal;
use crate::base::{Context, Outcome, Packet, PortIndex, SubflowId};

impl<P: Packet> Connection<P> {
    /// Marks everything that a subflow holds unacknowledged to be sent again.
    pub(super) fn reinject_from(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some((core, subflow)) = self.split(id) else { return };
        if core.mode != Mode::Multipath {
            return;
        }
        let marked: u64 = subflow
            .sent
            .iter()
            .map(|sent| core.send.reinject(sent.offset, sent.offset + u64::from(sent.bytes)))
            .sum();
        if marked > 0 {
            cx.count(Outcome::MpDataRetransmit);
            core.send.push_wanted = true;
        }
    }

    /// The subflow makes no progress: others carry its data, until it does.
    pub(super) fn mark_stale(&mut self, cx: &mut Context<'_>, id: SubflowId) {
        let Some(subflow) = self.subflow_mut(id) else { return };
        if subflow.signal.stale {
            return;
        }
        subflow.signal.stale = true;
        cx.count(Outcome::MpSubflowStale);
        if self.all().filter(|subflow| subflow.may_send()).count() > 1 {
            self.reinject_from(cx, id);
        }
    }

    /// Resets a subflow; its data goes elsewhere.
    pub(super) fn abort_subflow(&mut self, cx: &mut Context<'_>, id: SubflowId, reset: ResetSignal) {
        self.reinject_from(cx, id);
        if let Some(subflow) = self.subflow_mut(id) {
            subflow.abort(reset);
        }
    }

    /// The NIC port lost its link, or got it back.
    pub fn handle_link(&mut self, cx: &mut Context<'_>, port: PortIndex, up: bool) {
        let affected: Vec<SubflowId> =
            self.all().filter(|subflow| subflow.path.port == port).map(|subflow| subflow.signal.id).collect();
        for id in affected {
            if let Some(subflow) = self.subflow_mut(id) {
                subflow.signal.link_down = !up;
                if up {
                    subflow.tcp.retry_now(cx.now);
                }
            }
            if !up {
                self.mark_stale(cx, id);
            }
        }
        if up {
            self.core.addresses.forget_attempts(port, &self.core.config);
        }
        self.core.send.push_wanted = true;
        self.settle(cx);
    }
}
