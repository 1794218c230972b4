//! What ICMP says of the path (RFC 1191, 8201, 5461, 5927).

use super::state::{CloseReason, State};
use super::subflow::{MIN_MSS, Subflow};
use crate::base::{Context, Outcome, Packet, SeqNumber};
use crate::congestion::Controller;

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// The path takes packets of `mss_bytes` payload at most from now on (ICMP;
    /// never raised, and never below 48). What is in flight in longer segments
    /// is sent again at once; the window stays, nothing was congested.
    pub fn handle_path_mss(&mut self, mss_bytes: u16) {
        let mss_bytes = mss_bytes.max(MIN_MSS);
        if mss_bytes >= self.send.path_mss {
            return;
        }
        self.send.path_mss = mss_bytes;
        self.congestion.set_segment_bytes(self.full_segment());
        if !self.send.scoreboard.is_empty() {
            let segment_bytes = self.segment_payload(usize::from(self.send.option_bytes));
            self.send.scoreboard.lose_longer(segment_bytes);
        }
    }

    /// An ICMP unreachable quoting a sequence number in flight: ends the subflow
    /// in SYN_SENT and SYN_RECEIVED, else it is a soft error (RFC 5461). A
    /// number that is not in flight was made up (RFC 5927 §4.1).
    pub fn handle_unreachable(&mut self, cx: &mut Context<'_>, sequence: SeqNumber) {
        let offset = self.send.offset(sequence);
        if offset < self.send.unacknowledged as i64 || offset >= self.send.next as i64 {
            cx.count(Outcome::IcmpNotOurs);
            return;
        }
        cx.count(Outcome::IcmpUnreachableReceived);
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.end(CloseReason::Unreachable);
        }
    }
}
