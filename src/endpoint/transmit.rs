//! The way out: the host's own frames first, then the connections in turn.

use super::Endpoint;
use super::neighbour::Lookup;
use super::output::{HeaderBytes, QueuedFrame, SegmentOf};
use crate::base::{
    ConnectionId, Context, FrameSink, Outcome, Packet, PortIndex, PortSet, SubflowId, TransmitFrame,
};
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

    /// Sends the host's own frames.
    fn send_queued(&mut self, sink: &mut impl FrameSink<P>) {
        for port in &mut self.ports {
            while sink.room(port.index) > 0 {
                let Some(frame) = port.output.pop() else { break };
                let frame = TransmitFrame {
                    port: port.index,
                    header: &frame.header,
                    payload: &frame.payload,
                    offload: frame.offload,
                };
                port.statistics.count_sent(&frame);
                sink.send(frame);
            }
        }
    }

    /// Gives connections that may want to send their turns.
    fn send_segments(&mut self, cx: &mut Context<'_>, sink: &mut impl FrameSink<P>) {
        let mut writable = self.writable_ports(sink);
        while let Some(id) = self.sending.pop_front() {
            match self.take_turn(cx, id, &mut writable, sink) {
                Turn::Again => self.sending.push_back(id),
                Turn::Blocked => self.blocked.push(id),
                Turn::Done => {
                    if let Some(slot) = self.slot_mut(id) {
                        slot.queued.transmit = false;
                    }
                }
            }
            self.touch_again(id);
            if writable.is_empty() {
                self.blocked.extend(self.sending.drain(..));
            }
        }
    }

    fn writable_ports(&self, sink: &impl FrameSink<P>) -> PortSet {
        let mut writable = PortSet::EMPTY;
        for port in &self.ports {
            // What a port without link gets is lost, and does not wait.
            if !port.link_up || sink.room(port.index) > 0 {
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
            let blocked = self
                .ports
                .iter()
                .any(|port| slot.ports.contains(port.index) && !writable.contains(port.index));
            let Some(connection) = slot.connection() else { return Turn::Done };
            let Some(subflow) = connection.poll_transmit(cx, *writable, &mut self.segment) else {
                return if blocked { Turn::Blocked } else { Turn::Done };
            };
            if let Some(port) = self.send_segment_of(cx, id, subflow, sink)
                && sink.room(port) == 0
                && self.ports[usize::from(port.0)].link_up
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
        let index = usize::from(way.port.0);
        let port = &mut self.ports[index];
        if !port.link_up {
            port.statistics.frames_dropped += 1;
            cx.count(Outcome::LinkDown);
            return Some(way.port);
        }
        let source = way.tuple.local.ip();
        let lookup = port.neighbours.lookup(cx.now, &mut way.neighbour, way.next_hop, source);
        let mac = match lookup {
            Lookup::Found(mac) => mac,
            _ => MacAddress::default(),
        };
        let port_index = way.port;
        let Some((header_bytes, offload)) = way.header.write(mac, &self.segment, &mut self.header) else {
            cx.count(Outcome::TransmitQueueFull);
            return Some(port_index);
        };
        if let Lookup::Found(_) = lookup {
            let header = &self.header[..header_bytes];
            let frame = TransmitFrame { port: port_index, header, payload: &self.segment.payload, offload };
            port.statistics.count_sent(&frame);
            sink.send(frame);
        } else {
            let header = self.header[..header_bytes].iter().copied().collect::<HeaderBytes>();
            let payload = self.segment.payload.drain(..).collect();
            let sequence = self.segment.sequence;
            let segment = Some(SegmentOf { connection: id, subflow, sequence });
            self.dispatch(cx, index, lookup, QueuedFrame { header, payload, offload, segment });
        }
        self.solicit(cx, index);
        Some(port_index)
    }

    /// A connection's deadlines changed by its sending.
    fn touch_again(&mut self, id: ConnectionId) {
        if let Some(slot) = self.connections.get_mut(id.index, id.generation)
            && !slot.queued.touched
        {
            slot.queued.touched = true;
            self.touched.push(id);
        }
    }
}

impl super::PortStatistics {
    fn count_sent<P: Packet>(&mut self, frame: &TransmitFrame<'_, P>) {
        self.frames_sent += 1;
        self.bytes_sent += (frame.header.len() + frame.payload.iter().map(Packet::len).sum::<usize>()) as u64;
    }
}
