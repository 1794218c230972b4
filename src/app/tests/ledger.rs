use std::net::SocketAddr;

use crate::app::ledger::{Direction, Ledger};
use crate::app::{Link, Progress};

fn link(name: &str, local_port: u16, received: u64) -> Link {
    let local: SocketAddr = format!("10.0.0.1:{local_port}").parse().expect("an address");
    let remote = "10.0.0.2:80".parse().expect("an address");
    Link {
        name: name.to_owned(),
        local,
        remote,
        bytes_sent: received / 10,
        bytes_received: received,
        srtt_us: None,
    }
}

fn enter(ledger: &mut Ledger, connection: u32, links: &[Link]) {
    ledger.enter(
        connection,
        &Progress { mptcp: true, taken_over_frames: u64::from(connection) + 3, links: links.to_vec() },
    );
}

fn totals(ledger: &Ledger) -> Vec<(String, u64)> {
    ledger.totals().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

#[test]
fn a_lost_subflow_keeps_what_it_carried() {
    let mut ledger = Ledger::new(Direction::Download);
    enter(&mut ledger, 1, &[link("p0", 1000, 100), link("p1", 1001, 50)]);
    enter(&mut ledger, 1, &[link("p1", 1001, 80)]);
    // The link is back, as another subflow.
    enter(&mut ledger, 1, &[link("p1", 1001, 90), link("p0", 1002, 7)]);
    assert_eq!(totals(&ledger), [("p0".to_owned(), 107), ("p1".to_owned(), 90)]);
}

#[test]
fn connections_add_up() {
    let mut ledger = Ledger::new(Direction::Download);
    enter(&mut ledger, 1, &[link("p0", 1000, 100)]);
    // The second connection counts from zero, even with the same port.
    enter(&mut ledger, 2, &[link("p0", 1000, 30)]);
    enter(&mut ledger, 2, &[link("p0", 1000, 40)]);
    assert_eq!(totals(&ledger), [("p0".to_owned(), 140)]);
    assert_eq!(ledger.taken_over_frames(), 4 + 5);
}

#[test]
fn a_counter_that_starts_again_is_another_subflow() {
    let mut ledger = Ledger::new(Direction::Download);
    enter(&mut ledger, 1, &[link("p0", 1000, 100)]);
    enter(&mut ledger, 1, &[link("p0", 1000, 5)]);
    assert_eq!(totals(&ledger), [("p0".to_owned(), 105)]);
}

#[test]
fn the_report_has_shares_and_rates_of_the_direction() {
    let mut ledger = Ledger::new(Direction::Upload);
    enter(&mut ledger, 1, &[link("p0", 1000, 3000), link("p1", 1001, 1000)]);
    let report = ledger.report(2.0);
    assert_eq!((report[0].bytes, report[1].bytes), (300, 100));
    assert!((report[0].share - 0.75).abs() < 1e-9 && (report[1].share - 0.25).abs() < 1e-9);
    assert!((report[0].bits_per_second - 1200.0).abs() < 1e-9);
    assert!(ledger.mptcp());

    let idle = Ledger::new(Direction::Upload);
    assert!(idle.report(0.0).is_empty() && !idle.mptcp());
}
