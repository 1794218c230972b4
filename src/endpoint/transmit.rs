//! The way out: the host's own frames first, then the connections in turn.

use super::Endpoint;
use super::neighbour::Lookup;
use super::output::{HeaderBytes, QueuedFrame, SegmentOf};
use super::path_header::{HeaderBuffer, Written};
use super::port::Port;
use super::segmentation::{CUTS_MOST, Cut, Cuts};
use super::slot::{Transmit, Way};
use crate::base::{
    ConnectionId, Context, FrameSink, Outcome, Packet, Payload, PortIndex, PortSet, SubflowId, TransmitFrame,
    TransmitOffload,
};
use crate::tcp::OutgoingSegment;
use crate::wire::MacAddress;

/// Segments of one connection before it is the next one's turn.
const SEGMENTS_PER_TURN: usize = 16;

/// How a connection's turn ended.
enum Turn {
    /// It has nothing more to send now.
    Done,
    /// It may have more.
    Again,
    /// It may have more for a port without room.
    Blocked,
}

impl<P: Packet> Endpoint<P> {
    /// Sends what there is to send, as far as the ports have room. `true`: more
    /// waits for room.
    pub fn poll_transmit(&mut self, cx: &mut Context<'_>, sink: &mut impl FrameSink<P>) -> bool {
        while let Some(id) = self.blocked.pop() {
            self.set_transmit(id, Transmit::InTurn);
            self.sending.push_front(id);
        }
        self.settle(cx);
        self.send_queued(sink);
        self.send_segments(cx, sink);
        self.settle(cx);
        // SYNs of subflows that were asked for meanwhile.
        self.send_segments(cx, sink);
        self.settle(cx);
        // Questions for neighbours.
        self.send_queued(sink);
        !self.blocked.is_empty() || self.ports.iter().any(|port| !port.output.is_empty())
    }

    /// Sends the host's own frames, of which there mostly are none.
    fn send_queued(&mut self, sink: &mut impl FrameSink<P>) {
        if self.ports.iter().any(|port| !port.output.is_empty()) {
            self.send_own_frames(sink);
        }
    }

    #[inline(never)]
    fn send_own_frames(&mut self, sink: &mut impl FrameSink<P>) {
        for port in &mut self.ports {
            while sink.room(port.index) > 0 {
                let Some(frame) = port.output.pop() else { break };
                let frame = TransmitFrame {
                    port: port.index,
                    header: &frame.header,
                    payload: Payload::whole(&frame.payload),
                    offload: frame.offload,
                };
                port.statistics.count_sent(&frame);
                sink.send(frame);
            }
        }
    }

    /// Gives connections that may want to send their turns.
    fn send_segments(&mut self, cx: &mut Context<'_>, sink: &mut impl FrameSink<P>) {
        if self.sending.is_empty() {
            return;
        }
        let mut writable = self.writable_ports(sink);
        while let Some(id) = self.sending.pop_front() {
            let transmit = match self.take_turn(cx, id, &mut writable, sink) {
                Turn::Again => {
                    self.sending.push_back(id);
                    Transmit::InTurn
                }
                Turn::Blocked => {
                    self.blocked.push(id);
                    Transmit::Blocked
                }
                Turn::Done => Transmit::Nothing,
            };
            self.end_turn(id, transmit);
            if writable.is_empty() {
                self.block_all();
            }
        }
    }

    /// No port has room: who waits for a turn waits for that.
    fn block_all(&mut self) {
        while let Some(id) = self.sending.pop_front() {
            self.set_transmit(id, Transmit::Blocked);
            self.blocked.push(id);
        }
    }

    fn set_transmit(&mut self, id: ConnectionId, transmit: Transmit) {
        if let Some(slot) = self.slot_mut(id) {
            slot.queued.transmit = transmit;
        }
    }

    fn writable_ports(&mut self, sink: &impl FrameSink<P>) -> PortSet {
        let mut writable = PortSet::EMPTY;
        for port in &mut self.ports {
            let room = sink.room(port.index);
            port.most_room = port.most_room.max(room);
            if port.takes_segment(room) {
                writable.insert(port.index);
            }
        }
        writable
    }

    fn take_turn(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        writable: &mut PortSet,
        sink: &mut impl FrameSink<P>,
    ) -> Turn {
        for _ in 0..SEGMENTS_PER_TURN {
            let Some(slot) = self.connections.get_mut(id.index, id.generation) else { return Turn::Done };
            let ways = slot.ports;
            let Some(connection) = slot.connection() else { return Turn::Done };
            let Some(subflow) = connection.poll_transmit(cx, *writable, &mut self.segment) else {
                return if ways.is_within(*writable) { Turn::Done } else { Turn::Blocked };
            };
            if let Some(port) = self.send_segment_of(cx, id, subflow, sink)
                && !self.ports[usize::from(port.0)].takes_segment(sink.room(port))
            {
                writable.remove(port);
            }
            self.segment.payload.clear();
        }
        Turn::Again
    }

    /// Sends `self.segment` by the way of its subflow. Returns the port.
    fn send_segment_of(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        subflow: SubflowId,
        sink: &mut impl FrameSink<P>,
    ) -> Option<PortIndex> {
        let slot = self.connections.get_mut(id.index, id.generation);
        let Some(way) = slot.and_then(|slot| slot.way(subflow)) else {
            cx.count(Outcome::NoRoute);
            return None;
        };
        let port_index = way.port;
        let port = &mut self.ports[usize::from(port_index.0)];
        if !port.link_up {
            port.statistics.frames_dropped += 1;
            cx.count(Outcome::LinkDown);
            return Some(port_index);
        }
        let known = way.neighbour.and_then(|key| port.neighbours.reachable(cx.now, key));
        let lookup = known.map_or_else(
            || {
                let (source, next_hop) = way.hop(port);
                port.neighbours.lookup(cx.now, &mut way.neighbour, next_hop, source)
            },
            Lookup::Found,
        );
        match lookup {
            Lookup::Found(mac) => send_cuts(cx, port, way, mac, &self.segment, &mut self.header, sink),
            lookup => self.park_segment(cx, id, subflow, lookup),
        }
        if known.is_none() {
            self.solicit(cx, usize::from(port_index.0));
        }
        Some(port_index)
    }

    /// The neighbour's address is not known (yet): the frames of `self.segment`
    /// wait for it, or go.
    fn park_segment(&mut self, cx: &mut Context<'_>, id: ConnectionId, subflow: SubflowId, lookup: Lookup) {
        let Some(way) = self.connections.get_mut(id.index, id.generation).and_then(|slot| slot.way(subflow))
        else {
            return;
        };
        let index = usize::from(way.port.0);
        let segment = Some(SegmentOf { connection: id, subflow, sequence: self.segment.sequence });
        let mut frames = Vec::new();
        for cut in Cuts::new(&self.segment, self.ports[index].cuts()) {
            match way.header.write(MacAddress::default(), &self.segment, &cut, &mut self.header) {
                Some(Written { header_bytes, offload, .. }) => {
                    frames.push(queued(&self.header[..header_bytes], &cut, offload, segment));
                }
                None => cx.count(Outcome::TransmitQueueFull),
            }
        }
        for frame in frames {
            self.dispatch(cx, index, lookup, frame);
        }
    }

    /// A connection had its turn: its deadlines changed by it.
    fn end_turn(&mut self, id: ConnectionId, transmit: Transmit) {
        let Some(slot) = self.connections.get_mut(id.index, id.generation) else { return };
        slot.queued.transmit = transmit;
        if !slot.queued.touched {
            slot.queued.touched = true;
            self.touched.push(id);
        }
    }
}

/// Hands the frames of a segment to the port; those that find no room wait.
fn send_cuts<P: Packet>(
    cx: &mut Context<'_>,
    port: &mut Port<P>,
    way: &Way,
    mac: MacAddress,
    segment: &OutgoingSegment<P>,
    buffer: &mut HeaderBuffer,
    sink: &mut impl FrameSink<P>,
) {
    let mut room = sink.room(port.index);
    let mut written = None;
    for cut in Cuts::new(segment, port.cuts()) {
        written = match written {
            // The frames of a segment differ in little.
            Some(written) if way.header.rewrite(&written, &cut, buffer) => Some(written),
            _ => way.header.write(mac, segment, &cut, buffer),
        };
        let Some(Written { header_bytes, offload, .. }) = written else {
            cx.count(Outcome::TransmitQueueFull);
            continue;
        };
        let header = &buffer[..header_bytes];
        if room > 0 {
            room -= 1;
            let frame = TransmitFrame { port: port.index, header, payload: cut.payload, offload };
            port.statistics.count_sent(&frame);
            sink.send(frame);
        } else if !port.output.push(queued(header, &cut, offload, None)) {
            port.statistics.frames_dropped += 1;
            cx.count(Outcome::TransmitQueueFull);
        }
    }
}

/// A frame that waits holds its bytes by references of its own.
fn queued<P: Packet>(
    header: &[u8],
    cut: &Cut<'_, P>,
    offload: TransmitOffload,
    segment: Option<SegmentOf>,
) -> QueuedFrame<P> {
    let mut payload = Vec::new();
    cut.payload.for_each_packet(|packet, offset, bytes| payload.push(packet.slice(offset, bytes)));
    QueuedFrame { header: header.iter().copied().collect::<HeaderBytes>(), payload, offload, segment }
}

impl<P> Port<P> {
    /// Whether the port itself cuts segments.
    const fn cuts(&self) -> bool {
        self.config.super_segment_bytes > 0
    }

    /// Whether the frames of any segment find room, if the port ever has that
    /// much; and nothing waits that goes first. What a port without link gets is
    /// lost, and does not wait.
    fn takes_segment(&self, room: usize) -> bool {
        let frames = if self.cuts() { 1 } else { CUTS_MOST };
        !self.link_up || (room > 0 && room >= frames.min(self.most_room) && self.output.is_empty())
    }
}

impl super::PortStatistics {
    fn count_sent<P: Packet>(&mut self, frame: &TransmitFrame<'_, P>) {
        self.frames_sent += 1;
        self.bytes_sent += (frame.header.len() + frame.payload.len()) as u64;
    }
}
