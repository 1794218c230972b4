//! The receiver against a model: an array that says which bytes arrived.

use super::*;
use crate::base::HeapPacket;
use proptest::prelude::*;

const STREAM: usize = 400;

fn stream() -> Vec<u8> {
    (0..STREAM).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn receiver(buffer_bytes: usize) -> Receiver<HeapPacket> {
    let mut receiver = Receiver::new(buffer_bytes);
    receiver.set_initial(DataSeqNumber(u64::MAX - 3));
    receiver
}

fn read_all(receiver: &mut Receiver<HeapPacket>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(packet) = receiver.read() {
        bytes.extend_from_slice(packet.as_slice());
    }
    bytes
}

proptest! {
    #[test]
    fn puts_any_overlapping_pieces_in_order(
        pieces in prop::collection::vec((0..STREAM, 1..60usize), 1..120)
    ) {
        let stream = stream();
        let mut receiver = receiver(STREAM);
        let mut arrived = [false; STREAM];
        let mut got = Vec::new();
        for (start, len) in pieces {
            let end = (start + len).min(STREAM);
            let before = receiver.next();
            let placed = receiver.place(start as u64, HeapPacket::new(&stream[start..end]));
            prop_assert_ne!(placed, Placed::OutOfWindow);
            prop_assert_ne!(placed, Placed::Full);
            arrived[start..end].fill(true);
            let in_order = arrived.iter().position(|&byte| !byte).unwrap_or(STREAM);
            prop_assert_eq!(receiver.next() as usize, in_order);
            prop_assert_eq!(placed == Placed::InOrder, receiver.next() > before);
            got.extend(read_all(&mut receiver));
            prop_assert_eq!(&got, &stream[..in_order]);
            let waiting = arrived[in_order..].iter().filter(|&&byte| byte).count();
            let held: usize = receiver.out_of_order.iter().map(|(_, piece)| piece.len()).sum();
            prop_assert_eq!(held, waiting, "each byte is held once");
        }
    }

    #[test]
    fn the_right_edge_never_moves_left(steps in prop::collection::vec((any::<bool>(), 1..200usize), 1..60)) {
        let stream = [0; 200];
        let mut receiver = receiver(1_000);
        let mut edge = 0;
        let mut held = 0;
        for (arrives, bytes) in steps {
            if arrives {
                let room = (receiver.window() as usize).min(bytes);
                if room > 0 {
                    receiver.place(receiver.next(), HeapPacket::new(&stream[..room]));
                    held += room;
                }
            } else {
                let consumed = bytes.min(held);
                held -= consumed;
                receiver.consumed(consumed);
            }
            let new_edge = receiver.next() + u64::from(receiver.window());
            prop_assert!(new_edge >= edge);
            prop_assert!(receiver.held_bytes + u64::from(receiver.window()) <= 1_000);
            edge = new_edge;
        }
    }
}

#[test]
fn what_lies_beyond_the_window_is_cut_off() {
    let mut receiver = receiver(10);
    assert_eq!(receiver.place(10, HeapPacket::new(b"x")), Placed::OutOfWindow);
    assert_eq!(receiver.place(u64::MAX - 1, HeapPacket::new(b"xyz")), Placed::OutOfWindow);
    assert_eq!(receiver.place(0, HeapPacket::new(b"0123456789abc")), Placed::InOrder);
    assert_eq!(receiver.next(), 10);
    assert_eq!(receiver.place(2, HeapPacket::new(b"2345")), Placed::Duplicate);
}

#[test]
fn a_stranger_cannot_make_the_queue_grow() {
    let mut receiver = receiver(10_000);
    for at in 0..256 {
        assert_eq!(receiver.place(2 + 2 * at, HeapPacket::new(b"x")), Placed::OutOfOrder);
    }
    assert_eq!(receiver.place(9_000, HeapPacket::new(b"x")), Placed::Full);
    assert_eq!(receiver.place(0, HeapPacket::new(b"ab")), Placed::InOrder);
    assert_eq!(receiver.next(), 3);
}

#[test]
fn the_data_fin_takes_one_number() {
    let mut receiver = receiver(100);
    receiver.set_fin(5);
    receiver.set_fin(4);
    assert!(!receiver.is_finished());
    let before = receiver.acknowledgement();
    receiver.place(0, HeapPacket::new(b"01234"));
    assert!(receiver.is_finished());
    assert_eq!(receiver.acknowledgement(), before + 6);
}

#[test]
fn the_peer_hears_of_an_opening_window_in_time() {
    let mut receiver = receiver(1_000);
    receiver.window();
    receiver.announced();
    receiver.place(0, HeapPacket::new(&[0; 950]));
    receiver.window();
    receiver.announced();
    assert!(!receiver.wants_update(100));
    receiver.read();
    receiver.consumed(100);
    assert!(!receiver.wants_update(100), "one segment is too little");
    receiver.consumed(100);
    assert!(receiver.wants_update(100));
    receiver.window();
    receiver.announced();
    assert!(!receiver.wants_update(100));
}
