//! Frames of the host's own: through route and neighbour table into the
//! port's queue.

use super::Endpoint;
use super::neighbour::Lookup;
use super::output::{HEADER_BYTES_MOST, HeaderBytes, QueuedFrame};
use super::path_header::{ethernet, write_lower};
use super::port::Port;
use super::route::route;
use crate::base::{Context, Outcome, Packet, TransmitOffload};
use crate::wire::{EtherType, MacAddress};
use std::net::IpAddr;

/// An IP packet of the host's own.
#[derive(Debug)]
pub(super) struct OwnPacket<'a, P> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) protocol: u8,
    pub(super) hop_limit: u8,
    /// The header above IP, with its checksum.
    pub(super) upper: &'a [u8],
    /// What follows it.
    pub(super) payload: Option<P>,
}

impl<P: Packet> OwnPacket<'_, P> {
    /// The whole frame; `None` if it is longer than the port takes.
    fn frame(self, port: &Port<P>, mac: MacAddress) -> Option<QueuedFrame<P>> {
        let payload_bytes = self.upper.len() + self.payload.as_ref().map_or(0, Packet::len);
        let mut buffer = [0; HEADER_BYTES_MOST];
        let ends = (self.source, self.destination);
        let payload_field = u16::try_from(payload_bytes).ok()?;
        let (l2, l3) =
            write_lower(&mut buffer, &port.config, ends, self.protocol, self.hop_limit, payload_field);
        if l3 + payload_bytes > usize::from(port.config.mtu) {
            return None;
        }
        let header_bytes = l2 + l3 + self.upper.len();
        buffer.get_mut(l2 + l3..header_bytes)?.copy_from_slice(self.upper);
        let mut frame = QueuedFrame {
            header: HeaderBytes::try_from(&buffer[..header_bytes]).ok()?,
            payload: self.payload.into_iter().filter(|payload| !payload.is_empty()).collect(),
            offload: TransmitOffload::default(),
            segment: None,
        };
        frame.set_destination(mac);
        Some(frame)
    }
}

impl<P: Packet> Endpoint<P> {
    /// Sends a packet to the host that has its destination address.
    pub(super) fn send_routed(&mut self, cx: &mut Context<'_>, packet: OwnPacket<'_, P>) {
        let Some(route) = route(&self.ports, packet.source, packet.destination) else {
            return cx.count(Outcome::NoRoute);
        };
        let port = &mut self.ports[usize::from(route.port.0)];
        if !port.link_up {
            port.statistics.frames_dropped += 1;
            return cx.count(Outcome::LinkDown);
        }
        let lookup = port.neighbours.lookup(cx.now, &mut None, route.next_hop, packet.source);
        let mac = match lookup {
            Lookup::Found(mac) => mac,
            _ => MacAddress::default(),
        };
        if let Some(frame) = packet.frame(port, mac) {
            self.dispatch(cx, usize::from(route.port.0), lookup, frame);
        }
        self.solicit(cx, usize::from(route.port.0));
    }

    /// Sends a packet on one link, to a station or group of it.
    pub(super) fn send_on_link(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        mac: MacAddress,
        packet: OwnPacket<'_, P>,
    ) {
        if let Some(frame) = packet.frame(&self.ports[index], mac) {
            self.enqueue(cx, index, frame);
        }
    }

    /// Sends what is no IP packet.
    pub(super) fn send_raw(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        mac: MacAddress,
        ether_type: EtherType,
        body: &[u8],
    ) {
        let mut buffer = [0; HEADER_BYTES_MOST];
        let l2_bytes = ethernet(&self.ports[index].config, mac, ether_type).emit(&mut buffer);
        let mut header = HeaderBytes::new();
        let fits = header
            .try_extend_from_slice(&buffer[..l2_bytes])
            .and_then(|()| header.try_extend_from_slice(body));
        if fits.is_ok() {
            let offload = TransmitOffload::default();
            self.enqueue(cx, index, QueuedFrame { header, payload: Vec::new(), offload, segment: None });
        }
    }

    /// Sends a frame, keeps it, or drops it, as the neighbour table said.
    pub(super) fn dispatch(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        lookup: Lookup,
        frame: QueuedFrame<P>,
    ) {
        match lookup {
            Lookup::Found(_) => self.enqueue(cx, index, frame),
            Lookup::Wait(key) => {
                if self.ports[index].neighbours.park(key, frame).is_some() {
                    self.ports[index].statistics.frames_dropped += 1;
                    cx.count(Outcome::NeighbourUnresolved);
                }
            }
            Lookup::Unreachable => {
                self.ports[index].statistics.frames_dropped += 1;
                cx.count(Outcome::NeighbourUnresolved);
                self.report_unreachable(cx, &frame);
            }
            Lookup::Full => {
                self.ports[index].statistics.frames_dropped += 1;
                cx.count(Outcome::NeighbourTableFull);
            }
        }
    }

    /// Puts a complete frame into the port's queue.
    pub(super) fn enqueue(&mut self, cx: &mut Context<'_>, index: usize, frame: QueuedFrame<P>) {
        let port = &mut self.ports[index];
        let outcome = match port.link_up {
            true if port.output.push(frame) => return,
            true => Outcome::TransmitQueueFull,
            false => Outcome::LinkDown,
        };
        port.statistics.frames_dropped += 1;
        cx.count(outcome);
    }

    /// Tells the connection whose segment could not leave.
    pub(super) fn report_unreachable(&mut self, cx: &mut Context<'_>, frame: &QueuedFrame<P>) {
        let Some(segment) = frame.segment else { return };
        if let Some(connection) = self.touch(segment.connection) {
            connection.handle_unreachable(cx, segment.subflow, segment.sequence);
        }
    }

    /// Sends the questions that the port's neighbour table wants asked.
    pub(super) fn solicit(&mut self, cx: &mut Context<'_>, index: usize) {
        while let Some(wanted) = self.ports[index].neighbours.take_solicitation() {
            match (wanted.address, wanted.source) {
                (IpAddr::V4(address), IpAddr::V4(source)) => {
                    self.send_arp_request(cx, index, address, source, wanted.unicast);
                }
                (IpAddr::V6(address), IpAddr::V6(source)) => {
                    self.send_solicitation(cx, index, address, source, wanted.unicast);
                }
                _ => {}
            }
        }
    }
}
