use super::*;
use crate::base::HeapPacket;
use crate::engine::exchange::peer::{FRAMES, MESSAGES};

fn cores(count: usize) -> Vec<Exchange<HeapPacket>> {
    let signals: Vec<_> = (0..count).map(|_| Signal::new().unwrap()).collect();
    mesh(&signals)
}

/// A message that has a number.
fn message(number: u16) -> CoreMessage {
    let end = |port| std::net::SocketAddr::from(([10, 0, 0, 1], port));
    CoreMessage::Claim(crate::base::FourTuple { local: end(80), remote: end(number) }.into())
}

fn send(exchange: &mut Exchange<HeapPacket>, to: u8, numbers: impl Iterator<Item = u16>) -> bool {
    let mut messages = numbers.map(|number| (CoreIndex(to), message(number)));
    let is_sent = exchange.tell(|| messages.next());
    exchange.publish();
    is_sent
}

fn heard(exchange: &mut Exchange<HeapPacket>) -> Vec<(CoreIndex, CoreMessage)> {
    let mut heard = Vec::new();
    exchange.take_messages(|from, message| heard.push((from, message)));
    heard
}

#[test]
fn every_core_reaches_every_other() {
    let mut cores = cores(4);
    for from in 0..4_u8 {
        for to in (0..4).filter(|&to| to != from) {
            let frame = HeapPacket::new(&[from, to]);
            assert!(cores[usize::from(from)].hand_over(
                CoreIndex(to),
                PortIndex(1),
                frame,
                ReceiveMeta::default()
            ));
            assert!(send(&mut cores[usize::from(from)], to, [u16::from(to)].into_iter()));
        }
    }
    for to in 0..4_u8 {
        let exchange = &mut cores[usize::from(to)];
        let senders = heard(exchange).into_iter().map(|(from, said)| {
            assert_eq!(said, message(u16::from(to)));
            from.0
        });
        let senders: Vec<_> = senders.collect();
        let others: Vec<_> = (0..4).filter(|&from| from != to).collect();
        let mut frames = Vec::new();
        exchange.take_frames(|from, parcel| {
            assert_eq!(parcel.frame.as_slice(), [from.0, to]);
            assert_eq!(parcel.port, PortIndex(1));
            frames.push(from.0);
        });
        assert_eq!((senders, frames), (others.clone(), others));
        assert_eq!(exchange.counts(), [HandOvers::default(), HandOvers { given: 3, taken: 3, dropped: 0 }]);
    }
}

#[test]
fn messages_wait_for_room_and_keep_their_order() {
    let mut cores = cores(2);
    let count = MESSAGES as u16 * 2 + 5;
    assert!(!send(&mut cores[0], 1, 0..count));
    let mut all = Vec::new();
    while all.len() < usize::from(count) {
        let some = heard(&mut cores[1]);
        assert!(!some.is_empty() && some.len() <= MESSAGES);
        all.extend(some.into_iter().map(|(_, message)| message));
        let is_sent = send(&mut cores[0], 1, std::iter::empty());
        assert_eq!(is_sent, usize::from(count) - all.len() <= MESSAGES);
    }
    assert_eq!(all, (0..count).map(message).collect::<Vec<_>>());
}

#[test]
fn messages_that_wait_hold_up_no_other_core() {
    let mut cores = cores(3);
    let count = MESSAGES as u16 + 1;
    assert!(!send(&mut cores[1], 0, 0..count));
    // To the other they go at once, and what waits goes as soon as there is room.
    assert!(!send(&mut cores[1], 2, 7..8));
    assert_eq!(heard(&mut cores[2]), [(CoreIndex(1), message(7))]);
    assert_eq!(heard(&mut cores[0]).len(), MESSAGES);
    assert!(send(&mut cores[1], 2, std::iter::empty()));
    assert_eq!(heard(&mut cores[0]), [(CoreIndex(1), message(count - 1))]);
    assert!(cores[1].prepare_sleep());
}

#[test]
fn no_two_cores_have_anything_on_one_line() {
    const PAIR_OF_LINES: usize = 128;
    for exchange in &cores(4) {
        let range = exchange.peers.as_ptr_range();
        assert_eq!((range.start as usize % PAIR_OF_LINES, range.end as usize % PAIR_OF_LINES), (0, 0));
    }
}

#[test]
fn frames_that_find_no_room_are_dropped_and_messages_are_not_held_up() {
    let mut cores = cores(2);
    let give = |cores: &mut Vec<Exchange<HeapPacket>>| {
        cores[0].hand_over(CoreIndex(1), PortIndex(0), HeapPacket::new(&[1]), ReceiveMeta::default())
    };
    let given = (0..FRAMES + 7).filter(|_| give(&mut cores)).count();
    assert_eq!(given, FRAMES);
    assert_eq!(cores[0].counts(), [HandOvers { given: FRAMES as u64, taken: 0, dropped: 7 }]);
    assert!(send(&mut cores[0], 1, 0..1));
    assert_eq!(heard(&mut cores[1]).len(), 1);
    let taken = cores[1].take_frames(|_, _| {});
    assert_eq!(taken, FRAMES_PER_TURN);
    assert!(give(&mut cores));
    // There is no such core.
    assert!(!cores[0].hand_over(CoreIndex(9), PortIndex(0), HeapPacket::new(&[1]), ReceiveMeta::default()));
}

#[test]
fn who_sleeps_is_woken_once() {
    let mut cores = cores(2);
    assert!(cores[1].prepare_sleep());
    assert!(!cores[1].signal.bell.has_rung());
    assert!(send(&mut cores[0], 1, 0..1));
    assert!(cores[1].signal.bell.has_rung());
    cores[1].signal.bell.hear();
    // It is known to be awake.
    assert!(send(&mut cores[0], 1, 0..1));
    assert!(!cores[1].signal.bell.has_rung());
    // And does not lie down in front of work.
    assert!(!cores[1].prepare_sleep());
    cores[1].cancel_sleep();
    assert!(send(&mut cores[0], 1, 0..1));
    assert!(!cores[1].signal.bell.has_rung());
}

#[test]
fn nothing_waits_for_a_core_that_has_ended() {
    let mut cores = cores(2);
    assert!(!send(&mut cores[0], 1, 0..MESSAGES as u16 + 1));
    drop(cores.pop());
    assert!(send(&mut cores[0], 1, 0..1));
    assert!(cores[0].prepare_sleep());
}

#[test]
fn the_crew_is_finished_when_each_has_finished() {
    let cores = cores(3);
    for exchange in &cores {
        assert!(!exchange.crew.is_finished());
        exchange.crew.finish();
    }
    assert!(cores[0].crew.is_finished());
}
