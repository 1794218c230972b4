use super::*;
use crate::shm::ConnectionInfo;
use std::iter;

fn received(connection: u32, block: u32, len: u32) -> Completion {
    let range = BlockRange { block, offset: 0, len };
    Completion::Received { connection: handle(id(connection)), range }
}

#[test]
fn packets_of_a_burst_share_a_block() {
    let (mut slot, mut client) = connected(2);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"one ")), 4);
    assert_eq!(slot.copy_in(id(1), &HeapPacket::new(b"other")), 5);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"two")), 3);
    slot.flush().unwrap();
    let mut completions = client.completions();
    completions.sort_by_key(|completion| format!("{completion:?}"));
    assert_eq!(completions, [received(0, 0, 7), received(1, 1, 5)]);
    assert_eq!(client.received(BlockRange { block: 0, offset: 0, len: 7 }), b"one two");
    assert_eq!(client.received(BlockRange { block: 1, offset: 0, len: 5 }), b"other");
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"next burst")), 10);
    slot.flush().unwrap();
    assert_eq!(client.completions(), [received(0, 2, 10)]);
}

#[test]
fn a_packet_that_is_larger_than_a_block_fills_several() {
    let (mut slot, mut client) = connected(1);
    let bytes: Vec<u8> = (0..5000_u32).map(|index| index as u8).collect();
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(&bytes)), 5000);
    slot.received_fin(id(0));
    slot.flush().unwrap();
    let fin = Completion::ReceivedFin { connection: handle(id(0)) };
    let completions = client.completions();
    assert_eq!(completions, [received(0, 0, 2048), received(0, 1, 2048), received(0, 2, 904), fin]);
    let mut all = Vec::new();
    for completion in completions {
        if let Completion::Received { range, .. } = completion {
            all.extend(client.received(range));
        }
    }
    assert_eq!(all, bytes);
}

/// Copies full blocks in until no more is taken; returns how many were.
fn fill(slot: &mut ClientSlot, connection: u32) -> usize {
    let block = HeapPacket::new(&[7; 2048]);
    iter::repeat_with(|| slot.copy_in(id(connection), &block)).take_while(|&taken| taken == 2048).count()
}

#[test]
fn a_client_that_returns_nothing_stops_only_itself() {
    let (mut slot, mut client) = connected(9);
    let mut held: Vec<usize> = (0..9).map(|connection| fill(&mut slot, connection)).collect();
    assert_eq!(held[0], 5, "one connection leaves blocks to others");
    assert_eq!(held.iter().sum::<usize>(), 6, "a block is kept for information and one for the wanted");
    assert_eq!(slot.next_receivable(), None);
    slot.flush().unwrap();
    let (lent, held_back) = sort(&client.completions());
    assert_eq!(lent.len(), 6);
    assert_eq!(held_back, (2..9).map(|index| handle(id(index))).collect::<Vec<_>>());

    // A block of the first connection comes back: it may go on, and so may
    // those that have none, the longest wait first.
    client.submit(Submission::Release { block: lent[0] });
    assert!(slot.next_request().unwrap().is_none());
    held[0] -= 1;
    assert_eq!(slot.next_receivable(), Some(id(0)));
    assert_eq!(slot.next_receivable(), Some(id(2)));
    assert_eq!(fill(&mut slot, 2), 1);
    assert_eq!(slot.next_receivable(), None);
}

/// Blocks that were lent, and connections that are held back.
fn sort(completions: &[Completion]) -> (Vec<u32>, Vec<ConnectionHandle>) {
    let (mut lent, mut held_back) = (Vec::new(), Vec::new());
    for completion in completions {
        match *completion {
            Completion::Received { range, .. } => lent.push(range.block),
            Completion::HeldBack { connection } => held_back.push(connection),
            other => panic!("{other:?}"),
        }
    }
    (lent, held_back)
}

#[test]
fn a_wanted_connection_is_read_past_those_that_nobody_reads() {
    let (mut slot, mut client) = connected(9);
    for connection in 0..9 {
        fill(&mut slot, connection);
    }
    slot.flush().unwrap();
    assert_eq!(sort(&client.completions()).0.len(), 6);
    // Not the longest wait, but wanted; what is wanted twice is named once.
    for connection in [8, 8, 7] {
        client.submit(Submission::Want { connection: handle(id(connection)) });
    }
    assert!(slot.next_request().unwrap().is_none());
    assert_eq!(slot.next_receivable(), Some(id(8)));
    assert_eq!(fill(&mut slot, 8), 1);
    assert_eq!(slot.next_receivable(), None);
    slot.flush().unwrap();
    let (lent, held_back) = sort(&client.completions());
    assert_eq!((lent.len(), held_back), (1, vec![]));
    // The block goes round.
    client.submit(Submission::Release { block: lent[0] });
    assert!(slot.next_request().unwrap().is_none());
    assert_eq!(slot.next_receivable(), Some(id(8)), "it had more");
    assert_eq!(fill(&mut slot, 8), 0, "but does not say to be wanted again");
    assert_eq!(slot.next_receivable(), Some(id(7)));
    assert_eq!(fill(&mut slot, 7), 1);
    slot.flush().unwrap();
    assert_eq!(sort(&client.completions()).1, [handle(id(8))]);
}

#[test]
fn blocks_come_back_after_their_connection_is_closed() {
    let (mut slot, mut client) = connected(1);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"last words")), 10);
    slot.closed(id(0), Reason::NONE);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"no one")), 0);
    slot.flush().unwrap();
    let closed = Completion::Closed { connection: handle(id(0)), reason: Reason::NONE };
    assert_eq!(client.completions(), [received(0, 0, 10), closed]);
    client.submit(Submission::Release { block: 0 });
    assert!(slot.next_request().unwrap().is_none());
    client.submit(Submission::Release { block: 0 });
    assert!(slot.next_request().is_err(), "it is released already");
}

#[test]
fn information_crosses_even_if_nothing_is_read() {
    let (mut slot, mut client) = connected(2);
    fill(&mut slot, 0);
    fill(&mut slot, 1);
    slot.flush().unwrap();
    client.completions();
    let info = ConnectionInfo { token: 0xfeed, bytes_sent: 9, ..ConnectionInfo::default() };
    let ask = |slot: &mut ClientSlot, client: &mut RawClient, user_data| {
        client.submit(Submission::Info { user_data, connection: handle(id(1)) });
        let Some(Request::Info { ticket, connection }) = slot.next_request().unwrap() else {
            panic!("no question");
        };
        slot.info(ticket, connection, &info);
        slot.flush().unwrap();
        client
            .completions()
            .into_iter()
            .filter(|it| !matches!(it, Completion::HeldBack { .. }))
            .collect::<Vec<_>>()
    };
    let answer = ask(&mut slot, &mut client, 1);
    let [Completion::Info { user_data: 1, range, .. }] = answer[..] else { panic!("{answer:?}") };
    assert_eq!(ConnectionInfo::from_bytes(&client.received(range)), Some(info));
    // The block for wanted connections may be taken too; then there is none.
    assert!(matches!(ask(&mut slot, &mut client, 2)[..], [Completion::Info { user_data: 2, .. }]));
    let answer = ask(&mut slot, &mut client, 2);
    assert_eq!(answer, [Completion::Failed { user_data: 2, reason: Reason::NO_BUFFERS }]);
    client.submit(Submission::Release { block: range.block });
    assert!(matches!(ask(&mut slot, &mut client, 3)[..], [Completion::Info { user_data: 3, .. }]));
}

#[test]
fn a_full_ring_holds_completions_back_in_order() {
    let (mut slot, mut client) = connected(10);
    for index in 0..10 {
        slot.received_fin(id(index));
        slot.closed(id(index), Reason::NONE);
    }
    slot.flush().unwrap();
    let first = client.completions();
    assert_eq!(first.len(), 16);
    slot.flush().unwrap();
    let all: Vec<_> = first.into_iter().chain(client.completions()).collect();
    let expected: Vec<_> = (0..10)
        .flat_map(|index| {
            let connection = handle(id(index));
            [Completion::ReceivedFin { connection }, Completion::Closed { connection, reason: Reason::NONE }]
        })
        .collect();
    assert_eq!(all, expected);
}
