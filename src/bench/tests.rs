//! The programs against each other, in two engines whose time the test drives.

use super::{Connects, Measured, News, Pattern, Plan, Sink, Target, Value, Wish};
use crate::base::{Duration, HeapPacket, Instant, Random};
use crate::device::MemoryDevice;
use crate::engine::tests::pair::{endpoint_config, server, wires};
use crate::engine::{Engine, Resident, Settings};
use std::sync::mpsc::{Receiver, Sender, channel};

/// How far the clock goes with each turn: a frame's way.
const TURN: Duration = Duration::from_micros(10);

type Program = Box<dyn Resident<HeapPacket>>;

fn pattern() -> Pattern<HeapPacket> {
    Pattern::new(vec![HeapPacket::new(&[7; 1000])])
}

fn engine(side: u8, devices: Vec<MemoryDevice>, now: Instant, program: Program) -> Engine<MemoryDevice> {
    let config = endpoint_config(side, &devices);
    let mut engine =
        Engine::reproducible(Settings::default(), config, devices, now, Random::from_number(side.into()))
            .unwrap();
    engine.house(program);
    engine
}

/// Runs a program against the sink, over two wires, to its end.
fn measure(program: impl FnOnce(Target, Plan, Sender<News>) -> Program) -> Measured {
    let start = Instant::from_nanos(1_000_000_000);
    let plan = Plan { warm_up: Duration::from_millis(10), run: Duration::from_millis(500), runs: 1 };
    let (left, right) = wires(2);
    let (news, told): (_, Receiver<News>) = channel();
    let target = Target { address: server(), ports: 1, connections: 1 };
    let mut right = engine(2, right, start, Box::new(Sink::new(server(), 1, pattern(), news.clone())));
    let mut left = engine(1, left, start, program(target, plan, news));
    let mut measured = None;
    for turn in 0..1_000_000 {
        let now = start + TURN * turn;
        right.turn(now);
        left.turn(now);
        match told.try_recv() {
            Ok(News::Measured(run)) => measured = Some(run),
            Ok(News::Done) => return measured.unwrap(),
            Ok(News::Failed(reason)) => panic!("{reason}"),
            Err(_) => {}
        }
    }
    panic!("never done");
}

/// Nothing in the life of a short connection waits for a timer: it is over
/// after some turns of both engines, though joins are under way at its end.
#[test]
fn a_short_connection_takes_round_trips_only() {
    let measured = measure(|target, plan, news| {
        Box::new(Connects::new(target, HeapPacket::new(&Wish::Once.encode()), plan, news))
    });
    let Value::Connections(connections) = measured.value else { panic!("{measured:?}") };
    assert!(measured.mptcp);
    let each = measured.elapsed.as_nanos() / connections;
    assert!(each < 20 * TURN.as_nanos(), "{each} ns for each of {connections} connections");
}
