//! SYNs: what they agree on, and the end of the handshake (RFC 9293 §3.5,
//! §3.10.7.3).

use super::state::{CloseReason, Reaction, State};
use super::subflow::{Agreed, DEFAULT_MSS, MIN_MSS, Subflow};
use crate::base::{Context, Instant, Outcome, Packet};
use crate::congestion::Congestion;
use crate::wire::{Tcp, TcpFlags};

impl<P: Packet, T: Copy + PartialEq> Subflow<P, T> {
    /// §3.10.7.3: a segment in SYN_SENT.
    pub(super) fn handle_in_syn_sent(&mut self, cx: &mut Context<'_>, segment: &Tcp) -> Reaction {
        let acknowledges = segment.flags.contains(TcpFlags::ACK);
        // First check: our SYN, and it left.
        if acknowledges && (self.send.offset(segment.acknowledgement) != 1 || self.send.next == 0) {
            cx.count(Outcome::TcpAckInvalid);
            if !segment.flags.contains(TcpFlags::RST) {
                self.refuse(segment.acknowledgement);
            }
            return Reaction::default();
        }
        // Second check; RFC 5961 §3.2: a RST must acknowledge the SYN.
        if segment.flags.contains(TcpFlags::RST) {
            return self.refused(cx, acknowledges);
        }
        // Fourth and fifth check.
        if !segment.flags.contains(TcpFlags::SYN) {
            cx.count(Outcome::TcpFlagsInvalid);
            return Reaction::default();
        }
        self.receive.last_heard = cx.now;
        self.agree(segment, cx.now);
        if acknowledges {
            self.establish(cx.now, segment);
            self.receive.schedule.hurry();
        } else {
            // Simultaneous open (§3.5, figure 8).
            self.state = State::SynReceived;
            self.duties.syn = true;
        }
        Reaction {
            acceptable: true,
            established: acknowledges,
            acknowledged: acknowledges,
            ..Reaction::default()
        }
    }

    fn refused(&mut self, cx: &mut Context<'_>, acknowledges: bool) -> Reaction {
        if !acknowledges {
            cx.count(Outcome::TcpResetIgnored);
            return Reaction::default();
        }
        cx.count(Outcome::TcpResetReceived);
        self.end(CloseReason::Refused);
        Reaction { acceptable: true, reset: true, ..Reaction::default() }
    }

    /// Takes what the peer's SYN says.
    pub(super) fn agree(&mut self, syn: &Tcp, now: Instant) {
        let offered = &syn.options;
        self.receive.initial = syn.sequence;
        self.receive.next = 1;
        self.receive.acknowledged = 1;
        // A window that our SYN announced counted from here.
        self.receive.edge += 1;
        self.receive.announced += 1;
        let scale = offered.window_scale.map(|shift| shift.min(14));
        self.agreed = Agreed {
            timestamps: self.agreed.timestamps && offered.timestamps.is_some(),
            sack: self.agreed.sack && offered.sack_permitted,
            scaling: scale.is_some(),
            send_scale: scale.unwrap_or(0),
            receive_scale: if scale.is_some() { self.agreed.receive_scale } else { 0 },
        };
        if let Some(timestamps) = offered.timestamps {
            self.clock.begin(timestamps.value, now);
        }
        self.send.peer_mss = offered.mss.unwrap_or(DEFAULT_MSS).max(MIN_MSS);
        // RFC 7323 §2.2: the window of a SYN is not scaled.
        self.send.set_window(u32::from(syn.window), (0, 0));
    }

    /// Our SYN is acknowledged by `segment`.
    pub(super) fn establish(&mut self, now: Instant, segment: &Tcp) {
        let syn_was_lost = self.recovery.timeouts > 0;
        if self.send.syn_left_once {
            self.rtt.measure(now.since(self.send.last_sent), 1);
        } else if syn_was_lost {
            self.rtt.after_lost_syn();
        }
        self.send.unacknowledged = 1;
        self.send.next = self.send.next.max(1);
        if !segment.flags.contains(TcpFlags::SYN) {
            let window = u32::from(segment.window) << self.agreed.send_scale;
            self.send.set_window(window, (self.receive.next as u32, 1));
        }
        if syn_was_lost {
            self.recovery.timeouts = 0;
        }
        self.timers.retransmit = None;
        self.duties.syn = false;
        // RFC 5681 §3.1: after a lost SYN one segment.
        let initial = if syn_was_lost { 1 } else { usize::from(self.config.initial_window_segments) };
        self.congestion = Congestion::new(self.config.congestion, self.full_segment(), initial);
        self.state = if self.send.finishing { State::FinWait1 } else { State::Established };
    }
}
