//! Handing data to subflows: which data, which subflow, how much; and the
//! mapping that says so (RFC 8684 §3.3.1, §3.3.5, §3.3.6, §3.3.8).

use super::connection::{Connection, Mode, SUBFLOW_SLOTS};
use super::mapping::{MAPPING_BYTES_MAX, Mapping, Tag, data_checksum};
use super::scheduler::Candidate;
use super::send::DataFin;
use super::subflow::{SentMapping, Stage, Subflow};
use crate::base::{Context, Packet, SubflowId};
use arrayvec::ArrayVec;

/// Option bytes on a data segment: timestamps are TCP's business, a DSS with
/// 64-bit numbers and a checksum takes 28.
const SIGNAL_BYTES: usize = 28;

impl<P: Packet> Connection<P> {
    /// Hands as much to the subflows as they and the peer's window take.
    pub(super) fn push_data(&mut self, cx: &mut Context<'_>) {
        if !std::mem::take(&mut self.core.send.push_wanted)
            || !self.core.established
            || self.core.ending.is_closed()
        {
            return;
        }
        match self.core.mode {
            Mode::Multipath => {
                self.push_reinjections();
                self.push_new();
            }
            Mode::Plain(_) => self.push_plain(),
            Mode::Negotiating => {}
        }
        self.arm_data_timer(cx);
        // The end of our stream waits until all of it is mapped.
        if self.core.send.fin == DataFin::Wanted {
            self.settle(cx);
        }
    }

    /// Data that another subflow failed to deliver goes first.
    fn push_reinjections(&mut self) {
        let mut from = 0;
        while let Some((start, end)) = self.core.send.reinjection_after(from) {
            from = end;
            let mut at = start;
            while at < end {
                let Some(id) = self.choose(Some(at)) else { break };
                let pushed = self.push_range(id, at, end, false);
                if pushed == 0 {
                    break;
                }
                at += pushed;
            }
        }
    }

    /// Data never sent.
    fn push_new(&mut self) {
        loop {
            let (start, end) = self.core.send.unmapped(true);
            if start == end {
                break;
            }
            let Some(id) = self.choose(None) else { return };
            if self.push_range(id, start, end, true) == 0 {
                return;
            }
        }
        self.probe_window();
    }

    /// The peer's window is closed and nothing is in flight: one segment goes
    /// beyond it, and TCP's zero-window probes carry it across (RFC 9293 §3.8.6.1).
    fn probe_window(&mut self) {
        let (start, end) = self.core.send.unmapped(false);
        if start == end || self.core.send.is_outstanding() {
            return;
        }
        let Some(id) = self.signalling_subflow() else { return };
        let Some(segment) = self.subflow(id).map(|subflow| subflow.tcp.segment_payload(SIGNAL_BYTES)) else {
            return;
        };
        let end = end.min(start + segment as u64);
        self.declare_and_push(id, start, end);
    }

    /// The subflow that sends next; one that carries `again` already is left out.
    fn choose(&mut self, again: Option<u64>) -> Option<SubflowId> {
        if let [Some(only)] = &*self.subflows {
            let carries = |offset| only.carries(offset);
            let usable = only.may_send() && !only.signal.link_down && has_room(only);
            return (usable && !again.is_some_and(carries)).then_some(only.signal.id);
        }
        let mut candidates = ArrayVec::<_, SUBFLOW_SLOTS>::new();
        // Backups only if nothing else is usable, stalled ones last (§3.3.8).
        let mut best = (true, true);
        for subflow in self.subflows.iter().flatten() {
            let rank = (subflow.signal.stale, subflow.is_backup());
            if !subflow.may_send() || subflow.signal.link_down || rank > best {
                continue;
            }
            if rank < best {
                candidates.clear();
                best = rank;
            }
            if has_room(subflow) && again.is_none_or(|offset| !subflow.carries(offset)) {
                candidates.push(Candidate {
                    id: subflow.signal.id,
                    smoothed_rtt: subflow.tcp.smoothed_rtt(),
                    in_flight_bytes: subflow.tcp.outstanding(),
                    congestion_window_bytes: subflow.tcp.congestion_window(),
                    is_far: self.core.config.far_ports.contains(subflow.path.port),
                });
            }
        }
        self.core.scheduler.choose(candidates.iter().copied())
    }

    /// Hands `[start, end)`, or as much of it as fits, to a subflow in one
    /// mapping; returns how much.
    fn push_range(&mut self, id: SubflowId, start: u64, end: u64, whole_segments: bool) -> u64 {
        let Some(subflow) = self.subflow(id) else { return 0 };
        let segment = subflow.tcp.segment_payload(SIGNAL_BYTES);
        let mut room = subflow.tcp.send_room().min(MAPPING_BYTES_MAX);
        if matches!(subflow.signal.stage, Stage::CapableUnconfirmed { .. }) {
            // The first data repeats MP_CAPABLE, whose length is that of its segment (§3.1).
            // The rest waits until the peer has shown that it has the keys: if a later
            // segment overtook the first, the peer would fall back.
            room = if subflow.tcp.outstanding() == 0 { room.min(segment) } else { 0 };
        }
        let available = (end - start) as usize;
        let mut bytes = available.min(room);
        if whole_segments && bytes < available && bytes > segment {
            bytes -= bytes % segment;
        }
        if bytes == 0 {
            return 0;
        }
        self.declare_and_push(id, start, start + bytes as u64);
        bytes as u64
    }

    /// Declares a mapping and hands its data over, by reference.
    fn declare_and_push(&mut self, id: SubflowId, start: u64, end: u64) {
        let scattered = self.all().filter(|subflow| subflow.may_hold_data()).count() > 1;
        let Some((core, subflow)) = self.split(id) else { return };
        let sequence = subflow.tcp.next_push_sequence();
        let mut mapping = Mapping {
            offset: start,
            subflow_offset: sequence.bytes_since(subflow.signal.initial_send_sequence) as u32,
            length: (end - start) as u16,
            checksum: None,
        };
        // Offsets wrap with the subflow's 32-bit numbers.
        mapping.subflow_offset = sequence.0.wrapping_sub(subflow.signal.initial_send_sequence.0);
        if core.checksum {
            let mut pieces = Vec::new();
            core.send.for_each_slice(start, end, |piece| pieces.push(piece));
            let number = core.send.sequence_of(start);
            mapping.checksum =
                Some(data_checksum(number, mapping.subflow_offset, mapping.length, pieces.iter()));
        }
        core.send.for_each_slice(start, end, |piece| subflow.tcp.push(piece, Tag::Mapped(mapping)));
        subflow.sent.push_back(SentMapping {
            end: sequence + (end - start) as usize,
            offset: start,
            bytes: (end - start) as u32,
        });
        core.send.mapped(start, end);
        if scattered {
            core.send.scatter();
        }
    }

    /// Plain TCP: the one subflow takes what it has room for.
    fn push_plain(&mut self) {
        let Some(id) = self.all().find(|subflow| subflow.may_send()).map(|subflow| subflow.signal.id) else {
            return;
        };
        let Some((core, subflow)) = self.split(id) else { return };
        let (start, end) = core.send.unmapped(false);
        // With nothing in flight one segment goes even into a closed window: TCP probes with it.
        let least = if core.send.is_outstanding() { 0 } else { subflow.tcp.segment_payload(0) };
        let bytes = (end - start).min(subflow.tcp.send_room().max(least) as u64);
        if bytes == 0 {
            return;
        }
        let tag = core.announce.take().map_or(Tag::Plain, |mapping| Tag::Infinite(*mapping));
        core.send.for_each_slice(start, start + bytes, |piece| subflow.tcp.push(piece, tag));
        core.send.mapped(start, start + bytes);
    }
}

/// Whether a subflow takes at least a segment, or anything if it is idle.
fn has_room<P: Packet>(subflow: &Subflow<P>) -> bool {
    let room = subflow.tcp.send_room();
    room >= subflow.tcp.segment_payload(SIGNAL_BYTES) || (room > 0 && subflow.tcp.outstanding() == 0)
}
