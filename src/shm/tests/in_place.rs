//! Packets that are lent where they lie.

use super::*;
use crate::base::Packet;
use crate::shm::{InPlace, PacketTicket, Violation};
use mpdk_client::{PacketRange, Tickets};
use std::sync::Weak;

/// A packet in several pieces, each in a buffer of its own.
#[derive(Debug)]
pub(super) struct Chain(Vec<HeapPacket>);

impl Chain {
    pub(super) fn new(pieces: usize, bytes: usize) -> Self {
        Self((0..pieces).map(|piece| HeapPacket::new(&vec![piece as u8; bytes])).collect())
    }
}

impl Packet for Chain {
    fn len(&self) -> usize {
        self.0.iter().map(Packet::len).sum()
    }
    fn buffers(&self) -> usize {
        self.0.len()
    }
    fn head(&self) -> &[u8] {
        self.0[0].head()
    }
    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        self.0.iter().for_each(|piece| piece.for_each_piece(visit));
    }
    fn share(&self) -> Self {
        Self(self.0.iter().map(Packet::share).collect())
    }
    fn trim_front(&mut self, _: usize) {
        unreachable!("these are lent whole")
    }
    fn truncate(&mut self, _: usize) {
        unreachable!("these are lent whole")
    }
}

/// A slot and a client with connections 0 to `count`, which may hold so many
/// buffers of the heap.
fn lending(count: u32, buffers: u32) -> (ClientSlot, RawClient) {
    let (mut slot, client) = connected(count);
    // Weak: nobody reads.
    let reader: Weak<()> = Weak::new();
    slot.allow_in_place(InPlace { address: 0, bytes: 1 << 48, buffers, reader });
    (slot, client)
}

fn release(client: &mut RawClient, tickets: &[u32]) {
    let mut released = Tickets::default();
    assert!(tickets.iter().all(|&ticket| released.push(ticket)));
    client.submit(Submission::ReleasePacket { tickets: released });
}

/// Ticket and pieces still to come of each, in order.
fn lent(completions: &[Completion]) -> Vec<(u32, u16)> {
    let lent = |it: &Completion| match *it {
        Completion::ReceivedInPlace { ticket, left, .. } => Some((ticket, left)),
        _ => None,
    };
    completions.iter().filter_map(lent).collect()
}

#[test]
fn a_packet_is_named_piece_by_piece() {
    let (mut slot, mut client) = lending(1, 100);
    let packet = Chain::new(12, 700);
    let ticket = slot.lend(id(0), &packet).unwrap();
    slot.flush().unwrap();
    let completions = client.completions();
    assert_eq!(lent(&completions), [(1, 12), (1, 7), (1, 2)]);
    let ranges: Vec<_> = completions
        .iter()
        .flat_map(|it| match it {
            Completion::ReceivedInPlace { pieces, .. } => pieces.iter().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        })
        .collect();
    let at = |piece: &HeapPacket| PacketRange { offset: piece.head().as_ptr() as u64, len: 700 };
    assert_eq!(ranges, packet.0.iter().map(at).collect::<Vec<_>>());
    release(&mut client, &[1]);
    assert!(slot.next_request().unwrap().is_none());
    let released = slot.next_released().unwrap();
    assert_eq!((released.ticket, released.connection, released.bytes), (ticket, id(0), 12 * 700));
    assert_eq!(slot.next_released(), None);
}

#[test]
fn what_was_copied_before_comes_before() {
    let (mut slot, mut client) = lending(2, 100);
    let large = HeapPacket::new(&[7; 1100]);
    slot.copy_in(id(0), &HeapPacket::new(b"first"));
    slot.copy_in(id(1), &HeapPacket::new(b"other"));
    slot.lend(id(0), &large).unwrap();
    slot.copy_in(id(0), &HeapPacket::new(b"last"));
    slot.received_fin(id(0));
    slot.flush().unwrap();
    let of_first = |it: &Completion| match *it {
        Completion::Received { connection, range } => (connection == handle(id(0))).then_some(range.len),
        Completion::ReceivedInPlace { pieces, .. } => pieces.iter().next().map(|range| range.len),
        Completion::ReceivedFin { .. } => Some(0),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(client.completions().iter().filter_map(of_first).collect::<Vec<_>>(), [5, 1100, 4, 0]);
}

#[test]
fn a_client_holds_no_more_than_its_buffers() {
    let (mut slot, mut client) = lending(2, 10);
    assert!(slot.lend(id(0), &Chain::new(6, 700)).is_some());
    assert!(slot.lend(id(1), &Chain::new(5, 700)).is_none());
    assert!(slot.lend(id(1), &Chain::new(4, 700)).is_some());
    assert!(slot.lend(id(0), &HeapPacket::new(&[0; 1100])).is_none());
    release(&mut client, &[2]);
    assert!(slot.next_request().unwrap().is_none());
    assert!(slot.lend(id(0), &Chain::new(4, 700)).is_none(), "the engine still holds it");
    assert_eq!(slot.next_released().map(|it| it.ticket.index()), Some(1));
    let reused = slot.lend(id(0), &Chain::new(4, 700)).map(PacketTicket::index);
    assert_eq!(reused, Some(1), "the ticket may stand for another packet");
}

#[test]
fn short_packets_and_others_memory_are_copied() {
    let (mut slot, _client) = lending(1, 10);
    assert!(slot.lend(id(0), &HeapPacket::new(&[0; 1023])).is_none());
    assert!(slot.lend(id(0), &HeapPacket::new(b"")).is_none());
    assert!(slot.lend(id(0), &Chain::new(3, 500)).is_none());
    assert!(slot.lend(id(1), &HeapPacket::new(&[0; 1100])).is_none(), "no such connection");
    let packet = Chain::new(3, 700);
    let last = packet.0[2].head();
    let starts = packet.0.iter().map(|piece| piece.head().as_ptr() as usize);
    let (low, high) = (starts.clone().min().unwrap(), starts.max().unwrap());
    for (address, bytes) in [(low + 1, 1 << 40), (low, high - low + last.len() - 1), (high + 700, 1 << 40)] {
        let (mut slot, mut client) = connected(1);
        let reader: Weak<()> = Weak::new();
        slot.allow_in_place(InPlace { address, bytes, buffers: 10, reader });
        assert!(slot.lend(id(0), &packet).is_none(), "a piece lies outside");
        slot.flush().unwrap();
        assert_eq!(client.completions(), []);
    }
}

#[test]
fn packets_outlive_their_connection() {
    let (mut slot, mut client) = lending(1, 10);
    let ticket = slot.lend(id(0), &HeapPacket::new(&[1; 1100])).unwrap();
    slot.closed(id(0), Reason::NONE);
    slot.flush().unwrap();
    assert_eq!(client.completions().len(), 2);
    release(&mut client, &[1]);
    assert!(slot.next_request().unwrap().is_none());
    assert_eq!(slot.next_released().map(|it| it.ticket), Some(ticket));
}

#[test]
fn a_packet_given_back_lets_its_connection_go_on() {
    let (mut slot, mut client) = lending(1, 1);
    let packet = HeapPacket::new(&[1; 2048]);
    slot.lend(id(0), &packet).unwrap();
    while slot.copy_in(id(0), &packet) == 2048 {}
    assert_eq!(slot.next_receivable(), None);
    release(&mut client, &[1]);
    assert!(slot.next_request().unwrap().is_none());
    assert!(slot.next_released().is_some());
    assert_eq!(slot.next_receivable(), Some(id(0)));
    assert_eq!(slot.next_receivable(), None);
    assert!(slot.lend(id(0), &packet).is_some());
}

#[test]
fn each_lie_about_packets_is_found_out() {
    let lie = |tickets: &[u32]| {
        let (mut slot, mut client) = lending(1, 10);
        slot.lend(id(0), &HeapPacket::new(&[1; 1100])).unwrap();
        release(&mut client, tickets);
        let violation = slot.next_request().unwrap_err();
        assert!(slot.is_gone());
        violation
    };
    assert_eq!(lie(&[2]), Violation::PacketNotLent(2));
    assert_eq!(lie(&[u32::MAX]), Violation::PacketNotLent(u32::MAX));
    assert_eq!(lie(&[1, 1]), Violation::PacketNotLent(1));
    let (mut slot, mut client) = connected(1);
    release(&mut client, &[1]);
    assert_eq!(slot.next_request().unwrap_err(), Violation::PacketNotLent(1), "nothing is ever lent");
}
