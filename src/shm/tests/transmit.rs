use super::*;
use crate::base::Packet;
use std::cell::Cell;
use std::rc::Rc;

fn next_send(slot: &mut ClientSlot) -> (ConnectionId, crate::shm::ArenaSlice) {
    match slot.next_request().unwrap() {
        Some(Request::Send { connection, data }) => (connection, data),
        other => panic!("{other:?} instead of a send"),
    }
}

#[test]
fn a_slice_is_a_packet_over_the_clients_bytes() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 3, 64, b"0123456789");
    let (connection, mut data) = next_send(&mut slot);
    assert_eq!(connection, id(0));
    assert_eq!((data.range().block, data.len(), data.head()), (3, 10, &b"0123456789"[..]));

    let middle = data.slice(2, 5);
    let front = data.split_front(4);
    assert_eq!((middle.head(), front.head(), data.head()), (&b"23456"[..], &b"0123"[..], &b"456789"[..]));
    data.truncate(100);
    data.truncate(2);
    assert_eq!(data.head(), b"45");
    let mut copy = [0; 8];
    assert_eq!(middle.copy_to(3, &mut copy), 2);
    assert_eq!(&copy[..2], b"56");
    data.trim_front(2);
    data.for_each_piece(&mut |piece| panic!("an empty window has the piece {piece:?}"));
}

#[test]
#[should_panic(expected = "trim 11 of 10 bytes")]
fn a_window_is_never_left() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 0, 0, b"0123456789");
    next_send(&mut slot).1.trim_front(11);
}

#[test]
fn a_block_is_done_when_the_last_reference_goes() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 0, 0, b"hello");
    let (_, data) = next_send(&mut slot);
    let retransmission = data.share();
    drop(data);
    slot.flush().unwrap();
    assert_eq!(client.completions(), []);
    drop(retransmission);
    assert_eq!(client.completions(), [], "only a flush reports");
    slot.flush().unwrap();
    slot.flush().unwrap();
    assert_eq!(client.completions(), [Completion::SendDone { block: 0, end: 5 }]);
}

#[test]
fn a_block_that_a_device_may_read_is_not_done() {
    let (mut slot, mut client) = connected(1);
    let read = Rc::new(Cell::new(false));
    let is_read = Rc::clone(&read);
    slot.wait_for_devices(move |block| block != 3 || is_read.get());
    client.send(id(0), 3, 0, b"hello");
    client.send(id(0), 4, 0, b"world");
    drop(next_send(&mut slot));
    drop(next_send(&mut slot));
    slot.flush().unwrap();
    assert_eq!(client.completions(), [Completion::SendDone { block: 4, end: 5 }]);
    assert!(slot.waits_for_devices() && slot.prepare_sleep().unwrap(), "there is nothing to do but wait");
    slot.cancel_sleep();
    read.set(true);
    slot.flush().unwrap();
    assert_eq!(client.completions(), [Completion::SendDone { block: 3, end: 5 }]);
    assert!(!slot.waits_for_devices());
}

#[test]
fn pieces_of_one_block_are_done_together() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 0, 0, b"hello");
    client.send(id(0), 0, 64, b"world");
    let (_, hello) = next_send(&mut slot);
    let (_, world) = next_send(&mut slot);
    drop(hello);
    slot.flush().unwrap();
    assert_eq!(client.completions(), []);
    drop(world);
    slot.flush().unwrap();
    assert_eq!(client.completions(), [Completion::SendDone { block: 0, end: 69 }]);
}

#[test]
fn a_piece_that_follows_before_the_report_takes_it_back() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 0, 0, b"hello");
    drop(next_send(&mut slot));
    client.send(id(0), 0, 64, b"world");
    let (_, world) = next_send(&mut slot);
    slot.flush().unwrap();
    assert_eq!(client.completions(), []);
    drop(world);
    slot.flush().unwrap();
    assert_eq!(client.completions(), [Completion::SendDone { block: 0, end: 69 }]);
}

#[test]
fn what_is_sent_on_a_closed_connection_comes_back() {
    let (mut slot, mut client) = connected(1);
    slot.closed(id(0), Reason::RESET);
    client.send(id(0), 2, 0, b"too late");
    assert!(slot.next_request().unwrap().is_none());
    slot.flush().unwrap();
    let expected = [
        Completion::Closed { connection: handle(id(0)), reason: Reason::RESET },
        Completion::SendDone { block: 2, end: 8 },
    ];
    assert_eq!(client.completions(), expected);
}

#[test]
fn slices_outlive_the_client_and_its_slot() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 7, 0, b"still on its way");
    let (_, data) = next_send(&mut slot);
    drop(client);
    drop(slot);
    let again = data.share();
    drop(data);
    assert_eq!(again.head(), b"still on its way");
}
